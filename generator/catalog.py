"""What MODEL on the command line names: a file and what is known and wanted of it.

A shipped model is a folder with ``NAME.tflite``, ``model.json`` (facts: labels, normalization, provenance),
``firmcast.toml`` (wishes: budgets, threshold; users edit it) and ``samples/``. A file anywhere else may
have ``NAME.json`` and ``NAME.toml`` beside it. An .onnx file is converted here: from now on it is a .tflite.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from generator.assets import models_dir
from generator.convert import convert_onnx
from generator.errors import ModelError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SUFFIX = ".tflite"
ONNX_SUFFIX = ".onnx"
_MAX_FILE_BYTES = 64 << 20  # of any format; what reads one knows better
_SUFFIXES = (_SUFFIX, ONNX_SUFFIX)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

StackBytes = Annotated[int, Field(ge=1024, le=65536, multiple_of=8)]

_LABEL_BYTES = 40  # of the host link's CLASSIFY


def _fits_the_link(label: str) -> str:
    if not 1 <= len(label.encode("utf-8", "replace")) <= _LABEL_BYTES or "\0" in label:
        raise ValueError(f"a label has 1 to {_LABEL_BYTES} bytes of UTF-8, none of them 0")
    return label


Label = Annotated[str, AfterValidator(_fits_the_link)]


class Normalization(BaseModel):
    """real = pixel * scale + offset, as the network was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Annotated[float, Field(ge=1e-30, le=1e30)]  # a float32 on the device
    offset: Annotated[float, Field(ge=-1e30, le=1e30)] = 0.0


class ModelInfo(BaseModel):
    """Facts about a model that its file does not hold (``model.json``; provenance is not read)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    labels: tuple[Label, ...] = ()
    positive: Annotated[int, Field(ge=0)] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    normalization: Normalization | None = None


class Budgets(BaseModel):
    """Limits that ``build`` checks; what is absent is not checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flash_kib: Positive | None = None
    ram_kib: Positive | None = None
    latency_ms: Positive | None = None

    @property
    def flash_bytes(self) -> int | None:
        """``flash_kib`` in bytes."""
        return None if self.flash_kib is None else int(self.flash_kib * 1024)

    @property
    def ram_bytes(self) -> int | None:
        """``ram_kib`` in bytes."""
        return None if self.ram_kib is None else int(self.ram_kib * 1024)


class ApplicationSettings(BaseModel):
    """What the user wants of the application."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Annotated[float, Field(ge=0, le=1)] | None = None


class FirmwareSettings(BaseModel):
    """What the user wants of the firmware."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stack_bytes: StackBytes = 2048
    tflm_stack_bytes: StackBytes = 8192
    """The same with the engine tflm, whose worst case nobody can compute."""
    tflm_arena_bytes: Annotated[int, Field(ge=1024, le=1 << 20)] | None = None
    """Instead of the estimate."""


class Settings(BaseModel):
    """``firmcast.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budgets: Budgets = Budgets()
    application: ApplicationSettings = ApplicationSettings()
    firmware: FirmwareSettings = FirmwareSettings()


@dataclass(frozen=True)
class ModelSource:
    """A model file with what is known and wanted of it. ``folder`` may hold ``samples/``.

    ``data`` is a .tflite file, whatever ``path`` is; a converted one names its origin's SHA-256 in itself.
    """

    name: str
    path: Path
    data: bytes
    folder: Path
    info: ModelInfo
    settings: Settings

    @property
    def sha256(self) -> str:
        """SHA-256 of ``data``."""
        return hashlib.sha256(self.data).hexdigest()


def shipped_models() -> tuple[str, ...]:
    """Names of the models in ``models/``."""
    return tuple(sorted(p.parent.name for p in models_dir().glob(f"*/*{_SUFFIX}") if p.stem == p.parent.name))


def find_model(model: str, settings_path: Path | None = None) -> ModelSource:
    """The model that ``model`` names: a .tflite or .onnx file, a folder that holds one, or a shipped model.

    Raises UsageError naming what is there instead, ModelError if a file is too large or cannot be converted.
    """
    path = _model_path(model)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ModelError(str(path), [f"the file is larger than {_MAX_FILE_BYTES >> 20} MiB"])
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read model {path}: {error.strerror}") from error
    if path.suffix == ONNX_SUFFIX:
        data = convert_onnx(data, str(path))
    folder = path.parent
    is_folder = _has_folder(path)
    if settings_path is None:
        settings_path = folder / "firmcast.toml" if is_folder else path.with_suffix(".toml")
        settings = (
            _parse(Settings, _toml(settings_path), settings_path) if settings_path.is_file() else Settings()
        )
    else:
        settings = _parse(Settings, _toml(settings_path), settings_path)
    info = read_info(path)
    return ModelSource(path.stem, path, data, folder if is_folder else path.with_suffix(""), info, settings)


def read_info(path: Path) -> ModelInfo:
    """What stands beside a model file of any format: ``model.json`` in its folder, or ``NAME.json``.

    Raises UsageError if that is malformed.
    """
    info_path = path.parent / "model.json" if _has_folder(path) else path.with_suffix(".json")
    return _parse(ModelInfo, _json(info_path), info_path) if info_path.is_file() else ModelInfo()


def _has_folder(path: Path) -> bool:
    """Whether a model file's folder is about it alone, in whatever formats it is there."""
    names = [other.stem for other in _models_in(path.parent)]
    return (path.parent / "model.json").is_file() and names == [path.stem]


def _model_path(model: str) -> Path:
    given = Path(model)
    # os.path: what the system cannot even look up (too long a name) is not there either.
    if os.path.isfile(given):
        return given
    for folder in (given, models_dir() / model):
        if os.path.isdir(folder):
            found = _models_in(folder)
            if len(found) == 1:
                return found[0]
            raise UsageError(
                f"folder {folder} holds {len(found)} {' or '.join(_SUFFIXES)} files, one is needed: "
                "name the file itself"
            )
    raise UsageError(
        f"there is no model '{model}': give a {' or '.join(_SUFFIXES)} file or a shipped model "
        f"({', '.join(shipped_models())})"
    )


def _models_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)


_Schema = TypeVar("_Schema", bound=BaseModel)


def _parse(schema: type[_Schema], values: Any, path: Path) -> _Schema:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg'].lower()}" for e in error.errors()
        )
        raise UsageError(f"{path}: {problems}") from error


def _toml(path: Path) -> Any:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read settings {path}: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
