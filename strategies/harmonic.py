"""Labels spread from the answered photos over a graph of neighbours."""

from __future__ import annotations

import numpy as np

from strategies.neighbours import nearest_neighbours

NEIGHBOURS = 5
TOLERANCE = 1e-8


def harmonic_labels(
    points: np.ndarray,
    labelled: np.ndarray,
    targets: np.ndarray,
    rng: np.random.Generator,
    *,
    neighbours: int = NEIGHBOURS,
    epsilon: float = 1e-6,
) -> np.ndarray:
    """Labels F (n, C) spread from the `labelled` rows' `targets` (l, C) over a kNN graph.

    points (n, d), labelled (l,) row numbers, l >= 1. On labelled rows F is the targets; elsewhere
    each row is the mean of its neighbours in W = A + epsilon 11', A the 0/1 graph of `neighbours`
    nearest neighbours (see `neighbours`) made symmetric: F_u = -L_uu^-1 L_ul Y_l with L = D - W.
    Rows of targets that sum to 1 give rows that do. The rank-one part enters by the
    Sherman-Morrison formula, so the system solved is sparse; conjugate gradients solve it.
    Source: Zhu, Ghahramani and Lafferty, ICML 2003, as in Yang et al., IJCV 2015.
    """
    from scipy.sparse import csr_matrix, diags

    n = len(points)
    neighbours = min(neighbours, n - 1)
    found, _ = nearest_neighbours(points, neighbours, rng)
    starts = np.arange(0, n * neighbours + 1, neighbours)
    adjacency = csr_matrix((np.ones(found.size), found.ravel(), starts), shape=(n, n))
    adjacency = adjacency.maximum(adjacency.T).tocsr()
    unlabelled = np.setdiff1d(np.arange(n), labelled)
    targets = targets.astype(np.float64)
    degrees = np.asarray(adjacency.sum(axis=1)).ravel() + epsilon * n
    inner = adjacency[unlabelled]
    right = inner[:, labelled] @ targets + epsilon * targets.sum(axis=0)
    system = (diags(degrees[unlabelled]) - inner[:, unlabelled]).tocsr()
    solved = _solve(system, np.column_stack([right, np.ones(len(unlabelled))]), degrees[unlabelled])
    spread, ones = solved[:, :-1], solved[:, -1]
    F = np.empty((n, targets.shape[1]))
    F[labelled] = targets
    F[unlabelled] = spread + np.outer(
        ones, epsilon * spread.sum(axis=0) / (1.0 - epsilon * ones.sum())
    )
    return F


def _solve(system: object, right: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Solutions (u, C) of a sparse, symmetric, positive definite system for each column."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import cg

    preconditioner = diags(1.0 / diagonal)
    columns = [cg(system, column, rtol=TOLERANCE, M=preconditioner)[0] for column in right.T]
    return np.stack(columns, axis=1)
