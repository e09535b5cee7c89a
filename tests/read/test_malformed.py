"""Files from strangers: whatever is wrong, a list of problems comes back, soon, and nothing else."""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.errors import ModelError
from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import make_plan
from generator.read import read_tflite_bytes
from generator.simplify import simplify
from generator.targets import load_board
from tests.plan.networks import Network, edited, every_operator
from tests.support import models
from tests.support.cli import ROOT
from tests.support.models import ModelBuilder
from tests.support.recurrent import recurrent_network

SHIPPED = (ROOT / "models" / "mask_cnn" / "mask_cnn.tflite").read_bytes()
PART = load_board("nucleo_h743zi2").part
SLOWEST_S = 2.0
MOST_MEMORY_KIB = 300 << 10
LIARS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, len(SHIPPED))


def problems_of(data: bytes) -> tuple[str, ...]:
    """What stands in the way; empty if the model can be planned. Any other exception fails the test."""
    try:
        graph = read_tflite_bytes(data, "mutant", "mutant.tflite")
    except ModelError as refused:
        return refused.problems or ("nothing",)
    make_plan(fuse(simplify(graph).graph), PART)
    return ()


def _structure(data: bytes) -> list[int]:
    """Places of the bytes that are no weights: changes there break something."""
    graph = read_tflite_bytes(data, "m", "m")
    interesting = np.ones(len(data), bool)
    for tensor in graph.tensors.values():
        if tensor.data is not None and len(tensor.data) >= 64:
            start = data.find(tensor.data)
            interesting[start : start + len(tensor.data)] = False
    return [int(i) for i in np.flatnonzero(interesting)]


