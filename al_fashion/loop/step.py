"""One round on arrays: train, evaluate, select. Real rounds and simulations both use it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import strategies
from al_fashion.loop.learner import Learner
from al_fashion.models.heads import LinearHead
from al_fashion.stats.metrics import Earlier, Predictions, evaluate_predictions
from al_fashion.types import Evaluation

# Fewer answered held-out photos than this say too little to show a number.
MIN_EVALUATED = 30
SEED_SET_STRATEGY = "kmeans"


class Predictor(Protocol):
    """A learner, or a model read from its file."""

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]: ...

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class RoundData:
    """What a round works on. Rows are row numbers of `features` (n, d) float32.

    `targets` (l, C) float64 are soft labels of `labelled` (l,); `truth` (h, C) bool and
    `groups` (h,) belong to `heldout` (h,); `candidates` (m,) may be asked about.
    """

    features: NDArray[np.float32]
    labelled: NDArray[np.int64]
    targets: NDArray[np.float64]
    candidates: NDArray[np.int64]
    heldout: NDArray[np.int64]
    truth: NDArray[np.bool_]
    groups: list[str]
    labels: list[str]
    exclusive: bool
    metric: str

    def with_labelled(self, rows: NDArray[np.int64], targets: NDArray[np.float64]) -> "RoundData":
        """The same data with more photos answered; the labelled stay in the rows' order."""
        labelled = np.concatenate([self.labelled, rows])
        order = np.argsort(labelled, kind="stable")
        return replace(
            self,
            labelled=labelled[order],
            targets=np.concatenate([self.targets, targets])[order],
            candidates=np.setdiff1d(self.candidates, rows),
        )


def round_generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one round of a workspace."""
    return np.random.default_rng([seed, number])


def train(data: RoundData) -> Learner | None:
    """A learner fitted to everything answered; None where there is nothing to learn from."""
    informative = len(data.targets) and not (data.exclusive and not data.targets.any())
    if not informative:
        return None
    learner = Learner(estimator=LinearHead(exclusive=data.exclusive))
    learner.fit(np.asarray(data.features[data.labelled]), data.targets)
    return learner


def evaluate(
    learner: Learner | None,
    data: RoundData,
    look: int = 1,
    before: tuple[int, Predictor] | None = None,
) -> Evaluation | None:
    """The learner on the answered held-out photos; None while too few are answered.

    `look` counts the evaluations on them, this one among them; `before` is the number of the
    round before with its model.
    """
    if learner is None or len(data.heldout) < MIN_EVALUATED:
        return None
    features = np.asarray(data.features[data.heldout])
    earlier = None if before is None else Earlier(before[0], _predictions(before[1], features))
    return evaluate_predictions(
        _predictions(learner, features),
        data.truth,
        data.groups,
        data.labels,
        exclusive=data.exclusive,
        metric=data.metric,
        look=look,
        earlier=earlier,
    )


def _predictions(model: Predictor, features: NDArray[np.float32]) -> Predictions:
    return Predictions(model.predict_proba(features), model.predict(features))


def select(
    learner: Learner | None, data: RoundData, strategy: str, k: int, rng: np.random.Generator
) -> strategies.Selection:
    """The k candidates that the strategy would ask about; a diverse seed set at first.

    Raises strategies.StrategyError.
    """
    if learner is None and strategy != "random":
        strategy = SEED_SET_STRATEGY
    pool = strategies.Pool(
        features=data.features,
        candidates=data.candidates,
        labelled=data.labelled,
        targets=data.targets,
        proba=None if learner is None else _predict_rows(learner, data),
        multilabel=not data.exclusive,
    )
    return strategies.get(strategy)(pool, k, rng=rng)


def _predict_rows(learner: Learner, data: RoundData, chunk: int = 8192) -> NDArray[np.float64]:
    """(m, C) probabilities of the candidates, read a chunk at a time."""
    parts = [
        learner.predict_proba(np.asarray(data.features[data.candidates[start : start + chunk]]))
        for start in range(0, len(data.candidates), chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(data.labels)))
