"""Diversity sampling: photos that cover the pool, without asking the model."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, check
from strategies.clusters import representatives
from strategies.greedy import farthest_first
from strategies.points import Points, embed
from strategies.registry import strategy

SEED_CLUSTERS = 500


@strategy(
    "kcenter",
    "Farthest from all photos labelled (greedy k-center; Sener and Savarese, ICLR 2018).",
    diverse=True,
)
def kcenter(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """Greedy k-center: each pick is the candidate farthest from all labelled and picked photos.

    Without labelled photos the first pick is random. The score of a pick is that Euclidean
    distance (of the first random pick, that of the second). Exact; see `greedy`.
    Source: Gonzalez 1985; as core-set selection: Sener and Savarese, ICLR 2018.
    Raises what `base.check` raises.
    """
    check(pool, k)
    points = Points(pool.features, pool.candidates)
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    if len(pool.labelled):
        points.lower(nearest, points.place(pool.features[pool.labelled]))
    chosen, distances = farthest_first(points, nearest, k, rng)
    if not len(pool.labelled) and k > 1:
        distances[0] = distances[1]
    return Selection(pool.candidates[chosen], np.sqrt(distances))


@strategy(
    "kmeans",
    "Nearest to each k-means centroid, a diverse seed set (Lloyd, IEEE Inf. Theory 1982).",
    diverse=True,
)
def kmeans(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The photo nearest to each of k k-means centroids, largest cluster first.

    Raises what `base.check` raises.
    """
    check(pool, k)
    return diverse_seed(pool, k, rng)


def diverse_seed(pool: Pool, k: int, rng: np.random.Generator) -> Selection:
    """The diverse seed set of a checked pool, for when there is no model yet; see `kmeans`.

    At most `SEED_CLUSTERS` clusters of the embedded pool; the score is the share of the pool in
    the photo's cluster. What clusters do not give comes farthest first, with score 0.
    """
    points = embed(pool.features, pool.candidates, rng)
    chosen, share = representatives(points, k, rng, most=SEED_CLUSTERS)
    return Selection(pool.candidates[chosen], share, {"seed_set": "kmeans"})
