"""What a comparison found on one data set: curves, labels needed, tests, penalties, costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from al_fashion.reports.comparison_results import RANDOM, Run
from al_fashion.stats.learning_curves import (
    LEVELS,
    areas,
    common_grid,
    deficiency,
    labels_to_reach,
    mean_and_half,
    share_interval,
    share_of_labels,
)
from al_fashion.stats.strategy_ranks import checkpoints, penalties
from al_fashion.stats.strategy_tests import (
    SIGNIFICANT,
    holm,
    paired,
    seeds_needed,
    signed_rank_posterior,
)

Floats = NDArray[np.float64]
Curves = dict[str, dict[int, Floats]]
Scores = Mapping[str, Mapping[int, float]]
Value = TypeVar("Value")

# Fewer seeds than these give no bootstrap interval worth its name.
FEWEST_SEEDS = 5


def on_grid(runs: Mapping[str, Mapping[int, Run]]) -> tuple[Floats, Curves]:
    """(labels (m,), accuracies (m,) by strategy and seed), between label counts by lines."""
    labels = common_grid([run.labels for arm in runs.values() for run in arm.values()])
    return labels, {
        strategy: {
            seed: np.interp(labels, run.labels, run.measures["accuracy"])
            for seed, run in sorted(arm.items())
        }
        for strategy, arm in runs.items()
    }


def over_shared_seeds(arms: Mapping[str, Mapping[int, Value]]) -> dict[str, dict[int, Value]]:
    """The strategies over the seeds that all of them share, so that none has the easier ones.

    Each with too few seeds keeps its own, and so do all where they share none.
    """
    enough, shared = with_enough_seeds(arms), shared_seeds(arms)
    return {
        name: {s: v for s, v in arm.items() if s in shared or name not in enough or not shared}
        for name, arm in arms.items()
    }


def shared_seeds(arms: Mapping[str, Mapping[int, Any]]) -> list[int]:
    """The seeds that all strategies with enough of them have, rising."""
    return sorted(set.intersection(*(set(arms[name]) for name in with_enough_seeds(arms))))


def with_enough_seeds(arms: Mapping[str, Mapping[int, Any]]) -> list[str]:
    """The strategies with at least half of random's seeds.

    Others would leave the rest too few to share: one with a single seed would take all ranges.
    """
    random = set(arms[RANDOM])
    return [name for name, arm in arms.items() if 2 * len(random & set(arm)) >= len(random)]


def scores_of(labels: Floats, curves: Curves) -> dict[str, dict[int, float]]:
    """Areas under the learning curve, by strategy and seed; best first over the shared seeds."""
    found = {
        strategy: {seed: float(areas(curve, labels)) for seed, curve in arm.items()}
        for strategy, arm in curves.items()
    }
    mean = {name: mean_of(values) for name, values in over_shared_seeds(found).items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (-mean[name], name))}


def mean_of(values: Mapping[int, float]) -> float:
    """The mean over seeds."""
    return float(np.mean(list(values.values())))


def data_set(
    name: str,
    labels: Floats,
    curves: Curves,
    runs: Mapping[str, Mapping[int, Run]],
    reference: str | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """One data set's part of the summary, its strategies by area, the best first.

    Areas, accuracies and mean curves are over the seeds that all strategies share; those of a
    strategy with too few are over its `own_seeds`.
    """
    scores = scores_of(labels, curves)
    fair, fair_curves = over_shared_seeds(scores), over_shared_seeds(curves)
    shared = shared_seeds(curves)
    ordered = list(scores)
    against_random = against(scores, RANDOM, rng)
    against_reference = {} if reference is None else against(scores, reference, rng)
    random = np.mean(list(curves[RANDOM].values()), axis=0)
    batch = float(np.median(np.diff(labels))) if len(labels) > 1 else 0.0
    at = checkpoints(random, labels, batch)
    matrix = penalties([curves[strategy] for strategy in ordered], labels, at)
    penalty = dict(zip(ordered, matrix.mean(axis=0), strict=True))
    return {
        "data": name,
        "labels": labels,
        "batch": batch,
        "seeds": sorted(curves[RANDOM]),
        "shared_seeds": shared,
        "strategies": [
            {
                "strategy": strategy,
                "seeds": sorted(curves[strategy]),
                "own_seeds": sorted(fair[strategy]) != shared,
                **_means(fair_curves[strategy], fair[strategy]),
                **_difference(curves[strategy], curves[RANDOM]),
                **_labels_needed(labels, curves[strategy], curves[RANDOM], rng),
                "penalty": penalty[strategy],
                "against_random": against_random.get(strategy),
                "against_reference": against_reference.get(strategy),
                "share_of_seconds": _share_of_seconds(labels, runs[strategy], runs[RANDOM]),
                "cost": _cost(runs[strategy]),
            }
            for strategy in ordered
        ],
        "pairs": _pairs(scores),
        "penalties": {"checkpoints": at, "strategies": ordered, "matrix": matrix},
    }


def _means(arm: Mapping[int, Floats], scores: Mapping[int, float]) -> dict[str, Any]:
    """A strategy's mean curve and mean area."""
    mean, half = mean_and_half(np.array(list(arm.values())))
    area, area_half = mean_and_half(list(scores.values()))
    return {
        "aulc": area,
        "aulc_half": area_half,
        "aulc_sd": np.std(list(scores.values()), ddof=1) if len(scores) > 1 else None,
        "final": mean[-1],
        "final_half": half[-1],
        "curve": mean,
        "curve_half": half,
    }


