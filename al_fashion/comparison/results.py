"""The results file: a row a job, so that a killed experiment goes on; the tables made of it."""

import csv
import io
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from al_fashion.comparison.learning_curve import Job, Point
from al_fashion.errors import ComparisonError
from al_fashion.files import write_text

_FIRST = ("strategy", "seed", "labels", "accuracy", "data")
COLUMNS = (*_FIRST, *(each.name for each in fields(Point) if each.name not in _FIRST))
_SCHEMA = """
create table if not exists setting (name text primary key, value text not null);
create table if not exists job (
    data text, strategy text, seed integer, code text not null,
    status text not null check (status in ('running', 'done', 'failed')),
    seconds real, curve text, traceback text,
    primary key (data, strategy, seed)
);
"""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its curve, or the traceback of what stopped it."""

    seconds: float
    curve: list[dict[str, Any]] | None = None
    traceback: str = ""


class Results:
    """`results.sqlite` of a comparison's folder. One process at a time writes it."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file. Raises ComparisonError where it is none of ours."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(folder / "results.sqlite", isolation_level=None)
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ComparisonError(
                f"Cannot use {folder} for results: {error}. Name another folder with -o DIR."
            ) from error

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one comparison at a time write here; a killed one leaves no lock behind.

        Raises ComparisonError.
        """
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout:
            raise ComparisonError(
                f"Another comparison is at work in {self.folder}. Wait until it ends, or name "
                "another folder with -o DIR."
            ) from None

    def setting(self) -> dict[str, Any]:
        """What earlier runs in this folder were made with, by name."""
        rows = self._connection.execute("select name, value from setting")
        return {name: json.loads(value) for name, value in rows}

    def keep_setting(self, values: Mapping[str, Any]) -> None:
        """Remember it. Raises ComparisonError where the folder's results had another.

        Where a data set lies makes no difference.
        """
        held = self._connection.execute("select 1 from job limit 1").fetchone()
        # Folders of before that was written down cannot say which code they are of.
        earlier = {"code": "unknown", **self.setting()} if held else {}
        for name, value in values.items():
            if name in earlier and _content(earlier[name]) != _content(value):
                raise ComparisonError(
                    f"{self.folder} holds results with {name} = {_short(earlier[name])}, not "
                    f"{_short(value)}. Name another folder with -o DIR, or set it so."
                )
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        self._connection.executemany("insert or replace into setting values (?, ?)", rows)

    def done(self, jobs: Iterable[Job]) -> set[Job]:
        """Those that need not run again: done, with the same code."""
        rows = self._connection.execute(
            "select data, strategy, seed, code from job where status = 'done'"
        )
        finished = set(rows)
        return {job for job in jobs if (job.data, job.strategy, job.seed, job.code) in finished}

    def record(self, job: Job, outcome: Outcome | None) -> None:
        """Write down how a job ended, or that it begins (None)."""
        rest: tuple[str, float, str | None, str]
        if outcome is None:
            rest = ("running", 0.0, None, "")
        elif outcome.curve is None:
            rest = ("failed", outcome.seconds, None, outcome.traceback)
        else:
            rest = ("done", outcome.seconds, json.dumps(outcome.curve), "")
        self._connection.execute(
            "insert or replace into job values (?, ?, ?, ?, ?, ?, ?, ?)",
            (job.data, job.strategy, job.seed, job.code, *rest),
        )

    def outcomes(self, jobs: Sequence[Job]) -> dict[Job, Outcome]:
        """What is known of these jobs, in their order."""
        rows = self._connection.execute(
            "select data, strategy, seed, code, seconds, curve, traceback from job "
            "where status in ('done', 'failed')"
        )
        found = {Job(*row[:4]): row[4:] for row in rows}
        known = {job: found.get(job) for job in jobs}
        return {
            job: Outcome(row[0], None if row[1] is None else json.loads(row[1]), row[2])
            for job, row in known.items()
            if row is not None
        }

    def others(self, jobs: Sequence[Job]) -> list[Job]:
        """The folder's other jobs that are done; of an own strategy, those with its newest code."""
        rows = self._connection.execute(
            "select data, strategy, seed, code from job where status = 'done' order by rowid"
        )
        done = [Job(*row) for row in rows]
        codes = {job.strategy: job.code for job in (*done, *jobs)}
        left = {job for job in done if job.code == codes[job.strategy]} - set(jobs)
        return sorted(left, key=lambda job: (job.data, job.strategy, job.seed))

    def write_tables(self, jobs: Sequence[Job]) -> None:
        """results.csv of all that is done in the folder, and a file of tracebacks a failed arm.

        Rows are in the order of the jobs, then those of others. Failures are of the jobs.
        """
        outcomes = self.outcomes([*jobs, *self.others(jobs)])
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        tracebacks: dict[str, list[str]] = defaultdict(list)
        for job, outcome in outcomes.items():
            for point in outcome.curve or ():
                row = {"data": job.data, "strategy": job.strategy, "seed": job.seed, **point}
                writer.writerow({name: _cell(row[name]) for name in COLUMNS})
            if outcome.curve is None:
                title = f"{job.data}, {job.strategy}, seed {job.seed}"
                tracebacks[failure_name(job)].append(f"{title}\n\n{outcome.traceback}")
        write_text(self.folder / "results.csv", text.getvalue())
        self._write_failures(tracebacks)

    def _write_failures(self, tracebacks: Mapping[str, Sequence[str]]) -> None:
        folder = self.folder / "failures"
        for path in folder.glob("*.txt"):
            if path.name not in tracebacks:
                path.unlink()
        for name, texts in tracebacks.items():
            write_text(folder / name, "\n\n".join(texts))


def failure_name(job: Job) -> str:
    """The file of an arm's tracebacks with one seed, of all data sets."""
    strategy = re.sub(r"[^\w.+-]", "_", job.strategy)
    return f"{strategy}-{job.seed}.txt"


def _content(value: Any) -> Any:
    """A setting as it is read again, without the place of a data set's photos."""
    read = json.loads(json.dumps(value))
    if isinstance(read, dict):
        for name in ("source", "class_map"):
            read.pop(name, None)
    return read


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}…"
