"""How far the batch is: counted seldom where there is much to count, however many ask."""

import time
from collections.abc import Callable
from functools import partial
from threading import Lock

from sqlalchemy.orm import Session

from al_fashion.store.queue import batch_progress, done_for

# So many rows are counted in well under a millisecond.
FEW = 200


class Seldom:
    """Keeps a count of many for a hundred times as long as the counting took: it costs 1 %."""

    def __init__(self, count: Callable[[Session], tuple[int, int]]) -> None:
        self._count = count
        self._until = 0.0
        self._found = (0, 0)

    def get(self, session: Session) -> tuple[int, int]:
        """(how many, out of how many)."""
        started = time.monotonic()
        if started >= self._until:
            self._found = self._count(session)
            ended = time.monotonic()
            self._until = ended + 100 * (ended - started) if self._found[1] > FEW else 0.0
        return self._found


class Progress:
    """The newest batch and whatever older is still open, for each labeller."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._batch = Seldom(batch_progress)
        self._own: dict[str, Seldom] = {}

    def get(self, session: Session, labeller: str) -> dict[str, int]:
        """{"done", "settled", "all"}: queries that need nothing more of this labeller, that need
        nothing more of anybody, and all."""
        with self._lock:
            settled, everything = self._batch.get(session)
            own = self._own.setdefault(labeller, Seldom(partial(done_for, labeller=labeller)))
            done = settled + own.get(session)[0]
        return {"done": min(done, everything), "settled": settled, "all": everything}
