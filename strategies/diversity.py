"""Diversity sampling: photos that cover the pool, without asking the model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from strategies.base import Pool, Selection, check, row_chunks
from strategies.registry import strategy

EXACT_VALUES = 2**26
"""Feature values kept in memory as they are (256 MB); more are projected first."""
PROJECTED_DIMENSIONS = 256
BLOCK = 32
"""Columns of distances computed ahead by one matrix product."""
SEED_SAMPLE = 10_000
SEED_CLUSTERS = 500


@strategy(
    "kcenter",
    "Farthest from all photos labelled (greedy k-center; Sener and Savarese, ICLR 2018).",
    diverse=True,
)
def kcenter(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """Greedy k-center: each pick is the candidate farthest from all labelled and picked photos.

    Without labelled photos the first pick is random. The score of a pick is that Euclidean
    distance (of the first random pick, the largest distance to it). Where the features hold more
    than `EXACT_VALUES` values, distances are those of a seeded Gaussian random projection, and
    `info["projected_to"]` gives its dimensions.
    Source: Gonzalez 1985; as core-set selection: Sener and Savarese, ICLR 2018.
    Raises what `base.check` raises.
    """
    check(pool, k)
    rows = np.concatenate([pool.candidates, pool.labelled])
    features, info = _load(pool.features, rows, rng)
    candidates, labelled = np.split(features, [len(pool.candidates)])
    chosen, distances = farthest_first(candidates, labelled, k, rng)
    return Selection(pool.candidates[chosen], distances, info)


@strategy(
    "kmeans",
    "Nearest to each k-means centroid, a diverse seed set (mini-batch; Sculley, WWW 2010).",
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

    k-means (Sculley, WWW 2010) runs on at most `SEED_SAMPLE` random candidates with at most
    `SEED_CLUSTERS` clusters; the score is the share of the sample in the photo's cluster. Where
    that gives fewer than k photos (duplicates leave clusters empty), the rest come farthest first,
    with score 0.
    """
    size = min(len(pool.candidates), max(SEED_SAMPLE, k))
    sample = rng.choice(pool.candidates, size, replace=False)
    features, info = _load(pool.features, sample, rng)
    nearest, share = _nearest_to_centroids(features, min(k, SEED_CLUSTERS), rng)
    rest = np.setdiff1d(np.arange(size), nearest)
    if k > len(nearest):
        filled, _ = farthest_first(features[rest], features[nearest], k - len(nearest), rng)
        nearest = np.concatenate([nearest, rest[filled]])
        share = np.concatenate([share, np.zeros(len(filled))])
    return Selection(sample[nearest], share, {"seed_set": "kmeans", "sampled": size, **info})


def farthest_first(
    candidates: np.ndarray, centers: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) in `candidates` (m, d) picked greedily, and their distances (k,) when picked.

    `centers` (l, d) are there from the start; without any, the first pick is random. Exact: the
    distances to the `BLOCK` farthest candidates come from one matrix product, and serve as long as
    the farthest of all lies among them. O(l m d) + at most O(k BLOCK m d), usually far less.
    """
    squares = np.einsum("ij,ij->i", candidates, candidates)
    nearest = _nearest_center(candidates, squares, centers)
    chosen = np.empty(k, dtype=np.int64)
    distances = np.empty(k)
    ahead: dict[int, np.ndarray] = {}
    for step in range(k):
        pick = int(np.argmax(nearest)) if step or len(centers) else int(rng.integers(len(nearest)))
        if pick not in ahead:
            # The first pick of all has no distances to choose a block by.
            width = BLOCK if np.isfinite(nearest[pick]) else 1
            block = _block(nearest, pick, min(width, k - step))
            ahead = dict(
                zip(block, _squared(candidates, squares, candidates[block]).T, strict=True)
            )
        chosen[step], distances[step] = pick, nearest[pick]
        nearest = np.minimum(nearest, ahead[pick])
        nearest[pick] = -1.0
    if np.isinf(distances[0]):
        distances[0] = distances[1] if k > 1 else max(0.0, float(nearest.max()))
    return chosen, np.sqrt(np.maximum(distances, 0.0))


def _block(nearest: np.ndarray, pick: int, width: int) -> np.ndarray:
    """`width` positions: the farthest candidates, `pick` always among them."""
    farthest = np.argpartition(nearest, len(nearest) - width)[len(nearest) - width :]
    return farthest if pick in farthest else np.array([pick, *farthest[1:]])


def _nearest_center(candidates: np.ndarray, squares: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Squared distance (m,) of each candidate to its nearest center, infinite without centers."""
    nearest = np.full(len(candidates), np.inf, dtype=np.float32)
    for start in range(0, len(candidates), 4096):
        part = slice(start, start + 4096)
        if len(centers):
            nearest[part] = _squared(candidates[part], squares[part], centers).min(axis=1)
    return nearest


def _squared(rows: np.ndarray, squares: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (rows, others), never negative."""
    distances = rows @ others.T
    distances *= -2.0
    distances += squares[:, None]
    distances += np.einsum("ij,ij->i", others, others)
    return np.maximum(distances, 0.0, out=distances)


def _nearest_to_centroids(
    features: np.ndarray, clusters: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct positions nearest to each centroid with photos, and each cluster's share."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    model = MiniBatchKMeans(
        clusters, n_init=1, batch_size=2048, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct photos than clusters
        members = model.fit_predict(features)
    offset = features - model.cluster_centers_[members]
    order = np.lexsort((np.einsum("ij,ij->i", offset, offset), members))
    _, first, counts = np.unique(members[order], return_index=True, return_counts=True)
    largest = np.argsort(-counts, kind="stable")
    return order[first][largest], counts[largest] / len(features)


def _load(
    features: np.ndarray, rows: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """Those rows as centred float32 in memory, projected where they are too many values.

    A Gaussian random projection keeps squared distances up to a factor of about
    1 +- sqrt(2 / dimensions) (Johnson and Lindenstrauss 1984).
    """
    dimensions = features.shape[1]
    kept = min(PROJECTED_DIMENSIONS, max(32, EXACT_VALUES // len(rows)))
    if len(rows) * dimensions <= EXACT_VALUES or dimensions <= kept:
        loaded = np.empty((len(rows), dimensions), dtype=np.float32)
        for part, block in row_chunks(features, rows):
            loaded[part] = block
        info = {}
    else:
        projection = rng.standard_normal((dimensions, kept), dtype=np.float32) / np.sqrt(kept)
        loaded = np.empty((len(rows), kept), dtype=np.float32)
        for part, block in row_chunks(features, rows):
            loaded[part] = block @ projection.astype(np.float32)
        info = {"projected_to": kept}
    # Distances come from |a|^2 + |b|^2 - 2ab, which loses fewer digits around the mean.
    loaded -= loaded.mean(axis=0, dtype=np.float64).astype(np.float32)
    return loaded, info
