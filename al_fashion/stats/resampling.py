"""Intervals for measures that are no plain share: F1, mean average precision, losses.

Photos of a group (a product, a sender) are not independent: variances add up groups, and the
bootstrap draws groups, not photos.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from al_fashion.stats.intervals import effective_bounds
from al_fashion.types import Interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Of a label with fewer photos than this, an F1 or an average precision says nothing.
MIN_PHOTOS = 5


def delta_share(
    value: float,
    influence: Floats,
    groups: Sequence[str],
    confidence: float = 0.95,
    *,
    decisions: int = 1,
) -> Interval:
    """The delta method for a measure in [0, 1]: its variance is that of its influences.

    `influence` (n,) says how much each photo moves the measure, times n; their mean is 0. The
    bounds are Clopper and Pearson's at the sample size that has this variance, at most
    n * `decisions`, which keeps them in [0, 1] and, where no error was seen, as wide as the
    number of groups makes them. One group alone says nothing.
    """
    sums, n = _group_sums(influence, groups), len(influence)
    if len(sums) < 2:
        return Interval(value, 0.0, 1.0, "one-group", confidence, n)
    variance, most = _variance(sums, n), n * decisions
    low, high = effective_bounds(value, variance, most, len(sums), confidence)
    return Interval(value, low, high, "delta", confidence, n)


def cluster_t(values: Floats, groups: Sequence[str], confidence: float = 0.95) -> Interval:
    """Mean and t-interval of any (n,) values, a degree of freedom a group; not for shares.

    Raises ValueError for fewer than 2 groups.
    """
    mean, n = float(values.mean()), len(values)
    sums = _group_sums(values - mean, groups)
    if len(sums) < 2:
        raise ValueError(f"{len(sums)} groups were given, at least 2 are needed.")
    tail = (1 - confidence) / 2
    half = float(stats.t.isf(tail, len(sums) - 1) * np.sqrt(_variance(sums, n)))
    return Interval(mean, mean - half, mean + half, "cluster-t", confidence, n)


def micro_f1(
    predicted: Bools, truth: Bools, groups: Sequence[str], confidence: float = 0.95
) -> Interval | None:
    """F1 over all labels together, of (n, C) labels; None where no label was said or right."""
    both = 2.0 * (predicted & truth).sum(axis=1)
    either = (predicted.sum(axis=1) + truth.sum(axis=1)).astype(np.float64)
    if not either.any():
        return None
    value = float(both.sum() / either.sum())
    influence = (both - value * either) / either.mean()
    return delta_share(value, influence, groups, confidence, decisions=truth.shape[1])


def macro_f1(
    predicted: Bools, truth: Bools, groups: Sequence[str], confidence: float = 0.95
) -> Interval | None:
    """Mean F1 of the labels that MIN_PHOTOS photos or more have; None where none has."""
    common = truth.sum(axis=0) >= MIN_PHOTOS
    if not common.any():
        return None
    both = 2.0 * (predicted & truth)[:, common]
    either = predicted[:, common].astype(np.float64) + truth[:, common]
    values = both.sum(axis=0) / either.sum(axis=0)
    influence = ((both - values * either) / either.mean(axis=0)).mean(axis=1)
    decisions = int(common.sum())
    return delta_share(float(values.mean()), influence, groups, confidence, decisions=decisions)


def mean_average_precision(
    proba: Floats,
    truth: Bools,
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    repeats: int = 1000,
    confidence: float = 0.95,
) -> Interval | None:
    """Mean over labels (MIN_PHOTOS photos or more) of the average precision; bootstrapped.

    `proba`, `truth` are (n, C). Average precision as in scikit-learn, without interpolation. Its
    estimates are skewed near 1 and too high of few photos, so that its variance alone would
    flatter: however many labels there are, it gets no narrower than a share of n photos.
    """
    common = np.flatnonzero(truth.sum(axis=0) >= MIN_PHOTOS)
    if not len(common):
        return None
    orders = {label: np.argsort(-proba[:, label], kind="stable") for label in common}

    def measure(weights: Floats) -> float:
        found = [
            _average_precision(truth[order, label], proba[order, label], weights[order])
            for label, order in orders.items()
        ]
        return float(np.nanmean(found))

    return cluster_bootstrap(measure, groups, rng, repeats=repeats, confidence=confidence)


def cluster_bootstrap(
    measure: Callable[[Floats], float],
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    repeats: int = 1000,
    confidence: float = 0.95,
    decisions: int = 1,
) -> Interval:
    """The bootstrap's variance of a measure in [0, 1], drawing whole groups with replacement.

    `measure` gets a weight for each photo, how often it was drawn. The bounds are Clopper and
    Pearson's at the sample size that has this variance, at most n * `decisions`: the bootstrap's
    own percentiles miss the true average precision up to a third of the time where it is near 1.
    The variance of draws of G groups is too small by (G - 1) / G, which is mended.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    value, n = measure(np.ones(len(member))), len(member)
    if len(names) < 2:
        return Interval(value, 0.0, 1.0, "one-group", confidence, n)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=repeats)
    found = np.array([measure(draw[member].astype(np.float64)) for draw in draws])
    variance = float(np.nanvar(found, ddof=1)) * len(names) / (len(names) - 1)
    low, high = effective_bounds(value, variance, n * decisions, len(names), confidence)
    return Interval(value, low, high, "cluster-bootstrap", confidence, n)


def _average_precision(truth: Bools, scores: Floats, weights: Floats) -> float:
    """Of one label, photos in falling order of their scores; nan where none has the label."""
    hits, seen = np.cumsum(weights * truth), np.cumsum(weights)
    if hits[-1] == 0:
        return float("nan")
    last = np.append(scores[:-1] != scores[1:], True)
    hits, seen = hits[last], seen[last]
    precision = hits / np.maximum(seen, 1e-300)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def _group_sums(values: Floats, groups: Sequence[str]) -> Floats:
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    return np.asarray(np.bincount(member, weights=values), np.float64)


def _variance(sums: Floats, n: int) -> float:
    """Variance of a mean over n photos from its (groups,) sums of deviations."""
    return float(len(sums) / (len(sums) - 1) * np.sum(sums**2) / n**2)
