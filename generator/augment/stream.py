"""Epochs as a stream of batches: decoded and augmented in worker processes, never all in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from generator.augment.epoch import Epoch, Slots, slots
from generator.augment.recipe import disguise, scaled, varied
from generator.imaging import Image, crop_square, to_luma
from generator.imaging.opencv import opencv
from generator.workers import Workers

Batch: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Pictures, N x H x W x C, and their classes."""

_CHUNK = 256  # pictures that a worker makes at a time
_LARGEST = 256  # side in pixels that a picture is reduced to before it is augmented
_REMEMBERED_BYTES = 64 << 20  # of decoded pictures in each process
_DISGUISED = 2  # the same for disguises, in sides of the network: time goes with the square


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures that processes can share: everything in it can be pickled.

    Attributes:
        load: reads picture ``i``, RGB.
        labels: class of each.
        sources: name of the set that each came from.
    """

    load: Callable[[int], Image]
    labels: Sequence[int]
    sources: Sequence[str]


class Stream:
    """Makes the epochs of a training. A context manager: it owns worker processes.

    The same arguments give the same bytes, whatever the number of workers.

    Args:
        pictures: to make them of.
        how: what an epoch consists of.
        shape: height, width (equal) and channels (1 or 3) of the network's input.
        seed: of everything drawn by lot.
        workers: processes; 0 works in this one.
    """

    def __init__(
        self, pictures: Pictures, how: Epoch, shape: tuple[int, int, int], *, seed: int, workers: int
    ) -> None:
        self._work = _Work(pictures, how, shape, seed)
        self._maker = _Maker(self._work)
        self._workers = Workers(workers, _take_work, self._work) if workers else None

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers is not None:
            self._workers.__exit__(kind, error, trace)

    def __len__(self) -> int:
        """Pictures in an epoch."""
        return self._work.how.size(len(self._work.pictures.labels))

    def epoch(self, number: int, batch_size: int) -> Iterator[Batch]:
        """Yield the batches of one epoch; the last may be smaller."""
        images: list[npt.NDArray[np.uint8]] = []
        labels: list[npt.NDArray[np.int64]] = []
        held = 0
        for made, classes in self._chunks(number):
            images.append(made)
            labels.append(classes)
            held += len(made)
            if held >= batch_size:
                all_images, all_labels = np.concatenate(images), np.concatenate(labels)
                whole = held - held % batch_size
                for start in range(0, whole, batch_size):
                    yield all_images[start : start + batch_size], all_labels[start : start + batch_size]
                images, labels, held = [all_images[whole:]], [all_labels[whole:]], held - whole
        if held:
            yield np.concatenate(images), np.concatenate(labels)

    def _chunks(self, number: int) -> Iterator[Batch]:
        work = self._work
        rng = np.random.default_rng((work.seed, number))
        plan = slots(work.how, work.pictures.labels, work.pictures.sources, rng)
        parts = (
            (plan.part(start, start + _CHUNK), number, index)
            for index, start in enumerate(range(0, len(plan), _CHUNK))
        )
        if self._workers is None:
            return map(self._maker.chunk, parts)
        return self._workers.map(_chunk, parts)


@dataclass(frozen=True)
class _Work:
    """What workers are sent when they begin."""

    pictures: Pictures
    how: Epoch
    shape: tuple[int, int, int]
    seed: int


class _Maker:
    """Makes the pictures of slots, and remembers as many decoded ones as fit into _REMEMBERED_BYTES."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._squares: OrderedDict[tuple[int, int], Image] = OrderedDict()
        self._bytes = 0

    def chunk(self, task: tuple[Slots, int, int]) -> Batch:
        """The pictures of slots, of an epoch's number, and of their place in it."""
        part, number, index = task
        rng = np.random.default_rng((self._work.seed, number, index))
        made = [self._picture(part, i, rng) for i in range(len(part))]
        return np.stack(made), part.label

    def _picture(self, part: Slots, i: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        side, _, channels = self._work.shape
        position, interpolation = int(part.picture[i]), int(part.interpolation[i])
        augmentation = self._work.how.augmentation
        if not part.is_copy[i]:
            made = scaled(self._square(position, _LARGEST), side, interpolation)
        elif augmentation.disguises is None:
            made = varied(self._square(position, _LARGEST), rng, augmentation, side, interpolation)
        else:

            def face(index: int) -> Image:
                return self._square(index, _DISGUISED * side)

            disguised = disguise(
                face(position),
                int(part.label[i]),
                lambda: face(int(rng.integers(len(self._work.pictures.labels)))),
                rng,
                augmentation.disguises,
                draw=bool(part.is_drawn[i]),
            )
            made = varied(disguised, rng, augmentation, side, interpolation)
        return (made if channels == 3 else to_luma(made)).reshape(self._work.shape)

    def _square(self, index: int, largest: int) -> Image:
        """A picture's central square, at most ``largest`` pixels wide."""
        known = self._squares.get((index, largest))
        if known is not None:
            self._squares.move_to_end((index, largest))
            return known
        square = crop_square(self._work.pictures.load(index))
        if square.shape[0] > largest:
            cv2 = opencv("augmentation")
            square = cv2.resize(square, (largest, largest), interpolation=cv2.INTER_AREA)
        square = np.ascontiguousarray(square)
        square.flags.writeable = False
        self._squares[index, largest] = square
        self._bytes += square.nbytes
        while self._bytes > _REMEMBERED_BYTES:
            self._bytes -= self._squares.popitem(last=False)[1].nbytes
        return square


_maker: _Maker


def _take_work(work: _Work) -> None:
    global _maker  # noqa: PLW0603  # what a worker process is for
    _maker = _Maker(work)
    opencv("augmentation").setNumThreads(1)


def _chunk(task: tuple[Slots, int, int]) -> Batch:
    return _maker.chunk(task)
