"""Greedy selection made lazy: exact, but values are only worked out where they may decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

WIDTH = 64
"""Values worked out at a time."""
REFRESH = 128
"""Picks after which all distances are brought up to date."""

Evaluate = Callable[[np.ndarray], np.ndarray]
Key = Callable[[np.ndarray, np.ndarray | slice], np.ndarray]
"""Keys of candidates from their squared distances and positions; never falls as those grow."""


class Distances(Protocol):
    """Candidates whose distances to one another can be asked for; see `points.Points`."""

    def __len__(self) -> int: ...

    def take(self, positions: np.ndarray) -> np.ndarray: ...

    def between(self, positions: np.ndarray, others: np.ndarray) -> np.ndarray: ...

    def lower(self, nearest: np.ndarray, others: np.ndarray) -> None: ...


def lazy_argmax(bounds: np.ndarray, evaluate: Evaluate, width: int = WIDTH) -> int:
    """Position of the largest value, of which `bounds` (n,) are upper bounds.

    `evaluate(positions)` gives exact values; only the highest bounds are evaluated, `width` at a
    time, until one exact value is above every bound left. `bounds` is tightened in place.
    Source: Minoux, Accelerated greedy algorithms, 1978.
    """
    width = min(width, len(bounds))
    while True:
        top = np.argpartition(bounds, len(bounds) - width)[len(bounds) - width :]
        threshold = bounds[top].min()
        bounds[top] = evaluate(top)
        best = int(top[np.argmax(bounds[top])])
        if bounds[best] >= threshold:
            return best


def pick_by_distance(
    points: Distances, nearest: np.ndarray, k: int, key_of: Callable[[int], Key]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) picked one by one, each of the largest key, and their keys (k,) when picked.

    `nearest` (m,) float32 holds the squared distances to what is there from the start and is
    lowered as photos are picked; `key_of(step)` gives the keys of that step. Exact: what lies among
    the largest keys is brought up to date at every step, the rest every REFRESH picks.
    """
    chosen = np.empty(k, dtype=np.int64)
    keys = np.empty(k)
    picked = np.zeros(len(nearest), dtype=bool)
    since = 0
    for step in range(k):
        key, recent = key_of(step), chosen[since:step]

        def exact(top: np.ndarray, key: Key = key, recent: np.ndarray = recent) -> np.ndarray:
            if len(recent):
                found = points.between(top, recent).min(axis=1)
                nearest[top] = np.minimum(nearest[top], found)
            return np.where(picked[top], -np.inf, key(nearest[top], top))

        bounds = key(nearest, slice(None))
        bounds[chosen[:step]] = -np.inf
        pick = lazy_argmax(bounds, exact)
        chosen[step], keys[step], picked[pick] = pick, bounds[pick], True
        # Nothing has a bound after the first pick of all, where there were no labelled photos.
        if step + 1 < k and (len(recent) + 1 >= REFRESH or np.isinf(nearest[pick])):
            points.lower(nearest, points.take(chosen[since : step + 1]))
            since = step + 1
    return chosen, keys


def farthest_first(
    points: Distances, nearest: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) picked farthest first, and their squared distances (k,) when picked.

    `nearest` (m,): see `pick_by_distance`; infinite where there is nothing from the start, and
    then the first pick is random. Source: Gonzalez 1985.
    """
    noise = rng.random(len(nearest), dtype=np.float32)

    def key(distances: np.ndarray, positions: np.ndarray | slice) -> np.ndarray:
        # At distance zero all are alike, and without any distance too: random.
        return np.where((distances > 0) & np.isfinite(distances), distances, noise[positions] - 1.0)

    chosen, keys = pick_by_distance(points, nearest, k, lambda _: key)
    return chosen, np.maximum(keys, 0.0)


def distance_sampling(
    points: Distances,
    nearest: np.ndarray,
    k: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Positions (k,): that of the largest `nearest` (m,), then drawn by weight x squared distance.

    `nearest`: see `pick_by_distance`; infinite where there is nothing from the start, and then the
    first is drawn by weight. This is the seeding of k-means++ (Arthur and Vassilvitskii, SODA
    2007). The draw is an exponential race, the largest of distance / Exp(1), so that only photos
    ahead in it need an exact distance. Without any distance left the race alone decides.
    """
    weights = np.ones(len(nearest), dtype=np.float32) if weights is None else weights

    def key_of(step: int) -> Key:
        if step == 0 and np.isfinite(nearest[0]):
            return lambda distances, _: distances.copy()
        race = rng.standard_exponential(len(nearest), dtype=np.float32) + np.float32(1e-12)
        race /= np.maximum(weights, np.float32(1e-12))

        def key(distances: np.ndarray, positions: np.ndarray | slice) -> np.ndarray:
            known = np.minimum(distances, np.float32(1e30)) if step == 0 else distances
            return np.where(known > 0, known / race[positions], -race[positions])

        return key

    return pick_by_distance(points, nearest, k, key_of)[0]
