"""Coverage: photos whose neighbourhoods together hold the most of the pool."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check, top_k
from strategies.clusters import Embedded, assign, centroids, parts
from strategies.greedy import WIDTH, farthest_first, lazy_argmax
from strategies.points import embed, squared_distances
from strategies.registry import strategy
from strategies.uncertainty import uncertainty_scores

REFERENCES = 20_000
"""Most photos whose coverage is counted, a random sample of the pool."""
CANDIDATES = 10_000
"""Most photos to choose from."""
SIGMA = 0.5
"""Kernel width, in root mean squares of the pool."""
PURITY = 0.95
PURITY_SAMPLE = 1_000

Kernel = Callable[[np.ndarray], np.ndarray]


@strategy(
    "maxherding",
    "Widest coverage of the pool by smooth kernels (MaxHerding; Bae et al., ECCV 2024).",
    diverse=True,
)
def maxherding(pool: Pool, k: int, *, rng: np.random.Generator, sigma: float = SIGMA) -> Selection:
    """Greedy coverage: each pick adds most to sum_r max_s exp(-|r - s|^2 / (2 sigma^2)).

    s runs over labelled and picked photos, r over the pool (see `cover` for large ones), in the
    space of `points.embed`. The score is the coverage gained, as a share of all there is.

    sigma: kernel width, in root mean squares of the pool.
    Source: Bae, Noh and Sutherland, Generalized coverage for more robust low-budget active
    learning, ECCV 2024. Raises StrategyError for sigma <= 0, and what `base.check` raises.
    """
    check(pool, k)
    points, labelled = _embedded(pool, rng)
    weights = np.ones(len(points), dtype=np.float32)
    allowed = _some(len(points), max(CANDIDATES, k), rng)
    return cover(pool, points, labelled, weights, allowed, gaussian(sigma), k, rng)


@strategy(
    "probcover",
    "Most photos newly within a radius (ProbCover; Yehuda et al., NeurIPS 2022).",
    diverse=True,
)
def probcover(
    pool: Pool, k: int, *, rng: np.random.Generator, radius: float | None = None
) -> Selection:
    """Greedy coverage by balls: each pick has the most photos within `radius` that no other has.

    The score is their share of the pool. Once all is covered, the farthest photos follow.

    radius: in root mean squares of the pool; by default the largest at which 95 % of balls hold
    photos of one k-means cluster only, with as many clusters as the targets have classes.
    Source: Yehuda, Dekel, Hacohen and Weinshall, Active learning through a covering lens,
    NeurIPS 2022. Raises StrategyError for a radius <= 0, and what `base.check` raises.
    """
    check(pool, k)
    points, labelled = _embedded(pool, rng)
    if radius is None:
        radius = pure_radius(points, max(2, pool.targets.shape[1]), rng)
    if not radius > 0:
        raise StrategyError(f"Radius {radius}: expected a number above 0.")
    weights = np.ones(len(points), dtype=np.float32)
    allowed = _some(len(points), max(CANDIDATES, k), rng)
    selection = cover(pool, points, labelled, weights, allowed, ball(radius), k, rng)
    selection.info["radius"] = radius
    return selection


@strategy(
    "uherding",
    "Widest coverage of the photos the model is unsure of (UHerding; Bae et al., ICLR 2025).",
    uses_uncertainty=True,
    diverse=True,
)
def uherding(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    sigma: float = SIGMA,
    uncertainty: str = "margin",
    candidates: int = 1200,
) -> Selection:
    """Greedy coverage weighted by uncertainty: `maxherding` with u_r before each photo's term.

    Before there is a model all photos weigh the same.

    sigma: kernel width, in root mean squares of the pool; kept, not shrunk with the labels, since
    the authors' rule, the smallest distance between labelled photos, collapses at one near copy.
    uncertainty: a measure of `uncertainty.SCORES`. candidates: the most uncertain photos to choose
    from (all photos count as covered or not), at least k.
    Source: Bae, Oliveira and Sutherland, Uncertainty herding: one active learning method for all
    label budgets, ICLR 2025. Raises StrategyError for parameters out of range, and what
    `base.check` raises.
    """
    check(pool, k)
    if pool.proba is None:
        return maxherding(pool, k, rng=rng, sigma=sigma)
    points, labelled = _embedded(pool, rng)
    weights = uncertainty_scores(pool, uncertainty).astype(np.float32)
    allowed = top_k(weights, min(len(points), max(candidates, k)), rng)
    return cover(pool, points, labelled, weights, allowed, gaussian(sigma), k, rng)


def cover(
    pool: Pool,
    points: np.ndarray,
    labelled: np.ndarray,
    weights: np.ndarray,
    allowed: np.ndarray,
    kernel: Kernel,
    k: int,
    rng: np.random.Generator,
) -> Selection:
    """The k of `allowed` (a,) positions that greedily cover most of `points` (m, d).

    Each pick s adds sum_r weights_r max(0, kernel(r, s) - c_r), with c_r what labelled and picked
    photos give r already. r runs over a random sample of REFERENCES photos, so that beyond those
    the sum is an estimate; the greedy selection itself is exact, by lazy evaluation.
    """
    references = _some(len(points), REFERENCES, rng)
    allowed = rng.permutation(allowed)  # so that ties are broken at random
    coverage = _Coverage(points[allowed], points[references], weights[references], kernel)
    coverage.reach(_left(labelled))
    chosen, gained = coverage.greedy(k)
    total = max(float(weights[references].sum()), np.finfo(np.float32).tiny)
    return _with_farthest(pool, points, labelled, allowed, chosen, gained / total, k, rng)


class _Coverage:
    """How far `references` (r, d) are covered, and what each of `choice` (a, d) would add."""

    def __init__(
        self, choice: np.ndarray, references: np.ndarray, weights: np.ndarray, kernel: Kernel
    ) -> None:
        # [x, |x|^2, 1] . [-2 y, 1, |y|^2] is the squared distance, in one product.
        self.choice, self.references = _left(choice), _right(references)
        self.weights, self.kernel = weights, kernel
        self.covered = np.zeros(len(references), dtype=np.float32)
        self.taken = np.zeros(len(choice), dtype=bool)
        self.blocks = parts(len(references), WIDTH)

    def reach(self, known: np.ndarray) -> None:
        """Cover what photos (n, d + 2), as `_left` gives them, reach."""
        for at in range(0, len(known), WIDTH):
            for part in self.blocks:
                values = self.kernel(known[at : at + WIDTH] @ self.references[:, part])
                np.maximum(self.covered[part], values.max(axis=0), out=self.covered[part])

    def gains(self, positions: np.ndarray) -> np.ndarray:
        """What photos of the choice would add, -1 for those taken."""
        found = np.zeros(len(positions), dtype=np.float32)
        for part in self.blocks:
            values = self.kernel(self.choice[positions] @ self.references[:, part])
            values -= self.covered[part]
            np.maximum(values, 0.0, out=values)
            found += values @ self.weights[part]
        found[self.taken[positions]] = -1.0
        return found

    def greedy(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions in the choice, at most k, and what each added; it ends when none adds more."""
        every = np.arange(len(self.choice))
        steps = [self.gains(every[at : at + WIDTH]) for at in range(0, len(every), WIDTH)]
        bounds = np.concatenate(steps).astype(np.float64)
        chosen: list[int] = []
        gained: list[float] = []
        while len(chosen) < k:
            pick = lazy_argmax(bounds, self.gains)
            if bounds[pick] <= 0:
                break
            chosen.append(pick)
            gained.append(float(bounds[pick]))
            self.taken[pick], bounds[pick] = True, -1.0
            self.reach(self.choice[pick : pick + 1])
        return np.array(chosen, np.int64), np.array(gained)


