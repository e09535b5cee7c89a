"""`emulate` and `validate` on the shipped model, and the decisions on real pictures."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from generator.catalog import find_model
from generator.emulator import EmulatedSerial, Machine, serve_pty
from generator.imaging import load_samples, prepare_image, read_image
from generator.link import Client, SerialTransport
from generator.read import read_tflite
from generator.reference import Oracle
from generator.targets import load_board
from generator.toolchain.elf import ElfImage
from tests.conftest import Built
from tests.support.cli import ROOT, firmcast

SAMPLES = ROOT / "models" / "mask_cnn" / "samples"


def host_score(oracle: Oracle, picture: np.ndarray) -> tuple[int, float]:
    """The int8 model's answer on this computer, from the picture's pixels on, without any of our C."""
    pixels = prepare_image(picture, 32, 32, 3).astype(np.int32)
    quantized = (pixels - 128).astype(np.int8)[np.newaxis]  # scale 1/255, zero point -128
    (output,) = oracle.run([quantized])
    raw = int(output.reshape(-1)[0])
    return raw, (raw + 128) / 256


def test_input_of_the_shipped_model_spans_the_pixels() -> None:
    """What host_score takes for granted."""
    graph = read_tflite(find_model("mask_cnn").path)
    quantization = graph.input_tensors()[0].quant
    assert quantization.zero_point == -128
    assert quantization.scale == pytest.approx(1 / 255, rel=1e-4)


@pytest.mark.parametrize("name", ["drawn_mask_0_surgical.png", "astronaut.png"])
def test_picture_on_the_command_line(name: str, built: Built, tmp_path: Path) -> None:
    result = firmcast("emulate", built.elf, "--image", SAMPLES / name, "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    (decision,) = result.json()["decisions"]
    _, score = host_score(Oracle(find_model("mask_cnn").data), read_image(SAMPLES / name))
    assert decision["score"] == pytest.approx(score, abs=1e-6)
    assert decision["label"] == ("mask" if score >= 0.5 else "no mask")
    text = firmcast("emulate", built.elf, "--image", SAMPLES / name, cwd=tmp_path)
    assert text.code == 0
    assert decision["label"] in text.out
    assert name in text.out


def test_jpeg_of_any_size_and_grey_png(built: Built, tmp_path: Path) -> None:
    import cv2

    picture = cv2.imread(str(SAMPLES / "drawn_mask_0_surgical.png"))
    cv2.imwrite(str(tmp_path / "wide.jpg"), cv2.resize(picture, (333, 201)))
    cv2.imwrite(str(tmp_path / "small.png"), cv2.resize(picture, (17, 19)))
    cv2.imwrite(str(tmp_path / "grey.png"), cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    result = firmcast("emulate", built.elf, "--frames", tmp_path, "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    oracle = Oracle(find_model("mask_cnn").data)
    decisions = result.json()["decisions"]
    assert [Path(d["image"]).name for d in decisions] == ["grey.png", "small.png", "wide.jpg"]
    for decision in decisions:
        _, score = host_score(oracle, read_image(Path(decision["image"])))
        assert decision["score"] == pytest.approx(score, abs=1e-6)


def test_threshold_moves_the_door(built: Built, tmp_path: Path) -> None:
    for threshold, door in ((0.0, True), (1.0, False)):
        result = firmcast(
            *("emulate", built.elf, "--json", "--threshold", threshold),
            *("--image", SAMPLES / "drawn_mask_0_surgical.png"),
            cwd=tmp_path,
        )
        assert result.json()["decisions"][0]["door_open"] is door


def test_door_led_follows_the_decision(built: Built) -> None:
    board = load_board("nucleo_h743zi2")
    machine = Machine(ElfImage.load(built.elf), board)
    machine.reset()
    lines: list[str] = []
    with Client(EmulatedSerial(machine), on_text=lines.append) as client:
        for sample in load_samples(ROOT / "models" / "mask_cnn")[:6]:
            client.send_image(sample.image)
            decision = client.classify()
            assert machine.leds[board.door.name] is decision.door_open
            assert lines[-1].startswith(f"decision: {decision.label}, score {decision.score:.3f}")
            assert lines[-1].endswith("door open" if decision.door_open else "door closed")
            assert f"{decision.cycles} cycles" in lines[-1]
    assert lines[0].startswith("firmcast ")
    assert "480 MHz" in lines[0]


def test_cycles_that_the_firmware_counts_are_those_of_the_profile(built: Built) -> None:
    machine = Machine(ElfImage.load(built.elf), load_board("nucleo_h743zi2"), phases=["run_network"])
    machine.reset()
    with Client(EmulatedSerial(machine)) as client:
        client.write_input(bytes(3072))
        machine.clear_profile()
        client.run()
        modelled = machine.profile().cycles_by_phase["run_network"]
        timing = client.timing()
    assert timing.total_cycles == pytest.approx(modelled, rel=0.001)
    assert sum(timing.step_cycles) < timing.total_cycles
    assert sum(timing.step_cycles) == pytest.approx(timing.total_cycles, rel=0.001)


def test_same_run_gives_the_same_counts(built: Built) -> None:
    def counts() -> tuple[int, float]:
        machine = Machine(ElfImage.load(built.elf), load_board("nucleo_h743zi2"))
        machine.reset()
        with Client(EmulatedSerial(machine)) as client:
            client.write_input(bytes(range(256)) * 12)
            client.run()
        profile = machine.profile()
        return profile.instructions, profile.cycles

    assert counts() == counts()


def test_profile_names_the_functions_of_the_network(built: Built, tmp_path: Path) -> None:
    picture = SAMPLES / "astronaut.png"
    result = firmcast("emulate", built.elf, "--image", picture, "--profile", cwd=tmp_path)
    assert result.code == 0, result.err
    for name in ("mask_cnn_step_02_conv_2d", "fc_link_receive", "fc_reset"):
        assert name in result.out


def test_firmware_alone_prints_its_greeting(built: Built, tmp_path: Path) -> None:
    result = firmcast("emulate", built.elf, cwd=tmp_path)
    assert result.code == 0, result.err
    assert "mask_cnn (native) on nucleo_h743zi2, 480 MHz" in result.out
    assert "instructions" in result.err


def test_any_serial_program_can_talk_to_it(built: Built) -> None:
    """The host link through a pseudo-terminal, with the transport that real boards use."""
    machine = Machine(ElfImage.load(built.elf), load_board("nucleo_h743zi2"))
    machine.reset()
    paths: list[str] = []
    done = threading.Event()
    server = threading.Thread(target=serve_pty, args=(machine, paths.append), kwargs={"until": done.is_set})
    server.start()
    try:
        deadline = time.monotonic() + 10
        while not paths and time.monotonic() < deadline:
            time.sleep(0.01)
        with Client(SerialTransport(paths[0], 921600)) as client:
            assert client.identify().model == "mask_cnn"
            sample = load_samples(ROOT / "models" / "mask_cnn")[0]
            client.send_image(sample.image)
            assert client.classify().label in ("mask", "no mask")
    finally:
        done.set()
        server.join(20)


@pytest.mark.parametrize("where", ["host", "emulator"])
def test_validate(where: str, tmp_path: Path) -> None:
    result = firmcast("validate", "--on", where, "--inputs", 8, "--seed", 7, "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    report = result.json()
    assert report["on"] == where
    assert report["inputs"] == 8
    assert report["mismatches"] == 0
    assert report["bit_exact"] is True


def test_decisions_on_the_test_pictures_equal_the_host_s(built: Built, faces: Path, tmp_path: Path) -> None:
    result = firmcast("emulate", built.elf, "--frames", faces / "Test", "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    decisions = result.json()["decisions"]
    assert len(decisions) == 319
    oracle = Oracle(find_model("mask_cnn").data)
    right = 0
    for decision in decisions:
        path = Path(decision["image"])
        _, score = host_score(oracle, read_image(path))
        assert decision["score"] == pytest.approx(score, abs=1e-6), path
        assert decision["class_index"] == (score >= 0.5), path
        right += decision["class_index"] == (path.parent.name == "WithMask")
    assert right / len(decisions) > 0.94  # what a quick small network reaches on these pictures