def _difference(arm: Mapping[int, Floats], random: Mapping[int, Floats]) -> dict[str, Any]:
    """The mean curve's difference to random's, over the seeds both have."""
    both = [seed for seed in arm if seed in random]
    differences = np.array([arm[seed] - random[seed] for seed in both])
    difference, half = mean_and_half(differences) if both else ([], [])
    return {"seeds_with_random": len(both), "difference": difference, "difference_half": half}


def _labels_needed(
    labels: Floats,
    arm: Mapping[int, Floats],
    random: Mapping[int, Floats],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Labels to random's levels of accuracy, on the mean curves over the seeds both have."""
    both = [seed for seed in arm if seed in random]
    levels = (*LEVELS, 1.0)
    if not both:
        nothing = dict.fromkeys(levels)
        return {"labels_needed": nothing, "shares": nothing, "deficiency": None} | dict.fromkeys(
            ("share_of_random", "share_low", "share_high")
        )
    curves, base = np.array([arm[s] for s in both]), np.array([random[s] for s in both])
    curve, middle = curves.mean(axis=0), base.mean(axis=0)
    low, high = np.nan, np.nan
    if len(both) >= FEWEST_SEEDS:
        low, high = share_interval(curves, base, labels, rng)
    return {
        "labels_needed": {
            level: labels_to_reach(curve, labels, level * middle[-1])[()] for level in levels
        },
        "shares": {level: share_of_labels(curve, middle, labels, level)[()] for level in levels},
        "share_of_random": share_of_labels(curve, middle, labels)[()],
        "share_low": low,
        "share_high": high,
        "deficiency": deficiency(curve, middle),
    }


def _share_of_seconds(
    labels: Floats, arm: Mapping[int, Run], random: Mapping[int, Run]
) -> float | None:
    """Labelling seconds to random's final accuracy over random's, on the mean curves."""
    both = [seed for seed in arm if seed in random]

    def mean(runs: Mapping[int, Run], name: str) -> Floats:
        values = [np.interp(labels, runs[s].labels, runs[s].measures[name]) for s in both]
        return np.asarray(np.mean(values, axis=0))

    if not both:
        return None
    target = mean(random, "accuracy")[-1]
    needed, base = (
        labels_to_reach(mean(runs, "accuracy"), mean(runs, "labelling_seconds"), target)
        for runs in (arm, random)
    )
    return float(needed / base) if base > 0 else None


def against(scores: Scores, other: str, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Every strategy's paired comparison with `other` over the seeds both have.

    `p_t_holm`, `p_wilcoxon_holm` and `seeds_needed` are adjusted for all comparisons of this call.
    """
    if other not in scores:
        return {}
    pairs = {name: _both(scores[name], scores[other]) for name in scores if name != other}
    found: dict[str, dict[str, Any]] = {
        name: {
            **asdict(paired(*pair)),
            "posterior": signed_rank_posterior(*pair, rng) if len(pair[0]) > 1 else None,
        }
        for name, pair in pairs.items()
        if len(pair[0])
    }
    _adjust(list(found.values()))
    return found


def _both(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[Floats, Floats]:
    seeds = sorted(set(one) & set(other))
    return np.array([one[seed] for seed in seeds]), np.array([other[seed] for seed in seeds])


def _adjust(tests: Sequence[dict[str, Any]]) -> None:
    """Add Holm's p-values; the seeds needed are those that suffice after the adjustment."""
    made = sum(test["p_t"] is not None for test in tests)
    for test in tests:
        if test["effect"] is not None:
            test["seeds_needed"] = seeds_needed(test["effect"], alpha=SIGNIFICANT / made)
    for name in ("p_t", "p_wilcoxon"):
        for test, adjusted in zip(tests, holm([test[name] for test in tests]), strict=True):
            test[f"{name}_holm"] = adjusted


def _pairs(scores: Scores) -> list[dict[str, Any]]:
    """All pairs, the better one by area first; adjusted for all of them."""
    found = []
    for first, second in combinations(scores, 2):
        one, other = _both(scores[first], scores[second])
        if len(one):
            found.append({"first": first, "second": second, **asdict(paired(one, other))})
    _adjust(found)
    return found


def _cost(arm: Mapping[int, Run]) -> dict[str, float | None]:
    """Seconds and memory a selection, answers and labelling at the end, other measures there."""

    def over_rounds(name: str, reduce: Any) -> float | None:
        values = np.concatenate([run.measures[name] for run in arm.values()])
        values = values[np.isfinite(values)]
        return float(reduce(values)) if len(values) else None

    def at_the_end(name: str) -> float | None:
        values = np.array([run.measures[name][-1] for run in arm.values()])
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else None

    return {
        "selection_seconds": over_rounds("selection_seconds", np.median),
        "selection_seconds_most": over_rounds("selection_seconds", np.max),
        "training_seconds": over_rounds("training_seconds", np.median),
        "peak_mib": over_rounds("peak_mib", np.max),
        **{
            name: at_the_end(name)
            for name in ("answers", "labelling_seconds", "micro_f1", "macro_f1", "map")
        },
    }
