"""BADGE: photos whose answers would move the model's last layer most, in different directions."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, check
from strategies.diversity import diverse_seed
from strategies.greedy import distance_sampling
from strategies.points import Points, without_noise
from strategies.registry import strategy


@strategy(
    "badge",
    "Large and different gradients of the last layer (BADGE; Ash et al., ICLR 2020).",
    uses_uncertainty=True,
    diverse=True,
)
def badge(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """Draws k photos by the seeding of k-means++ among their gradient embeddings.

    The embedding is the outer product of (probabilities - likeliest answer) and the features, the
    last layer's gradient if the likeliest answer were right. The first pick has the largest; each
    further one is drawn in proportion to its squared distance to the nearest pick or to zero,
    which a photo that the model is sure of has for its gradient. Multi-label: the likeliest answer
    is every label above one half. Within the batch, larger gradients come first; the score is the
    gradient's length.

    Distances are those of the whole embedding, computed from its two factors and never stored.
    Before there is a model, a diverse seed set.
    Source: Ash, Zhang, Krishnamurthy, Langford and Agarwal, Deep batch active learning by diverse,
    uncertain gradient lower bounds, ICLR 2020. Raises what `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    gradients = Gradients(
        Points(pool.features, pool.candidates, centred=False), pool.proba, pool.multilabel
    )
    chosen = distance_sampling(gradients, gradients.squares.copy(), k, rng)
    length = np.sqrt(gradients.squares[chosen])
    order = np.argsort(-length, kind="stable")
    return Selection(pool.candidates[chosen[order]], length[order].astype(np.float64))


class Gradients:
    """Gradient embeddings as `greedy.Distances`, by their factors a (m, C) and h (m, d).

    |a_i x h_i - a_j x h_j|^2 = |a_i|^2 |h_i|^2 + |a_j|^2 |h_j|^2 - 2 (a_i . a_j)(h_i . h_j).
    """

    def __init__(self, points: Points, proba: np.ndarray, multilabel: bool) -> None:
        self._points = points
        self._a = np.array(proba, dtype=np.float32)
        if multilabel:
            self._a -= self._a > 0.5
        else:
            self._a[np.arange(len(proba)), proba.argmax(axis=1)] -= 1.0
        sizes = np.einsum("ij,ij->i", self._a, self._a)
        self.squares = sizes * points.squares

    def __len__(self) -> int:
        return len(self._points)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The positions themselves: a gradient is never written out."""
        return positions

    def between(self, positions: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Squared distances (p, o) of the gradients at two arrays of positions."""
        rows, features = self._points.take(positions), self._points.take(others)
        return self._distances(rows, positions, features, others)

    def lower(self, nearest: np.ndarray, others: np.ndarray) -> None:
        """Lowers `nearest` (m,) to the squared distance to the nearest of `others` (o,)."""
        features = self._points.take(others)
        for part, block in self._points.blocks():
            found = self._distances(block, part, features, others)
            np.minimum(nearest[part], found.min(axis=1), out=nearest[part])

    def _distances(
        self,
        block: np.ndarray,
        part: slice | np.ndarray,
        features: np.ndarray,
        others: np.ndarray,
    ) -> np.ndarray:
        """Of the rows at `part`, whose points are `block`, and those at `others`."""
        products = block @ features.T
        products *= self._a[part] @ self._a[others].T
        products *= -2.0
        products += self.squares[part][:, None]
        products += self.squares[others]
        return without_noise(products, self.squares[part], self.squares[others])
