"""The results of a comparison of strategies, as its runs left them in a folder."""

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ComparisonError
from al_fashion.files import file_hash

RANDOM = "random"
KEYS = ("data", "strategy", "seed", "labels")
MEASURES = (
    "accuracy",
    "answers",
    "labelling_seconds",
    "selection_seconds",
    "training_seconds",
    "peak_mib",
    "micro_f1",
    "macro_f1",
    "map",
)
# The first line of an experiment.toml that `compare` wrote.
HASH_LINE = r"# experiment ([0-9a-f]+)\n"
# Above each traceback in a file of `failures/`; a comma is likelier in the name of a data set.
_TITLE = re.compile(r"(?:\A|\n\n+)(.+), (.+), seed (\d+)\n\n")
# A run that ends before this share of random's labels did not finish.
_FINISHED = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One strategy with one seed on one data set: every measure (m,) over `labels` (m,), rising.

    Measures are NaN where they were not taken; the accuracy always was.
    """

    labels: Floats
    measures: dict[str, Floats]


# Runs by strategy and seed.
Arms = dict[str, dict[int, Run]]


@dataclass(frozen=True)
class Failure:
    """An arm that failed, or a run that is left out, and why; `seed` is None for all of them."""

    data: str
    strategy: str
    seed: str | None
    reason: str
    file: str | None = None


@dataclass(frozen=True)
class Results:
    """Runs by data set, strategy and seed; what is missing; the experiment's text and hash.

    `digest` is the SHA-256 of results.csv.

    `random` is among the strategies of every data set.
    """

    runs: dict[str, Arms]
    failures: list[Failure]
    experiment: str | None
    experiment_hash: str | None
    digest: str

    def independent(self) -> int:
        """How many data sets have photos of their own, as far as the experiment's text says."""
        try:
            listed = tomllib.loads(self.experiment or "").get("data", [])
        except tomllib.TOMLDecodeError:
            listed = []
        source_of = {each.get("name"): each.get("source") for each in listed}
        return len({source_of.get(name) or name for name in self.runs})


def read_results(directory: Path) -> Results:
    """Read `results.csv`, `failures/` and, where there is one, `experiment.toml`.

    Runs that did not finish are left out and told of, and so are data sets without random's.
    Raises ComparisonError where the table cannot be read, or no random run is left.
    """
    table = directory / "results.csv"
    failures = list(_failures(directory / "failures"))
    failed = {(failure.data, failure.strategy, failure.seed) for failure in failures}
    runs: dict[str, Arms] = {}
    for data, arms in _runs(_rows(table)).items():
        if RANDOM in arms:
            runs[data], left_out = _finished(data, arms, failed)
            failures += left_out
        if RANDOM not in runs.get(data, {}):
            runs.pop(data, None)
            failures.append(Failure(data, RANDOM, None, "no run of random: nothing to compare"))
    if not runs:
        raise ComparisonError(
            f"{table} has no finished run of {RANDOM!r}, which all others are compared with. "
            "Run it too."
        )
    experiment = _experiment(directory)
    said = re.match(HASH_LINE, experiment or "")
    return Results(runs, failures, experiment, said and said[1], file_hash(table))


def _finished(
    data: str, arms: Arms, failed: Collection[tuple[str, str, str | None]]
) -> tuple[Arms, list[Failure]]:
    """The runs that reach as many labels as random's, and those that are left out."""
    end = max(run.labels[-1] for run in arms[RANDOM].values())
    kept: Arms = {}
    left_out = []
    for strategy, arm in arms.items():
        for seed, run in arm.items():
            known = (data, strategy, str(seed)) in failed
            if run.labels[-1] < (end if known else _FINISHED * end):
                reason = f"ended at {run.labels[-1]:g} of {end:g} labels"
                left_out.append(Failure(data, strategy, str(seed), reason))
            else:
                kept.setdefault(strategy, {})[seed] = run
    return kept, left_out


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {*KEYS, "accuracy"} - set(reader.fieldnames or ())
            if missing:
                raise ComparisonError(
                    f"{table} lacks the columns {', '.join(sorted(missing))}. "
                    f"Expected are {', '.join(KEYS + MEASURES)}."
                )
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ComparisonError(f"Cannot read {table}: {error}. Run the comparison first.") from error


def _runs(rows: Iterable[Mapping[str, str]]) -> dict[str, Arms]:
    """Runs by data set, strategy and seed; a label count given twice counts as it came last."""
    taken: dict[tuple[str, str, int], dict[float, Mapping[str, float]]] = defaultdict(dict)
    for line, row in enumerate(rows, 2):
        try:
            key = row["data"], row["strategy"], int(row["seed"])
            values = {name: _number(row.get(name)) for name in MEASURES}
            labels = float(row["labels"])
        except (TypeError, ValueError) as error:
            raise ComparisonError(
                f"Line {line} of results.csv is not as expected: {error}. Mend or remove it."
            ) from error
        if np.isfinite(values["accuracy"]):
            taken[key][labels] = values
    runs: dict[str, Arms] = {}
    for (data, strategy, seed), points in taken.items():
        counts = sorted(points)
        measures = {name: np.array([points[n][name] for n in counts]) for name in MEASURES}
        arm = runs.setdefault(data, {}).setdefault(strategy, {})
        arm[seed] = Run(np.array(counts), measures)
    return runs


def _number(text: str | None) -> float:
    return float(text) if text and text.strip() else np.nan


def _failures(folder: Path) -> Iterable[Failure]:
    """Of every traceback, below its title in a file; its last line is the reason."""
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        parts = iter(_TITLE.split(text)[1:])
        for data, strategy, seed, trace in zip(parts, parts, parts, parts, strict=True):
            lines = trace.strip().splitlines()
            reason = lines[-1].strip() if lines else "no traceback"
            yield Failure(data, strategy, seed, reason, f"{folder.name}/{path.name}")


def _experiment(directory: Path) -> str | None:
    path = directory / "experiment.toml"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
