"""Layer by layer: the first to depart, by how much, and whether it or those before it are to blame."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from rich.console import Console

from generator.commands import attach
from generator.commands.validate import validate
from generator.errors import MismatchError, MissingToolError, UsageError
from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import Plan, make_plan
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.simplify import simplify
from generator.targets import load_board
from generator.validate import TestInput, implementations, make_inputs
from generator.validate.implementations import Absent, Implementation
from generator.validate.layers import Blame, LayerComparison, Pair, compare_layers, layers_of
from generator.validate.picture import draw
from generator.validate.results import results
from generator.validate.show import as_json, print_layers
from tests.app.host import Host, host_program
from tests.nn.checks import SETTINGS, Make, seeds
from tests.nn.operators import OPERATORS
from tests.plan.networks import Network
from tests.simplify.networks import Plain
from tests.support.cli import ROOT
from tests.validate.test_compare import CONV, DEPTHWISE, _with_other_weights

SHIPPED = ROOT / "models" / "mask_cnn" / "mask_cnn.tflite"


def _model() -> bytes:
    """conv, depthwise, dense, with a convolution and its pooling in one step between them."""
    net = Network(11)
    source = net.activation(1, 8, 8, 3)
    image = net.conv(net.conv(source, 4), 4, depthwise=True)
    pooled = net.pool(net.conv(image, 6))
    _, height, width, channels = net.shape(pooled)
    return net.finish([source], [net.dense(net.reshape(pooled, 1, height * width * channels), 5)])


def _as_read(model: bytes) -> Graph:
    return read_tflite_bytes(model, "net", "net")


def _planned(model: bytes) -> tuple[Graph, Plan]:
    graph = fuse(simplify(_as_read(model)).graph)
    return graph, make_plan(graph, load_board("nucleo_h743zi2").part)


def _inputs(graph: Graph, count: int = 4) -> tuple[TestInput, ...]:
    return make_inputs(graph, Path("nowhere"), None, realistic=count // 2, noise=count - count // 2)


def _compare(model: bytes, others: list[Implementation], count: int = 4) -> LayerComparison:
    """``others`` and TFLM."""
    graph, (_, plan) = _as_read(model), _planned(model)
    layers = layers_of(graph, plan, [r.index for r in results(model)])
    return compare_layers(layers, [*others, implementations.tflm(model, graph)], _inputs(graph, count))


def _litert(model: bytes, key: str) -> Implementation:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    found = next(i for i in implementations.litert(model, _as_read(model)) if i.key == key)
    assert isinstance(found, Implementation), found
    return found


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host_program(_model(), tmp_path_factory.mktemp("target") / "out") as host:
        yield host


def _with_target(host: Host, model: bytes) -> LayerComparison:
    """What the host program computes, taken for ``model``'s."""
    graph, plan = _planned(model)
    return _compare(model, [implementations.target(host.client, plan, graph, "host")])


def test_equal_weights_agree_in_every_layer(target: Host) -> None:
    comparison = _with_target(target, _model())
    (pair,) = comparison.pairs
    assert pair.departure is None
    assert comparison.blame(pair) is None
    shown = [d for d in pair.differences if d is not None]
    assert len(shown) == len(target.plan.steps) < len(comparison.layers)
    assert all((d.differing, d.max_steps, d.max_real) == (0, 0.0, 0.0) for d in shown)


def test_altered_layer_is_to_blame_and_those_behind_it_inherit(target: Host) -> None:
    other = _with_other_weights(_model(), DEPTHWISE, 2)
    comparison = _with_target(target, other)
    (pair,) = comparison.pairs
    differing = [None if d is None else d.differing for d in pair.differences]
    own = [None if d is None else d.differing for d in comparison.own["target"]]

    # The same by hand, from both models' values.
    graph = _as_read(other)
    index = comparison.layers[1].tensor.index
    apart = []
    for test_input in _inputs(graph):
        wrong, right = (run_graph(g, test_input.values)[index] for g in (_as_read(_model()), graph))
        apart.append(np.abs(wrong.astype(int) - right.astype(int)))
    assert differing[:2] == [0, sum(np.count_nonzero(a) for a in apart)]
    difference = pair.differences[1]
    assert difference is not None
    assert difference.max_steps == max(a.max() for a in apart)
    assert difference.max_real == difference.max_steps * graph.tensors[index].quant.scale

    assert pair.departure is not None
    assert pair.departure.layer == 1
    first = next(n for n, a in enumerate(apart) if a.any())
    assert pair.departure.input_name == _inputs(graph)[first].name
    np.testing.assert_array_equal(pair.departure.apart, apart[first])
    assert comparison.blame(pair) == Blame(1, ("target",))
    assert own[1] == differing[1]
    assert [n for n, d in enumerate(differing) if d] == [1, 3, 5]  # others are part of a step
    assert not any(own[3:])


