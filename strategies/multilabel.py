"""Multi-label uncertainty: a photo's labels as yes-or-no questions, and how they add up.

A label's margin is |2p - 1|, the gap between on and off, never the probability itself: a label that
is surely off (p = 0.01) is as certain as one that is surely on. In a single-label pool the one
question is the likeliest class or the second, whose margin is their gap, so that the binary
strategies all become `margin` there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.base import Pool, Selection, by_pieces, check, highest
from strategies.diversity import diverse_seed
from strategies.registry import strategy
from strategies.uncertainty import margin_scores, normalised_entropy


def label_doubts(proba: np.ndarray, multilabel: bool) -> np.ndarray:
    """Doubts (m, labels) in [0, 1] from `proba` (m, C): 1 - |2p - 1|, of each label.

    Single-label: (m, 1), 1 minus the gap of the two likeliest classes.
    """
    if not multilabel:
        return margin_scores(proba)[:, None]
    return 1.0 - np.abs(2.0 * np.clip(proba.astype(np.float64), 0.0, 1.0) - 1.0)


@strategy(
    "mean_binary_margin",
    "Labels nearest to one half on average (Esuli and Sebastiani, ECIR 2009).",
    uses_uncertainty=True,
)
def mean_binary_margin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest mean doubt over their labels; cold, a diverse seed.

    Source: "average confidence" in Esuli and Sebastiani, Active learning strategies for multi-label
    text classification, ECIR 2009. Raises what `base.check` raises.
    """
    return _by_doubts(pool, k, lambda doubts: doubts.mean(axis=1), rng)


@strategy(
    "min_binary_margin",
    "The one label nearest to one half (Brinker, GfKl 2005).",
    uses_uncertainty=True,
)
def min_binary_margin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates whose least certain label is least certain; cold, a diverse seed.

    Source: Brinker, On active learning in multi-label classification, GfKl 2005 (modAL's
    SVM_binary_minimum). Raises what `base.check` raises.
    """
    return _by_doubts(pool, k, lambda doubts: doubts.max(axis=1), rng)


@strategy(
    "max_binary_margin",
    "Even the surest label near one half (Esuli and Sebastiani, ECIR 2009).",
    uses_uncertainty=True,
)
def max_binary_margin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates whose most certain label is least certain; cold, a diverse seed.

    Most photos have some label that is surely off, so that many are nearly equal: among doubts
    equal to three digits the mean doubt decides. A photo with two labels in doubt and one that is
    surely off does not count as ambiguous here. Source: as `mean_binary_margin`, combined by the
    maximum. Raises what `base.check` raises.
    """

    def score(doubts: np.ndarray) -> np.ndarray:
        return np.round(doubts.min(axis=1), 3) + 1e-3 * doubts.mean(axis=1)

    return _by_doubts(pool, k, score, rng)


@strategy(
    "binary_entropy",
    "Highest mean entropy of the labels, each on or off (Shannon 1948).",
    uses_uncertainty=True,
)
def binary_entropy(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest mean binary entropy; cold, a diverse seed.

    In a single-label pool every class counts as a label, one against the rest.
    Raises what `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    return highest(pool, k, normalised_entropy(pool.proba, multilabel=True), rng)


@strategy(
    "binmin",
    "Labels in turn, each asks for its most ambiguous photo (after Brinker, GfKl 2005).",
    uses_uncertainty=True,
)
def binmin(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """Labels take turns in random order; each takes the candidate that it is least certain of.

    So rare labels get as many photos as frequent ones. Equal doubts: the higher mean doubt, then at
    random. The score is the photo's least certain label's doubt. Cold, a diverse seed.
    Source: binary minimisation in Brinker, GfKl 2005, a batch at a time.
    Raises what `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    doubts = label_doubts(pool.proba, pool.multilabel)
    mean, shuffled = doubts.mean(axis=1), rng.permutation(len(doubts))
    queues = [
        iter(_ranked(doubts[:, label], mean, shuffled, k)) for label in range(doubts.shape[1])
    ]
    taken: dict[int, float] = {}
    turns = rng.permutation(len(queues))
    while len(taken) < k:
        for label in turns[: k - len(taken)]:
            position = next(place for place in queues[label] if place not in taken)
            taken[position] = doubts[position].max()
    chosen = np.array(sorted(taken, key=lambda position: -taken[position]))
    return Selection(pool.candidates[chosen], np.array([taken[place] for place in chosen]))


def _ranked(doubts: np.ndarray, mean: np.ndarray, shuffled: np.ndarray, k: int) -> list[int]:
    """The first k positions by doubt, then mean doubt, then in the order of `shuffled`."""
    threshold = np.partition(doubts, len(doubts) - k)[len(doubts) - k]
    among = shuffled[doubts[shuffled] >= threshold]
    return [int(p) for p in among[np.lexsort((-mean[among], -doubts[among]))]]


def _by_doubts(
    pool: Pool,
    k: int,
    score: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> Selection:
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)

    def of(proba: np.ndarray) -> np.ndarray:
        return score(label_doubts(proba, pool.multilabel))

    return highest(pool, k, by_pieces(of, pool.proba), rng)
