"""How many changed copies of pictures are found, and how many other pictures are taken for copies.

    python benchmarks/near_duplicates.py ../shared/data/faces

Every fourth picture is changed in each way and looked for among all pictures.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from generator.imaging import Image, read_image
from generator.pictures.layouts import image_files
from generator.pictures.screening import fingerprint_of, fingerprints, near_duplicates

Change = Callable[[Image, np.random.Generator], Image]


def recompressed(image: Image, quality: int) -> Image:
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def turned(image: Image, degrees: int) -> Image:
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    colours[..., 0] = (colours[..., 0].astype(int) + degrees // 2) % 180
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_HSV2RGB), np.uint8)


def lit(image: Image, gain: float, offset: float = 0) -> Image:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


def scaled(image: Image, factor: float) -> Image:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def cut(image: Image, rng: np.random.Generator, share: float) -> Image:
    height, width = (round(side * (1 - share)) for side in image.shape[:2])
    top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


CHANGES: Mapping[str, Change] = {
    "mirrored": lambda image, rng: image[:, ::-1],
    "JPEG, quality 30": lambda image, rng: recompressed(image, 30),
    "half as large": lambda image, rng: scaled(image, 0.5),
    "twice as large": lambda image, rng: scaled(image, 2),
    "hue turned by 60 degrees": lambda image, rng: turned(image, 60),
    "hue turned by 180 degrees": lambda image, rng: turned(image, 180),
    "red and blue exchanged": lambda image, rng: image[..., ::-1],
    "grey": lambda image, rng: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis], 3, 2),
    "brighter by 30 %": lambda image, rng: lit(image, 1.3, 10),
    "darker by 40 %": lambda image, rng: lit(image, 0.6),
    "noise of 10 steps": lambda image, rng: lit(image, 1, rng.normal(0, 10, image.shape)),
    "cut by 5 %": lambda image, rng: cut(image, rng, 0.05),
    "cut by 10 %": lambda image, rng: cut(image, rng, 0.10),
    "mirrored and hue turned": lambda image, rng: turned(np.ascontiguousarray(image[:, ::-1]), 120),
    "mirrored, cut by 5 %, JPEG": lambda image, rng: recompressed(
        np.ascontiguousarray(cut(image, rng, 0.05)[:, ::-1]), 50
    ),
    "turned by 3 degrees": lambda image, rng: np.asarray(
        cv2.warpAffine(
            image,
            cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), 3, 1),
            image.shape[1::-1],
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    ),
}


def main() -> None:
    paths = image_files(Path(sys.argv[1]))
    originals = np.stack([made.thumbnail for made in fingerprints(paths) if not isinstance(made, Exception)])
    count = len(originals)
    started = time.perf_counter()
    pairs = {tuple(sorted(pair)) for pair in near_duplicates(originals)}
    print(f"{count} pictures: {len(pairs)} of {count * (count - 1) // 2:,} pairs taken for copies,")
    print(f"in {time.perf_counter() - started:.1f} s")
    for one, other in sorted(pairs):
        print(f"  {paths[one]} {paths[other]}")
    chosen = range(0, count, 4)
    for name, change in CHANGES.items():
        changed = [change(read_image(paths[i]), np.random.default_rng(i)) for i in chosen]
        copies = np.stack([fingerprint_of(np.ascontiguousarray(image)).thumbnail for image in changed])
        found = {tuple(sorted(pair)) for pair in near_duplicates(np.concatenate([originals, copies]))}
        right = sum((original, count + number) in found for number, original in enumerate(chosen))
        wrong = sum(other >= count and one != chosen[other - count] for one, other in found)
        print(f"{name:28} {right / len(chosen):6.1%} found, {wrong} others taken for it", flush=True)


main()
