"""USDM: uncertainty sampling with diversity maximisation.

Yang, Ma, Nie, Chang and Hauptmann, Multi-class active learning by uncertainty sampling with
diversity maximization, International Journal of Computer Vision 113:113-127, 2015.

One programme weighs both: a batch of photos the model is unsure of (H), no two of them alike (K),

    minimise  1/2 x'Kx - r H'x   subject to  0 <= x <= 1,  sum(x) = k,

over candidates only. The authors' public code has the sign of the second term the other way round,
which avoids uncertain photos, lets labelled ones be chosen, and has no upper bound on x, so that
fewer than k entries may matter; here all three are as the paper's text wants them.

H is the paper's normalised entropy with uncertainty="entropy" or "harmonic". By default it is the
margin instead: with a few hundred labels of ten classes of clothing, entropy prefers photos that
are like none of the classes, and stayed below random sampling however the two terms were weighed.
"""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, as_float32, check, top_k
from strategies.diversity import diverse_seed
from strategies.harmonic import harmonic_labels
from strategies.points import embed, squared_distances, without_noise
from strategies.registry import strategy
from strategies.uncertainty import SCORES, normalised_entropy, uncertainty_scores

WEIGHT = 10.0
"""Best of 1, 3 and 10 on Fashion-MNIST, for three kernel widths."""
NEAR_COPY = 0.95
"""Similarity from which two photos count as one."""
GRAPH_PHOTOS = 20_000
KERNEL_PHOTOS = 5000
"""Most photos of one programme: their kernel takes 100 MB."""


@strategy(
    "usdm",
    "Uncertain photos, no two alike, by one programme (USDM; Yang et al., IJCV 2015).",
    uses_uncertainty=True,
    diverse=True,
    most=KERNEL_PHOTOS,
)
def usdm(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    r: float | None = None,
    sigma: float | None = None,
    uncertainty: str = "margin",
    prefilter: int | None = None,
) -> Selection:
    """Selects k photos by USDM (see the module); before there is a model, a diverse seed set.

    r: weight of uncertainty against diversity; by default `balance`.
    sigma: kernel width, a squared distance of features; by default `kernel_width`.
    uncertainty: H, from `pool.proba` by a measure of `uncertainty.SCORES`, or "harmonic", the
    entropy of labels spread from the labelled photos over a graph of at most GRAPH_PHOTOS random
    photos, which needs no model.
    prefilter: the most uncertain photos that enter the programme, by default 10 k, at least 2000
    and at most KERNEL_PHOTOS; `info["kept"]` says how many did.

    Raises StrategyError for a parameter out of range, and what `base.check` raises.
    """
    check(pool, k)
    known = _uncertainty(pool, k, uncertainty, rng)
    if known is None:
        return diverse_seed(pool, k, rng)
    positions, H = known
    kept = top_k(H, _kept(k, len(H), prefilter), rng)
    rows, H = pool.candidates[positions[kept]], H[kept]
    distances = pairwise(as_float32(pool.features[rows]))
    sigma = kernel_width(distances) if sigma is None else sigma
    kernel = gaussian_kernel(distances, sigma)
    r = balance(kernel, H, k) if r is None else r
    if not np.isfinite(r):
        raise StrategyError(f"Weight r is {r}: expected a number.")
    x = solve(kernel, H, r, k)
    chosen = _largest(x, H, kernel, k, rng)
    info = {"uncertainty": uncertainty, "kept": len(kept), "r": r, "sigma": sigma}
    scores = np.minimum.accumulate(x[chosen])
    return Selection(rows[chosen], scores, info)


