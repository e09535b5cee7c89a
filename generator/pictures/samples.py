"""Pictures to ship with a model: drawings, and a public-domain photograph with a mask drawn on it.

``python -m generator.pictures.samples MODEL_DIR`` writes them anew; the same versions give the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from generator.errors import UsageError
from generator.imaging import Image, Sample, read_image
from generator.imaging.opencv import opencv
from generator.imaging.samples import save_samples
from generator.pictures import MASK_LABELS
from generator.pictures.synthetic import MASK_KINDS, draw_face, draw_mask_on

PHOTOGRAPH = "astronaut.png"
"""In ``samples/`` beforehand; its origin stands in the README there."""

_NOSE_BRIDGE, _CHIN, _WIDTH = (83.0, 81.0), (86.0, 151.0), 102.0  # of the mask on the photograph, pixels
_SEED = 20
_OF_EACH_CLASS = 8
_SIZE = 96  # pixels; drawn without noise, which would double the files


def make_samples(model_dir: Path) -> tuple[Sample, ...]:
    """Write ``samples/*.png`` and ``samples/samples.npz`` below ``model_dir`` and return what they hold.

    Raises:
        UsageError: the photograph is missing or unreadable.
        MissingToolError: OpenCV is not installed.
    """
    folder = model_dir / "samples"
    photograph = read_image(folder / PHOTOGRAPH)
    bare, masked = range(len(MASK_LABELS))
    samples = [Sample(PHOTOGRAPH, photograph, bare)]
    samples.append(
        Sample("astronaut_masked.png", draw_mask_on(photograph, _NOSE_BRIDGE, _CHIN, _WIDTH), masked)
    )
    for index in range(_OF_EACH_CLASS):
        kind = MASK_KINDS[index % len(MASK_KINDS)]
        with_mask = draw_face(np.random.default_rng((_SEED, masked, index)), True, _SIZE, mask=kind, noise=0)
        without = draw_face(np.random.default_rng((_SEED, bare, index)), False, _SIZE, noise=0)
        samples.append(Sample(f"drawn_mask_{index}_{kind}.png", with_mask, masked))
        samples.append(Sample(f"drawn_bare_{index}.png", without, bare))
    for sample in samples[1:]:
        _write_png(folder / sample.name, sample.image)
    save_samples(model_dir, tuple(samples))
    return tuple(samples)


def _write_png(path: Path, image: Image) -> None:
    cv2 = opencv("writing PNG files")
    done, content = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise UsageError(f"{path}: cannot be written as PNG")
    path.write_bytes(content.tobytes())


if __name__ == "__main__":
    make_samples(Path(sys.argv[1]))
