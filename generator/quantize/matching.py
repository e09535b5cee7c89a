"""Which tensor of the float network a tensor of the quantized one stands for."""

from __future__ import annotations

from collections.abc import Mapping

from generator.quantize.tflite_file import TfliteFile

_SCALE_ONLY = ("QUANTIZE", "DEQUANTIZE")


def match_tensors(quantized: TfliteFile, original: TfliteFile) -> Mapping[int, int]:
    """Tensors of ``quantized`` (graph inputs and results of operators) to tensors of ``original``.

    Both files come from one converter and one network. Results with the same name, shape and kind of
    operator are taken for the same; what is left over between two such is paired in network order, again by
    kind and shape. A QUANTIZE or DEQUANTIZE has the value of its input. What is in doubt is left out.
    """
    matched = dict(zip(quantized.inputs, original.inputs, strict=True))
    places = _results(original)
    free = dict(places)
    by_name: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    for tensor, (_, kind) in places.items():
        by_name.setdefault((original.tensors[tensor].name, kind, original.tensors[tensor].shape), []).append(
            tensor
        )
    ours = {t: at for t, at in _results(quantized).items() if at[1] not in _SCALE_ONLY}
    for tensor, (_, kind) in ours.items():
        same = by_name.get((quantized.tensors[tensor].name, kind, quantized.tensors[tensor].shape))
        if same:
            matched[tensor] = same.pop(0)
            del free[matched[tensor]]
    # Operators keep their order, so a partner lies between those of the neighbours that have one.
    reached = -1
    for tensor, (_, kind) in ours.items():
        if tensor not in matched:
            shape = quantized.tensors[tensor].shape
            later = [places[matched[t]][0] for t, at in ours.items() if t in matched and at > ours[tensor]]
            bound = min((place for place in later if place > reached), default=len(original.operators))
            partner = next(
                (
                    other
                    for other, (place, its_kind) in free.items()
                    if reached < place < bound and its_kind == kind and original.tensors[other].shape == shape
                ),
                None,
            )
            if partner is None:
                continue
            matched[tensor] = partner
            del free[partner]
        reached = max(reached, places[matched[tensor]][0])
    for operator in quantized.operators:
        if operator.kind in _SCALE_ONLY and operator.inputs[0] in matched:
            matched[operator.outputs[0]] = matched[operator.inputs[0]]
    return matched


def _results(file: TfliteFile) -> dict[int, tuple[int, str]]:
    """For each tensor that an operator computes, in order: the operator's position and kind."""
    return {
        tensor: (position, operator.kind)
        for position, operator in enumerate(file.operators)
        for tensor in operator.outputs
    }
