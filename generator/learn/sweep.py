"""Accuracy against size and modelled latency: small networks, each with weights of several widths.

Networks are trained from scratch with one recipe, quantized, and measured on Validation in TFLM. What is
finished stays: a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from generator.errors import UsageError
from generator.learn.architectures import Architecture, Head, architecture, mask_cnn
from generator.learn.fake_quant import Bits
from generator.learn.few_bits import quantize_to_few_bits
from generator.learn.recipes import PAPER, Recipe, fitted
from generator.learn.scoring import float_evaluation, int8_evaluation
from generator.learn.training import train
from generator.pictures import ImageSet
from generator.quantize.calibration import Samples, image_set_samples
from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import load_network
from generator.records import as_read, read_record, write_whole

DEFAULT_TUNING_EPOCHS = 5
DEFAULT_WEIGHTS: tuple[Bits, ...] = (8, 4)

_ROWS = "rows"


@dataclass(frozen=True)
class OnTarget:
    """What a ``.tflite`` file is as firmware on the emulated part: modelled cycles and milliseconds of an
    inference at ``clock_mhz``; bytes of the whole image in flash and of all RAM; MACs; outputs that differ
    from the reference's in so many inferences.
    """

    cycles: int
    ms: float
    clock_mhz: float
    flash_bytes: int
    ram_bytes: int
    macs: int
    inputs: int
    mismatches: int


@dataclass(frozen=True)
class Cast:
    """Makes firmware of a ``.tflite`` file for ``target``, a board at a clock, and runs it emulated."""

    target: str
    make: Callable[[Path], OnTarget]


@dataclass(frozen=True)
class Settings:
    """What a row depends on; one that was made with others is made anew."""

    recipe: Mapping[str, Any]
    tuning_epochs: int
    seed: int
    data: str
    data_sha256: str
    target: str


@dataclass(frozen=True)
class Row:
    """A network with weights of some width.

    Attributes:
        network: its name.
        bits: of the weights, the first and the last layer's aside.
        parameters: weights and biases as trained.
        float_accuracy: Validation, 0..1, in float32 before quantizing.
        accuracy: the same of the integers, in TFLM.
        count: pictures that both were measured on.
        tflite_bytes: the file.
        packed_weight_bytes: its weights at their own width.
        best_epoch: of training from scratch.
        best_tuning_epoch: of fine-tuning; 0 if the weights before it were kept.
        on_target: its firmware.
        settings: how it was made.
        training_seconds: of the training from scratch, which rows of one network share.
        tuning_seconds: of fine-tuning.
    """

    network: str
    bits: Bits
    parameters: int
    float_accuracy: float
    accuracy: float
    count: int
    tflite_bytes: int
    packed_weight_bytes: int
    best_epoch: int
    best_tuning_epoch: int
    on_target: OnTarget
    settings: Settings
    training_seconds: float = field(default=0.0, compare=False)
    tuning_seconds: float = field(default=0.0, compare=False)


def sweep_networks() -> tuple[Architecture, ...]:
    """The paper's modified SqueezeNet, its own network at four widths, a depthwise-separable one at three."""
    return (
        architecture("squeezenet_modified"),
        *(
            _narrowed("mask_cnn", architecture("mask_cnn").dropout, mask_cnn, width)
            for width in (1, 0.75, 0.5, 0.25)
        ),
        *(_narrowed("ds_cnn", _DS_CNN_DROPOUT, _ds_cnn, width) for width in (1, 0.5, 0.25)),
    )


def run_sweep(
    data: ImageSet,
    out_dir: Path,
    cast: Cast,
    *,
    networks: Sequence[Architecture] | None = None,
    weights: Sequence[Bits] = DEFAULT_WEIGHTS,
    recipe: Recipe = PAPER,
    tuning_epochs: int = DEFAULT_TUNING_EPOCHS,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Row, ...]:
    """Train, quantize and measure; files of each network stay in ``out_dir``.

    ``recipe`` trains each from scratch, from ``seed``. int8 is not fine-tuned; narrower weights are, for
    ``tuning_epochs``.

    Raises:
        UsageError: no epoch, no network, or pictures that cannot be read.
        MissingToolError: TensorFlow or OpenCV is not installed.
    """
    chosen = sweep_networks() if networks is None else tuple(networks)
    recipe = fitted(recipe, data)
    if recipe.epochs < 1 or tuning_epochs < 0 or not chosen or not weights:
        raise UsageError("a sweep needs at least one network, one width of weights and one epoch of training")
    settings = Settings(
        as_read(asdict(recipe)), tuning_epochs, seed, data.name, data.content_sha256, cast.target
    )
    sweep = _Sweep(data, out_dir, cast, recipe, settings, workers, progress)
    rows = []
    for number, network in enumerate(chosen, 1):
        missing = []
        for bits in weights:
            row = _finished(_row_path(out_dir, network.name, bits), settings)
            if row is None:
                missing.append(bits)
            else:
                rows.append(row)
        if missing:
            progress(f"network {number} of {len(chosen)}: {network.name}")
            rows += sweep.measured(network, missing)
    order = [network.name for network in chosen]
    return tuple(sorted(rows, key=lambda row: (order.index(row.network), -row.bits)))


