"""What a file says in its older fields alone, the oracle and :mod:`generator.validate` understand too."""

from __future__ import annotations

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.validate.results import results
from tests.support.models import convolution


def _with_older_codes(model: bytes) -> bytes:
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for code in tree.operatorCodes:
        code.builtinCode = 0
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_depthwise_layer_of_an_older_file_gets_its_absent_bias() -> None:
    rng = np.random.default_rng(1)
    model = _with_older_codes(
        convolution(rng, depthwise=True, height=5, width=4, channels=3, filters=3, kernel=(3, 3), bias=False)
    )
    pixels = rng.integers(-128, 128, (1, 5, 4, 3)).astype(np.int8)
    graph = read_tflite_bytes(model, "older", "the model")
    expected = run_graph(graph, [pixels])[graph.outputs[0]]
    np.testing.assert_array_equal(Oracle(model).run([pixels])[0], expected)
    assert [result.op for result in results(model)] == ["DEPTHWISE_CONV_2D"]
