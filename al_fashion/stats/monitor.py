"""Cheaper looks at the accuracy, by guesses and few answers: to watch by, never to claim by.

Their intervals are normal approximations, which flatter near 95 %; the audit's are not.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from al_fashion.types import Interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# The share of the budget spent evenly, so that no photo with a wrong guess is out of reach.
EVENLY = 0.3


def right_guesses(proba: Floats, *, exclusive: bool, metric: str) -> Floats:
    """(n,) how probable it is, by the model's own (n, C) probabilities, that it is right."""
    if exclusive or metric == "top1_in_set":
        return np.asarray(proba.max(axis=1))
    return np.asarray(np.maximum(proba, 1 - proba).prod(axis=1))


def poisson_chances(guesses: Floats, budget: float, evenly: float = EVENLY) -> Floats:
    """(N,) chances to be asked, `budget` photos on average: most where the model is unsure.

    In proportion to sqrt(f (1 - f)), mixed with even chances, at most 1. After Zrnic and
    Candès, Active Statistical Inference (ICML 2024). Raises ValueError unless 0 < budget <= N.
    """
    n = len(guesses)
    if not 0 < budget <= n:
        raise ValueError(f"A budget of {budget} of {n} photos was given, expected 0 to {n}.")
    unsure = np.sqrt(np.clip(guesses * (1 - guesses), 1e-6, None))
    low, high = 0.0, n / unsure.min()
    for _ in range(60):
        scale = (low + high) / 2
        spent = _mixed(unsure, scale, budget / n, evenly).sum()
        low, high = (scale, high) if spent < budget else (low, scale)
    return _mixed(unsure, high, budget / n, evenly)


def difference_estimate(
    guesses: Floats, chances: Floats, drawn: Bools, right: Floats, confidence: float = 0.95
) -> Interval:
    """The mean of `right` over N photos of which those `drawn`, each with its chance, are known.

    All are (N,); `right` is read where drawn. The mean of f + (Y - f) / chance over those drawn
    and f over the others is unbiased whatever the guesses f are worth.
    """
    terms = guesses.astype(np.float64)
    terms[drawn] += (right[drawn] - guesses[drawn]) / chances[drawn]
    error = terms.std(ddof=1) / np.sqrt(len(terms))
    return _normal(float(terms.mean()), float(error), "difference", confidence, int(drawn.sum()))


def ppi_estimate(
    guesses: Floats, known_guesses: Floats, right: Floats, confidence: float = 0.95
) -> Interval:
    """The mean of Y from (n,) `right` answers drawn evenly, helped by guesses for (N,) others.

    PPI++ (Angelopoulos, Duchi and Zrnic 2023): λ mean(f) + mean(Y - λ f), λ at the least
    variance, within [0, 1]; λ = 0 is the plain mean. Raises ValueError for fewer than 2 answers.
    """
    n, others = len(right), len(guesses)
    if n < 2:
        raise ValueError(f"{n} answers were given, at least 2 are needed.")
    every = np.concatenate([guesses, known_guesses])
    spread = (1 + n / others) * every.var() if others else 0.0
    covariance = np.cov(right, known_guesses, ddof=1)[0, 1]
    weight = float(np.clip(covariance / spread, 0, 1)) if spread > 0 else 0.0
    rest = right - weight * known_guesses
    mean = float(rest.mean() + (weight * guesses.mean() if others else 0.0))
    variance = rest.var(ddof=1) / n + (weight**2 * guesses.var() / others if others else 0.0)
    return _normal(mean, float(np.sqrt(variance)), "ppi++", confidence, n)


def _mixed(unsure: Floats, scale: float, share: float, evenly: float) -> Floats:
    return np.asarray(np.minimum(1.0, (1 - evenly) * scale * unsure + evenly * share))


def _normal(mean: float, error: float, method: str, confidence: float, n: int) -> Interval:
    half = float(stats.norm.isf((1 - confidence) / 2)) * error
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), method, confidence, n)
