"""Layer by layer, who departs from whom, by how much, and whether the layer itself is to blame.

A layer itself departs if it gives another result than TFLM's rule gives on the very inputs that it had; the
NumPy reference, which equals TFLM, computes that. What is left is inherited from the layers before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from generator.graph import Graph, Operator, Tensor
from generator.plan import Plan, Step
from generator.reference import run_graph
from generator.validate.arrays import Array, Mask, as_read, bits, distances, quantization_of
from generator.validate.implementations import FLOAT, Implementation, real
from generator.validate.inputs import TestInput
from generator.validate.rules import Engine, Rule, rules_of


@dataclass(frozen=True)
class Layer:
    """A result of the model file; ``step`` is the target's step that ends with it, if one does."""

    operator_index: int
    op: str
    tensor: Tensor
    rules: Mapping[Engine, Rule]
    step: Step | None


@dataclass(frozen=True)
class Difference:
    """How far two results are apart, over all inputs.

    ``max_steps`` is in quantized steps (None where none are), ``max_real`` in real units. ``sqnr_db`` is
    signal to noise against float: None without float, or without noise.
    """

    elements: int
    differing: int
    max_steps: float | None
    max_real: float
    sqnr_db: float | None = None


@dataclass(frozen=True)
class Departure:
    """The first layer, of all inputs, where two depart; ``apart`` in steps (or real), on ``input_name``."""

    layer: int
    input_name: str
    apart: Array


@dataclass(frozen=True)
class Pair:
    """Two implementations; a difference is None where one of them has no such result.

    Against float all layers differ, so none is the first.
    """

    first: str
    second: str
    differences: tuple[Difference | None, ...]
    departure: Departure | None


@dataclass(frozen=True)
class Blame:
    """A layer, by place, and the implementations that depart from TFLM's rule in it."""

    layer: int
    by: tuple[str, ...]


@dataclass(frozen=True)
class LayerComparison:
    """All layers, all pairs; ``own`` by implementation and layer is what the layer itself adds."""

    inputs: int
    layers: tuple[Layer, ...]
    implementations: tuple[Implementation, ...]
    own: Mapping[str, tuple[Difference | None, ...]]
    pairs: tuple[Pair, ...]

    def blame(self, pair: Pair) -> Blame | None:
        """Who brought the first departure about; None if nobody can be seen to have.

        It is that layer itself, or one just before it of which not both show their results.
        """
        if pair.departure is None:
            return None
        number = pair.departure.layer
        while True:
            by = tuple(key for key in (pair.first, pair.second) if self._departs_itself(key, number))
            if by or number == 0 or pair.differences[number - 1] is not None:
                return Blame(number, by) if by else None
            number -= 1

    def _departs_itself(self, key: str, layer: int) -> bool:
        own = self.own[key][layer] if key in self.own else None
        return own is not None and own.differing > 0


def layers_of(graph: Graph, plan: Plan, indices: Sequence[int]) -> tuple[Layer, ...]:
    """Layers of the file as read; ``indices`` are the tensors that the file itself has."""
    steps = {step.output.index: step for step in plan.steps}
    return tuple(
        Layer(o.index, o.name, graph.tensors[index], rules_of(graph, o), steps.get(index))
        for o in graph.operators
        for index in o.outputs
        if index in indices
    )


