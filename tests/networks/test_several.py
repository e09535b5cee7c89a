"""Several networks in one firmware, and several instances of one: each as if it were alone, bit for bit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from generator.commands import road
from generator.emulator import Machine, StopReason
from generator.graph import DType
from generator.reference import Oracle
from generator.toolchain.build import cmake_build
from generator.toolchain.elf import ElfImage
from tests.plan.networks import every_operator
from tests.support.cli import firmcast

Array = NDArray[np.generic]
Platform = Literal["host", "stm32h7"]

# Instead of firmware/app/main.c: what a user's program does with the rendered files.
MAIN = """
#include "firmcast_models.h"
#include "platform.h"

{arrays}

static void say(const char *text, uint32_t count) {{ fc_console_write((const uint8_t *)text, count); }}

static void show(const void *bytes, uint32_t count)
{{
    const uint8_t *byte = bytes;
    for (uint32_t i = 0; i < count; i++) {{
        const char digits[] = {{"0123456789abcdef"[byte[i] >> 4], "0123456789abcdef"[byte[i] & 15]}};
        say(digits, 2);
    }}
    say("\\n", 1);
}}

static void put(void *to, const uint8_t *from, uint32_t count)
{{
    for (uint32_t i = 0; i < count; i++) {{
        ((uint8_t *)to)[i] = from[i];
    }}
}}

