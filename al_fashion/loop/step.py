"""One round on arrays: train, evaluate, select. Real rounds and simulations both use it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import strategies
from al_fashion.loop.learner import Learner
from al_fashion.models.heads import LinearHead
from al_fashion.stats.metrics import evaluate_predictions
from al_fashion.types import Evaluation

# Fewer answered held-out photos than this say too little to show a number.
MIN_EVALUATED = 30


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


def evaluate(learner: Learner | None, data: RoundData) -> Evaluation | None:
    """The learner on the answered held-out photos; None while too few are answered."""
    if learner is None or len(data.heldout) < MIN_EVALUATED:
        return None
    features = np.asarray(data.features[data.heldout])
    return evaluate_predictions(
        learner.predict_proba(features),
        learner.predict(features),
        data.truth,
        data.groups,
        data.labels,
        exclusive=data.exclusive,
        metric=data.metric,
    )


def select(
    learner: Learner | None, data: RoundData, strategy: str, k: int, rng: np.random.Generator
) -> strategies.Selection:
    """The k candidates that the strategy would ask about; at first, its own seed set.

    Raises strategies.StrategyError.
    """
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
