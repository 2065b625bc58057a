"""Does one strategy beat another? Paired over seeds: tests, effect sizes, seeds needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from scipy.optimize import brentq

SIGNIFICANT = 0.05
POWER = 0.8
# More seeds than these are not counted: strategies so close are as good as equal.
MOST_SEEDS = 10_000
# Areas closer than one point of accuracy are practically equal.
ROPE = 0.01
POSTERIOR_SAMPLES = 20_000
# The weight of the pseudo-observation at 0 before any is seen.
_PRIOR = 0.5
# Differences whose spread is below this differ by rounding alone.
NO_SPREAD = 1e-12


@dataclass(frozen=True)
class Paired:
    """Differences `first - second`, a pair a seed: their mean and its 95 % t interval.

    `p_t` and `p_wilcoxon` are two-sided and not adjusted. `effect` is Cohen's dz, the mean in
    standard deviations of the differences, with its exact 95 % interval. `seeds_needed` would find
    that effect with a power of 0.8. None is what these seeds cannot tell: everything but the mean
    from one seed; `p_t` and the effect where all differences are the same but not 0.
    """

    seeds: int
    difference: float
    low: float | None = None
    high: float | None = None
    p_t: float | None = None
    p_wilcoxon: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    seeds_needed: int | None = None


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Compare two strategies' scores (n,), row by row of the same seed; raises ValueError."""
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ValueError(f"Scores have shapes {one.shape} and {other.shape}, expected (n,) twice.")
    # Sums in another order must not make unequal what is equal: ranks see ties.
    differences = np.round(one - other, 12)
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return Paired(n, mean)
    spread = float(differences.std(ddof=1))
    if spread < NO_SPREAD:
        return _without_spread(differences)
    half = float(stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n))
    effect = mean / spread
    effect_low, effect_high = effect_interval(effect, n)
    return Paired(
        seeds=n,
        difference=mean,
        low=mean - half,
        high=mean + half,
        p_t=float(2 * stats.t.sf(abs(effect) * np.sqrt(n), n - 1)),
        p_wilcoxon=_wilcoxon(differences),
        effect=effect,
        effect_low=effect_low,
        effect_high=effect_high,
        seeds_needed=seeds_needed(effect),
    )


def _without_spread(differences: NDArray[np.float64]) -> Paired:
    n, mean = len(differences), float(differences.mean())
    if abs(mean) < NO_SPREAD:
        return Paired(n, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0)
    return Paired(n, mean, mean, mean, None, _wilcoxon(differences))


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    """Wilcoxon's signed rank test; exact for up to 50 seeds without ties."""
    return float(stats.wilcoxon(differences).pvalue)


def effect_interval(effect: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of Cohen's dz from n pairs, by the noncentral t distribution.

    Both ends are the effects that would give a t as extreme as the one seen with a chance of
    (1 - confidence) / 2 (Cumming and Finch 2001).
    """
    t, root = effect * np.sqrt(n), np.sqrt(n)

    def end(chance: float) -> float:
        wide = 10 + 3 * abs(t)
        found = brentq(lambda shift: _below(t, n - 1, shift) - chance, t - wide, t + wide)
        return float(found / root)

    return end((1 + confidence) / 2), end((1 - confidence) / 2)


def power(effect: float, n: int, alpha: float = SIGNIFICANT) -> float:
    """The chance that a two-sided paired t test of n pairs finds an effect (dz)."""
    shift, edge = abs(effect) * np.sqrt(n), special.stdtrit(n - 1, 1 - alpha / 2)
    return 1 - _below(edge, n - 1, shift) + _below(-edge, n - 1, shift)


def _below(t: float, freedom: int, shift: float) -> float:
    """The noncentral t distribution's chance of values below t.

    scipy's `nct` gives NaN for the large shifts of strategies that hardly vary between seeds. Here
    it is the mean of a normal's chance over the spread's distribution, by quadrature.
    """
    scale, weights = _spreads(freedom)
    return float(weights @ special.ndtr(t * scale - shift))


@lru_cache(maxsize=1024)
def _spreads(freedom: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles of an estimated over the true standard deviation, and their weights."""
    nodes, weights = _quadrature()
    return np.sqrt(stats.chi2.ppf(nodes, freedom) / freedom), weights


@lru_cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss and Legendre's nodes and weights on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    return (nodes + 1) / 2, weights / 2


def seeds_needed(effect: float, wanted: float = POWER, alpha: float = SIGNIFICANT) -> int | None:
    """The fewest seeds whose power reaches `wanted`; None where MOST_SEEDS do not."""
    if power(effect, MOST_SEEDS, alpha) < wanted:
        return None
    low, high = 1, MOST_SEEDS  # low does not reach it, high does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, alpha) >= wanted else (middle, high)
    return high


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values (1979), in the order given; None, a test not made, is left out."""
    made = [(p, place) for place, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(sorted(made)):
        highest = max(highest, min(1.0, p * (len(made) - rank)))
        adjusted[place] = highest
    return adjusted


def signed_rank_posterior(
    first: ArrayLike, second: ArrayLike, rng: np.random.Generator, rope: float = ROPE
) -> dict[str, float]:
    """The Bayesian signed rank test with a region of practical equivalence.

    The chances that the first is `better`, practically `equal` (within `rope`) or `worse` than the
    second, from paired scores (n,) (Benavoli, Corani, Demšar and Zaffalon, JMLR 2017).
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    differences = np.concatenate([[0.0], one - other])
    sums = differences[:, None] + differences
    better, worse = np.heaviside([sums - 2 * rope, -sums - 2 * rope], 0.5)
    alpha = np.concatenate([[_PRIOR], np.ones(len(one))])
    weights = rng.dirichlet(alpha, POSTERIOR_SAMPLES)
    chances = [((weights @ pairs) * weights).sum(axis=1) for pairs in (better, worse)]
    chances.insert(1, 1 - chances[0] - chances[1])
    shares = np.bincount(np.argmax(chances, axis=0), minlength=3) / POSTERIOR_SAMPLES
    return dict(zip(("better", "equal", "worse"), shares.tolist(), strict=True))
