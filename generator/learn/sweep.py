"""Accuracy against size and modelled latency: small networks, each with weights of several widths.

Networks are trained from scratch with one recipe, quantized, and measured on Validation in TFLM. What is
finished stays: a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from generator.errors import UsageError
from generator.learn.architectures import architecture
from generator.learn.calibration import Samples, image_set_samples
from generator.learn.data import ImageSet
from generator.learn.evaluate import evaluate
from generator.learn.fake_quant import Bits
from generator.learn.few_bits import epoch_batches, held_out, quantize_to_few_bits
from generator.learn.fitting import fit_best
from generator.learn.keras import seed_everything, tensorflow
from generator.learn.keras_network import load_network
from generator.learn.quantize import write_whole

DEFAULT_EPOCHS = 30
DEFAULT_TUNING_EPOCHS = 5
DEFAULT_WEIGHTS: tuple[Bits, ...] = (8, 4)

_INPUT = (32, 32, 3)
_LEARNING_RATE = 0.001
_ROWS = "rows"


@dataclass(frozen=True)
class Network:
    """A member of the sweep; ``build`` returns a fresh ``keras.Model`` with one sigmoid output."""

    name: str
    build: Callable[[], Any]


@dataclass(frozen=True)
class Modelled:
    """What a ``.tflite`` file would need, estimated from its plan alone (:mod:`generator.plan`): cycles and
    milliseconds of an inference at ``clock_mhz``, bytes of constants in flash and of activations in RAM.
    """

    cycles: int
    ms: float
    clock_mhz: float
    constants_bytes: int
    arena_bytes: int
    macs: int


Estimate: TypeAlias = Callable[[Path], Modelled]


@dataclass(frozen=True)
class Settings:
    """What a row depends on; one that was made with others is made anew."""

    epochs: int
    tuning_epochs: int
    seed: int
    data: str
    data_sha256: str


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
        modelled: latency and memory, estimated.
        settings: how it was made.
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
    modelled: Modelled
    settings: Settings


def sweep_networks() -> tuple[Network, ...]:
    """The paper's modified SqueezeNet, its own network at four widths, a depthwise-separable one at three."""
    squeezenet = architecture("squeezenet_modified")
    return (
        Network("squeezenet_modified", squeezenet.build),
        *(
            Network(f"mask_cnn_{round(100 * width):03}", _narrowed(_mask_cnn, width))
            for width in (1, 0.75, 0.5, 0.25)
        ),
        *(Network(f"ds_cnn_{round(100 * width):03}", _narrowed(_ds_cnn, width)) for width in (1, 0.5, 0.25)),
    )


