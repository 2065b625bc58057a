"""Typical photos: the densest of every part of the pool that has no label yet."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check
from strategies.clusters import assign, centroids
from strategies.points import embed, squared_distances
from strategies.registry import strategy

MOST_CLUSTERS = 500
SMALLEST = 5
"""Clusters of so few photos are outliers and come last."""
NEIGHBOURS = 20
LARGEST = 4096
"""Most photos of a cluster that are compared with one another; others come last in it."""


@strategy(
    "typiclust",
    "The most typical photo of each unlabelled cluster (TypiClust; Hacohen et al., ICML 2022).",
    diverse=True,
)
def typiclust(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    clusters: int | None = None,
    neighbours: int = NEIGHBOURS,
) -> Selection:
    """k-means, then the densest photo of each cluster, least labelled and largest clusters first.

    Density is 1 / mean distance to the `neighbours` nearest photos of the same cluster. Clusters
    of SMALLEST photos or fewer come last; with fewer clusters than k, each is visited again, for
    its next densest.
    The score falls from 1 by 1 / k a photo.

    clusters: by default labelled photos plus k, at most MOST_CLUSTERS.
    neighbours: at most half of the cluster.
    Source: Hacohen, Dekel and Weinshall, Active learning on a budget, ICML 2022; caps as in the
    authors' code. Clusters and distances are of `points.embed`, of at most LARGEST photos a
    cluster. Raises StrategyError for parameters below 1, and what `base.check` raises.
    """
    check(pool, k)
    clusters = min(len(pool.labelled) + k, MOST_CLUSTERS) if clusters is None else clusters
    if clusters < 1 or neighbours < 1:
        raise StrategyError(f"{clusters} clusters, {neighbours} neighbours: expected 1 or more.")
    rows = np.concatenate([pool.candidates, pool.labelled])
    points = embed(pool.features, rows, rng)
    cluster, _ = assign(points, centroids(points, clusters, rng))
    n = len(pool.candidates)
    chosen = typical(points[:n], cluster[:n], cluster[n:], k, neighbours, rng)
    return Selection(pool.candidates[chosen], np.arange(k, 0, -1) / k, {"clusters": clusters})


def typical(
    points: np.ndarray,
    cluster: np.ndarray,
    labelled: np.ndarray,
    k: int,
    neighbours: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Positions (k,) among `points` (m, d), whose clusters are `cluster` (m,).

    `labelled` (l,) are the clusters of the labelled photos.
    """
    members = _members(cluster, max(cluster.max(), labelled.max(initial=0)) + 1, rng)
    labels = np.bincount(labelled, minlength=len(members))
    sizes = np.array([len(positions) for positions in members])
    order = np.lexsort((-sizes, labels, sizes <= SMALLEST))
    order = order[sizes[order] > 0]
    chosen: list[int] = []
    visit = 0
    while len(chosen) < k:
        for number in order[sizes[order] > visit][: k - len(chosen)]:
            if visit == 0:
                members[number] = _densest_first(points, members[number], neighbours)
            chosen.append(int(members[number][visit]))
        visit += 1
    return np.array(chosen)


def _members(cluster: np.ndarray, clusters: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The positions in each cluster, in random order."""
    shuffled = rng.permutation(len(cluster))
    order = shuffled[np.argsort(cluster[shuffled], kind="stable")]
    return np.split(order, np.cumsum(np.bincount(cluster, minlength=clusters))[:-1])


def _densest_first(points: np.ndarray, members: np.ndarray, neighbours: int) -> np.ndarray:
    """A cluster's members (c,), those of the smallest mean distance to their nearest ones first."""
    if len(members) == 1:
        return members
    some = points[members[:LARGEST]]
    neighbours = min(neighbours, len(some) // 2)
    distances = squared_distances(some, some)
    np.fill_diagonal(distances, -1.0)
    nearest = np.partition(distances, neighbours, axis=1)[:, : neighbours + 1]
    order = np.argsort(np.sqrt(np.maximum(nearest, 0.0)).sum(axis=1), kind="stable")
    return np.concatenate([members[order], members[LARGEST:]])
