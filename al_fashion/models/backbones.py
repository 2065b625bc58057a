"""VGG16 as a function from photos to features, whatever engine runs it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from al_fashion.models.engines import Engine, vgg16_maps
from al_fashion.models.weights import Weights

SMALLEST_SIZE = 32
"""Pixels; Keras builds no smaller VGG16."""
_SMALLEST_MAP = 3
_REGIONS = 5
_CHANNELS = {"block3_pool": 256, "block4_pool": 512, "block5_pool": 512}


@dataclass(frozen=True)
class Backbone:
    """Photos, uint8 RGB (b, size, size, 3), to features, float32 (b, dimension).

    `key` names everything that the features depend on besides the photo. The engine is not part
    of it: engines give the same values to a few millionths.
    """

    name: str
    size: int
    dimension: int
    key: str
    _features: Callable[[np.ndarray], np.ndarray]

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        return self._features(photos)


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


def vgg16(weights: Weights, size: int, engine: Engine = "auto") -> Backbone:
    """Build VGG16 with the given weights, up to the layer for this size. Raises WeightsError."""
    maps = vgg16_maps(weights, size, feature_layer(size), engine)
    key = cache_key(weights.digest, size)

    def features(photos: np.ndarray) -> np.ndarray:
        return pool_regions(maps(photos))

    return Backbone("vgg16", size, feature_dimension(size), key, features)


def pool_regions(maps: np.ndarray) -> np.ndarray:
    """Signed square roots of five regional means, float32 (b, 5 c), of maps (b, side, side, c)."""
    means = [maps[:, rows, columns].mean(axis=(1, 2)) for rows, columns in _regions(maps.shape[1])]
    return signed_roots(np.concatenate(means, axis=1))


def signed_roots(values: np.ndarray) -> np.ndarray:
    """Square roots of the magnitudes with the values' signs, so that no few values dominate."""
    roots: np.ndarray = np.sign(values) * np.sqrt(np.abs(values))
    return roots


def _regions(side: int) -> list[tuple[slice, slice]]:
    """Rows and columns of whole, top, middle, bottom and centre; thirds, rounded outwards."""
    whole = slice(0, side)
    top, bottom = slice(0, -(-side // 3)), slice(2 * side // 3, side)
    middle = slice(side // 3, -(-2 * side // 3))
    return [(whole, whole), (top, whole), (middle, whole), (bottom, whole), (middle, middle)]
