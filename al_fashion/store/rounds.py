"""Finished rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.store.database import now_ms
from al_fashion.store.queue import enqueue
from al_fashion.store.schema import Answer, Image, Query, Round
from al_fashion.types import Evaluation, Purpose, RoundResult


def newest_round(session: Session) -> int:
    """The number of the newest round, 0 before the first."""
    return session.scalar(select(func.max(Round.id))) or 0


def newest_info(session: Session) -> dict[str, Any]:
    """What the newest round keeps for the next one; nothing before the first."""
    statement = select(Round.info).order_by(Round.id.desc()).limit(1)
    return dict(session.scalar(statement) or {})


def record_round(
    session: Session,
    result: RoundResult,
    evaluation: Evaluation | None,
    photos: Sequence[tuple[str, Purpose, float | None]],
    info: dict[str, Any],
    overlap: int = 1,
    guesses: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Add a round and its queries; see `enqueue`."""
    session.add(
        Round(
            id=result.round,
            strategy=result.strategy,
            labelled=result.labelled,
            queued=result.queued,
            seconds=result.seconds,
            created_ms=now_ms(),
            evaluation=None if evaluation is None else asdict(evaluation),
            info=info,
        )
    )
    session.flush()
    enqueue(session, result.round, photos, overlap, guesses)


def rounds(session: Session) -> list[Round]:
    """All rounds, oldest first."""
    return list(session.scalars(select(Round).order_by(Round.id)))


def count_evaluated(session: Session) -> int:
    """How many rounds have looked at the held-out photos."""
    evaluated = select(func.count()).select_from(Round).where(Round.evaluation.is_not(None))
    return session.scalar(evaluated) or 0


def candidates(session: Session) -> list[str]:
    """Photos of the pool that a strategy may still ask about, in a fixed order.

    Left out are photos that were answered, are queued, or were skipped by everyone.
    """
    return _never_asked(session, "pool", by_position=False)


def unanswered_heldout(session: Session) -> list[str]:
    """Held-out photos that were never asked or answered, in their random order."""
    return _never_asked(session, "heldout", by_position=True)


def _never_asked(session: Session, split: str, *, by_position: bool) -> list[str]:
    answered = select(Answer.image_id).where(Answer.kind != "skip")
    asked = select(Query.image_id).where(Query.state != "answered")
    order = Image.position if by_position else Image.id
    statement = (
        select(Image.id)
        .where(Image.split == split, Image.id.not_in(answered), Image.id.not_in(asked))
        .order_by(order)
    )
    return list(session.scalars(statement))


def headline(done: Round) -> dict[str, Any] | None:
    """A round's headline accuracy: value, low, high, method, n, metric."""
    if done.evaluation is None:
        return None
    interval = done.evaluation["accuracy"]
    wanted = {name: interval[name] for name in ("value", "low", "high", "method", "n")}
    return {**wanted, "metric": done.evaluation["metric"]}
