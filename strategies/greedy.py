"""Greedy selection made lazy: exact, but values are only worked out where they may decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

WIDTH = 64
"""Values worked out at a time."""
REFRESH = 32
"""Picks after which all distances are brought up to date."""


class Distances(Protocol):
    """Candidates whose distances to one another can be asked for; see `points.Points`."""

    def __len__(self) -> int: ...

    def take(self, positions: np.ndarray) -> np.ndarray: ...

    def between(self, positions: np.ndarray, others: np.ndarray) -> np.ndarray: ...

    def lower(self, nearest: np.ndarray, others: np.ndarray) -> None: ...


def lazy_argmax(
    bounds: np.ndarray, evaluate: Callable[[np.ndarray], np.ndarray], width: int = WIDTH
) -> int:
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


def farthest_first(
    points: Distances, nearest: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) picked farthest first, and their squared distances (k,) when picked.

    `nearest` (m,) float32, the squared distances to what is there from the start, infinite
    without anything: then the first pick is random. It is changed in place.
    Source: Gonzalez 1985.
    """
    return _pick(points, nearest, k, rng, raced=False)


def distance_sampling(
    points: Distances, nearest: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Like `farthest_first`, but each pick is drawn in proportion to its squared distance.

    This is the seeding of k-means++ (Arthur and Vassilvitskii, SODA 2007). The draw is an
    exponential race, the largest of distance / Exp(1), so that only photos ahead in it need an
    exact distance.
    """
    return _pick(points, nearest, k, rng, raced=True)


def _pick(
    points: Distances, nearest: np.ndarray, k: int, rng: np.random.Generator, raced: bool
) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.empty(k, dtype=np.int64)
    distances = np.empty(k)
    since = 0

    def exact(positions: np.ndarray) -> np.ndarray:
        """Brings these up to date with the picks since all were."""
        if step > since:
            found = points.between(positions, chosen[since:step]).min(axis=1)
            nearest[positions] = np.where(
                nearest[positions] < 0, -1.0, np.minimum(nearest[positions], found)
            )
        return nearest[positions]

    for step in range(k):
        if not np.isfinite(nearest[0]):
            pick = int(rng.integers(len(nearest)))
        elif raced:
            race = rng.standard_exponential(len(nearest), dtype=np.float32) + np.float32(1e-12)
            # Without any distance left, the race alone decides; what is chosen stays out.
            keys = _race(nearest, race)
            pick = lazy_argmax(keys, lambda top: _race(exact(top), race[top]))  # noqa: B023
        else:
            pick = lazy_argmax(nearest, exact)
        chosen[step], distances[step] = pick, nearest[pick]
        nearest[pick] = -1.0
        if step - since + 1 >= REFRESH or not np.isfinite(distances[step]):
            # The first pick of all is the one without bounds to go by.
            points.lower(nearest, points.take(chosen[since : step + 1]))
            nearest[chosen[: step + 1]] = -1.0
            since = step + 1
    return chosen, distances


def _race(nearest: np.ndarray, race: np.ndarray) -> np.ndarray:
    keys = nearest / race
    keys[nearest == 0] = -race[nearest == 0]
    keys[nearest < 0] = -np.inf
    return keys
