"""``quantize --weights`` and ``--epochs``: weights of few bits, fine-tuned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from generator.commands.output import Output
from generator.errors import UsageError
from generator.learn.fake_quant import BITS, Bits
from generator.learn.few_bits import DEFAULT_EPOCHS, quantize_to_few_bits
from generator.learn.recipes import PAPER, RECIPES, fitted
from generator.learn.scoring import int8_evaluation
from generator.pictures import SYNTHETIC, open_data
from generator.quantize.calibration import Samples
from generator.quantize.full_integer import Quantization
from generator.quantize.keras_network import KERAS_SUFFIXES, Activations, TensorIo

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _BitsChoice(click.Choice[str]):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return int(super().convert(str(value), param, ctx))


def few_bits_options(command: _Command) -> _Command:
    """``--weights``, ``--epochs`` and ``--recipe``."""
    bits = click.option(
        "--weights",
        type=_BitsChoice([str(bits) for bits in BITS]),
        default=8,
        show_default=True,
        help="Bits of a weight; the first and the last layer keep 8.",
    )
    epochs = click.option(
        "--epochs",
        type=click.IntRange(0),
        help=f"Fine-tune so long with rounded weights [default: {DEFAULT_EPOCHS} below 8 bits, else 0].",
    )
    recipe = click.option(
        "--recipe",
        type=click.Choice(sorted(RECIPES)),
        default=PAPER.name,
        show_default=True,
        help="How to fine-tune: best as the network was trained (docs/training.md).",
    )
    return bits(epochs(recipe(command)))


@dataclass(frozen=True)
class FewBitsWish:
    """Weights of ``bits``, fine-tuned for ``epochs`` as ``recipe`` does."""

    bits: Bits
    epochs: int
    recipe: str


def few_bits_wish(
    model: Path,
    bits: Bits,
    epochs: int | None,
    recipe: str,
    activations: Activations,
    *,
    plain_pixels: bool,
) -> FewBitsWish | None:
    """What the options ask for; None if that is the usual conversion.

    Raises:
        UsageError: something else that was asked for does not go with it.
    """
    wish = FewBitsWish(bits, (DEFAULT_EPOCHS if bits < 8 else 0) if epochs is None else epochs, recipe)
    if (wish.bits, wish.epochs) == (8, 0):
        return None
    if model.suffix not in KERAS_SUFFIXES:
        raise UsageError(
            f"{model}: --weights below 8 and --epochs want a Keras file ({', '.join(KERAS_SUFFIXES)})"
        )
    if activations != "int8":
        raise UsageError(f"--weights below 8 and --epochs go with int8 activations, not {activations}")
    if wish.epochs and not plain_pixels:
        raise UsageError(
            "fine-tuning divides pixels by 255: leave --scale and --offset out, or use --epochs 0"
        )
    return wish


def quantize_as_wished(
    wish: FewBitsWish,
    model: Path,
    source: str,
    samples: Samples,
    out: Path,
    *,
    io: TensorIo,
    output: Output,
) -> tuple[Quantization, bytes, dict[str, Any]]:
    """Quantize, print what it came to, and return that for JSON as well, the unpacked file between.

    Without fine-tuning any samples will do; with it, ``source`` must hold two classes of pictures.
    """
    data = open_data([source], seed=samples.seed) if wish.epochs else None
    recipe = replace(RECIPES[wish.recipe], epochs=wish.epochs)
    result = quantize_to_few_bits(
        model,
        samples,
        out,
        bits=wish.bits,
        data=data,
        recipe=recipe if data is None else fitted(recipe, data),
        io=io,
        seed=samples.seed,
        progress=output.say,
    )
    count = sum(layer.weights for layer in result.layers)
    few = sum(layer.weights for layer in result.layers if layer.bits == wish.bits)
    stored = sum(layer.weights * layer.stored_bits for layer in result.layers) // 8
    lines = [
        f"{few:,} of {count:,} weights have {wish.bits} bit{'s' * (wish.bits > 1)}: {stored:,} B in the file"
    ]
    if stored != result.packed_weight_bytes:
        lines[0] += f" (packed they would be {result.packed_weight_bytes:,} B; TFLite has no such type)"
    facts = {
        "weights": {
            "bits": wish.bits,
            "stored_bytes": stored,
            "packed_bytes": result.packed_weight_bytes,
            "layers": [asdict(layer) for layer in result.layers],
        }
    }
    if data is not None and result.fit is not None:
        on_device = int8_evaluation(out, data, "Validation")
        note = " (drawn pictures: a smoke test)" if source == SYNTHETIC else ""
        lines.append(
            f"Validation accuracy{note}: {result.fit.accuracy_before:.2%} before fine-tuning, "
            f"{result.fit.accuracy:.2%} after epoch {result.fit.best_epoch} of {wish.epochs}, "
            f"{on_device.accuracy:.2%} as integers"
        )
        facts["fine_tuning"] = {
            "epochs": wish.epochs,
            **asdict(result.fit),
            "validation": asdict(on_device),
        }
        lines.append(
            "The errors below are against the network as it came: what it has learned since is in them."
        )
    output.results.print("\n".join(lines), soft_wrap=True)
    return result.quantization, result.unpacked, facts
