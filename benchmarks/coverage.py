"""How often every interval holds the true value: `python benchmarks/coverage.py [--draws N]`.

`--only TEXT` leaves out the methods whose names do not have it.

Prints one JSON object: for each method, true value p and number of photos n, the coverage of its
two-sided 95 % interval (`coverage`) and how often its lower end is above p (`flatters`, at most
0.025 where it is valid). Binomial and finite-pool rows are exact sums, the others simulations of
`draws` draws (standard error 0.011 at 400). The peer of every row is `wald`, the usual textbook
interval.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from al_fashion.stats.intervals import (
    clopper_pearson,
    finite_pool,
    jeffreys,
    korn_graubard,
    t_interval,
    wilson,
)
from al_fashion.stats.planning import allowed_errors, claim_times
from al_fashion.stats.resampling import (
    cluster_bootstrap,
    macro_f1,
    mean_average_precision,
    micro_f1,
)
from al_fashion.stats.sequential import betting
from al_fashion.types import Interval

SHARES = (0.9, 0.95, 0.99)
SIZES = (60, 200, 600, 2000)
LABELS = 4
GROUP = 5
EPOCHS = 10
LOW_TAIL = 0.025

Bools = NDArray[np.bool_]
Simulate = Callable[[float, int, np.random.Generator], Interval | None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = list(simulated_rows(arguments.draws, arguments.seed, arguments.only))
    if not arguments.only:
        rows = [*exact_rows(), *sequential_rows(), *rows]
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"draws": arguments.draws, "seconds": seconds, "rows": rows}))


def exact_rows() -> Iterator[dict[str, object]]:
    """Methods for independent photos: the sum over all counts of right photos."""
    methods: dict[str, Callable[[int, int], Interval]] = {
        "clopper-pearson": clopper_pearson,
        "wilson": wilson,
        "jeffreys": jeffreys,
        "wald": wald,
    }
    for name, method in methods.items():
        for p in SHARES:
            for n in SIZES:
                counts = likely(stats.binom(n, p))
                chances = stats.binom.pmf(counts, n, p)
                yield exact_row(name, p, n, [method(k, n) for k in counts], chances)
    for p in SHARES:
        for n in SIZES:
            pool = 2 * n
            right = round(p * pool)
            drawn = stats.hypergeom(pool, right, n)
            counts = likely(drawn)
            found = [finite_pool(k, n, pool) for k in counts]
            yield exact_row("finite-pool", right / pool, n, found, drawn.pmf(counts))


def likely(law: object) -> list[int]:
    """The counts that hold all but 1e-9 of a law's chance."""
    return list(range(int(law.ppf(5e-10)), int(law.ppf(1 - 5e-10)) + 1))


def exact_row(
    name: str, p: float, n: int, found: list[Interval], chances: NDArray[np.float64]
) -> dict[str, object]:
    # A count's own share may miss p by the last digit alone.
    holds = np.array([row.low <= p + 1e-12 and row.high >= p - 1e-12 for row in found])
    flatters = np.array([row.low > p + 1e-12 for row in found])
    return row_of(name, p, n, float(chances[holds].sum()), float(chances[flatters].sum()))


def sequential_rows() -> Iterator[dict[str, object]]:
    """The bound for all looks: how often it is ever wrong within n looks, one after each photo."""
    for p in SHARES:
        allowed = allowed_errors(max(SIZES), LOW_TAIL, p)
        for n in SIZES:
            wrong = float(claim_times(p, allowed[: n + 1]).sum())
            yield row_of("sequential lower bound, every look", p, n, 1 - wrong, wrong)


