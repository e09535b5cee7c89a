from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from generator.link import ProcessTransport

from .link_tools import HERE, HOST_PLATFORM, LINK_SOURCES, build_host_program

VARIANTS = {
    "default": (),
    "small": ("FC_LINK_MAX_BODY=128",),
    "wordy": ("FC_LINK_MAX_BODY=128", "WORDY"),
    "odd": ("FC_LINK_MAX_BODY=251",),
    "plain": ("NO_IMAGES",),
}


@pytest.fixture(scope="session")
def device_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("link-device")

    def build(variant: str) -> Path:
        if variant not in built:
            sources = (HERE / "device.c", *LINK_SOURCES, HOST_PLATFORM)
            built[variant] = build_host_program(folder / variant, *sources, defines=VARIANTS[variant])
        return built[variant]

    return build


@pytest.fixture
def start_device(device_program: Callable[[str], Path]) -> Iterator[Callable[[str], ProcessTransport]]:
    """Starts test devices; afterwards each must end without a sanitizer's report."""
    started: list[ProcessTransport] = []

    def start(variant: str = "default") -> ProcessTransport:
        started.append(ProcessTransport([device_program(variant)]))
        return started[-1]

    yield start
    for transport in started:
        try:
            code, report = transport.finish(), transport.stderr()
        finally:
            transport.close()
        assert (code, report) == (0, "")
