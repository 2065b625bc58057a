"""The queue: photos that wait for answers, best first, and when they have enough."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, literal, select, text, update
from sqlalchemy.orm import Session, aliased

from al_fashion.store.labellers import active_people
from al_fashion.store.schema import Answer, Image, Labeller, Query, Round, Slot
from al_fashion.types import Purpose, QueuedPhoto

# What an owner sent to the queue has no score: no strategy asked for it.
BY_STRATEGY = and_(Query.purpose == "train", Query.score.is_not(None))


def enqueue(
    session: Session,
    round_id: int,
    photos: Sequence[tuple[str, Purpose, float | None]],
    overlap: int = 1,
    guesses: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Queue (image id, purpose, score) in this order, behind what the round queued before.

    Each photo gets room for `overlap` people; `guesses` are the model's, by image id. What waits
    already is left out: it may have been queued from elsewhere since the photos were chosen.
    """
    if session.get_bind().dialect.name == "postgresql":
        # One at a time, or two would both find a photo not waiting. SQLite has one writer anyway.
        session.execute(select(Round.id).order_by(Round.id).limit(1).with_for_update())
    waiting = set(open_images(session))
    photos = [photo for photo in photos if photo[0] not in waiting]
    last = session.scalar(select(func.max(Query.priority)).where(Query.round_id == round_id))
    first = 0 if last is None else last + 1
    rows = [
        {
            "round_id": round_id,
            "image_id": image_id,
            "purpose": purpose,
            "priority": place,
            "score": score,
            "state": "open",
            "overlap": overlap,
            "guess": (guesses or {}).get(image_id),
        }
        for place, (image_id, purpose, score) in enumerate(photos, start=first)
    ]
    if not rows:
        return
    session.execute(insert(Query), rows)
    for number in range(overlap):
        new = select(
            Query.id, literal(number), Query.round_id, Query.priority, literal("free")
        ).where(Query.round_id == round_id, Query.priority >= first)
        columns = ["query_id", "slot_no", "round_id", "priority", "state"]
        session.execute(insert(Slot).from_select(columns, new))
    if session.get_bind().dialect.name == "postgresql":
        # Or claims would be planned for the table as it was, until somebody happens to look.
        session.execute(text("ANALYZE slot"))


_OTHER = aliased(Slot)
_HELD = (
    select(_OTHER.id)
    .where(_OTHER.query_id == Slot.query_id, _OTHER.labeller_id == bindparam("who"))
    .limit(1)
    .scalar_subquery()
)
_SAID = (
    select(Answer.kind)
    .where(Answer.query_id == Slot.query_id, Answer.labeller_id == bindparam("who"))
    .order_by(Answer.id.desc())
    .limit(1)
    .scalar_subquery()
)
TAKEABLE = (
    select(Slot)
    .where(Slot.state == "free", _HELD.is_(None), func.coalesce(_SAID, "undo") == "undo")
    .order_by(Slot.round_id, Slot.priority, Slot.slot_no)
)
"""The free slots that the labeller with the id `who` may take, in strict order of priority.

Not those of a query they hold or answered another slot of, or have skipped. Both conditions are
scalar subqueries, and nothing is joined, so that a free slot is found by walking the index, at any
size: PostgreSQL takes a join for a reason to read whole tables.
"""


def next_photos(session: Session, labeller: str, limit: int = 2) -> list[QueuedPhoto]:
    """What a labeller would be given next, without giving it."""
    who = session.scalar(select(Labeller.id).where(Labeller.name == labeller)) or 0
    first_free = (
        select(func.min(_OTHER.slot_no))
        .where(_OTHER.query_id == Slot.query_id, _OTHER.state == "free")
        .scalar_subquery()
    )
    free = TAKEABLE.where(Slot.slot_no == first_free).with_only_columns(Slot.query_id)
    ids = list(session.scalars(free.limit(limit), {"who": who}))
    photos = select(Query.id, Image.id, Image.width, Image.height).join(Image)
    rows = session.execute(photos.where(Query.id.in_(ids)))
    found = {row[0]: QueuedPhoto(*row) for row in rows}
    return [found[query_id] for query_id in ids]


def queue_counts(session: Session) -> dict[str, int]:
    """Queries by state: open, answered, closed."""
    rows = session.execute(select(Query.state, func.count()).group_by(Query.state)).tuples()
    return {"open": 0, "answered": 0, "closed": 0, **dict(rows.all())}


def count_open(session: Session) -> dict[str, int]:
    """Open queries by who asks: rounds (with the monitor and rechecks), and an audit.

    Both are answered on the same page in the order of their rounds, so that an audit's come before
    those of every round after the one it froze.
    """
    rows = session.execute(
        select(Query.purpose == "audit", func.count())
        .where(Query.state == "open")
        .group_by(Query.purpose == "audit")
    )
    counts = {bool(audit): count for audit, count in rows}
    return {"rounds": counts.get(False, 0), "audit": counts.get(True, 0)}


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
        select(Query.state, func.count())
        .where((Query.round_id == newest) | (Query.state == "open"))
        .group_by(Query.state)
    )
    by_state = {state: count for state, count in rows}
    everything = sum(by_state.values())
    return everything - by_state.get("open", 0), everything


