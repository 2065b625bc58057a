"""k-means over an embedded pool, and the photo that stands for each cluster."""

from __future__ import annotations

import warnings

import numpy as np

from strategies.greedy import distance_sampling, farthest_first
from strategies.points import BLOCK_VALUES, squared_distances, without_noise

SAMPLE = 20_000
"""Most points that k-means is fitted to; all are assigned."""
PER_CLUSTER = 32
ITERATIONS = 10


class Embedded:
    """Embedded points (m, d) in memory as `greedy.Distances`."""

    def __init__(self, points: np.ndarray) -> None:
        self._points = points
        self._squares = np.einsum("ij,ij->i", points, points)

    def __len__(self) -> int:
        return len(self._points)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The points (p, d) at `positions`."""
        return self._points[positions]

    def between(self, positions: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Squared distances (p, o) of the points at two arrays of positions."""
        found = squared_distances(self._points[positions], self._points[others])
        return without_noise(found, self._squares[positions], self._squares[others])

    def lower(self, nearest: np.ndarray, others: np.ndarray) -> None:
        """Lowers `nearest` (m,) to the squared distance to the nearest of `others` (o, d)."""
        squares = np.einsum("ij,ij->i", others, others)
        for part in parts(len(self), len(others)):
            found = squared_distances(self._points[part], others, self._squares[part])
            without_noise(found, self._squares[part], squares)
            np.minimum(nearest[part], found.min(axis=1), out=nearest[part])


def centroids(
    points: np.ndarray,
    clusters: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Centroids (<= clusters, d) of k-means on `points` (m, d), weighted where `weights` (m,) are.

    Fitted (Lloyd, at most ITERATIONS) to a random sample of SAMPLE points, PER_CLUSTER a cluster
    where that is more; seeded by k-means++.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    some = rng.permutation(len(points))[: max(SAMPLE, PER_CLUSTER * clusters)]
    sample, weight = points[some], None if weights is None else weights[some]
    model = KMeans(
        min(clusters, len(sample)),
        init=_seeds(sample, min(clusters, len(sample)), rng, weight),
        n_init=1,
        max_iter=ITERATIONS,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct photos than clusters
        model.fit(sample, sample_weight=weight)
    found: np.ndarray = model.cluster_centers_.astype(np.float32)
    return found


def _seeds(
    sample: np.ndarray, clusters: int, rng: np.random.Generator, weight: np.ndarray | None
) -> np.ndarray:
    """Seeds of k-means++ among the first of the sample, which scikit-learn's takes longer over."""
    some = Embedded(sample[: max(10 * clusters, 2000)])
    weight = None if weight is None else weight[: len(some)].astype(np.float32)
    nearest = np.full(len(some), np.inf, dtype=np.float32)
    return some.take(distance_sampling(some, nearest, clusters, rng, weight))


def assign(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centre (m,) of each point and the squared distance (m,) to it."""
    cluster = np.empty(len(points), dtype=np.int64)
    distance = np.empty(len(points), dtype=np.float32)
    for part in parts(len(points), len(centres)):
        found = squared_distances(points[part], centres)
        cluster[part] = found.argmin(axis=1)
        distance[part] = np.take_along_axis(found, cluster[part, None], axis=1)[:, 0]
    return cluster, distance


def parts(rows: int, columns: int) -> list[slice]:
    """Slices of that many rows, whose blocks of so many columns stay in the processor's cache."""
    step = max(64, BLOCK_VALUES // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def representatives(
    points: np.ndarray,
    k: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    most: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) of the points nearest to the centroids of k clusters, and their clusters'
    shares (k,) of the weight, largest first.

    With `weights` (m,), near and heavy: that of the largest weight times exp(-d^2 / (2 s^2)),
    s^2 the cluster's mean squared distance, since what lies in the middle of heavy points may
    weigh nothing itself. Points of no weight are left out as long as there are others. At most
    `most` clusters; what clusters do not give (also where duplicates leave some empty) is picked
    farthest first, and has share 0.
    """
    pool = np.arange(len(points))
    if weights is not None:
        weights = np.maximum(weights.astype(np.float64), 0.0)
        pool = np.flatnonzero(weights > 0)
        if len(pool) <= k:
            return _all_weighted(points, pool, weights, k, rng)
        weights = weights[pool]
    inside = points[pool]
    centres = centroids(inside, min(k, most or k), rng, weights)
    cluster, distance = assign(inside, centres)
    rank = distance if weights is None else _from_centre(distance, cluster, weights)
    order = np.lexsort((rng.random(len(inside)), rank, cluster))
    found, first = np.unique(cluster[order], return_index=True)
    totals = np.bincount(cluster, weights, minlength=len(centres))[found]
    largest = np.argsort(-totals, kind="stable")
    chosen = pool[order[first]][largest]
    share = totals[largest] / totals.sum()
    return _fill(points, pool, chosen, share, k, rng)


def _from_centre(distance: np.ndarray, cluster: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """d^2 / (2 s^2) - log(weight) of each point, the lowest of a cluster standing for it."""
    totals = np.bincount(cluster, weights)
    spread = np.bincount(cluster, weights * distance) / np.maximum(totals, 1e-300)
    ranks: np.ndarray = distance / (2.0 * np.maximum(spread, 1e-30))[cluster] - np.log(weights)
    return ranks


def _all_weighted(
    points: np.ndarray, pool: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """All points of any weight, heaviest first, and as many others as it takes."""
    pool = pool[np.argsort(-weights[pool], kind="stable")]
    share = weights[pool] / weights[pool].sum() if len(pool) else np.zeros(0)
    return _fill(points, np.arange(len(points)), pool, share, k, rng)


def _fill(
    points: np.ndarray,
    pool: np.ndarray,
    chosen: np.ndarray,
    share: np.ndarray,
    k: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    if len(chosen) >= k:
        return chosen[:k], share[:k]
    rest = np.setdiff1d(pool, chosen)
    others = Embedded(points[rest])
    nearest = np.full(len(rest), np.inf, dtype=np.float32)
    if len(chosen):
        others.lower(nearest, points[chosen])
    filled = rest[farthest_first(others, nearest, k - len(chosen), rng)[0]]
    return np.concatenate([chosen, filled]), np.concatenate([share, np.zeros(len(filled))])
