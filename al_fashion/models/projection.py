"""Fewer dimensions for strategies and head: the pool's own principal components."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512
"""At most so many are seen by strategies and head."""
SAMPLE = 2000
_BLOCK_VALUES = 2**24


@dataclass(frozen=True)
class Projection:
    """`mean` (d,) and orthonormal `components` (d, k), both float32."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, k) float32 of (n, d), an array or a memmap, read a bounded block at a time."""
        projected = np.empty((len(features), self.components.shape[1]), dtype=np.float32)
        shift = self.mean @ self.components
        step = max(1, _BLOCK_VALUES // len(self.mean))
        for start in range(0, len(features), step):
            block = np.asarray(features[start : start + step], dtype=np.float32)
            projected[start : start + step] = block @ self.components - shift
        return projected


def fit_projection(
    features: NDArray[np.float32], rows: NDArray[np.int64], rng: np.random.Generator
) -> Projection | None:
    """Principal components of at most 2,000 of `rows`; None where no fewer dimensions result.

    By the eigenvectors of the sample's Gram matrix, which is smaller than its covariance.
    """
    if features.shape[1] <= DIMENSIONS or len(rows) < 2:
        return None
    chosen = np.sort(rng.choice(rows, min(SAMPLE, len(rows)), replace=False))
    sample = np.asarray(features[chosen], dtype=np.float32)
    mean = sample.mean(axis=0)
    sample = sample - mean
    squares, directions = np.linalg.eigh(sample @ sample.T)
    squares, directions = squares[::-1][:DIMENSIONS], directions[:, ::-1][:, :DIMENSIONS]
    some = squares > 1e-6 * squares[0]
    components = sample.T @ (directions[:, some] / np.sqrt(squares[some]))
    return Projection(mean, np.ascontiguousarray(components, dtype=np.float32))
