"""Rendered projects: strangers' names cannot break out, and networks of every shape of ends work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jinja2
import numpy as np
import pytest

from generator.catalog import ModelInfo
from generator.fuse import fuse
from generator.graph import DType
from generator.plan import make_plan
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.render.environment import c_string, comment, make_environment, one_line
from generator.targets import load_board
from generator.validate import compare, make_inputs
from tests.app.host import Host, host_program
from tests.plan.networks import Network, random_network

HOSTILE = [
    "*/ int main(void) { return 1; } /*",
    "line\nend\r\n#error out",
    "quote\" ' \\ back\\",
    "what??/ tri??' graphs??/",
    "naïve 模型 \u202e\udcff",
    "/* nested // \\",
    "%s {{ plan.name }} {% raw %} %% for",
]
LABELS = ('say "no" ??/', "mask */ ü\n", "\\", "{{ label }}")


def test_undefined_names_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError):
        make_environment().from_string("{{ absent }}").render()
    with pytest.raises(jinja2.UndefinedError):
        make_environment().from_string("{{ plan.absent }}").render(plan=object())


@pytest.mark.parametrize("text", HOSTILE)
def test_comments_and_banners_are_one_line_that_does_not_end(text: str) -> None:
    for cleaned in (comment(text), one_line(text)):
        assert "*/" not in cleaned
        assert "/*" not in cleaned
        assert len(cleaned.splitlines()) == 1
        cleaned.encode()  # no lone surrogates
    literal = c_string(text)
    assert literal.isascii()
    assert "?" not in literal[1:-1]
    assert '"' not in literal[1:-1]


@pytest.mark.parametrize("text", ["mask", "a_b 1", "**", "*/*/", "/*/"])
def test_harmless_names_stay(text: str) -> None:
    cleaned = comment(text)
    assert ("*/" in text or "/*" in text) or cleaned == text
    assert "*/" not in cleaned


def _hostile_model() -> bytes:
    """Two inputs, two outputs, every name from a stranger."""
    net = Network(5)
    inputs = [net.activation(1, 4, 4, 3), net.activation(1, 4, 4, 3)]
    total = net.add(*inputs)
    convolved = net.conv(total, 4, name=HOSTILE[0])
    model = [net.dense(convolved, 4), net.logistic(total)]
    for number, tensor in enumerate(net.tensors):
        # Surrogates cannot be stored in a file's UTF-8.
        name = HOSTILE[number % len(HOSTILE)]
        tensor.name = name.encode("utf-8", "replace").decode()
    return net.finish(inputs, model)


def _float_model() -> bytes:
    """float32 in and out, QUANTIZE first, DEQUANTIZE last; and a uint8 output."""
    net = Network(6)
    source = net.tensor((1, 5, 5, 2), "float32")
    quantized = net.quantize(source)
    scores = net.dense(net.conv(quantized, 3), 3)
    return net.finish([source], [net.dequantize(scores), net.quantize(scores, "uint8", 100)])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("hostile") / "out"
    name = "evil*/\n#error\n" + HOSTILE[4]
    info = ModelInfo(labels=LABELS)
    with host_program(_hostile_model(), folder, name=name, info=info) as host:
        yield host


def _agrees(host: Host, count: int = 6) -> None:
    inputs = make_inputs(host.graph, Path("nowhere"), None, realistic=count // 2, noise=count - count // 2)
    comparison = compare(host.client, host.plan, host.model, inputs)
    assert comparison.bit_exact, comparison
    assert comparison.inputs == count
    assert comparison.elements == count * sum(t.element_count for t in host.graph.output_tensors())


def test_hostile_names_compile_and_reach_nobody(hostile: Host) -> None:
    """Built with all warnings as errors; every name lies in a comment or a string."""
    source = (hostile.folder / f"{hostile.plan.identifier}.c").read_text()
    assert "int main(void) { return 1; }" in source  # in a comment, so it is cut nowhere
    cmake = (hostile.folder / "CMakeLists.txt").read_text()
    assert not any(line.startswith("#error") for line in cmake.splitlines())
    identity = hostile.client.identity
    assert identity.model.startswith("evil")
    assert "\n" not in identity.model
    manifest = json.loads((hostile.folder / "MANIFEST.json").read_text())
    assert manifest["model"]["name"] == identity.model


def test_two_inputs_and_two_outputs_are_bit_exact(hostile: Host) -> None:
    assert hostile.client.identity.input_sizes_bytes == (48, 48)
    assert hostile.client.identity.output_sizes_bytes == (4, 48)
    assert not hostile.client.identity.takes_images
    _agrees(hostile)


def test_float_ends_are_bit_exact(tmp_path: Path) -> None:
    with host_program(_float_model(), tmp_path / "float") as host:
        assert host.client.identity.input_sizes_bytes == (200,)
        assert host.client.identity.output_sizes_bytes == (12, 3)
        assert [t.dtype for t in host.graph.output_tensors()] == [DType.FLOAT32, DType.UINT8]
        _agrees(host)


def test_float_inputs_may_carry_a_quantization(tmp_path: Path) -> None:
    """Some converters leave it on the tensor; it has no meaning there."""
    net = Network(7)
    source = net.tensor((1, 40), "float32", scale=0.25, zero_point=9)
    model = net.finish([source], [net.quantize(source)])
    with host_program(model, tmp_path / "carried") as host:
        _agrees(host)
        values = np.linspace(-9, 9, 40, dtype=np.float32).reshape(1, 40)
        (output,) = host.graph.outputs
        np.testing.assert_array_equal(run_graph(host.graph, [values])[output], Oracle(model).run([values])[0])


def test_branches_and_views_are_bit_exact(tmp_path: Path) -> None:
    """A random network with results taken over in place, reshapes and several outputs, through the link."""
    net = next(n for n in map(random_network, range(1000)) if _has_all(n))
    with host_program(net, tmp_path / "random") as host:
        _agrees(host)
        # And each step, as the host link shows it.
        rng = np.random.default_rng(0)
        values = [rng.integers(-128, 128, t.shape).astype(np.int8) for t in host.graph.input_tensors()]
        expected = run_graph(host.graph, values)
        for step in host.plan.steps:
            for index, value in enumerate(values):
                host.client.write_input(value, index)
            host.client.run(stop_after=step.index)
            assert host.client.read_step(step.index) == expected[step.output.index].tobytes(), step.name


def _has_all(model: bytes) -> bool:
    """Whether the network has two inputs, three outputs, a reshape and two takeovers."""
    graph = fuse(read_tflite_bytes(model, "net", "net"))
    plan = make_plan(graph, load_board("nucleo_h743zi2").part)
    shares = sum(b.shares_with is not None for b in plan.buffers)
    return (
        len(graph.inputs) == 2
        and len(graph.outputs) == 3
        and shares >= 2
        and len(graph.operators) > len(plan.steps)
    )


def test_outputs_of_more_elements_than_classes_compile(tmp_path: Path) -> None:
    """An output of 70,000 elements is a map, no list of classes."""
    net = Network()
    source = net.tensor((1, 70_000), scale=0.1)
    with host_program(net.finish([source], [net.logistic(source)]), tmp_path / "map") as host:
        values = np.arange(70_000).astype(np.int8).reshape(1, -1)
        host.client.write_input(values)
        host.client.run()
        (expected,) = Oracle(host.model).run([values])
        assert host.client.read_output() == expected.tobytes()


def test_library_headers_are_not_hidden(tmp_path: Path) -> None:
    """A model called math must not become the math.h that the kernels include."""
    net = Network()
    source = net.tensor((1, 4), "float32")
    with host_program(net.finish([source], [net.quantize(source)]), tmp_path / "m", name="math") as host:
        assert host.client.identity.model == "math"
        _agrees(host, 2)
