"""Counting right and wrong answers, and the table that turns pixels into int8."""

from __future__ import annotations

import numpy as np
import pytest

from generator.application import pixel_values
from generator.catalog import Normalization
from generator.errors import ModelError, UsageError
from generator.graph import DType, Quantization, Tensor
from generator.learn.calibration import PIXELS
from generator.learn.evaluate import count_answers, evaluate
from generator.pictures import synthetic_set


def counted(scores, labels, threshold=0.5):
    return count_answers(
        np.array(scores),
        np.array(labels),
        ("no mask", "mask"),
        engine="tflm-int8",
        split="Test",
        threshold=threshold,
    )


def test_confusion_precision_recall_f1():
    result = counted([0.9, 0.8, 0.3, 0.5, 0.1], [1, 1, 1, 0, 0])
    assert result.confusion == ((1, 1), (1, 2))
    assert result.accuracy == pytest.approx(3 / 5)
    bare, mask = result.classes
    assert (bare.precision, bare.recall, bare.f1, bare.support) == (0.5, 0.5, 0.5, 2)
    assert mask.precision == mask.recall == mask.f1 == pytest.approx(2 / 3)
    assert mask.support == 3


def test_threshold_moves_answers_and_nothing_divides_by_zero():
    assert counted([0.6, 0.6], [1, 0], threshold=0.7).confusion == ((1, 0), (1, 0))
    mask = counted([0.1], [1]).classes[1]
    assert (mask.precision, mask.recall, mask.f1) == (0.0, 0.0, 0.0)


def pixel_table(scale, zero_point, dtype, normalization):
    return pixel_values(
        Tensor(0, "", (1, 2, 2, 3), dtype, Quantization((scale,), (zero_point,))), normalization
    )


def test_input_table_of_the_shipped_scale_is_a_shift():
    table = pixel_table(1 / 255, -128, DType.INT8, PIXELS)
    assert table.dtype == np.int8
    np.testing.assert_array_equal(table, np.arange(256) - 128)


def test_input_table_clips():
    table = pixel_table(1 / 300, 0, DType.INT8, PIXELS)
    assert table[0] == 0
    assert table[-1] == 127
    table = pixel_table(0.01, 10, DType.UINT8, Normalization(scale=2 / 255, offset=-1.0))
    assert table[0] == 0
    assert table[-1] == 110


def test_wrong_model_files(tmp_path):
    data = synthetic_set(train=0, held_out=2)
    with pytest.raises(UsageError, match="no such file"):
        evaluate(tmp_path / "absent.tflite", data)
    (tmp_path / "model.onnx").write_bytes(b"?")
    with pytest.raises(UsageError, match=r"neither a \.tflite nor a \.keras"):
        evaluate(tmp_path / "model.onnx", data)
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    (tmp_path / "broken.tflite").write_bytes(b"not a flatbuffer at all, by no means")
    with pytest.raises(ModelError, match=r"broken\.tflite"):
        evaluate(tmp_path / "broken.tflite", data)
