"""The firmware's image pipeline against its twin in NumPy, equal to the bit, through the host link.

The networks hand their input through (a maximum over 1 x 1 pixel), so that output 0 shows what was prepared.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from generator.application import pixel_values
from generator.catalog import ModelInfo, Normalization
from generator.imaging import prepare_image
from generator.link.client import Command, RequestRefusedError
from generator.reference import run_graph
from tests.app.host import Host, host_program
from tests.plan.networks import Network

SIZES = [
    (1, 1),
    (3, 500),
    (500, 3),
    (32, 32),
    (31, 33),
    (33, 31),
    (7, 5),
    (1, 64),
    (64, 1),
    (200, 200),
    (96, 97),
    (480, 640),
]
OK, BAD_ARGUMENT = 0, 2


def _mirror(height: int, width: int, channels: int) -> bytes:
    net = Network()
    source = net.activation(1, height, width, channels)
    return net.finish([source], [net.pool(source, window=1, stride=1)])


def _float_mirror() -> bytes:
    """float32 pixels, quantized coarsely and handed out."""
    net = Network()
    source = net.tensor((1, 9, 6, 3), "float32")
    return net.finish([source], [net.quantize(source)])


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host_program(_mirror(32, 32, 3), tmp_path_factory.mktemp("colour") / "out") as host:
        yield host


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One channel, wider than high, with a normalization."""
    info = ModelInfo(normalization=Normalization(scale=1 / 20, offset=-3.5))
    with host_program(_mirror(10, 25, 1), tmp_path_factory.mktemp("grey") / "out", info=info) as host:
        yield host


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    info = ModelInfo(normalization=Normalization(scale=1 / 63.5, offset=-1.0))
    with host_program(_float_mirror(), tmp_path_factory.mktemp("float") / "out", info=info) as host:
        yield host


def _picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, height, width])
    if seed % 3 == 2:  # extremes alone: the sums at their largest
        return rng.choice(np.array([0, 255], np.uint8), (height, width, 3))
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def _expected(host: Host, picture: np.ndarray, info: ModelInfo) -> bytes:
    (tensor,) = host.graph.input_tensors()
    _, height, width, channels = tensor.shape
    table = pixel_values(tensor, info.normalization)
    values = table[prepare_image(picture, height, width, channels)]
    return run_graph(host.graph, [values])[host.graph.outputs[0]].tobytes()


def _send_in_pieces(host: Host, picture: np.ndarray, rng: np.random.Generator) -> None:
    """Whole pixels, as few as one and as many as fit, in pieces of every size."""
    pixels = picture.tobytes()
    most = (host.client.identity.max_body_bytes - 4) // 3
    host.client._request(Command.IMAGE_BEGIN, struct.pack("<HH", picture.shape[1], picture.shape[0]))
    position = 0
    while position < len(pixels):
        count = 3 * int(rng.integers(1, most + 1))
        part = pixels[position : position + count]
        host.client._request(Command.IMAGE_DATA, struct.pack("<I", position) + part)
        position += len(part)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_colour_pictures(size: tuple[int, int], colour: Host) -> None:
    picture = _picture(*size)
    colour.client.send_image(picture)
    colour.client.classify()
    output = np.frombuffer(colour.client.read_output(), np.int8)
    # No normalization: the pixel range spans the input's range.
    prepared = prepare_image(picture, 32, 32, 3).astype(int) - 128
    np.testing.assert_array_equal(output, prepared.reshape(-1))


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
def test_grey_pictures_in_odd_pieces(size: tuple[int, int], grey: Host) -> None:
    picture = _picture(*size)
    _send_in_pieces(grey, picture, np.random.default_rng(size))
    grey.client.classify()
    info = ModelInfo(normalization=Normalization(scale=1 / 20, offset=-3.5))
    assert grey.client.read_output() == _expected(grey, picture, info)


def test_random_sizes_and_extreme_pixels(colour: Host, grey: Host) -> None:
    rng = np.random.default_rng(3)
    info = ModelInfo(normalization=Normalization(scale=1 / 20, offset=-3.5))
    for seed in range(30):
        picture = _picture(int(rng.integers(1, 90)), int(rng.integers(1, 90)), seed)
        for host, facts in ((colour, ModelInfo()), (grey, info)):
            _send_in_pieces(host, picture, rng)
            host.client.classify()
            assert host.client.read_output() == _expected(host, picture, facts), picture.shape


@pytest.mark.parametrize("size", [(1, 1), (9, 6), (40, 41), (7, 90)], ids=str)
def test_float_inputs(size: tuple[int, int], floating: Host) -> None:
    picture = _picture(*size)
    floating.client.send_image(picture)
    floating.client.classify()
    info = ModelInfo(normalization=Normalization(scale=1 / 63.5, offset=-1.0))
    assert floating.client.read_output() == _expected(floating, picture, info)


def test_uniform_pictures_stay_uniform(colour: Host) -> None:
    """Rounding neither loses nor gains: every shade at awkward sizes."""
    for shade in (0, 1, 127, 128, 254, 255):
        colour.client.send_image(np.full((37, 53, 3), shade, np.uint8))
        colour.client.classify()
        assert set(np.frombuffer(colour.client.read_output(), np.int8).tolist()) == {shade - 128}


def _begin(host: Host, width: int, height: int) -> int:
    try:
        host.client._request(Command.IMAGE_BEGIN, struct.pack("<HH", width, height))
    except RequestRefusedError as refused:
        return refused.status
    return OK


@pytest.mark.parametrize(
    ("width", "height", "status"),
    [
        (0, 5, BAD_ARGUMENT),
        (5, 0, BAD_ARGUMENT),
        (65535, 65535, BAD_ARGUMENT),
        (4096, 4096, BAD_ARGUMENT),  # 255 * 2**24 and half of 2**24 are beyond 32 bits
        (4095, 4096, OK),
        (65535, 4095, OK),  # only the centre counts
        (1, 65535, OK),
    ],
)
def test_pictures_too_large_for_the_sums_are_refused(
    width: int, height: int, status: int, colour: Host
) -> None:
    assert _begin(colour, width, height) == status


def test_unfinished_pictures_are_not_classified(colour: Host) -> None:
    colour.client._request(Command.IMAGE_BEGIN, struct.pack("<HH", 40, 40))
    colour.client._request(Command.IMAGE_DATA, struct.pack("<I", 0) + bytes(3 * 200))
    with pytest.raises(RequestRefusedError):
        colour.client.classify()


def test_cropped_border_does_not_matter_but_must_come(colour: Host) -> None:
    """Columns beside the centred square are not looked at."""
    picture = _picture(20, 60)
    other = picture.copy()
    other[:, :20] = 7
    other[:, 40:] = 9
    outputs = []
    for image in (picture, other):
        colour.client.send_image(image)
        colour.client.classify()
        outputs.append(colour.client.read_output())
    assert outputs[0] == outputs[1]
