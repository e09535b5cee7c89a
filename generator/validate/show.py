"""A comparison of layers for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from generator.validate.implementations import FLOAT, TARGET, Absent
from generator.validate.layers import Difference, Layer, LayerComparison, Pair
from generator.validate.rules import Engine


def print_layers(comparison: LayerComparison, absent: Sequence[Absent], console: Console) -> None:
    """The rules, the differences from TFLM, and where others depart first from the target or TFLM."""
    console.print(_rules(comparison.layers))
    console.print(_differences(comparison, absent))
    for one in absent:
        console.print(f"{_HEADINGS[one.key].split(',')[0]}: {one.why}", soft_wrap=True)
    for pair in comparison.pairs:
        if {TARGET, Engine.TFLM.value}.intersection((pair.first, pair.second)):
            console.print(sentence(comparison, pair), soft_wrap=True)


def sentence(comparison: LayerComparison, pair: Pair) -> str:
    """Where two depart first, by how much, and who is to blame."""
    names = {i.key: i.name for i in comparison.implementations}
    both = f"{names[pair.first]} against {names[pair.second]}"
    if FLOAT in (pair.first, pair.second):
        noisy = [(d.sqnr_db, n) for n, d in enumerate(pair.differences) if d and d.sqnr_db is not None]
        if not noisy:
            return f"{both}: no layer could be compared"
        sqnr, number = min(noisy)
        return f"{both}: noisiest is {_named(comparison.layers[number])}, {sqnr:.1f} dB below the signal"
    if pair.departure is None:
        return f"{both}: every layer agrees"
    number = pair.departure.layer
    difference = pair.differences[number]
    if difference is None:
        raise ValueError("a departure without a difference")
    return (
        f"{both}: first to depart is {_named(comparison.layers[number])}: {difference.differing:,} of "
        f"{difference.elements:,} elements, {_size(difference)}; {_blame(comparison, pair)}"
    )


def as_json(comparison: LayerComparison, absent: Sequence[Absent]) -> dict[str, Any]:
    """All of it."""
    return {
        "inputs": comparison.inputs,
        "implementations": [
            *({"key": i.key, "name": i.name, "absent": None} for i in comparison.implementations),
            *({"key": a.key, "name": None, "absent": a.why} for a in absent),
        ],
        "layers": [_layer_json(comparison, number) for number in range(len(comparison.layers))],
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "summary": sentence(comparison, pair),
                "first_departure": None
                if pair.departure is None
                else {
                    "layer": pair.departure.layer,
                    "operator_index": comparison.layers[pair.departure.layer].operator_index,
                    "input": pair.departure.input_name,
                    "blame": _blame_json(comparison, pair),
                },
                "differences": [None if d is None else asdict(d) for d in pair.differences],
            }
            for pair in comparison.pairs
        ],
    }


def _blame_json(comparison: LayerComparison, pair: Pair) -> dict[str, Any] | None:
    blame = comparison.blame(pair)
    if blame is None:
        return None
    operator_index = comparison.layers[blame.layer].operator_index
    return {"layer": blame.layer, "operator_index": operator_index, "by": list(blame.by)}


def _layer_json(comparison: LayerComparison, number: int) -> dict[str, Any]:
    layer = comparison.layers[number]
    own = {key: differences[number] for key, differences in comparison.own.items()}
    return {
        "operator_index": layer.operator_index,
        "op": layer.op,
        "tensor": layer.tensor.name,
        "shape": list(layer.tensor.shape),
        "step": layer.step and layer.step.name,
        "kernel": layer.step and layer.step.kernel.name,
        "rules": {engine.value: layer.rules[engine].name for engine in Engine},
        "own": {key: None if d is None else asdict(d) for key, d in own.items()},
    }


def _rules(layers: Sequence[Layer]) -> Table:
    table = _table("Rounding rule of each layer", "#", "operator", "kernel")
    for heading in ("Firmcast, TFLM", "LiteRT", "LiteRT builtin", "LiteRT reference"):
        table.add_column(heading)
    for layer in layers:
        kernel = layer.step.kernel.name if layer.step else ""
        table.add_row(
            str(layer.operator_index), layer.op, kernel, *(layer.rules[engine].name for engine in Engine)
        )
    return table


def _differences(comparison: LayerComparison, absent: Sequence[Absent]) -> Table:
    """Of each implementation from TFLM."""
    table = _table(
        f"Differing from TFLM on {comparison.inputs} inputs: elements, largest difference in steps, "
        "and elements that the layer itself changes",
        "#",
        "operator",
        "elements",
    )
    pairs = {
        next(k for k in (p.first, p.second) if k != Engine.TFLM.value): p
        for p in comparison.pairs
        if Engine.TFLM.value in (p.first, p.second)
    }
    for key in (*pairs, *(a.key for a in absent)):
        table.add_column(_HEADINGS.get(key, key), justify="right")
    for number, layer in enumerate(comparison.layers):
        cells = [
            _cell(pair.differences[number], comparison.own[key][number] if key in comparison.own else None)
            for key, pair in pairs.items()
        ]
        elements = str(comparison.inputs * layer.tensor.element_count)
        table.add_row(
            str(layer.operator_index), layer.op, elements, *cells, *(a.why.split(":")[0] for a in absent)
        )
    return table


_HEADINGS = {
    TARGET: "target",
    FLOAT: "float, SQNR",
    Engine.XNNPACK.value: "LiteRT",
    Engine.BUILTIN.value: "LiteRT builtin",
    Engine.REFERENCE.value: "LiteRT reference",
}


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _cell(difference: Difference | None, own: Difference | None) -> str:
    if difference is None:
        return "-"
    if difference.sqnr_db is not None:
        return f"{difference.sqnr_db:.1f} dB"
    if not difference.differing:
        return "0"
    largest = difference.max_real if difference.max_steps is None else difference.max_steps
    itself = "" if own is None else f", {own.differing:,} own"
    return f"{difference.differing:,}, {largest:g}{itself}"


def _size(difference: Difference) -> str:
    plural = "" if difference.max_steps == 1 else "s"
    steps = "" if difference.max_steps is None else f"{difference.max_steps:g} step{plural}, "
    return f"by at most {steps}{difference.max_real:.3g} in real units"


def _named(layer: Layer) -> str:
    return f"operator {layer.operator_index} {layer.op}"


def _blame(comparison: LayerComparison, pair: Pair) -> str:
    blame = comparison.blame(pair)
    if blame is None:
        return "inherited from layers that cannot be compared"
    layer = comparison.layers[blame.layer]
    told = {engine.value: layer.rules[engine].name for engine in Engine}
    tflm = told[Engine.TFLM.value]
    told[TARGET] = tflm
    itself = pair.departure is not None and blame.layer == pair.departure.layer
    where = "the layer itself" if itself else f"from {_named(layer)}"
    return "; ".join(
        f"{where}: {_HEADINGS[key]} departs from TFLM's rule ({tflm})"
        + (f" by its own ({told[key]})" if told[key] != tflm else "")
        for key in blame.by
    )
