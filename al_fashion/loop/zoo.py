"""The study's five models and the loop's own, trained and tested on a workspace's photos."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from al_fashion.errors import ModelError, WeightsError
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.step import RoundData, train
from al_fashion.loop.zoo_data import NO_LABEL, Fold, LabelledPhotos, halves, holdout
from al_fashion.loop.zoo_features import (
    ZooFold,
    copy_reader,
    fold_rows,
    planned_base,
    with_copies,
    zoo_features,
)
from al_fashion.models.augment import TARGET, save_contact_sheet
from al_fashion.models.cache import FeatureTable
from al_fashion.models.planned import PlannedBackbone
from al_fashion.models.training import Epoch, Training, train_zoo_model
from al_fashion.models.weight_files import network_of
from al_fashion.models.zoo import EPOCHS, RUNS, SMALLEST_SIZE, Base, ZooModel, zoo_model
from al_fashion.stats.comparison import (
    REPEATS,
    PairedTest,
    alpaydin_f,
    dietterich_t,
    range_over_epochs,
)
from al_fashion.stats.metrics import share_right
from al_fashion.types import Interval
from al_fashion.workspace import Workspace

LOOP = "loop"
"""The name of the loop's own model, as `round` would train it on the same photos."""


@dataclass(frozen=True)
class ZooOptions:
    """How the models are trained; the defaults are the study's.

    `weights` are files of VGG16's or ResNet50's weights, told apart by what is in them;
    `input_size` is in pixels, 0 for the workspace's own, made no smaller than 96; `per_class` is
    what augmentation fills every class up to; `epochs` are run twice.
    """

    weights: Sequence[Path] = ()
    verify_weights: bool = True
    input_size: int = 0
    per_class: int = TARGET
    epochs: int = EPOCHS
    progress: bool = False


@dataclass(frozen=True)
class Result:
    """What a model scored; of one that could not be trained only `name` and `reason` are set.

    `validation` and `epoch_range` are over all epochs, None of the loop's model, which has none;
    `confusion` (C, C) counts photos by right and predicted class.
    """

    name: str
    title: str
    model: ZooModel | None = None
    reason: str = ""
    split: str = ""
    photos: int = 0
    rows: int = 0
    accuracy: Interval | None = None
    validation: tuple[float, float] | None = None
    epoch_range: tuple[float, float] | None = None
    curves: list[list[Epoch]] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class PairResult:
    """5×2cv of two models: their mean accuracies over the ten folds and both tests."""

    first: str
    second: str
    means: tuple[float, float]
    tests: tuple[PairedTest, PairedTest]


