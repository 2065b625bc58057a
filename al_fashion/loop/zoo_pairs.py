"""Do two models differ? Five repeats of two halves, each half trained on once and tested once."""

from dataclasses import dataclass

import numpy as np

from al_fashion.errors import ModelError
from al_fashion.loop.zoo import Zoo
from al_fashion.loop.zoo_data import Fold
from al_fashion.loop.zoo_own import LOOP, own_predictions
from al_fashion.models.zoo import zoo_model
from al_fashion.stats.comparison import REPEATS, PairedTest, alpaydin_f, dietterich_t


@dataclass(frozen=True)
class PairResult:
    """5×2cv of two models: their mean accuracies over the ten folds and both tests."""

    first: str
    second: str
    means: tuple[float, float]
    tests: tuple[PairedTest, PairedTest]


def check_pair(first: str, second: str) -> None:
    """Raises ModelError unless both are known and differ in more than the split."""
    if _learner(first) == _learner(second):
        raise ModelError(
            f"{first} and {second} are the same model, at most on another split. Name two that "
            "differ."
        )


def paired_folds(zoo: Zoo, first: str, second: str) -> list[Fold]:
    """The ten folds of a pair.

    Raises ModelError for a pair or photos that cannot be compared so.
    """
    check_pair(first, second)
    if LOOP in (first, second) and zoo.workspace.config.weights and not zoo.weights:
        raise ModelError(
            "The workspace's weights were fine-tuned on labels that these folds would test with. "
            "Give ImageNet's with --weights."
        )
    return [fold for repeat in range(REPEATS) for fold in zoo.halves(repeat + 1)]


def compare_pair(zoo: Zoo, first: str, second: str) -> PairResult:
    """Both paired tests on the same ten folds. Raises ModelError, WeightsError, MissingPhotos."""
    folds = paired_folds(zoo, first, second)
    scores = np.array([_accuracies(zoo, name, folds) for name in (first, second)])
    differences = (scores[0] - scores[1]).reshape(REPEATS, 2)
    means = (float(scores[0].mean()), float(scores[1].mean()))
    return PairResult(first, second, means, (dietterich_t(differences), alpaydin_f(differences)))


def _accuracies(zoo: Zoo, name: str, folds: list[Fold]) -> list[float]:
    if name == LOOP:
        probas = own_predictions(zoo, folds)
    else:
        model = zoo_model(name)
        done = zoo.trainings(model, zoo.planned(model.base), folds)
        probas = [training.proba for training in done]
    return [
        float((proba.argmax(axis=1) == zoo.photos.labels[fold.test]).mean())
        for fold, proba in zip(folds, probas, strict=True)
    ]


def _learner(name: str) -> tuple[object, ...]:
    """What a model is apart from its split."""
    if name == LOOP:
        return (LOOP,)
    model = zoo_model(name, also=[LOOP])
    return (model.base, model.optimiser, model.learning_rate, model.dropout)
