"""Where the files that travel with the package are: firmware/, templates/, models/, renode/."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def share_root() -> Path:
    """Folder that holds ``firmware``, ``templates``, ``models`` and ``renode``.

    In a wheel they are inside the package; in a checkout they are beside it.
    """
    installed = _PACKAGE / "_share"
    return installed if installed.is_dir() else _PACKAGE.parent


def firmware_dir() -> Path:
    """Hand-written C sources."""
    return share_root() / "firmware"


def templates_dir() -> Path:
    """Jinja templates."""
    return share_root() / "templates"


def models_dir() -> Path:
    """Shipped models, a folder each."""
    return share_root() / "models"


def renode_dir() -> Path:
    """Scripts and platform description for Renode."""
    return share_root() / "renode"
