"""The head: a classifier of cached features that learns from soft labels."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from threadpoolctl import threadpool_limits

from al_fashion.models.logistic import Floats, Logistic, fit_logistic
from al_fashion.models.projection import Projection
from al_fashion.models.propagation import Background
from al_fashion.models.selection import choose, without_choice
from al_fashion.models.thresholds import ONE_HALF, decide


class Head(ClassifierMixin, BaseEstimator, ABC):
    """A classifier of features that learns from soft labels; `exclusive` says at most one a photo.

    Features are centred and scaled to a mean square length of 1. A first layer, `weights_` (d, h)
    and `bias_` (h,), takes them in; what follows is the subclass's.
    """

    about: ClassVar[str]
    """What it is, for a report."""
    exclusive: bool
    weights_: Floats
    bias_: Floats
    temperature_: float
    thresholds_: Floats

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.floating],
        groups: Sequence[str] | NDArray[Any] | None = None,
        start: "Head | None" = None,
        background: Background | None = None,
    ) -> Self:
        """Fit to features (n, d) and soft targets (n, C) in [0, 1]; NaN is a label not answered.

        A row of zeros says 'none of these'. In exclusive use it has nothing to teach and is left
        out, like one without a known label, and at least one row must have a label; else it is
        learned like a label of its own. `groups` (n,) are kept together in cross-validation. A
        head fitted earlier, given as `start`, saves time and changes nothing else. `background`,
        for exclusive use, joins the final fit; the choice is made by what was answered alone.
        """
        features, targets = np.asarray(X, np.float64), np.asarray(y, np.float64)
        some = _informative(targets, self.exclusive)
        features, targets = features[some], _prepared(targets[some], self.exclusive)
        self.classes_ = np.arange(y.shape[1])
        self.centre_ = features.mean(axis=0)
        spread = np.sqrt(((features - self.centre_) ** 2).sum(axis=1).mean())
        self.scale_ = max(float(spread), 1e-12)
        kept = None if groups is None else np.asarray(groups)[some]
        # Thousands of small products: more threads only wait for each other, many times as long
        # where the machine is busy, and would make the last digits depend on their number.
        with threadpool_limits(1, user_api="blas"):
            self._fit_scaled(
                (features - self.centre_) / self.scale_, targets, kept, start, background
            )
        return self

    @abstractmethod
    def _fit_scaled(
        self,
        features: Floats,
        targets: Floats,
        groups: NDArray[Any] | None,
        start: "Head | None",
        background: Background | None,
    ) -> None:
        """Learn from scaled features and targets that are prepared."""

    @abstractmethod
    def decision(self, X: NDArray[np.floating]) -> Floats:
        """(n, C) log-odds; where labels do not exclude each other, 'none of these' is column C."""

    def _first_layer(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n, h) of features (n, d), in the features' precision."""
        folded = self.weights_ / self.scale_
        shift = self.bias_ - self.centre_ @ folded
        return np.asarray(X @ folded.astype(X.dtype) + shift.astype(X.dtype))

    def predict_proba(self, X: NDArray[np.floating]) -> Floats:
        """(n, C) float64 probabilities; rows add up to 1 in exclusive use only."""
        return self.predictions(X)[0]

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n, C) bool: the most probable label in exclusive use, else all probable enough."""
        return self.predictions(X)[1]

    def predictions(self, X: NDArray[np.floating]) -> tuple[Floats, NDArray[np.bool_]]:
        """(`predict_proba`, `predict`), for the work of one of them."""
        values = self.decision(X) / self.temperature_
        if self.exclusive:
            proba = softmax(values, axis=1)
            return proba, np.eye(values.shape[1], dtype=bool)[values.argmax(axis=1)]
        proba = expit(values)
        return proba[:, :-1], decide(proba, self.thresholds_)

    def before(self, projection: Projection | None) -> Self:
        """The same classifier of features not yet projected."""
        if projection is None:
            return self
        head = copy(self)
        head.weights_ = projection.components @ self.weights_
        head.centre_ = projection.mean + projection.components @ self.centre_
        return head

    def after(self, projection: Projection | None) -> Self:
        """The nearest classifier of projected features, to start from."""
        if projection is None:
            return self
        head = copy(self)
        head.weights_ = projection.components.T @ self.weights_
        head.centre_ = (self.centre_ - projection.mean) @ projection.components
        return head

    def state(self) -> dict[str, NDArray[Any]]:
        """All that predictions need, to be saved."""
        return {
            "weights": self.weights_.astype(np.float32),
            "bias": self.bias_,
            "centre": self.centre_,
            "scale": np.array(self.scale_),
            "temperature": np.array(self.temperature_),
            "thresholds": self.thresholds_,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become what was saved. Raises KeyError where something lacks."""
        self.weights_ = state["weights"].astype(np.float64)
        self.bias_, self.centre_ = state["bias"], state["centre"]
        self.scale_ = float(state["scale"])
        self.temperature_ = float(state["temperature"])
        self.thresholds_ = state["thresholds"]
        self.classes_ = np.arange(len(self.thresholds_))
        return self


