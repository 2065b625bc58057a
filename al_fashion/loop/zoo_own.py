"""The loop's own model on the zoo's folds, as `round` would train it on the same photos."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ModelError
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.step import RoundData, projected, train
from al_fashion.loop.zoo import Zoo
from al_fashion.loop.zoo_data import NO_LABEL, Fold
from al_fashion.models.cache import FeatureTable

LOOP = "loop"
"""The name of the loop's own model beside those of the zoo."""


def own_predictions(zoo: Zoo, folds: Sequence[Fold]) -> list[NDArray[np.float64]]:
    """Probabilities (t, C) of every fold's test photos. Raises WeightsError, MissingPhotos."""
    weights = zoo.weights.get(zoo.workspace.config.backbone)
    options = FeatureOptions(weights, zoo.options.verify_weights, zoo.options.progress)
    table, _ = features_of(zoo.workspace, zoo.photos.ids, options)
    return [_predictions(zoo, table, fold) for fold in folds]


def _predictions(zoo: Zoo, table: FeatureTable, fold: Fold) -> NDArray[np.float64]:
    photos = zoo.photos
    rows = table.rows(photos.ids)
    row_groups = np.full(len(table.ids), "", dtype=object)
    row_groups[rows] = photos.groups
    targets = np.eye(len(photos.names))
    labels = photos.labels[fold.test]
    nothing_labelled = RoundData(
        features=table.features,
        labelled=np.empty(0, dtype=np.int64),
        targets=targets[:0],
        candidates=np.empty(0, dtype=np.int64),
        heldout=rows[fold.test],
        truth=targets[labels].astype(bool) & (labels != NO_LABEL)[:, None],
        groups=photos.groups_of(fold.test),
        labels=photos.names,
        exclusive=True,
        metric="accuracy",
        row_groups=row_groups,
    )
    answered = nothing_labelled.with_labelled(rows[fold.train], targets[photos.labels[fold.train]])
    data = projected(answered, photos.seed)
    learner = train(data)
    if learner is None:
        raise ModelError("Cannot train: no photo has a label. Answer more photos.")
    return np.asarray(learner.predict_proba(np.asarray(data.features[data.heldout])))
