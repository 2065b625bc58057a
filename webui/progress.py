"""How far the batch is: counted seldom, however many ask."""

import time
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from al_fashion.store.queue import batch_progress, done_for

Count = TypeVar("Count")


class Seldom(Generic[Count]):
    """Keeps a count for a hundred times as long as the counting takes, so that it costs 1 %.

    It takes what the quicker of the last two countings took: one alone may have had to wait.
    """

    def __init__(self, count: Callable[[Session], Count]) -> None:
        self._count = count
        self._until = self._took = 0.0
        self._found: Count | None = None

    def get(self, session: Session) -> Count:
        """The count, counted anew each time where that takes less than 5 ms."""
        started = time.monotonic()
        if self._found is None or started >= self._until:
            self._found = self._count(session)
            took = time.monotonic() - started
            quicker, self._took = min(took, self._took), took
            self._until = started + took + 100 * quicker if quicker > 0.005 else 0.0
        return self._found


class Progress:
    """The newest batch and whatever older is still open, for each labeller."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._batch = Seldom(batch_progress)
        self._own: dict[str, Seldom[int]] = {}

    def get(self, session: Session, labeller: str) -> dict[str, int]:
        """{"done", "settled", "all"}: queries that need nothing more of this labeller, that need
        nothing more of anybody, and all."""
        with self._lock:
            settled, everything = self._batch.get(session)
            own = self._own.setdefault(labeller, Seldom(partial(done_for, labeller=labeller)))
            done = settled + own.get(session)
        return {"done": min(done, everything), "settled": settled, "all": everything}
