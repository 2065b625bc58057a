"""Uncertainty sampling: how unsure the model is about each photo, and the k it is least sure of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.base import Pool, Selection, StrategyError, by_pieces, check, highest, top_k
from strategies.diversity import diverse_seed
from strategies.registry import strategy

Score = Callable[[np.ndarray, bool], np.ndarray]


def least_confidence_scores(proba: np.ndarray, multilabel: bool = False) -> np.ndarray:
    """Scores (m,) in [0, 1] from `proba` (m, C): 1 minus the probability of the likeliest class.

    Multi-label: 1 minus that of the likeliest set of labels, which are taken as independent.
    Source: Lewis and Gale, A sequential algorithm for training text classifiers, SIGIR 1994;
    Culotta and McCallum, AAAI 2005 for sets of labels.
    """
    return _by_classes(_least_confidence, proba, multilabel)


def margin_scores(proba: np.ndarray, multilabel: bool = False) -> np.ndarray:
    """Scores (m,) in [0, 1] from `proba` (m, C): 1 minus the gap of the two likeliest classes.

    Multi-label: the mean over labels of 1 - |2p - 1|, the same gap between a label on and off.
    Source: Scheffer, Decomain and Wrobel, Active hidden Markov models for information extraction,
    IDA 2001.
    """
    return _by_classes(_margin, proba, multilabel)


def normalised_entropy(proba: np.ndarray, multilabel: bool = False) -> np.ndarray:
    """Scores (m,) in [0, 1] from `proba` (m, C): entropy over log C, with 0 log 0 = 0.

    Multi-label: the mean over labels of the binary entropy over log 2.
    Source: Shannon 1948; as H_i in Yang et al., IJCV 113 (2015).
    """
    return _by_classes(_entropy, proba, multilabel)


SCORES: dict[str, Score] = {
    "least_confidence": least_confidence_scores,
    "margin": margin_scores,
    "entropy": normalised_entropy,
}


def uncertainty_scores(pool: Pool, measure: str) -> np.ndarray:
    """Scores (m,) in [0, 1] of a pool with probabilities by the measure of that name in `SCORES`.

    Raises StrategyError for another name.
    """
    if measure not in SCORES:
        raise StrategyError(f"Uncertainty {measure!r}: expected one of {', '.join(SCORES)}.")
    if pool.proba is None:
        raise StrategyError("No probabilities: expected those of a model. Train one first.")
    return SCORES[measure](pool.proba, pool.multilabel)


def most_uncertain(scores: np.ndarray, most: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of the `most` highest scores, best first, as a prefilter for a batch of k.

    Photos that the model is entirely sure of are left out unless the batch needs them.
    """
    size = min(len(scores), max(k, min(most, int(np.count_nonzero(scores > 0)))))
    return top_k(scores, size, rng)


@strategy(
    "least_confidence",
    "Lowest probability of the likeliest answer (Lewis and Gale, SIGIR 1994).",
    uses_uncertainty=True,
)
def least_confidence(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates of the highest `least_confidence_scores`; without a model, a diverse seed.

    Raises what `base.check` raises.
    """
    return _top(pool, k, "least_confidence", rng)


@strategy(
    "margin",
    "Smallest gap between the two likeliest classes (Scheffer et al., IDA 2001).",
    uses_uncertainty=True,
)
def margin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest `margin_scores`; before there is a model, a diverse seed.

    Raises what `base.check` raises.
    """
    return _top(pool, k, "margin", rng)


@strategy(
    "entropy",
    "Highest entropy of the model's probabilities (Shannon 1948).",
    uses_uncertainty=True,
)
def entropy(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest `normalised_entropy`; before there is a model, a seed.

    Raises what `base.check` raises.
    """
    return _top(pool, k, "entropy", rng)


@strategy(
    "power",
    "Drawn in proportion to a power of uncertainty, by Gumbel top-k (Kirsch et al., TMLR 2023).",
    uses_uncertainty=True,
)
def power(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    uncertainty: str = "margin",
    beta: float = 1.0,
) -> Selection:
    """k candidates drawn without replacement, each in proportion to its uncertainty to the beta.

    The k highest of beta log(uncertainty) + Gumbel noise are that draw, in its order; the score is
    that sum. Photos of no uncertainty come last. Noise keeps a large batch from being one photo
    many times over.

    uncertainty: a measure of `SCORES`. beta: 0 draws uniformly, a large one takes the top.
    Source: Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal, Stochastic batch
    acquisition, TMLR 2023 (PowerBALD); Kool, van Hoof and Welling, ICML 2019 for Gumbel top-k.
    Raises StrategyError for a beta out of range, and what `base.check` raises.
    """
    check(pool, k)
    if not 0 <= beta < np.inf:
        raise StrategyError(f"beta is {beta}: expected a number of 0 or more.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    scores = uncertainty_scores(pool, uncertainty)
    drawn = beta * np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    drawn += rng.gumbel(size=len(scores))
    return highest(pool, k, drawn, rng)


def _top(pool: Pool, k: int, measure: str, rng: np.random.Generator) -> Selection:
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    scores = uncertainty_scores(pool, measure)
    return highest(pool, k, scores, rng)


def _by_classes(score: Score, proba: np.ndarray, multilabel: bool) -> np.ndarray:
    def of(block: np.ndarray) -> np.ndarray:
        # Classes by photos, so that what is done class by class runs along memory.
        classes = np.ascontiguousarray(block.T, dtype=np.float64)
        return score(np.clip(classes, 0.0, 1.0, out=classes), multilabel)

    return by_pieces(of, proba)


def _least_confidence(p: np.ndarray, multilabel: bool) -> np.ndarray:
    likeliest: np.ndarray = np.maximum(p, 1.0 - p).prod(axis=0) if multilabel else p.max(axis=0)
    return 1.0 - likeliest


def _margin(p: np.ndarray, multilabel: bool) -> np.ndarray:
    if multilabel:
        return 1.0 - np.abs(2.0 * p - 1.0).mean(axis=0)
    first, second = np.maximum(p[0], p[1]), np.minimum(p[0], p[1])
    for row in p[2:]:
        np.maximum(second, np.minimum(first, row), out=second)
        np.maximum(first, row, out=first)
    return 1.0 - (first - second)


def _entropy(p: np.ndarray, multilabel: bool) -> np.ndarray:
    if multilabel:
        return (_plogp(p) + _plogp(1.0 - p)).mean(axis=0) / np.log(2.0)
    return _plogp(p).sum(axis=0) / np.log(len(p))


def _plogp(p: np.ndarray) -> np.ndarray:
    return -p * np.log(np.maximum(p, np.finfo(np.float64).tiny))