def compare_layers(
    layers: tuple[Layer, ...],
    implementations: Sequence[Implementation],
    inputs: Sequence[TestInput],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> LayerComparison:
    """Run every input on all of them. Raises what they raise."""
    pairs = [_PairSums(a.key, b.key, layers) for a, b in combinations(implementations, 2)]
    own = {i.key: [_Sum(layer.tensor) for layer in layers] for i in implementations if _can_be_blamed(i)}
    states = {i.key: _State() for i in implementations}
    for number, given in enumerate(inputs):
        seen = {}
        for implementation in implementations:
            values = implementation.run(given)
            seen[implementation.key] = have = _seen(implementation, values, layers)
            for layer, sums in zip(layers, own.get(implementation.key, ()), strict=False):
                if layer.tensor.index in have:
                    by_rule = _by_rule(implementation, values, layer, states[implementation.key])
                    sums.add(have[layer.tensor.index], by_rule)
            states[implementation.key].next_run()
        for pair in pairs:
            pair.add(seen, given)
        progress(number + 1, len(inputs))
    return LayerComparison(
        len(inputs),
        layers,
        tuple(implementations),
        {key: tuple(s.difference() for s in sums) for key, sums in own.items()},
        tuple(pair.pair() for pair in pairs),
    )


_Seen = tuple[Array, Mask]


def _can_be_blamed(implementation: Implementation) -> bool:
    return implementation.key not in (FLOAT, Engine.TFLM.value)


def _seen(
    implementation: Implementation, values: Mapping[int, Array], layers: Sequence[Layer]
) -> dict[int, _Seen]:
    """Results at their places as read, by index, as far as the implementation has them."""
    graph = implementation.graph
    return {
        tensor.index: as_read(
            values[tensor.index], tensor if graph is None else graph.tensors[tensor.index], tensor.shape
        )
        for tensor in (layer.tensor for layer in layers)
        if tensor.index in values
    }


@dataclass
class _State:
    """Variables as TFLM's rule leaves them on an implementation's inputs: what it keeps itself, it does not
    show.
    """

    before: Mapping[int, Array] | None = None
    after: dict[int, Array] = field(default_factory=dict)

    def next_run(self) -> None:
        self.before, self.after = self.after, {}


def _by_rule(
    implementation: Implementation, values: Mapping[int, Array], layer: Layer, state: _State
) -> _Seen:
    """What TFLM's rule makes of the inputs that the implementation gave to the layer."""
    graph, index = implementation.graph, layer.tensor.index
    if graph is None:
        raise ValueError(f"{implementation.name} follows no rule")
    operators: list[Operator] = []
    given: set[int] = set()
    missing = {index}
    for operator in reversed(graph.operators):
        if missing.intersection(operator.outputs):
            operators.append(operator)
            missing.difference_update(operator.outputs)
            # Results that the implementation does not show are computed from those before them.
            for tensor in graph.activations_in(operator):
                (given if tensor.index in values else missing).add(tensor.index)
    part = replace(graph, operators=tuple(reversed(operators)), inputs=tuple(given), outputs=(index,))
    computed = run_graph(part, [values[i] for i in part.inputs], state.before)
    state.after.update((t.index, computed[t.index]) for t in part.variables())
    return as_read(computed[index], graph.tensors[index], layer.tensor.shape)


@dataclass
class _Sum:
    """A Difference while inputs are added."""

    tensor: Tensor
    against_float: bool = False
    elements: int = 0
    differing: int = 0
    largest: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, first: _Seen, second: _Seen) -> Array:
        """Distances of this input, 0 where one of them has no value; in steps, or real if one is float."""
        known = first[1] & second[1]
        a, b = first[0], second[0]
        if self.against_float:
            a, b = ((v if v.dtype == np.float32 else real(v, self.tensor)) for v in (a, b))
        apart = np.where(known, distances(a, b), 0.0)
        self.elements += int(np.count_nonzero(known))
        self.differing += int(np.count_nonzero(known & (bits(a) != bits(b))))
        self.largest = max(self.largest, float(apart.max(initial=0.0)))
        if self.against_float:
            self.signal += float(np.sum(np.square(b[known], dtype=np.float64)))
            self.noise += float(np.sum(np.square(apart)))
        return apart

    def difference(self) -> Difference | None:
        if not self.elements:
            return None
        quantization = quantization_of(self.tensor)
        scale = None if quantization is None else quantization.scale
        if self.against_float:
            steps, in_real = None if scale is None else self.largest / scale, self.largest
        else:
            steps, in_real = (None, self.largest) if scale is None else (self.largest, self.largest * scale)
        sqnr = 10 * float(np.log10(self.signal / self.noise)) if self.signal and self.noise else None
        return Difference(self.elements, self.differing, steps, in_real, sqnr)


@dataclass
class _PairSums:
    first: str
    second: str
    layers: tuple[Layer, ...]
    sums: list[_Sum] = field(init=False)
    departure: Departure | None = None

    def __post_init__(self) -> None:
        self.sums = [_Sum(layer.tensor, self._against_float) for layer in self.layers]

    @property
    def _against_float(self) -> bool:
        return FLOAT in (self.first, self.second)

    def add(self, seen: Mapping[str, Mapping[int, _Seen]], given: TestInput) -> None:
        for number, layer in enumerate(self.layers):
            have, want = (seen[key].get(layer.tensor.index) for key in (self.first, self.second))
            if have is None or want is None:
                continue
            before = self.sums[number].differing
            apart = self.sums[number].add(have, want)
            departs = self.sums[number].differing > before and not self._against_float
            if departs and (self.departure is None or number < self.departure.layer):
                self.departure = Departure(number, given.name, apart)

    def pair(self) -> Pair:
        return Pair(self.first, self.second, tuple(s.difference() for s in self.sums), self.departure)
