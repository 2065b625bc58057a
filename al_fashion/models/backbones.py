"""VGG16 as a function from photos to features, whatever engine runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.engines import Engine, vgg16_maps
from al_fashion.models.weights import SHAPES, Weights

Pooling = Literal["regions", "mean", "flat"]
"""What becomes of a layer's map: five regional means, one mean, or all its values."""
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

SMALLEST_SIZE = 32
"""Pixels; Keras builds no smaller VGG16."""
_SMALLEST_MAP = 3
_LARGEST_JOINED_MAP = 7
_REGIONS = 5


@dataclass(frozen=True)
class BackboneSettings:
    """All that features depend on besides the photo and the weights.

    `name` is vgg16, a network of keras.applications or the path of a .keras file; `size` the
    photo's side in pixels; `layers` are joined to the features, none leaving the choice to the
    backbone; `decoding` says whether a JPEG is read whole or no larger than `size` needs.
    """

    name: str = "vgg16"
    size: int = 224
    layers: tuple[str, ...] = ()
    pooling: Pooling = "regions"
    decoding: Literal["full", "draft"] = "full"

    @property
    def least(self) -> int:
        """What photos need to keep of their sides when they are decoded; 0 for all."""
        return self.size if self.decoding == "draft" else 0

    @property
    def resizing(self) -> str:
        """The part of a cache's key that says how photos come to their size."""
        return "bicubic" if self.decoding == "full" else "draft-bicubic"


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


def feature_layers(size: int) -> tuple[str, ...]:
    """The deepest pooling layer with a map of 3 x 3 or more, so that its regions differ.

    From 96 px on this is block5_pool, from 48 px block4_pool, below it block3_pool. Where its map
    is 3 x 3 the layer before it comes first, at 96 px worth five to eight points on clothing;
    beside larger maps it is worth nothing (docs/benchmarks.md).
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"VGG16 takes photos of {SMALLEST_SIZE} px or more, not {size}.")
    deepest = next(block for block in (5, 4, 3) if size // 2**block >= _SMALLEST_MAP)
    first = deepest - (size // 2 ** (deepest - 1) <= _LARGEST_JOINED_MAP)
    return tuple(f"block{block}_pool" for block in range(first, deepest + 1))


def cache_key(weights_digest: str, settings: BackboneSettings) -> str:
    """The name of the folder where VGG16's features are cached; needs no TensorFlow."""
    layers = "+".join(_layers(settings))
    pooling = "5regions" if settings.pooling == "regions" else settings.pooling
    return f"vgg16-{weights_digest}-{settings.size}px-{settings.resizing}-{layers}-{pooling}"


def layers_in(key: str) -> tuple[str, ...]:
    """The layers that a cache's key of VGG16's features names."""
    return tuple(key.split("-")[-2].split("+"))


def vgg16(weights: Weights, settings: BackboneSettings, engine: Engine = "auto") -> Backbone:
    """Build VGG16 with the given weights, up to the last of its layers. Raises WeightsError."""
    layers, key = _layers(settings), cache_key(weights.digest, settings)
    maps = vgg16_maps(weights, settings.size, layers, engine)

    def features(photos: np.ndarray) -> np.ndarray:
        return joined(maps(photos), settings.pooling)

    dimension = sum(_dimension(layer, settings) for layer in layers)
    return Backbone("vgg16", settings.size, dimension, key, features)


def joined(outputs: Sequence[np.ndarray], pooling: Pooling) -> np.ndarray:
    """Signed square roots, float32 (b, d), of maps (b, side, side, c) and vectors (b, c)."""
    pooled = [_pooled(output, pooling) if output.ndim == 4 else output for output in outputs]
    return signed_roots(np.concatenate([each.reshape(len(each), -1) for each in pooled], axis=1))


def signed_roots(values: np.ndarray) -> np.ndarray:
    """Square roots of the magnitudes with the values' signs, so that no few values dominate."""
    roots: np.ndarray = np.sign(values) * np.sqrt(np.abs(values))
    return roots


def _layers(settings: BackboneSettings) -> tuple[str, ...]:
    """The layers asked for, or those for this size. Raises WeightsError for unknown ones."""
    known = vgg16_layers()
    for layer in settings.layers:
        if layer not in known:
            raise WeightsError(f"vgg16 has no layer {layer!r}. Name some of: {', '.join(known)}.")
    return settings.layers or feature_layers(settings.size)


def vgg16_layers() -> list[str]:
    """The names of VGG16's convolutions and pooling layers, in order."""
    convolutions = [name.partition("/")[0] for name in SHAPES if name.endswith("/kernel")]
    return sorted([*convolutions, *(f"block{block}_pool" for block in range(1, 6))])


def _dimension(layer: str, settings: BackboneSettings) -> int:
    block = int(layer[len("block")])
    channels = SHAPES[f"block{block}_conv1/bias"][0]
    side = settings.size // 2 ** (block if layer.endswith("_pool") else block - 1)
    return channels * {"regions": _REGIONS, "mean": 1, "flat": side**2}[settings.pooling]


def _pooled(maps: np.ndarray, pooling: Pooling) -> np.ndarray:
    if pooling == "flat":
        return maps
    if pooling == "mean":
        return np.asarray(maps.mean(axis=(1, 2)))
    means = [maps[:, rows, columns].mean(axis=(1, 2)) for rows, columns in _regions(maps.shape[1:])]
    return np.concatenate(means, axis=1)


def _regions(shape: Sequence[int]) -> list[tuple[slice, slice]]:
    """Rows and columns of whole, top, middle, bottom and centre; thirds, rounded outwards."""
    side = shape[0]
    whole = slice(0, side)
    top, bottom = slice(0, -(-side // 3)), slice(2 * side // 3, side)
    middle = slice(side // 3, -(-2 * side // 3))
    return [(whole, whole), (top, whole), (middle, whole), (bottom, whole), (middle, middle)]
