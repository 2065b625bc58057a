"""Uncertainty sampling: how unsure the model is about each photo, and the k it is least sure of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.base import Pool, Selection, check, top_k
from strategies.diversity import diverse_seed
from strategies.registry import strategy


def margin_scores(proba: np.ndarray, multilabel: bool = False) -> np.ndarray:
    """Scores (m,) in [0, 1] from `proba` (m, C): 1 minus the gap of the two likeliest classes.

    Multi-label: the mean over labels of 1 - |2p - 1|, the same gap between a label on and off.
    Source: Scheffer, Decomain and Wrobel, Active hidden Markov models for information extraction,
    IDA 2001.
    """
    if multilabel:
        return 1.0 - np.abs(2.0 * proba.astype(np.float64) - 1.0).mean(axis=1)
    highest = np.partition(proba.astype(np.float64), proba.shape[1] - 2, axis=1)[:, -2:]
    return 1.0 - (highest[:, 1] - highest[:, 0])


def normalised_entropy(proba: np.ndarray, multilabel: bool = False) -> np.ndarray:
    """Scores (m,) in [0, 1] from `proba` (m, C): entropy over log C, with 0 log 0 = 0.

    Multi-label: the mean over labels of the binary entropy over log 2.
    Source: Shannon 1948; as H_i in Yang et al., IJCV 113 (2015).
    """
    p = np.clip(proba.astype(np.float64), 0.0, 1.0)
    if multilabel:
        return (_plogp(p) + _plogp(1.0 - p)).mean(axis=1) / np.log(2.0)
    return _plogp(p).sum(axis=1) / np.log(p.shape[1])


@strategy(
    "margin",
    "Smallest gap between the two likeliest classes (Scheffer et al., IDA 2001).",
    uses_uncertainty=True,
)
def margin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest `margin_scores`; before there is a model, a diverse seed.

    Raises what `base.check` raises.
    """
    return _most_uncertain(pool, k, margin_scores, rng)


@strategy(
    "entropy",
    "Highest entropy of the model's probabilities (Shannon 1948).",
    uses_uncertainty=True,
)
def entropy(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest `normalised_entropy`; before there is a model, a seed.

    Raises what `base.check` raises.
    """
    return _most_uncertain(pool, k, normalised_entropy, rng)


def _plogp(p: np.ndarray) -> np.ndarray:
    return -p * np.log(np.maximum(p, np.finfo(np.float64).tiny))


def _most_uncertain(
    pool: Pool,
    k: int,
    score: Callable[[np.ndarray, bool], np.ndarray],
    rng: np.random.Generator,
) -> Selection:
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    scores = score(pool.proba, pool.multilabel)
    chosen = top_k(scores, k, rng)
    return Selection(pool.candidates[chosen], scores[chosen])