def simulated_rows(draws: int, seed: int, only: str) -> Iterator[dict[str, object]]:
    """Methods for groups, scores and F1, those with `only` in their names."""
    methods: dict[str, tuple[Simulate, int]] = {
        "korn-graubard": (grouped_share, draws),
        "wald, groups ignored": (grouped_wald, draws),
        "t-over-epochs": (study_t, draws),
        "betting (Jaccard)": (jaccard, max(draws // 2, 1)),
        "delta micro-F1": (lambda p, n, rng: micro_f1(*labels(p, n, rng)), draws),
        "delta macro-F1": (lambda p, n, rng: macro_f1(*labels(p, n, rng)), draws),
        "cluster-bootstrap micro-F1": (bootstrapped_f1, max(draws // 2, 1)),
        "cluster-bootstrap mAP": (average_precision, max(draws // 2, 1)),
    }
    for name, (simulate, repeats) in methods.items():
        for p in SHARES if only in name else ():
            for n in SIZES:
                rng = np.random.default_rng([seed, n, round(100 * p)])
                found = [row for row in (simulate(p, n, rng) for _ in range(repeats)) if row]
                holds = np.mean([row.low <= p <= row.high for row in found])
                yield row_of(name, p, n, float(holds), float(np.mean([r.low > p for r in found])))


def row_of(name: str, p: float, n: int, coverage: float, flatters: float) -> dict[str, object]:
    return {
        "method": name,
        "p": round(p, 4),
        "n": n,
        "coverage": round(coverage, 4),
        "flatters": round(flatters, 4),
    }


def wald(successes: int, n: int) -> Interval:
    p = successes / n
    half = 1.959964 * np.sqrt(p * (1 - p) / n)
    return Interval(p, p - half, p + half, "wald", 0.95, n)


def difficulty(p: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Chances of being right whose mean is p: half the groups hard, half of them easy."""
    return 1 - (1 - p) * np.where(rng.random(count) < 0.5, 1.8, 0.2)


def groups_of(n: int) -> NDArray[np.int64]:
    return np.arange(n) // GROUP


def grouped_counts(p: float, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.binomial(GROUP, difficulty(p, n // GROUP, rng))


def grouped_share(p: float, n: int, rng: np.random.Generator) -> Interval:
    counts = grouped_counts(p, n, rng)
    return korn_graubard(counts, np.full(len(counts), GROUP))


def grouped_wald(p: float, n: int, rng: np.random.Generator) -> Interval:
    return wald(int(grouped_counts(p, n, rng).sum()), n)


def study_t(p: float, n: int, rng: np.random.Generator) -> Interval:
    """Epochs of one training on one test set: most photos are right, or wrong, in nearly all."""
    easy, hard = 1 - (1 - p) / 4, 0.2
    chances = np.where(rng.random(n) < (easy - p) / (easy - hard), hard, easy)
    return t_interval((rng.random((EPOCHS, n)) < chances).mean(axis=1))


def labels(p: float, n: int, rng: np.random.Generator) -> tuple[Bools, Bools, list[str]]:
    """Labels of which F1 is p, by groups: as many missed as wrongly said."""
    truth = rng.random((n, LABELS)) < 0.4
    missed = (1 - difficulty(p, -(-n // GROUP), rng))[groups_of(n), None]
    wrong = rng.random((n, LABELS)) < np.where(truth, missed, missed * 0.4 / 0.6)
    return truth ^ wrong, truth, [str(group) for group in groups_of(n)]


def bootstrapped_f1(p: float, n: int, rng: np.random.Generator) -> Interval:
    predicted, truth, groups = labels(p, n, rng)
    both = 2.0 * (predicted & truth).sum(axis=1)
    either = predicted.sum(axis=1) + truth.sum(axis=1)
    return cluster_bootstrap(
        lambda weights: float(weights @ both / (weights @ either)),
        groups,
        rng,
        repeats=200,
        decisions=LABELS,
    )


def jaccard(p: float, n: int, rng: np.random.Generator) -> Interval:
    """Scores 0, 1/2 and 1 whose mean is p."""
    return betting(1 - 0.5 * rng.binomial(2, 1 - p, n))


def scored(shift: float, n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], Bools]:
    truth = rng.random((n, LABELS)) < 0.4
    luck = rng.normal(size=(-(-n // GROUP), 1))[groups_of(n)]
    return shift * truth + (luck + rng.normal(size=truth.shape)) * np.sqrt(0.5), truth


def average_precision(p: float, n: int, rng: np.random.Generator) -> Interval | None:
    proba, truth = scored(shift_for(p), n, rng)
    groups = [str(group) for group in groups_of(n)]
    return mean_average_precision(proba, truth, groups, rng, repeats=100)


@cache
def shift_for(p: float) -> float:
    """The distance of right from wrong scores at which the mean average precision is p."""

    def precision(shift: float) -> float:
        return true_precision(*scored(shift, 100_000, np.random.default_rng(0)))

    return float(brentq(lambda shift: precision(shift) - p, 0.0, 8.0, xtol=1e-4))


def true_precision(proba: NDArray[np.float64], truth: Bools) -> float:
    """Average precision of a sample so large that it stands for the truth."""
    flat, right = proba.ravel(), truth.ravel()
    hits = np.cumsum(right[np.argsort(-flat)])
    seen = np.arange(1, len(hits) + 1)
    is_hit = np.diff(hits, prepend=0) > 0
    return float((hits / seen)[is_hit].mean())


if __name__ == "__main__":
    main()
