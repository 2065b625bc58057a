"""Other backbones: their own preprocessing, own files, and never random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from al_fashion.errors import WeightsError
from al_fashion.models import keras_backbones
from al_fashion.models.backbones import BackboneSettings, joined, signed_roots
from al_fashion.models.keras_backbones import application_names, keras_backbone

SIZE = 32


@pytest.fixture
def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cache, no internet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(keras_backbones, "answers", lambda _: False)


def settings(name: str | Path, *, size: int = SIZE, **more: Any) -> BackboneSettings:
    return BackboneSettings(str(name), size, **more)


def own_network(path: Path, *, channels: int = 3, lambda_layer: bool = False) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Input((SIZE, SIZE, channels)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, strides=4, name="maps"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(6, name="vector"),
    ]
    if lambda_layer:
        layers.append(keras.layers.Lambda(lambda values: values + 1))
    network = keras.Sequential(layers)
    network.save(path)
    return network


def test_the_names_are_those_of_keras() -> None:
    names = application_names()
    for name in ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3small", "efficientnetb0"):
        assert name in names
    assert "preprocess_input" not in names


def test_a_named_network_uses_its_own_preprocessing(tmp_path: Path, photos: np.ndarray) -> None:
    import keras

    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)
    )
    network.save_weights(tmp_path / "random.weights.h5")
    inputs = keras.applications.mobilenet_v2.preprocess_input(photos.astype(np.float32))
    expected = joined([np.asarray(network(inputs, training=False))], "regions")

    backbone = keras_backbone(settings("mobilenetv2"), tmp_path / "random.weights.h5")
    features = backbone(photos)
    assert features.shape == (3, backbone.dimension)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert backbone.key.startswith("mobilenetv2-")


@pytest.mark.usefixtures("nowhere")
def test_without_weights_there_are_no_features() -> None:
    with pytest.raises(WeightsError, match=r"resnet50: weights not available.*--weights FILE"):
        keras_backbone(settings("resnet50"))


def test_an_own_file_gives_its_layers_joined(tmp_path: Path, photos: np.ndarray) -> None:
    import keras

    path = tmp_path / "own.keras"
    network = own_network(path)
    maps = keras.Model(network.inputs[0], network.get_layer("maps").output)
    inputs = photos.astype(np.float32)
    expected = np.concatenate(
        [joined([np.asarray(maps(inputs))], "regions"), signed_roots(np.asarray(network(inputs)))],
        axis=1,
    )
    both = keras_backbone(settings(path, layers=("maps", "vector")))
    assert both.dimension == 5 * 4 + 6
    np.testing.assert_allclose(both(photos), expected, rtol=0, atol=1e-5)
    assert (expected < 0).any()
    last = keras_backbone(settings(path))
    assert last.dimension == 6
    assert last.key != both.key

    moved = path.rename(tmp_path / "elsewhere.keras")
    there = keras_backbone(settings(path), moved)
    assert there.key == last.key, "the same features, wherever the file lies"
    np.testing.assert_array_equal(there(photos), last(photos))


def test_an_own_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    own_network(tmp_path / "code.keras", lambda_layer=True)
    with pytest.raises(WeightsError, match="without Lambda layers") as caught:
        keras_backbone(settings(tmp_path / "code.keras"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no model in here"])
def test_what_is_not_a_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.keras").write_bytes(content)
    with pytest.raises(WeightsError, match=r"Cannot load .*bad\.keras"):
        keras_backbone(settings(tmp_path / "bad.keras"))


def test_wrong_names_and_inputs_are_said(tmp_path: Path) -> None:
    own_network(tmp_path / "own.keras")
    own_network(tmp_path / "grey.keras", channels=1)
    with pytest.raises(WeightsError, match=r"Unknown backbone 'vgg17'.*vgg16"):
        keras_backbone(settings("vgg17"))
    with pytest.raises(WeightsError, match=r"expected one input \(None, 64, 64, 3\)"):
        keras_backbone(settings(tmp_path / "own.keras", size=64))
    with pytest.raises(WeightsError, match="expected one input"):
        keras_backbone(settings(tmp_path / "grey.keras"))
    with pytest.raises(WeightsError, match=r"no layer 'block9'; its last are .*vector"):
        keras_backbone(settings(tmp_path / "own.keras", layers=("block9",)))
    with pytest.raises(WeightsError, match="No weights file"):
        keras_backbone(settings("mobilenetv2"), tmp_path / "absent.weights.h5")
