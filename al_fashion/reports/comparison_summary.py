"""What a comparison of strategies found, as plain data: all that the report shows and more."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import rankdata

from al_fashion.config import Config
from al_fashion.reports.comparison_data_set import (
    Scores,
    against,
    data_set,
    mean_of,
    on_grid,
    over_shared_seeds,
    scores_of,
    shared_seeds,
    with_enough_seeds,
)
from al_fashion.reports.comparison_results import RANDOM, Results
from al_fashion.stats.strategy_ranks import (
    FEWEST_DATA_SETS,
    friedman_nemenyi,
    performance_profile,
)
from al_fashion.stats.strategy_tests import signed_rank_posterior

# Points of accuracy behind the best, as shares.
PROFILE = np.linspace(0.0, 0.1, 101)


def summarise(results: Results) -> dict[str, Any]:
    """The whole summary, the same of the same results; what these runs cannot tell is None.

    `reference` is the default strategy where it was run on every data set, else the best one by
    area, where it can be of those with enough seeds, else (random alone) None.
    """
    rng = np.random.default_rng(0)
    grids = {data: on_grid(runs) for data, runs in results.runs.items()}
    scores = {data: scores_of(labels, curves) for data, (labels, curves) in grids.items()}
    fair = {data: over_shared_seeds(found) for data, found in scores.items()}
    enough = [with_enough_seeds(found) for found in scores.values()]
    ranked = [name for name in _everywhere(fair) if all(name in names for names in enough)]
    reference, is_default = _reference(fair, ranked)
    data_sets = [
        data_set(name, labels, curves, results.runs[name], reference, rng)
        for name, (labels, curves) in grids.items()
    ]
    several = len(scores) > 1
    return plain(
        {
            "reference": reference,
            "reference_is_default": is_default,
            "data_sets": data_sets,
            "overall": _overall(data_sets, scores, ranked, reference, rng) if several else None,
            "profile": _profile(scores, ranked),
            "penalties": _penalties(data_sets, ranked),
            "ranks": _ranks(fair, results.independent(), ranked, reference, rng),
            "failures": [asdict(failure) for failure in results.failures],
            "experiment": results.experiment,
            "experiment_hash": results.experiment_hash,
            "sha256_of_results": results.digest,
        }
    )


def plain(value: Any) -> Any:
    """The same for JSON: numbers of seven digits, None where one is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if np.isfinite(value) else None
    return value


def _everywhere(scores: Mapping[str, Scores]) -> list[str]:
    """Strategies that were run on every data set, the best mean area first."""
    names = set.intersection(*(set(found) for found in scores.values()))
    mean = {name: np.mean([mean_of(found[name]) for found in scores.values()]) for name in names}
    return sorted(names, key=lambda name: (-mean[name], name))


def _reference(scores: Mapping[str, Scores], ranked: Sequence[str]) -> tuple[str | None, bool]:
    names = [name for name in _everywhere(scores) if name != RANDOM]
    default = Config().strategy
    if default in names:
        return default, True
    best = [name for name in names if name in ranked] or names
    return (best[0] if best else None), False


def _overall(
    data_sets: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Scores],
    ranked: Sequence[str],
    reference: str | None,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Strategies run on every data set: seeds' areas averaged over the data sets, and the rest.

    Areas and ranks are over the seeds that all of a data set's strategies share. Strategies that
    are not `ranked` have areas over seeds of their own, and neither rank nor penalty.
    A test over these averages tells about these data sets and further seeds, not about others.
    """
    fair = {data: over_shared_seeds(found) for data, found in scores.items()}
    names = _everywhere(fair)
    rows = {
        name: [row for found in data_sets for row in found["strategies"] if row["strategy"] == name]
        for name in names
    }
    table = [[-mean_of(found[name]) for name in ranked] for found in fair.values()]
    ranks = dict(zip(ranked, rankdata(table, axis=1).mean(axis=0), strict=True))
    averaged = {name: _averaged([found[name] for found in scores.values()]) for name in names}
    averaged = {name: values for name, values in averaged.items() if values}
    tests = {RANDOM: against(averaged, RANDOM, rng)}
    if reference is not None:
        tests[reference] = against(averaged, reference, rng)
    return [
        {
            "strategy": name,
            "aulc": np.mean([row["aulc"] for row in rows[name]]),
            "own_seeds": any(row["own_seeds"] for row in rows[name]),
            "mean_rank": ranks.get(name),
            "shares_of_random": [row["share_of_random"] for row in rows[name]],
            "penalty": sum(row["penalty"] for row in rows[name]) if name in ranks else None,
            "against_random": tests[RANDOM].get(name),
            "against_reference": tests.get(reference or RANDOM, {}).get(name),
        }
        for name in names
    ]


def _averaged(found: Sequence[Mapping[int, float]]) -> dict[int, float]:
    seeds = set.intersection(*(set(values) for values in found))
    return {seed: float(np.mean([values[seed] for values in found])) for seed in seeds}


def _profile(scores: Mapping[str, Scores], names: Sequence[str]) -> dict[str, Any]:
    """A problem is a data set with a seed that all its strategies have: not run is not lost.

    Of the strategies `names`, run on every data set with enough seeds.
    """
    table = [
        [found[name][seed] for name in names]
        for found in scores.values()
        for seed in shared_seeds(found)
    ]
    if not table:
        return {"problems": 0, "within": PROFILE, "shares": {}}
    shares = performance_profile(table, PROFILE)
    return {
        "problems": len(table),
        "within": PROFILE,
        "shares": dict(zip(names, shares, strict=True)),
    }


def _penalties(data_sets: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """BADGE's matrix, summed over data sets; the strategy with the least penalty first.

    Of the strategies `names`, run on every data set with enough seeds: who was hardly run can
    hardly have been beaten.
    """
    total = np.zeros((len(names), len(names)))
    for found in data_sets:
        places = [found["penalties"]["strategies"].index(name) for name in names]
        total += found["penalties"]["matrix"][np.ix_(places, places)]
    order = np.argsort(total.mean(axis=0), kind="stable")
    return {"strategies": [names[place] for place in order], "matrix": total[np.ix_(order, order)]}


def _ranks(
    scores: Mapping[str, Scores],
    independent: int,
    names: Sequence[str],
    reference: str | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Tests over data sets, of means over shared seeds, or the reason why there is none."""
    if independent < FEWEST_DATA_SETS or len(names) < 2 or reference not in names:
        return {
            "reason": f"Ranks over data sets are not tested: {independent} data sets with photos "
            f"of their own and {len(names)} strategies with enough seeds on all of them, at least "
            f"{FEWEST_DATA_SETS} independent data sets and 2 strategies, random and "
            f"{reference or 'another'}, are needed."
        }
    table = np.array([[mean_of(found[name]) for name in names] for found in scores.values()])
    column = names.index(reference)
    posterior = {
        name: signed_rank_posterior(table[:, place], table[:, column], rng)
        for place, name in enumerate(names)
        if place != column
    }
    return {"strategies": names, **asdict(friedman_nemenyi(table)), "posterior": posterior}
