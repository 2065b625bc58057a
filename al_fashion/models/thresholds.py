"""Which labels a photo gets, where it may have several: how probable each label must be."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ONE_HALF = 0.5


def decide(proba: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """(n, C) bool from (n, C + 1) probabilities, 'none of these' last, and (C,) thresholds.

    Where no label reaches its threshold, the most probable one stands alone unless 'none of
    these' is more probable still: after few answers hardly any label would reach it.
    """
    best = np.eye(proba.shape[1], dtype=bool)[proba.argmax(axis=1)]
    likely = proba[:, :-1] >= thresholds
    return np.where(likely.any(axis=1, keepdims=True), likely, best[:, :-1])


def choose_thresholds(proba: Floats, targets: Floats) -> Floats:
    """(C,) thresholds by photos whose probabilities (n, C + 1) were not fitted to their targets.

    Half of a label's best F1 is the threshold that reaches it (Lipton, Elkan and Naryanaswamy,
    ECML 2014), so that rare labels are found at all; one half for all where more sets of labels
    are exactly right that way, since that is what accuracy counts. `targets` (n, C + 1) are soft,
    NaN where a label was not answered; a set is right where its answered labels are.
    """
    half = np.full(proba.shape[1] - 1, ONE_HALF)
    columns = zip(proba[:, :-1].T, targets[:, :-1].T, strict=True)
    lower = np.array([_best_f1(values, truth) / 2 for values, truth in columns])
    unknown, truth = np.isnan(targets[:, :-1]), targets[:, :-1] > ONE_HALF

    def exactly_right(thresholds: Floats) -> int:
        return int(((decide(proba, thresholds) == truth) | unknown).all(axis=1).sum())

    return lower if exactly_right(lower) >= exactly_right(half) else half


def _best_f1(values: Floats, targets: Floats) -> float:
    """The highest F1 of any threshold; 1 where the label was never seen, or never missing."""
    known = ~np.isnan(targets)
    truth = targets[known] > ONE_HALF
    if truth.all() or not truth.any():
        return 1.0
    order = np.argsort(-values[known], kind="stable")
    hits, taken = np.cumsum(truth[order]), np.arange(1, len(order) + 1)
    return float((2 * hits / (taken + truth.sum())).max())