def test_what_a_fused_step_does_is_blamed_on_it(target: Host) -> None:
    comparison = _with_target(target, _with_other_weights(_model(), 2, 1))
    (pair,) = comparison.pairs
    assert comparison.blame(pair) == Blame(3, ("target",))
    assert [layer.op for layer in comparison.layers][2:4] == ["CONV_2D", "MAX_POOL_2D"]
    assert comparison.layers[2].step is None


def test_blame_goes_to_a_hidden_layer_before(target: Host) -> None:
    """LiteRT differs in a convolution that the target shows only pooled."""
    model = _model()
    graph, plan = _planned(model)
    layers = layers_of(_as_read(model), plan, [r.index for r in results(model)])
    tflm = implementations.tflm(model, _as_read(model))

    def altered(test_input: TestInput) -> dict[int, Any]:
        values = dict(tflm.run(test_input))
        index = layers[2].tensor.index
        values[index] = np.full_like(values[index], 127)
        after = layers[3].tensor.index
        values[after] = np.full_like(values[after], 127)
        return values

    comparison = compare_layers(
        layers,
        [
            implementations.target(target.client, plan, graph, "host"),
            Implementation("litert", "LiteRT", tflm.graph, altered),
        ],
        _inputs(graph),
    )
    (pair,) = comparison.pairs
    assert pair.departure is not None
    assert pair.departure.layer == 3
    assert comparison.blame(pair) == Blame(2, ("litert",))


def test_channels_that_are_gone_do_not_count(tmp_path: Path) -> None:
    net = Plain()
    source = net.image(1, 4, 4, 2)
    weights = net.rng.integers(-9, 10, (10, 1, 1, 2)) | 1
    weights[[0, 4]] = 0
    image = net.layer(source, weights, [5, *[0] * 9], scale=20.0)
    reader = net.rng.integers(-9, 10, (3, 1, 1, 10)) | 1
    model = net.finish([source], [net.layer(image, reader, scale=50.0)])
    with host_program(model, tmp_path / "out") as host:
        (pair,) = _with_target(host, model).pairs
        assert host.plan.steps[0].output.origin is not None
        (altered,) = _with_target(host, _with_other_weights(model, CONV, 6)).pairs
    assert pair.departure is None
    assert altered.departure is not None
    assert altered.differences[0] is not None
    assert altered.differences[0].elements == 4 * 16 * 8
    assert set(np.argwhere(altered.departure.apart)[:, -1]) == {6}


@pytest.mark.parametrize("operator", OPERATORS)
def test_any_operator_can_be_compared(operator: str) -> None:
    """One that computes as TFLM does never departs itself, described in the registry or not."""

    @settings(max_examples=3, **SETTINGS)
    @given(make=OPERATORS[operator], seed=seeds)
    def check(make: Make, seed: int) -> None:
        model = make(np.random.default_rng(seed))
        tflm = implementations.tflm(model, _as_read(model))
        comparison = _compare(model, [replace(tflm, key="litert")], count=2)
        assert comparison.layers
        own = comparison.own["litert"]
        assert [d.differing for d in own if d is not None] == [0] * len(comparison.layers)
        assert comparison.pairs[0].departure is None

    check()


