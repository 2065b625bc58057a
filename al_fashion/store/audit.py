"""Audits: what may be drawn, what was drawn, and what was said of it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from al_fashion.errors import AuditError
from al_fashion.store.database import now_ms
from al_fashion.store.photos import in_chunks
from al_fashion.store.queue import close_slots, enqueue
from al_fashion.store.schema import Answer, Audit, AuditPhoto, Image, Query

Said = Literal["labels", "none", "cannot_tell"]


@dataclass(frozen=True)
class DrawnPhoto:
    """A photo for an audit with the frozen model's labels (ids) and its most probable one."""

    image_id: str
    group: str
    predicted: list[int]
    top: int


@dataclass(frozen=True)
class Outcome:
    """What was decided of a drawn photo; `kind` None while it is not decided.

    `labels` are ids. `disputed`: its labellers disagree, and an owner has to decide.
    """

    photo: AuditPhoto
    kind: Said | None
    labels: list[int]
    disputed: bool = False


def newest_audit(session: Session) -> Audit | None:
    """The newest attempt, whatever became of it."""
    return session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one_or_none()


def open_audit(session: Session) -> Audit:
    """The attempt under way. Raises AuditError where there is none."""
    audit = newest_audit(session)
    if audit is None or audit.state != "open":
        raise AuditError("No audit is under way. Begin one with `al-fashion audit start`.")
    return audit


def claimed_audit(session: Session) -> Audit | None:
    """The newest attempt that proved its model."""
    return session.scalars(
        select(Audit).where(Audit.state == "claimed").order_by(Audit.id.desc()).limit(1)
    ).one_or_none()


def fresh_groups(session: Session) -> dict[str, list[str]]:
    """Photos by group of the audit split that no one was asked about and no attempt counted.

    Labels that came with the photos do no harm: no model and no choice has seen them.
    """
    asked = select(Answer.image_id).where(
        or_(Answer.query_id.is_not(None), Answer.token.is_not(None))
    )
    counted = (
        select(AuditPhoto.image_id)
        .join(Audit, Audit.id == AuditPhoto.audit_id)
        .join(Answer, Answer.image_id == AuditPhoto.image_id)
        .where(Audit.state != "open")
    )
    touched = select(Image.group).where(or_(Image.id.in_(asked), Image.id.in_(counted)))
    elsewhere = select(Image.group).where(Image.split != "audit")
    rows = session.execute(
        select(Image.group, Image.id)
        .where(Image.split == "audit", Image.group.not_in(touched), Image.group.not_in(elsewhere))
        .order_by(Image.group, Image.id)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for group, image_id in rows:
        found[group].append(image_id)
    return dict(found)


def record_audit(session: Session, audit: Audit, photos: Sequence[DrawnPhoto]) -> None:
    """Add an attempt and queue its photos in the drawn order, except those with labels."""
    session.add(audit)
    session.flush()
    session.add_all(
        AuditPhoto(
            audit_id=audit.id,
            place=place,
            image_id=photo.image_id,
            group=photo.group,
            predicted=photo.predicted,
            top=photo.top,
        )
        for place, photo in enumerate(photos)
    )
    session.flush()
    known = _answers(session, [photo.image_id for photo in photos])
    asked = [photo.image_id for photo in photos if photo.image_id not in known]
    enqueue(session, audit.round_id, [(i, "audit", None) for i in asked], audit.overlap)


def outcomes(session: Session, audit: Audit) -> list[Outcome]:
    """What was decided of every drawn photo, in the drawn order."""
    photos = list(
        session.scalars(
            select(AuditPhoto).where(AuditPhoto.audit_id == audit.id).order_by(AuditPhoto.place)
        )
    )
    ids = [photo.image_id for photo in photos]
    said = _answers(session, ids)
    there: set[str] = set()
    states: dict[str, str] = {}
    for part in in_chunks(ids):
        there |= set(session.scalars(select(Image.id).where(Image.id.in_(part))))
        rows = select(Query.image_id, Query.state).where(
            Query.image_id.in_(part), Query.purpose == "audit"
        )
        states |= dict(session.execute(rows.order_by(Query.id)).tuples().all())
    return [
        _outcome(photo, said.get(photo.image_id, []), states.get(photo.image_id), there)
        for photo in photos
    ]


def decided(found: list[Outcome]) -> list[Outcome]:
    """The outcomes up to the first photo that is not decided: only these count."""
    gap = next((place for place, row in enumerate(found) if row.kind is None), len(found))
    return found[:gap]


def end_audit(
    session: Session, audit: Audit, state: str, record: dict[str, Any] | None = None
) -> None:
    """End an attempt; what was not answered leaves the queue."""
    audit.state, audit.ended_ms, audit.record = state, now_ms(), record
    drawn = select(AuditPhoto.image_id).where(AuditPhoto.audit_id == audit.id)
    waiting = select(Query.id).where(
        Query.purpose == "audit", Query.state == "open", Query.image_id.in_(drawn)
    )
    ids = list(session.scalars(waiting))
    for start in range(0, len(ids), 10_000):
        part = ids[start : start + 10_000]
        session.execute(update(Query).where(Query.id.in_(part)).values(state="closed"))
    close_slots(session, ids)


def give_to_the_pool(session: Session, audit: Audit) -> int:
    """Let the groups of an attempt's answered photos train; how many groups they are.

    Whole groups, so that no split cuts one.
    """
    answered = (
        select(AuditPhoto.group)
        .join(Answer, Answer.image_id == AuditPhoto.image_id)
        .where(AuditPhoto.audit_id == audit.id)
        .distinct()
    )
    groups = list(session.scalars(answered))
    for part in in_chunks(groups):
        session.execute(
            update(Image).where(Image.group.in_(part), Image.split == "audit").values(split="pool")
        )
    return len(groups)


def _answers(session: Session, ids: Sequence[str]) -> dict[str, list[Answer]]:
    """Each photo's newest verdict, and each labeller's newest answer; not what says nothing."""
    newest: dict[tuple[str, bool, int], Answer] = {}
    for part in in_chunks(ids):
        statement = select(Answer).where(Answer.image_id.in_(part)).order_by(Answer.id)
        for answer in session.scalars(statement):
            who = 0 if answer.verdict else answer.labeller_id
            newest[answer.image_id, answer.verdict, who] = answer
    found: dict[str, list[Answer]] = defaultdict(list)
    for (image_id, _, _), answer in newest.items():
        if answer.kind not in ("undo", "skip") and not answer.late:
            found[image_id].append(answer)
    return dict(found)


def _outcome(
    photo: AuditPhoto, said: Sequence[Answer], state: str | None, there: set[str]
) -> Outcome:
    """A verdict decides, else the majority; who cannot tell, or only skips, makes it wrong."""
    for answer in said:
        if answer.verdict:
            return Outcome(photo, _kind(answer.kind), sorted(answer.labels))
    if state == "open":
        return Outcome(photo, None, [])
    counts = Counter((answer.kind, tuple(sorted(answer.labels))) for answer in said)
    if not counts:
        # Nobody could say anything, or the photo was removed; else its answer was taken back.
        gone = state == "closed" or photo.image_id not in there
        return Outcome(photo, "cannot_tell" if gone else None, [])
    (kind, labels), votes = counts.most_common(1)[0]
    if 2 * votes <= len(said):
        return Outcome(photo, None, [], disputed=True)
    return Outcome(photo, _kind(kind), list(labels))


def _kind(kind: str) -> Said:
    return "labels" if kind == "labels" else "none" if kind == "none" else "cannot_tell"
