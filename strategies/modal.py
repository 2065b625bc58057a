"""modAL, both ways: our strategies as its query strategies, its strategies under our names.

`query_strategy(name)` is what `modAL.models.ActiveLearner` and `Committee` take. `modal:<name>` in
the registry runs modAL's own function of that name over a `Pool`; `peer_names()` lists them. The
library is the package modAL-python; it is imported on use alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies.base import Pool, Selection, StrategyError, UnknownStrategy, check
from strategies.diversity import diverse_seed
from strategies.modal_rows import keys_of, rows_of
from strategies.registry import Entry, entry, seeded, suggestion

FEATURES_ALONE = frozenset(
    (
        *("random", "stratified", "kcenter", "kmeans", "typiclust"),
        *("probcover", "maxherding", "graph_density", "hierarchical"),
    )
)
"""Strategies that never read probabilities, so that any estimator will do for them."""


class QueryStrategy:
    """One of our strategies as a modAL query strategy; see `query_strategy`.

    `last` is the latest `Selection`, with its `info`. A schedule's state in `info["state"]` goes
    into the next query, its `rows` in that query's numbers: teaching renumbers the pool.
    """

    def __init__(
        self,
        name: str,
        rng: np.random.Generator | None = None,
        multilabel: bool | None = None,
        **params: Any,
    ) -> None:
        self.name = name
        self.entry = entry(name)
        self.rng = np.random.default_rng() if rng is None else rng
        self.multilabel = multilabel
        self.params = params
        self.last: Selection | None = None
        self._remembered: list[bytes | str] = []
        if self.entry.reasks:
            raise StrategyError(
                f"{name} ranks answered photos beside new ones, and modAL asks about rows of "
                f"X_pool alone. Use strategies.get({name!r}) over a Pool, or margin here."
            )

    def __call__(
        self, classifier: Any, X_pool: Any, n_instances: int = 1, **params: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """(indices, scores) of n_instances rows of X_pool, best first, higher = ask sooner.

        Raises StrategyError. (modAL's own `query` catches everything and calls again, so that an
        error shows up twice in a traceback; the last one is ours.)
        """
        learners = _learners(classifier)
        if self.name not in FEATURES_ALONE:
            _require_probabilities(learners, self.name)
        pool = pool_of(classifier, X_pool, self.multilabel)
        state = self._state(X_pool, learners[0].X_training)
        given = {"state": state} if state else {}
        self.last = self.entry.function(
            pool, n_instances, rng=self.rng, **{**self.params, **given, **params}
        )
        rows = (self.last.info.get("state") or {}).get("rows", [])
        self._remembered = keys_of(rows, X_pool, learners[0].X_training)
        return self.last.indices, self.last.scores

    def _state(self, X_pool: Any, X_training: Any) -> Mapping[str, Any] | None:
        """The latest state with its rows as this pool numbers them, -1 where it was not taught."""
        state = None if self.last is None else self.last.info.get("state")
        if not state or "rows" not in state:
            return state
        return {**state, "rows": rows_of(self._remembered, X_pool, X_training)}


def query_strategy(
    name: str,
    *,
    rng: np.random.Generator | None = None,
    multilabel: bool | None = None,
    **params: Any,
) -> QueryStrategy:
    """The strategy of that name as modAL takes it.

    That is: (learner, X_pool, n_instances) -> (indices, scores), as arrays of n_instances.
    It reads the learner's probabilities, training data and, of a `Committee`, the members'. Before
    anything is fitted the pool is cold. multilabel: None finds out: targets in columns and
    probabilities that do not sum to 1. Without `rng` every run differs. `params` go to the
    strategy. An estimator without `predict_proba` will do for FEATURES_ALONE. Raises
    UnknownStrategy, and StrategyError for a strategy that asks about answered photos again.
    """
    return QueryStrategy(name, rng, multilabel, **params)


def pool_of(learner: Any, X_pool: Any, multilabel: bool | None = None) -> Pool:
    """A modAL learner's or committee's view of X_pool (m, d) as a `Pool`, candidates first.

    Cold (`proba` None) before it is fitted, and where the estimator gives no probabilities.
    Raises StrategyError for features that are not a dense matrix.
    """
    learners = _learners(learner)
    X_training, y_training = learners[0].X_training, learners[0].y_training
    parts = [X_pool] if X_training is None else [X_pool, X_training]
    if getattr(learner, "on_transformed", False):
        parts = [learner.transform_without_estimating(part) for part in parts]
    features = np.concatenate([_dense(part) for part in parts])
    members = _members(learner, learners, X_pool)
    proba = None if members is None else members.mean(axis=0)
    classes = getattr(learner if len(learners) > 1 else learners[0].estimator, "classes_", None)
    targets = _targets(y_training, classes, 1 if proba is None else proba.shape[1])
    if multilabel is None:
        columns = y_training is not None and np.ndim(y_training) == 2
        sums = None if proba is None else proba.sum(axis=1)
        multilabel = columns and (sums is None or bool(np.abs(sums - 1).max(initial=0) > 0.01))
    m = len(features) - len(targets)
    return Pool(
        features,
        np.arange(m),
        np.arange(m, len(features)),
        targets,
        proba,
        multilabel,
        members if members is not None and len(members) > 1 else None,
    )


def _dense(X: Any) -> np.ndarray:
    if hasattr(X, "toarray"):
        raise StrategyError("Features in a sparse matrix: expected a dense array. Use X.toarray().")
    return np.asarray(X, dtype=np.float32)


def _learners(learner: Any) -> list[Any]:
    """A committee's learners, or the one."""
    return list(getattr(learner, "learner_list", [learner]))


