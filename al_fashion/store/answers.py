"""Taking answers in. Rows are only added; a later answer of a labeller supersedes."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from al_fashion.errors import AnswerError
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import labeller as find_labeller
from al_fashion.store.photos import label_ids, labels, rules
from al_fashion.store.queue import settle
from al_fashion.store.schema import Answer, Labeller, Query
from al_fashion.types import AnswerKind, SavedAnswer


def save_answer(
    session: Session,
    *,
    query_id: int,
    labeller: str,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
) -> SavedAnswer:
    """Add one labeller's answer to a query; once for a `client_id`, however often it is sent.

    An answer to a query that is no longer open is kept all the same. Raises UnknownLabel,
    and AnswerError for an unknown query, a kind that does not fit the labels, several labels
    where labels exclude each other, or a `client_id` used before for something else.
    """
    query = session.get(Query, query_id)
    if query is None:
        raise AnswerError(f"There is no query {query_id}. Reload the page for the next photo.")
    answer = add_answer(
        session,
        image_id=query.image_id,
        query_id=query_id,
        labeller=find_labeller(session, labeller),
        kind=kind,
        label_names=label_names,
        client_id=client_id,
    )
    settle(session, query_id)
    return _as_saved(session, answer)


def add_answer(
    session: Session,
    *,
    image_id: str,
    query_id: int | None,
    labeller: Labeller,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
) -> Answer:
    """Add an answer to a photo; the labeller's earlier one, if any, is superseded.

    Raises as `save_answer` does.
    """
    chosen = label_ids(session, label_names)
    _check_kind(kind, chosen, exclusive=rules(session).exclusive)
    again = session.scalars(
        select(Answer).where(Answer.labeller_id == labeller.id, Answer.client_id == client_id)
    ).one_or_none()
    if again is not None:
        _check_same(again, (image_id, kind, chosen))
        return again
    earlier = newest_answer(session, image_id, labeller.id)
    answer = Answer(
        image_id=image_id,
        query_id=query_id,
        labeller_id=labeller.id,
        kind=kind,
        labels=chosen,
        client_id=client_id,
        supersedes=None if earlier is None else earlier.id,
        created_ms=now_ms(),
    )
    session.add(answer)
    session.flush()
    return answer


def newest_answer(session: Session, image_id: str, labeller_id: int) -> Answer | None:
    """What a labeller said last of a photo."""
    return session.scalars(
        select(Answer)
        .where(Answer.image_id == image_id, Answer.labeller_id == labeller_id)
        .order_by(Answer.id.desc())
        .limit(1)
    ).one_or_none()


def close_answered(session: Session, image_ids: Sequence[str]) -> None:
    """Mark open queries as answered where the answer came another way than the page."""
    for image_id in image_ids:
        session.execute(
            update(Query)
            .where(Query.image_id == image_id, Query.state == "open")
            .values(state="answered")
        )


def previous_answers(session: Session, labeller: str, limit: int = 50) -> list[SavedAnswer]:
    """The labeller's last answers on the page, newest first, corrections in place."""
    rows = session.scalars(
        select(Answer)
        .join(Labeller)
        .where(Labeller.name == labeller, Answer.query_id.is_not(None))
        .order_by(Answer.id.desc())
    )
    found: dict[int, Answer] = {}
    for answer in rows:
        found.setdefault(answer.query_id or 0, answer)
        if len(found) > limit:
            break
    # A correction does not move a photo to the front: `z` walks in the order first answered.
    in_order = sorted(found.values(), key=lambda answer: -_first_id(session, answer))
    return [_as_saved(session, answer) for answer in in_order[:limit]]


def _check_kind(kind: str, chosen: Sequence[int], *, exclusive: bool) -> None:
    if kind not in ("labels", "none", "skip"):
        raise AnswerError(f"Unknown kind of answer {kind!r}. Use labels, none or skip.")
    if (kind == "labels") != bool(chosen):
        raise AnswerError(
            f"An answer of kind {kind!r} came with {len(chosen)} labels. "
            "Choose at least one label, or 'none of these', or skip."
        )
    if exclusive and len(chosen) > 1:
        raise AnswerError(f"Labels exclude each other here, {len(chosen)} were given. Choose one.")


def _check_same(answer: Answer, wanted: tuple[str, str, list[int]]) -> None:
    if (answer.image_id, answer.kind, answer.labels) != wanted:
        raise AnswerError(
            f"The id {answer.client_id!r} was used for another answer. Send a new id with it."
        )


def _first_id(session: Session, answer: Answer) -> int:
    statement = select(Answer.id).where(
        Answer.query_id == answer.query_id, Answer.labeller_id == answer.labeller_id
    )
    return session.scalars(statement.order_by(Answer.id).limit(1)).one()


def _as_saved(session: Session, answer: Answer) -> SavedAnswer:
    names = {label.id: label.name for label in labels(session)}
    return SavedAnswer(
        answer_id=answer.id,
        query_id=answer.query_id,
        image_id=answer.image_id,
        kind=answer.kind,  # type: ignore[arg-type]
        labels=tuple(names[identity] for identity in answer.labels),
    )