class Zoo:
    """Trains models on the labelled photos of one workspace."""

    def __init__(self, workspace: Workspace, photos: LabelledPhotos, options: ZooOptions) -> None:
        """Raises WeightsError for weights of no network known here."""
        self.workspace, self.photos, self.options = workspace, photos, options
        self._weights = _by_network(options.weights)
        size = options.input_size or workspace.config.input_size
        self.size = max(size, SMALLEST_SIZE)

    def result(self, name: str) -> Result:
        """Train and test one model; where its weights cannot be had the result says so."""
        model = None if name == LOOP else zoo_model(name)
        title = "loop's default" if model is None else model.title
        try:
            return self._result(name, title, model)
        except WeightsError as error:
            if self._asked_for(model):
                raise
            return Result(name, title, model, reason=f"weights not available: {error}")

    def trained(self, model: ZooModel) -> tuple[Result, PlannedBackbone, list[Training]]:
        """The result with what was trained, to be saved. Raises WeightsError."""
        started = time.perf_counter()
        folds = self.folds(model)
        planned = self.planned(model.base)
        done = self._trainings(model, planned, folds, [self.photos.seed])
        return self._scored(model, folds, done, started), planned, done

    def pair(self, first: str, second: str) -> PairResult:
        """Paired tests of two models over five repeats of two halves.

        Raises ModelError for models that differ in nothing but the split, or are not known.
        """
        check_pair(first, second)
        folds = [fold for number in range(REPEATS) for fold in self._halves(number + 1)]
        scores = np.array([self._fold_accuracies(name, folds) for name in (first, second)])
        differences = (scores[0] - scores[1]).reshape(REPEATS, 2)
        means = (float(scores[0].mean()), float(scores[1].mean()))
        return PairResult(
            first, second, means, (dietterich_t(differences), alpaydin_f(differences))
        )

    def save_contact_sheet(self, path: Path) -> None:
        """A picture of training photos and their altered copies. Raises WorkspaceError."""
        filled = self.filled(holdout(self.photos))
        reader = copy_reader(self.photos, self.size, filled)
        save_contact_sheet(path, filled[0].train, reader)

    def folds(self, model: ZooModel | None) -> list[Fold]:
        """The study's split of a model: two halves in turn, or all but the held-out photos."""
        return self._halves(0) if model and model.halves else holdout(self.photos)

    def planned(self, base: Base) -> PlannedBackbone:
        """What feeds a model. Raises WeightsError."""
        return planned_base(
            base, self.size, self._weights.get(base), verify=self.options.verify_weights
        )

    def filled(self, folds: Sequence[Fold]) -> list[ZooFold]:
        """The folds with copies of their training photos."""
        return with_copies(self.photos, folds, self.options.per_class)

    def _halves(self, number: int) -> list[Fold]:
        return halves(self.photos, np.random.default_rng([self.photos.seed, number]))

    def _asked_for(self, model: ZooModel | None) -> bool:
        """Whether weights for this model were named: then they must be good."""
        return bool(model and model.base in self._weights)

    def _result(self, name: str, title: str, model: ZooModel | None) -> Result:
        if model is not None:
            return self.trained(model)[0]
        started = time.perf_counter()
        (fold,) = self.folds(None)
        proba = self._loop_proba(self._loop_table(), fold)
        return Result(
            name,
            title,
            split="80/20",
            photos=len(fold.train),
            rows=len(fold.train),
            seconds=time.perf_counter() - started,
            **self._tested([fold], [proba]),
        )

    def _scored(
        self, model: ZooModel, folds: list[Fold], done: list[Training], started: float
    ) -> Result:
        accuracies = [epoch.test_accuracy for training in done for epoch in training.epochs]
        return Result(
            model.name,
            model.title,
            model,
            split=model.split,
            photos=sum(len(fold.train) for fold in folds) // len(folds),
            rows=sum(len(fold.train.labels) for fold in self.filled(folds)) // len(folds),
            validation=(min(accuracies), max(accuracies)),
            epoch_range=range_over_epochs(accuracies),
            curves=[training.epochs for training in done],
            seconds=time.perf_counter() - started,
            **self._tested(folds, [training.proba for training in done]),
        )

    def _tested(self, folds: list[Fold], probas: list[NDArray[np.float64]]) -> dict[str, Any]:
        """accuracy and confusion over the test photos of all folds, each tested once."""
        tested = np.concatenate([fold.test for fold in folds])
        predicted = np.concatenate([proba.argmax(axis=1) for proba in probas])
        right = self.photos.labels[tested]
        confusion = np.zeros((len(self.photos.names),) * 2, dtype=np.int64)
        known = right != NO_LABEL
        np.add.at(confusion, (right[known], predicted[known]), 1)
        interval = share_right(predicted == right, self.photos.groups_of(tested))
        return {"accuracy": interval, "confusion": confusion.tolist()}

    def _trainings(
        self, model: ZooModel, planned: PlannedBackbone, folds: Sequence[Fold], seed: list[int]
    ) -> list[Training]:
        filled = self.filled(folds)
        progress = self.options.progress
        table = zoo_features(self.workspace, self.photos, planned, filled, progress=progress)
        epochs = RUNS * self.options.epochs
        total = epochs * len(filled)
        with tqdm(total=total, desc=model.title, unit="epoch", disable=not progress) as bar:
            return [
                train_zoo_model(
                    model,
                    *fold_rows(table, self.photos, fold),
                    len(self.photos.names),
                    np.random.default_rng([*seed, number]),
                    epochs=epochs,
                    after_epoch=bar.update,
                )
                for number, fold in enumerate(filled)
            ]

    def _fold_accuracies(self, name: str, folds: list[Fold]) -> list[float]:
        if name == LOOP:
            table = self._loop_table()
            probas = [self._loop_proba(table, fold) for fold in folds]
        else:
            model = zoo_model(name)
            done = self._trainings(model, self.planned(model.base), folds, [self.photos.seed, 1])
            probas = [training.proba for training in done]
        return [
            float((proba.argmax(axis=1) == self.photos.labels[fold.test]).mean())
            for fold, proba in zip(folds, probas, strict=True)
        ]

    def _loop_table(self) -> FeatureTable:
        weights = self._weights.get(self.workspace.config.backbone)
        options = FeatureOptions(weights, self.options.verify_weights, self.options.progress)
        return features_of(self.workspace, self.photos.ids, options)[0]

    def _loop_proba(self, table: FeatureTable, fold: Fold) -> NDArray[np.float64]:
        rows, classes = table.rows(self.photos.ids), len(self.photos.names)
        order = np.argsort(rows[fold.train], kind="stable")
        targets = np.eye(classes)[self.photos.labels[fold.train]]
        data = RoundData(
            features=table.features,
            labelled=rows[fold.train][order],
            targets=targets[order],
            candidates=np.empty(0, dtype=np.int64),
            heldout=rows[fold.test],
            truth=np.eye(classes, dtype=bool)[self.photos.labels[fold.test]],
            groups=self.photos.groups_of(fold.test),
            labels=self.photos.names,
            exclusive=True,
            metric="accuracy",
        )
        learner = train(data)
        if learner is None:
            raise ModelError("Nothing to train on: no photo has a label.")
        return np.asarray(learner.predict_proba(np.asarray(table.features[data.heldout])))


def check_pair(first: str, second: str) -> None:
    """Raises ModelError unless both are known and differ in more than the split."""
    if _learner(first) == _learner(second):
        raise ModelError(
            f"{first} and {second} are the same model, at most on another split. Name two that "
            "differ."
        )


def _learner(name: str) -> tuple[object, ...]:
    """What a model is apart from its split."""
    if name == LOOP:
        return (LOOP,)
    model = zoo_model(name)
    return (model.base, model.optimiser, model.learning_rate, model.dropout)


def _by_network(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        network = network_of(path)
        if network in found:
            raise WeightsError(
                f"{found[network]} and {path} both hold {network}'s weights. Give one of them."
            )
        found[network] = path
    return found
