"""Multi-label strategies that look at a photo's labels together: how many, and which sets.

A label counts as predicted where its probability is at least one half. Without labelled photos the
candidates' own predictions stand in for what is usual.
"""

from __future__ import annotations

import numpy as np

from strategies.base import (
    Pool,
    Selection,
    StrategyError,
    by_pieces,
    check,
    highest,
    row_chunks,
    top_k,
)
from strategies.diversity import diverse_seed
from strategies.multilabel import label_doubts
from strategies.registry import strategy
from strategies.ridge import Ridge

BETAS = np.linspace(0.0, 1.0, 11)
"""Weights of doubt against unusual numbers of labels that `adaptive` tries, as in its paper."""
ERROR_SAMPLE = 2000
CHUNK_SETS = 4096
BITS = 31
"""Labels that become one whole number, together with the number of the set of those before."""


@strategy(
    "lci",
    "An unusual number of labels (label cardinality inconsistency; Li and Guo, IJCAI 2013).",
    uses_uncertainty=True,
    multilabel_only=True,
)
def lci(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates whose number of predicted labels is farthest from the labelled mean.

    Cold, a diverse seed. Source: Li and Guo, Active learning with multi-label SVM classification,
    IJCAI 2013, section 3.2. Raises StrategyError on a single-label pool, and what `base.check`
    raises.
    """
    check(pool, k)
    _refuse_single_label(pool, "lci")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    return highest(pool, k, _inconsistency(pool, pool.proba), rng)


@strategy(
    "audi",
    "An unusual number of labels, then a label near one half (AUDI; Huang and Zhou, ICDM 2013).",
    uses_uncertainty=True,
    multilabel_only=True,
)
def audi(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """As `lci`; of photos with equally unusual numbers, those with a label nearest to one half.

    The paper asks for one label of one photo: the photo by its number of labels over the number not
    yet asked for, the label by its distance to the threshold. Where whole photos are answered that
    denominator is the same for all. Cold, a diverse seed. Source: Huang and Zhou, Active query
    driven by uncertainty and diversity for incremental multi-label learning, ICDM 2013.
    Raises StrategyError on a single-label pool, and what `base.check` raises.
    """
    check(pool, k)
    _refuse_single_label(pool, "audi")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    nearest = by_pieces(lambda proba: label_doubts(proba, True).max(axis=1), pool.proba)
    # Numbers of labels differ by whole ones from the same mean, so this only breaks ties.
    steps = np.round(_inconsistency(pool, pool.proba), 9)
    return highest(pool, k, np.searchsorted(np.unique(steps), steps) + 0.5 * nearest, rng)


@strategy(
    "adaptive",
    "Doubt and unusual numbers of labels, weighed to err least (Li and Guo, IJCAI 2013).",
    uses_uncertainty=True,
    multilabel_only=True,
)
def adaptive(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates highest in doubt^b * inconsistency^(1 - b), for the best b of BETAS.

    Doubt is 1 over the gap between the least likely predicted label and the likeliest other one
    (a missing side is the threshold), inconsistency as in `lci`. For each b the batch it would ask
    for is added to the labelled photos with its predicted labels, a ridge regression is fitted, and
    its hinge errors on at most ERROR_SAMPLE candidates add up; the b with the fewest is used
    (`info["beta"]`), here once a batch, in the paper once a photo. Cold, a diverse seed.
    Source: Li and Guo, IJCAI 2013, section 3.3.
    Raises StrategyError on a single-label pool, and what `base.check` raises.
    """
    check(pool, k)
    _refuse_single_label(pool, "adaptive")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    doubt = 1.0 / np.maximum(by_pieces(_separation, pool.proba), 1e-3)
    inconsistency = _inconsistency(pool, pool.proba)
    batches = {
        float(beta): top_k(doubt**beta * inconsistency ** (1.0 - beta), k, rng) for beta in BETAS
    }
    beta = min(batches, key=_errors(pool, batches, rng).__getitem__)
    chosen = batches[beta]
    scores = doubt[chosen] ** beta * inconsistency[chosen] ** (1.0 - beta)
    return Selection(pool.candidates[chosen], scores, {"beta": beta})


@strategy(
    "mmc",
    "Largest loss reduction with the most confident labels (MMC; Yang et al., KDD 2009).",
    uses_uncertainty=True,
)
def mmc(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates whose likely labels agree least with their probabilities.

    The likely labels are the n most probable ones; n comes from a logistic regression on the sorted
    scores of a ridge regression (on labelled photos, each left out of its own). The score is the
    sum over labels of (1 - y f) / 2, y = +-1 for likely or not, f = 2p - 1. In a single-label pool
    n is 1, which ranks as least confidence. Cold, a diverse seed.
    Source: Yang, Sun, Wang and Chen, Effective multi-label active learning for text classification,
    KDD 2009. Raises what `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    return highest(pool, k, by_pieces(_loss, pool.proba, _likely_counts(pool)), rng)


@strategy(
    "cvirs",
    "Sets of labels unlike those known, times ranks of doubt (CVIRS; Reyes et al., 2018).",
    uses_uncertainty=True,
)
def cvirs(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates highest in inconsistency of their set of labels times rank of doubt.

    The rank of doubt is the mean, over labels, of a candidate's rank by doubt (1 for the least
    certain of all, 0 for the most; equal ones share). The inconsistency is the mean distance of its
    predicted set of labels to the labelled ones: the normalised entropy distance of the two 0/1
    vectors, 1 where they differ in every label; at least a hundredth, so that doubt still ranks
    photos with ordinary labels. Cold, a diverse seed. Source: Reyes, Morell and Ventura, Effective
    active learning strategy for multi-label learning, Neurocomputing 273 (2018), equations 4 to 9.
    Raises what `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    doubts = label_doubts(pool.proba, pool.multilabel)
    ranks = np.mean([_ranks(label) for label in doubts.T], axis=0)
    doubt = (ranks - 1.0) / max(len(doubts) - 1, 1)
    return highest(pool, k, doubt * np.maximum(_set_distances(pool), 0.01), rng)


def _refuse_single_label(pool: Pool, name: str) -> None:
    if not pool.multilabel:
        raise StrategyError(
            f"{name} compares numbers of labels, which are all one in a single-label pool. "
            "Use margin, or a multi-label pool."
        )


def _inconsistency(pool: Pool, proba: np.ndarray) -> np.ndarray:
    """Distance (m,) of each candidate's number of labels to the mean number of the labelled."""
    numbers = by_pieces(lambda proba: (proba >= 0.5).sum(axis=1), proba)
    known = (pool.targets >= 0.5).sum(axis=1) if len(pool.labelled) else numbers
    return np.abs(numbers - known.mean())


def _loss(proba: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sum over labels (m,) of what the model lacks of the `counts` (m,) likeliest (see `mmc`)."""
    proba = proba.astype(np.float64)
    order = np.argsort(-proba, axis=1, kind="stable")
    likely = np.empty(proba.shape, dtype=bool)
    np.put_along_axis(likely, order, np.arange(proba.shape[1]) < counts[:, None], axis=1)
    loss: np.ndarray = np.where(likely, 1.0 - proba, proba).sum(axis=1)
    return loss


def _separation(proba: np.ndarray) -> np.ndarray:
    """Gap (m,) of 2p - 1 between the least likely predicted label and the likeliest other one.

    The threshold 0 stands in for a side without labels: a photo without any predicted label is as
    doubtful as its likeliest label is near to one half.
    """
    f = 2.0 * proba.astype(np.float64) - 1.0
    on, off = np.where(f >= 0, f, np.inf).min(axis=1), np.where(f < 0, f, -np.inf).max(axis=1)
    return np.where(np.isinf(on), 0.0, on) - np.where(np.isinf(off), 0.0, off)


def _set_distances(pool: Pool) -> np.ndarray:
    """Mean distance (m,) of each candidate's predicted set of labels to those known (see `cvirs`).

    Each pair of different sets is compared once, however many photos have them.
    """
    assert pool.proba is not None
    sets, place, own = _label_sets(pool.proba, pool.multilabel)
    others, photos = sets, own
    if len(pool.labelled):
        others, _, photos = _label_sets(pool.targets, pool.multilabel)
    distances = np.empty(len(sets))
    for start in range(0, len(sets), CHUNK_SETS):
        part = slice(start, start + CHUNK_SETS)
        distances[part] = entropy_distances(sets[part], others) @ (photos / photos.sum())
    return distances[place]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (m,) from 1 for the lowest on; equal values share the mean of theirs."""
    _, place, photos = np.unique(values, return_inverse=True, return_counts=True)
    shared: np.ndarray = np.cumsum(photos) - (photos - 1) / 2.0
    return shared[place]


def _label_sets(values: np.ndarray, multilabel: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different sets of labels (u, C) bool, the place (m,) of each photo's, how many have each.

    From probabilities or soft labels (m, C): those of at least one half, or the highest alone.
    """
    if multilabel:
        return _distinct(values >= 0.5)
    highest, place, photos = _numbered(values.argmax(axis=1))
    return np.eye(values.shape[1], dtype=bool)[highest], place, photos


def _distinct(sets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different rows (u, C) of `sets` (m, C) bool, the place (m,) of each, how many it has.

    As numpy.unique along an axis, by way of whole numbers, which sort many times as fast as rows.
    """
    place = np.zeros(len(sets), dtype=np.int64)
    for start in range(0, sets.shape[1], BITS):
        word = sets[:, start : start + BITS]
        codes = np.einsum("ij,j->i", word, 1 << np.arange(word.shape[1]))
        _, place, photos = _numbered((place << BITS) | codes)
    example = np.empty(len(photos), dtype=np.int64)
    example[place] = np.arange(len(sets))
    return sets[example], place, photos


def _numbered(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different codes (u,), the place (m,) of each, how many have each; all codes 0 or more."""
    if codes.max(initial=0) > len(codes):
        return np.unique(codes, return_inverse=True, return_counts=True)
    # Small numbers are counted, which takes time in proportion where sorting takes more.
    photos = np.bincount(codes)
    return np.flatnonzero(photos), (np.cumsum(photos > 0) - 1)[codes], photos[photos > 0]


def entropy_distances(sets: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances (u, v) in [0, 1] between sets of labels, (u, C) and (v, C) bool.

    (2 H(a, b) - H(a) - H(b)) / H(a, b) with entropies over the C labels; 0 for equal sets, 1 for
    sets that differ in every label. Source: Reyes et al. 2018, equations 7 to 9.
    """
    classes = sets.shape[1]
    share = np.arange(classes + 1) / classes
    term = -share * np.log(np.maximum(share, 1e-12))
    one, other = sets.sum(axis=1)[:, None], others.sum(axis=1)[None]
    both = (sets.astype(np.float32) @ others.astype(np.float32).T).astype(np.int64)
    differ = one + other - 2 * both
    joint = term[both] + term[one - both] + term[other - both] + term[classes - both - differ]
    single = term[one] + term[classes - one] + term[other] + term[classes - other]
    distance = np.divide(2 * joint - single, joint, out=np.zeros(joint.shape), where=joint > 1e-9)
    return np.where(differ == 0, 0.0, np.where(differ == classes, 1.0, distance))


def _errors(
    pool: Pool, batches: dict[float, np.ndarray], rng: np.random.Generator
) -> dict[float, float]:
    """Hinge errors after each batch is learned with its predicted labels (see `adaptive`)."""
    assert pool.proba is not None
    sample = rng.choice(pool.candidates, min(ERROR_SAMPLE, len(pool.candidates)), replace=False)
    sampled = np.asarray(pool.features[sample], dtype=np.float32)
    labelled = np.asarray(pool.features[pool.labelled], dtype=np.float32)
    errors = {}
    for beta, batch in batches.items():
        rows = np.asarray(pool.features[pool.candidates[batch]], dtype=np.float32)
        known = np.concatenate([pool.targets >= 0.5, pool.proba[batch] >= 0.5])
        model = Ridge(np.concatenate([labelled, rows]), 2.0 * known - 1.0)
        f = model.predict(sampled)
        on = np.where(f >= 0, 1.0 - f, 0.0).max(axis=1)
        off = np.where(f < 0, 1.0 + f, 0.0).max(axis=1)
        errors[beta] = float((np.maximum(on, 0.0) + np.maximum(off, 0.0)).sum())
    return errors


def _likely_counts(pool: Pool) -> np.ndarray:
    """How many labels each candidate (m,) likely has (see `mmc`)."""
    assert pool.proba is not None
    if not pool.multilabel:
        return np.ones(len(pool.proba), dtype=np.int64)
    if not len(pool.labelled):
        return (pool.proba >= 0.5).sum(axis=1)
    known = pool.targets >= 0.5
    numbers = known.sum(axis=1)
    if len(np.unique(numbers)) == 1:
        return np.full(len(pool.proba), numbers[0])
    from sklearn.linear_model import LogisticRegression

    model = Ridge(np.asarray(pool.features[pool.labelled], dtype=np.float32), known.astype(float))
    counter = LogisticRegression(max_iter=1000).fit(_descending(model.left_out), numbers)
    parts = [
        counter.predict(_descending(model.predict(block)))
        for _, block in row_chunks(pool.features, pool.candidates)
    ]
    return np.concatenate(parts)


def _descending(scores: np.ndarray) -> np.ndarray:
    return -np.sort(-scores, axis=1)
