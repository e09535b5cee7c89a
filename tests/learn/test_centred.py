"""A network that learned from pixels around zero says the same of pixels from 0 to 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from generator.learn.architectures import ARCHITECTURES
from generator.learn.centred import take_weights
from generator.learn.recipes import PAPER
from generator.learn.sweep import sweep_networks
from generator.learn.training import train
from generator.pictures import network_inputs, synthetic_set
from generator.quantize.keras_network import load_keras

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")

NETWORKS = {network.name: network for network in (*ARCHITECTURES.values(), *sweep_networks())}
PAD_FIRST = {"ds_cnn_100", "ds_cnn_050", "ds_cnn_025"}


def _logits(model, pictures):
    """What a network says before its sigmoid, which rounds large answers to 1."""
    model.layers[-1].activation = lambda logits: logits
    return model(pictures).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_of_pixels_around_zero_are_taken_over(name):
    rng = np.random.default_rng(5)
    learned, taking = NETWORKS[name].build(is_centred=True), NETWORKS[name].build()
    learned.set_weights([v + np.abs(rng.normal(0, 0.05, v.shape)) for v in learned.get_weights()])
    take_weights(taking, learned)
    pictures = rng.random((8, 32, 32, 3), np.float32)
    expected = _logits(learned, pictures)
    assert np.ptp(expected) > 0, "equal answers to all pictures would prove nothing"
    np.testing.assert_allclose(_logits(taking, pictures), expected, rtol=1e-4)
    same = all(map(np.array_equal, taking.get_weights(), learned.get_weights()))
    assert same == (name in PAD_FIRST), "only where the first layer pads pixels stay as they are"


def test_the_trained_file_is_the_plain_network_with_the_best_epoch_s_figures(tmp_path):
    drawings = synthetic_set(seed=1, train=48, held_out=12, size=48)
    recipe = replace(PAPER, epochs=2, batch_size=16, is_centred=True)
    result = train(ARCHITECTURES["mask_cnn"], drawings, tmp_path, recipe, workers=0)
    model = load_keras(result.model_path)
    assert [type(layer).__name__ for layer in model.layers[:2]] == ["InputLayer", "Conv2D"]
    split = drawings.splits["Validation"]
    inputs = network_inputs(split, 32, 32, 3).astype(np.float32) / 255
    model.compile(loss="binary_crossentropy")
    loss = model.evaluate(inputs, np.array(split.labels, np.float32)[:, np.newaxis], verbose=0)
    assert loss == pytest.approx(result.best.validation_loss, rel=1e-3)