def _largest(
    x: np.ndarray, H: np.ndarray, kernel: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Positions (k,) of the largest x, ties by H, then at random; near copies come last.

    The programme shares one photo's x among its near copies, so they would all be taken or none.
    """
    order = np.lexsort((rng.random(len(x)), -H, -x))
    copies = np.zeros(len(x), dtype=bool)
    chosen: list[int] = []
    for position in order:
        if len(chosen) < k and not copies[position]:
            chosen.append(position)
            copies |= kernel[position] > NEAR_COPY
    rest = order[np.isin(order, chosen, invert=True)]
    return np.concatenate([np.array(chosen, dtype=np.int64), rest[: k - len(chosen)]])


def _uncertainty(
    pool: Pool, k: int, source: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions in the candidates and their H; None where nothing is known yet."""
    if source not in SCORES and source != "harmonic":
        raise StrategyError(
            f"Uncertainty {source!r}: expected one of {', '.join(SCORES)}, harmonic."
        )
    if source != "harmonic":
        if pool.proba is None:
            return None
        return np.arange(len(pool.proba)), uncertainty_scores(pool, source)
    if not len(pool.labelled):
        return None
    labelled = _sample(len(pool.labelled), GRAPH_PHOTOS // 2, rng)
    candidates = _sample(len(pool.candidates), max(k, GRAPH_PHOTOS - len(labelled)), rng)
    rows = np.concatenate([pool.labelled[labelled], pool.candidates[candidates]])
    points, seeds = embed(pool.features, rows, rng), np.arange(len(labelled))
    F = harmonic_labels(points, seeds, pool.targets[labelled], rng)
    return candidates, normalised_entropy(F[len(labelled) :], pool.multilabel)


def _sample(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(n, min(n, most), replace=False))


def _kept(k: int, candidates: int, prefilter: int | None) -> int:
    """How many photos enter the programme."""
    if prefilter is None:
        prefilter = min(max(10 * k, 2000), KERNEL_PHOTOS)
    if k > KERNEL_PHOTOS or not k <= prefilter <= KERNEL_PHOTOS:
        raise StrategyError(
            f"USDM cannot select {k} photos with a prefilter of {prefilter}: it takes at most "
            f"{KERNEL_PHOTOS}, and no fewer than the batch. Ask for less, or use margin."
        )
    return min(prefilter, candidates)


def pairwise(features: np.ndarray) -> np.ndarray:
    """Squared distances (n, n) float32 between all rows of `features` (n, d); copies exactly 0."""
    centred = features - features.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    distances = without_noise(squared_distances(centred, centred), squares, squares)
    np.fill_diagonal(distances, 0.0)
    return distances


def kernel_width(distances: np.ndarray) -> float:
    """sigma: half the median squared distance between photos, copies left out.

    So wide that similarity is about being of the same kind, not only about being a neighbour: with
    a narrow kernel every photo is its own kind, and the most diverse ones are the outliers. 1 where
    all photos are copies. `distances` (n, n); about 500 of its rows are looked at.
    """
    some = distances[:: max(1, len(distances) // 500)]
    some = some[some > 0]
    return 0.5 * float(np.median(some)) if some.size else 1.0


def balance(kernel: np.ndarray, H: np.ndarray, k: int) -> float:
    """r: such that uncertainty tells photos apart WEIGHT times as strongly as similarity does.

    Both as standard deviations over the photos, of the two terms' gradients Kx and rH at the
    uniform x = k / n. WEIGHT itself where one of them is the same for all.
    """
    similarity = float((kernel.sum(axis=1, dtype=np.float64) * (k / len(H))).std())
    spread = float(H.std())
    return WEIGHT * similarity / spread if similarity > 1e-9 and spread > 1e-9 else WEIGHT


def gaussian_kernel(distances: np.ndarray, sigma: float) -> np.ndarray:
    """K (n, n), exp(-d^2 / sigma), from squared distances. Raises StrategyError for sigma <= 0."""
    if not sigma > 0:
        raise StrategyError(f"Kernel width sigma is {sigma}: expected a number above 0.")
    return np.exp(distances / -sigma)


def project_capped_simplex(v: np.ndarray, k: float) -> np.ndarray:
    """The point of {x: 0 <= x <= 1, sum(x) = k} nearest to `v` (n,). Exact, O(n log n).

    It is clip(v - t, 0, 1) for the t that makes the sum k; that sum is piecewise linear in t with
    breakpoints v - 1 and v. Source: Wang and Lu, Projection onto the capped simplex, 2015.
    Raises StrategyError where k is not in [0, n].
    """
    n = len(v)
    if not 0 <= k <= n:
        raise StrategyError(f"Cannot project onto sum {k} with {n} entries of at most 1.")
    breaks = np.concatenate([v - 1.0, v])
    order = np.argsort(breaks, kind="stable")
    breaks = breaks[order]
    slopes = np.cumsum(np.where(order < n, 1.0, -1.0))
    sums = n - np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(breaks))])
    last = max(0, int(np.searchsorted(-sums, -k, side="right")) - 1)
    t = breaks[last] + (sums[last] - k) / max(slopes[last], 1.0)
    return np.clip(v - t, 0.0, 1.0)


def optimality_gap(gradient: np.ndarray, x: np.ndarray, k: int) -> float:
    """Upper bound of f(x) - min f for a convex f over the capped simplex, from its gradient at x.

    The Frank-Wolfe gap: the linear programme over {0 <= s <= 1, sum(s) = k} is solved by the k
    smallest entries. Source: Jaggi, ICML 2013.
    """
    return float(gradient @ x - np.partition(gradient, k - 1)[:k].sum())


def solve(
    K: np.ndarray,
    H: np.ndarray,
    r: float,
    k: int,
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 5000,
) -> np.ndarray:
    """Minimises 1/2 x'Kx - r H'x over 0 <= x <= 1, sum(x) = k; returns x (n,) float64.

    K (n, n) symmetric positive semidefinite with entries >= 0 (products are taken in its own
    dtype), H (n,). Accelerated projected gradient (Beck and Teboulle 2009) with restart
    (O'Donoghue and Candes 2015); stops once `optimality_gap` is below `tolerance` times the size
    of the two terms.
    """
    step = 1.0 / float(K.sum(axis=1, dtype=np.float64).max())  # a row sum bounds the eigenvalues
    linear = r * H.astype(np.float64)

    def times(vector: np.ndarray) -> np.ndarray:
        return (K @ vector.astype(K.dtype)).astype(np.float64)

    x = np.full(len(H), k / len(H))
    Kx = times(x)
    y, Ky, momentum = x, Kx, 1.0
    for _ in range(max_iterations):
        size = 0.5 * x @ Kx + abs(linear @ x)
        if optimality_gap(Kx - linear, x, k) <= tolerance * size:
            break
        new = project_capped_simplex(y - step * (Ky - linear), k)
        if (y - new) @ (new - x) > 0:
            momentum = 1.0
        Knew = times(new)
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        ahead = (momentum - 1.0) / following
        y, Ky = new + ahead * (new - x), Knew + ahead * (Knew - Kx)
        x, Kx, momentum = new, Knew, following
    return x
