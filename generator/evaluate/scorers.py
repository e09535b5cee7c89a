"""From pictures of any size to scores: TFLM in this process or several, and the firmware on the emulator.

Each scales pictures itself, as the firmware does, so that any can stand in for another.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.application import pixel_values
from generator.catalog import Normalization
from generator.emulator import EmulatedSerial, Machine
from generator.errors import ModelError, TargetError, UsageError
from generator.evaluate.metrics import Classes, Scores
from generator.evaluate.parallel import in_processes
from generator.graph import DType, Tensor
from generator.imaging import Image, prepare_image
from generator.link import Client
from generator.reference import Oracle
from generator.targets import Board
from generator.toolchain.elf import ElfImage

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of pictures done."""

_NOT_WORTH_PROCESSES = 500  # pictures that are done by the time that other processes would begin
TFLM, FIRMWARE = "tflm-int8", "firmware-int8"


class Scorer(Protocol):
    """A network that takes pictures.

    Attributes:
        engine: what computes.
        takes_threshold: whether one score decides between two classes; else the largest of several does.
    """

    @property
    def engine(self) -> str: ...  # noqa: D102

    @property
    def takes_threshold(self) -> bool: ...  # noqa: D102

    def __call__(self, images: Iterable[Image], progress: Progress | None = None) -> Scores:
        """Scores (N x classes, 0..1) of H x W x 3 pictures of any size; they are read as they are needed."""
        ...


def as_scores(raw: npt.NDArray[Any], output: Tensor, classes: int) -> Scores:
    """The elements of a network's first output, N x any, as N x ``classes`` scores.

    Real values are taken in float32 as in the firmware. A single score p becomes 1 - p and p; a class number
    (int32) becomes score 1 of that class.
    """
    if output.dtype is DType.INT32:
        one_hot: Scores = np.eye(classes)[raw.reshape(len(raw), -1)[:, 0]]
        return one_hot
    values = raw.reshape(len(raw), -1)
    if output.quantization is not None and output.dtype is not DType.FLOAT32:
        steps = values.astype(np.float32) - np.float32(output.quant.zero_point)
        values = np.float32(output.quant.scale) * steps
    scores = values.astype(np.float64)
    return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores


class TflmScorer:
    """A ``.tflite`` model in TensorFlow Lite for Microcontrollers, whose arithmetic is the device's."""

    engine = TFLM

    def __init__(
        self,
        model: bytes,
        subject: str,
        normalization: Normalization | None,
        classes: int,
        *,
        workers: int = 1,
    ) -> None:
        """``subject`` is what messages call the model; ``classes`` counts for one that gives class numbers;
        many pictures go to ``workers`` processes.

        Raises:
            ModelError: TFLM does not take it, or it has no image input.
            UsageError: it tells another number of classes apart.
            MissingToolError: TFLM is not installed.
        """
        self._arguments = (model, subject, normalization, classes)
        self._workers = workers
        self._classes = classes
        try:
            self._oracle = Oracle(model)
            given, self._output = self._oracle.input_tensor(), self._oracle.output_tensor()
        except (RuntimeError, ValueError, struct.error, IndexError, TypeError, AttributeError) as error:
            # A file that is no FlatBuffer fails anywhere in the schema's readers.
            raise ModelError(subject, [f"TFLM does not take it: {error}"]) from error
        shape = given.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
            raise ModelError(subject, [f"its input has shape {shape}; needed is 1 x H x W x 1 or 3"])
        told_apart = max(2, self._output.element_count)
        if self._output.dtype is not DType.INT32 and told_apart != classes:
            raise UsageError(
                f"{subject} tells {told_apart} classes apart, the pictures are of {classes}: it needs "
                "pictures in a folder for each of its classes"
            )
        self._shape = shape[1], shape[2], shape[3]
        self._table = pixel_values(given, normalization)

    @property
    def takes_threshold(self) -> bool:
        """See :class:`Scorer`."""
        return self._output.dtype is not DType.INT32 and self._output.element_count == 1

    def __call__(self, images: Iterable[Image], progress: Progress | None = None) -> Scores:
        """See :class:`Scorer`."""
        pictures = iter(images)
        few = None if self._workers == 1 else _NOT_WORTH_PROCESSES
        here = map(self.run, islice(pictures, few))
        elsewhere = in_processes(_run_tflm, pictures, self._workers, _start_tflm, *self._arguments)
        return as_scores(_gathered(chain(here, elsewhere), progress), self._output, self._classes)

    def run(self, image: Image) -> npt.NDArray[Any]:
        """The first output for one picture, as it leaves the network."""
        values = self._table[prepare_image(image, *self._shape)]
        return self._oracle.run([values[np.newaxis]])[0].reshape(-1)