def _without_probabilities(learners: list[Any]) -> list[str]:
    """The names of the estimators that have no `predict_proba`."""
    estimators = [one.estimator for one in learners]
    return [type(one).__name__ for one in estimators if not hasattr(one, "predict_proba")]


def _require_probabilities(learners: list[Any], name: str) -> None:
    lacking = _without_probabilities(learners)
    if lacking:
        raise StrategyError(
            f"{lacking[0]} has no predict_proba, and {name} reads probabilities. Take an estimator "
            "that gives them (CalibratedClassifierCV wraps others), or a strategy of features "
            f"alone: {', '.join(sorted(FEATURES_ALONE))}."
        )


def _members(learner: Any, learners: list[Any], X_pool: Any) -> np.ndarray | None:
    """Probabilities (T, m, C) of every learner, None where there are none (yet)."""
    from sklearn.exceptions import NotFittedError

    if _without_probabilities(learners):
        return None
    # modAL's vote_proba brings classes into line, but not one array for each label.
    by_label = any(isinstance(getattr(one.estimator, "classes_", 0), list) for one in learners)
    try:
        if len(learners) > 1 and not by_label:
            return np.moveaxis(np.asarray(learner.vote_proba(X_pool)), 1, 0)
        return np.stack([_label_proba(one, X_pool) for one in learners])
    except NotFittedError:
        return None


def _label_proba(learner: Any, X_pool: Any) -> np.ndarray:
    """(m, C), also from scikit-learn's list with a column for every value that a label had."""
    proba = learner.predict_proba(X_pool)
    if not isinstance(proba, list):
        return np.asarray(proba)
    pairs = zip(proba, learner.estimator.classes_, strict=True)
    return np.stack([_on(label, values) for label, values in pairs], axis=1)


def _on(proba: np.ndarray, values: Any) -> np.ndarray:
    """The probability (m,) that a label is on: its column of value 1, 0 if never seen on."""
    # Summed, since a label that was off in all training data has no such column.
    return np.asarray(proba[:, np.asarray(values) == 1].sum(axis=1))


def _targets(y: Any, classes: Any, columns: int) -> np.ndarray:
    """Soft labels (l, C) from class labels (l,) or columns (l, C)."""
    if y is None:
        return np.zeros((0, columns))
    y = np.asarray(y)
    if y.ndim == 2:
        return y.astype(np.float64)
    known = np.unique(y) if classes is None else np.asarray(classes)
    return (y[:, None] == known[None]).astype(np.float64)


@dataclass(frozen=True)
class _Peer:
    """A function of modAL: its module, whether its metric is lowest first, what it takes."""

    module: str
    about: str
    lowest_first: bool = False
    committee: bool = False
    multilabel: bool = False
    ranked: bool = False
    most: int | None = None


_PEERS = {
    "uncertainty_sampling": _Peer("uncertainty", "least confidence"),
    "margin_sampling": _Peer("uncertainty", "smallest margin", lowest_first=True),
    "entropy_sampling": _Peer("uncertainty", "highest entropy"),
    "uncertainty_batch_sampling": _Peer("batch", "ranked batch (Cardoso et al. 2017)", ranked=True),
    "vote_entropy_sampling": _Peer("disagreement", "vote entropy", committee=True),
    "consensus_entropy_sampling": _Peer("disagreement", "consensus entropy", committee=True),
    "max_disagreement_sampling": _Peer("disagreement", "largest divergence", committee=True),
    "SVM_binary_minimum": _Peer("multilabel", "binary minimum", True, multilabel=True, most=1),
    "max_loss": _Peer("multilabel", "max loss", multilabel=True),
    "mean_max_loss": _Peer("multilabel", "mean max loss", multilabel=True),
    "min_confidence": _Peer("multilabel", "lowest probability", True, multilabel=True),
    "avg_confidence": _Peer("multilabel", "mean probability", multilabel=True),
    "max_score": _Peer("multilabel", "highest score", multilabel=True),
    "avg_score": _Peer("multilabel", "mean score", multilabel=True),
}