def done_for(session: Session, labeller: str) -> tuple[int, int]:
    """(open, all) queries that a labeller has answered or skipped; open ones wait for others."""
    waiting, everything = session.execute(_DONE_FOR, {"name": labeller}).one()
    return waiting, everything


def settle(session: Session, query_id: int) -> None:
    """Set a query's state from its answers; whoever calls has locked the query.

    Answered where a majority of its overlap agrees, or its overlap is full; closed where
    everyone who is about has skipped it; else open.
    """
    query = session.get_one(Query, query_id)
    said = _newest_answers(session, query_id)
    counted = [(kind, tuple(labels)) for kind, labels, late in said.values() if _counts(kind, late)]
    skipped = any(kind == "skip" for kind, _, _ in said.values())
    if _is_decided(counted, query.overlap):
        state = "answered"
    elif skipped and active_people(session) <= said.keys():
        state = "answered" if counted else "closed"
    elif query.state != "open" and _is_settled_elsewhere(session, query):
        state = query.state
    else:
        state = "open"
    query.state = state
    session.flush()
    if state == "open":
        session.execute(
            update(Slot)
            .where(Slot.query_id == query_id, Slot.state == "closed")
            .values(state="free", labeller_id=None, token=None, until_ms=None)
        )
    else:
        close_slots(session, [query_id])


def settle_skipped(session: Session) -> None:
    """Close open queries whose last eligible labeller has gone since they were skipped."""
    skipped = (
        select(Query.id).join(Answer, Answer.query_id == Query.id).where(Query.state == "open")
    )
    for query_id in sorted(set(session.scalars(skipped.where(Answer.kind == "skip")))):
        lock_query(session, query_id)
        settle(session, query_id)


def lock_query(session: Session, query_id: int) -> Query | None:
    """The query, so that nobody else answers it in the same moment; None where there is none."""
    return session.scalars(_LOCKED, {"query": query_id}).one_or_none()


_LOCKED = (
    select(Query)
    .where(Query.id == bindparam("query"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_ANSWERED = (
    select(func.max(Answer.id))
    .join(Labeller)
    .where(Labeller.name == bindparam("name"), Answer.query_id.is_not(None))
    .group_by(Answer.query_id)
)
_DONE_FOR = (
    select(func.count().filter(Query.state == "open"), func.count())
    .select_from(Answer)
    .join(Query, Query.id == Answer.query_id)
    .where(Answer.id.in_(_ANSWERED), Answer.kind != "undo")
)
_SAID_OF = (
    select(Answer.labeller_id, Answer.kind, Answer.labels, Answer.late)
    .where(Answer.query_id == bindparam("query"))
    .order_by(Answer.id)
)


def _newest_answers(session: Session, query_id: int) -> dict[int, tuple[str, list[int], bool]]:
    """(kind, label ids, late) by labeller; what was undone is not said."""
    rows = session.execute(_SAID_OF, {"query": query_id})
    newest = {who: (kind, labels, late) for who, kind, labels, late in rows}
    return {who: said for who, said in newest.items() if said[0] != "undo"}


def _counts(kind: str, late: bool) -> bool:
    return kind != "skip" and not late


def _is_decided(counted: Sequence[tuple[str, tuple[int, ...]]], overlap: int) -> bool:
    if not counted:
        return False
    agreeing = Counter(counted).most_common(1)[0][1]
    return len(counted) >= overlap or agreeing > overlap // 2


def _is_settled_elsewhere(session: Session, query: Query) -> bool:
    """Whether the photo was answered another way than the page, or a later query asks about it."""
    imported = select(Answer.id).where(
        Answer.image_id == query.image_id,
        Answer.query_id.is_(None),
        Answer.token.is_(None),
        Answer.kind != "skip",
    )
    later = select(Query.id).where(
        Query.image_id == query.image_id, Query.state == "open", Query.id != query.id
    )
    return any(session.scalar(found.limit(1)) is not None for found in (imported, later))


def close_slots(session: Session, query_ids: Sequence[int]) -> None:
    """Give no more of these slots out; who has the photo on the screen may still answer."""
    for start in range(0, len(query_ids), 10_000):
        session.execute(_CLOSE, {"queries": query_ids[start : start + 10_000]})


_CLOSE = (
    update(Slot)
    .where(
        Slot.query_id.in_(bindparam("queries", expanding=True)),
        Slot.state.in_(("free", "leased")),
    )
    .values(state="closed", until_ms=None)
    .execution_options(synchronize_session=False)
)
