"""An experiment from end to end: prepared, checked, run, written down."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import strategies
from al_fashion.comparison.arms import Arm, find_arms
from al_fashion.comparison.checks import check_experiment, check_seed_set, check_splits
from al_fashion.comparison.code_digest import code_digest, libraries
from al_fashion.comparison.engines import ENGINES, Engine, Plan
from al_fashion.comparison.experiment import DataSet, Experiment, from_folder
from al_fashion.comparison.learners import own_learner
from al_fashion.comparison.learning_curve import Job
from al_fashion.comparison.own_code import read_code
from al_fashion.comparison.photos import Photos, open_photos
from al_fashion.comparison.preparation import prepare, prepared
from al_fashion.comparison.progress import Progress
from al_fashion.comparison.results import Outcome, Results
from al_fashion.loop.features import FeatureOptions
from al_fashion.machine import usable_cores
from al_fashion.models.planned import check_name

_WRITE_SECONDS = 60


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: its hash, what became of every job, and what was left out and why."""

    folder: Path
    digest: str
    outcomes: dict[Job, Outcome]
    remarks: list[str]

    @property
    def failed(self) -> list[Job]:
        return [job for job, outcome in self.outcomes.items() if outcome.curve is None]


def compare(
    experiment: Experiment,
    folder: Path,
    options: FeatureOptions,
    *,
    jobs: int | None = None,
    engine: str = "processes",
) -> Comparison:
    """Run what an experiment lacks in `folder`, `jobs` at once, and write its tables there.

    Raises ComparisonError, strategies.StrategyError, SourceError, WeightsError.
    """
    check_experiment(experiment)
    arms, left_out = find_arms(experiment.strategies, experiment.batch)
    experiment = _resolved(experiment, arms)
    learner_code = read_code(experiment.learner)
    if experiment.learner:
        own_learner(experiment.learner, learner_code, exclusive=True, seed=0)
    with closing(Results(folder)) as results, results.alone():
        folders = _prepare(experiment, results, options)
        photos = {name: open_photos(path) for name, path in folders.items()}
        wanted, remarks = _jobs(experiment, arms, photos)
        of_photos = [remark for found in photos.values() for remark in found.remarks]
        remarks = [*of_photos, *left_out, *remarks, *check_splits(experiment, photos)]
        results.keep_setting(_setting(experiment, folders, learner_code))
        digest = experiment.digest(_contents(experiment, arms, folders, learner_code))
        experiment.save(folder / "experiment.toml", digest)
        plan = Plan(experiment, folders, learner_code)
        _run(results, wanted, plan, ENGINES[engine], jobs or usable_cores(), options.progress)
        if others := results.others(wanted):
            remarks.append(
                f"The tables also hold {len(others)} finished runs of earlier comparisons here."
            )
        return Comparison(folder, digest, results.outcomes(wanted), remarks)


def _resolved(experiment: Experiment, arms: Sequence[Arm]) -> Experiment:
    """The experiment with its arms by name, own files by absolute paths, and no other's seeds.

    Raises ComparisonError and strategies.UnknownStrategy.
    """
    check_seed_set(experiment.seed_set)
    names = [arm.name for arm in arms]
    # The seeds of one that --strategies leaves out are no error; own ones are known only if named.
    for name in experiment.seeds_of:
        if name not in names and ".py:" not in name:
            strategies.entry(name)
    return replace(
        experiment,
        strategies=from_folder(tuple(arm.given for arm in arms), Path.cwd()),
        learner=from_folder(experiment.learner, Path.cwd()),
        seeds_of={name: n for name, n in experiment.seeds_of.items() if name in names},
    )


def _prepare(experiment: Experiment, results: Results, options: FeatureOptions) -> dict[str, Path]:
    """Each data set's folder of arrays, by its name; those of an earlier run are taken as found."""
    most = math.ceil(experiment.pool / (1 - experiment.test))
    earlier = results.setting()
    found = {
        dataset.name: _found(dataset, earlier.get(f"data {dataset.name}", {}))
        for dataset in experiment.data
    }
    for dataset in experiment.data:  # all of them before any photo is looked at
        if not found[dataset.name]:
            check_name(dataset.backbone)
    return {
        dataset.name: found[dataset.name]
        or prepare(dataset, most, options, experiment.budget_for(dataset.name))
        for dataset in experiment.data
    }


def _found(dataset: DataSet, earlier: Mapping[str, Any]) -> Path | None:
    """The folder of an earlier run that had the same data set, where it is still there."""
    content = earlier.get("content", "")
    return prepared(content) if earlier == _data_setting(dataset, content) else None


def _data_setting(dataset: DataSet, content: str) -> dict[str, Any]:
    options = {name: value for name, value in asdict(dataset).items() if name != "name"}
    return json.loads(json.dumps({**options, "content": content}))  # as it is read again


def _setting(
    experiment: Experiment, folders: Mapping[str, Path], learner_code: str
) -> dict[str, Any]:
    """All that earlier results in the folder must share with this experiment's."""
    data = {
        f"data {dataset.name}": _data_setting(dataset, folders[dataset.name].name)
        for dataset in experiment.data
    }
    learner = {"learner_code": text_hash(learner_code)} if learner_code else {}
    made_with = {"code": code_digest(), "libraries": libraries()}
    return {**experiment.setting(), **data, **learner, **made_with}


def _jobs(
    experiment: Experiment, arms: Sequence[Arm], photos: Mapping[str, Photos]
) -> tuple[list[Job], list[str]]:
    """(jobs in the order of data, strategies and seeds, remarks about arms that do not fit)."""
    jobs, remarks = [], []
    for name, found in photos.items():
        for arm in arms:
            if not arm.fits(found.exclusive):
                kind = "one label" if found.exclusive else "several labels"
                remarks.append(f"{arm.name} does not take photos with {kind}: not run on {name}.")
                continue
            jobs += [Job(name, arm.name, s, arm.code) for s in experiment.seeds_for(arm.name)]
    return jobs, remarks


def _run(
    results: Results, wanted: Sequence[Job], plan: Plan, engine: Engine, jobs: int, shown: bool
) -> None:
    """Run what is not done yet; the tables are written at the end, on the way, and if stopped."""
    finished = results.done(wanted)
    # All strategies of a seed together: what a seed needs is worked out once a process.
    due = sorted((job for job in wanted if job not in finished), key=lambda job: job.seed)
    written = time.monotonic()
    try:
        with Progress(wanted, results.outcomes(wanted), finished, shown, jobs) as progress:
            for event in engine(due, plan, jobs) if due else ():
                if event is not None:
                    results.record(*event)
                progress.update(event)
                if time.monotonic() - written > _WRITE_SECONDS:
                    results.write_tables(wanted)
                    written = time.monotonic()
    finally:
        results.write_tables(wanted)


def _contents(
    experiment: Experiment, arms: Sequence[Arm], folders: Mapping[str, Path], learner_code: str
) -> dict[str, str]:
    """Digests of all that the experiment names without saying what is in it."""
    codes = dict(zip(experiment.strategies, (arm.code for arm in arms), strict=True))
    codes[experiment.learner] = learner_code
    own = {name: text_hash(code) for name, code in codes.items() if code}
    return {**{name: folder.name for name, folder in folders.items()}, **own}


def text_hash(text: str) -> str:
    """SHA-256 of a text, shortened."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
