"""Any other backbone: a network of `keras.applications`, or a user's own Keras file."""

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.backbones import Backbone, BackboneSettings, joined
from al_fashion.models.download import answers, impatience
from al_fashion.models.engines import quiet
from strategies.registry import nearest

_SERVER = "https://storage.googleapis.com/tensorflow/keras-applications/"


def application_names() -> list[str]:
    """What `--backbone` takes by name: the networks of `keras.applications`, in lower case."""
    return sorted(_applications())


def check_backbone(name: str) -> int | None:
    """The input size in pixels that a backbone insists on, None where it takes any.

    Raises WeightsError for an unknown name, or a file that cannot be a backbone.
    """
    if not name.endswith(".keras"):
        _application(name)
        return None
    network = _load_file(Path(name))
    side = network.input_shape[1] if len(network.inputs or ()) == 1 else None
    _check_input(network, name, side)
    return None if side is None else int(side)


def keras_key(settings: BackboneSettings, weights: Path | None) -> str:
    """The name of the folder where a backbone's features are cached; needs no TensorFlow.

    Raises WeightsError where a file is missing.
    """
    own = _own_file(settings, weights)
    digest = "imagenet" if own is None else _file_digest(own)
    stem = re.sub(r"[^A-Za-z0-9.]+", "_", Path(settings.name).stem)
    # The layers' names could be long or hold a slash, so the key has their digest.
    layers = hashlib.sha256("\n".join(settings.layers).encode()).hexdigest()[:8]
    chosen = layers if settings.layers else "last"
    return f"{stem}-{digest}-{settings.size}px-{settings.resizing}-{chosen}-{settings.pooling}"


def is_file(settings: BackboneSettings) -> bool:
    """Whether the backbone is a user's own Keras file, not a name."""
    return settings.name.endswith(".keras")


def _own_file(settings: BackboneSettings, weights: Path | None) -> Path | None:
    """The file of weights; `weights` may be a user's network that lies elsewhere by now."""
    if is_file(settings) and (weights is None or weights.suffix != ".keras"):
        return Path(settings.name)
    return weights


def weights_source(settings: BackboneSettings, weights: Path | None) -> str:
    """Where the weights of such a backbone come from. Raises WeightsError where from nowhere."""
    own = _own_file(settings, weights)
    if own is not None:
        _file_digest(own)
        return str(own)
    if _cached(settings.name):
        return f"Keras's cache ({settings.name})"
    _check_server(settings.name)
    return f"Keras's download ({settings.name})"


def keras_backbone(settings: BackboneSettings, weights: Path | None = None) -> Backbone:
    """A backbone by name of `keras.applications` or by path of a `.keras` file.

    The layers are joined to the features, by default the last one alone. Photos are prepared as
    the network's own `preprocess_input` does; a user's file gets RGB from 0 to 255 as float32. The
    weights of a named network are `weights`, or ImageNet's from Keras's cache or download, never
    random.

    Raises WeightsError.
    """
    with quiet():
        import keras
        import tensorflow as tf

    name, size, key = settings.name, settings.size, keras_key(settings, weights)
    if is_file(settings):
        network, prepare = _load_file(_own_file(settings, weights) or Path(name)), None
    else:
        build, prepare = _application(name)
        network = _build(build, name, size, weights)
    _check_input(network, name, size)
    chosen = settings.layers or (network.layers[-1].name,)
    trunk = keras.Model(
        network.inputs[0], [_layer(network, layer, name).output for layer in chosen]
    )
    shape = (None, size, size, 3)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def forward(photos: Any) -> Any:
        inputs = tf.cast(photos, tf.float32)
        prepared = inputs if prepare is None else prepare(inputs)
        # Keras gives a lone output bare.
        return tf.nest.flatten(trunk(prepared, training=False))

    def features(photos: np.ndarray) -> np.ndarray:
        return joined([np.asarray(output) for output in forward(photos)], settings.pooling)

    dimension = features(np.zeros((1, size, size, 3), dtype=np.uint8)).shape[1]
    return Backbone(name, size, dimension, key, features)


def _applications() -> dict[str, tuple[Any, Any]]:
    """(builder, preprocessing) by name. A network's module holds its `preprocess_input`."""
    with quiet():
        import keras

    found = {}
    for module in vars(keras.applications).values():
        if not hasattr(module, "preprocess_input"):
            continue
        for name, build in vars(module).items():
            if callable(build) and name[0].isupper():
                found[name.lower()] = (build, module.preprocess_input)
    # These two are listed beside their module, not in it.
    for name in ("MobileNetV3Small", "MobileNetV3Large"):
        build = getattr(keras.applications, name, None)
        if build is not None:
            found[name.lower()] = (build, keras.applications.mobilenet_v3.preprocess_input)
    return found


def _application(name: str) -> tuple[Any, Any]:
    known = _applications()
    if name.lower() not in known:
        raise WeightsError(
            f"Unknown backbone {name!r}. {nearest(name, sorted(known))}"
            f"Use a path ending in .keras, or one of: {', '.join(sorted(known))}."
        )
    return known[name.lower()]


def _build(build: Any, name: str, size: int, weights: Path | None) -> Any:
    """The network without its classifier."""
    shape = (size, size, 3)
    if weights is None:
        if not _cached(name):
            _check_server(name)
        source: str | Path = "imagenet"
    else:
        source = weights
    try:
        with impatience():
            network = build(
                weights=None if weights else source, include_top=False, input_shape=shape
            )
            if weights:
                network.load_weights(weights)
    except Exception as error:  # Keras raises anything from ValueError to a bare Exception
        raise WeightsError(
            f"Cannot build {name} at {size} px from {source}: {_reason(error)}. "
            "Give this network's weights without its classifier with --weights FILE."
        ) from error
    return network


def _check_server(name: str) -> None:
    if not answers(_SERVER):
        raise WeightsError(
            f"{name}: weights not available. Keras's cache has none and {_SERVER} does not "
            "answer. Give a file with --weights FILE."
        )


def _cached(name: str) -> bool:
    """Whether Keras's cache seems to have weights of this network."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    stems = [re.sub("[-_]", "", path.name.lower()) for path in folder.glob("*.h5")]
    return any(stem.startswith(name.lower()) for stem in stems)


def _load_file(path: Path) -> Any:
    """A user's network, in Keras's own format only: the older .h5 may carry pickled code."""
    with quiet():
        import keras
    _file_digest(path)

    try:
        network = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a foreign or damaged file makes Keras raise anything
        raise WeightsError(
            f"Cannot load {path} as a Keras model: {_reason(error)}. "
            "Give a .keras file without Lambda layers."
        ) from error
    return network


def _check_input(network: Any, name: str, size: int | None) -> None:
    shapes = [tuple(each.shape) for each in network.inputs or ()]
    fits = len(shapes) == 1 and len(shapes[0]) == 4
    if not (fits and all(side in (None, size) for side in shapes[0][1:3]) and shapes[0][3] == 3):
        raise WeightsError(
            f"{name} takes {shapes}, expected one input (None, {size}, {size}, 3). "
            "Set input_size to the network's own size, or give another file."
        )


def _layer(network: Any, layer: str, name: str) -> Any:
    with contextlib.suppress(ValueError):
        return network.get_layer(layer)
    last = ", ".join(each.name for each in network.layers[-5:])
    raise WeightsError(f"{name} has no layer {layer!r}; its last are {last}. Name one of these.")


def _file_digest(path: Path) -> str:
    if not path.is_file():
        raise WeightsError(f"No weights file at {path}. Give an existing file.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
