"""The queue: photos that wait for an answer, best first."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from al_fashion.store.labellers import active_people
from al_fashion.store.schema import Answer, Image, Labeller, Query
from al_fashion.types import Purpose, QueuedPhoto


def enqueue(
    session: Session, round_id: int, photos: Sequence[tuple[str, Purpose, float | None]]
) -> None:
    """Queue (image id, purpose, score) in this order, first one first."""
    session.add_all(
        Query(
            round_id=round_id,
            image_id=image_id,
            purpose=purpose,
            priority=place,
            score=score,
            state="open",
        )
        for place, (image_id, purpose, score) in enumerate(photos)
    )


def next_photos(
    session: Session, labeller: str, limit: int = 2, without: int | None = None
) -> list[QueuedPhoto]:
    """The next queries that this labeller has not answered, in the queue's order.

    `without` leaves one query out (the one on the labeller's screen).
    """
    answered = (
        select(Answer.query_id)
        .join(Labeller)
        .where(Labeller.name == labeller, Answer.query_id.is_not(None))
    )
    statement = (
        select(Query.id, Image.id, Image.width, Image.height)
        .join(Image, Image.id == Query.image_id)
        .where(Query.state == "open", Query.id.not_in(answered), Query.id != (without or 0))
        .order_by(Query.round_id, Query.priority)
        .limit(limit)
    )
    return [QueuedPhoto(*row) for row in session.execute(statement)]


def queue_counts(session: Session) -> dict[str, int]:
    """Queries by state: open, answered, closed."""
    rows = session.execute(select(Query.state, func.count()).group_by(Query.state)).tuples()
    return {"open": 0, "answered": 0, "closed": 0, **dict(rows.all())}


def picked_images(session: Session) -> set[str]:
    """Photos that a strategy asked about at any time: not a random draw of the pool."""
    return set(session.scalars(select(Query.image_id).where(Query.purpose == "train")))


def open_images(session: Session) -> list[str]:
    """The photos that wait for an answer, in the queue's order."""
    statement = select(Query.image_id).where(Query.state == "open")
    return list(session.scalars(statement.order_by(Query.round_id, Query.priority)))


def batch_progress(session: Session) -> tuple[int, int]:
    """(done, all) of the newest round's batch and whatever older is still open."""
    newest = select(func.max(Query.round_id)).scalar_subquery()
    rows = session.execute(
        select(Query.state == "open", func.count())
        .where((Query.round_id == newest) | (Query.state == "open"))
        .group_by(Query.state == "open")
    ).tuples()
    by_open = dict(rows.all())
    return by_open.get(False, 0), sum(by_open.values())


def settle(session: Session, query_id: int) -> None:
    """Set a query's state from its answers.

    Answered where anyone gave an answer; closed where everyone who is about has skipped it;
    else open.
    """
    newest = select(func.max(Answer.id)).where(Answer.query_id == query_id)
    kinds = dict(
        session.execute(
            select(Answer.labeller_id, Answer.kind).where(
                Answer.id.in_(newest.group_by(Answer.labeller_id))
            )
        )
        .tuples()
        .all()
    )
    if any(kind != "skip" for kind in kinds.values()):
        state = "answered"
    elif kinds and active_people(session) <= kinds.keys():
        state = "closed"
    else:
        state = "open"
    session.execute(update(Query).where(Query.id == query_id).values(state=state))


def settle_skipped(session: Session) -> None:
    """Close open queries whose last eligible labeller has gone since they were skipped."""
    skipped = (
        select(Query.id).join(Answer, Answer.query_id == Query.id).where(Query.state == "open")
    )
    for query_id in set(session.scalars(skipped)):
        settle(session, query_id)
