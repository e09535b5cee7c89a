"""Command lines exactly; failures by the words of the real programs.

No board is at hand: where a program must run, an executable of the same name stands in for it. It shows how
exit codes and messages are read, not that the real program would write flash.
"""

from __future__ import annotations

import shutil
import stat
import struct
from pathlib import Path

import pytest

from generator.errors import FirmcastError, MissingToolError, TargetError, UsageError
from generator.flash import TOOLS, flash
from generator.flash.tools import flash_contents
from generator.toolchain.elf import ElfImage

CODE = bytes(range(1, 17))
DATA = b"\xaa\xbb\xcc\xdd"


def write_elf(path: Path, lma: int = 0x08000000) -> Path:
    """Code at the start of flash, and data that is stored 32 bytes on and copied to DTCM at start."""
    header_size, entry_size = 52, 32
    first = header_size + 2 * entry_size
    segments = [(first, 0x08000000, lma, CODE), (first + len(CODE), 0x20000000, lma + 32, DATA)]
    table = b"".join(
        struct.pack("<8I", 1, offset, vma, at, len(data), len(data), 5, 4)
        for offset, vma, at, data in segments
    )
    identification = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = identification + struct.pack(
        "<2H5I6H", 2, 40, 1, 0x08000001, header_size, 0, 0x05000400, header_size, entry_size, 2, 40, 0, 0
    )
    path.write_bytes(header + table + CODE + DATA)
    return path


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return write_elf(folder / "firmware.elf")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def stand_in(
    path: Path, name: str, *, output: str = "", exit_code: int = 0, keep: Path | None = None
) -> None:
    """An executable that prints ``output``, ends with ``exit_code`` and notes its arguments and image."""
    sh, cp = "/bin/sh", shutil.which("cp", path="/bin:/usr/bin")
    lines = [
        f"#!{sh}",
        f"cat_() {{ while IFS= read -r l; do echo \"$l\"; done; }}; cat_ <<'END'\n{output}\nEND",
    ]
    if keep is not None:
        lines.append(f'printf "%s\\n" "$@" > "{keep}.args"')
        lines.append(f'for a in "$@"; do case "$a" in *.bin) {cp} "$a" "{keep}.bin";; esac; done')
    lines.append(f"exit {exit_code}")
    program = path / name
    program.write_text("\n".join(lines) + "\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)


COMMANDS = {
    "st-flash": ["st-flash", "--reset", "write", "{bin}", "0x08000000"],
    "openocd": [
        "openocd", "-f", "interface/stlink.cfg", "-f", "target/stm32h7x.cfg",
        "-c", "program {{{elf}}} verify reset exit",
    ],
    "pyocd": ["pyocd", "flash", "--no-wait", "-t", "stm32h743xx", "{elf}"],
    "STM32_Programmer_CLI": ["STM32_Programmer_CLI", "-c", "port=SWD", "-w", "{elf}", "-v", "-rst"],
}  # fmt: skip


@pytest.mark.parametrize("tool", COMMANDS)
def test_command_lines_without_any_tool_installed(elf: Path, path: Path, tool: str) -> None:
    result = flash(elf, tool=tool, dry_run=True)
    expected = [word.format(elf=elf.as_posix(), bin=elf.with_suffix(".bin")) for word in COMMANDS[tool]]
    assert list(result.command) == expected
    assert not result.ran
    assert not elf.with_suffix(".bin").exists()


def test_every_tool_has_a_tested_command() -> None:
    assert list(COMMANDS) == list(TOOLS)


def test_the_first_installed_tool_is_taken(elf: Path, path: Path) -> None:
    stand_in(path, "pyocd")
    assert flash(elf, dry_run=True).tool == "pyocd"
    stand_in(path, "openocd")
    assert flash(elf, dry_run=True).tool == "openocd"
    stand_in(path, "st-flash")
    assert flash(elf, dry_run=True).tool == "st-flash"
    assert flash(elf, tool="pyocd", dry_run=True).tool == "pyocd"


def test_no_tool_says_what_to_install(elf: Path, path: Path) -> None:
    with pytest.raises(MissingToolError) as caught:
        flash(elf)
    message = str(caught.value)
    assert "apt-get install stlink-tools" in message
    assert all(name in message for name in TOOLS)
    assert flash(elf, dry_run=True).tool == "st-flash"
    with pytest.raises(MissingToolError, match="openocd is not installed") as one:
        flash(elf, tool="openocd")
    assert "stlink-tools" not in str(one.value)


def test_unknown_tool_and_missing_firmware_are_refused(elf: Path, path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known are st-flash, openocd"):
        flash(elf, tool="jlink", dry_run=True)
    with pytest.raises(UsageError, match=r"none\.elf: cannot be read"):
        flash(tmp_path / "none.elf", tool="openocd", dry_run=True)


def test_st_flash_gets_the_image_as_it_lies_in_flash(elf: Path, path: Path, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    stand_in(path, "st-flash", output="Flash written and verified! jolly good!", keep=keep)
    result = flash(elf)
    assert result.ran
    assert "jolly good" in result.output
    assert Path(f"{keep}.bin").read_bytes() == CODE + b"\xff" * 16 + DATA
    arguments = Path(f"{keep}.args").read_text().splitlines()
    assert arguments[:2] == ["--reset", "write"]
    assert arguments[3] == "0x08000000"
    assert not Path(arguments[2]).exists()


def test_firmware_outside_of_flash_is_refused(tmp_path: Path) -> None:
    image = ElfImage.load(write_elf(tmp_path / "ram.elf", lma=0x24000000))
    with pytest.raises(UsageError, match="0x24000000, which is not flash"):
        flash_contents(image)


# What the programs print; from their sources and public reports of these very failures.
FAILURES = [
    (
        "st-flash",
        "2023-01-01T00:00:00 WARN usb.c: Couldn't find any ST-Link devices",
        255,
        "Plug the board's",
    ),
    (
        "st-flash",
        "2018-09-06T19:46:45 WARN usb.c: Couldn't find any ST-Link/V2 devices",
        0,
        "Plug the board's",
    ),
    (
        "openocd",
        "Info : clock speed 1800 kHz\nError: open failed\nin procedure 'program'",
        1,
        "Plug the board's",
    ),
    ("pyocd", "No available debug probes are connected", 1, "Plug the board's"),
    ("STM32_Programmer_CLI", "Error: No debug probe detected.", 1, "Plug the board's"),
    ("openocd", "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: open failed", 1, "udev rules"),
    (
        "openocd",
        "Info : STLINK V2J37S7 (API v2)\nError: init mode failed (unable to connect to the target)",
        1,
        "no microcontroller behind it",
    ),
    ("STM32_Programmer_CLI", "Error: No STM32 target found!", 1, "no microcontroller behind it"),
]


@pytest.mark.parametrize(("tool", "output", "exit_code", "message"), FAILURES)
def test_known_failures_say_what_to_do(
    elf: Path, path: Path, tool: str, output: str, exit_code: int, message: str
) -> None:
    stand_in(path, tool, output=output, exit_code=exit_code)
    with pytest.raises(TargetError, match=message) as caught:
        flash(elf)
    assert str(caught.value).startswith(tool)


def test_other_failures_show_the_last_words(elf: Path, path: Path) -> None:
    stand_in(path, "openocd", output="a\nb\nError: flash write failed at 0x08020000", exit_code=3)
    with pytest.raises(FirmcastError, match="exit code 3") as caught:
        flash(elf)
    assert "flash write failed" in str(caught.value)


def test_warnings_of_a_success_are_no_failure(elf: Path, path: Path) -> None:
    stand_in(
        path,
        "openocd",
        output="Warn : target voltage may be too low for reliable debugging\n** Verified OK **",
    )
    assert flash(elf).ran
