"""What feeds the study's models: features of photos and of altered copies, from the cache."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_fashion.data.images import read_pixels
from al_fashion.loop.zoo_data import Fold, LabelledPhotos
from al_fashion.models.augment import CopyReader, TrainingSet, fill_classes
from al_fashion.models.cache import FeatureCache, FeatureTable
from al_fashion.models.features import compute_features
from al_fashion.models.planned import PlannedBackbone
from al_fashion.models.training import Rows
from al_fashion.models.zoo import base_values
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class ZooFold:
    """A fold with the copies that fill up its training photos' classes."""

    train: TrainingSet
    test: NDArray[np.int64]


def with_copies(photos: LabelledPhotos, folds: Sequence[Fold], target: int) -> list[ZooFold]:
    """Training sets of at least `target` rows a class; the same folds give the same copies."""
    return [
        ZooFold(
            fill_classes(
                photos.ids_of(fold.train),
                photos.labels[fold.train],
                np.random.default_rng([photos.seed, len(fold.train)]),
                target=target,
                evaluated=photos.ids_of(fold.test),
            ),
            fold.test,
        )
        for fold in folds
    ]


def copy_reader(photos: LabelledPhotos, size: int, sets: Sequence[TrainingSet]) -> CopyReader:
    """Pixels of the photos and of the training sets' copies."""
    return CopyReader(
        lambda image_id: read_pixels(image_id, photos.paths.get(image_id, [])),
        size,
        sets,
    )


def zoo_features(
    workspace: Workspace,
    photos: LabelledPhotos,
    planned: PlannedBackbone,
    ids: Sequence[str],
    sets: Sequence[TrainingSet],
    *,
    progress: bool,
) -> FeatureTable:
    """Features of the photos `ids` and of the copies of training sets, computed where they lack.

    Raises WeightsError and MissingPhotos.
    """
    size = planned.settings.size
    cache = FeatureCache(workspace.features / planned.key)
    reader = copy_reader(photos, size, sets)
    compute_features(
        [*ids, *reader.in_order()],
        reader,
        cache,
        planned.build,
        size=size,
        progress=progress,
    )
    return cache.open()


def fold_rows(table: FeatureTable, photos: LabelledPhotos, fold: ZooFold) -> tuple[Rows, Rows]:
    """(training rows, test rows) of a fold, the base's own values."""
    tested = table.rows(photos.ids_of(fold.test))
    return (
        Rows(base_values(table.features[table.rows(fold.train.keys)]), fold.train.labels),
        Rows(base_values(table.features[tested]), photos.labels[fold.test]),
    )