class FirmwareScorer:
    """A built firmware: each process emulates a board of its own and sends it pictures over the host link."""

    engine = FIRMWARE

    def __init__(self, elf: Path, board: Board, output: Tensor, classes: int, *, workers: int) -> None:
        """``output`` is the network's first; ``classes`` as for :class:`TflmScorer`."""
        self._elf, self._board = elf, board
        self._output, self._classes, self.workers = output, classes, workers

    @property
    def takes_threshold(self) -> bool:
        """See :class:`Scorer`."""
        return self._output.dtype is not DType.INT32 and self._output.element_count == 1

    def __call__(self, images: Iterable[Image], progress: Progress | None = None) -> Scores:
        """See :class:`Scorer`; raises as :meth:`decide`."""
        return self.decide(images, progress)[0]

    def decide(self, images: Iterable[Image], progress: Progress | None = None) -> tuple[Scores, Classes]:
        """Scores, and the classes that the firmware itself decided for.

        Raises:
            TargetError: a firmware faulted or did not answer; the message has the picture's number.
            UsageError: the model on it takes no images.
        """
        decided: list[int] = []

        def outputs() -> Iterator[npt.NDArray[Any]]:
            numbered = enumerate(images)
            for raw, class_index in in_processes(
                _classify, numbered, self.workers, _start_machine, self._elf, self._board
            ):
                decided.append(class_index)
                yield np.frombuffer(raw, self._output.dtype.numpy)

        raw = _gathered(outputs(), progress)
        return as_scores(raw, self._output, self._classes), np.array(decided, np.int64)


def _gathered(outputs: Iterable[npt.NDArray[Any]], progress: Progress | None) -> npt.NDArray[Any]:
    gathered = []
    for output in outputs:
        gathered.append(output)
        if progress is not None:
            progress(len(gathered))
    if not gathered:
        raise UsageError("there is no image to give to the network")
    return np.stack(gathered)


# What a process of its own works with.
_tflm: TflmScorer
_board: tuple[Path, Board]
_device: Client | None = None


def _start_tflm(*arguments: Any) -> None:
    global _tflm  # noqa: PLW0603 - the process's own
    _tflm = TflmScorer(*arguments)


def _run_tflm(image: Image) -> npt.NDArray[Any]:
    return _tflm.run(image)


def _start_machine(elf: Path, board: Board) -> None:
    global _board  # noqa: PLW0603 - the process's own
    _board = elf, board


def _classify(numbered: tuple[int, Image]) -> tuple[bytes, int]:
    global _device  # noqa: PLW0603 - the process's own
    index, image = numbered
    try:
        if _device is None:
            elf, board = _board
            machine = Machine(ElfImage.load(elf), board, data_timing=False)
            machine.reset()
            _device = Client(EmulatedSerial(machine))
            if not _device.identity.takes_images:
                raise UsageError(f"the model on the firmware, {_device.identity.model}, takes no images")
        _device.send_image(image)
        decision = _device.classify()
        return _device.read_output(), decision.class_index
    except TargetError as error:
        # Plain, because its kinds do not all survive the way to another process.
        raise TargetError(f"picture {index}: {error}") from None