int main(void)
{{
    fc_platform_init();
{body}
    while (fc_console_read() != -2) {{
    }}
    return 0;
}}
"""


def _model(seed: int, folder: Path, name: str) -> Path:
    path = folder / f"{name}.tflite"
    path.write_bytes(every_operator(seed, channels=2 + seed))
    return path


def _plan(folder: Path, *, shared: bool) -> tuple[road.Target, list[road.Planned]]:
    target = road.choose_target("nucleo_h743zi2", None)
    planned: list[road.Planned] = []
    for seed, name in enumerate(("first", "second")):
        model = str(_model(seed, folder, name))
        planned.append(road.plan_model(model, None, target, beside=planned, shared_arena=shared))
    return target, planned


def _run(
    folder: Path, platform: Platform, body: Sequence[str], inputs: dict[str, Array], *, shared: bool = False
) -> list[str]:
    """Lines that a program of both networks prints."""
    target, (first, second) = _plan(folder, shared=shared)
    project = folder / platform
    road.render_to(first, target, project, platform, beside=(second,), shared_arena=shared)
    arrays = "\n".join(
        f"static const uint8_t {name}[] = {{{', '.join(str(b) for b in values.tobytes())}}};"
        for name, values in inputs.items()
    )
    lines = "\n".join(f"    {line}" for line in body)
    (project / "firmware" / "app" / "main.c").write_text(MAIN.format(arrays=arrays, body=lines))
    artifact = "firmware" if platform == "host" else "firmware.elf"
    program = cmake_build(project, project / "cmake-build", artifact=artifact).elf
    if platform == "host":
        done = subprocess.run([program], input="", capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
    machine = Machine(ElfImage.load(program), target.board)
    machine.reset()
    assert machine.run(200_000_000) is StopReason.IDLE
    return machine.drain().decode().splitlines()


def _values(planned: road.Planned, seed: int) -> Array:
    (tensor,) = planned.graph.input_tensors()
    assert tensor.dtype is DType.INT8
    return np.random.default_rng(seed).integers(-128, 128, tensor.shape).astype(np.int8)


def _expected(planned: road.Planned, values: Array) -> str:
    (output,) = Oracle(planned.source.data).run([values])
    return output.tobytes().hex()


def _write(context: str, name: str, network: str = "first") -> str:
    return f"put({network}_input({context}, 0), {name}, sizeof {name});"


def _show(context: str, network: str = "first") -> str:
    return f"show({network}_output({context}, 0), {network.upper()}_OUTPUT_0_BYTES);"


@pytest.mark.parametrize("platform", ["host", "stm32h7"])
def test_two_networks_and_two_instances_interleaved_step_by_step(platform: Platform, tmp_path: Path) -> None:
    """Contexts share nothing: between any two steps of one, the others take a step."""
    _, (first, second) = _plan(tmp_path, shared=False)
    inputs = {"a": _values(first, 1), "b": _values(second, 2), "c": _values(first, 3)}
    body = [
        "static struct first_context again;",
        "if (first_init(firmcast_first) != FC_OK || second_init(firmcast_second) != FC_OK ||",
        "    first_init(&again) != FC_OK) { return 1; }",
        *(_write("firmcast_first", "a"), _write("firmcast_second", "b", "second"), _write("&again", "c")),
        "for (uint16_t i = 0; i < FIRST_STEP_COUNT || i < SECOND_STEP_COUNT; i++) {",
        "    if (i < FIRST_STEP_COUNT && first_step(firmcast_first, i) != FC_OK) { return 1; }",
        "    if (i < SECOND_STEP_COUNT && second_step(firmcast_second, i) != FC_OK) { return 1; }",
        "    if (i < FIRST_STEP_COUNT && first_step(&again, i) != FC_OK) { return 1; }",
        "}",
        *(_show("firmcast_first"), _show("firmcast_second", "second"), _show("&again")),
    ]
    assert _run(tmp_path, platform, body, inputs) == [
        _expected(first, inputs["a"]),
        _expected(second, inputs["b"]),
        _expected(first, inputs["c"]),
    ]


@pytest.mark.parametrize("platform", ["host", "stm32h7"])
def test_networks_take_turns_in_a_shared_arena(platform: Platform, tmp_path: Path) -> None:
    _, (first, second) = _plan(tmp_path, shared=True)
    inputs = {"a": _values(first, 4), "b": _values(second, 5)}
    body = []
    for network, name in (("first", "a"), ("second", "b"), ("first", "a")):
        context = f"firmcast_{network}"
        body += [
            f"if ({network}_init({context}) != FC_OK) {{ return 1; }}",
            _write(context, name, network),
            f"if ({network}_run({context}) != FC_OK) {{ return 1; }}",
            _show(context, network),
        ]
    body.append("if ((const void *)firmcast_first != (const void *)firmcast_second) { return 1; }")
    body.append('say("shared\\n", 7);')
    alone, other = _expected(first, inputs["a"]), _expected(second, inputs["b"])
    assert _run(tmp_path, platform, body, inputs, shared=True) == [alone, other, alone, "shared"]


def test_build_counts_and_reports_both(tmp_path: Path) -> None:
    """Flash and RAM grow by the second network although the application does not call it."""
    first, second = _model(0, tmp_path, "first"), _model(1, tmp_path, "second")
    reports = {}
    for name, extra in (
        ("alone", ()),
        ("both", ("--with", second)),
        ("shared", ("--with", second, "--shared-arena")),
    ):
        result = firmcast(
            *("build", first, *extra, "--inputs", 2, "--json", "--out", tmp_path / name), cwd=tmp_path
        )
        assert result.code == 0, result.err
        reports[name] = result.json()
    alone, both, shared = (reports[name] for name in ("alone", "both", "shared"))
    (beside,) = both["beside"]
    assert alone["beside"] == []
    assert beside["model"]["name"] == "second"
    assert 0 < beside["stack_bytes"] < 512
    flash = both["memory"]["flash"]["used"] - alone["memory"]["flash"]["used"]
    assert flash > beside["model"]["weights_bytes"]
    ram = both["memory"]["ram"]["used"] - alone["memory"]["ram"]["used"]
    assert ram + 16 >= beside["activations_bytes"] > 0  # both are aligned to 16
    saved = both["memory"]["ram"]["used"] - shared["memory"]["ram"]["used"]
    smaller = min(alone["memory"]["activations_bytes"], beside["activations_bytes"])
    assert abs(saved - smaller) <= 16
    for report in (both, shared):
        assert report["validation"]["bit_exact"] is True
    names = set(ElfImage.load(tmp_path / "both" / "cmake-build" / "firmware.elf").symbols)
    assert {"second_run", "second_step", "firmcast_second", "first_step"} <= names


def test_arenas_that_do_not_fit_together_go_elsewhere(tmp_path: Path) -> None:
    """Each is planned beside those before it: what DTCM cannot hold lies in another memory."""
    target = road.choose_target("nucleo_h743zi2", None)
    model = str(_model(0, tmp_path, "first"))
    alone = road.plan_model(model, None, target)
    many = [alone] * (128 * 1024 // alone.plan.arena_bytes)
    crowded = road.plan_model(model, None, target, beside=many)
    assert (alone.plan.arena_region, crowded.plan.arena_region) == ("DTCM", "AXI_SRAM")
    assert road.plan_model(model, None, target, beside=many, shared_arena=True).plan.arena_region == "DTCM"


def test_two_networks_of_one_name_are_refused(tmp_path: Path) -> None:
    first = _model(0, tmp_path, "first")
    result = firmcast("build", first, "--with", first, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.code == 2
    assert "rename one of the model files" in result.err
    assert not (tmp_path / "out").exists()


def test_sharing_needs_another_network(tmp_path: Path) -> None:
    result = firmcast("build", "--shared-arena", cwd=tmp_path)
    assert result.code == 2
    assert "--with" in result.err
