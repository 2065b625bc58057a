"""How wide the monitor's estimates are beside drawing evenly, on real features and labels.

    python benchmarks/monitor.py --features X.npy --labels y.npy [--groups groups.npy]

A head learns from `--labelled` photos (whole groups); the others are the pool, whose true accuracy
is known. For each budget, over `--draws` draws: the mean width of the 95 % interval when drawing
evenly (`even`, the peer), by Poisson sampling with the difference estimator, and by PPI++; the
ratios to `even`, and how often each holds the truth. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.models.heads import LinearHead
from al_fashion.stats.metrics import exact_match
from al_fashion.stats.monitor import (
    difference_estimate,
    poisson_chances,
    ppi_estimate,
    right_guesses,
)
from al_fashion.types import Interval

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--labelled", type=int, default=500)
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--draws", type=int, default=200)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    features, labels = np.load(arguments.features), np.load(arguments.labels)
    groups = np.load(arguments.groups) if arguments.groups else np.arange(len(features))
    exclusive = labels.ndim == 1
    targets = np.eye(labels.max() + 1)[labels] if exclusive else labels.astype(np.float64)
    pool = in_pool(groups, arguments.labelled, rng)
    head = LinearHead(exclusive=exclusive)
    head.fit(features[~pool], targets[~pool], groups=groups[~pool])
    right = exact_match(head.predict(features[pool]), targets[pool] > 0.5).astype(np.float64)
    proba = head.predict_proba(features[pool])
    guesses = right_guesses(proba, exclusive=exclusive, metric="accuracy")
    rows = [compare(guesses, right, n, arguments.draws, rng) for n in arguments.budgets]
    correlation = float(np.corrcoef(guesses, right)[0, 1])
    print(
        json.dumps(
            {
                "pool": int(pool.sum()),
                "labelled": int((~pool).sum()),
                "accuracy": round(float(right.mean()), 4),
                "squared_correlation": round(correlation**2, 3),
                "rows": rows,
            }
        )
    )


def in_pool(groups: NDArray[np.generic], labelled: int, rng: np.random.Generator) -> Floats:
    """(n,) bool: all but random whole groups of about `labelled` photos."""
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    taken = order[np.cumsum(sizes[order]) <= labelled]
    return ~np.isin(member, taken)


def compare(
    guesses: Floats, right: Floats, budget: int, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    chances = poisson_chances(guesses, budget)
    found: dict[str, list[Interval]] = {"even": [], "poisson": [], "ppi": []}
    for _ in range(draws):
        order = rng.permutation(len(right))
        some, others = order[:budget], order[budget:]
        found["even"].append(ppi_estimate(np.empty(0), guesses[some], right[some]))
        found["ppi"].append(ppi_estimate(guesses[others], guesses[some], right[some]))
        drawn = rng.random(len(right)) < chances
        found["poisson"].append(difference_estimate(guesses, chances, drawn, right))
    widths = {name: float(np.mean([r.high - r.low for r in rows])) for name, rows in found.items()}
    truth = right.mean()
    row: dict[str, float] = {"budget": budget}
    for name, rows in found.items():
        row[f"{name}_width"] = round(widths[name], 4)
        row[f"{name}_ratio"] = round(widths[name] / widths["even"], 3)
        row[f"{name}_holds"] = round(float(np.mean([r.low <= truth <= r.high for r in rows])), 3)
    return row


if __name__ == "__main__":
    main()
