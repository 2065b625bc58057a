"""The features a round works on: those in the cache, the others computed first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.config import Config
from al_fashion.data.images import read_pixels
from al_fashion.errors import WorkspaceError
from al_fashion.models.backbones import BackboneSettings
from al_fashion.models.cache import FeatureCache, FeatureTable
from al_fashion.models.engines import Engine
from al_fashion.models.features import BATCH, compute_features, finite, resize
from al_fashion.models.planned import PlannedBackbone, plan_backbone
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
    backbone = configured_backbone(workspace.config, own_weights(workspace, options))
    cache = FeatureCache(workspace.features / backbone.key)
    with reading(workspace.engine) as session:
        paths = image_paths(session, ids)
    compute_features(
        ids,
        lambda image_id: read_pixels(image_id, paths.get(image_id, []), backbone.settings.least),
        cache,
        backbone.build,
        size=backbone.settings.size,
        progress=options.progress,
    )
    return cache.open(), backbone.key


def own_weights(workspace: Workspace, options: FeatureOptions) -> FeatureOptions:
    """The options with the workspace's own fine-tuned weights, where no others are given.

    They are not ImageNet's, which is why they are not checked against these.
    """
    if options.weights is not None or not workspace.config.weights:
        return options
    return replace(
        options, weights=workspace.folder / workspace.config.weights, verify_weights=False
    )


def configured_backbone(config: Config, options: FeatureOptions) -> PlannedBackbone:
    """The backbone that a workspace's configuration names. Raises WeightsError."""
    return plan_backbone(
        settings_of(config), options.weights, verify=options.verify_weights, engine=config.engine
    )


def settings_of(config: Config) -> BackboneSettings:
    """The part of a configuration that features depend on."""
    return BackboneSettings(
        config.backbone, config.input_size, config.layers, config.pooling, config.decoding
    )


def features_of_pixels(
    photos: Iterable[NDArray[np.uint8]],
    settings: BackboneSettings,
    key: str,
    options: FeatureOptions,
    engine: Engine = "auto",
) -> NDArray[np.float32]:
    """(n, d) features of photos that are not in the workspace, each (h, w, 3) uint8.

    At most a batch of photos is held. `settings` and `key` are those of a model. Raises
    WorkspaceError where today's weights are not the model's, WeightsError.
    """
    planned = plan_backbone(settings, options.weights, verify=options.verify_weights, engine=engine)
    if planned.key != key:
        raise WorkspaceError(
            f"The model was trained on features {key}, these weights give {planned.key}. "
            "Use the same --weights as for the round, with --weights-unverified if they are "
            "fine-tuned."
        )
    backbone = planned.build()
    resized = (resize(photo, backbone.size) for photo in photos)
    parts = []
    while batch := list(islice(resized, BATCH)):
        parts.append(finite(backbone, np.stack(batch)))
    return np.concatenate(parts)
