"""Intervals for a share of right answers on photos drawn at random."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from al_fashion.types import Interval

Alternative = Literal["two-sided", "greater", "less"]


def clopper_pearson(
    successes: int,
    n: int,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Interval:
    """The exact interval of Clopper and Pearson (Biometrika 1934), never too narrow.

    `greater` gives a lower bound only, `less` an upper bound only. Raises ValueError unless
    0 <= successes <= n and n > 0.
    """
    result = stats.binomtest(successes, n, alternative=alternative)
    bounds = result.proportion_ci(confidence, method="exact")
    return Interval(
        successes / n, float(bounds.low), float(bounds.high), "clopper-pearson", confidence, n
    )


def korn_graubard(successes: ArrayLike, sizes: ArrayLike, confidence: float = 0.95) -> Interval:
    """Korn and Graubard's interval (Survey Methodology 1998) for photos that come in groups.

    `successes` and `sizes` are (groups,) counts of right photos and of photos. Clopper and
    Pearson's interval at the effective sample size n*; where no spread between groups was
    seen (nothing wrong, or nothing right) n* is the number of groups, since the photos of a
    group need not be independent. Raises ValueError for fewer than 2 groups.
    """
    right = np.asarray(successes, dtype=np.float64)
    photos = np.asarray(sizes, dtype=np.float64)
    groups, n = len(photos), int(photos.sum())
    if groups < 2:
        raise ValueError(f"{groups} groups were given, at least 2 are needed.")
    share = right.sum() / n
    variance = groups / (groups - 1) * np.sum((right - share * photos) ** 2) / n**2
    tail = (1 + confidence) / 2
    if 0 < share < 1 and variance > 0:
        correction = (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, groups - 1)) ** 2
        effective = min(n, share * (1 - share) / variance * correction)
    else:
        effective = groups
    low, high = _beta_bounds(share * effective, effective, confidence)
    return Interval(float(share), low, high, "korn-graubard", confidence, n)


def _beta_bounds(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds for counts that need not be whole."""
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else stats.beta.ppf(tail, successes, n - successes + 1)
    high = 1.0 if successes >= n else stats.beta.ppf(1 - tail, successes + 1, n - successes)
    return float(low), float(high)
