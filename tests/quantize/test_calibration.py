"""Samples for calibration: what is read, what is left out, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from generator.catalog import Normalization
from generator.errors import UsageError
from generator.quantize.calibration import HELD_OUT_SAMPLES, open_samples
from generator.quantize.pool import NetworkInput

SOUND = NetworkInput("mfcc", (1, 49, 10, 1))
WINDOW = NetworkInput("window", (1, 6, 3))
SENSORS = NetworkInput("sensors", (1, 4))
IMAGE = NetworkInput("image", (1, 8, 8, 3))


def rows(count, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def write_images(folder, count, start=0):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(start, start + count):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index:03}.png"), pixels)


def test_arrays_of_one_sample_and_of_many(tmp_path):
    values = rows(7, 49, 10, 1)
    np.save(tmp_path / "a.npy", values[0])
    np.save(tmp_path / "b.npy", values[1:])
    read = open_samples(str(tmp_path), [SOUND])
    np.testing.assert_array_equal(np.concatenate([sample[0] for sample in read.calibration]), values)
    assert read.calibration[0][0].shape == SOUND.shape
    assert read.held_out == ()
    assert read.scaling == "arrays as they are"
    assert any("7 samples" in warning for warning in read.warnings)


def test_archive_by_name_and_by_position(tmp_path):
    windows, sensors = rows(5, 6, 3), rows(5, 4)
    np.savez(tmp_path / "named.npz", sensors=sensors, window=windows)
    np.savez(tmp_path / "ordered.npz", windows, sensors)
    for name in ("named", "ordered"):
        read = open_samples(str(tmp_path / f"{name}.npz"), [WINDOW, SENSORS])
        np.testing.assert_array_equal(np.concatenate([s[0] for s in read.calibration]), windows)
        np.testing.assert_array_equal(np.concatenate([s[1] for s in read.calibration]), sensors)


def test_folder_with_an_array_for_each_input(tmp_path):
    np.save(tmp_path / "window.npy", rows(5, 6, 3))
    np.save(tmp_path / "sensors.npy", rows(5, 4))
    assert len(open_samples(str(tmp_path), [WINDOW, SENSORS]).calibration) == 5
    np.save(tmp_path / "sensors.npy", rows(4, 4))
    with pytest.raises(UsageError, match="different numbers of samples: window 5, sensors 4"):
        open_samples(str(tmp_path), [WINDOW, SENSORS])
    (tmp_path / "sensors.npy").unlink()
    with pytest.raises(UsageError, match=r"holds window; needed are .*sensors \(samples x 4\)"):
        open_samples(str(tmp_path), [WINDOW, SENSORS])


def test_scale_and_offset_apply_to_arrays_when_given(tmp_path):
    np.save(tmp_path / "x.npy", np.full((3, 4), 10, np.uint8))
    how = Normalization(scale=0.5, offset=-1)
    assert open_samples(str(tmp_path), [SENSORS], normalization=how).calibration[0][0][0, 0] == 4
    assert open_samples(str(tmp_path), [SENSORS]).calibration[0][0][0, 0] == 10


def test_what_cannot_be_read_is_left_out_and_listed(tmp_path):
    np.save(tmp_path / "good.npy", rows(2, 4))
    np.save(tmp_path / "infinite.npy", np.array([[1, 2, np.inf, 4]], np.float32))
    np.save(tmp_path / "other.npy", rows(2, 5))
    np.save(tmp_path / "words.npy", np.array(["a", "b", "c", "d"]))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY broken")
    (tmp_path / "empty.npy").write_bytes(b"")
    read = open_samples(str(tmp_path), [SENSORS])
    assert len(read.calibration) == 2
    for name in ("infinite", "other", "words", "objects", "broken", "empty"):
        assert sum(f"{name}.npy" in problem for problem in read.unreadable) == 1
    assert any("has shape 2 x 5; needed are" in problem for problem in read.unreadable)
    (tmp_path / "good.npy").unlink()
    with pytest.raises(UsageError, match="holds no sample that can be used"):
        open_samples(str(tmp_path), [SENSORS])


def test_sources_that_are_nothing(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        open_samples(str(tmp_path / "absent"), [IMAGE])
    with pytest.raises(UsageError, match=r"absent\.npz: cannot be read"):
        open_samples(str(tmp_path / "absent.npz"), [SENSORS])
    with pytest.raises(UsageError, match="holds neither JPEG, PNG, BMP or WebP images"):
        open_samples(str(tmp_path), [IMAGE])
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    with pytest.raises(UsageError, match=r"broken\.npz: cannot be read"):
        open_samples(str(tmp_path / "broken.npz"), [SENSORS])


def test_many_samples_leave_some_held_out(tmp_path):
    np.save(tmp_path / "x.npy", rows(400, 4))
    read = open_samples(str(tmp_path), [SENSORS], count=100)
    assert (len(read.calibration), len(read.held_out)) == (100, HELD_OUT_SAMPLES)
    seen = {sample[0].tobytes() for sample in read.calibration}
    assert not seen.intersection(sample[0].tobytes() for sample in read.held_out)
    assert read.warnings == ()
    again, other = (open_samples(str(tmp_path), [SENSORS], count=100, seed=seed) for seed in (0, 1))
    assert seen == {sample[0].tobytes() for sample in again.calibration}
    assert seen != {sample[0].tobytes() for sample in other.calibration}


def test_images_in_any_folders(tmp_path):
    write_images(tmp_path / "flat", 4)
    for index, name in enumerate(("one", "two", "three")):
        write_images(tmp_path / "classes" / name, 2, 10 * index)
    (tmp_path / "classes" / "one" / "broken.png").write_bytes(b"no image")
    flat = open_samples(str(tmp_path / "flat"), [IMAGE])
    assert len(flat.calibration) == 4
    assert flat.scaling == "pixel / 255"
    assert 0 <= flat.calibration[0][0].min() < flat.calibration[0][0].max() <= 1
    how = Normalization(scale=1, offset=-128)
    classes = open_samples(str(tmp_path / "classes"), [IMAGE], normalization=how)
    assert len(classes.calibration) == 6
    assert classes.calibration[0][0].min() < 0
    assert len(classes.unreadable) == 1
    assert "broken.png" in classes.unreadable[0]


def test_validation_pictures_are_held_out(tmp_path):
    write_images(tmp_path / "train" / "a", 3)
    write_images(tmp_path / "valid" / "a", 2, 50)
    write_images(tmp_path / "test" / "a", 2, 60)
    read = open_samples(str(tmp_path), [IMAGE])
    assert (len(read.calibration), len(read.held_out)) == (3, 2)


def test_images_for_a_network_that_takes_none(tmp_path):
    write_images(tmp_path, 2)
    with pytest.raises(UsageError, match=r"holds images, but .* window \(samples x 6 x 3\)"):
        open_samples(str(tmp_path), [WINDOW])


def test_synthetic_values_for_inputs_of_any_kind():
    tokens = NetworkInput("tokens", (1, 5), np.dtype(np.int32))
    read = open_samples("synthetic", [WINDOW, tokens], count=3)
    assert [array.shape for array in read.calibration[0]] == [(1, 6, 3), (1, 5)]
    assert read.calibration[0][1].dtype == np.int32
    assert any("smoke test" in warning for warning in read.warnings)
