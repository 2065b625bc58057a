"""What runs the jobs: processes of this machine, or Ray."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from al_fashion.comparison.experiment import Experiment
from al_fashion.comparison.learning_curve import Job, run_job
from al_fashion.comparison.photos import Photos, open_photos
from al_fashion.comparison.results import Outcome
from al_fashion.errors import ComparisonError

# Read when numpy is loaded: more threads would change the last digits, and fight over the cores.
ONE_THREAD = {
    f"{name}_THREADS": "1"
    for name in (
        *("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "NUMEXPR_NUM", "VECLIB_MAXIMUM"),
        *("TF_NUM_INTRAOP", "TF_NUM_INTEROP"),
    )
}
_TICK_SECONDS = 0.5

Event = tuple[Job, Outcome | None]
"""A job that begins (None) or that has ended."""


@dataclass(frozen=True)
class Plan:
    """What jobs have in common: the experiment, its data sets' folders, its own learner's text."""

    experiment: Experiment
    folders: Mapping[str, Path]
    learner_code: str


def attempt(job: Job, plan: Plan, photos: Photos) -> Outcome:
    """A job's outcome, whatever happens in it."""
    started = time.perf_counter()
    try:
        curve = run_job(job, plan.experiment, photos, plan.learner_code)
    except (Exception, SystemExit):  # an own file may call sys.exit
        return Outcome(time.perf_counter() - started, None, traceback.format_exc())
    return Outcome(time.perf_counter() - started, curve)


def run_in_processes(jobs: Sequence[Job], plan: Plan, number: int) -> Iterator[Event | None]:
    """Events as they come, None now and then; `number` jobs at once, each in a process.

    A process that dies takes only its own job along, which has failed.
    """
    waiting = list(reversed(jobs))
    with _one_thread():
        workers = [_Worker(plan) for _ in range(min(number, len(jobs)))]
        try:
            while waiting or any(worker.job for worker in workers):
                for worker in workers:
                    if worker.job is None and waiting:
                        yield worker.give(waiting.pop()), None
                ready = wait([each.connection for each in workers if each.job], _TICK_SECONDS)
                for worker in workers:
                    if worker.connection in ready:
                        yield worker.take()
                yield None
        finally:
            for worker in workers:
                worker.process.terminate()


class _Worker:
    """A process and the job it is at."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.job: Job | None = None
        self._begin()

    def _begin(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.plan), daemon=True)
        self.process.start()
        theirs.close()  # so that the process's end is noticed

    def give(self, job: Job) -> Job:
        self.job = job
        with suppress(OSError):  # a process that has died is noticed by `take`
            self.connection.send(job)
        return job

    def take(self) -> tuple[Job, Outcome]:
        """(the job, its outcome), once the connection has something to say."""
        job, self.job = self.job, None
        assert job is not None
        try:
            return job, self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            self._begin()
            return job, Outcome(
                0.0,
                None,
                f"The job's process ended with exit code {code}, short of memory perhaps.",
            )


def _serve(connection: Connection, plan: Plan) -> None:
    """A process's life: job after job, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    opened = cache(open_photos)
    with suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            connection.send(attempt(job, plan, opened(plan.folders[job.data])))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes begun meanwhile use one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_on_ray(jobs: Sequence[Job], plan: Plan, number: int) -> Iterator[Event | None]:
    """The same on Ray: the cluster that RAY_ADDRESS names, else `number` workers here.

    Features are put into Ray's object store, once a data set; workers map them from there.
    Raises ComparisonError where Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ComparisonError(
            "Ray is not installed. Install al-fashion[ray], or use --engine processes."
        ) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here = not os.environ.get("RAY_ADDRESS")
    workers = {"num_cpus": number, "include_dashboard": False} if here else {}
    ray.init(**workers, runtime_env={"env_vars": ONE_THREAD}, logging_level="ERROR")
    try:
        run = ray.remote(max_retries=0)(attempt)
        names = dict.fromkeys(job.data for job in jobs)
        photos = {name: ray.put(_loaded(plan.folders[name])) for name in names}
        asked = {run.remote(job, plan, photos[job.data]): job for job in jobs}
        while asked:
            ready, _ = ray.wait(list(asked), timeout=_TICK_SECONDS)
            for reference in ready:
                yield asked.pop(reference), _outcome(ray, reference)
            yield None
    finally:
        ray.shutdown()


def _loaded(folder: Path) -> Photos:
    """The arrays themselves, for workers that do not see this machine's files."""
    mapped = open_photos(folder)
    return replace(mapped, features=np.array(mapped.features), labels=np.array(mapped.labels))


def _outcome(ray: Any, reference: Any) -> Outcome:
    try:
        found: Outcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        return Outcome(0.0, None, f"The job's worker was lost: {error}")
    return found


Engine = Callable[[Sequence[Job], Plan, int], Iterator[Event | None]]
ENGINES: dict[str, Engine] = {
    "processes": run_in_processes,
    "ray": run_on_ray,
}
