"""Streams of batches: the same bytes from any number of workers, nothing lost, nothing added."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from generator.augment import FACES, STANDARD, STRONG, Epoch, Pictures, Stream
from tests.support.cli import ROOT

pytest.importorskip("cv2", reason="OpenCV is not installed")

SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Noise:
    """Pictures of some sides; the first pixel tells which."""

    sides: tuple[int, ...] = (96, 40, 300)

    def __call__(self, index):
        side = self.sides[index % len(self.sides)]
        image = np.random.default_rng(index).integers(0, 256, (side, side + index % 5, 3), dtype=np.uint8)
        return image


def pictures(count=24):
    return Pictures(Noise(), [i % 2 for i in range(count)], ["noise"] * count)


def epoch(how, *, workers=0, number=0, seed=3, batch=50, shape=SHAPE):
    with Stream(pictures(), how, shape, seed=seed, workers=workers) as stream:
        return list(stream.epoch(number, batch))


@pytest.mark.parametrize("augmentation", [STANDARD, STRONG, FACES])
def test_workers_change_nothing(augmentation):
    how = Epoch(copies=500, augmentation=augmentation, each_interpolation=False)
    alone, helped = epoch(how), epoch(how, workers=2)
    assert len(alone) == len(helped) == 11
    for (images, labels), (same_images, same_labels) in zip(alone, helped, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(labels, same_labels)


def test_batches_are_full_but_for_the_last():
    made = epoch(Epoch(), batch=50)
    assert [len(images) for images, _ in made] == [50, 50, 20]
    assert all(images.shape[1:] == SHAPE and images.dtype == np.uint8 for images, _ in made)


def test_epochs_and_seeds_differ():
    how = Epoch(originals=False, copies=40, augmentation=STRONG, each_interpolation=False)
    runs = [epoch(how, number=n, seed=s)[0][0] for n, s in ((0, 0), (1, 0), (0, 1))]
    assert not any((a == b).all() for a, b in zip(runs, [*runs[1:], runs[0]], strict=True))


def test_one_channel_is_brightness():
    images, _ = epoch(Epoch(), shape=(24, 24, 1))[0]
    assert images.shape[1:] == (24, 24, 1)


PARENT = """
import os, signal, time
from tests.augment.test_stream import SHAPE, Epoch, Stream, pictures

if __name__ == "__main__":
    with Stream(pictures(), Epoch(), SHAPE, seed=0, workers=1) as stream:
        next(stream.epoch(0, 4))
        print(*stream._workers._pool._processes, flush=True)
        time.sleep(60)
"""


def test_workers_end_when_training_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the worker lives on")


def test_what_cannot_be_read_stops_the_stream():
    def load(index):
        raise OSError(f"picture {index}")

    with (
        Stream(Pictures(load, [0, 1], ["x"] * 2), Epoch(), SHAPE, seed=0, workers=0) as stream,
        pytest.raises(OSError, match="picture"),
    ):
        list(stream.epoch(0, 4))
