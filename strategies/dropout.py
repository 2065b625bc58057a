"""DropQuery: photos whose prediction does not survive the loss of most of their features."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, row_chunks
from strategies.clusters import representatives
from strategies.diversity import diverse_seed
from strategies.points import embed
from strategies.registry import strategy
from strategies.uncertainty import most_uncertain, uncertainty_scores

FIT_ROWS = 4096
LOWEST = 1e-6
"""Probabilities are taken to be at least this, so that their logarithms are numbers."""


@strategy(
    "dropquery",
    "Predictions that dropout changes, spread by k-means (DropQuery; Gupte et al., TMLR 2024).",
    uses_uncertainty=True,
    diverse=True,
)
def dropquery(
    pool: Pool, k: int, *, rng: np.random.Generator, rate: float = 0.75, samples: int = 3
) -> Selection:
    """Of the photos whose prediction changes in most samples, one from each of k clusters.

    A sample drops each feature with probability `rate` and predicts again with the linear head
    that the pool's probabilities come from: least squares from features to log-probabilities
    recovers it, exactly where the head is linear. A pool with `members` brings its own samples.
    With fewer than k such photos, these, and clusters of the 10 k most uncertain others. The score
    is the number of samples that differ, plus the photo's margin score where that is below 1.
    Before there is a model, a diverse seed set.

    rate, samples: 0.75 and 3 as in the paper.
    Source: Gupte, Aklilu, Nirschl and Yeung-Levy, Revisiting active learning in the era of vision
    foundation models, TMLR 2024. Raises StrategyError for parameters out of range, and what
    `base.check` raises.
    """
    check(pool, k)
    if not 0 < rate < 1 or samples < 1:
        raise StrategyError(f"Rate {rate}, {samples} samples: expected 0 < rate < 1, 1 or more.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    if pool.members is None:
        changed = _changed_by_dropout(pool, pool.proba, rate, samples, rng)
    else:
        samples = len(pool.members)
        changed = _changed(_answers(pool.proba, pool), _answers(pool.members, pool)).sum(axis=0)
    unsure = uncertainty_scores(pool, "margin")
    points = embed(pool.features, pool.candidates, rng)
    kept = np.flatnonzero(2 * changed > samples)
    if len(kept) == k:
        chosen = kept
    elif len(kept) > k:
        chosen = kept[representatives(points[kept], k, rng)[0]]
    else:
        others = np.setdiff1d(np.arange(len(unsure)), kept)
        others = others[most_uncertain(unsure[others], 10 * k, k - len(kept), rng)]
        more, _ = representatives(points[others], k - len(kept), rng, unsure[others])
        chosen = np.concatenate([kept, others[more]])
    scores = changed[chosen] + 0.999 * unsure[chosen]
    order = np.argsort(-scores, kind="stable")
    return Selection(pool.candidates[chosen[order]], scores[order], {"changed": len(kept)})


def _answers(proba: np.ndarray, pool: Pool) -> np.ndarray:
    """The likeliest class, or the labels above one half."""
    found: np.ndarray = proba > 0.5 if pool.multilabel else proba.argmax(axis=-1)
    return found


def _changed(answers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether (T, m) each of T members gives another answer than the model."""
    changed = np.asarray(others != answers)
    return np.asarray(changed.any(axis=-1)) if changed.ndim == 3 else changed


def _changed_by_dropout(
    pool: Pool, proba: np.ndarray, rate: float, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """In how many samples (m,) the prediction changes."""
    weights, bias = linear_head(pool, proba, rng)
    keep = round(256 * (1.0 - rate))
    changed = np.zeros(len(proba), dtype=np.int64)
    for part, block in row_chunks(pool.features, pool.candidates):
        before = _decide(block @ weights + bias, pool)
        for _ in range(samples):
            bits = np.frombuffer(rng.bytes(block.size), dtype=np.uint8).reshape(block.shape)
            after = _decide((block * (bits < keep)) @ weights + bias, pool)
            changed[part] += _changed(before, after[None])[0]
    return changed


def _decide(logits: np.ndarray, pool: Pool) -> np.ndarray:
    found: np.ndarray = logits > 0 if pool.multilabel else logits.argmax(axis=1)
    return found


def linear_head(
    pool: Pool, proba: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, C) and bias (C,) float32 whose logits give `proba` (m, C) of the candidates.

    Least squares on at most FIT_ROWS random candidates (twice as many as features, if that is
    more); of a softmax, logits up to a constant, which no class gains by.
    """
    width = pool.features.shape[1]
    size = min(len(proba), max(FIT_ROWS, 2 * width))
    some = np.sort(rng.choice(len(proba), size, replace=False))
    p = np.clip(proba[some].astype(np.float64), LOWEST, 1.0 - LOWEST)
    logits = np.log(p)
    logits -= np.log(1.0 - p) if pool.multilabel else logits.mean(axis=1, keepdims=True)
    X = np.concatenate(
        [block for _, block in row_chunks(pool.features, pool.candidates[some])]
    ).astype(np.float64)
    mean, level = X.mean(axis=0), logits.mean(axis=0)
    X -= mean
    gram = X.T @ X
    # Only enough to make it solvable where features repeat one another.
    gram[np.diag_indices(width)] += 1e-8 * np.trace(gram) / width + 1e-12
    weights = np.linalg.solve(gram, X.T @ (logits - level))
    return weights.astype(np.float32), (level - mean @ weights).astype(np.float32)
