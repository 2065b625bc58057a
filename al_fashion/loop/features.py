"""The features a round works on: those in the cache, the others computed first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.data.images import read_pixels
from al_fashion.errors import WorkspaceError
from al_fashion.models.backbones import Backbone, cache_key, feature_dimension, vgg16
from al_fashion.models.cache import FeatureCache, FeatureTable
from al_fashion.models.features import compute_features
from al_fashion.models.weights import find_weights
from al_fashion.store.database import reading
from al_fashion.store.photos import image_paths
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class FeatureOptions:
    """Where the weights come from, whether they are checked, whether a bar is shown."""

    weights: Path | None = None
    verify_weights: bool = True
    progress: bool = False


def features_of(
    workspace: Workspace, ids: Sequence[str], options: FeatureOptions
) -> tuple[FeatureTable, str]:
    """(every feature in the cache, those of `ids` among them; the key that names the cache).

    Raises WeightsError, MissingPhotos and WorkspaceError.
    """
    size = workspace.config.input_size
    weights = find_weights(options.weights, verify=options.verify_weights)
    key = cache_key(weights.digest, size)
    cache = FeatureCache(workspace.features / key, feature_dimension(size))
    with reading(workspace.engine) as session:
        paths = image_paths(session, ids)
    compute_features(
        ids,
        lambda image_id: read_pixels(image_id, paths.get(image_id, [])),
        cache,
        lambda: vgg16(weights, size),
        size=size,
        progress=options.progress,
    )
    return cache.open(), key


def backbone_for(key: str, options: FeatureOptions) -> Callable[[], Backbone]:
    """What builds the backbone whose features a model was trained on.

    Raises WorkspaceError where today's weights are not those of the model.
    """
    size = int(key.split("px-")[0].rpartition("-")[2])
    weights = find_weights(options.weights, verify=options.verify_weights)
    if cache_key(weights.digest, size) != key:
        raise WorkspaceError(
            f"The model was trained on features {key}, these weights give "
            f"{cache_key(weights.digest, size)}. Use the same --weights as for the round."
        )
    return lambda: vgg16(weights, size)


def features_of_pixels(
    photos: Sequence[NDArray[np.uint8]], key: str, options: FeatureOptions
) -> NDArray[np.float32]:
    """(n, d) features of photos that are not in the workspace, each (h, w, 3) uint8."""
    from al_fashion.models.features import resize

    backbone = backbone_for(key, options)()
    return np.concatenate([backbone(resize(photo, backbone.size)[None]) for photo in photos])
