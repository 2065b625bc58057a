"""Penalised logistic regression with soft, partly unknown targets, by L-BFGS."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

Floats = NDArray[np.float64]

_BIAS_PENALTY = 1e-3
"""Faint, but keeps a label that everyone or no one chose finite."""
_CURVATURE = 0.1
"""A typical p (1 - p): only the speed depends on it."""
_TOLERANCE = 1e-7
"""Of the loss; single precision cannot tell less."""


@dataclass(frozen=True)
class Logistic:
    """Log-odds `features @ weights + bias`: weights (d, C), bias (C,)."""

    weights: Floats
    bias: Floats

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        return np.asarray(features @ self.weights + self.bias, np.float64)


def fit_logistic(
    features: Floats,
    targets: Floats,
    penalty: float,
    *,
    exclusive: bool,
    start: Logistic | None = None,
    importance: Floats | None = None,
    iterations: int = 300,
) -> Logistic:
    """The minimum of the cross-entropy plus `penalty` / 2 times the squared weights.

    `features` (n, d), `targets` (n, C) in [0, 1]: rows add up to 1 in exclusive use (softmax),
    else NaN says that a label is not known (independent sigmoids). The minimum is unique;
    `start` only saves time. `importance` (n,) weighs the photos, 1 where not given.
    """
    counted = np.ones(len(features)) if importance is None else importance
    if features.shape[0] >= features.shape[1]:
        return _minimise(features, targets, penalty, exclusive, start, counted, iterations)
    basis = row_space(features)
    inner = None if start is None else Logistic(basis.T @ start.weights, start.bias)
    found = _minimise(features @ basis, targets, penalty, exclusive, inner, counted, iterations)
    return Logistic(basis @ found.weights, found.bias)


def row_space(rows: Floats) -> Floats:
    """(d, r) orthonormal columns that span the rows.

    An L2-penalised linear fit never leaves the span of its rows, so with fewer photos than
    features the search is done, exactly, in as many dimensions as there are photos.
    """
    squares, directions = np.linalg.eigh(rows @ rows.T)
    some = squares > 1e-10 * max(squares.max(initial=0.0), 1e-300)
    basis: Floats = rows.T @ (directions[:, some] / np.sqrt(squares[some]))
    return basis


def cross_entropy(values: Floats, targets: Floats, *, exclusive: bool) -> float:
    """The sum over photos and known labels of log-odds `values` (n, C) against `targets`."""
    return float(_losses(values, targets, exclusive).sum())


def _losses(values: Floats, targets: Floats, exclusive: bool) -> Floats:
    """(n, C), 0 where a label is not known."""
    if exclusive:
        return np.asarray(-targets * log_softmax(values, axis=1))
    return np.nan_to_num(np.logaddexp(0, values) - targets * values)


def _losses_and_shares(
    values: Floats, targets: Floats, known: NDArray[np.bool_], exclusive: bool
) -> tuple[Floats, Floats]:
    """(`_losses`, the labels' probabilities) of (C, n) log-odds; `targets` without NaN.

    Called a thousand times a round: SciPy's softmax and log_softmax would find the same sums twice.
    """
    if not exclusive:
        losses = np.where(known, np.logaddexp(0, values) - targets * values, 0.0)
        return losses, np.asarray(expit(values))
    shifted = values - values.max(axis=0)
    shares = np.exp(shifted)
    total = shares.sum(axis=0)
    return -targets * (shifted - np.log(total)), shares / total


def _minimise(
    features: Floats,
    targets: Floats,
    penalty: float,
    exclusive: bool,
    start: Logistic | None,
    importance: Floats,
    iterations: int,
) -> Logistic:
    """In columns scaled by the curvature, where L-BFGS needs a fraction of the steps.

    A label a row and in single precision the products take a third of the time; what they lose,
    about 1e-6 of the log-odds, is less than L-BFGS leaves.
    """
    d, classes = features.shape[1], targets.shape[1]
    scale = 1 / np.sqrt(_CURVATURE * (importance[:, None] * features**2).sum(axis=0) + penalty)
    columns = np.ascontiguousarray((features * scale).T, dtype=np.float32)
    weight = np.r_[penalty * scale**2, _BIAS_PENALTY]
    known = np.ascontiguousarray(~np.isnan(targets).T)
    filled = np.where(known, targets.T, 0.0)

    def loss(flat: Floats) -> tuple[float, Floats]:
        parameters = flat.reshape(classes, d + 1)
        values = parameters[:, :-1].astype(np.float32) @ columns + parameters[:, -1:]
        losses, share = _losses_and_shares(values, filled, known, exclusive)
        cost = float((losses @ importance).sum())
        error = np.where(known, importance * (share - filled), 0.0)
        cost += 0.5 * float((weight * parameters**2).sum())
        gradient = weight * parameters
        gradient[:, :-1] += error.astype(np.float32) @ columns.T
        gradient[:, -1] += error.sum(axis=1)
        return cost, gradient.ravel()

    if start is None:
        first = np.column_stack([np.zeros((classes, d)), _first_bias(filled, known, exclusive)])
    else:
        first = np.column_stack([start.weights.T / scale, start.bias])
    found = minimize(
        loss,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "ftol": _TOLERANCE},
    )
    parameters = found.x.reshape(classes, d + 1)
    return Logistic((parameters[:, :-1] * scale).T, parameters[:, -1])


def _first_bias(targets: Floats, known: NDArray[np.bool_], exclusive: bool) -> Floats:
    """The labels' own shares, of (C, n) targets."""
    share = (targets.sum(axis=1) + 0.5) / (known.sum(axis=1) + 1)
    return np.log(share) if exclusive else np.log(share / (1 - share))
