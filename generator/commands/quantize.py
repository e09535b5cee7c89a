"""``quantize``: from a float network to integers, and what that costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from generator.catalog import ONNX_SUFFIX, Normalization
from generator.commands.few_bits import few_bits_options, few_bits_wish, quantize_as_wished
from generator.commands.output import Output, output_options
from generator.errors import UsageError
from generator.learn.fake_quant import Bits
from generator.quantize.calibration import DEFAULT_SAMPLES, PIXELS, Samples, open_samples
from generator.quantize.full_integer import Quantization
from generator.quantize.full_integer import quantize as run_quantization
from generator.quantize.keras_network import (
    ACTIVATIONS,
    IO_TYPES,
    Activations,
    KerasNetwork,
    TensorIo,
    edge_type,
    load_network,
)
from generator.quantize.layer_errors import report_errors
from generator.quantize.onnx_agreement import measure_agreement
from generator.quantize.onnx_network import OnnxNetwork, load_onnx_network
from generator.quantize.table import print_report
from generator.records import write_whole


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    help="Folder of images, folder of .npy files, .npz file, or 'synthetic': samples that ranges come from.",
)
@click.option(
    "--io",
    type=click.Choice(sorted({io for types in IO_TYPES.values() for io in types})),
    help="Type of input and output; int16 with int16 activations alone [default: that of the activations].",
)
@click.option(
    "--activations",
    type=click.Choice(ACTIVATIONS),
    default="int8",
    show_default=True,
    help="Type of all values between the layers; weights are int8.",
)
@click.option(
    "--scale",
    type=float,
    help="real = value * scale + offset [default: 1/255 for images, arrays as they are].",
)
@click.option("--offset", type=float, help="See --scale [default: 0].")
@click.option(
    "--samples", default=DEFAULT_SAMPLES, show_default=True, type=click.IntRange(1), help="At most this many."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The .tflite file to write.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Chooses the samples.")
@few_bits_options
@output_options
def quantize(
    model: Path,
    data: str,
    io: TensorIo | None,
    activations: Activations,
    scale: float | None,
    offset: float | None,
    samples: int,
    out: Path | None,
    seed: int,
    weights: Bits,
    epochs: int | None,
    recipe: str,
    output: Output,
) -> None:
    """Quantize the Keras or ONNX file MODEL to int8 weights and activations, and show what that costs.

    Of a Keras file, --weights 6, 4 or 1 writes weights of fewer bits, fine-tuned on the pictures of --data.

    Writes NAME.tflite, and the errors (of a Keras model, of each layer) as NAME.quantization.json beside it.
    """
    edge_type(activations, io)  # before anything takes time
    wish = few_bits_wish(
        model, weights, epochs, recipe, activations, plain_pixels=scale is None and offset is None
    )
    network: KerasNetwork | OnnxNetwork = (
        load_onnx_network(model) if model.suffix == ONNX_SUFFIX else load_network(model)
    )
    read = open_samples(
        data, network.inputs, count=samples, seed=seed, normalization=_normalization(scale, offset)
    )
    output.say(f"ranges from {len(read.calibration)} samples of {read.source}: {read.scaling}")
    for warning in read.warnings:
        output.say(f"warning: {warning}")
    target = out or model.with_suffix(".tflite")
    more: dict[str, Any] = {}
    if wish is None:
        result = run_quantization(network, read, target, io=io, activations=activations)
        content = result.model_path.read_bytes()
    else:
        result, content, more = quantize_as_wished(
            wish, model, data, read, target, io=io or "int8", output=output
        )
    report = _report(network, result, content, read, output)
    report_path = result.model_path.with_suffix(".quantization.json")
    unreadable = [problem.removeprefix(f"{Path(data)}/") for problem in read.unreadable]
    facts = {
        **asdict(result),
        "model_path": result.model_path.name,
        "data": {"source": read.source, "scaling": read.scaling, "unreadable": unreadable},
        "report": report,
        **more,
    }
    write_whole(report_path, (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode())
    output.results.print(
        f"wrote {result.model_path}, {result.size_bytes:,} B, and {report_path.name}", soft_wrap=True
    )
    output.json({**facts, "model_path": str(result.model_path)})


def _report(
    network: KerasNetwork | OnnxNetwork, result: Quantization, content: bytes, read: Samples, output: Output
) -> dict[str, Any]:
    """What quantizing has cost, printed and as values for JSON."""
    if isinstance(network, OnnxNetwork):
        agreement = measure_agreement(network, content, read)
        output.results.print(
            f"first output on {agreement.samples} {'held-out ' if agreement.held_out else ''}samples against "
            f"onnxruntime in float: off by {agreement.mean_abs_error:.3g} on average, by at most "
            f"{agreement.max_abs_error:.3g}; greatest value at the same place in {agreement.same_answers}"
        )
        return asdict(agreement)
    if result.left_in_float:
        output.say(
            f"warning: TensorFlow leaves in floating point: {', '.join(result.left_in_float)}; "
            f"python -m generator analyze {result.model_path} says whether the firmware can have them"
        )
    report = report_errors(network.float_tflite, content, read)
    print_report(report, output.results)
    return asdict(report)


def _normalization(scale: float | None, offset: float | None) -> Normalization | None:
    if scale is None and offset is None:
        return None
    try:
        return Normalization(scale=PIXELS.scale if scale is None else scale, offset=offset or 0.0)
    except ValueError as error:
        raise UsageError(f"--scale must be above 0, --offset finite: {scale} and {offset} are not") from error
