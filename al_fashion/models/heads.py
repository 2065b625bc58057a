"""The head: a linear classifier on cached features that learns from soft labels.

Logistic regression with soft targets and an L2 penalty, fitted by L-BFGS: independent
sigmoids where a photo may have several labels, softmax where labels exclude each other.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]


class LinearHead(ClassifierMixin, BaseEstimator):
    """`exclusive` chooses softmax over sigmoids; `penalty` weighs the L2 term.

    Features are centred and scaled to a mean square length of 1, so that one penalty serves
    every backbone; 0.01 was best on Fashion-MNIST with 350 labels (0.0001 to 1 were tried).
    """

    def __init__(self, exclusive: bool = False, penalty: float = 0.01) -> None:
        self.exclusive = exclusive
        self.penalty = penalty

    def fit(self, X: NDArray[np.floating], y: NDArray[np.floating]) -> "LinearHead":
        """Fit to features (n, d) and soft targets (n, C) in [0, 1].

        A row of zeros says 'none of these'. In exclusive use it has nothing to teach and is left
        out, and at least one row must have a label; else it is learned like a label of its own.
        """
        features, targets = np.asarray(X, np.float64), np.asarray(y, np.float64)
        if self.exclusive:
            some = targets.sum(axis=1) > 0
            features, targets = features[some], targets[some]
            targets = targets / targets.sum(axis=1, keepdims=True)
        self.classes_ = np.arange(targets.shape[1])
        if not self.exclusive:
            targets = np.column_stack([targets, 1 - targets.max(axis=1)])
        self.centre_ = features.mean(axis=0)
        spread = np.sqrt(((features - self.centre_) ** 2).sum(axis=1).mean())
        self.scale_ = max(float(spread), 1e-12)
        # Thousands of small products: more threads only wait for each other, many times as long
        # where the machine is busy, and would make the last digits depend on their number.
        with threadpool_limits(1, user_api="blas"):
            self._fit_scaled((features - self.centre_) / self.scale_, targets)
        return self

    def _fit_scaled(self, centred: Floats, targets: Floats) -> None:
        basis = _row_space(centred)
        weights, self.bias_ = _minimise(centred @ basis, targets, self.exclusive, self.penalty)
        self.weights_ = basis @ weights

    def decision(self, X: NDArray[np.floating]) -> Floats:
        """(n, C) log-odds; where labels do not exclude each other, 'none of these' is column C."""
        folded = self.weights_ / self.scale_
        shift = self.bias_ - self.centre_ @ folded
        return np.asarray(X @ folded.astype(X.dtype) + shift, np.float64)

    def predict_proba(self, X: NDArray[np.floating]) -> Floats:
        """(n, C) float64 probabilities; rows add up to 1 in exclusive use only."""
        values = self.decision(X)
        return softmax(values, axis=1) if self.exclusive else expit(values[:, :-1])

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n, C) bool: the most probable label in exclusive use, else all of at least one half.

        Where no label reaches one half, the most probable one stands alone unless 'none of
        these' is more probable still: after few answers hardly any label would reach it.
        """
        values = self.decision(X)
        best = np.eye(values.shape[1], dtype=bool)[values.argmax(axis=1)]
        if self.exclusive:
            return best
        likely = values[:, :-1] >= 0
        return np.where(likely.any(axis=1, keepdims=True), likely, best[:, :-1])

    def state(self) -> dict[str, NDArray[Any]]:
        """All that predictions need, to be saved."""
        return {
            "weights": self.weights_.astype(np.float32),
            "bias": self.bias_,
            "centre": self.centre_,
            "scale": np.array(self.scale_),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> "LinearHead":
        """Become what was saved. Raises KeyError where something lacks."""
        self.weights_ = state["weights"].astype(np.float64)
        self.bias_, self.centre_ = state["bias"], state["centre"]
        self.scale_ = float(state["scale"])
        self.classes_ = np.arange(len(self.bias_) - (not self.exclusive))
        return self


def _row_space(centred: Floats) -> Floats:
    """(d, r) orthonormal columns that span the rows.

    An L2-penalised linear fit never leaves the span of its rows, so with fewer photos than
    features the search is done, exactly, in as many dimensions as there are photos.
    """
    n, d = centred.shape
    if n >= d:
        return np.eye(d)
    squares, directions = np.linalg.eigh(centred @ centred.T)
    some = squares > 1e-10 * max(squares.max(initial=0.0), 1e-300)
    basis: Floats = centred.T @ (directions[:, some] / np.sqrt(squares[some]))
    return basis


def _minimise(
    features: Floats, targets: Floats, exclusive: bool, penalty: float
) -> tuple[Floats, Floats]:
    """Weights (r, C) and bias (C,) at the minimum of the penalised cross-entropy."""
    d, classes = features.shape[1], targets.shape[1]
    start = np.zeros((d + 1, classes))
    if not exclusive:
        share = (targets.sum(axis=0) + 0.5) / (len(targets) + 1)
        start[-1] = np.log(share / (1 - share))

    def loss(flat: Floats) -> tuple[float, Floats]:
        parameters = flat.reshape(d + 1, classes)
        values = features @ parameters[:-1] + parameters[-1]
        if exclusive:
            cost = -(targets * log_softmax(values, axis=1)).sum()
            error = softmax(values, axis=1) - targets
        else:
            cost = (np.logaddexp(0, values) - targets * values).sum()
            error = expit(values) - targets
        # A faint penalty on the bias too keeps a label that everyone or no one chose finite.
        weight = np.r_[np.full(d, penalty), 1e-3][:, None]
        cost += 0.5 * (weight * parameters**2).sum()
        gradient = np.vstack([features.T @ error, error.sum(axis=0)]) + weight * parameters
        return float(cost), gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    parameters = found.x.reshape(d + 1, classes)
    return parameters[:-1], parameters[-1]
