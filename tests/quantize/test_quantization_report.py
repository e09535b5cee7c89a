"""The layer that hurts is named, with figures that follow from what was done to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")

from rich.console import Console

from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import keras_network
from generator.quantize.layer_errors import report_errors
from generator.quantize.matching import match_tensors
from generator.quantize.table import print_report
from generator.quantize.tflite_file import FileOperator, FileTensor, TfliteFile
from tests.support.cli import firmcast
from tests.support.float_networks import NETWORKS, made_samples, residual, saved


@pytest.fixture(autouse=True)
def same_weights_each_time():
    tensorflow().keras.utils.set_random_seed(3)


def reported(model, **options):
    network = keras_network(model, "model")
    samples = made_samples(network.inputs)
    return report_errors(
        network.float_tflite, network.quantized_tflite(samples.calibration, **options), samples
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_compared_in_network_order(name):
    report = reported(NETWORKS[name]())
    assert report.unmatched == ()
    assert (report.samples, report.held_out) == (20, True)
    assert [layer.operator for layer in report.layers] == sorted(layer.operator for layer in report.layers)
    for layer in report.layers:
        assert layer.sqnr_db is None or layer.sqnr_db > 10
        low, high = layer.quantized_range
        assert layer.mean_abs_error <= layer.max_abs_error <= high - low
        assert 0 <= layer.clipped < 0.2


def _one_loud_channel(model, name, factor):
    layer = model.get_layer(name)
    kernel, bias = layer.get_weights()
    kernel[..., 5] *= factor
    layer.set_weights([kernel, bias])
    return model


@pytest.mark.parametrize("name", ["first", "inner", "second"])
def test_a_layer_with_one_loud_channel_is_the_worst(name):
    """One scale serves all channels of a result: beside one a thousand times as large, the others vanish."""
    report = reported(_one_loud_channel(residual(), name, 1000))
    worst = next(layer for layer in report.layers if layer.operator == report.worst)
    assert name in worst.tensor
    assert worst.added_noise > 0.3
    assert all(channel.channel != 5 and channel.sqnr_db < 10 for channel in worst.worst_channels)


def test_values_beyond_the_calibrated_range_are_clipped():
    network = keras_network(residual(), "model")
    samples = made_samples(network.inputs)
    quiet = tuple(tuple(array / 4 for array in sample) for sample in samples.calibration)
    report = report_errors(network.float_tflite, network.quantized_tflite(quiet), samples)
    assert report.layers[0].clipped > 0.05
    assert report.layers[0].float_range[1] > 2 * report.layers[0].quantized_range[1]


def test_wider_activations_lower_the_noise():
    model = NETWORKS["segmentation"]()
    narrow, wide = reported(model), reported(model, activations="int16")
    assert wide.unmatched == ()
    assert wide.layers[-1].sqnr_db > narrow.layers[-1].sqnr_db + 6


def test_noise_of_a_layer_is_what_the_numbers_say():
    """A single dense layer by hand: every figure from the definition."""
    keras = tensorflow().keras
    given = keras.Input((4,), name="sensors")
    network = keras_network(keras.Model(given, keras.layers.Dense(3)(given)), "dense")
    samples = made_samples(network.inputs)
    content = network.quantized_tflite(samples.calibration, io="float32")
    report = report_errors(network.float_tflite, content, samples)
    runs = []
    for model in (network.float_tflite, content):
        runner = tensorflow().lite.Interpreter(
            model_content=model,
            experimental_op_resolver_type=tensorflow().lite.experimental.OpResolverType.BUILTIN_REF,
        )
        runner.allocate_tensors()
        outputs = []
        for (sample,) in samples.held_out:
            runner.set_tensor(runner.get_input_details()[0]["index"], sample)
            runner.invoke()
            outputs.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0].astype(float))
        runs.append(np.array(outputs))
    wanted, found = runs
    dense = next(layer for layer in report.layers if layer.op == "FULLY_CONNECTED")
    error = found - wanted
    assert dense.sqnr_db == pytest.approx(10 * np.log10((wanted**2).sum() / (error**2).sum()), abs=0.01)
    assert dense.mean_abs_error == pytest.approx(np.abs(error).mean(), rel=1e-3)
    assert dense.max_abs_error == pytest.approx(np.abs(error).max(), rel=1e-3)
    by_channel = 10 * np.log10((wanted**2).sum(axis=0) / (error**2).sum(axis=0))
    assert dense.worst_channels[0].channel == int(by_channel.argmin())
    assert dense.worst_channels[0].sqnr_db == pytest.approx(by_channel.min(), abs=0.01)


def _chain(*operators):
    """A chain of operators: (kind, name of its result)."""
    tensors = [FileTensor("in", (1, 4), "INT8", False, 0.1, 0)]
    tensors += [FileTensor(name, (1, 4), "INT8", False, 0.1, 0) for _, name in operators]
    steps = tuple(FileOperator(kind, (i,), (i + 1,)) for i, (kind, _) in enumerate(operators))
    return TfliteFile(tuple(tensors), steps, (0,), (len(operators),))


def test_names_that_changed_are_matched_by_kind_and_place():
    original = _chain(("CONV_2D", "a"), ("CONV_2D", "b"), ("CONV_2D", "c"), ("SOFTMAX", "d"))
    quantized = _chain(
        ("QUANTIZE", "q"),
        ("CONV_2D", "a"),
        ("CONV_2D", "b1"),
        ("CONV_2D", "c"),
        ("MEAN", "m"),
        ("SOFTMAX", "d"),
    )
    # Tensor 3, "b1", lies between "a" and "c"; nothing is like the MEAN.
    assert match_tensors(quantized, original) == {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 6: 4}


def test_command_prints_and_writes_the_same_report(tmp_path):
    path = saved("two_by_two", tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", rng.random((150, 8, 8, 3)), rng.random((150, 6)))
    done = firmcast("quantize", path, "--data", "data.npz", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "ranges from 120 samples of data.npz: arrays as they are" in done.err
    assert "warning" not in done.err
    printed, written = done.json(), json.loads((tmp_path / "two_by_two.quantization.json").read_text())
    assert {**printed, "model_path": "two_by_two.tflite"} == written
    assert str(tmp_path) not in json.dumps(written)
    assert (written["report"]["samples"], written["report"]["held_out"]) == (30, True)
    first = (tmp_path / "two_by_two.quantization.json").read_bytes()
    done = firmcast("quantize", path, "--data", "data.npz", cwd=tmp_path)
    assert (tmp_path / "two_by_two.quantization.json").read_bytes() == first
    assert f"worst: operator {written['report']['worst']} " in done.out


def test_command_refuses_with_the_contracts_exit_code(tmp_path):
    loose = tensorflow().keras.Input((None, 3), name="window")
    tensorflow().keras.Model(loose, tensorflow().keras.layers.Dense(2)(loose)).save(tmp_path / "loose.keras")
    refused = firmcast("quantize", "loose.keras", "--data", "synthetic", cwd=tmp_path)
    assert refused.code == 3
    assert "input window has shape ? x ? x 3" in refused.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["loose.keras"]


def test_table_marks_the_worst_and_fits_a_line(capsys):
    report = reported(residual())
    print_report(report, Console(width=150, markup=False, highlight=False))
    lines = capsys.readouterr().out.splitlines()
    (marked,) = (line for line in lines if line.lstrip().startswith("> "))
    assert marked.split()[1] == str(report.worst)
    assert "…" not in "".join(lines)
