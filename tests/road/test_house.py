"""The house itself: style, types, imports, and the wheel that a user installs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.cli import ROOT

PYTHON_FOLDERS = ("generator", "tests", "benchmarks", "docs", "renode")
# A package imports only what stands on a line before it (docs/architecture.md).
ORDER = (
    ("errors",),
    ("assets", "records", "workers"),
    ("graph",),
    ("convert",),
    ("catalog", "arithmetic"),
    ("read", "fuse", "targets", "imaging"),
    ("plan", "application", "simplify", "augment", "pictures"),
    ("render", "reference", "toolchain", "link"),
    ("flash", "emulator", "report"),
    ("evaluate", "quantize"),
    ("learn",),
    ("study",),
    ("validate",),
    ("commands",),
)
HEAVY = (
    "tensorflow",
    "keras",
    "ai_edge_litert",
    "onnx",
    "onnxruntime",
    "cv2",
    "matplotlib",
    "scipy",
    "serial",
)


def _run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    _run("ruff", "check", *PYTHON_FOLDERS)
    _run("ruff", "format", "--check", *PYTHON_FOLDERS)


def test_mypy_strict() -> None:
    _run("mypy")


def _imports(path: Path) -> set[str]:
    """Packages of ours that a module imports, and top-level names of others, at import time."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found.update(names)
    return found


def test_packages_import_only_what_stands_to_their_left() -> None:
    rank = {name: i for i, names in enumerate(ORDER) for name in names}
    for path in (ROOT / "generator").rglob("*.py"):
        package = path.relative_to(ROOT / "generator").parts[0].removesuffix(".py")
        if package.startswith("__"):
            continue
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "generator" and len(parts) > 1 and parts[1] != package:
                assert rank[parts[1]] < rank[package], f"{path.relative_to(ROOT)} imports {name}"


def test_only_the_emulator_imports_unicorn() -> None:
    importers = {
        path.relative_to(ROOT / "generator").parts[0]
        for path in (ROOT / "generator").rglob("*.py")
        if "unicorn" in _imports(path)
    }
    assert importers == {"emulator"}


def test_build_of_a_tflite_imports_nothing_heavy(tmp_path: Path) -> None:
    """Every heavy package is replaced by one that refuses to be imported."""
    for name in HEAVY:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "generator", "build", "--inputs", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_machine_paths_in_what_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".c", ".h", ".md", ".json", ".toml", ".j2", ".sh", ".cmake", ".txt"}:
            text = path.read_text()
            for word in ("/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/"):
                assert word not in text, f"{name} holds {word}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_carries_what_travels_with_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "generator/emulator/profile.c",
        "generator/targets/boards/nucleo_h743zi2.toml",
        "generator/_share/firmware/nn/fc_nn.h",
        "generator/_share/templates/network.c.j2",
        "generator/_share/models/mask_cnn/mask_cnn.tflite",
        "generator/_share/renode/machine.resc",
    ):
        assert name in names
    assert not [n for n in names if "/faces/" in n or n.endswith((".jpg", ".pyc"))]


def test_wheel_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed alone into a new environment; third-party packages are lent by this one."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True, cwd=tmp_path
    )
    (packages,) = environment.glob("lib/python*/site-packages")
    lent = next(p for p in map(Path, sys.path) if p.name == "site-packages")
    (packages / "lent.pth").write_text(f"{lent}\n")
    work = tmp_path / "any" / "where"
    work.mkdir(parents=True)
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [environment / "bin" / "firmcast", "build", "--inputs", "2"],
        cwd=work,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (work / "build" / "mask_cnn" / "report.json").is_file()
    where = subprocess.run(
        [python, "-c", "import generator; print(generator.__file__)"],
        cwd=work,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(environment) in where.stdout