@pytest.mark.parametrize(("name", "operator"), [("ic01_resnet8", 2), ("sww01", 0), ("kws01_dscnn", None)])
def test_first_departure_of_litert_is_the_first(name: str, operator: int | None, mlperf_tiny: Path) -> None:
    """By hand: LiteRT's own way to keep all tensors, TFLM's values, one after the other."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    model = (mlperf_tiny / f"{name}_int8.tflite").read_bytes()
    comparison = _compare(model, [_litert(model, "litert_builtin")], count=2)
    (pair,) = comparison.pairs
    kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(
        model_content=model, experimental_op_resolver_type=kind, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    oracle = Oracle(model, keep_all=True)
    differing = [0] * len(comparison.layers)
    for test_input in _inputs(_as_read(model), 2):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], test_input.values[0])
        interpreter.invoke()
        oracle.run(test_input.values)
        for number, layer in enumerate(comparison.layers):
            have, want = (side(layer.tensor.index) for side in (interpreter.get_tensor, oracle.tensor))
            differing[number] += int(np.count_nonzero(have != want))
    assert [d.differing for d in pair.differences if d is not None] == differing
    first = next((n for n, count in enumerate(differing) if count), None)
    assert first == operator
    if operator is None:
        assert pair.departure is None
    else:
        assert pair.departure is not None
        assert pair.departure.layer == operator
        assert comparison.blame(pair) == Blame(operator, ("litert_builtin",))


def test_float_network_is_matched_and_near() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    model = SHIPPED.read_bytes()
    graph = _as_read(model)
    floating = implementations.float_model(SHIPPED.with_suffix(".keras"), model, graph)
    assert isinstance(floating, Implementation)
    layers = layers_of(graph, _planned(model)[1], [r.index for r in results(model)])
    inputs = make_inputs(graph, SHIPPED.parent, None, realistic=2, noise=0)
    (pair,) = compare_layers(layers, [implementations.tflm(model, graph), floating], inputs).pairs
    noise = [d.sqnr_db for d in pair.differences if d is not None and d.sqnr_db is not None]
    assert len(noise) == len(layers)
    assert min(noise) > 20
    assert pair.departure is None


def test_float_network_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    model = _model()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\0\0\0\0TFL3" + bytes(100))
    for path, words in ((broken, "no float model"), (SHIPPED, "as float32")):
        with pytest.raises(UsageError, match=words) as raised:
            implementations.float_model(path, model, _as_read(model))
        assert str(path) in str(raised.value)


def _printed(comparison: LayerComparison, absent: tuple[Absent, ...] = ()) -> str:
    text = io.StringIO()
    print_layers(comparison, absent, Console(file=text, width=200))
    return text.getvalue()


def test_what_is_printed_and_what_is_json_agree(target: Host) -> None:
    comparison = _with_target(target, _with_other_weights(_model(), DEPTHWISE, 2))
    absent = (Absent("litert", "not installed"), Absent("litert_builtin", "refuses the model: too large"))
    told = json.loads(json.dumps(as_json(comparison, absent), allow_nan=False))
    text = _printed(comparison, absent)
    (pair,) = told["pairs"]
    assert pair["summary"] in text
    assert "LiteRT: not installed" in text
    assert "LiteRT builtin: refuses the model: too large" in text
    assert text.count("not installed") == len(comparison.layers) + 1
    assert pair["first_departure"]["operator_index"] == 1
    assert pair["first_departure"]["blame"] == {"layer": 1, "operator_index": 1, "by": ["target"]}
    assert told["implementations"][-2] == {"key": "litert", "name": None, "absent": "not installed"}
    layer = told["layers"][1]
    assert (layer["op"], layer["rules"]["tflm"]) == ("DEPTHWISE_CONV_2D", "double rounding, ties away")
    assert layer["own"]["target"]["differing"] == pair["differences"][1]["differing"] > 0
    assert layer["kernel"] in text


def test_picture_is_a_png_and_always_the_same(target: Host, tmp_path: Path) -> None:
    image = _with_target(target, _with_other_weights(_model(), DEPTHWISE, 2))
    vector = _with_target(target, _with_other_weights(_model(), 5, 2))
    pictures = []
    for number, comparison in enumerate((image, image, vector, _with_target(target, _model()))):
        path = tmp_path / "new" / f"{number}.png"
        draw(comparison, path)
        pictures.append(path.read_bytes())
        assert pictures[-1].startswith(b"\x89PNG\r\n\x1a\n")
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3
    with pytest.raises(UsageError, match="cannot write"):
        draw(image, tmp_path / "new" / "0.png" / "below.png")


@pytest.fixture
def on_target(target: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def on_host(*_: object) -> Iterator[object]:
        yield target.client

    monkeypatch.setattr(attach, "on_host", on_host)


@pytest.mark.usefixtures("on_target")
def test_command_tells_json_before_it_fails(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    file = tmp_path / "other.tflite"
    file.write_bytes(_with_other_weights(_model(), DEPTHWISE, 0))
    picture = tmp_path / "differences.png"
    arguments = [str(file), "--on", "host", "--inputs", "4", "--json", "-q", "--picture", str(picture)]
    result = CliRunner().invoke(validate, arguments)
    assert isinstance(result.exception, MismatchError)
    told = json.loads(result.stdout)
    assert not told["bit_exact"]
    assert "operator 1" in told["first_difference"]
    absent = {i["key"]: i["absent"] for i in told["explanation"]["implementations"]}
    assert list(absent) == ["target", "tflm", "litert", "litert_builtin", "litert_reference"]
    # Reshapes of networks made here lack what LiteRT wants of them.
    assert [str(why).split(":")[0] for why in absent.values()] == ["None"] * 2 + ["refuses the model"] * 3
    against_tflm: Pair | Any = told["explanation"]["pairs"][0]
    assert against_tflm["first_departure"]["blame"]["by"] == ["target"]
    assert picture.is_file()


@pytest.mark.usefixtures("on_target")
def test_litert_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def package() -> None:
        raise MissingToolError("LiteRT needs TensorFlow")

    monkeypatch.setattr(implementations, "_package", package)
    file = tmp_path / "net.tflite"
    file.write_bytes(_model())
    arguments = [str(file), "--on", "host", "--inputs", "2", "--layers", "--float", str(file)]
    result = CliRunner().invoke(validate, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count("not installed") >= 4
    assert "bit-exact" in result.output


def test_picture_without_matplotlib_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = CliRunner().invoke(validate, ["nowhere", "--picture", str(tmp_path / "a.png")])
    assert isinstance(result.exception, MissingToolError)
    assert result.exception.exit_code == 6
    assert "firmcast[plot]" in str(result.exception)
