"""How fast training is: pictures decoded and augmented per second and core, and one epoch of the paper.

    python benchmarks/training.py [--sets FOLDER]

Makes JPEG pictures of 96 x 96 pixels in numbers of the paper's three sets (arXiv 2011.14858, Table 1; drawn
faces, 14,211 in all, kept in FOLDER), and measures

* each recipe's stream alone, in this process, in pictures per second of processor time, every file read and
  decoded at least once, half of the paper's pictures augmented copies;
* one epoch of 131,055 pictures of mask_cnn with a worker for each processor, in seconds.

Times are this machine's; run it when nothing else does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from generator.augment import Epoch, Pictures, Stream
from generator.imaging.opencv import opencv
from generator.learn.architectures import architecture
from generator.learn.fitting import Batches, compile_for
from generator.learn.recipes import PAPER, RECIPES, Recipe
from generator.pictures.sets import FileLoader
from generator.pictures.synthetic import draw_face

SETS = {"kaggle12k": (11_792, 0), "kaggle440": (440, 4_000), "openmv": (1_979, 8_000)}
"""Pictures, and standard copies of them."""

SHAPE = (32, 32, 3)
SIDE = 96  # pixels
DRAWN = 200
SAMPLE = 4_000


def make_sets(folder: Path) -> Pictures:
    """Write the pictures, unless they are there: few drawings, each moved and with noise of its own."""
    cv2 = opencv("writing pictures")
    faces = [draw_face(np.random.default_rng(i), bool(i % 2), SIDE) for i in range(DRAWN)]
    paths, labels, sources = [], [], []
    for name, (count, _) in SETS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = folder / name / f"{index:05}.jpg"
            if not path.exists():
                rng = np.random.default_rng((count, index))
                face = faces[(index + int(rng.integers(DRAWN // 2)) * 2) % DRAWN]
                moved = np.roll(face, rng.integers(-9, 10, 2), (0, 1)) + rng.normal(0, 6, face.shape)
                pixels = np.clip(moved, 0, 255).astype(np.uint8)
                path.write_bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
            paths.append(path)
            labels.append(index % 2)
            sources.append(name)
    return Pictures(FileLoader(tuple(paths)), labels, sources)


def pictures_per_core_second(pictures: Pictures, how: Epoch) -> float:
    """Of processor time of this process, which uses one core; every picture is read and decoded."""
    opencv("augmentation").setNumThreads(1)
    some = Pictures(pictures.load, pictures.labels[:SAMPLE], pictures.sources[:SAMPLE])
    fewer = replace(how, copies=SAMPLE)
    with Stream(some, fewer, SHAPE, seed=0, workers=0) as stream:
        started = time.process_time()
        count = sum(len(images) for images, _ in stream.epoch(0, 64))
        return count / (time.process_time() - started)


def seconds_of_an_epoch(pictures: Pictures, recipe: Recipe) -> tuple[int, float]:
    """Pictures of an epoch of mask_cnn, and the time that it takes."""
    model = architecture("mask_cnn").build()
    compile_for(model, recipe)
    with Stream(pictures, recipe.epoch, SHAPE, seed=0, workers=os.cpu_count() or 1) as stream:
        batches = Batches(stream, recipe.batch_size, 2)
        started = time.monotonic()
        model.fit(batches.epoch(0), steps_per_epoch=batches.steps, verbose=0)
        return len(stream), time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=Path, help="where the pictures are kept [default: thrown away]")
    with tempfile.TemporaryDirectory() as temporary:
        pictures = make_sets(parser.parse_args().sets or Path(temporary))
        for name, recipe in RECIPES.items():
            rate = pictures_per_core_second(pictures, recipe.epoch)
            print(f"recipe {name}: {rate:,.0f} pictures per second of one core")
        copies = {name: count for name, (_, count) in SETS.items() if count}
        paper = replace(PAPER, epoch=replace(PAPER.epoch, copies=copies))
        count, seconds = seconds_of_an_epoch(pictures, paper)
        print(f"one epoch of mask_cnn over {count:,} pictures: {seconds:.0f} s")


if __name__ == "__main__":
    main()
