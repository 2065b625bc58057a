"""Hierarchical sampling: where in a tree of clusters the answers still disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check
from strategies.clusters import assign, centroids
from strategies.points import embed
from strategies.registry import strategy

LEAVES = 1000
"""Most leaves of the tree; larger pools are first put into that many k-means clusters."""


@strategy(
    "hierarchical",
    "From clusters whose answers disagree (hierarchical sampling; Dasgupta and Hsu, ICML 2008).",
)
def hierarchical(pool: Pool, k: int, *, rng: np.random.Generator, beta: float = 2.0) -> Selection:
    """Random photos of the best pruning's clusters, the more the less their answers are settled.

    A Ward tree over the pool (over k-means clusters beyond LEAVES photos). In every node the share
    of each label among the answers has an interval; a label is admissible where its errors are
    below beta times any other's within the intervals. The pruning is the set of nodes with the
    lowest estimated error if all their photos had their admissible label. A photo is drawn by
    choosing a node in proportion to its photos times 1 - the label's lower bound, then one of its
    photos. Nodes not settled come first; the score is 1 - the lower bound. Without labels all
    photos are as likely. Probabilities are not used.

    Multi-label: every label is a problem of its own, on or off, in the same tree; errors and
    bounds of a node are the means over labels.

    beta: 2 as in the paper.
    Source: Dasgupta and Hsu, Hierarchical sampling for active learning, ICML 2008.
    Raises StrategyError for a beta below 1, and what `base.check` raises.
    """
    check(pool, k)
    if not beta >= 1:
        raise StrategyError(f"beta is {beta}: expected 1 or more.")
    rows = np.concatenate([pool.candidates, pool.labelled])
    leaf, tree = _tree(embed(pool.features, rows, rng), rng)
    m = len(pool.candidates)
    counts = _sums(tree, _by_leaf(leaf[m:], _answers(pool), len(tree.leaves)))
    node_of_leaf, open_share = _pruning(tree, counts, beta)
    node = node_of_leaf[leaf[:m]]
    # A node in proportion to photos x share, then a photo of it: every photo by its node's share,
    # drawn without replacement by an exponential race.
    race = rng.standard_exponential(m)
    chosen = np.argsort(race / np.maximum(open_share[node], 1e-12), kind="stable")[:k]
    scores = open_share[node[chosen]]
    order = np.argsort(-scores, kind="stable")
    return Selection(pool.candidates[chosen[order]], scores[order], {"nodes": len(np.unique(node))})


@dataclass(frozen=True)
class _Tree:
    """leaves: photos (L,) in each leaf. children (L - 1, 2) of the inner nodes L, L + 1, ..."""

    leaves: np.ndarray
    children: np.ndarray


def _tree(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, _Tree]:
    """The leaf (n,) of each point, and the tree."""
    from scipy.cluster.hierarchy import linkage

    if len(points) <= LEAVES:
        leaf, centres = np.arange(len(points)), points
    else:
        leaf, _ = assign(points, centroids(points, LEAVES, rng))
        leaf = np.unique(leaf, return_inverse=True)[1]
        order = np.argsort(leaf, kind="stable")
        starts = np.searchsorted(leaf[order], np.arange(leaf.max() + 1))
        centres = np.add.reduceat(points[order], starts, axis=0) / np.bincount(leaf)[:, None]
    children = np.zeros((0, 2), dtype=np.int64)
    if len(centres) > 1:
        children = linkage(centres, "ward")[:, :2].astype(np.int64)
    return leaf, _Tree(np.bincount(leaf), children)


def _answers(pool: Pool) -> np.ndarray:
    """Answers (l, P, A) to P problems: one with A classes, or each label on or off."""
    if not pool.multilabel and pool.targets.shape[1] > 1:
        return pool.targets[:, None, :]
    labels = pool.targets if pool.targets.shape[1] else np.zeros((len(pool.labelled), 1))
    return np.stack([1.0 - labels, labels], axis=2)


def _by_leaf(leaf: np.ndarray, answers: np.ndarray, leaves: int) -> np.ndarray:
    """Sums (L, P, A) of the answers (l, P, A) in each leaf."""
    sums = np.zeros((leaves, *answers.shape[1:]))
    np.add.at(sums, leaf, answers)
    return sums


def _sums(tree: _Tree, leaves: np.ndarray) -> np.ndarray:
    """The leaves' values and, after them, those of all inner nodes, the sums of their children."""
    values = np.concatenate([leaves, np.zeros((len(tree.children), *leaves.shape[1:]))])
    for number, (left, right) in enumerate(tree.children):
        values[len(leaves) + number] = values[left] + values[right]
    return values


def _pruning(tree: _Tree, counts: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The node (L,) of the best pruning above each leaf, and every node's 1 - lower bound."""
    sizes = _sums(tree, tree.leaves.astype(np.float64))
    error, open_share, admissible = _settled(counts, sizes, beta)
    leaves = len(tree.leaves)
    best, split = error.copy(), np.zeros(len(error), dtype=bool)
    for number, (left, right) in enumerate(tree.children):
        node = leaves + number
        below = (sizes[left] * best[left] + sizes[right] * best[right]) / sizes[node]
        split[node] = admissible[node] and below < error[node]
        best[node] = below if split[node] else error[node]
    top = np.arange(len(error))
    for number in range(len(tree.children) - 1, -1, -1):
        node = leaves + number
        if top[node] != node or not split[node]:
            top[tree.children[number]] = top[node]
    return top[:leaves], open_share


def _settled(
    counts: np.ndarray, sizes: np.ndarray, beta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Error estimate, 1 - lower bound, and whether any label is admissible, of each node (N,).

    counts (N, P, A): answers of each of P problems. Intervals as in section 3 of the paper.
    """
    n = counts.sum(axis=2, keepdims=True)
    share = np.divide(counts, n, out=np.zeros_like(counts), where=n > 0)
    # A node whose photos are all answered has no uncertainty left.
    left = np.clip(1.0 - n / sizes[:, None, None], 0.0, 1.0)
    width = np.where(n > 0, left / np.maximum(n, 1e-12), 1.0)
    width = width + np.sqrt(width * share * (1.0 - share))
    lower, upper = np.maximum(share - width, 0.0), np.minimum(share + width, 1.0)
    others = np.partition(upper, -2, axis=2)[:, :, -2:]
    rival = np.where(upper == others[:, :, 1:], others[:, :, :1], others[:, :, 1:])
    admissible = (1.0 - lower) < beta * (1.0 - rival)
    error = np.where(admissible, 1.0 - share, 1.0).min(axis=2).mean(axis=1)
    open_share = (1.0 - lower.max(axis=2)).mean(axis=1)
    return error, open_share, admissible.any(axis=2).any(axis=1)
