"""Density: photos that stand for many others."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, highest, row_chunks
from strategies.diversity import diverse_seed
from strategies.neighbours import nearest_neighbours
from strategies.points import embed
from strategies.registry import strategy
from strategies.uncertainty import uncertainty_scores

NEAR_COPY = 0.99
"""Weight of an edge from which two photos count as one."""
LAST = 1e6

Graph = tuple[np.ndarray, np.ndarray, np.ndarray]


@strategy(
    "information_density",
    "Uncertain and like the rest of the pool (Settles and Craven, EMNLP 2008).",
    uses_uncertainty=True,
)
def information_density(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    uncertainty: str = "entropy",
    beta: float = 1.0,
) -> Selection:
    """The k highest of uncertainty times the mean similarity to all candidates to the beta.

    Similarity is (1 + cosine) / 2, whose mean over the pool is a product with one mean vector:
    exact in time linear in the pool. Before there is a model, a diverse seed set.

    uncertainty: a measure of `uncertainty.SCORES`. beta: weight of density.
    Source: Settles and Craven, An analysis of active learning strategies for sequence labeling
    tasks, EMNLP 2008, equation 13. Raises StrategyError for a beta that is not finite, and what
    `base.check` raises.
    """
    check(pool, k)
    if not np.isfinite(beta):
        raise StrategyError(f"beta is {beta}: expected a number.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    density = mean_similarity(pool.features, pool.candidates)
    scores = uncertainty_scores(pool, uncertainty) * density**beta
    return highest(pool, k, scores, rng)


def mean_similarity(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean (m,) over all `rows` of (1 + cosine) / 2 with each; 1/2 for photos without features."""
    mean = np.zeros(features.shape[1])
    lengths = np.empty(len(rows), dtype=np.float32)
    for part, block in row_chunks(features, rows):
        lengths[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
        mean += (1.0 / np.maximum(lengths[part], 1e-30)) @ block
    mean /= len(rows)
    cosine = np.empty(len(rows))
    for part, block in row_chunks(features, rows):
        cosine[part] = block @ mean.astype(np.float32) / np.maximum(lengths[part], 1e-30)
    return np.clip((1.0 + cosine) / 2.0, 1e-12, 1.0)


@strategy(
    "graph_density",
    "Densest in a graph of neighbours, away from the labelled (Ebert et al., CVPR 2012).",
    diverse=True,
)
def graph_density(
    pool: Pool, k: int, *, rng: np.random.Generator, neighbours: int = 10
) -> Selection:
    """Each pick has the densest neighbourhood; its neighbours' density then falls by its own.

    By its own at first, that is: falling densities would raise their neighbours' once below zero.
    Near copies of a pick come after all others.
    Density is the mean weight exp(-d^2 / (2 s^2)) of a photo's edges in the graph of nearest
    neighbours made symmetric, s^2 the mean of the edges' d^2. Labelled photos count as picked
    before. The score is the density when picked, the lowest so far.

    neighbours: of each photo in the graph, at most one fewer than there are photos. Distances are
    of `points.embed`; neighbours beyond 8,192 photos are approximate, see `neighbours`.
    Source: Ebert, Fritz and Schiele, RALF: a reinforced active learning formulation for object
    class recognition, CVPR 2012. Raises StrategyError for neighbours below 1, and what
    `base.check` raises.
    """
    check(pool, k)
    if neighbours < 1:
        raise StrategyError(f"{neighbours} neighbours: expected 1 or more.")
    rows = np.concatenate([pool.candidates, pool.labelled])
    m, n = len(pool.candidates), len(rows)
    if n == 1:
        return Selection(pool.candidates, np.zeros(1))
    points = embed(pool.features, rows, rng)
    graph = nearest_neighbours(points, min(neighbours, n - 1), rng)
    starts, ends, weights = _symmetric_graph(*graph)
    density = np.add.reduceat(weights, starts[:-1]) / np.diff(starts)
    density += 1e-9 * rng.random(n)  # so that ties are broken at random
    original = density.copy()

    def spread(pick: int) -> None:
        edges = slice(starts[pick], starts[pick + 1])
        density[ends[edges]] -= original[pick]
        density[ends[edges][weights[edges] > NEAR_COPY]] -= LAST

    for _ in range(n - m):
        pick = m + int(density[m:].argmax())
        spread(pick)
        density[pick] = -np.inf
    density[m:] = -np.inf
    chosen, scores = np.empty(k, dtype=np.int64), np.empty(k)
    for step in range(k):
        chosen[step] = density.argmax()
        scores[step] = density[chosen[step]]
        spread(chosen[step])
        density[chosen[step]] = -np.inf
    return Selection(pool.candidates[chosen], np.minimum.accumulate(scores))


def _symmetric_graph(found: np.ndarray, squared: np.ndarray) -> Graph:
    """Edges of every photo, both ways: (n + 1,) starts, ends and weights, in the rows' order."""
    from scipy.sparse import csr_matrix

    n, neighbours = found.shape
    width = 2.0 * max(float(squared.mean()), 1e-30)
    weights = np.exp(squared.ravel() / -width, dtype=np.float64) + 1e-12  # an edge is no zero
    starts = np.arange(0, n * neighbours + 1, neighbours)
    graph = csr_matrix((weights, found.ravel(), starts), shape=(n, n))
    graph = graph.maximum(graph.T).tocsr()
    return graph.indptr, graph.indices, graph.data
