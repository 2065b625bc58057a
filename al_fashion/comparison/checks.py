"""What an experiment says is checked: first its numbers and names, then each seed's split."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

import strategies
from al_fashion.comparison.experiment import DataSet, Experiment, seed_range
from al_fashion.comparison.labellers import parse_labellers
from al_fashion.comparison.learning_curve import OWN_SEED_SET, split
from al_fashion.comparison.photos import Photos
from al_fashion.data.formats import NAMES
from al_fashion.data.manifest import examples
from al_fashion.errors import ComparisonError
from strategies.registry import suggestion


def check_experiment(experiment: Experiment) -> None:
    """Raises ComparisonError for numbers and names that cannot be; looks at no photo."""
    if not experiment.data:
        raise ComparisonError("No data set is named. Give --data SOURCE, or [[data]] in the file.")
    names = [dataset.name for dataset in experiment.data]
    if len(set(names)) < len(names):
        raise ComparisonError(
            f"Two data sets have one name: {', '.join(names)}. Give them as --data NAME=SOURCE."
        )
    for dataset in experiment.data:
        _check_data_set(dataset)
    for name, least in (("budget", 1), ("batch", 1), ("initial", 0), ("pool", 10)):
        if getattr(experiment, name) < least:
            raise ComparisonError(
                f"{name} = {getattr(experiment, name)}: expected {least} or more."
            )
    for dataset in experiment.data:
        budget = experiment.budget_for(dataset.name)
        if budget < experiment.first:
            raise ComparisonError(
                f"A budget of {budget} is smaller than the seed set of {experiment.first}. "
                "Use a larger budget or a smaller seed set (--initial)."
            )
        if budget > experiment.pool:
            raise ComparisonError(
                f"A budget of {budget} is larger than the pool of {experiment.pool} photos. "
                "Use a smaller budget or a larger pool (--pool)."
            )
    if not 0 < experiment.test < 1:
        raise ComparisonError(f"test = {experiment.test}: expected a share between 0 and 1.")
    if not 0 < experiment.seconds_a_key < math.inf:
        raise ComparisonError(
            f"seconds_a_key = {experiment.seconds_a_key}: expected seconds above 0."
        )
    parse_labellers(experiment.labellers)
    for seeds in (experiment.seeds, *experiment.seeds_of.values()):
        seed_range(seeds)


def check_seed_set(name: str) -> None:
    """Raises ComparisonError and strategies.StrategyError for what selects no seed set."""
    if ".py:" in name:
        raise ComparisonError("A seed set is selected by a known strategy, not by an own one.")
    known = [OWN_SEED_SET, *strategies.names()]
    if ":" in name:  # another library's
        strategies.entry(name)
    elif name not in known:
        raise ComparisonError(f"No strategy {name!r} selects a seed set. {suggestion(name, known)}")


def _check_data_set(dataset: DataSet) -> None:
    if not dataset.source:
        raise ComparisonError(
            f"The data set {dataset.name} has no source. Give --data {dataset.name}=SOURCE."
        )
    if dataset.format and dataset.format not in NAMES:
        raise ComparisonError(
            f"The data set {dataset.name} has an unknown format {dataset.format!r}. "
            f"{suggestion(dataset.format, NAMES)}"
        )
    for name, right, expected in (
        ("most_frequent", lambda n: n == 0 or n >= 2, "2 or more, or 0 for all"),
        ("minimum_positives", lambda n: n >= 0, "0 or more"),
        ("input_size", lambda n: n == 0 or 32 <= n <= 1024, "32 to 1024 pixels, or 0"),
        ("budget", lambda n: n >= 0, "1 or more, or 0 for the experiment's"),
    ):
        value = getattr(dataset, name)
        if not right(value):
            raise ComparisonError(
                f"The data set {dataset.name} has {name} = {value}: expected {expected}."
            )


def check_splits(experiment: Experiment, photos: Mapping[str, Photos]) -> list[str]:
    """Remarks about labels that a seed's test photos have and its pool has not.

    Raises ComparisonError where a seed has no test photos, a pool with fewer than two labels or
    one that is smaller than the budget.
    """
    seeds = {seed for arm in experiment.strategies for seed in experiment.seeds_for(arm)}
    remarks = []
    for name, found in photos.items():
        sizes, unknown = [], []
        for seed in sorted(seeds):
            pool, test = split(found, seed, experiment.test)
            unknown += _check_split(f"{name} with seed {seed}", found, pool, test)
            sizes.append(len(pool))
        _check_budget(name, experiment.budget_for(name), min(sizes))
        if unknown:
            remarks.append(
                f"{name}: no photo of the pool has a label that test photos have, which no "
                f"strategy can find: {examples(unknown)}. Another group_by may part labels less."
            )
    return remarks


def _check_split(
    which: str, photos: Photos, pool: NDArray[np.int64], test: NDArray[np.int64]
) -> list[str]:
    """The labels of test photos that the pool lacks. Raises ComparisonError."""
    groups = len(np.unique(photos.groups))
    remedy = "Use another column for --group-by, more photos or another share for --test."
    whole = f"{len(photos.groups)} photos in {groups} groups, which a split keeps whole"
    if not len(test):
        raise ComparisonError(f"{which} has no test photos: it has {whole}. {remedy}")
    there, tested = photos.labels[pool].any(axis=0), photos.labels[test].any(axis=0)
    if there.sum() < 2:
        raise ComparisonError(
            f"{which} has a pool with {there.sum()} labels, expected 2 or more: it has {whole}. "
            f"{remedy}"
        )
    seed = which.rpartition(" with ")[2]
    return [f"{photos.classes[label]} ({seed})" for label in np.flatnonzero(tested & ~there)]


def _check_budget(name: str, budget: int, smallest: int) -> None:
    """Raises ComparisonError where a seed's pool, the smallest, is smaller than the budget."""
    if budget > smallest:
        raise ComparisonError(
            f"A budget of {budget} is larger than the pool of {name}, which has {smallest} "
            f"photos. Use --budget {smallest} or fewer, or a budget of its own in the file."
        )
