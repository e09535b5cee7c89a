"""Networks that people bring, from Keras through the whole road: the emulated firmware equals TFLM, bit for
bit.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plan.networks import other_operators
from tests.support.cli import firmcast
from tests.support.keras_networks import NETWORKS, quantized

# Of the others TFLM or the converter has no int16 operators.
OF_16_BITS = ("detector", "ds_cnn", "mobilenet_v2", "resnet", "squeezenet")


@pytest.mark.parametrize("name", other_operators())
def test_operators_one_after_the_other_are_bit_exact(name: str, tmp_path: Path) -> None:
    """Also that every step is still there: GCC 12 dropped the call of a transposition that it took for one
    without effect, until it was told that address 0 is memory.
    """
    (tmp_path / "net.tflite").write_bytes(other_operators()[name])
    result = firmcast("build", "net.tflite", "--json", "-q", cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.json()["validation"]["bit_exact"], result.json()["validation"]


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_bit_exact(name: str, tmp_path: Path) -> None:
    # Every second one with floats at its edges, which the paper prefers.
    _build(name, "float32" if sorted(NETWORKS).index(name) % 2 else "int8", tmp_path)


@pytest.mark.parametrize("name", OF_16_BITS)
def test_network_of_int16_activations_is_bit_exact(name: str, tmp_path: Path) -> None:
    _build(name, "int16", tmp_path)


def _build(name: str, io: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.tflite").write_bytes(quantized(name, io))
    result = firmcast("build", f"{name}.tflite", "--json", "-q", cwd=tmp_path)
    assert result.code == 0, result.err
    report = result.json()
    assert report["validation"]["bit_exact"], report["validation"]
    assert report["validation"]["inputs"] == 32
    assert report["latency"]["cycles"] > 0