class LinearHead(Head):
    """Logistic regression with an L2 penalty: softmax in exclusive use, else sigmoids.

    `penalty` weighs the L2 term, of scaled features, so that one penalty means the same for every
    backbone. None chooses it, a temperature for the probabilities and, where a photo may have
    several labels, their thresholds, by cross-validation with folds drawn by `seed`.
    """

    about = "logistic regression on soft labels"

    def __init__(
        self, exclusive: bool = False, penalty: float | None = None, seed: int = 0
    ) -> None:
        self.exclusive = exclusive
        self.penalty = penalty
        self.seed = seed

    def _fit_scaled(
        self,
        features: Floats,
        targets: Floats,
        groups: NDArray[Any] | None,
        start: Head | None,
        background: Background | None,
    ) -> None:
        if self.penalty is None:
            rng = np.random.default_rng(self.seed)
            choice = choose(features, targets, groups, rng, exclusive=self.exclusive)
        else:
            choice = without_choice(self.penalty, targets, exclusive=self.exclusive)
        self.penalty_, self.temperature_ = choice.penalty, choice.temperature
        self.thresholds_ = choice.thresholds
        importance = np.ones(len(features))
        if background is not None:
            behind = (background.features.astype(np.float64) - self.centre_) / self.scale_
            features = np.concatenate([features, behind])
            targets = np.concatenate([targets, background.targets])
            importance = np.concatenate([importance, background.weights])
        earlier = None
        if isinstance(start, LinearHead):
            earlier = start._for_features(self.centre_, self.scale_)
        fitted = fit_logistic(
            features,
            targets,
            self.penalty_,
            exclusive=self.exclusive,
            start=earlier,
            importance=importance,
        )
        self.weights_, self.bias_ = fitted.weights, fitted.bias

    def _for_features(self, centre: Floats, scale: float) -> Logistic:
        """The same log-odds of features centred and scaled otherwise."""
        weights = self.weights_ / self.scale_ * scale
        return Logistic(weights, self.bias_ + (centre - self.centre_) @ weights / scale)

    def decision(self, X: NDArray[np.floating]) -> Floats:
        return np.asarray(self._first_layer(X), np.float64)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        # Models saved before there were thresholds have none.
        labels = len(state["bias"]) - (not self.exclusive)
        return super().restore({"thresholds": np.full(labels, ONE_HALF), **state})


def _informative(targets: Floats, exclusive: bool) -> NDArray[np.bool_]:
    """(n,) whether a row has something to teach."""
    if exclusive:
        return np.asarray(np.nansum(targets, axis=1) > 0)
    return np.asarray(~np.isnan(targets).all(axis=1))


def _prepared(targets: Floats, exclusive: bool) -> Floats:
    """Shares that add up to 1, or (n, C + 1) with 'none of these' as the last label."""
    known = np.nan_to_num(targets)
    if exclusive:
        return np.asarray(known / known.sum(axis=1, keepdims=True))
    none = 1 - known.max(axis=1)
    # As long as a label is not answered, it may be the one that the photo has.
    none[np.isnan(targets).any(axis=1) & (none > 0)] = np.nan
    return np.column_stack([targets, none])
