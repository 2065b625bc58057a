"""Bounds that hold however often one looks: e-values, confidence sequences, betting."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaincc, betaln, gammaln, logsumexp

from al_fashion.types import Interval


def log_e_value(successes: int, failures: int, p0: float = 0.95) -> float:
    """Logarithm of the evidence against an accuracy of at most `p0`.

    A mixture likelihood ratio, uniform over accuracies in (p0, 1]: under any accuracy of at
    most p0 its expectation never grows (a supermartingale), so by Ville's inequality it ever
    reaches 1/alpha with probability alpha at most. The answers must be independent draws,
    counted in the order drawn.
    """
    with np.errstate(divide="ignore"):
        above = np.log(betaincc(1 + successes, 1 + failures, p0))
    return float(
        betaln(1 + successes, 1 + failures)
        + above
        - np.log1p(-p0)
        - successes * np.log(p0)
        - failures * np.log1p(-p0)
    )


def lower_bound(successes: int, failures: int, alpha: float = 0.05) -> float:
    """The accuracy below which `log_e_value` speaks with log(1/alpha) or more.

    With probability 1 - alpha the true accuracy is above all the bounds of all looks.
    """
    if successes == 0:
        return 0.0
    threshold = -np.log(alpha)
    share = successes / (successes + failures)
    low, high = 1e-12, min(share, 1 - 1e-12)
    if log_e_value(successes, failures, low) <= threshold:
        return 0.0
    return float(brentq(lambda p: log_e_value(successes, failures, p) - threshold, low, high))


def log_e_value_in_pool(successes: int, failures: int, pool: int, p0: float = 0.95) -> float:
    """`log_e_value` for draws without replacement from a pool of `pool` photos.

    Against the claim that at most floor(p0 * pool) of them are right; uniform over the larger
    counts. After Waudby-Smith and Ramdas (NeurIPS 2020), one-sided. Raises ValueError where
    more photos were drawn than there are.
    """
    drawn = successes + failures
    if drawn > pool:
        raise ValueError(f"{drawn} photos were drawn from {pool}, expected no more than there are.")
    null = int(np.floor(p0 * pool + 1e-9))
    larger = np.arange(null + 1, pool + 1)
    at_null = _log_ways(drawn, successes, pool, np.array([null]))[0]
    if np.isneginf(at_null):
        return float("inf") if successes > null else float("-inf")
    ratios = _log_ways(drawn, successes, pool, larger) - at_null
    return float(logsumexp(ratios) - np.log(len(larger)))


def betting_lower(scores: ArrayLike, alpha: float = 0.05) -> float:
    """A lower bound on the mean of scores in [0, 1] that holds at every look together.

    The positive half of the hedged capital of Waudby-Smith and Ramdas (JRSS B 2023, section
    4.4), on a grid of 1/2000; `scores` (n,) are independent and in the order drawn.
    """
    x = np.asarray(scores, dtype=np.float64)
    grid = np.linspace(0, 1, 2001)[1:-1]
    times = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (times + 1)
    spread = (0.25 + np.cumsum((x - means) ** 2)) / (times + 1)
    # A bet may only depend on the scores before it.
    before = np.r_[0.25, spread[:-1]]
    bets = np.sqrt(2 * np.log(1 / alpha) / (before * times * np.log1p(times)))
    capital = np.zeros_like(grid)
    highest = np.zeros_like(grid)
    for score, bet in zip(x, bets, strict=True):
        capital += np.log1p(np.minimum(bet, 0.5 / grid) * (score - grid))
        np.maximum(highest, capital, out=highest)
    refuted: NDArray[np.bool_] = highest >= np.log(1 / alpha)
    if not refuted[0]:
        return 0.0
    return 1.0 if refuted.all() else float(grid[np.argmin(refuted) - 1])


def betting(scores: ArrayLike, confidence: float = 0.95) -> Interval:
    """The two-sided interval of `betting_lower` for scores (n,) in [0, 1].

    Raises ValueError for no scores or scores outside [0, 1].
    """
    x = np.asarray(scores, dtype=np.float64)
    if not len(x) or x.min() < 0 or x.max() > 1:
        raise ValueError(f"{len(x)} scores were given, expected some, all of them in [0, 1].")
    tail = (1 - confidence) / 2
    low, high = betting_lower(x, tail), 1 - betting_lower(1 - x, tail)
    return Interval(float(x.mean()), low, high, "betting", confidence, len(x))


def _log_ways(
    drawn: int, successes: int, pool: int, right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """log of C(pool - drawn, right - successes) / C(pool, right); -inf where impossible."""
    rest, left = pool - drawn, right - successes
    possible = (left >= 0) & (left <= rest)
    safe = np.clip(left, 0, rest)
    ways = gammaln(rest + 1) - gammaln(safe + 1) - gammaln(rest - safe + 1)
    everything = gammaln(pool + 1) - gammaln(right + 1) - gammaln(pool - right + 1)
    return np.where(possible, ways - everything, -np.inf)
