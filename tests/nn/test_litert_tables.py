"""Functions of a byte that TFLM has no int8 kernel for, and LiteRT a table."""

from __future__ import annotations

import numpy as np
import pytest

from generator.graph import UnaryKind
from generator.quantize.keras import tensorflow
from generator.read import read_tflite_bytes
from generator.reference import run_graph
from tests.nn.operators import options
from tests.support.models import ModelBuilder

EVERY = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)


@pytest.mark.parametrize("kind", ["EXP", "LOG", "GELU", "GELU approximate", "RELU_N1_TO_1"])
@pytest.mark.parametrize(("source", "result"), [((0.02, -128), (0.05, 3)), ((0.013, -128), (0.011, -7))])
def test_table_is_litert_s(kind: str, source: tuple[float, int], result: tuple[float, int]) -> None:
    model = ModelBuilder()
    if kind not in ("EXP", "LOG"):
        source = (source[0], 5)
    given = model.tensor((1, 256), scale=source[0], zero_point=source[1])
    output = model.tensor((1, 256), scale=result[0], zero_point=result[1])
    name = kind.removesuffix(" approximate")
    table = options("Gelu", approximate=name != kind) if name == "GELU" else None
    model.operator(name, [given], [output], table)
    content = model.finish([given], [output])
    assert UnaryKind(name)
    interpreter = tensorflow().lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given, EVERY)
    interpreter.invoke()
    expected = interpreter.get_tensor(output)
    computed = run_graph(read_tflite_bytes(content, "net", "net"), [EVERY])[output]
    np.testing.assert_array_equal(computed, expected)