def _mutate(data: bytes, places: list[int], rng: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        place = rng.choice(places)
        word = place & ~3
        how = rng.randrange(5)
        if how == 0:
            mutant[place] = rng.randrange(256)
        elif how == 1:
            mutant[place] ^= 1 << rng.randrange(8)
        elif how == 2:
            mutant[word : word + 4] = rng.choice(LIARS).to_bytes(4, "little")
        elif how == 3:
            small = int.from_bytes(mutant[word : word + 4], "little") + rng.randrange(-8, 9)
            mutant[word : word + 4] = (small & 0xFFFFFFFF).to_bytes(4, "little")
        else:
            other = rng.choice(places) & ~3
            mutant[word : word + 4], mutant[other : other + 4] = (
                mutant[other : other + 4],
                mutant[word : word + 4],
            )
    del mutant[len(data) :]
    return bytes(mutant[: rng.randrange(len(mutant))] if rng.random() < 0.03 else mutant)


def _shape_of(graph: Graph) -> object:
    """What a plan's failure can depend on: all but names and constants."""
    return (
        tuple((t.index, t.shape, t.dtype, t.quantization, t.is_constant) for t in graph.tensors.values()),
        graph.operators,
        graph.inputs,
        graph.outputs,
    )


@pytest.mark.parametrize(
    ("seed", "count", "data"),
    [(1, 1200, SHIPPED), (2, 3000, every_operator()), (3, 3000, recurrent_network())],
)
def test_mutants_are_planned_or_refused(seed: int, count: int, data: bytes) -> None:
    rng, places = random.Random(seed), _structure(data)
    planned: set[object] = set()
    results: Counter[str] = Counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        mutant = _mutate(data, places, rng)
        started = time.process_time()
        try:
            graph = read_tflite_bytes(mutant, "mutant", "mutant.tflite")
        except ModelError as refused:
            results["refused" if refused.problems else "refused for nothing"] += 1
        else:
            key = _shape_of(graph)
            if key not in planned:
                planned.add(key)
                make_plan(fuse(simplify(graph).graph), PART)
            results["planned"] += 1
        assert time.process_time() - started < SLOWEST_S, f"mutant {number} of seed {seed}"
    assert not results["refused for nothing"]
    # Both happen often, so neither side of the promise goes untested.
    assert min(results["refused"], results["planned"]) > count / 10, results
    assert len(planned) > 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MOST_MEMORY_KIB


def test_truncations_are_refused() -> None:
    """Of a small file at every length, of the shipped one here and there."""
    small = every_operator()
    for data, step in ((small, 7), (SHIPPED, 1117)):
        for length in range(0, len(data) - 200, step):
            with pytest.raises(ModelError):
                read_tflite_bytes(data[:length], "cut", "cut.tflite")


def test_random_bytes_behind_the_identifier_are_refused() -> None:
    rng = random.Random(3)
    for _ in range(500):
        noise = rng.randbytes(4) + b"TFL3" + rng.randbytes(rng.randrange(8, 400))
        with pytest.raises(ModelError):
            read_tflite_bytes(noise, "noise", "noise.tflite")


def test_lists_told_over_and_over_are_refused_soon() -> None:
    """Thousands of tensors that share one enormous shape and name would take gigabytes."""

    def many(tree: Any) -> None:
        graph = tree.subgraphs[0]
        big = graph.tensors[0]
        big.name = "x" * 60_000
        big.shape = [1] * 60_000
        graph.tensors = graph.tensors + [graph.tensors[-1]] * 10_000

    data = bytearray(edited(models.logistic(4, 0.1), many))
    # Every entry of the list of tensors refers to one table: the schema's packer writes copies.
    offsets = _vector_of_tensors(data)
    target = offsets[0] + int.from_bytes(data[offsets[0] : offsets[0] + 4], "little")
    for place in offsets:
        data[place : place + 4] = ((target - place) & 0xFFFFFFFF).to_bytes(4, "little")
    started = time.process_time()
    with pytest.raises(ModelError, match="many times"):
        read_tflite_bytes(bytes(data), "bomb", "bomb.tflite")
    assert time.process_time() - started < SLOWEST_S


def _vector_of_tensors(data: bytearray) -> list[int]:
    """Places of the entries, sorted so that the first lies before every table."""
    import tflite

    table = tflite.Model.GetRootAs(data, 0).Subgraphs(0)._tab
    vector = table.Vector(table.Offset(4))
    places = [vector + 4 * i for i in range(table.VectorLen(table.Offset(4)))]
    # Unsigned offsets point forward: aim at the table that lies last.
    return sorted(places, key=lambda p: -(p + int.from_bytes(data[p : p + 4], "little")))


# One thing wrong at a time, made with the schema's object API. Operators of `every_operator` by position.
CONV, DEPTHWISE, ADD, MAX_POOL, RESHAPE, DENSE, SOFTMAX = 0, 1, 2, 3, 6, 8, 10


def operator(tree: Any, number: int) -> Any:
    return tree.subgraphs[0].operators[number]


def operand(tree: Any, number: int, position: int) -> Any:
    return tree.subgraphs[0].tensors[operator(tree, number).inputs[position]]


def result(tree: Any, number: int) -> Any:
    return tree.subgraphs[0].tensors[operator(tree, number).outputs[0]]


def setting(number: int, **options: object) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for name, value in options.items():
            setattr(operator(tree, number).builtinOptions, name, value)

    return change


def of_operand(number: int, position: int, **values: object) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for name, value in values.items():
            setattr(operand(tree, number, position), name, value)

    return change


def quantized(number: int, position: int, **values: object) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for name, value in values.items():
            setattr(operand(tree, number, position).quantization, name, value)

    return change


def cut_weights(tree: Any) -> None:
    buffer = tree.buffers[operand(tree, CONV, 1).buffer]
    buffer.data = buffer.data[:-1]


def empty_weights(tree: Any) -> None:
    tree.buffers[operand(tree, CONV, 1).buffer].data = None


def short_bias(tree: Any) -> None:
    bias = operand(tree, CONV, 2)
    bias.shape = [3]
    tree.buffers[bias.buffer].data = tree.buffers[bias.buffer].data[:12]


def grouped(tree: Any) -> None:
    """4 input channels, weights for 3."""
    operand(tree, CONV, 0).shape = [1, 8, 8, 4]


def groups_of_channels_that_are_no_multiple(tree: Any) -> None:
    """9 input channels make 3 groups; 4 output channels are not theirs."""
    operand(tree, CONV, 0).shape = [1, 8, 8, 9]


def swapped_operators(tree: Any) -> None:
    operators = tree.subgraphs[0].operators
    operators[CONV], operators[ADD] = operators[ADD], operators[CONV]


def cycle(tree: Any) -> None:
    """The convolution reads the sum that needs it."""
    convolution = operator(tree, DEPTHWISE)
    convolution.inputs = [operator(tree, ADD).outputs[0], *convolution.inputs[1:]]


def written_twice(tree: Any) -> None:
    operator(tree, DEPTHWISE).outputs = operator(tree, CONV).outputs


def never_computed(tree: Any) -> None:
    graph = tree.subgraphs[0]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = "orphan", [1, 4], schema.TensorType.INT8, 0
    graph.tensors = [*graph.tensors, tensor]
    graph.outputs = [len(graph.tensors) - 1]


def two_subgraphs(tree: Any) -> None:
    tree.subgraphs = [*tree.subgraphs, tree.subgraphs[0]]


def custom(tree: Any) -> None:
    code = tree.operatorCodes[operator(tree, MAX_POOL).opcodeIndex]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, 32
    code.customCode = "MagicPool"


def no_options(tree: Any) -> None:
    operator(tree, ADD).builtinOptions, operator(tree, ADD).builtinOptionsType = None, 0


def constant_activation(tree: Any) -> None:
    """Both summands become a constant."""
    graph = tree.subgraphs[0]
    summand = schema.TensorT()
    first = operand(tree, ADD, 0)
    summand.name, summand.shape, summand.type = "bias plane", first.shape, first.type
    summand.quantization = first.quantization
    data = schema.BufferT()
    data.data = np.zeros(int(np.prod(first.shape)), np.uint8)
    tree.buffers.append(data)
    summand.buffer = len(tree.buffers) - 1
    graph.tensors.append(summand)
    operator(tree, ADD).inputs = [len(graph.tensors) - 1] * 2


def one_input(tree: Any) -> None:
    operator(tree, ADD).inputs = operator(tree, ADD).inputs[:1]


def two_outputs(tree: Any) -> None:
    operator(tree, ADD).outputs = [*operator(tree, ADD).outputs, 0]


def sparse(tree: Any) -> None:
    operand(tree, CONV, 1).sparsity = schema.SparsityParametersT()


def input_listed_twice(tree: Any) -> None:
    tree.subgraphs[0].inputs = [tree.subgraphs[0].inputs[0]] * 2


def output_is_input(tree: Any) -> None:
    tree.subgraphs[0].outputs = tree.subgraphs[0].inputs


def no_outputs(tree: Any) -> None:
    tree.subgraphs[0].outputs = []


MISTAKES: dict[str, tuple[Callable[[Any], None], tuple[str, ...]]] = {
    "zero extent": (of_operand(CONV, 0, shape=[1, 0, 8, 3]), ("tensor 0 't0'", "[1, 0, 8, 3]")),
    "negative extent": (of_operand(CONV, 0, shape=[1, -8, 8, 3]), ("tensor 0 't0'", "-8")),
    "absurd extent": (of_operand(CONV, 0, shape=[1, 1 << 30, 8, 3]), ("tensor 0 't0'", "1073741824")),
    "5-D": (of_operand(CONV, 0, shape=[1, 1, 8, 8, 3]), ("operator 0 CONV_2D", "'t0'", "4-D")),
    "batch of 2": (of_operand(CONV, 0, shape=[2, 8, 8, 3]), ("operator 0 CONV_2D", "'t0'", "batch of 1")),
    "dynamic": (of_operand(CONV, 0, shapeSignature=[1, -1, 8, 3]), ("tensor 0 't0'", "dynamic")),
    "int16": (of_operand(CONV, 0, type=schema.TensorType.INT16), ("'t0'", "int16", "not int8")),
    "complex": (of_operand(CONV, 0, type=schema.TensorType.COMPLEX64), ("'t0'", "COMPLEX64")),
    "float weights": (
        of_operand(CONV, 1, type=schema.TensorType.FLOAT32),
        ("operator 0", "'t1'", "not int8"),
    ),
    "not quantized": (of_operand(CONV, 0, quantization=None), ("operator 0 CONV_2D", "'t0'", "one scale")),
    "scale 0": (quantized(CONV, 0, scale=[0.0]), ("tensor 0 't0'", "scale")),
    "scale NaN": (quantized(CONV, 0, scale=[float("nan")]), ("tensor 0 't0'", "scale")),
    "scale infinite": (quantized(CONV, 0, scale=[float("inf")]), ("tensor 0 't0'", "scale")),
    "scale negative": (quantized(CONV, 0, scale=[-0.5]), ("tensor 0 't0'", "scale")),
    "scale denormal": (quantized(CONV, 0, scale=[1e-40]), ("tensor 0 't0'", "scale")),
    "zero point 128": (quantized(CONV, 0, zeroPoint=[128]), ("tensor 0 't0'", "zero points")),
    "zero point of weights": (
        quantized(CONV, 1, zeroPoint=[0, 1, 0, 0]),
        ("operator 0", "'t1'", "zero point"),
    ),
    "wrong axis": (quantized(CONV, 1, quantizedDimension=3), ("operator 0", "'t1'", "axis 3")),
    "wrong axis, depthwise": (quantized(DEPTHWISE, 1, quantizedDimension=0), ("operator 1", "axis 0")),
    "two scales of four": (
        quantized(CONV, 1, scale=[0.1, 0.1], zeroPoint=[0, 0]),
        ("operator 0", "2 scales"),
    ),
    "cut weights": (cut_weights, ("tensor 1 't1'", "108 bytes", "107")),
    "empty weights": (empty_weights, ("operator 0 CONV_2D", "'t1'", "not constant")),
    "no such buffer": (of_operand(CONV, 1, buffer=99), ("tensor 1 't1'", "buffer 99")),
    "short bias": (short_bias, ("operator 0 CONV_2D", "'t2'", "(4)")),
    "bias type": (
        of_operand(CONV, 2, type=schema.TensorType.FLOAT32),
        ("operator 0 CONV_2D", "'t2'", "not int32"),
    ),
    "grouped": (grouped, ("operator 0 CONV_2D", "'t1'", "do not fit input")),
    "grouped unevenly": (
        groups_of_channels_that_are_no_multiple,
        ("operator 0 CONV_2D", "'t1'", "do not fit input"),
    ),
    "stride 0": (setting(CONV, strideH=0), ("operator 0 CONV_2D", "stride h is 0")),
    "stride huge": (setting(CONV, strideW=1 << 30), ("operator 0 CONV_2D", "stride w")),
    "stride negative": (setting(DEPTHWISE, strideW=-1), ("operator 1 DEPTHWISE_CONV_2D", "stride w is -1")),
    "dilation 0": (setting(CONV, dilationHFactor=0), ("operator 0 CONV_2D", "dilation h is 0")),
    "window 0": (setting(MAX_POOL, filterHeight=0), ("operator 3 MAX_POOL_2D", "window h is 0")),
    "window larger": (setting(MAX_POOL, filterHeight=9), ("operator 3 MAX_POOL_2D", "does not fit")),
    "padding unknown": (setting(CONV, padding=5), ("operator 0 CONV_2D", "padding 5")),
    "tanh": (setting(ADD, fusedActivationFunction=4), ("operator 2 ADD", "TANH", "RELU6")),
    "beta 0": (setting(SOFTMAX, beta=0.0), ("operator 10 SOFTMAX", "beta")),
    "beta NaN": (setting(SOFTMAX, beta=float("nan")), ("operator 10 SOFTMAX", "beta")),
    "shuffled weights": (setting(DENSE, weightsFormat=1), ("operator 8 FULLY_CONNECTED", "shuffled")),
    "unordered": (swapped_operators, ("operator 0 ADD", "before anything")),
    "cycle": (cycle, ("operator 1 DEPTHWISE_CONV_2D", "before anything")),
    "written twice": (written_twice, ("operator 1 DEPTHWISE_CONV_2D", "already has a value")),
    "never computed": (never_computed, ("output", "'orphan'", "never computed")),
    "two subgraphs": (two_subgraphs, ("2 subgraphs",)),
    "custom": (custom, ("operator 3 CUSTOM 'MagicPool'", "not supported", "CONV_2D")),
    "no options": (no_options, ("operator 2 ADD", "AddOptions")),
    "constant activation": (constant_activation, ("operator 2 ADD", "'bias plane'", "constant")),
    "one input": (one_input, ("operator 2 ADD", "1 inputs, needs 2")),
    "two outputs": (two_outputs, ("operator 2 ADD", "2 outputs, needs 1")),
    "sparse": (sparse, ("tensor 1 't1'", "sparse")),
    "variable input": (of_operand(CONV, 0, isVariable=True), ("input 't0'", "variable")),
    "variable": (of_operand(ADD, 1, isVariable=True), ("operator 2 ADD", "variable", "SVDF")),
    "input twice": (input_listed_twice, ("'t0'", "2 times")),
    "output is the input": (output_is_input, ("'t0'", "does not depend")),
    "no outputs": (no_outputs, ("0 outputs",)),
}


def test_the_network_without_a_mistake_is_planned() -> None:
    assert problems_of(edited(every_operator(), lambda tree: None)) == ()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named(mistake: str) -> None:
    change, words = MISTAKES[mistake]
    problems = problems_of(edited(every_operator(), change))
    assert any(all(word in problem for word in words) for problem in problems), problems
    assert all("malformed" not in problem for problem in problems) or mistake == "no such buffer"


LSTM, PRODUCT, SVDF, LOG_SOFTMAX = 0, 1, 3, 4
HIDDEN, CELL, STATE = 18, 19, 4


def peephole(tree: Any) -> None:
    inputs = [*operator(tree, LSTM).inputs]
    inputs[9] = inputs[12]
    operator(tree, LSTM).inputs = inputs


def shared_state(tree: Any) -> None:
    """A second LSTM over the first one's output, with its state."""
    graph = tree.subgraphs[0]
    second = schema.OperatorT()
    first = operator(tree, LSTM)
    second.opcodeIndex, second.inputs = first.opcodeIndex, [*first.inputs]
    second.builtinOptions, second.builtinOptionsType = first.builtinOptions, first.builtinOptionsType
    output = schema.TensorT()
    like = graph.tensors[first.outputs[0]]
    output.name, output.shape, output.type, output.quantization = (
        "again",
        like.shape,
        like.type,
        like.quantization,
    )
    graph.tensors = [*graph.tensors, output]
    second.outputs = [len(graph.tensors) - 1]
    graph.operators = [*graph.operators, second]


def state_with_values(tree: Any) -> None:
    data = schema.BufferT()
    data.data = np.zeros(6, np.uint8)
    tree.buffers = [*tree.buffers, data]
    operand(tree, LSTM, HIDDEN).buffer = len(tree.buffers) - 1


def state_read_by_another(tree: Any) -> None:
    operator(tree, LOG_SOFTMAX).inputs = [operator(tree, LSTM).inputs[HIDDEN]]
    result(tree, LOG_SOFTMAX).shape = [1, 6]


RECURRENT_MISTAKES: dict[str, tuple[Callable[[Any], None], tuple[str, ...]]] = {
    "no variable": (of_operand(LSTM, HIDDEN, isVariable=False), ("operator 0 UNI", "not a variable")),
    "cells int8": (of_operand(LSTM, CELL, type=schema.TensorType.INT8), ("operator 0 UNI", "not int16")),
    "cell scale": (quantized(LSTM, CELL, scale=[0.001]), ("operator 0 UNI", "power of two")),
    "cell zero point": (quantized(LSTM, CELL, zeroPoint=[1]), ("operator 0 UNI", "zero point")),
    "hidden scale": (quantized(LSTM, HIDDEN, scale=[0.001]), ("operator 0 UNI", "same scale")),
    "weights of the gates": (
        of_operand(LSTM, 3, shape=[5, 6]),
        ("operator 0 UNI", "should have the shape 6x5"),
    ),
    "peephole": (peephole, ("operator 0 UNI", "peephole")),
    "sigmoid": (setting(LSTM, fusedActivationFunction=1), ("operator 0 UNI", "TANH")),
    "cell clip": (setting(LSTM, cellClip=float("nan")), ("operator 0 UNI", "clip")),
    "shared state": (shared_state, ("UNIDIRECTIONAL_SEQUENCE_LSTM", "shares its state")),
    "state with values": (state_with_values, ("variable with values",)),
    "state read by another": (state_read_by_another, ("operator 4 LOG_SOFTMAX", "variable")),
    "product's depth": (setting(PRODUCT, adjY=False), ("operator 1 BATCH_MATMUL", "do not fit")),
    "product's result": (of_operand(2, 0, shape=[1, 4, 3]), ("operator 1 BATCH_MATMUL", "1x4x4")),
    "rank": (setting(SVDF, rank=3), ("operator 3 SVDF", "rank 3")),
    "state's type": (
        of_operand(SVDF, STATE, type=schema.TensorType.INT32),
        ("operator 3 SVDF", "int8 or int16"),
    ),
    "state's shape": (of_operand(SVDF, STATE, shape=[1, 39]), ("operator 3 SVDF", "do not fit")),
    "relu6": (setting(SVDF, fusedActivationFunction=3), ("operator 3 SVDF", "RELU")),
    "log softmax": (quantized(LOG_SOFTMAX, 0, scale=[1e-9]), ("operator 4 LOG_SOFTMAX", "scale")),
}


@pytest.mark.parametrize("mistake", RECURRENT_MISTAKES)
def test_mistake_with_state_is_named(mistake: str) -> None:
    change, words = RECURRENT_MISTAKES[mistake]
    assert problems_of(recurrent_network()) == ()
    problems = problems_of(edited(recurrent_network(), change))
    assert any(all(word in problem for word in words) for problem in problems), problems
    assert all("malformed" not in problem for problem in problems)


def test_all_mistakes_are_listed_at_once() -> None:
    def change(tree: Any) -> None:
        setting(CONV, strideH=0)(tree)
        setting(ADD, fusedActivationFunction=4)(tree)
        custom(tree)
        quantized(DENSE, 1, zeroPoint=[5])(tree)

    problems = problems_of(edited(every_operator(), change))
    for name in ("operator 0 CONV_2D", "operator 2 ADD", "operator 3 CUSTOM", "operator 8 FULLY_CONNECTED"):
        assert sum(problem.startswith(name) for problem in problems) == 1, problems


def test_free_batch_is_read_as_one() -> None:
    model = edited(every_operator(), of_operand(CONV, 0, shapeSignature=[-1, 8, 8, 3]))
    assert problems_of(model) == ()


@pytest.mark.parametrize(("depth", "fits"), [(4095, True), (4096, False), (9000, False)])
def test_softmax_depth_is_bounded_by_its_sum(depth: int, fits: bool) -> None:
    """4096 times exp(0) = 2**19 is one more than an int32 holds."""
    assert (problems_of(models.softmax(1, depth, 0.1)) == ()) is fits


def test_scalars_and_vectors() -> None:
    scalar = ModelBuilder()
    a = scalar.tensor((), scale=0.1)
    b = scalar.tensor((), scale=1 / 256, zero_point=-128)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    scalar.operator("SOFTMAX", [a], [b], options)
    (problem,) = problems_of(scalar.finish([a], [b]))
    assert "operator 0 SOFTMAX" in problem
    assert problems_of(models.logistic(1, 0.1)) == ()


def test_models_that_compute_nothing_are_refused() -> None:
    for constant in (False, True):
        net = Network()
        source = net.activation(1, 4)
        origin = net.tensor((1, 4), scale=0.1, data=np.ones(4, np.int8)) if constant else source
        output = net.reshape(net.reshape(origin, 4, 1), 2, 2)
        (problem,) = problems_of(net.finish([source], [output]))
        assert "does not depend on the operators" in problem


def test_inputs_and_outputs_are_of_types_that_targets_exchange() -> None:
    net = Network()
    source, numbers = net.activation(1, 4), net.tensor((1, 4), "bool", name="numbers")
    turned = net.tensor((4,), "bool", name="turned")
    net.operator("RESHAPE", [numbers], [turned])
    problems = problems_of(net.finish([source, numbers], [net.logistic(source), turned]))
    assert len(problems) == 2
    assert "input 'numbers'" in problems[0]
    assert "output 'turned'" in problems[1]


def test_more_inputs_than_the_link_tracks_are_refused() -> None:
    net = Network()
    inputs = [net.activation(1, 2) for _ in range(33)]
    (problem,) = problems_of(net.finish(inputs, [net.add(*inputs[:2])]))
    assert "33 inputs" in problem
    assert "32" in problem
