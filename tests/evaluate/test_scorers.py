"""TFLM and the emulated firmware give the same scores, for one score and for many classes."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from generator.application import pixel_values
from generator.assets import models_dir
from generator.catalog import Normalization, find_model
from generator.commands import road
from generator.commands.evaluate import Judge, class_order, compare_with_firmware
from generator.commands.output import Output
from generator.errors import ModelError, TargetError, UsageError
from generator.evaluate import FirmwareScorer, TflmScorer, answers, as_scores
from generator.graph import DType, Quantization, Tensor
from generator.imaging import load_samples
from generator.pictures import synthetic_set
from generator.quantize.calibration import PIXELS
from generator.targets import load_board
from tests.plan.networks import Network

pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")

MODEL = models_dir() / "mask_cnn"
QUIET = Output(as_json=False, quiet=True, verbose=False)


def sent(scores):
    """Bits, so that nothing is equal by tolerance."""
    return scores.view(np.uint64).tolist()


def five_classes() -> bytes:
    net = Network(3)
    source = net.activation(1, 12, 9, 3)
    x = net.pool(net.conv(source, 4))
    return net.finish([source], [net.softmax(net.dense(net.reshape(x, 1, 96), 5))])


def class_number() -> bytes:
    net = Network(4)
    source = net.activation(1, 8, 8, 1)
    x = net.dense(net.reshape(net.pool(net.conv(source, 4)), 1, 64), 3)
    return net.finish([source], [net.index("ARG_MAX", x, (1,), 1)])


def built(path, folder):
    """A model's firmware, and TFLM beside it."""
    target = road.choose_target("nucleo_h743zi2", None)
    planned = road.plan_model(str(path), None, target)
    road.render_to(planned, target, folder)
    elf = road.build_project(folder, target, QUIET).elf
    return elf, target.board, planned.as_read.output_tensors()[0]


def test_shipped_firmware_decides_as_tflm_and_another_threshold_shows(tmp_path):
    source = find_model("mask_cnn")
    judge = Judge(
        synthetic_set(seed=5, train=2, held_out=12, size=40), "Test", source.info.labels, None, QUIET
    )
    tflm = TflmScorer(source.data, "mask_cnn", source.info.normalization, 2)
    scores = judge.scores(tflm)
    firmware = FirmwareScorer(*built("mask_cnn", tmp_path / "project"), 2, workers=2)
    (engine, emulated), same = compare_with_firmware(firmware, judge, scores, tflm, 0.5, QUIET)
    assert engine == "firmware-int8"
    assert sent(emulated) == sent(scores)
    assert (same.pictures, same.mismatches, same.first_mismatch) == (12, 0, None)
    # The firmware was built to decide at 0.5.
    expected = np.flatnonzero((scores[:, 1] >= 0.5) != (scores[:, 1] >= 0.0)).tolist()
    other = compare_with_firmware(firmware, judge, scores, tflm, 0.0, QUIET)[1]
    assert (other.mismatches, other.first_mismatch) == (len(expected), expected[0])


@pytest.mark.parametrize(
    ("make", "classes", "sizes"),
    [(five_classes, 5, [(12, 9), (24, 20), (50, 31)]), (class_number, 3, [(8, 8), (30, 40)])],
)
def test_firmware_of_many_classes_scores_as_tflm(make, classes, sizes, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(make())
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes for _ in range(3)]
    tflm = TflmScorer(path.read_bytes(), "net", None, classes)
    assert not tflm.takes_threshold
    firmware = FirmwareScorer(*built(path, tmp_path / "project"), classes, workers=1)
    assert not firmware.takes_threshold
    scores, decided = firmware.decide(images)
    assert scores.shape == (len(images), classes)
    assert sent(scores) == sent(tflm(images))
    assert decided.tolist() == answers(scores, None).tolist()


