"""Photos as points: features read block by block, their distances, a small embedding of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from strategies.base import row_chunks

MEMORY_VALUES = 2**27
"""Feature values copied to memory (512 MB as float32); more are read again in every pass."""
ZERO = 1e-6
"""Squared distance, relative to the points' own size, that float32 cannot tell from zero."""
BLOCK_VALUES = 2**18
"""Values of a block of points, which stays in the processor's cache."""
DIMENSIONS = 64
FIT_ROWS = 8192
SPREAD_ROWS = 2000


class Points:
    """Features of `rows` as float32, around their mean if `centred`, with squared distances.

    features (n, d), rows (m,). Exact whatever the size: what does not fit `MEMORY_VALUES` is read
    anew in every pass. Distances come from |a|^2 + |b|^2 - 2ab, which loses fewer digits around the
    mean; those that float32 cannot tell from zero are zero, so that copies are exactly alike.
    """

    def __init__(self, features: np.ndarray, rows: np.ndarray, *, centred: bool = True) -> None:
        self._features, self._rows = features, rows
        self._mean = np.zeros(features.shape[1], dtype=np.float32)
        self._loaded: np.ndarray | None = None
        if centred:
            total = np.zeros(features.shape[1])
            for _, block in row_chunks(features, rows):
                total += np.ones(len(block), dtype=np.float32) @ block
            self._mean = (total / max(1, len(rows))).astype(np.float32)
        if len(rows) * features.shape[1] <= MEMORY_VALUES:
            self._loaded = np.empty((len(rows), features.shape[1]), dtype=np.float32)
            for part, block in row_chunks(features, rows):
                np.subtract(block, self._mean, out=self._loaded[part])
        self.squares = np.empty(len(rows), dtype=np.float32)
        for part, block in self.blocks():
            self.squares[part] = np.einsum("ij,ij->i", block, block)

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields (positions, their points), a bounded block at a time."""
        if self._loaded is None:
            copied = self._features.dtype != np.float32  # row_chunks had to convert them
            for part, block in row_chunks(self._features, self._rows):
                yield part, np.subtract(block, self._mean, out=block if copied else None)
        else:
            step = max(1, BLOCK_VALUES // max(1, self._loaded.shape[1]))
            for start in range(0, len(self), step):
                part = slice(start, min(start + step, len(self)))
                yield part, self._loaded[part]

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The points (p, d) at `positions`."""
        if self._loaded is not None:
            return self._loaded[positions]
        return self.place(self._features[self._rows[positions]])

    def place(self, features: np.ndarray) -> np.ndarray:
        """Other photos' `features` (p, d) as points among these."""
        return np.asarray(features, dtype=np.float32) - self._mean

    def between(self, positions: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Squared distances (p, o) of the points at two arrays of positions."""
        found = squared_distances(self.take(positions), self.take(others))
        return without_noise(found, self.squares[positions], self.squares[others])

    def lower(self, nearest: np.ndarray, others: np.ndarray) -> None:
        """Lowers `nearest` (m,) to the squared distance to the nearest of `others` (o, d)."""
        # As squared_distances does, but what all blocks have in common is worked out once.
        squares, doubled = np.einsum("ij,ij->i", others, others), -2.0 * others.T
        for part, block in self.blocks():
            found = block @ doubled
            found += self.squares[part][:, None]
            found += squares
            without_noise(found, self.squares[part], squares)
            np.minimum(nearest[part], found.min(axis=1), out=nearest[part])


def squared_distances(
    rows: np.ndarray, others: np.ndarray, squares: np.ndarray | None = None
) -> np.ndarray:
    """Squared Euclidean distances (r, o) float32 of `rows` (r, d) and `others` (o, d).

    `squares` (r,), the rows' own, save a pass. Rounding may leave some a little below zero.
    """
    squares = np.einsum("ij,ij->i", rows, rows) if squares is None else squares
    distances = rows @ (-2.0 * others).T
    distances += squares[:, None]
    distances += np.einsum("ij,ij->i", others, others)
    return distances


def without_noise(
    distances: np.ndarray, squares: np.ndarray, other_squares: np.ndarray
) -> np.ndarray:
    """Squared distances (r, o) with zero, in place, where float32 cannot tell them from it."""
    limit = ZERO * (squares.max(initial=0.0) + other_squares.max(initial=0.0))
    small = np.flatnonzero(distances < limit)  # few, of which fewer are below their own limit
    row, column = np.unravel_index(small, distances.shape)
    zero = distances[row, column] < ZERO * (squares[row] + other_squares[column])
    distances[row[zero], column[zero]] = 0.0
    return distances


def spread(features: np.ndarray, rows: np.ndarray) -> float:
    """In how many directions photos vary, at most d: features (n, d) of their rows (m,).

    The participation ratio (sum v)^2 / sum v^2 of the variances v along the principal components,
    estimated as (mean |x|^2)^2 over the mean (x.y)^2 of pairs of photos, so that of few photos it
    is no smaller. Of more than 2,000 photos as many count, evenly spaced among the sorted rows: no
    random numbers, and of the same photos always the same. 0 where all are exactly alike.
    Source: Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv
    2017 (the ratio).
    """
    places = np.linspace(0, len(rows) - 1, min(len(rows), SPREAD_ROWS)).astype(np.int64)
    sample = Points(features, np.sort(rows)[places])
    points = sample.take(np.arange(len(sample)))
    if not (largest := float(np.abs(points).max(initial=0.0))):
        return 0.0
    points /= largest  # float32 overflows at squares of 1e19
    products = (points @ points.T).astype(np.float64)
    length = float(np.trace(products)) / len(products)
    np.fill_diagonal(products, 0.0)
    squared = float((products**2).sum()) / (len(products) * (len(products) - 1))
    return min(length**2 / max(squared, 1e-30), float(features.shape[1]))


def embed(
    features: np.ndarray, rows: np.ndarray, rng: np.random.Generator, dimensions: int = DIMENSIONS
) -> np.ndarray:
    """Points (m, <= dimensions) float32: principal components, scaled to a mean square of 1.

    For clusters and kernels, which need the shape of the pool rather than every digit: 64
    components of 512 features of VGG16 keep most of the variance at an eighth of the work. With
    no more features than `dimensions`, the features themselves. Components are found on at most
    FIT_ROWS random rows, by subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011).
    """
    if not len(rows):
        return np.zeros((0, min(dimensions, features.shape[1])), dtype=np.float32)
    some = rng.choice(rows, min(len(rows), FIT_ROWS), replace=False)
    sample = Points(features, np.sort(some))
    basis = _principal(sample.take(np.arange(len(sample))), dimensions, rng)
    embedded = np.empty((len(rows), basis.shape[1]), dtype=np.float32)
    for part, block in row_chunks(features, rows):
        embedded[part] = sample.place(block) @ basis
    scale = float(np.sqrt(np.einsum("ij,ij->", embedded, embedded) / len(embedded)))
    embedded /= max(scale, 1e-30)
    return embedded


def _principal(sample: np.ndarray, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """Basis (d, <= dimensions) of the principal components of `sample` (n, d), which is centred."""
    width = sample.shape[1]
    if width <= dimensions:
        return np.eye(width, dtype=np.float32)
    basis = rng.standard_normal((width, dimensions + 16), dtype=np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(sample.T @ (sample @ basis))
    projected = sample @ basis
    _, turned = np.linalg.eigh(projected.T @ projected)
    return np.ascontiguousarray(basis @ turned[:, : -dimensions - 1 : -1])