def peer_names() -> list[str]:
    """The names that `strategies.get` takes for modAL's own strategies, sorted."""
    return sorted(f"modal:{name}" for name in _PEERS)


def adapted(name: str) -> Entry:
    """modAL's function of that name as an entry of the registry.

    It sees the candidates in random order, so that ties fall by `rng`; before there is a model it
    gives our diverse seed, since modAL has none. Raises UnknownStrategy, and StrategyError where
    modAL is not installed.
    """
    if name not in _PEERS:
        raise UnknownStrategy(
            f"modAL has no strategy {name!r} here. {suggestion(f'modal:{name}', peer_names())}"
        )
    peer = _PEERS[name]
    try:
        function = getattr(importlib.import_module(f"modAL.{peer.module}"), name)
    except ImportError as error:
        raise StrategyError(
            "modAL is not installed. Install modAL-python (never modal, another package)."
        ) from error

    def run(pool: Pool, k: int, *, rng: np.random.Generator, **params: Any) -> Selection:
        check(pool, k)
        _refuse(pool, k, name, peer)
        if pool.proba is None:
            return diverse_seed(pool, k, rng)
        order = rng.permutation(len(pool.candidates))
        learner = _Given(pool, order)
        if peer.most is None:
            params = {"n_instances": k, **params}
        if not peer.ranked:
            # max_score's default draws from NumPy's global generator; the order is random already.
            params = {"random_tie_break": False, **params}
        found = function(learner, pool.features[pool.candidates[order]], **params)
        chosen = order[np.atleast_1d(found[0] if isinstance(found, tuple) else found)]
        if not isinstance(found, tuple) or peer.ranked:
            return Selection(pool.candidates[chosen], -np.arange(len(chosen), dtype=float))
        scores = np.asarray(found[1], dtype=float) * (-1 if peer.lowest_first else 1)
        best = np.argsort(-scores, kind="stable")
        return Selection(pool.candidates[chosen[best]], scores[best])

    return Entry(
        seeded(run),
        f"modAL's {name}: {peer.about}.",
        needs_members=peer.committee,
        multilabel_only=peer.multilabel,
        most=peer.most,
    )


def _refuse(pool: Pool, k: int, name: str, peer: _Peer) -> None:
    if peer.multilabel and not pool.multilabel:
        raise StrategyError(f"modAL's {name} is for multi-label pools. Use margin.")
    if peer.most is not None and k > peer.most:
        raise StrategyError(f"modAL's {name} selects at most {peer.most} photo, not {k}.")
    if peer.committee and pool.members is None and pool.proba is not None:
        raise StrategyError(f"modAL's {name} needs a committee. Give Pool.members, or use margin.")


class _Given:
    """A learner or committee that answers with the pool's probabilities, candidates in `order`."""

    def __init__(self, pool: Pool, order: np.ndarray) -> None:
        assert pool.proba is not None
        self.proba = np.asarray(pool.proba, dtype=np.float64)[order]
        self.members = None if pool.members is None else pool.members[:, order]
        self.multilabel = pool.multilabel
        self.classes_ = np.arange(self.proba.shape[1])
        self.X_training = pool.features[pool.labelled] if len(pool.labelled) else None
        self.on_transformed = False
        self.estimator = self
        self.estimators_ = [_Decision(self.proba[:, label]) for label in self.classes_]

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.proba

    def predict(self, X: Any) -> np.ndarray:
        return (self.proba >= 0.5).astype(int) if self.multilabel else self.proba.argmax(axis=1)

    def vote_proba(self, X: Any) -> np.ndarray:
        assert self.members is not None
        return np.moveaxis(self.members, 0, 1)

    def vote(self, X: Any) -> np.ndarray:
        return self.vote_proba(X).argmax(axis=2)

    def __len__(self) -> int:
        return 0 if self.members is None else len(self.members)

    def __iter__(self) -> Any:
        return iter(range(len(self)))


class _Decision:
    """A binary classifier of one label whose decision is 2p - 1."""

    def __init__(self, proba: np.ndarray) -> None:
        self.proba = proba

    def decision_function(self, X: Any) -> np.ndarray:
        return np.asarray(2.0 * self.proba - 1.0)
