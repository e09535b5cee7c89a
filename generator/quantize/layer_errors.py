"""What quantizing did to each layer: the quantized network beside the float one, on the same samples.

Both networks run whole, so an error is what the firmware would show at that place, with all that came before
it. TensorFlow's own QuantizationDebugger would feed each layer from the float network and measure it alone,
on a network that is not the one shipped, for int8 only and without channels. What a layer adds itself is
here the difference between the errors of its output and of its inputs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from generator.quantize.calibration import Samples
from generator.quantize.keras import quiet, tensorflow
from generator.quantize.matching import match_tensors
from generator.quantize.pool import Sample
from generator.quantize.tflite_file import FileTensor, TfliteFile, parse

WORST_CHANNELS = 3
_LOWEST_DB = -99.0
_DIGITS = 6
# Results that are moved, not computed: no error is theirs.
_MOVES = (
    *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "REVERSE_V2", "CONCATENATION", "PACK", "UNPACK"),
    *("SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE", "GATHER", "PAD", "PADV2", "MIRROR_PAD"),
    *("BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
)
# Their range is fixed, and a small value in it is meant to be small: channels are not weighed alike.
_FIXED_RANGE = ("SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX")


@dataclass(frozen=True)
class ChannelError:
    """Signal-to-noise ratio of one channel (position on the last axis), in dB."""

    channel: int
    sqnr_db: float


@dataclass(frozen=True)
class LayerError:
    """What came out of an operator, against the float network.

    Attributes:
        operator: position in the file.
        op: kind.
        tensor: name of the result.
        shape: of the result.
        sqnr_db: signal to quantization noise over all values, from -99; None where nothing differs.
        added_noise: noise over signal, averaged over channels (each at most 1), minus the same of the worst
            input; 0 to 1. What this layer itself costs.
        mean_abs_error: in real units.
        max_abs_error: in real units.
        float_range: least and largest value of the float network.
        quantized_range: what the type can hold.
        clipped: share of the float values outside that by more than a step, 0 to 1.
        worst_channels: lowest ratios, worst first; at most three.
    """

    operator: int
    op: str
    tensor: str
    shape: tuple[int, ...]
    sqnr_db: float | None
    added_noise: float
    mean_abs_error: float
    max_abs_error: float
    float_range: tuple[float, float]
    quantized_range: tuple[float, float]
    clipped: float
    worst_channels: tuple[ChannelError, ...]


@dataclass(frozen=True)
class QuantizationReport:
    """Errors of all layers in network order.

    Attributes:
        samples: how many the networks ran on.
        held_out: whether those are others than the ones that set the ranges.
        layers: every operator whose result could be compared.
        worst: ``operator`` of the layer that adds most noise; None if none adds any.
        unmatched: results without a counterpart in the float network.
    """

    samples: int
    held_out: bool
    layers: tuple[LayerError, ...]
    worst: int | None
    unmatched: tuple[str, ...]


def report_errors(float_tflite: bytes, quantized_tflite: bytes, samples: Samples) -> QuantizationReport:
    """Run both networks and compare every layer: on ``held_out``, or ``calibration`` if there is none."""
    original, quantized = parse(float_tflite), parse(quantized_tflite)
    matched = match_tensors(quantized, original)
    used = samples.held_out or samples.calibration
    resolver = tensorflow().lite.experimental.OpResolverType
    first = _Runner(float_tflite, original, resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    second = _Runner(quantized_tflite, quantized, resolver.BUILTIN_REF)
    sums: dict[int, _Sums] = {}
    for sample in used:
        first.run(sample)
        second.run(sample)
        for ours, theirs in matched.items():
            found, wanted = second.real(ours), first.real(theirs)
            if ours not in sums:
                sums[ours] = _Sums(quantized.tensors[ours], wanted.shape[-1] if wanted.ndim else 1)
            sums[ours].add(found, wanted)
    layers, unmatched = [], []
    for position, operator in enumerate(quantized.operators):
        before = [sums[tensor] for tensor in operator.inputs if tensor in sums]
        for tensor in operator.outputs:
            if tensor in sums:
                layers.append(
                    _layer(position, operator.kind, quantized.tensors[tensor], sums[tensor], before)
                )
            else:
                unmatched.append(f"{position} {operator.kind} {quantized.tensors[tensor].name}")
    worst = max(layers, key=lambda layer: layer.added_noise, default=None)
    return QuantizationReport(
        samples=len(used),
        held_out=bool(samples.held_out),
        layers=tuple(layers),
        worst=worst.operator if worst and worst.added_noise > 0 else None,
        unmatched=tuple(unmatched),
    )


class _Runner:
    """A network on this computer, every value of which can be read after a run."""

    def __init__(self, content: bytes, file: TfliteFile, resolver: Any) -> None:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the interpreter is to move to another package
            self._interpreter = tensorflow().lite.Interpreter(
                model_content=content,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=resolver,
                num_threads=1,  # the same sums in the same order each time
            )
            self._interpreter.allocate_tensors()
        self._file = file

    def run(self, sample: Sample) -> None:
        for index, values in zip(self._file.inputs, sample, strict=True):
            self._interpreter.set_tensor(index, _as_stored(values, self._file.tensors[index]))
        self._interpreter.invoke()

    def real(self, index: int) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = self._interpreter.get_tensor(index).astype(np.float64)
        tensor = self._file.tensors[index]
        return values if tensor.scale is None else (values - tensor.zero_point) * tensor.scale


def _as_stored(values: npt.NDArray[Any], tensor: FileTensor) -> npt.NDArray[Any]:
    if tensor.scale is None:
        return values
    info = np.iinfo(tensor.dtype.lower())
    steps = np.rint(values.astype(np.float64) / tensor.scale) + tensor.zero_point
    stored: npt.NDArray[Any] = np.clip(steps, info.min, info.max).astype(info.dtype)
    return stored


class _Sums:
    """What is summed over all samples, per channel."""

    def __init__(self, tensor: FileTensor, channels: int) -> None:
        self.signal, self.noise = np.zeros(channels), np.zeros(channels)
        self.absolute, self.largest, self.clipped, self.count = 0.0, 0.0, 0, 0
        self.low, self.high = math.inf, -math.inf
        self.range = _range(tensor)
        self._step = tensor.scale or 0.0

    def add(self, found: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> None:
        channels = len(self.signal)
        error = (found - wanted).reshape(-1, channels)
        self.signal += np.square(wanted).reshape(-1, channels).sum(axis=0)
        self.noise += np.square(error).sum(axis=0)
        self.absolute += float(np.abs(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max()))
        self.low, self.high = min(self.low, float(wanted.min())), max(self.high, float(wanted.max()))
        outside = (wanted < self.range[0] - self._step) | (wanted > self.range[1] + self._step)
        self.clipped += int(outside.sum())
        self.count += wanted.size

    def noise_share(self, *, by_channel: bool) -> float:
        """Noise over signal, at most 1: of the whole, or the mean over the channels."""
        signal, noise = self.signal, self.noise
        if not by_channel:
            signal, noise = signal.sum(keepdims=True), noise.sum(keepdims=True)
        # A channel that should be silent has no noise, or nothing but noise.
        share = np.divide(noise, signal, out=np.where(noise > 0, 1.0, 0.0), where=signal > 0)
        return float(np.minimum(share, 1.0).mean())


def _layer(position: int, kind: str, tensor: FileTensor, sums: _Sums, before: Sequence[_Sums]) -> LayerError:
    by_channel = kind not in _FIXED_RANGE
    came_in = max((s.noise_share(by_channel=by_channel) for s in before), default=0.0)
    added = 0.0 if kind in _MOVES else max(0.0, sums.noise_share(by_channel=by_channel) - came_in)
    ratios = [
        ChannelError(channel, ratio)
        for channel, (signal, noise) in enumerate(zip(sums.signal, sums.noise, strict=True))
        if (ratio := _decibels(float(signal), float(noise))) is not None
    ]
    return LayerError(
        operator=position,
        op=kind,
        tensor=tensor.name,
        shape=tensor.shape,
        sqnr_db=_decibels(float(sums.signal.sum()), float(sums.noise.sum())),
        added_noise=_rounded(added),
        mean_abs_error=_rounded(sums.absolute / max(sums.count, 1)),
        max_abs_error=_rounded(sums.largest),
        float_range=(_rounded(sums.low), _rounded(sums.high)),
        quantized_range=(_rounded(sums.range[0]), _rounded(sums.range[1])),
        clipped=_rounded(sums.clipped / max(sums.count, 1)),
        worst_channels=tuple(sorted(ratios, key=lambda r: (r.sqnr_db, r.channel))[:WORST_CHANNELS]),
    )


def _range(tensor: FileTensor) -> tuple[float, float]:
    if tensor.scale is None:
        return float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)
    info = np.iinfo(tensor.dtype.lower())
    return (info.min - tensor.zero_point) * tensor.scale, (info.max - tensor.zero_point) * tensor.scale


def _decibels(signal: float, noise: float) -> float | None:
    if noise == 0:
        return None
    return max(_LOWEST_DB, round(10 * math.log10(signal / noise), 2)) if signal > 0 else _LOWEST_DB


def _rounded(value: float) -> float:
    """To the digits that say something, so that a report compares equal to itself."""
    return float(f"{value:.{_DIGITS}g}")
