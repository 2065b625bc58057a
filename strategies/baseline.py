"""The baselines that every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, highest
from strategies.clusters import assign, centroids
from strategies.points import embed
from strategies.registry import strategy

STRATA = 100


@strategy("random", "Photos drawn uniformly; the baseline.")
def random(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """k candidates drawn uniformly without replacement. Raises what `base.check` raises."""
    check(pool, k)
    return highest(pool, k, rng.random(len(pool.candidates)), rng)


@strategy("stratified", "Drawn at random, from every cluster its share (Cochran 1977, chapter 5).")
def stratified(
    pool: Pool, k: int, *, rng: np.random.Generator, strata: int | None = None
) -> Selection:
    """k candidates drawn at random, every cluster of the pool giving its share.

    strata: clusters by k-means, by default k, at most STRATA. Each photo is as likely as any
    other: with photos in random order within their cluster and clusters in random order, every
    (m / k)th one is taken from a random start (systematic sampling). The score is random.
    Source: Cochran, Sampling techniques, 3rd edition, 1977, chapters 5 and 8.
    Raises StrategyError for strata below 1, and what `base.check` raises.
    """
    check(pool, k)
    strata = min(k, STRATA) if strata is None else strata
    if strata < 1:
        raise StrategyError(f"Cannot draw from {strata} strata. Ask for 1 or more.")
    points = embed(pool.features, pool.candidates, rng)
    cluster, _ = assign(points, centroids(points, strata, rng))
    shuffled = rng.permutation(strata)[cluster]
    order = np.lexsort((rng.random(len(points)), shuffled))
    step = len(points) / k
    chosen = order[((np.arange(k) + rng.random()) * step).astype(np.int64).clip(0, len(points) - 1)]
    scores = np.sort(rng.random(k))[::-1]
    return Selection(pool.candidates[rng.permutation(chosen)], scores)
