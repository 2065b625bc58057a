"""The study's models: its settings, and that they learn."""

import numpy as np
import pytest

from al_fashion.errors import ModelError
from al_fashion.models.training import Rows, train_zoo_model
from al_fashion.models.zoo import (
    EPOCHS,
    RUNS,
    base_settings,
    base_values,
    build_network,
    pixels_backbone,
    zoo_model,
    zoo_models,
)

STUDY = {
    "basic-cnn": ("pixels", "adam", 0.1, 0.0, "80/20", 0.30),
    "vgg16-v1": ("vgg16", "adam", 0.005, 0.0, "80/20", 0.76),
    "vgg16-v2": ("vgg16", "rmsprop", 2e-4, 0.5, "80/20", 0.95),
    "vgg16-v3": ("vgg16", "rmsprop", 2e-4, 0.5, "50/50", 0.85),
    "resnet50": ("resnet50", "rmsprop", 2e-4, 0.5, "80/20", None),
}


def test_the_settings_are_the_studys() -> None:
    found = {
        model.name: (
            model.base,
            model.optimiser,
            model.learning_rate,
            model.dropout,
            model.split,
            model.study,
        )
        for model in zoo_models()
    }
    assert found == STUDY
    assert (EPOCHS, RUNS) == (20, 2)


def test_the_networks_are_what_the_settings_say() -> None:
    import keras

    for model in zoo_models():
        inputs = 48 * 48 * 3 if model.base == "pixels" else 40
        network = build_network(model, inputs, 3, seed=0)
        kinds = [type(layer) for layer in network.layers]
        assert (keras.layers.Dropout in kinds) == bool(model.dropout)
        assert (keras.layers.Conv2D in kinds) == (model.base == "pixels")
        assert type(network.optimizer).__name__.lower() == model.optimiser
        assert float(network.optimizer.learning_rate) == pytest.approx(model.learning_rate)
        assert network.loss == "sparse_categorical_crossentropy"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match=r"Unknown model 'vgg17'. Use one of: basic-cnn, vgg16-v1"):
        zoo_model("vgg17")


def rows(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    return Rows((rng.normal(size=(n, 20)) + 4 * np.eye(3, 20)[kind]).astype(np.float32), kind)


def test_training_learns_and_repeats_itself() -> None:
    model, test = zoo_model("vgg16-v2"), rows(1, 60)
    once, again, other = (
        train_zoo_model(model, rows(0, 300), test, 3, np.random.default_rng(seed), epochs=8)
        for seed in (0, 0, 1)
    )
    assert once.epochs[-1].test_accuracy > 0.8
    assert once.epochs[-1].loss < once.epochs[0].loss
    assert len(once.epochs) == 8
    assert once.epochs[-1].test_accuracy == np.mean(once.proba.argmax(axis=1) == test.labels)
    np.testing.assert_array_equal(once.proba, again.proba)
    assert not np.array_equal(once.proba, other.proba)


def test_bases_give_back_what_the_network_gave() -> None:
    values = np.array([[0.0, 4.0, -9.0, 2.5]], dtype=np.float32)
    np.testing.assert_allclose(base_values(np.sign(values) * np.sqrt(np.abs(values))), values)
    photos = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    pixels = base_values(pixels_backbone(48)(photos))
    np.testing.assert_allclose(pixels, photos.reshape(2, -1) / 255, atol=1e-6)
    assert base_settings("vgg16", 96).layers == ("block5_pool",)