def _left(points: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", points, points)
    return np.column_stack([points, squares, np.ones_like(squares)])


def _right(points: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", points, points)
    return np.vstack([-2.0 * points.T, np.ones_like(squares), squares])


def _with_farthest(
    pool: Pool,
    points: np.ndarray,
    labelled: np.ndarray,
    allowed: np.ndarray,
    chosen: np.ndarray,
    scores: np.ndarray,
    k: int,
    rng: np.random.Generator,
) -> Selection:
    """The selection, with the farthest photos of `allowed` once all is covered."""
    chosen = allowed[chosen]
    if len(chosen) < k:
        rest = np.setdiff1d(allowed, chosen)
        others = Embedded(points[rest])
        nearest = np.full(len(rest), np.inf, dtype=np.float32)
        for known in (labelled, points[chosen]):
            if len(known):
                others.lower(nearest, known)
        more = rest[farthest_first(others, nearest, k - len(chosen), rng)[0]]
        chosen = np.concatenate([chosen, more])
        scores = np.concatenate([scores, np.zeros(len(more))])
    info = {"references": min(len(points), REFERENCES), "candidates": len(allowed)}
    return Selection(pool.candidates[chosen], np.minimum.accumulate(scores), info)


def gaussian(sigma: float) -> Kernel:
    """exp(-d^2 / (2 sigma^2)) of squared distances, which it may overwrite."""
    if not sigma > 0:
        raise StrategyError(f"Kernel width sigma is {sigma}: expected a number above 0.")
    scale = np.float32(-0.5 / sigma**2)

    def kernel(squared: np.ndarray) -> np.ndarray:
        squared *= scale
        result: np.ndarray = np.exp(squared, out=squared)
        return result

    return kernel


def ball(radius: float) -> Kernel:
    """1 within the radius, 0 outside, from squared distances."""
    return lambda squared: (squared <= radius**2).astype(np.float32)


def pure_radius(points: np.ndarray, clusters: int, rng: np.random.Generator) -> float:
    """The largest radius at which PURITY of the balls hold photos of one k-means cluster only.

    On a sample of PURITY_SAMPLE photos: the distance of each to the nearest of another cluster is
    the radius of its largest pure ball. Source: Yehuda et al., NeurIPS 2022, section 3.2.
    """
    sample = points[_some(len(points), PURITY_SAMPLE, rng)]
    cluster, _ = assign(sample, centroids(sample, clusters, rng))
    distances = squared_distances(sample, sample)
    distances[cluster[:, None] == cluster] = np.inf
    nearest = np.sqrt(distances.min(axis=1))
    nearest = nearest[np.isfinite(nearest) & (nearest > 0)]
    return float(np.quantile(nearest, 1.0 - PURITY)) if nearest.size else 1.0


def _embedded(pool: Pool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of the candidates and of the labelled photos, in one space."""
    rows = np.concatenate([pool.candidates, pool.labelled])
    points = embed(pool.features, rows, rng)
    return points[: len(pool.candidates)], points[len(pool.candidates) :]


def _some(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    if n <= most:
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))
