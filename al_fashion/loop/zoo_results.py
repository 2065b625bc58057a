"""What the study's models and the loop's own score on a workspace's held-out photos."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ModelError, WeightsError
from al_fashion.files import check_writable
from al_fashion.loop.zoo import Zoo
from al_fashion.loop.zoo_data import NO_LABEL, Fold, LabelledPhotos
from al_fashion.loop.zoo_own import LOOP, own_predictions
from al_fashion.models.planned import PlannedBackbone
from al_fashion.models.predictors import network_tensors
from al_fashion.models.saved import SavedModel, save_model, training_set_digest
from al_fashion.models.training import Epoch, Training
from al_fashion.models.zoo import ZooModel, zoo_model
from al_fashion.stats.comparison import range_over_epochs
from al_fashion.stats.metrics import share_right
from al_fashion.types import Interval


@dataclass(frozen=True)
class Scored:
    """Accuracy on the test photos of all folds, and counts (C, C) by right and predicted class."""

    accuracy: Interval
    confusion: list[list[int]]


@dataclass(frozen=True)
class Result:
    """What a model scored; where it could not be trained `scored` is None, `missing` says in a few
    words what there was too little of, and `reason` why and what to do.

    `photos` and `rows` are those of one training, without and with copies; `validation` and
    `epoch_range` are over all epochs, None of the loop's model, which has no epochs.
    """

    name: str
    title: str
    model: ZooModel | None
    split: str
    missing: str = ""
    reason: str = ""
    scored: Scored | None = None
    photos: int = 0
    rows: int = 0
    validation: tuple[float, float] | None = None
    epoch_range: tuple[float, float] | None = None
    curves: list[list[Epoch]] = field(default_factory=list)
    seconds: float = 0.0


def result_of(zoo: Zoo, name: str) -> Result:
    """Train and test one model; where weights or photos are too few the result says so.

    Raises WeightsError where a file of weights was named and is not good, MissingPhotos.
    """
    if name == LOOP:
        return _own_result(zoo)
    model = zoo_model(name)
    try:
        zoo.folds(model)
    except ModelError as error:
        missing = "too few photos"
        return Result(name, model.title, model, model.split, missing=missing, reason=str(error))
    try:
        return _trained(zoo, model)[0]
    except WeightsError as error:
        if model.base in zoo.weights:
            raise
        missing = "weights not available"
        return Result(name, model.title, model, model.split, missing=missing, reason=str(error))


def train_and_save(zoo: Zoo, model: ZooModel, path: Path) -> Result:
    """Train and test one of the study's models and save it for `predict`.

    Raises ModelError, WeightsError, MissingPhotos, WorkspaceError where it cannot be written.
    """
    check_writable(path.parent)
    result, planned, done = _trained(zoo, model)
    photos = zoo.photos
    used = np.unique(np.concatenate([fold.train for fold in zoo.folds(model)]))
    targets = np.eye(len(photos.names))[photos.labels[used]]
    settings = {
        "networks": len(done),
        "inputs": done[0].inputs,
        "epochs": zoo.options.epochs,
        "per_class": zoo.options.per_class,
        "accuracy": asdict(result.scored.accuracy) if result.scored else None,
    }
    save_model(
        path,
        SavedModel(
            kind=model.name,
            labels=photos.names,
            backbone=planned.settings,
            features=planned.key,
            training_set=training_set_digest(photos.ids_of(used), targets),
            tensors=network_tensors(done),
            settings=settings,
        ),
    )
    return result


def _trained(zoo: Zoo, model: ZooModel) -> tuple[Result, PlannedBackbone, list[Training]]:
    started = time.perf_counter()
    folds, planned = zoo.folds(model), zoo.planned(model.base)
    done = zoo.trainings(model, planned, folds)
    accuracies = [epoch.test_accuracy for training in done for epoch in training.epochs]
    result = Result(
        model.name,
        model.title,
        model,
        model.split,
        scored=_scored(zoo.photos, folds, [training.proba for training in done]),
        photos=len(folds[0].train),
        rows=len(zoo.filled(folds)[0].train.labels),
        validation=(min(accuracies), max(accuracies)),
        epoch_range=range_over_epochs(accuracies),
        curves=[training.epochs for training in done],
        seconds=time.perf_counter() - started,
    )
    return result, planned, done


def _own_result(zoo: Zoo) -> Result:
    started = time.perf_counter()
    folds = zoo.folds(None)
    return Result(
        LOOP,
        "loop's default",
        None,
        "80/20",
        scored=_scored(zoo.photos, folds, own_predictions(zoo, folds)),
        photos=len(folds[0].train),
        rows=len(folds[0].train),
        seconds=time.perf_counter() - started,
    )


def _scored(
    photos: LabelledPhotos, folds: Sequence[Fold], probas: Sequence[NDArray[np.float64]]
) -> Scored:
    tested = np.concatenate([fold.test for fold in folds])
    predicted = np.concatenate([proba.argmax(axis=1) for proba in probas])
    right = photos.labels[tested]
    confusion = np.zeros((len(photos.names),) * 2, dtype=np.int64)
    known = right != NO_LABEL
    np.add.at(confusion, (right[known], predicted[known]), 1)
    return Scored(share_right(predicted == right, photos.groups_of(tested)), confusion.tolist())
