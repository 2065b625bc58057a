"""One round on arrays: train, evaluate, select. Real rounds and simulations both use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strategies
from al_fashion.loop.learner import Learner
from al_fashion.models.committee import committee_of
from al_fashion.models.dense_head import FEWEST_LABELLED, DenseHead
from al_fashion.models.heads import Head, LinearHead
from al_fashion.models.projection import Projection, fit_projection
from al_fashion.models.propagation import MOST_LABELLED, Background, propagate, spread_out
from al_fashion.stats.metrics import Earlier, Predictions, as_asked, evaluate_predictions
from al_fashion.types import Evaluation

# As likely as not, yet below the half from which strategies count a label as one of the photo's.
UNANSWERED = float(np.nextafter(0.5, 0.0))
# Fewer answered held-out photos than this say too little to show a number.
MIN_EVALUATED = 30


@dataclass(frozen=True)
class RoundData:
    """What a round works on. Rows are row numbers of `features` (n, d) float32.

    `targets` (l, C) float64 are soft labels of `labelled` (l,), NaN where a label was not
    answered; `truth` (h, C) bool and `groups` (h,) belong to `heldout` (h,); `candidates` (m,)
    may be asked about. `row_groups` (n,) are the groups of all rows, None where each photo is its
    own. `projection` made the features of the backbone's own, None where they are the same.
    `answered` (h, C) bool says which labels of `heldout` were; None where all were.
    `votes` (l, J, C) float64 are what each labeller said of `labelled`, NaN where they did not
    answer; None where only the united targets are known.
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
    row_groups: NDArray[np.object_] | None = None
    projection: Projection | None = None
    votes: NDArray[np.float64] | None = None
    answered: NDArray[np.bool_] | None = None

    def with_labelled(self, rows: NDArray[np.int64], targets: NDArray[np.float64]) -> "RoundData":
        """The same data with more photos answered; the labelled stay in the rows' order.

        What each labeller said of them is not known here, so that `votes` become None.
        """
        labelled = np.concatenate([self.labelled, rows])
        order = np.argsort(labelled, kind="stable")
        return replace(
            self,
            labelled=labelled[order],
            targets=np.concatenate([self.targets, targets])[order],
            candidates=np.setdiff1d(self.candidates, rows),
            votes=None,
        )


def projected(data: RoundData, seed: int) -> RoundData:
    """The same with features of 512 dimensions at most, by the pool's principal components.

    The held-out photos have no say in them. `seed` is the workspace's.
    """
    pool = np.sort(np.concatenate([data.candidates, data.labelled]))
    projection = fit_projection(data.features, pool, round_generator(seed, 0))
    if projection is None:
        return data
    return replace(data, features=projection(data.features), projection=projection)


def round_generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one round of a workspace."""
    return np.random.default_rng([seed, number])


def train(data: RoundData, start: Head | None = None) -> Learner | None:
    """A learner fitted to everything answered; None where there is nothing to learn from.

    `start` is the head of an earlier round, of features before projection.
    """
    informative = len(data.targets) and not (data.exclusive and not np.nansum(data.targets))
    if not informative:
        return None
    learner = Learner(estimator=_untrained(data))
    groups = None if data.row_groups is None else data.row_groups[data.labelled]
    rows = np.asarray(data.features[data.labelled])
    first = None if start is None else start.after(data.projection)
    learner.fit(rows, data.targets, groups=groups, start=first, background=_background(data, rows))
    return learner


def _untrained(data: RoundData) -> Head:
    """The kind of head that is best with so many labels (docs/benchmarks.md)."""
    some = np.nansum(data.targets, axis=1) > 0
    if data.exclusive and some.sum() >= FEWEST_LABELLED:
        return DenseHead(exclusive=True)
    return LinearHead(exclusive=data.exclusive)


def _background(data: RoundData, labelled: NDArray[np.float32]) -> Background | None:
    """What the pool's photos probably are, as long as that helps."""
    some = np.nansum(data.targets, axis=1) > 0
    if not (data.exclusive and len(data.candidates) and some.sum() <= MOST_LABELLED):
        return None
    targets = np.nan_to_num(data.targets[some])
    shares = targets / targets.sum(axis=1, keepdims=True)
    unlabelled = np.asarray(data.features[spread_out(data.candidates)])
    return propagate(labelled[some], shares, unlabelled)