def run_sweep(
    data: ImageSet,
    out_dir: Path,
    estimate: Estimate,
    *,
    networks: Sequence[Network] | None = None,
    weights: Sequence[Bits] = DEFAULT_WEIGHTS,
    epochs: int = DEFAULT_EPOCHS,
    tuning_epochs: int = DEFAULT_TUNING_EPOCHS,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Row, ...]:
    """Train, quantize and measure; files of each network stay in ``out_dir``.

    int8 is not fine-tuned; narrower weights are, for ``tuning_epochs``. Every network starts from ``seed``.

    Raises:
        UsageError: no epoch, no network, or pictures that cannot be read.
        MissingToolError: TensorFlow or OpenCV is not installed.
    """
    chosen = sweep_networks() if networks is None else tuple(networks)
    if epochs < 1 or tuning_epochs < 0 or not chosen or not weights:
        raise UsageError("a sweep needs at least one network, one width of weights and one epoch of training")
    settings = Settings(epochs, tuning_epochs, seed, data.name, data.content_sha256)
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
            rows += _measured(network, missing, data, out_dir, estimate, settings, progress)
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
        "latency": "estimated from the plan",
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
    clock = rows[0].modelled.clock_mhz
    lines = [
        f"Validation, {count} pictures: one is {100 / count:.2f} points. Latency is estimated from the plan "
        f"at {clock:g} MHz. `*`: no other is smaller, or faster, and as good.",
        "",
        "| network | weights | parameters | MACs | float32 | integers | .tflite B | latency ms | RAM B |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.network} | {row.bits} bit | {row.parameters:,} | {row.modelled.macs:,} "
        f"| {row.float_accuracy:.2%} | {row.accuracy:.2%} | {row.tflite_bytes:,}{' *' * (row in by_size)} "
        f"| {row.modelled.ms:.2f}{' *' * (row in by_latency)} | {row.modelled.arena_bytes:,} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def write_tables(rows: Sequence[Row], out_dir: Path) -> tuple[Path, Path]:
    """Write ``sweep.json`` and ``sweep.md``."""
    paths = out_dir / "sweep.json", out_dir / "sweep.md"
    write_whole(paths[0], (json.dumps(as_json(rows), indent=2, allow_nan=False) + "\n").encode())
    write_whole(paths[1], as_markdown(rows).encode())
    return paths


def _measured(
    network: Network,
    weights: Sequence[Bits],
    data: ImageSet,
    out_dir: Path,
    estimate: Estimate,
    settings: Settings,
    progress: Callable[[str], None],
) -> list[Row]:
    path = out_dir / f"{network.name}.keras"
    best_epoch = _train_unless_trained(network, path, data, settings, progress)
    float_accuracy = evaluate(path, data, split="Validation").accuracy
    samples = image_set_samples(data, load_network(path).inputs, seed=settings.seed)
    return [
        _quantized(
            bits, network, path, data, samples, estimate, settings, (best_epoch, float_accuracy), progress
        )
        for bits in weights
    ]


def _quantized(
    bits: Bits,
    network: Network,
    path: Path,
    data: ImageSet,
    samples: Samples,
    estimate: Estimate,
    settings: Settings,
    trained: tuple[int, float],
    progress: Callable[[str], None],
) -> Row:
    progress(f"{network.name}: weights of {bits} bits")
    file = _tflite_path(path, bits)
    result = quantize_to_few_bits(
        path,
        samples,
        file,
        bits=bits,
        data=data,
        epochs=0 if bits == 8 else settings.tuning_epochs,
        seed=settings.seed,
        progress=progress,
    )
    figures = evaluate(file, data, split="Validation")
    row = Row(
        network=network.name,
        bits=bits,
        parameters=load_network(path).model.count_params(),
        float_accuracy=trained[1],
        accuracy=figures.accuracy,
        count=figures.count,
        tflite_bytes=result.quantization.size_bytes,
        packed_weight_bytes=result.packed_weight_bytes,
        best_epoch=trained[0],
        best_tuning_epoch=result.fit.best_epoch if result.fit else 0,
        modelled=estimate(file),
        settings=settings,
    )
    write_whole(
        _row_path(path.parent, network.name, bits), (json.dumps(asdict(row), indent=2) + "\n").encode()
    )
    return row


def _tflite_path(keras_path: Path, bits: Bits) -> Path:
    """The ``.tflite`` file of a network in a sweep's folder."""
    return keras_path.with_name(f"{keras_path.stem}_w{bits}.tflite")


def _train_unless_trained(
    network: Network, path: Path, data: ImageSet, settings: Settings, progress: Callable[[str], None]
) -> int:
    """The best epoch. ``NAME.training.json`` beside the file tells how it was trained."""
    # Fine-tuning comes later.
    mine = {key: value for key, value in asdict(settings).items() if key != "tuning_epochs"}
    card = path.with_suffix(".training.json")
    known = _read(card)
    if path.is_file() and known is not None and known.get("settings") == mine:
        return int(known["best_epoch"])
    tf = tensorflow()
    # Names of layers, which go into the files, are numbered through a process.
    tf.keras.utils.clear_session()
    seed_everything(tf, settings.seed)
    model = network.build()
    fit = fit_best(
        model,
        epoch_batches(data, _INPUT, settings.seed),
        held_out(data, _INPUT),
        epochs=settings.epochs,
        learning_rate=_LEARNING_RATE,
        progress=progress,
    )
    tf.keras.utils.clear_session()
    final = network.build()  # without an optimizer's state
    final.set_weights(model.get_weights())
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.unfinished.keras")
    card.unlink(missing_ok=True)
    final.save(unfinished)
    unfinished.replace(path)
    facts = {"settings": mine, "best_epoch": fit.best_epoch, "accuracies": fit.accuracies}
    write_whole(card, (json.dumps(facts, indent=2) + "\n").encode())
    return fit.best_epoch


def _row_path(out_dir: Path, name: str, bits: Bits) -> Path:
    return out_dir / _ROWS / f"{name}_w{bits}.json"


def _finished(path: Path, settings: Settings) -> Row | None:
    """A row that was made with the same settings."""
    known = _read(path)
    if known is None or known.get("settings") != asdict(settings):
        return None
    if set(known) != {field.name for field in fields(Row)}:
        return None  # of another version
    return Row(**{**known, "modelled": Modelled(**known["modelled"]), "settings": settings})


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _bytes(row: Row) -> float:
    return row.tflite_bytes


def _ms(row: Row) -> float:
    return row.modelled.ms


def _narrowed(layers: Callable[[Any, Any, float], Any], width: float) -> Callable[[], Any]:
    def build() -> Any:
        keras = tensorflow().keras
        image = keras.Input(_INPUT, name="image")
        return keras.Model(image, layers(keras.layers, image, width), name="network")

    return build


def _mask_cnn(layer: Any, x: Any, width: float) -> Any:
    """The paper's network with ``width`` times its channels, and so much of its dropout: narrow networks have
    none to spare."""
    for filters, rate in zip((32, 64, 128), (0.2, 0.2, 0.3), strict=True):
        x = layer.Conv2D(round(width * filters), 3, activation="relu")(x)
        x = layer.Dropout(width * rate)(layer.MaxPooling2D(2)(x))
    x = layer.Flatten()(x)
    for units, rate in zip((64, 32), (0.4, 0.3), strict=True):
        x = layer.Dropout(width * rate)(layer.Dense(round(width * units), activation="relu")(x))
    return layer.Dense(1, activation="sigmoid", name="mask")(x)


def _ds_cnn(layer: Any, x: Any, width: float) -> Any:
    """Depthwise-separable blocks with batch normalization, as in MobileNet (arXiv 1704.04861)."""

    def normalized(x: Any) -> Any:
        return layer.ReLU()(layer.BatchNormalization()(x))

    x = normalized(layer.Conv2D(round(32 * width), 3, strides=2, padding="same", use_bias=False)(x))
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        x = normalized(layer.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        x = normalized(layer.Conv2D(round(filters * width), 1, use_bias=False)(x))
    x = layer.Flatten()(layer.AveragePooling2D(x.shape[1:3])(x))
    return layer.Dense(1, activation="sigmoid", name="mask")(layer.Dropout(0.3 * width)(x))
