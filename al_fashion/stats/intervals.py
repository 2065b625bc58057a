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
    return _binomial(successes, n, confidence, alternative, "exact", "clopper-pearson")


def wilson(
    successes: int,
    n: int,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Interval:
    """Wilson's score interval (JASA 1927): close to its confidence on average, for display.

    Arguments and errors are those of `clopper_pearson`.
    """
    return _binomial(successes, n, confidence, alternative, "wilson", "wilson")


def jeffreys(
    successes: int,
    n: int,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Interval:
    """Quantiles of the posterior under Jeffreys' prior (Brown, Cai and DasGupta 2001).

    The bound on the side of an extreme count is 0 or 1 itself, as they advise. Arguments and
    errors are those of `clopper_pearson`.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n} were given, expected 0 to n and n > 0.")
    tail = _tail(confidence, alternative)
    posterior = stats.beta(successes + 0.5, n - successes + 0.5)
    low = 0.0 if successes == 0 or alternative == "less" else posterior.ppf(tail)
    high = 1.0 if successes == n or alternative == "greater" else posterior.isf(tail)
    return Interval(successes / n, float(low), float(high), "jeffreys", confidence, n)


def finite_pool(
    successes: int,
    n: int,
    pool: int,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Interval:
    """The exact interval for the share of a pool of which `n` photos were drawn for good.

    Its ends are the smallest and the largest number of right photos in the pool under which
    the draw is not too improbable (hypergeometric), over the pool's size. Raises ValueError
    unless 0 <= successes <= n <= pool and n > 0.
    """
    if not 0 <= successes <= n <= pool or n == 0:
        raise ValueError(
            f"{successes} successes of {n} from {pool} were given, expected 0 to n, n to the pool."
        )
    tail = _tail(confidence, alternative)
    low, high = 0.0, 1.0
    if alternative != "less":
        low = _fewest_right(successes, n, pool, tail) / pool
    if alternative != "greater":
        high = 1 - _fewest_right(n - successes, n, pool, tail) / pool
    return Interval(successes / n, low, high, "finite-pool", confidence, n)


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean and t-interval over (k,) epochs or runs, as the study reported its accuracies.

    It describes the mean of such runs on one test set, not how accurate the model is: more
    epochs make it narrower for free. Shown beside valid intervals for comparison only.
    Raises ValueError for fewer than 2 values.
    """
    data = np.asarray(values, dtype=np.float64)
    k = len(data)
    if k < 2:
        raise ValueError(f"{k} values were given, at least 2 are needed.")
    half = float(stats.t.isf((1 - confidence) / 2, k - 1) * data.std(ddof=1) / np.sqrt(k))
    mean = float(data.mean())
    return Interval(mean, mean - half, mean + half, "t-over-epochs", confidence, k)


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
    share = float(right.sum() / n)
    variance = groups / (groups - 1) * float(np.sum((right - share * photos) ** 2)) / n**2
    low, high = effective_bounds(share, variance, n, groups, confidence)
    return Interval(share, low, high, "korn-graubard", confidence, n)


def effective_bounds(
    share: float, variance: float, n: int, groups: int, confidence: float
) -> tuple[float, float]:
    """Clopper and Pearson's bounds at Korn and Graubard's effective sample size.

    `variance` is that of the estimate `share` of `n` photos in `groups` groups. They stay
    within [0, 1], and without any spread seen are as wide as `groups` photos make them.
    """
    if 0 < share < 1 and variance > 0:
        tail = (1 + confidence) / 2
        correction = (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, groups - 1)) ** 2
        effective = min(n, share * (1 - share) / variance * correction)
    else:
        effective = groups
    return _beta_bounds(share * effective, effective, confidence)


def _beta_bounds(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds for counts that need not be whole."""
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else stats.beta.ppf(tail, successes, n - successes + 1)
    high = 1.0 if successes >= n else stats.beta.ppf(1 - tail, successes + 1, n - successes)
    return float(low), float(high)


def _binomial(
    successes: int,
    n: int,
    confidence: float,
    alternative: Alternative,
    method: str,
    name: str,
) -> Interval:
    if n == 0:
        raise ValueError("0 photos were given, at least 1 is needed.")
    bounds = stats.binomtest(successes, n, alternative=alternative).proportion_ci(
        confidence, method=method
    )
    return Interval(successes / n, float(bounds.low), float(bounds.high), name, confidence, n)


def _tail(confidence: float, alternative: Alternative) -> float:
    return (1 - confidence) / (2 if alternative == "two-sided" else 1)


def _fewest_right(successes: int, n: int, pool: int, tail: float) -> int:
    """The smallest K of `pool` with P(X >= successes | K) > tail, by bisection."""
    low, high = successes, pool - (n - successes)
    while low < high:
        middle = (low + high) // 2
        if stats.hypergeom.sf(successes - 1, pool, middle, n) > tail:
            high = middle
        else:
            low = middle + 1
    return low
