"""Taking answers in. Rows are only added; a later answer of a labeller supersedes."""

from collections.abc import Sequence
from typing import get_args

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from al_fashion.errors import AnswerConflict, AnswerError, NotYours
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import lock_labeller
from al_fashion.store.leases import lease_slot
from al_fashion.store.photos import in_chunks, label_ids, labels, rules
from al_fashion.store.queue import close_slots, lock_query, settle
from al_fashion.store.schema import Answer, Labeller, Lease, Query, Slot
from al_fashion.types import AnswerKind, SavedAnswer, SkipReason

_OWN_LEASE = select(Lease).where(
    Lease.token == bindparam("token"), Lease.labeller_id == bindparam("who")
)
_SENT_BEFORE_OR_OF_IMAGE = (
    select(Answer)
    .where(
        Answer.labeller_id == bindparam("who"),
        or_(Answer.client_id == bindparam("client_id"), Answer.image_id == bindparam("image")),
    )
    .order_by(Answer.id.desc())
)
_SLOT_FOR = (
    select(Slot)
    .where(
        Slot.query_id == bindparam("query"),
        or_(
            Slot.labeller_id == bindparam("who"),
            and_(Slot.labeller_id.is_(None), Slot.state.in_(("free", "closed"))),
        ),
    )
    .order_by(Slot.labeller_id.is_(None), Slot.slot_no)
    .limit(1)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def save_answer(
    session: Session,
    *,
    labeller: str,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
    query_id: int | None = None,
    token: str | None = None,
    reason: SkipReason | None = None,
    proposal: str | None = None,
) -> SavedAnswer:
    """Add one labeller's answer; once for a `client_id`, however often it is sent.

    What is answered is named by the `token` of the labeller's own lease, or by `query_id`. It
    counts where the labeller holds a slot of the query or one is free; else it is kept as late.
    Raises UnknownLabel, and AnswerError for an unknown token or query, a kind that does not fit
    the labels, several labels where labels exclude each other, or a `client_id` used before for
    something else.
    """
    who = lock_labeller(session, labeller)
    image_id = None
    if token is not None:
        lease = _own_lease(session, token, who)
        image_id, query_id = lease.image_id, lease.query_id
    if query_id is not None:
        query = lock_query(session, query_id)
        if query is None:
            raise AnswerError(
                "There is no query {query_id}. Reload the page for the next photo.",
                query_id=query_id,
            )
        image_id = query.image_id
    if image_id is None:
        raise AnswerError("An answer needs a query or a lease. Reload the page.")
    answer = add_answer(
        session,
        image_id=image_id,
        query_id=query_id,
        labeller=who,
        kind=kind,
        label_names=label_names,
        client_id=client_id,
        token=token,
        reason=reason,
        proposal=proposal,
    )
    return saved(session, answer)


def correct(
    session: Session,
    *,
    labeller: str,
    answer_id: int,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
    reason: SkipReason | None = None,
    proposal: str | None = None,
) -> SavedAnswer:
    """Answer again what the labeller answered before. Raises as `save_answer` does."""
    before = _own_answer(session, answer_id, labeller)
    return save_answer(
        session,
        labeller=labeller,
        kind=kind,
        label_names=label_names,
        client_id=client_id,
        query_id=before.query_id,
        token=before.token,
        reason=reason,
        proposal=proposal,
    )


def undo(session: Session, *, labeller: str, answer_id: int, client_id: str) -> SavedAnswer:
    """Take an answer back; the photo waits for the labeller again.

    Raises AnswerError where it is not the labeller's newest answer of that photo.
    """
    return correct(
        session,
        labeller=labeller,
        answer_id=answer_id,
        kind="undo",
        label_names=[],
        client_id=client_id,
    )


def add_answer(
    session: Session,
    *,
    image_id: str,
    query_id: int | None,
    labeller: Labeller,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
    token: str | None = None,
    reason: SkipReason | None = None,
    proposal: str | None = None,
    verdict: bool = False,
) -> Answer:
    """Add an answer to a photo; the labeller's earlier one, if any, is superseded.

    One to a query, which the caller has locked, takes a slot of it and settles it. Raises as
    `save_answer` does.
    """
    chosen = label_ids(session, label_names)
    _check_kind(kind, chosen, reason)
    if len(chosen) > 1 and rules(session).exclusive:
        raise AnswerError(
            "Labels exclude each other here, {count} were given. Choose one.", count=len(chosen)
        )
    before = session.scalars(
        _SENT_BEFORE_OR_OF_IMAGE,
        {"who": labeller.id, "client_id": client_id, "image": image_id},
    ).all()
    again = next((answer for answer in before if answer.client_id == client_id), None)
    if again is not None:
        _check_same(again, (image_id, kind, chosen, reason, proposal, verdict))
        return again
    late = query_id is not None and not _use_slot(session, query_id, labeller, kind)
    answer = Answer(
        image_id=image_id,
        query_id=query_id,
        labeller_id=labeller.id,
        kind=kind,
        labels=chosen,
        client_id=client_id,
        supersedes=before[0].id if before else None,
        created_ms=now_ms(),
        token=token,
        late=late,
        reason=reason,
        proposal=proposal,
        verdict=verdict,
        labels_shown=len(labels(session)),
    )
    session.add(answer)
    session.flush()
    if query_id is not None:
        settle(session, query_id)
    return answer


def close_answered(session: Session, image_ids: Sequence[str]) -> None:
    """Mark open queries as answered where the answer came another way than the page."""
    for part in in_chunks(image_ids):
        waiting = select(Query.id).where(Query.image_id.in_(part), Query.state == "open")
        found = list(session.scalars(waiting))
        close_slots(session, found)
        session.execute(update(Query).where(Query.id.in_(found)).values(state="answered"))


def newest_answer(session: Session, image_id: str, labeller_id: int) -> Answer | None:
    """What a labeller said last of a photo."""
    return session.scalars(
        select(Answer)
        .where(Answer.image_id == image_id, Answer.labeller_id == labeller_id)
        .order_by(Answer.id.desc())
        .limit(1)
    ).one_or_none()


def saved(session: Session, answer: Answer) -> SavedAnswer:
    """An answer as its labeller may see it."""
    names = {label.id: label.name for label in labels(session)}
    return SavedAnswer(
        answer_id=answer.id,
        token=answer.token,
        image_id=answer.image_id,
        kind=answer.kind,  # type: ignore[arg-type]
        labels=tuple(names[identity] for identity in answer.labels),
    )


def _own_lease(session: Session, token: str, who: Labeller) -> Lease:
    lease = session.scalars(_OWN_LEASE, {"token": token, "who": who.id}).one_or_none()
    if lease is None:
        raise NotYours("This photo was not given to you. Reload the page for the next one.")
    return lease


def _own_answer(session: Session, answer_id: int, labeller: str) -> Answer:
    who = lock_labeller(session, labeller)
    answer = session.scalars(
        select(Answer).where(Answer.id == answer_id, Answer.labeller_id == who.id)
    ).one_or_none()
    if answer is None:
        raise NotYours("You have no answer {answer_id}. Reload the page.", answer_id=answer_id)
    return answer


def _use_slot(session: Session, query_id: int, who: Labeller, kind: AnswerKind) -> bool:
    """Put the answer into a slot of the query; False where none is left for it."""
    slot = session.scalars(_SLOT_FOR, {"query": query_id, "who": who.id}).one_or_none()
    if slot is None:
        return kind in ("skip", "undo")
    if kind == "undo":
        lease_slot(session, slot, who, session.get_one(Query, query_id).image_id, now_ms())
    elif kind == "skip":
        slot.state, slot.labeller_id = "free", None
        slot.token, slot.until_ms = None, None
    else:
        slot.state, slot.labeller_id, slot.until_ms = "answered", who.id, None
    return True


def _check_kind(kind: str, chosen: Sequence[int], reason: str | None) -> None:
    if kind not in get_args(AnswerKind):
        raise AnswerError(
            "Unknown kind of answer. Use one of {kinds}.", kinds=", ".join(get_args(AnswerKind))
        )
    if (kind == "labels") != bool(chosen):
        raise AnswerError(
            "An answer of kind {kind!r} came with {count} labels. Choose at least one label, or "
            "'none of these', or skip.",
            kind=kind,
            count=len(chosen),
        )
    if reason is not None and (kind != "skip" or reason not in get_args(SkipReason)):
        raise AnswerError(
            "The reason {reason!r} does not fit an answer of kind {kind!r}. Reasons to skip are "
            "{reasons}.",
            reason=reason,
            kind=kind,
            reasons=", ".join(get_args(SkipReason)),
        )


def _check_same(answer: Answer, wanted: tuple[object, ...]) -> None:
    found = (
        answer.image_id,
        answer.kind,
        answer.labels,
        answer.reason,
        answer.proposal,
        answer.verdict,
    )
    if found != wanted:
        raise AnswerConflict(
            "The id {client_id!r} was used for another answer. Send a new id with it.",
            client_id=answer.client_id,
        )
