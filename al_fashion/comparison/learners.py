"""A scikit-learn estimator or a modAL learner in the head's place."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import VotingClassifier

from al_fashion.comparison.own_code import named
from al_fashion.errors import ComparisonError


class EstimatorHead(ClassifierMixin, BaseEstimator):
    """An estimator that knows class numbers, made to learn and tell labels as the head does.

    Soft labels count as what is likelier. Where a photo may have several labels, each has an
    estimator of its own.
    """

    def __init__(self, estimator: Any, exclusive: bool) -> None:
        self.estimator = estimator
        self.exclusive = exclusive

    def fit(
        self, X: NDArray[np.floating], y: NDArray[np.floating], **_given: Any
    ) -> "EstimatorHead":
        """Fit to features (n, d) and soft targets (n, C)."""
        targets = np.nan_to_num(y, nan=0.0)
        self.classes_ = np.arange(y.shape[1])
        columns = [targets.argmax(axis=1)] if self.exclusive else list((targets.T >= 0.5) + 0)
        self.fitted_ = [_fitted(self.estimator, X, column) for column in columns]
        return self

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, C) probabilities; classes never seen have none."""
        if self.exclusive:
            return _proba(self.fitted_[0], X, len(self.classes_))
        return np.stack([_proba(each, X, 2)[:, 1] for each in self.fitted_], axis=1)

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n, C) bool: the most probable label in exclusive use, else all of at least one half."""
        proba = self.predict_proba(X)
        if self.exclusive:
            return np.eye(proba.shape[1], dtype=bool)[proba.argmax(axis=1)]
        return np.asarray(proba >= 0.5)


def own_learner(name: str, code: str, exclusive: bool, seed: int) -> EstimatorHead:
    """The estimator that MODULE:NAME or FILE.py:NAME (with its text) names, not yet fitted.

    NAME is an estimator, a class or function that gives one, or a modAL learner or committee,
    whose estimators are taken. Its random states are set to `seed`. Raises ComparisonError.
    """
    found = named(name, code) if code else _imported(name)
    if isinstance(found, type) or not hasattr(found, "fit"):
        found = found()
    found = _without_modal(found)
    for method in ("fit", "predict_proba", "get_params"):
        if not hasattr(found, method):
            raise ComparisonError(
                f"The learner {name} has no {method}. Name a scikit-learn classifier that gives "
                "probabilities, or a modAL learner."
            )
    states = [key for key in found.get_params() if key.split("__")[-1] == "random_state"]
    return EstimatorHead(found.set_params(**dict.fromkeys(states, seed)), exclusive)


def _imported(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ComparisonError(f"No learner {name}. Name one as MODULE:NAME or FILE.py:NAME.")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ComparisonError(f"No learner {name}: {error}. Name one that exists.") from error


def _without_modal(found: Any) -> Any:
    """The estimator of a modAL learner; of a committee, its members' by the mean of their votes."""
    if hasattr(found, "learner_list"):
        members = [(str(n), clone(each.estimator)) for n, each in enumerate(found)]
        return VotingClassifier(members, voting="soft")
    if hasattr(found, "query_strategy"):
        return clone(found.estimator)
    return found


def _fitted(estimator: Any, X: NDArray[np.floating], y: NDArray[np.int64]) -> Any:
    """A fitted copy, or the only class there is."""
    only = y[0]
    return int(only) if (y == only).all() else clone(estimator).fit(X, y)


def _proba(fitted: Any, X: NDArray[np.floating], classes: int) -> NDArray[np.float64]:
    proba = np.zeros((len(X), classes))
    if isinstance(fitted, int):
        proba[:, fitted] = 1.0
    else:
        proba[:, fitted.classes_] = fitted.predict_proba(X)
    return proba
