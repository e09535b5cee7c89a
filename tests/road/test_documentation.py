"""Every command of the documentation is executed as it stands, in a copy of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Built
from tests.support.cli import ROOT, SHARED

DOCUMENTS = ("README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md"))))
DOCUMENTED_COMPILER = "12.2.1"
# The suite cannot run itself.
NOT_HERE = {"./run.sh test": "it is what runs this"}


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL):
            for line in block.splitlines():
                command = re.sub(r"\s+#.*", "", line).strip()
                if command and command not in NOT_HERE:
                    found.append((document, command))
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, built: Built) -> Path:
    """What a user has after cloning and one `./run.sh build`; packages come from this environment."""
    folder = tmp_path_factory.mktemp("clone") / "firmcast"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    environment = folder / ".venv"
    (environment / "firmcast").mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    fingerprint = subprocess.run(
        "cksum <pyproject.toml", shell=True, cwd=folder, capture_output=True, check=True
    ).stdout
    for extra in ("image", "train", "serial", "litert", "plot", "onnx", "test"):
        (environment / "firmcast" / extra).write_bytes(fingerprint)
    if SHARED.is_dir():
        (folder.parent / "shared").symlink_to(SHARED)
    shutil.copytree(built.folder, folder / "build" / "mask_cnn", ignore=shutil.ignore_patterns("cmake-build"))
    (folder / "build" / "mask_cnn" / "cmake-build").mkdir()
    shutil.copy2(built.elf, folder / "build" / "mask_cnn" / "cmake-build")
    return folder


@pytest.mark.parametrize(("document", "command"), commands())
def test_command(document: str, command: str, copy: Path) -> None:
    if "../shared" in command and not SHARED.is_dir():
        pytest.skip("the shared data are not beside this checkout")
    if re.search(r" (train|quantize|evaluate|sweep|study) ", command):
        pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    if "tests.fuzz" in command:
        pytest.importorskip("atheris", reason="the fuzzer is not installed (extra fuzz)")
    done = subprocess.run(
        ["sh", "-euc", f'PATH="$PWD/.venv/bin:$PATH"; {command}'],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{document}: {command}\n{done.stdout}\n{done.stderr}"


def test_there_are_commands_to_run() -> None:
    documents = {document for document, _ in commands()}
    expected = {"README.md", "docs/data.md", "docs/differences.md", "docs/hardware.md", "docs/models.md"}
    assert expected <= documents


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text()):
            if not target.startswith("http"):
                assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"


def test_figures_and_tables_are_those_of_the_code(built: Built, copy: Path) -> None:
    """README's marked parts and picture equal what docs/generate.py makes of a fresh build."""
    compiler = built.report["toolchain"]["compiler"]
    if DOCUMENTED_COMPILER not in compiler:
        pytest.skip(f"README's figures were made with gcc {DOCUMENTED_COMPILER}, this is {compiler}")
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_second_call_of_run_sh_sets_nothing_up(copy: Path) -> None:
    done = subprocess.run(
        ["./run.sh", "build", "--help"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert "installing" not in done.stderr
