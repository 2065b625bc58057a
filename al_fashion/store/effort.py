"""How long the answers took the people who gave them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.schema import Answer, Labeller

# Whoever has not answered for so long was doing something else.
PAUSE_MS = 120_000


@dataclass(frozen=True)
class Effort:
    """One row an answer, in the order of time: `labeller` (n,) ids, `at_ms` (n,) when it was
    given, `seconds` (n,) float64 how long it took."""

    labeller: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def hours_until(self, at_ms: int) -> float:
        """Hours of work, of all people together, that went into the answers before a moment."""
        return float(self.seconds[self.at_ms <= at_ms].sum() / 3600)


def effort(session: Session) -> Effort:
    """The time from a person's answer before to each answer; import and oracle take none.

    After a pause of PAUSE_MS or more, and for a first answer, the person's median stands in.
    """
    rows = session.execute(
        select(Answer.labeller_id, Answer.created_ms)
        .join(Labeller)
        .where(Labeller.kind == "person")
        .order_by(Answer.labeller_id, Answer.created_ms, Answer.id)
    ).all()
    table = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(len(rows), 2)
    seconds = np.zeros(len(table))
    for who in np.unique(table[:, 0]):
        own = table[:, 0] == who
        seconds[own] = _seconds(table[own, 1])
    order = np.argsort(table[:, 1], kind="stable")
    return Effort(table[order, 0], table[order, 1], seconds[order])


def _seconds(at_ms: NDArray[np.int64]) -> NDArray[np.float64]:
    gaps = np.diff(at_ms, prepend=at_ms[0] - PAUSE_MS)
    steady = gaps < PAUSE_MS
    usual = float(np.median(gaps[steady])) if steady.any() else 0.0
    return np.where(steady, gaps, usual) / 1000
