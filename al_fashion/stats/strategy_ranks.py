"""Many strategies at once: BADGE's penalties, mean ranks over data sets, performance profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from al_fashion.stats.strategy_tests import NO_SPREAD, SIGNIFICANT

Floats = NDArray[np.float64]

# Fewer independent data sets than these make no test of ranks worth its name.
FEWEST_DATA_SETS = 6
# Checkpoints end where random has reached this share of its final accuracy.
_ENOUGH = 0.99


@dataclass(frozen=True)
class Ranks:
    """Friedman's test over data sets; mean ranks in the order given, 1 is best.

    Two strategies differ, by Nemenyi, where their mean ranks are `critical_difference` apart.
    """

    data_sets: int
    mean_ranks: list[float]
    chi_square: float
    f: float
    p_value: float
    critical_difference: float


def checkpoints(random: ArrayLike, labels: ArrayLike, batch: float) -> Floats:
    """Label counts n0, n0 + batch, n0 + 2 batch, n0 + 4 batch, … of BADGE's comparison.

    They end before random's mean curve (m,) over labels (m,) has 99 % of its final accuracy.
    """
    curve, counts = np.asarray(random, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    found, step = [float(counts[0])], float(batch)
    while step > 0 and counts[0] + step <= counts[-1]:
        at = float(counts[0] + step)
        if np.interp(at, counts, curve) > _ENOUGH * curve[-1]:
            break
        found.append(at)
        step *= 2
    return np.array(found)


def penalties(
    curves: Sequence[Mapping[int, ArrayLike]], labels: ArrayLike, at: ArrayLike
) -> Floats:
    """(k, k) share of checkpoints `at` at which the row's strategy beats the column's.

    `curves` are by seed, (m,) over labels (m,), one mapping a strategy. To beat is to be ahead by
    a paired t test with p < 0.05 over the seeds both have. A column's mean is the strategy's
    penalty, the lower the better (Ash and others, ICLR 2020; they used five seeds).
    """
    counts, points = np.asarray(labels, dtype=np.float64), np.asarray(at, dtype=np.float64)
    scores = [
        {seed: np.interp(points, counts, np.asarray(curve)) for seed, curve in runs.items()}
        for runs in curves
    ]
    matrix = np.zeros((len(scores), len(scores)))
    for row, column in zip(*np.triu_indices(len(scores), 1), strict=True):
        ahead = _ahead(scores[row], scores[column])
        matrix[row, column] = (ahead > 0).sum() / len(points)
        matrix[column, row] = (ahead < 0).sum() / len(points)
    return matrix


def _ahead(one: Mapping[int, Floats], other: Mapping[int, Floats]) -> Floats:
    """1, 0 or -1 a checkpoint: whether the first is significantly ahead, or the second."""
    seeds = sorted(set(one) & set(other))
    if len(seeds) < 2:
        return np.zeros(0)
    differences = np.array([one[seed] - other[seed] for seed in seeds])
    mean, spread = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    edge = stats.t.ppf(1 - SIGNIFICANT / 2, len(seeds) - 1) * spread / np.sqrt(len(seeds))
    # Differences without any spread are no sample of chance.
    return np.where((np.abs(mean) > edge) & (spread > NO_SPREAD), np.sign(mean), 0.0)


def friedman_nemenyi(scores: ArrayLike) -> Ranks:
    """Ranks of strategies (columns) over data sets (rows); higher scores are better.

    Friedman's chi-square, Iman and Davenport's F with its p-value, Nemenyi's critical difference
    at 0.05 (Demšar, JMLR 2006). Raises ValueError for fewer than FEWEST_DATA_SETS rows or fewer
    than 2 columns.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < FEWEST_DATA_SETS or values.shape[1] < 2:
        raise ValueError(
            f"Scores have shape {values.shape}, expected {FEWEST_DATA_SETS} data sets or more by "
            "2 strategies or more."
        )
    return ranks_of(stats.rankdata(-values, axis=1).mean(axis=0), len(values))


def ranks_of(mean_ranks: ArrayLike, data_sets: int) -> Ranks:
    """What mean ranks (k,) over so many data sets say."""
    ranks = np.asarray(mean_ranks, dtype=np.float64)
    k = len(ranks)
    chi = 12 * data_sets / (k * (k + 1)) * (float((ranks**2).sum()) - k * (k + 1) ** 2 / 4)
    left = data_sets * (k - 1) - chi
    f = (data_sets - 1) * chi / left if left > 1e-9 else np.inf
    p = float(stats.f.sf(f, k - 1, (k - 1) * (data_sets - 1)))
    apart = stats.studentized_range.ppf(1 - SIGNIFICANT, k, np.inf) / np.sqrt(2)
    critical = float(apart * np.sqrt(k * (k + 1) / (6 * data_sets)))
    return Ranks(data_sets, ranks.tolist(), float(chi), float(f), p, critical)


def performance_profile(scores: ArrayLike, within: ArrayLike) -> Floats:
    """(k, len(within)) share of problems in which a strategy is within τ of the best.

    `scores` (problems, k), higher is better, NaN where a strategy has none, which counts as not
    within any τ (after Dolan and Moré 2002, by differences in place of ratios).
    """
    values = np.asarray(scores, dtype=np.float64)
    behind = np.nanmax(values, axis=1, keepdims=True) - values
    limits = np.asarray(within, dtype=np.float64)
    return (behind[:, :, None] <= limits + 1e-12).mean(axis=0)
