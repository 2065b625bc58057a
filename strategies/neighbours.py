"""Nearest neighbours of every photo in a pool."""

from __future__ import annotations

import numpy as np

from strategies.clusters import assign, centroids
from strategies.points import squared_distances

EXACT = 8192
"""Most photos all of whose distances are computed."""
MEMBERS = 256
MOST_CLUSTERS = 1024
PROBES = 8
"""Clusters searched for the neighbours of a photo, its own and the nearest others."""
MOST_SEARCHED = 4096
GROUPS = 12
"""Groups of values looked through first, for each of the smallest that are sought."""


def nearest_neighbours(
    points: np.ndarray, neighbours: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (m, neighbours) and squared distances of the points nearest to each other point.

    Up to EXACT points exactly; beyond, among the photos of the PROBES clusters nearest to a
    photo's own, of MEMBERS photos on average, so that the cost grows with m and not its square;
    fewer clusters where those hold more than MOST_SEARCHED photos.
    Raises ValueError where m <= neighbours.
    """
    m = len(points)
    if m <= neighbours:
        raise ValueError(f"{m} points have no {neighbours} neighbours each.")
    found = np.empty((m, neighbours), dtype=np.int64)
    squared = np.empty((m, neighbours), dtype=np.float32)
    if m <= EXACT:
        for start in range(0, m, 1024):
            rows = np.arange(start, min(start + 1024, m))
            found[rows], squared[rows] = _search(points, rows, np.arange(m), neighbours)
        return found, squared
    centres = centroids(points, min(m // MEMBERS, MOST_CLUSTERS), rng)
    cluster, _ = assign(points, centres)
    order = np.argsort(cluster, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(cluster, minlength=len(centres)))[:-1])
    between = squared_distances(centres, centres)
    np.fill_diagonal(between, -1.0)
    for number, inside in enumerate(members):
        near = np.argsort(between[number], kind="stable")
        searched = _searched(members, near, neighbours, rng)
        for start in range(0, len(inside), 1024):
            rows = inside[start : start + 1024]
            found[rows], squared[rows] = _search(points, rows, searched, neighbours)
    return found, squared


def _searched(
    members: list[np.ndarray], near: np.ndarray, neighbours: int, rng: np.random.Generator
) -> np.ndarray:
    """Positions of the nearest clusters' photos: PROBES clusters, more where those are small."""
    total = np.cumsum([len(members[number]) for number in near])
    probes = min(PROBES, int(np.searchsorted(total, MOST_SEARCHED, side="right")))
    probes = max(1, probes, int(np.searchsorted(total, neighbours, side="right")) + 1)
    searched = np.concatenate([members[number] for number in near[:probes]])
    if len(searched) > MOST_SEARCHED:
        searched = rng.choice(searched, MOST_SEARCHED, replace=False)
    return searched


def _search(
    points: np.ndarray, rows: np.ndarray, searched: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    distances = squared_distances(points[rows], points[searched])
    distances[rows[:, None] == searched] = np.inf
    nearest = _smallest(distances, neighbours)
    return searched[nearest], np.take_along_axis(distances, nearest, axis=1)


def _smallest(distances: np.ndarray, count: int) -> np.ndarray:
    """Columns (r, count) of each row's smallest values, in no order.

    Wide rows are cut into groups first: the smallest values of `count` groups are no less than
    the row's own `count` smallest, so that few values are left to sort.
    """
    groups = GROUPS * count
    height = distances.shape[1] // max(groups, 1)
    if count and height >= 4:
        grouped = distances[:, : groups * height].reshape(len(distances), height, groups)
        limit = np.partition(grouped.min(axis=1), count - 1, axis=1)[:, count - 1]
        left = np.flatnonzero(distances <= limit[:, None])
        if len(left) <= groups * len(distances):  # more where many values are alike
            return _smallest_of(distances, left, count)
    return np.argpartition(distances, count - 1, axis=1)[:, :count]


def _smallest_of(distances: np.ndarray, left: np.ndarray, count: int) -> np.ndarray:
    """The same where `left`, ascending, are the flat positions of `count` or more of each row."""
    row, column = np.divmod(left, distances.shape[1])
    order = np.lexsort((distances[row, column], row))
    first = np.searchsorted(row, np.arange(len(distances)))
    nearest: np.ndarray = column[order[first[:, None] + np.arange(count)]]
    return nearest
