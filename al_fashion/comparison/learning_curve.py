"""One job: a strategy's learning curve with one seed on one data set."""

import random
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score
from threadpoolctl import threadpool_limits

from al_fashion.comparison import memory
from al_fashion.comparison.arms import register
from al_fashion.comparison.experiment import Experiment
from al_fashion.comparison.labellers import Labellers, simulated_labellers
from al_fashion.comparison.learners import own_learner
from al_fashion.comparison.photos import Photos
from al_fashion.data.splits import assign_splits
from al_fashion.errors import ComparisonError
from al_fashion.loop.learner import Learner
from al_fashion.loop.step import (
    RoundData,
    head_of,
    predictions_of,
    projected,
    round_generator,
    select,
    train,
)
from al_fashion.models.heads import Head
from al_fashion.stats.metrics import exact_match

OWN_SEED_SET = "own"
# Beside the numbers of rounds, which draw their own random numbers.
_SPLIT, _LABELLERS = 1_000_001, 1_000_002


@dataclass(frozen=True)
class Job:
    """One run: `data` and `strategy` by name. `code` is the text of an own strategy's file."""

    data: str
    strategy: str
    seed: int
    code: str = ""


@dataclass(frozen=True)
class Point:
    """A learning curve at `labels` photos labelled.

    `accuracy` is the share of test photos whose label set is exactly right. `answers` and
    `labelling_seconds` add up from the beginning; `selection_seconds` and `peak_mib` (how much
    more memory the process held at most) are of the selection of the newest batch,
    `training_seconds` of the training on all, both in processor time. The last three are for
    several labels a photo.
    """

    labels: int
    accuracy: float
    answers: int
    labelling_seconds: float
    selection_seconds: float
    training_seconds: float
    peak_mib: float | None
    micro_f1: float | None = None
    macro_f1: float | None = None
    map: float | None = None


def run_job(
    job: Job, experiment: Experiment, photos: Photos, learner_code: str = ""
) -> list[dict[str, Any]]:
    """The points of a job's learning curve. Raises what the strategy and the learner raise.

    The same job gives the same points, seconds and memory aside, on any machine's single thread.
    """
    with threadpool_limits(1):
        register(job.strategy, job.code)
        _seed_global_generators(job)
        return [asdict(point) for point in _points(job, experiment, photos, learner_code)]


def _seed_global_generators(job: Job) -> None:
    """For own strategies and learners that draw from them: jobs done before make no difference."""
    number = zlib.crc32(f"{job.data}\n{job.strategy}\n{job.seed}".encode())
    random.seed(number)
    np.random.seed(number)


def split(photos: Photos, seed: int, test: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(pool, test) rows: about a share `test` of the photos for the test, by whole groups."""
    counts = {str(group): count for group, count in Counter(photos.groups.tolist()).items()}
    rng = np.random.default_rng([seed, _SPLIT])
    splits = assign_splits(counts, {}, test, 0.0, rng)
    tested = np.array([splits[str(group)] == "heldout" for group in photos.groups.tolist()])
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def _points(job: Job, experiment: Experiment, photos: Photos, learner_code: str) -> Iterator[Point]:
    data, labellers = begin(photos, job.seed, experiment.test, experiment.labellers)
    learner: Learner | None = None
    head: Head | None = None
    state: dict[str, Any] | None = None
    keys = number = 0
    budget = experiment.budget_for(job.data)
    while len(data.labelled) < budget:
        number += 1
        shared = learner is None and experiment.seed_set != OWN_SEED_SET
        k = experiment.first if learner is None else experiment.batch
        k = min(k, budget - len(data.labelled))
        with memory.peak() as used:
            started = time.process_time()
            rng = round_generator(job.seed, number)
            name = experiment.seed_set if shared else job.strategy
            selection = select(learner, data, name, k, rng, state)
            selecting = time.process_time() - started
        state = None if shared else selection.info.get("state")
        keys += labellers.keys(selection.indices)
        data = _answered(data, labellers, selection.indices)
        started = time.process_time()
        learner = _train(data, head, experiment, learner_code, job.seed)
        training = time.process_time() - started
        head = None if experiment.learner else head_of(learner, data)
        yield Point(
            labels=len(data.labelled),
            answers=len(labellers.chosen) * len(data.labelled),
            labelling_seconds=round(keys * experiment.seconds_a_key, 2),
            selection_seconds=round(selecting, 4),
            training_seconds=round(training, 4),
            peak_mib=used.mib,
            **_scores(learner, data),
        )


@lru_cache(maxsize=1)
def begin(photos: Photos, seed: int, test: float, noise: str) -> tuple[RoundData, Labellers]:
    """A seed's pool, nothing answered yet, and its labellers: the same for every strategy."""
    pool, tested = split(photos, seed, test)
    pool.setflags(write=False)
    labels = np.asarray(photos.labels)
    data = RoundData(
        features=photos.features,
        labelled=np.empty(0, dtype=np.int64),
        targets=np.empty((0, len(photos.classes))),
        candidates=pool,
        heldout=tested,
        truth=labels[tested],
        groups=[],
        labels=list(photos.classes),
        exclusive=photos.exclusive,
        metric="accuracy",
        row_groups=np.asarray(photos.groups).astype(str).astype(object),
    )
    data = projected(data, seed)
    # A strategy of anybody's must not change what the next one sees.
    data.features.setflags(write=False)
    rng = np.random.default_rng([seed, _LABELLERS])
    return data, simulated_labellers(labels, photos.exclusive, noise, rng)


def _answered(data: RoundData, labellers: Labellers, rows: NDArray[np.int64]) -> RoundData:
    """With these photos answered too; every answer so far says what each labeller is worth."""
    more = data.with_labelled(rows, np.empty((len(rows), len(data.labels))))
    return replace(more, targets=labellers.targets(more.labelled))


def _train(
    data: RoundData, head: Head | None, experiment: Experiment, learner_code: str, seed: int
) -> Learner:
    if experiment.learner:
        own = own_learner(experiment.learner, learner_code, data.exclusive, seed)
        learner = Learner(estimator=own)
        return learner.fit(np.asarray(data.features[data.labelled]), data.targets)
    trained = train(data, head)
    if trained is None:
        raise ComparisonError("The seed set has no label. Use a larger one (--initial).")
    return trained


def _scores(learner: Learner, data: RoundData) -> dict[str, Any]:
    """Measures on the test photos; labels that none of them has count in no mean over labels."""
    found = predictions_of(learner, np.asarray(data.features[data.heldout]))
    accuracy = {"accuracy": float(exact_match(found.labels, data.truth).mean())}
    if data.exclusive:
        return accuracy
    some = data.truth.any(axis=0)
    if not some.any():
        return accuracy
    return {
        **accuracy,
        "micro_f1": float(f1_score(data.truth, found.labels, average="micro", zero_division=0)),
        "macro_f1": float(
            f1_score(data.truth[:, some], found.labels[:, some], average="macro", zero_division=0)
        ),
        "map": float(average_precision_score(data.truth[:, some], found.proba[:, some])),
    }
