"""A project onto the disk: whole or not at all, and nobody else's files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from generator.errors import UsageError
from generator.render import Project, write_project


def _project(**files: str) -> Project:
    content = {name.replace("__", "/").replace("_c", ".c"): text.encode() for name, text in files.items()}
    manifest = {"files": [{"path": name} for name in sorted(content)]}
    content["MANIFEST.json"] = json.dumps(manifest).encode()
    return Project(content, dict.fromkeys(content, "test"))


OLD = _project(a_c="old a", sub__b_c="old b", gone_c="old gone", same_c="same")
NEW = _project(a_c="new a", sub__b_c="new b", more__deep__c_c="new c", same_c="same")


def _tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_replaces_adds_and_removes(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    write_project(OLD, folder)
    assert _tree(folder) == dict(OLD.files)
    write_project(NEW, folder)
    assert _tree(folder) == dict(NEW.files)
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def test_user_files_and_build_folder_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_project(OLD, folder)
    mine = {
        "user/notes.txt": b"mine",
        "cmake-build/firmware.elf": b"elf",
        "sub/own.c": b"1",
    }
    for name, content in mine.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    write_project(NEW, folder)
    assert _tree(folder) == {**NEW.files, **mine}


def test_a_report_goes_with_what_it_is_about(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_project(OLD, folder)
    (folder / "report.json").write_bytes(b"{}")
    write_project(OLD, folder)
    assert (folder / "report.json").read_bytes() == b"{}"
    write_project(NEW, folder)
    assert not (folder / "report.json").exists()


def test_unchanged_files_keep_their_date(tmp_path: Path) -> None:
    write_project(OLD, tmp_path / "out")
    same, other = tmp_path / "out" / "same.c", tmp_path / "out" / "a.c"
    for path in (same, other):
        os.utime(path, (1, 1))
    write_project(NEW, tmp_path / "out")
    assert same.stat().st_mtime == 1
    assert other.stat().st_mtime != 1


# Three files replaced (two moves each), one that goes, one that comes, and the report that goes.
@pytest.mark.parametrize("failing", range(1, 10))
def test_failure_midway_leaves_the_old_project(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    write_project(OLD, folder)
    (folder / "mine.txt").write_text("mine")
    (folder / "report.json").write_text("{}")
    before = _tree(folder)
    _fail_from(failing, monkeypatch)
    with pytest.raises(UsageError, match="No space left"):
        write_project(NEW, folder)
    assert _tree(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def _fail_from(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, calls = os.replace, [0]

    def failing(source: object, target: object) -> None:
        calls[0] += 1
        if calls[0] >= number:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", failing)


@pytest.mark.parametrize("failing", [1, 3])
def test_failure_of_the_first_rendering_leaves_nothing(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_from(failing, patch)
        with pytest.raises(UsageError, match="No space left"):
            write_project(OLD, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    write_project(OLD, tmp_path / "out")  # and the next attempt is not refused
    assert _tree(tmp_path / "out") == dict(OLD.files)


def test_interruption_leaves_the_old_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(OLD, tmp_path / "out")
    replace, calls = os.replace, [0]

    def interrupted(source: object, target: object) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_project(NEW, tmp_path / "out")
    assert _tree(tmp_path / "out") == dict(OLD.files)


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years")
    with pytest.raises(UsageError, match=r"chapter\.txt"):
        write_project(NEW, folder)
    (folder / "MANIFEST.json").write_text("no manifest of ours")
    with pytest.raises(UsageError, match="--out"):
        write_project(NEW, folder)
    assert sorted(_tree(folder)) == ["MANIFEST.json", "chapter.txt"]


def test_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="cannot write"):
        write_project(NEW, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("path", ["../precious.txt", "sub/../../precious.txt", "", ".", "sub", "a\0b"])
def test_manifest_paths_do_not_lead_outside(path: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    folder = tmp_path / "out"
    write_project(OLD, folder)
    entries = [{"path": path}, {"path": str(precious)}, {"path": "gone.c"}]
    (folder / "MANIFEST.json").write_text(json.dumps({"files": entries}))
    write_project(NEW, folder)
    assert precious.read_text() == "precious"
    assert not (folder / "gone.c").exists()
    assert {n: _tree(folder)[n] for n in NEW.files} == dict(NEW.files)


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"files": 3}', '{"files": [1]}', "\xff"])
def test_broken_manifests_count_as_none(manifest: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "MANIFEST.json").write_bytes(manifest.encode("latin-1"))
    with pytest.raises(UsageError, match="holds no project"):
        write_project(NEW, folder)