def test_scores_of_processes_are_those_of_one(monkeypatch):
    images = [sample.image for sample in load_samples(MODEL)][:4]
    model = (MODEL / "mask_cnn.tflite").read_bytes()
    monkeypatch.setattr("generator.evaluate.scorers._NOT_WORTH_PROCESSES", 1)
    told = []
    several = TflmScorer(model, "m", PIXELS, 2, workers=2)(iter(images), told.append)
    assert sent(several) == sent(TflmScorer(model, "m", PIXELS, 2)(images))
    assert told == [1, 2, 3, 4]


def test_photograph_is_told_apart_with_and_without_mask():
    by_name = {sample.name: sample.image for sample in load_samples(MODEL)}
    scorer = TflmScorer((MODEL / "mask_cnn.tflite").read_bytes(), "m", PIXELS, 2)
    bare, masked = scorer([by_name["astronaut.png"], by_name["astronaut_masked.png"]])[:, 1]
    assert bare < 0.5 <= masked


def test_fault_names_the_picture_and_tells_all(tmp_path):
    (tmp_path / "faulty.c").write_text(
        "void start(void) { *(volatile int *)0x60000000 = 1; for (;;) { } }\n"
        '__attribute__((section(".vectors"), used))\n'
        "static const void *vectors[16] = {(void *)0x20000800, (void *)start};\n"
    )
    elf = tmp_path / "faulty.elf"
    subprocess.run(
        [
            *("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-O1", "-g", "-nostdlib"),
            *("-Ttext=0x08000400", "-Wl,--section-start=.vectors=0x08000000", "-Wl,-e,start"),
            *(str(tmp_path / "faulty.c"), "-o", str(elf)),
        ],
        check=True,
    )
    score = Tensor(0, "", (1, 1), DType.INT8, Quantization((1 / 256,), (-128,)))
    scorer = FirmwareScorer(elf, load_board("nucleo_h743zi2"), score, 2, workers=1)
    with pytest.raises(TargetError, match=r"(?s)picture 0: .*0x60000000.*faulty\.c:1") as caught:
        scorer([np.zeros((8, 8, 3), np.uint8)])
    assert caught.value.exit_code == 7


def test_elements_become_scores():
    int8 = Tensor(0, "", (1, 1), DType.INT8, Quantization((1 / 256,), (-128,)))
    raw = np.array([[-128], [0], [127]], np.int8)
    assert as_scores(raw, int8, 2).tolist() == [[1.0, 0.0], [0.5, 0.5], [1 / 256, 255 / 256]]
    real = Tensor(0, "", (1, 3), DType.FLOAT32, None)
    assert as_scores(np.array([[0.5, 0.25, 0.25]], np.float32), real, 3).tolist() == [[0.5, 0.25, 0.25]]
    number = Tensor(0, "", (1,), DType.INT32, None)
    assert as_scores(np.array([[2], [0]], np.int32), number, 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_no_picture_and_no_model_and_other_classes_are_said():
    with pytest.raises(UsageError, match="tells 5 classes apart, the pictures are of 2"):
        TflmScorer(five_classes(), "net", None, 2)
    with pytest.raises(ModelError, match=r"broken\.tflite"):
        TflmScorer(b"not a flatbuffer at all, by no means", "broken.tflite", None, 2)
    scorer = TflmScorer((MODEL / "mask_cnn.tflite").read_bytes(), "m", None, 2)
    with pytest.raises(UsageError, match="no image"):
        scorer([])


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


def test_classes_are_matched_by_name():
    assert class_order(("mask", "no mask"), ("No_Mask", "MASK")) == (1, 0)
    assert class_order(("a", "b"), ("c", "d")) is None
    three = class_order(("incorrect", "with_mask", "no mask"), ("Incorrect", "mask", "without mask"))
    assert three == (0, 1, 2)
    with pytest.raises(UsageError, match="classes are a, mask, those of the pictures a, b"):
        class_order(("a", "mask"), ("a", "b"))
    with pytest.raises(UsageError, match=r"3 classes apart \(a, b, c\), the pictures are of 2"):
        class_order(("a", "b", "c"), ("a", "b"))