def head_of(learner: Learner, data: RoundData) -> Head:
    """The learner's head for features before projection, as it is saved."""
    head: Head = learner.estimator.before(data.projection)
    return head.restore(head.state())


def evaluate(
    learner: Learner | None,
    data: RoundData,
    look: int = 1,
    earlier: Earlier | None = None,
) -> Evaluation | None:
    """The learner on the answered held-out photos; None while too few are answered.

    `look` counts the evaluations on them, this one among them; `earlier` is what the model of
    the round before says of them. A label that was not answered of a photo does not count there.
    """
    if learner is None or len(data.heldout) < MIN_EVALUATED:
        return None
    features = np.asarray(data.features[data.heldout])
    said = predictions_of(learner, features)
    if data.answered is not None:
        said = as_asked(said, data.answered)
        if earlier is not None:
            before = as_asked(earlier.predictions, data.answered)
            earlier = replace(earlier, predictions=before)
    return evaluate_predictions(
        said,
        data.truth,
        data.groups,
        data.labels,
        exclusive=data.exclusive,
        metric=data.metric,
        look=look,
        earlier=earlier,
    )


def earlier_model(head: Head | None, number: int, data: RoundData) -> Earlier | None:
    """What an earlier round's head says of the held-out photos; `data` is not yet projected."""
    if head is None or not len(data.heldout):
        return None
    return Earlier(number, predictions_of(head, np.asarray(data.features[data.heldout])))


def predictions_of(model: Learner | Head, features: NDArray[np.float32]) -> Predictions:
    """What a learner or head says of features (n, d) of its own kind."""
    classifier = model.estimator if isinstance(model, Learner) else model
    if isinstance(classifier, Head):
        return Predictions(*classifier.predictions(features))
    return Predictions(classifier.predict_proba(features), classifier.predict(features))


def select(
    learner: Learner | None,
    data: RoundData,
    strategy: str,
    k: int,
    rng: np.random.Generator,
    state: Mapping[str, Any] | None = None,
) -> strategies.Selection:
    """The k candidates that the strategy would ask about; at first, its own seed set.

    `state` is the `info["state"]` of its selection before, for strategies that take one back.
    Raises strategies.StrategyError.
    """
    pool = strategies.Pool(
        features=data.features,
        candidates=data.candidates,
        labelled=data.labelled,
        targets=np.nan_to_num(data.targets, nan=UNANSWERED),
        proba=None if learner is None else _predict_rows(learner.predict_proba, data),
        multilabel=not data.exclusive,
        members=_members(learner, data, rng) if strategies.needs_members(strategy) else None,
    )
    reasks = strategies.entry(strategy).reasks
    given: dict[str, Any] = {}
    if state is not None and strategies.takes_state(strategy):
        given["state"] = state
    if reasks and data.votes is not None:
        given["votes"] = data.votes
    selection = strategies.get(strategy)(pool, k, rng=rng, **given)
    allowed = np.append(data.candidates, data.labelled) if reasks else data.candidates
    strategies.check_selection(selection, allowed, k)
    return selection


def _members(
    learner: Learner | None, data: RoundData, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """(T, m, C) probabilities of a committee's members for the candidates."""
    if learner is None:
        return None
    committee = committee_of(learner.estimator, learner.X_training, data.targets, rng)
    return np.stack([_predict_rows(member.predict_proba, data) for member in committee])


def _predict_rows(
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    data: RoundData,
    chunk: int = 8192,
) -> NDArray[np.float64]:
    """(m, C) probabilities of the candidates, read a chunk at a time."""
    parts = [
        predict(np.asarray(data.features[data.candidates[start : start + chunk]]))
        for start in range(0, len(data.candidates), chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(data.labels)))
