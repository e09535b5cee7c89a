"""Reading pictures: every kind that works and every way one can be bad."""

from __future__ import annotations

import struct
import sys
import zlib

import numpy as np
import pytest

from generator.errors import MissingToolError, UsageError
from generator.imaging import Sample, load_samples, read_image
from generator.imaging.samples import save_samples

RED = (250, 20, 10)


@pytest.fixture
def cv2():
    return pytest.importorskip("cv2", reason="OpenCV is not installed")


@pytest.fixture
def picture():
    image = np.zeros((40, 30, 3), np.uint8)
    image[:] = RED
    image[20:] = (0, 0, 255)
    return image


def test_png_is_read_as_rgb(cv2, tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)


def test_jpeg_is_read_as_rgb(cv2, tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    image = read_image(tmp_path / "a.jpg")
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - picture.astype(int))[:16].max() < 8


def test_grey_sixteen_bit_and_alpha(cv2, tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((2, 3), 77, np.uint8))
    assert (read_image(tmp_path / "grey.png") == 77).all()
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((2, 3, 3), 257 * 99 + 100, np.uint16))
    assert (read_image(tmp_path / "deep.png") == 99).all()
    transparent = np.array([[[0, 0, 0, 0], [10, 20, 30, 255]]], np.uint8)
    cv2.imwrite(str(tmp_path / "alpha.png"), transparent)
    assert read_image(tmp_path / "alpha.png").tolist() == [[[255, 255, 255], [30, 20, 10]]]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_cut_off_file_is_named(cv2, tmp_path, picture, suffix):
    path = tmp_path / f"cut{suffix}"
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(path), picture)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UsageError, match=rf"cut{suffix}: .*damaged"):
        read_image(path)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.png"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(UsageError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "note.jpg").write_text("no picture")
    with pytest.raises(UsageError, match=r"note.jpg: is neither"):
        read_image(tmp_path / "note.jpg")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"empty\.png"):
        read_image(tmp_path / "empty.png")
    (tmp_path / "short.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match=r"short\.jpg"):
        read_image(tmp_path / "short.jpg")


def test_absurd_size_is_refused_before_decoding(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND")
    with pytest.raises(UsageError, match=r"bomb.png: 60000 x 60000 pixels is too large"):
        read_image(tmp_path / "bomb.png")


def test_missing_opencv_says_what_to_install(cv2, tmp_path, picture, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingToolError, match=r"firmcast\[image\]"):
        read_image(tmp_path / "a.png")


def test_samples_round_trip_with_equal_bytes(tmp_path, picture):
    samples = (Sample("a.png", picture, 1), Sample("b.png", picture[:5], None))
    path = save_samples(tmp_path, samples)
    first = path.read_bytes()
    assert save_samples(tmp_path, samples).read_bytes() == first
    loaded = load_samples(tmp_path)
    assert [(s.name, s.expected_label) for s in loaded] == [("a.png", 1), ("b.png", None)]
    np.testing.assert_array_equal(loaded[1].image, picture[:5])


def test_no_samples_and_damaged_samples(tmp_path):
    assert load_samples(tmp_path) == ()
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "samples.npz").write_bytes(b"PK no")
    with pytest.raises(UsageError, match=r"samples.npz"):
        load_samples(tmp_path)


@pytest.mark.parametrize("suffix", [".bmp", ".webp"])
def test_bmp_and_webp_are_read_and_cut_off_ones_are_named(cv2, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    picture = np.random.default_rng(0).integers(0, 256, (37, 51, 3), dtype=np.uint8)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])  # 101: without loss
    np.testing.assert_array_equal(read_image(path), picture)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match=rf"a{suffix}: .*damaged"):
        read_image(path)


def test_webp_with_loss_and_with_transparency(cv2, tmp_path):
    alpha = np.zeros((20, 30, 4), np.uint8)
    alpha[:, 15:] = (0, 0, 250, 255)
    for name, picture, quality in (("flat", alpha[..., :3], 90), ("alpha", alpha, 90), ("whole", alpha, 101)):
        cv2.imwrite(str(tmp_path / f"{name}.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
        image = read_image(tmp_path / f"{name}.webp")
        assert image.shape == (20, 30, 3)
        left = 0 if name == "flat" else 255
        assert np.abs(image[:, 5].astype(int) - left).max() < 8
        assert np.abs(image[:, 25].astype(int) - (250, 0, 0)).max() < 24


@pytest.mark.parametrize("start", [b"BM", b"RIFF\xff\xff\0\0WEBPVP8X", b"RIFF\xff\xff\0\0WEBPVP8 "])
@pytest.mark.parametrize("filling", [b"", b"\0", b"\xff"])
def test_absurd_bmp_and_webp_are_refused(tmp_path, start, filling):
    (tmp_path / "absurd").write_bytes(start + 60 * filling)
    with pytest.raises(UsageError, match="absurd: "):
        read_image(tmp_path / "absurd")
