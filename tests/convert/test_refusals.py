"""ONNX files from strangers: every problem in one list, soon, and nothing written."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from generator.convert import convert_onnx
from generator.convert.onnx import parse
from generator.errors import ModelError
from generator.read import read_tflite_bytes
from tests.convert.networks import Network, model_of
from tests.support.cli import ROOT, firmcast

SLOWEST_S = 3.0


def problems_of(model: Any) -> tuple[str, ...]:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(ModelError) as refused:
        convert_onnx(data, "model.onnx")
    return refused.value.problems


def small() -> Network:
    return Network({"x": (1, 3, 8, 8)})


def convolved(network: Network) -> Any:
    features = network.op("Conv", "x", network.weights(4, 3, 3, 3), kernel_shape=[3, 3])
    return network.quantized(network.op("Gemm", network.op("Flatten", features), network.weights(144, 5)))


def test_every_problem_is_in_one_list() -> None:
    model = convolved(small())
    for op, domain in (("Erf", ""), ("NonMaxSuppression", ""), ("Fancy", "my.domain")):
        node = helper.make_node(
            op, [model.graph.node[-1].output[0]], [f"{op}_out"], f"my {op}", domain=domain
        )
        model.graph.node.append(node)
        model.graph.output.append(helper.make_empty_tensor_value_info(f"{op}_out"))
    found = problems_of(model)
    assert len(found) == 4
    assert "supported operators are Abs, Add" in found[-1]
    for problem, op in zip(found[:3], ("Erf", "NonMaxSuppression", "my.domain.Fancy"), strict=True):
        assert f"'my {op.split('.')[-1]}' {op}" in problem
        assert problem.startswith("node ")


def _float(model: Any) -> None:
    del model.graph.node[-2:]  # the last QuantizeLinear and DequantizeLinear
    model.graph.output[0].name = model.graph.node[-1].output[0]


def _float_input(model: Any) -> None:
    first = model.graph.node[0]
    assert first.op_type == "QuantizeLinear"
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == model.graph.node[1].output[0]:
                node.input[i] = "x"
    del model.graph.node[:2]


def _external(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("_steps"))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _dynamic(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _unknown_rank(model: Any) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def _old(model: Any) -> None:
    model.opset_import[0].version = 9


def _short(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("_steps"))
    tensor.raw_data = tensor.raw_data[:-3]


def _huge(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("_steps"))
    del tensor.dims[:]
    tensor.dims.extend([1 << 40, 1 << 40])


def _bfloat(model: Any) -> None:
    model.graph.initializer[0].data_type = TensorProto.BFLOAT16


def _asymmetric(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "constant0_zero")
    tensor.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), tensor.name))


def _no_scale(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "x_scale")
    tensor.CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), tensor.name))


def _cycle(model: Any) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    node.input[0] = model.graph.node[-1].output[0]


def _lies(model: Any) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    node.attribute.append(helper.make_attribute("strides", "many"))


def _pads(model: Any) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    node.attribute.append(helper.make_attribute("pads", [1 << 40, 0, 0, 0]))


def _no_output(model: Any) -> None:
    del model.graph.output[:]


MISTAKES: dict[str, tuple[Callable[[Any], None], str]] = {
    "no range": (_float, "no QuantizeLinear reads: its range is not known"),
    "float input": (_float_input, "quantize a float model first"),
    "other file": (_external, "save the model as one file"),
    "dynamic shape": (_dynamic, "has the dynamic shape [1, 3, 'height', 8]: fix it"),
    "no shape": (_unknown_rank, "is not a tensor of known shape"),
    "operator set": (_old, "uses operator set 9, 10 or newer is needed"),
    "short constant": (_short, "does not hold the 108 values of its shape"),
    "huge constant": (_huge, "has the impossible shape"),
    "type": (_bfloat, "has the type BFLOAT16; FLOAT, "),
    "asymmetric weights": (_asymmetric, "has weights with a zero point"),
    "scale": (_no_scale, "a scale that is not a positive number"),
    "cycle": (_cycle, "which nothing before it computes"),
    "attribute": (_lies, "has attributes or inputs that do not fit it"),
    "pads": (_pads, "has pads [1099511627776, 0, 0, 0]"),
    "outputs": (_no_output, "1 inputs and 0 outputs"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named(name: str) -> None:
    change, message = MISTAKES[name]
    model = convolved(small())
    change(model)
    found = problems_of(model)
    assert any(message in problem for problem in found), found
    assert len(found) <= 2, found  # and what follows from it is not


def _refused(build: Callable[[Network], str], message: str) -> None:
    network = small()
    found = problems_of(network.quantized(build(network)))
    assert message in found[0]
    assert len(found) == 1 + ("is not supported" in message)


def test_what_an_operator_cannot_do_is_told() -> None:
    _refused(
        lambda n: n.op("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        "count_include_pad=1",
    )
    _refused(lambda n: n.op("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2]), "dilations")
    _refused(lambda n: n.op("Elu", "x", alpha=0.5), "alpha")
    _refused(lambda n: n.op("Pad", "x", n.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge"), "mode edge")
    _refused(
        lambda n: n.op("Resize", "x", "", n.constant([1, 1, 2, 2], np.float32), mode="cubic"), "mode cubic"
    )
    _refused(lambda n: n.op("Tan", "x"), "is not supported")


def test_control_flow_is_not_supported() -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 4])],
    )
    node = helper.make_node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.array(True), "c")],
    )
    assert any("node 0 'choice' If: is not supported" in p for p in problems_of(model_of(graph)))


def test_constants_do_not_grow_without_bound() -> None:
    network = small()
    size = network.constant([1 << 20, 1 << 20], np.int64)
    grown = network.op("ConstantOfShape", size)
    network.op("Add", "x", grown)
    model = model_of(
        helper.make_graph(
            network.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_empty_tensor_value_info(network.nodes[-1].output[0])],
            [numpy_helper.from_array(v, n) for n, v in network.constants.items()],
        )
    )
    start = time.monotonic()
    assert any("impossible shape" in problem for problem in problems_of(model))
    assert time.monotonic() - start < SLOWEST_S


def test_one_constant_for_very_many_nodes_is_too_much() -> None:
    network = Network({"x": (1, 1024)})
    weights = network.weights(1024, 1024)
    last = "x"
    for _ in range(400):
        last = network.op("Gemm", last, weights)
    model = model_of(
        helper.make_graph(
            network.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1024])],
            [helper.make_empty_tensor_value_info(last)],
            [numpy_helper.from_array(v, n) for n, v in network.constants.items()],
        )
    )
    for i, node in enumerate(list(model.graph.node)):
        scale, zero = f"scale{i}", f"zero{i}"
        model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), scale))
        model.graph.initializer.append(numpy_helper.from_array(np.int8(0), zero))
        quantized = helper.make_node("QuantizeLinear", [node.input[0], scale, zero], [f"q{i}"])
        real = helper.make_node("DequantizeLinear", [f"q{i}", scale, zero], [f"d{i}"])
        node.input[0] = f"d{i}"
        place = 3 * i
        model.graph.node.insert(place, real)
        model.graph.node.insert(place, quantized)
    start = time.monotonic()
    assert "its constants, as its nodes use them, exceed 256 MiB" in problems_of(model)
    assert time.monotonic() - start < 10 * SLOWEST_S


@pytest.mark.parametrize("data", [b"", b"not a model at all", bytes(1000), b"\xff" * 1000])
def test_what_is_no_onnx_file_is_said_to_be_none(data: bytes) -> None:
    (problem,) = problems_of(data)
    assert "malformed or truncated" in problem or "not an ONNX model" in problem


def test_large_files_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_FILE_BYTES", 1000)
    assert problems_of(convolved(small())) == ("the file is larger than 0 MiB",)


def test_mutants_are_refused_or_readable() -> None:
    data = convolved(small()).SerializeToString()
    rng = random.Random(1)
    for _ in range(300):
        mutant = bytearray(data)
        for _ in range(rng.choice((1, 2, 4))):
            mutant[rng.randrange(len(mutant))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del mutant[rng.randrange(len(mutant)) :]
        start = time.monotonic()
        with contextlib.suppress(ModelError):
            read_tflite_bytes(convert_onnx(bytes(mutant), "m"), "m", "m")
        assert time.monotonic() - start < SLOWEST_S


def test_command_refuses_and_writes_nothing(tmp_path: Path) -> None:
    model = convolved(small())
    _float(model)
    onnx.save(model, tmp_path / "door.onnx")
    result = firmcast("build", tmp_path / "door.onnx", cwd=tmp_path)
    assert result.code == 3
    assert "Gemm" in result.err
    assert "python -m generator quantize MODEL.onnx --data DIR" in " ".join(result.err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["door.onnx"]


def test_without_the_package_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "onnx.py").write_text("raise ImportError('hidden')\n")
    onnx.save(convolved(small()), tmp_path / "door.onnx")
    result = firmcast(
        "analyze", tmp_path / "door.onnx", cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}/hidden:{ROOT}"}
    )
    assert result.code == 6
    assert "pip install 'firmcast[onnx]'" in " ".join(result.err.split())
