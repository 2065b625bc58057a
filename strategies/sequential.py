"""One photo after the other, each seen in the light of those already picked."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check
from strategies.diversity import diverse_seed
from strategies.greedy import Key, pick_by_distance
from strategies.points import Points
from strategies.registry import strategy
from strategies.uncertainty import uncertainty_scores

LARGEST_GAMMA = 1_000_000
"""Takes the largest alone, as smaller ones do already; float32 would overflow far beyond."""
CHUNK = 2**15
"""Photos looked at together, so that what is worked out of them stays in the processor's cache."""


@strategy(
    "ranked_batch",
    "Uncertain, or unlike the labelled while few are (Cardoso et al., Inf. Sci. 379, 2017).",
    uses_uncertainty=True,
    diverse=True,
)
def ranked_batch(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    uncertainty: str = "margin",
    scale: float | None = None,
) -> Selection:
    """Each pick has the highest alpha (1 - similarity) + (1 - alpha) uncertainty.

    alpha is the share of photos without a label (one half where no photo has one: such a model
    comes from elsewhere, and would count for nothing), similarity 1 / (1 + distance / scale) to the
    nearest labelled or picked photo. Scores fall as alpha does and photos are covered; they are the
    lowest so far. Before there is a model uncertainty is 0 and the first pick random.

    uncertainty: a measure of `uncertainty.SCORES`; modAL has "least_confidence".
    scale: the unit of distance, by default the root mean square around the mean; modAL has 1.
    Source: Cardoso, Silva, Canuto, Dias and others, Ranked batch-mode active learning, Information
    Sciences 379, 2017. Exact; see `greedy`.
    Raises StrategyError for a scale <= 0, and what `base.check` raises.
    """
    check(pool, k)
    points = Points(pool.features, pool.candidates)
    if scale is None:
        scale = float(np.sqrt(points.squares.mean(dtype=np.float64))) or 1.0
    if not scale > 0:
        raise StrategyError(f"Scale {scale}: expected a number above 0.")
    unsure = np.zeros(len(points)) if pool.proba is None else uncertainty_scores(pool, uncertainty)
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    if len(pool.labelled):
        points.lower(nearest, points.place(pool.features[pool.labelled]))
    ties = 1e-9 * rng.random(len(points))
    total = len(points) + len(pool.labelled)

    def key_of(step: int) -> Key:
        alpha = (len(points) - step) / total if len(pool.labelled) else 0.5

        def key(squared: np.ndarray, positions: np.ndarray | slice) -> np.ndarray:
            similarity = 1.0 / (1.0 + np.sqrt(squared, dtype=np.float64) / scale)
            result: np.ndarray = (
                alpha * (1.0 - similarity) + (1.0 - alpha) * unsure[positions] + ties[positions]
            )
            return result

        return key

    chosen, keys = pick_by_distance(points, nearest, k, key_of)
    return Selection(pool.candidates[chosen], np.minimum.accumulate(keys))


@strategy(
    "falcun",
    "Uncertain, or unlike the picked in probabilities (FALCUN; Gilhuber et al., ECML 2024).",
    uses_uncertainty=True,
)
def falcun(pool: Pool, k: int, *, rng: np.random.Generator, gamma: float = 10.0) -> Selection:
    """Each photo is drawn in proportion to (uncertainty + distance)^gamma.

    Uncertainty is `uncertainty.margin_scores`; distance, at first the same, is the smallest
    difference sum |p - q| to the probabilities q of a pick, scaled to [0, 1] after every pick.
    Within the batch the most uncertain photos come first; the score is their uncertainty. Before
    there is a model, a diverse seed set.

    gamma: 0 draws uniformly, a large one takes the largest; at most LARGEST_GAMMA.
    Source: Gilhuber, Beer, Ma and Seidl, FALCUN: a simple and efficient deep active learning
    strategy, ECML PKDD 2024. Raises StrategyError for a gamma out of range, and what `base.check`
    raises.
    """
    check(pool, k)
    if not 0 <= gamma <= LARGEST_GAMMA:
        raise StrategyError(f"gamma is {gamma}: expected a number from 0 to {LARGEST_GAMMA:,}.")
    if pool.proba is None:
        return diverse_seed(pool, k, rng)
    unsure = uncertainty_scores(pool, "margin").astype(np.float32)
    # Classes by photos, so that a class's differences run along memory.
    proba = np.ascontiguousarray(pool.proba.T, dtype=np.float32)
    distance = unsure.copy()
    picked = np.zeros(len(unsure), dtype=bool)
    chosen = np.empty(k, dtype=np.int64)
    for step in range(k):
        if step:
            _approach(distance, proba, chosen[step - 1])
        chosen[step] = _draw(unsure, distance, picked, gamma, rng)
        picked[chosen[step]] = True
    chosen = chosen[np.argsort(-unsure[chosen], kind="stable")]
    return Selection(pool.candidates[chosen], unsure[chosen].astype(np.float64))


def _draw(
    unsure: np.ndarray,
    distance: np.ndarray,
    picked: np.ndarray,
    gamma: float,
    rng: np.random.Generator,
) -> int:
    """A position not yet picked, drawn in proportion to (uncertainty + distance)^gamma."""
    drawn, highest = 0, -np.inf
    for start in range(0, len(unsure), CHUNK):
        part = slice(start, start + CHUNK)
        relevance = unsure[part] + distance[part]
        race = rng.standard_exponential(len(relevance), dtype=np.float32) + np.float32(1e-12)
        # The largest of relevance^gamma / Exp(1) is the draw; in logarithms nothing overflows.
        keys = np.log(np.maximum(relevance, np.float32(1e-30), out=relevance), out=relevance)
        keys *= np.float32(gamma)
        keys -= np.log(race, out=race)
        keys[picked[part]] = -np.inf
        first = int(keys.argmax())
        if keys[first] > highest:
            drawn, highest = start + first, keys[first]
    return drawn


def _approach(distance: np.ndarray, proba: np.ndarray, pick: int) -> None:
    """Lowers `distance` (m,) to that from the pick, in `proba` (C, m), and scales it to [0, 1]."""
    picked = proba[:, pick].copy()
    for start in range(0, len(distance), CHUNK):
        part = slice(start, start + CHUNK)
        found = np.zeros_like(distance[part])
        differences = np.empty_like(found)
        for row, value in zip(proba, picked, strict=True):
            np.subtract(row[part], value, out=differences)
            found += np.abs(differences, out=differences)
        np.minimum(distance[part], found, out=distance[part])
    low, high = distance.min(), distance.max()
    distance -= low
    if high > low:
        distance /= high - low
