"""A live table of a running comparison: seeds done, accuracy so far, time left."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from al_fashion.comparison.engines import Event
from al_fashion.comparison.learning_curve import Job
from al_fashion.comparison.results import Outcome

_OTHER_LINES = 6


class Progress:
    """Shown on standard error: on a terminal a table drawn anew, else a line a job that ended."""

    def __init__(
        self,
        jobs: Sequence[Job],
        outcomes: Mapping[Job, Outcome],
        finished: Collection[Job],
        shown: bool,
        number: int,
    ) -> None:
        self.jobs, self.number = jobs, number
        self.outcomes = {job: outcomes[job] for job in jobs if job in finished}
        self.running: set[Job] = set()
        self.cells: dict[tuple[str, str], list[Job]] = defaultdict(list)
        for job in jobs:
            self.cells[job.data, job.strategy].append(job)
        self.began = time.monotonic()
        self.console = Console(stderr=True, quiet=not shown)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def update(self, event: Event | None) -> None:
        if event is not None:
            job, outcome = event
            if outcome is None:
                self.running.add(job)
            else:
                self.running.discard(job)
                self.outcomes[job] = outcome
                if not self.console.is_terminal:
                    self.console.print(self._line(job, outcome), soft_wrap=True, highlight=False)
        if self.console.is_terminal:
            self.live.update(self._table(), refresh=True)

    def _line(self, job: Job, outcome: Outcome) -> str:
        found = "failed" if outcome.curve is None else f"{outcome.curve[-1]['accuracy']:.3f}"
        return (
            f"{len(self.outcomes)}/{len(self.jobs)} {job.data} {job.strategy} seed {job.seed}: "
            f"{found}, {outcome.seconds:.1f} s; {self._left()}"
        )

    def _left(self) -> str:
        """The time that the rest will take, at each arm's own speed so far."""
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        for job, outcome in self.outcomes.items():
            seconds[job.data, job.strategy].append(outcome.seconds)
        known = {arm: float(np.mean(values)) for arm, values in seconds.items()}
        if not known:
            return "time left not known yet"
        usual = float(np.mean(list(known.values())))
        rest = sum(
            known.get((job.data, job.strategy), usual)
            for job in self.jobs
            if job not in self.outcomes
        )
        return f"about {_duration(rest / self.number)} left"

    def _table(self) -> Table:
        """A row a strategy, a column a data set; where the screen is low, those at work first."""
        names = list(dict.fromkeys(job.data for job in self.jobs))
        arms = list(dict.fromkeys(job.strategy for job in self.jobs))
        busy = {job.strategy for job in self.running}
        lines = max(3, self.console.height - _OTHER_LINES)
        kept = sorted(arms, key=lambda arm: arm not in busy)[:lines]
        table = Table(
            title=f"{len(self.outcomes)} of {len(self.jobs)} runs",
            caption=f"{_duration(time.monotonic() - self.began)} so far, {self._left()}",
        )
        table.add_column("strategy")
        for name in names:
            table.add_column(f"{name}: seeds, accuracy", justify="right")
        for arm in (arm for arm in arms if arm in kept):
            table.add_row(arm, *(self._cell(name, arm) for name in names))
        return table

    def _cell(self, data: str, strategy: str) -> str:
        jobs = self.cells.get((data, strategy), [])
        ended = [self.outcomes[job] for job in jobs if job in self.outcomes]
        curves: list[list[dict[str, Any]]] = [each.curve for each in ended if each.curve]
        failed = len(ended) - len(curves)
        if not jobs:
            return "–"
        mean = f"{np.mean([curve[-1]['accuracy'] for curve in curves]):.3f}" if curves else ""
        busy = "…" if any(job in self.running for job in jobs) else ""
        return f"{f'{failed} failed ' if failed else ''}{mean} {len(ended)}/{len(jobs)}{busy}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"
