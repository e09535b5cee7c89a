"""A project onto the disk, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from generator.errors import UsageError
from generator.render.project import Project, manifest_paths

_REPORT = "report.json"
_KEPT = ("cmake-build", _REPORT)


def write_project(project: Project, folder: Path) -> None:
    """Replace the project in ``folder``.

    Everything is written beside it first and then moved; if a move fails, all is moved back. Files that the
    user added stay, files of an earlier rendering that are no longer part of it go, and with the first
    change its report, which is about that. A folder that holds something else is refused.
    """
    previous = manifest_paths(folder)
    if folder.is_dir() and not previous:
        strangers = sorted(p.name for p in folder.iterdir() if p.name not in _KEPT)
        if strangers:
            raise UsageError(
                f"{folder} is not empty and holds no project of firmcast ({', '.join(strangers[:3])}): "
                "name another folder with --out"
            )
    staging: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, content in project.files.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _replace(staging, folder, project, _own(previous))
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _own(previous: tuple[str, ...]) -> tuple[str, ...]:
    """Paths inside the folder; a manifest may have been edited."""
    paths = ((name, Path(name)) for name in previous if "\0" not in name)
    return tuple(
        name for name, path in paths if path.name and not path.is_absolute() and ".." not in path.parts
    )


def _replace(staging: Path, folder: Path, project: Project, previous: tuple[str, ...]) -> None:
    existed = folder.is_dir()
    aside = Path(tempfile.mkdtemp(dir=staging))
    put_aside: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        # The manifest last: it vouches for the rest.
        for name in sorted({*previous, *project.files}, key=lambda n: (n == "MANIFEST.json", n)):
            target = folder / name
            wanted = project.files.get(name)
            # An unchanged file keeps its date, so that a build after a second rendering has nothing to do.
            if target.is_file() and wanted == target.read_bytes():
                continue
            if target.is_file():
                put_aside.append((aside / str(len(put_aside)), target))
                os.replace(target, put_aside[-1][0])
            if wanted is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staging / name, target)
                placed.append(target)
        if (put_aside or placed) and (folder / _REPORT).is_file():
            put_aside.append((aside / str(len(put_aside)), folder / _REPORT))
            os.replace(folder / _REPORT, put_aside[-1][0])
    except BaseException:
        _move_back(put_aside, placed)
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _move_back(put_aside: list[tuple[Path, Path]], placed: list[Path]) -> None:
    for target in placed:
        target.unlink(missing_ok=True)
    for saved, target in put_aside:
        if saved.exists():  # the move that failed left its file where it was
            saved.rename(target)
