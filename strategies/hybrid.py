"""Uncertain and diverse: clusters among the photos that the model is unsure of."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, top_k
from strategies.clusters import assign, centroids, representatives
from strategies.diversity import diverse_seed
from strategies.points import embed
from strategies.registry import strategy
from strategies.uncertainty import most_uncertain, uncertainty_scores

LINKED = 4000
"""Most photos that are clustered pair by pair (64 MB of distances)."""
WITHIN_MARGIN = float(np.tanh(0.5))
"""Gap of two probabilities p = 1 / (1 + exp(-f)) at f = 1, the edge of a classifier's margin."""


@strategy(
    "clue",
    "Nearest to centroids of k-means weighted by entropy (CLUE; Prabhu et al., ICCV 2021).",
    uses_uncertainty=True,
    diverse=True,
)
def clue(pool: Pool, k: int, *, rng: np.random.Generator, temperature: float = 0.5) -> Selection:
    """The photo nearest to each centroid of k weighted clusters, heaviest cluster first.

    A photo weighs its entropy, after probabilities were raised to 1 / temperature. Photos of no
    entropy are left out as long as others remain. The score is the cluster's share of the weight.

    temperature: the authors use 1 and 0.1; lower ones count only the most uncertain photos.
    Source: Prabhu, Chandrasekaran, Saenko and Hoffman, Active domain adaptation via clustering
    uncertainty-weighted embeddings, ICCV 2021. Clusters are of `points.embed`. Before there is a
    model, a diverse seed set.
    Raises StrategyError for a temperature <= 0, and what `base.check` raises.
    """
    check(pool, k)
    if not temperature > 0:
        raise StrategyError(f"Temperature {temperature}: expected a number above 0.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    weights = uncertainty_scores(_sharpened(pool, temperature), "entropy")
    points = embed(pool.features, pool.candidates, rng)
    chosen, share = representatives(points, k, rng, weights)
    return Selection(pool.candidates[chosen], share)


def _sharpened(pool: Pool, temperature: float) -> Pool:
    from dataclasses import replace

    assert pool.proba is not None
    raised = pool.proba.astype(np.float64).clip(0.0, 1.0) ** (1.0 / temperature)
    if pool.multilabel:
        total = raised + (1.0 - pool.proba.astype(np.float64)).clip(0.0, 1.0) ** (1.0 / temperature)
    else:
        total = raised.sum(axis=1, keepdims=True)
    return replace(pool, proba=raised / total)


@strategy(
    "diverse_minibatch",
    "Nearest to weighted centroids of the most uncertain (Zhdanov, arXiv 1901.05954, 2019).",
    uses_uncertainty=True,
    diverse=True,
)
def diverse_minibatch(
    pool: Pool, k: int, *, rng: np.random.Generator, beta: float = 10, uncertainty: str = "margin"
) -> Selection:
    """Of the beta k most uncertain photos, those nearest to the centroids of k weighted clusters.

    A photo weighs its uncertainty. Heaviest clusters come first; the score is their share of the
    weight. Before there is a model, a diverse seed set.

    beta: 10 as in the paper. uncertainty: a measure of `uncertainty.SCORES`.
    Source: Zhdanov, Diverse mini-batch active learning, arXiv 1901.05954, 2019.
    Raises StrategyError for a beta below 1, and what `base.check` raises.
    """
    kept, scores = _prefiltered(pool, k, beta, uncertainty, rng)
    if scores is None:
        return diverse_seed(pool, k, rng)
    points = embed(pool.features, pool.candidates[kept], rng)
    chosen, share = representatives(points, k, rng, scores)
    return Selection(pool.candidates[kept[chosen]], share, {"kept": len(kept)})


@strategy(
    "cluster_margin",
    "Least margin of each cluster in turn (Cluster-Margin; Citovsky et al., NeurIPS 2021).",
    uses_uncertainty=True,
    diverse=True,
)
def cluster_margin(
    pool: Pool, k: int, *, rng: np.random.Generator, beta: float = 10, uncertainty: str = "margin"
) -> Selection:
    """Of the beta k most uncertain photos, one from each of their clusters in turn.

    Average-linkage clusters, as many as k, smallest first; from each its most uncertain photo.
    Within the batch the most uncertain photos come first; the score is their uncertainty.
    The authors cluster the whole pool once and take a cluster's photos at random; here the
    uncertain photos alone are clustered (beyond LINKED of them, their k-means centroids).

    beta: 10 as in the paper. uncertainty: a measure of `uncertainty.SCORES`.
    Source: Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh and Kumar, Batch active
    learning at scale, NeurIPS 2021. Before there is a model, a diverse seed set.
    Raises StrategyError for a beta below 1, and what `base.check` raises.
    """
    kept, scores = _prefiltered(pool, k, beta, uncertainty, rng)
    if scores is None:
        return diverse_seed(pool, k, rng)
    cluster = _linked(embed(pool.features, pool.candidates[kept], rng), k, rng)
    turn = _turns(cluster, scores)
    sizes = np.bincount(cluster)[cluster]
    chosen = np.lexsort((-scores, sizes, turn))[:k]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    return Selection(pool.candidates[kept[chosen]], scores[chosen], {"kept": len(kept)})


@strategy(
    "represent_cluster_centers",
    "Nearest to the centroids of photos within the margin (Xu et al., ECIR 2003).",
    uses_uncertainty=True,
    diverse=True,
)
def represent_cluster_centers(
    pool: Pool, k: int, *, rng: np.random.Generator, within: float = WITHIN_MARGIN
) -> Selection:
    """Of the photos within the classifier's margin, those nearest to the centroids of k clusters.

    With fewer than k photos within the margin, the k most uncertain. The most uncertain come
    first; the score is `uncertainty.margin_scores`. Before there is a model, a diverse seed set.

    within: the gap of probabilities that is within the margin, by default that of a decision value
    of 1 (google/active-learning, where this comes from, takes that of the labelled photos, whose
    probabilities a pool does not have).
    Source: Xu, Yu, Tresp, Xu and Wang, Representative sampling for text classification using
    support vector machines, ECIR 2003. Raises StrategyError where `within` is not in (0, 1], and
    what `base.check` raises.
    """
    check(pool, k)
    if not 0 < within <= 1:
        raise StrategyError(f"Gap {within}: expected a number above 0, up to 1.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    scores = uncertainty_scores(pool, "margin")
    inside = np.flatnonzero(scores > 1.0 - within)
    if len(inside) > k:
        points = embed(pool.features, pool.candidates[inside], rng)
        chosen = inside[representatives(points, k, rng)[0]]
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    else:
        chosen = top_k(scores, k, rng)
    return Selection(pool.candidates[chosen], scores[chosen], {"within_margin": len(inside)})


@strategy(
    "informative_diverse",
    "Least margin, the batch spread over clusters like the pool (google/active-learning, 2017).",
    uses_uncertainty=True,
)
def informative_diverse(
    pool: Pool, k: int, *, rng: np.random.Generator, clusters: int | None = None
) -> Selection:
    """The most uncertain photos, from each cluster of the pool no more than its share of k.

    Shares are rounded up, and what they leave open goes to the most uncertain of the rest. The
    score is `uncertainty.margin_scores`. Before there is a model, a diverse seed set.

    clusters: by k-means, by default as many as there are classes.
    Source: the sampler of that name in google/active-learning (Yang, 2017), which takes the number
    of clusters from all true labels, unknown ones too, and fills up in no order.
    Raises StrategyError for clusters below 1, and what `base.check` raises.
    """
    check(pool, k)
    if clusters is not None and clusters < 1:
        raise StrategyError(f"{clusters} clusters: expected 1 or more.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    scores = uncertainty_scores(pool, "margin")
    points = embed(pool.features, pool.candidates, rng)
    clusters = pool.proba.shape[1] if clusters is None else clusters
    cluster, _ = assign(points, centroids(points, clusters, rng))
    share = np.ceil(np.bincount(cluster) / len(cluster) * k)[cluster]
    order = np.lexsort((rng.random(len(scores)), -scores))
    turn = np.empty(len(scores))
    turn[order] = _turns(cluster[order], np.zeros(len(order)))
    # First everything inside its cluster's share, then the rest, both by uncertainty.
    chosen = order[np.argsort(turn[order] >= share[order], kind="stable")][:k]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    return Selection(pool.candidates[chosen], scores[chosen], {"clusters": clusters})


def _prefiltered(
    pool: Pool, k: int, beta: float, uncertainty: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions of the beta k most uncertain candidates and their scores, None without a model."""
    check(pool, k)
    if not 1 <= beta < np.inf:
        raise StrategyError(f"beta is {beta}: expected a number of 1 or more.")
    if pool.proba is None:
        return np.arange(len(pool.candidates)), None
    scores = uncertainty_scores(pool, uncertainty)
    kept = most_uncertain(scores, int(beta * k), k, rng)
    return kept, scores[kept]


def _linked(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """The cluster (m,) of each point by average linkage, cut into that many clusters."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(points) == 1:
        return np.zeros(1, dtype=np.int64)
    if len(points) <= LINKED:
        found: np.ndarray = fcluster(linkage(points, "average"), clusters, "maxclust") - 1
        return found
    few, _ = assign(points, centroids(points, LINKED // 2, rng))
    centres = np.stack([points[few == number].mean(axis=0) for number in np.unique(few)])
    return _linked(centres, clusters, rng)[np.unique(few, return_inverse=True)[1]]


def _turns(cluster: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many photos of its own cluster come before each photo, by score."""
    order = np.lexsort((-scores, cluster))
    ordered = cluster[order]
    starts = np.searchsorted(ordered, ordered)
    turn = np.empty(len(cluster), dtype=np.int64)
    turn[order] = np.arange(len(cluster)) - starts
    return turn
