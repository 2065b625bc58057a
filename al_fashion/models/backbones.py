"""VGG16 as a function from photos to features; the only way TensorFlow is reached for features."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.weights import Weights

SMALLEST_SIZE = 32
"""Pixels; Keras builds no smaller VGG16."""
_SMALLEST_MAP = 3
_REGIONS = 5
_CHANNELS = {"block3_pool": 256, "block4_pool": 512, "block5_pool": 512}


@dataclass(frozen=True)
class Backbone:
    """Photos, uint8 RGB (b, size, size, 3), to features, float32 (b, dimension).

    `key` names everything that the features depend on besides the photo.
    """

    name: str
    size: int
    dimension: int
    key: str
    _forward: Callable[[np.ndarray], Any]

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        return self._forward(photos).numpy()


def feature_layer(size: int) -> str:
    """The deepest pooling layer with a map of 3 x 3 or more, so that its regions differ.

    From 96 px on this is block5_pool, from 48 px block4_pool, below it block3_pool. Measured on
    Fashion-MNIST (350 random labels, logistic regression): at 48 px block4_pool 83.8 %,
    block5_pool 75.4 %; at 32 px block3_pool 82.4 %, block4_pool 81.1 %, block5_pool 74.2 %.
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"VGG16 takes photos of {SMALLEST_SIZE} px or more, not {size}.")
    return next(f"block{block}_pool" for block in (5, 4, 3) if size // 2**block >= _SMALLEST_MAP)


def feature_dimension(size: int) -> int:
    """The number of features of a photo at this size: five regions of every channel."""
    return _REGIONS * _CHANNELS[feature_layer(size)]


def cache_key(weights_digest: str, size: int) -> str:
    """The name of the folder where these features are cached; needs no TensorFlow."""
    return f"vgg16-{weights_digest}-{size}px-bicubic-{feature_layer(size)}-{_REGIONS}regions"


def vgg16(weights: Weights, size: int) -> Backbone:
    """Build `keras.applications.VGG16` with the given weights, up to the layer for this size.

    Features are the square roots of a layer averaged over five regions (whole, top, middle,
    bottom, centre); the layer's values are never negative, so the roots need no sign.
    """
    with _quiet():
        import keras
        import tensorflow as tf

    shape = (size, size, 3)
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=shape)
    _set_weights(network, weights)
    layer = feature_layer(size)
    trunk = keras.Model(network.input, network.get_layer(layer).output)

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8)])
    def forward(photos: Any) -> Any:
        inputs = keras.applications.vgg16.preprocess_input(tf.cast(photos, tf.float32))
        maps = trunk(inputs, training=False)
        pooled = [
            tf.reduce_mean(maps[:, rows, columns], axis=(1, 2))
            for rows, columns in _regions(maps.shape[1])
        ]
        return tf.sqrt(tf.concat(pooled, axis=1))

    return Backbone(
        "vgg16", size, feature_dimension(size), cache_key(weights.digest, size), forward
    )


def _regions(side: int) -> list[tuple[slice, slice]]:
    """Rows and columns of whole, top, middle, bottom and centre; thirds, rounded outwards."""
    whole = slice(0, side)
    top, bottom = slice(0, -(-side // 3)), slice(2 * side // 3, side)
    middle = slice(side // 3, -(-2 * side // 3))
    return [(whole, whole), (top, whole), (middle, whole), (bottom, whole), (middle, middle)]


def _set_weights(network: Any, weights: Weights) -> None:
    layers = {name.partition("/")[0] for name in weights.tensors}
    expected = {layer.name for layer in network.layers if layer.weights}
    if layers != expected:
        raise WeightsError(
            f"The weights from {weights.source} are for {len(layers)} layers, expected VGG16's "
            f"{len(expected)}. Use find_weights."
        )
    for name in layers:
        tensors = [weights.tensors[f"{name}/kernel"], weights.tensors[f"{name}/bias"]]
        network.get_layer(name).set_weights(tensors)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what TensorFlow's libraries write to descriptor 2 while loading; no setting stops it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
