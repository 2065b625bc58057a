"""Experimental design: photos whose answers would settle most about the rest of the pool."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, top_k
from strategies.points import embed, squared_distances
from strategies.registry import strategy
from strategies.uncertainty import uncertainty_scores

CANDIDATES = 1000
"""Photos to choose from: the most uncertain, or random ones before there is a model."""
REFERENCES = 1500
"""Photos whose variance counts, a sample of the candidates."""
LABELLED = 4000
"""Most labelled photos that are conditioned on, a random sample."""
LARGEST = 2000
WIDTH = 3.0
NOISE = 0.1


@strategy(
    "transductive",
    "Answers that settle most about the pool (transductive design; Yu et al., ICML 2006).",
    uses_uncertainty=True,
    diverse=True,
    most=LARGEST,
)
def transductive(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    width: float = WIDTH,
    noise: float = NOISE,
    uncertainty: str = "margin",
) -> Selection:
    """Greedily the k photos that lower the pool's uncertainty-weighted variance most.

    A Gaussian process over the photos, with a kernel exp(-|a - b|^2 / s) of unit vectors of
    `points.embed`, is conditioned on labelled and picked photos. Picking x lowers the variance at r
    by cov(r, x)^2 / (var(x) + noise / u_x); the score is that reduction summed over r with weights
    u_r, as a share of all the weighted variance there is. u is the model's uncertainty, so that a
    photo it is sure of neither matters nor tells anything; before there is a model u is 1, and the
    first batch is typical and diverse at once.

    width: s in medians of the squared distances between photos. noise: the variance of an answer
    about the most uncertain photo, 1 being that of a photo nothing is known about. uncertainty: a
    measure of `uncertainty.SCORES`.
    Source: Yu, Bi and Tresp, Active learning via transductive experimental design, ICML 2006 (the
    criterion, there unweighted); the weights are those of the Fisher information of a logistic
    model, as in Zhang and Oles, ICML 2000. All labelled photos weigh as the mean candidate does.
    Raises StrategyError for more than 2,000 photos or parameters out of range, and what
    `base.check` raises.
    """
    check(pool, k)
    if k > LARGEST:
        raise StrategyError(
            f"transductive selects at most {LARGEST} photos, not {k}. Ask for less, or use margin."
        )
    if not (width > 0 and noise > 0):
        raise StrategyError(f"Width {width}, noise {noise}: expected numbers above 0.")
    n = len(pool.candidates)
    cold = pool.proba is None
    weights = np.ones(n) if cold else uncertainty_scores(pool, uncertainty)
    allowed = top_k(weights, min(n, max(k, REFERENCES if cold else CANDIDATES)), rng)
    allowed = rng.permutation(allowed)  # so that ties are broken at random
    references, counted = _sample(weights, min(n, REFERENCES), rng)
    known = rng.permutation(len(pool.labelled))[:LABELLED]
    points = _directions(embed(pool.features, np.r_[pool.candidates, pool.labelled[known]], rng))
    process = _Process(
        points[allowed],
        points[references],
        points[n:],
        width * _median(points[references]),
        noise / max(float(weights.mean()), 1e-6),
    )
    ease = np.maximum(weights[allowed], 1e-6)
    chosen, gains = process.pick(k, counted, noise / ease)
    return Selection(pool.candidates[allowed[chosen]], np.minimum.accumulate(gains))


def _sample(
    weights: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (size,) of `weights` (n,), and what each counts in an estimate of a sum over all rows.

    Systematic sampling with chances in proportion to the weights, at most 1 (Madow, Annals of
    Mathematical Statistics 1949); a row counts its weight over its chance (Horvitz and Thompson,
    JASA 1952). Of as many uniform draws most would hardly count (docs/benchmarks.md).
    """
    weights = np.maximum(weights.astype(np.float64), 1e-9)
    chances = np.zeros(len(weights))
    sure = chances > 0
    while True:
        chances[~sure] = (size - sure.sum()) * weights[~sure] / weights[~sure].sum()
        if (chances <= 1).all():
            break
        sure |= chances > 1
        chances[sure] = 1.0
    order = rng.permutation(len(weights))
    ticks = rng.random() + np.arange(size)
    at = np.searchsorted(np.cumsum(chances[order]), ticks, side="right")
    rows = order[np.minimum(at, len(order) - 1)]
    return rows, weights[rows] / chances[rows]


def _directions(points: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(lengths, 1e-12))


def _median(points: np.ndarray) -> float:
    """Median squared distance between different photos, 1 where all are alike."""
    some = squared_distances(points[:1000], points[:1000])
    some = some[some > 0]
    return float(np.median(some)) if some.size else 1.0


class _Process:
    """A Gaussian process at candidates (c, d) and references (r, d), given labelled ones (l, d)."""

    def __init__(
        self,
        candidates: np.ndarray,
        references: np.ndarray,
        labelled: np.ndarray,
        scale: float,
        noise: float,
    ) -> None:
        self.candidates, self.scale = candidates, scale
        self.between = self._kernel(candidates, references)
        # Columns of a root of what is explained already, one a labelled or picked photo.
        self.explained = np.zeros((len(candidates), 0), dtype=np.float32)
        if len(labelled):
            from scipy.linalg import cholesky, solve_triangular

            own = self._kernel(labelled, labelled).astype(np.float64)
            own[np.diag_indices(len(own))] += noise
            root = cholesky(own, lower=True)
            both = np.concatenate([candidates, references])
            solved = solve_triangular(root, self._kernel(labelled, both), lower=True)
            solved = solved.astype(np.float32).T
            self.explained, theirs = np.split(solved, [len(candidates)])
            self.between -= self.explained @ theirs.T

    def _kernel(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(squared_distances(rows, others) / -self.scale))

    def pick(self, k: int, weights: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (k,) of candidates picked greedily, and their gains as shares of the whole.

        weights (r,) of the references, noise (c,) of an answer about each candidate. A pick costs
        a pass over the covariances (c, r); the reductions are brought up to date, not summed anew.
        """
        weights, noise = weights.astype(np.float32), noise.astype(np.float32)
        between = self.between
        variance = 1.0 - np.einsum("ij,ij->i", self.explained, self.explained)
        reduced = (between**2) @ weights
        known = self.explained.shape[1]
        columns = np.empty((len(between), known + k), dtype=np.float32)
        columns[:, :known] = self.explained
        total = max(float(weights.sum()), 1e-12)
        chosen, gains, free = np.empty(k, np.int64), np.empty(k), np.ones(len(between), dtype=bool)
        for step in range(k):
            gain = np.where(free, reduced / (np.maximum(variance, 0.0) + noise), -np.inf)
            pick = chosen[step] = int(np.argmax(gain))
            gains[step], free[pick] = max(float(gain[pick]), 0.0) / total, False
            at = slice(0, known + step)
            own = self._kernel(self.candidates, self.candidates[pick : pick + 1])[:, 0]
            own -= columns[:, at] @ columns[pick, at]
            own /= np.sqrt(max(variance[pick], 0.0) + noise[pick])
            theirs = between[pick] / np.sqrt(max(variance[pick], 0.0) + noise[pick])
            reduced += own**2 * ((theirs**2) @ weights) - 2 * own * (between @ (theirs * weights))
            between -= np.outer(own, theirs)
            variance -= own**2
            columns[:, known + step] = own
        return chosen, gains
