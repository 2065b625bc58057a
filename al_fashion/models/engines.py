"""What runs VGG16's convolutions: Keras, or ncnn, which is faster on a CPU but for tiny photos.

Both give layers' maps, each float32 (b, side, side, channels), of photos, uint8 RGB (b, size,
size, 3), and differ by a few millionths of the largest value.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.ncnn_vgg16 import ncnn_maps
from al_fashion.models.weights import SHAPES, Weights

Engine = Literal["auto", "keras", "ncnn"]
Maps = Callable[[np.ndarray], list[np.ndarray]]

_GRAPHICS_CARD = Path("/dev/nvidia0")
_SMALLEST_FOR_NCNN = 48
"""Pixels a side; below it Keras is much faster. Here its gain is a fifth, which its loading takes
from small collections, and it needs twice the memory (docs/benchmarks.md)."""


def choose_engine(asked: Engine, size: int) -> Engine:
    """`keras` or `ncnn`: auto is what serves photos of `size` pixels best. Loads neither.

    That is ncnn on a CPU where it is installed, but for the smallest photos.

    Raises WeightsError where ncnn is asked for and not installed.
    """
    installed = importlib.util.find_spec("ncnn") is not None
    if asked == "ncnn" and not installed:
        raise WeightsError(
            "The engine ncnn was asked for, but the package ncnn is not installed. "
            "Run `pip install ncnn`, or use the engine keras."
        )
    if asked != "auto":
        return asked
    slow = not installed or _GRAPHICS_CARD.exists() or size < _SMALLEST_FOR_NCNN
    return "keras" if slow else "ncnn"


def vgg16_maps(weights: Weights, size: int, layers: Sequence[str], engine: Engine = "auto") -> Maps:
    """VGG16 from photos to the maps of `layers`, in their order, such as block5_pool alone.

    Raises WeightsError where weights lack a layer or the engine is not installed.
    """
    if set(weights.tensors) != set(SHAPES):
        raise WeightsError(
            f"The weights from {weights.source} are for {len(weights.tensors) // 2} layers, "
            f"expected VGG16's {len(SHAPES) // 2}. Use find_weights."
        )
    build = _keras_maps if choose_engine(engine, size) == "keras" else ncnn_maps
    return build(weights, size, layers)


def _keras_maps(weights: Weights, size: int, layers: Sequence[str]) -> Maps:
    with quiet():
        import keras
        import tensorflow as tf

    shape = (size, size, 3)
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=shape)
    network.set_weights([weights.tensors[name] for name in SHAPES])
    trunk = keras.Model(network.input, [network.get_layer(layer).output for layer in layers])

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8)])
    def forward(photos: Any) -> Any:
        inputs = keras.applications.vgg16.preprocess_input(tf.cast(photos, tf.float32))
        return trunk(inputs, training=False)

    def maps(photos: np.ndarray) -> list[np.ndarray]:
        # Keras gives a lone output bare.
        return [np.asarray(output) for output in tf.nest.flatten(forward(photos))]

    return maps


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
