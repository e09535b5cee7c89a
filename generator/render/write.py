"""A project onto the disk, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from generator.errors import UsageError
from generator.render.project import Project, manifest_paths

_KEPT = ("cmake-build", "report.json")


def write_project(project: Project, folder: Path) -> None:
    """Replace the project in ``folder``.

    Everything is written beside it first and then moved. Files that the user added stay, files of an
    earlier rendering that are no longer part of it go. A folder that holds something else is refused.
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
        _replace(staging, folder, project, previous)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _replace(staging: Path, folder: Path, project: Project, previous: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True)
    for name in previous:
        if name not in project.files and not Path(name).is_absolute() and ".." not in Path(name).parts:
            (folder / name).unlink(missing_ok=True)
    # The manifest last: it vouches for the rest.
    for name in sorted(project.files, key=lambda n: (n == "MANIFEST.json", n)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # An unchanged file keeps its date, so that a build after a second rendering has nothing to do.
        if not (target.is_file() and target.read_bytes() == project.files[name]):
            os.replace(staging / name, target)
