"""After few answers: what the unlabelled photos near the labelled ones probably are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

MOST_LABELLED = 75
"""Measured: with 50 answers unlabelled photos help, with 100 they can do harm."""
_UNLABELLED = 1500
_NEIGHBOURS = 10
_SPREAD = 0.95
_STEPS = 50
_WEIGHT = 0.05


@dataclass(frozen=True)
class Background:
    """Unlabelled photos with probable labels.

    `features` (m, d) float32, `targets` (m, C) that add up to 1, `weights` (m,) of a photo beside
    an answered one.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]


def propagate(
    labelled: NDArray[np.float32], targets: NDArray[np.float64], unlabelled: NDArray[np.float32]
) -> Background:
    """Labels of (m, d) photos from those of (l, d), each label of (l, C) excluding the others.

    Label spreading over the graph of ten nearest neighbours by cosine (Zhou et al., NIPS 2003),
    every class with the same mass. A photo weighs the more the clearer its first label is
    before its second, and always far less than an answered one.
    """
    graph = _graph(np.concatenate([labelled, unlabelled]))
    mass = np.zeros((graph.shape[0], targets.shape[1]))
    mass[: len(labelled)] = targets / np.maximum(targets.sum(axis=0), 1e-12)
    spread = mass
    for _ in range(_STEPS):
        spread = _SPREAD * (graph @ spread) + (1 - _SPREAD) * mass
    found = spread[len(labelled) :]
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
    ordered = np.sort(shares, axis=1)
    return Background(unlabelled, shares, _WEIGHT * (ordered[:, -1] - ordered[:, -2]))


def spread_out(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most 1,500 of the rows, evenly spaced."""
    return rows[:: max(1, -(-len(rows) // _UNLABELLED))]


def _graph(features: NDArray[np.float32]) -> sparse.csr_array:
    """Symmetric, normalised by the degrees."""
    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.maximum(lengths, 1e-12)
    n = len(directions)
    count = min(_NEIGHBOURS, n - 1)
    with threadpool_limits(1, user_api="blas"):  # the same on any number of threads
        similar = directions @ directions.T
    np.fill_diagonal(similar, -np.inf)
    neighbours = np.argpartition(-similar, count - 1, axis=1)[:, :count]
    squares = np.maximum(2.0 - 2.0 * np.take_along_axis(similar, neighbours, axis=1), 0.0)
    width = max(float(np.median(squares.max(axis=1))), 1e-12)
    weights = np.exp(-squares / width).ravel()
    rows = np.repeat(np.arange(n), count)
    graph = sparse.csr_array((weights, (rows, neighbours.ravel())), shape=(n, n))
    graph = graph.maximum(graph.T)
    degrees = np.maximum(graph.sum(axis=1), 1e-12)
    roots = sparse.diags_array(1 / np.sqrt(degrees))
    return roots @ graph @ roots