def pareto_front(rows: Sequence[Row], cost: Callable[[Row], float]) -> tuple[Row, ...]:
    """Rows that no other beats, the cheapest first: whatever costs as much or less is less often right."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (cost(row), -row.accuracy)):
        if not front or row.accuracy > front[-1].accuracy:
            front.append(row)
    return tuple(front)


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The rows, and which are on the fronts."""
    by_size, by_latency = (pareto_front(rows, cost) for cost in (_bytes, _ms))
    return {
        "latency": "modelled, on the emulated part",
        "split": "Validation",
        "rows": [
            {**asdict(row), "best_for_size": row in by_size, "best_for_latency": row in by_latency}
            for row in rows
        ],
    }


def as_markdown(rows: Sequence[Row]) -> str:
    """A table; ``*`` marks what no other row beats."""
    by_size, by_latency = (pareto_front(rows, cost) for cost in (_bytes, _ms))
    count = rows[0].count
    first = rows[0].on_target
    lines = [
        f"Validation, {count} pictures: one is {100 / count:.2f} points. Latency is modelled at "
        f"{first.clock_mhz:g} MHz, flash and RAM are those of the whole firmware. `*`: no other is smaller, "
        f"or faster, and as good. {_bit_exact(rows)}",
        "",
        "| network | weights | parameters | MACs | float32 | integers | .tflite B | flash B | RAM B | ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.network} | {row.bits} bit | {row.parameters:,} | {row.on_target.macs:,} "
        f"| {row.float_accuracy:.2%} | {row.accuracy:.2%} | {row.tflite_bytes:,} "
        f"| {row.on_target.flash_bytes:,}{' *' * (row in by_size)} | {row.on_target.ram_bytes:,} "
        f"| {row.on_target.ms:.2f}{' *' * (row in by_latency)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def write_tables(rows: Sequence[Row], out_dir: Path) -> tuple[Path, Path]:
    """Write ``sweep.json`` and ``sweep.md``."""
    paths = out_dir / "sweep.json", out_dir / "sweep.md"
    write_whole(paths[0], (json.dumps(as_json(rows), indent=2, allow_nan=False) + "\n").encode())
    write_whole(paths[1], as_markdown(rows).encode())
    return paths


@dataclass(frozen=True)
class _Sweep:
    data: ImageSet
    out_dir: Path
    cast: Cast
    recipe: Recipe
    settings: Settings
    workers: int | None
    progress: Callable[[str], None]

    def measured(self, network: Architecture, weights: Sequence[Bits]) -> list[Row]:
        path = self.out_dir / f"{network.name}.keras"
        best_epoch, seconds = self._train_unless_trained(network, path)
        float_accuracy = float_evaluation(path, self.data, "Validation").accuracy
        samples = image_set_samples(self.data, load_network(path).inputs, seed=self.settings.seed)
        return [self._quantized(bits, path, samples, best_epoch, seconds, float_accuracy) for bits in weights]

    def _quantized(
        self,
        bits: Bits,
        path: Path,
        samples: Samples,
        best_epoch: int,
        training_seconds: float,
        float_accuracy: float,
    ) -> Row:
        self.progress(f"{path.stem}: weights of {bits} bits")
        file = _tflite_path(path, bits)
        result = quantize_to_few_bits(
            path,
            samples,
            file,
            bits=bits,
            data=self.data,
            recipe=replace(self.recipe, epochs=0 if bits == 8 else self.settings.tuning_epochs),
            workers=self.workers,
            seed=self.settings.seed,
            progress=self.progress,
        )
        figures = int8_evaluation(file, self.data, "Validation")
        row = Row(
            network=path.stem,
            bits=bits,
            parameters=load_network(path).model.count_params(),
            float_accuracy=float_accuracy,
            accuracy=figures.accuracy,
            count=figures.count,
            tflite_bytes=result.quantization.size_bytes,
            packed_weight_bytes=result.packed_weight_bytes,
            best_epoch=best_epoch,
            best_tuning_epoch=result.fit.best_epoch if result.fit else 0,
            on_target=self.cast.make(file),
            settings=self.settings,
            training_seconds=training_seconds,
            tuning_seconds=result.fit.seconds if result.fit else 0.0,
        )
        write_whole(
            _row_path(self.out_dir, path.stem, bits), (json.dumps(asdict(row), indent=2) + "\n").encode()
        )
        return row

    def _train_unless_trained(self, network: Architecture, path: Path) -> tuple[int, float]:
        """The best epoch and the seconds of all; ``NAME.training.json`` tells how the file was trained."""
        later = ("tuning_epochs", "target")
        mine = {key: value for key, value in asdict(self.settings).items() if key not in later}
        card = path.with_suffix(".training.json")
        known = read_record(card)
        if path.is_file() and known is not None and known.get("settings") == mine and "seconds" in known:
            return int(known["best_epoch"]), float(known["seconds"])
        card.unlink(missing_ok=True)
        # Names of layers, which go into the files, are numbered through a process.
        tensorflow().keras.utils.clear_session()
        result = train(
            network,
            self.data,
            self.out_dir,
            self.recipe,
            seed=self.settings.seed,
            workers=self.workers,
            progress=self.progress,
        )
        seconds = sum(epoch.seconds for epoch in result.epochs)
        facts = {
            "settings": mine,
            "best_epoch": result.best.number,
            "accuracies": [epoch.validation_accuracy for epoch in result.epochs],
            "seconds": seconds,
        }
        write_whole(card, (json.dumps(facts, indent=2) + "\n").encode())
        return result.best.number, seconds


def _tflite_path(keras_path: Path, bits: Bits) -> Path:
    """The ``.tflite`` file of a network in a sweep's folder."""
    return keras_path.with_name(f"{keras_path.stem}_w{bits}.tflite")


def _row_path(out_dir: Path, name: str, bits: Bits) -> Path:
    return out_dir / _ROWS / f"{name}_w{bits}.json"


def _finished(path: Path, settings: Settings) -> Row | None:
    """A row that was made with the same settings."""
    known = read_record(path)
    if known is None or known.get("settings") != asdict(settings):
        return None
    if set(known) != {field.name for field in fields(Row)}:
        return None  # of another version
    return Row(**{**known, "on_target": OnTarget(**known["on_target"]), "settings": settings})


def _bytes(row: Row) -> float:
    return row.on_target.flash_bytes


def _ms(row: Row) -> float:
    return row.on_target.ms


def _bit_exact(rows: Sequence[Row]) -> str:
    wrong = [f"{row.network} with {row.bits} bits" for row in rows if row.on_target.mismatches]
    if wrong:
        return f"NOT bit-exact in the firmware: {', '.join(wrong)}."
    return f"All are bit-exact in the firmware, on {rows[0].on_target.inputs} inputs each."


_DS_CNN_DROPOUT = (0.3,)


def _narrowed(
    name: str,
    dropout: tuple[float, ...],
    layers: Callable[[Any, Any, tuple[float, ...], Head, float], Any],
    width: float,
) -> Architecture:
    """``width`` times the channels, and so much of the dropout: narrow networks have none to spare."""
    return Architecture(
        name=f"{name}_{round(100 * width):03}",
        parameters=None,
        input_shape=(32, 32, 3),
        dropout=tuple(width * rate for rate in dropout),
        layers=lambda layer, x, rates, head: layers(layer, x, rates, head, width),
    )


def _ds_cnn(layer: Any, x: Any, dropout: tuple[float, ...], head: Head, width: float) -> Any:
    """Depthwise-separable blocks with batch normalization, as in MobileNet (arXiv 1704.04861)."""

    def normalized(x: Any) -> Any:
        return layer.ReLU()(layer.BatchNormalization()(x))

    x = normalized(layer.Conv2D(round(32 * width), 3, strides=2, padding="same", use_bias=False)(x))
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        x = normalized(layer.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        x = normalized(layer.Conv2D(round(filters * width), 1, use_bias=False)(x))
    x = layer.Flatten()(layer.AveragePooling2D(x.shape[1:3])(x))
    return layer.Dense(head.units, activation=head.activation, name="mask")(layer.Dropout(dropout[0])(x))
