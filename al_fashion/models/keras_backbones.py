"""Any other backbone: a network of `keras.applications`, or a user's own Keras file."""

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.backbones import Backbone, pool_regions, signed_roots
from al_fashion.models.download import answers, impatience
from al_fashion.models.engines import quiet

_SERVER = "https://storage.googleapis.com/tensorflow/keras-applications/"


def application_names() -> list[str]:
    """What `--backbone` takes by name: the networks of `keras.applications`, in lower case."""
    return sorted(_applications())


def keras_backbone(
    name: str, size: int, *, weights: Path | None = None, layers: Sequence[str] = ()
) -> Backbone:
    """A backbone by name of `keras.applications` or by path of a `.keras` file.

    `layers` are joined to the features, by default the last one alone: maps as signed square
    roots of five regions, vectors as signed square roots. Photos are prepared as the network's
    own `preprocess_input` does; a user's file gets RGB from 0 to 255 as float32. The weights of a
    named network are `weights`, or ImageNet's from Keras's cache or download, never random.

    Raises WeightsError.
    """
    with quiet():
        import keras
        import tensorflow as tf

    if name.endswith(".keras"):
        network, prepare, digest = _load_file(Path(name)), None, _file_digest(Path(name))
    else:
        build, prepare = _application(name)
        network, digest = _build(build, name, size, weights)
    _check_input(network, name, size)
    chosen = list(layers) or [network.layers[-1].name]
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
        return np.concatenate([_pooled(np.asarray(output)) for output in forward(photos)], axis=1)

    dimension = features(np.zeros((1, size, size, 3), dtype=np.uint8)).shape[1]
    stem = re.sub(r"[^A-Za-z0-9.]+", "_", Path(name).stem)
    # The layers' names could be long or hold a slash, so the key has their digest.
    joined = hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:8]
    return Backbone(name, size, dimension, f"{stem}-{digest}-{size}px-bicubic-{joined}", features)


def _pooled(output: np.ndarray) -> np.ndarray:
    if output.ndim == 4:
        return pool_regions(output)
    return signed_roots(output.reshape(len(output), -1))


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
            f"Unknown backbone {name!r}. Use a path ending in .keras, or one of: "
            f"{', '.join(sorted(known))}."
        )
    return known[name.lower()]


def _build(build: Any, name: str, size: int, weights: Path | None) -> tuple[Any, str]:
    """(the network without its classifier, digest of its weights)."""
    shape = (size, size, 3)
    if weights is None:
        if not (_cached(name) or answers(_SERVER)):
            raise WeightsError(
                f"{name}: weights not available. Keras's cache has none and {_SERVER} does not "
                "answer. Give a file with --weights FILE."
            )
        source: str | Path = "imagenet"
    else:
        source = weights
        if not weights.is_file():
            raise WeightsError(f"No weights file at {weights}. Give an existing file.")
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
    return network, _network_digest(network)


def _cached(name: str) -> bool:
    """Whether Keras's cache seems to have weights of this network."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    stems = [re.sub("[-_]", "", path.name.lower()) for path in folder.glob("*.h5")]
    return any(stem.startswith(name.lower()) for stem in stems)


def _load_file(path: Path) -> Any:
    """A user's network, in Keras's own format only: the older .h5 may carry pickled code."""
    import keras

    if not path.is_file():
        raise WeightsError(f"No Keras file at {path}. Give an existing .keras file.")
    try:
        network = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a foreign or damaged file makes Keras raise anything
        raise WeightsError(
            f"Cannot load {path} as a Keras model: {_reason(error)}. "
            "Give a .keras file without Lambda layers."
        ) from error
    return network


def _check_input(network: Any, name: str, size: int) -> None:
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


def _network_digest(network: Any) -> str:
    digest = hashlib.sha256()
    for tensor in network.get_weights():
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
    return digest.hexdigest()[:12]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
