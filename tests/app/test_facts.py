"""What is known and wanted of a model (model.json, firmcast.toml), and how the application reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from generator.application import Application, describe_application, pixel_values
from generator.catalog import ModelInfo, Normalization, Settings, find_model
from generator.errors import UsageError
from generator.graph import DType, Graph, Quantization, Tensor
from generator.read import read_tflite_bytes
from tests.plan.networks import Network
from tests.support import models


def _model(folder: Path, info: object = None, settings: str | None = None) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(models.logistic(1, 0.1))
    if info is not None:
        (folder / "m.json").write_text(info if isinstance(info, str) else json.dumps(info))
    if settings is not None:
        (folder / "m.toml").write_text(settings)
    return path


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({"labels": [""]}, "labels"),
        ({"labels": ["x" * 41]}, "40 bytes"),
        ({"labels": ["ü" * 21]}, "40 bytes"),  # 42 bytes: the link would cut a letter in two
        ({"labels": ["a\0b"]}, "labels"),
        ({"labels": [7]}, "labels"),
        ({"threshold": 1.5}, "threshold"),
        ('{"threshold": NaN}', "threshold"),
        ({"positive": -1}, "positive"),
        ({"normalization": {"scale": 0}}, "normalization.scale"),
        ({"normalization": {"scale": 1e300}}, "normalization.scale"),
        ({"normalization": {"scale": 1, "offset": -1e300}}, "normalization.offset"),
        ('{"normalization": {"scale": Infinity}}', "normalization.scale"),
        ([1, 2], "m.json"),
        ("{", "m.json"),
        ("[" * 100_000, "m.json"),
    ],
    ids=range(15),
)
def test_wrong_facts_are_usage_errors(info: object, word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        find_model(str(_model(tmp_path, info)))
    assert word in str(raised.value)
    assert "m.json" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ("[budgets]\nflash_kib = inf\n", "flash_kib"),
        ("[budgets]\nlatency_ms = nan\n", "latency_ms"),
        ("[budgets]\nram_kib = 0\n", "ram_kib"),
        ("[firmware]\nstack_bytes = 1023\n", "stack_bytes"),
        ("[firmware]\nstack_bytes = 2050\n", "stack_bytes"),
        ("a = " + "[" * 100_000, "m.toml"),
        ("\udcff", "m.toml"),
    ],
    ids=["inf", "nan", "zero", "stack too small", "stack odd", "deep", "no UTF-8"],
)
def test_wrong_wishes_are_usage_errors(settings: str, word: str, tmp_path: Path) -> None:
    path = _model(tmp_path)
    (tmp_path / "m.toml").write_bytes(settings.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as raised:
        find_model(str(path))
    assert word in str(raised.value)
    assert "m.toml" in str(raised.value)


def test_labels_of_forty_bytes_are_taken(tmp_path: Path) -> None:
    labels = ("ü" * 20, "x" * 40)
    source = find_model(str(_model(tmp_path, {"labels": labels, "provenance": "anything"})))
    assert source.info.labels == labels


@pytest.mark.parametrize("name", ["", "x" * 300, "x" * 5000, "no/such/model", "nothing.tflite"], ids=range(5))
def test_names_of_nothing_are_usage_errors(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        find_model(name)


def _graph(score_count: int = 1, image: tuple[int, ...] = (1, 4, 4, 3), dtype: str = "int8") -> Graph:
    net = Network()
    source = net.tensor(image, dtype, scale=None if dtype == "float32" else 0.1)
    first = source if dtype == "int8" else net.quantize(source)
    return read_tflite_bytes(net.finish([source], [net.dense(first, score_count)]), "net", "net")


def _describe(graph: Graph, **info: object) -> Application:
    return describe_application(graph, ModelInfo(**info), Settings())  # type: ignore[arg-type]


def test_classes_and_labels_must_fit_the_network() -> None:
    assert _describe(_graph(1), labels=("no", "yes")).open_class == 1
    assert _describe(_graph(5), labels=tuple("abcde"), positive=4).open_class == 4
    with pytest.raises(UsageError, match="tells 2 classes apart"):
        _describe(_graph(1), labels=("only",))
    with pytest.raises(UsageError, match="opens for 3"):
        _describe(_graph(3), positive=3)


@pytest.mark.parametrize(
    ("image", "takes"),
    [
        ((1, 4, 4, 3), True),
        ((1, 4, 4, 1), True),
        ((1, 4, 4, 2), False),
        ((1, 16), False),
        ((1, 1, 1025, 1), False),
        ((1, 1, 1024, 1), True),
    ],
)
def test_what_counts_as_a_picture(image: tuple[int, ...], takes: bool) -> None:
    assert (_describe(_graph(image=image)).image is not None) is takes


def test_pixels_without_normalization_span_the_range() -> None:
    for dtype, low in ((DType.INT8, -128), (DType.UINT8, 0)):
        tensor = Tensor(0, "t", (1, 2, 2, 3), dtype, Quantization((0.1,), (0,)))
        assert pixel_values(tensor, None).tolist() == list(range(low, low + 256))
    floats = pixel_values(Tensor(0, "t", (1, 2, 2, 3), DType.FLOAT32), None)
    np.testing.assert_allclose(floats, np.arange(256) / 255, rtol=1e-6)
    assert floats.dtype == np.float32


def test_pixels_are_quantized_as_the_network_was_trained() -> None:
    tensor = Tensor(0, "t", (1, 2, 2, 3), DType.INT8, Quantization((0.5,), (10,)))
    values = pixel_values(tensor, Normalization(scale=0.25, offset=-3.0))
    # real = pixel / 4 - 3; quantized = real / 0.5 + 10, halves up, saturating
    assert values[:5].tolist() == [4, 5, 5, 6, 6]
    assert values[246:248].tolist() == [127, 127]
    assert values[-1] == 127
