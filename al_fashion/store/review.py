"""What an owner settles: photos that people disagree on, and labels that people propose."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.errors import AnswerError, QueueError
from al_fashion.store.answers import add_answer, close_answered, saved
from al_fashion.store.labellers import lock_labeller
from al_fashion.store.photos import add_label, check_label, labels
from al_fashion.store.queue import enqueue
from al_fashion.store.rounds import newest_round
from al_fashion.store.schema import Answer, Image, Labeller, Query
from al_fashion.types import AnswerKind, Purpose, SavedAnswer


def disagreements(session: Session, limit: int = 50) -> list[dict[str, Any]]:
    """{"image_id", "answers": [{"labeller", "kind", "labels"}]} of photos to decide, most
    debated first.

    Only photos that nobody is asked about any more, so that no answer is seen too early.
    """
    waiting = select(Query.image_id).where(Query.state == "open")
    decided = select(Answer.image_id).where(Answer.verdict)
    several = (
        select(Answer.image_id)
        .where(Answer.image_id.not_in(waiting), Answer.image_id.not_in(decided))
        .group_by(Answer.image_id)
        .having(func.count(func.distinct(Answer.labeller_id)) > 1)
    )
    newest = select(func.max(Answer.id)).where(Answer.image_id.in_(several))
    rows = session.execute(
        select(Answer, Labeller.name)
        .join(Labeller)
        .where(
            Answer.id.in_(newest.group_by(Answer.image_id, Answer.labeller_id)),
            Answer.kind.not_in(("skip", "undo")),
        )
        .order_by(Answer.image_id, Answer.id)
    ).all()
    names = {label.id: label.name for label in labels(session)}
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for answer, who in rows:
        chosen = [names[label] for label in answer.labels]
        said[answer.image_id].append({"labeller": who, "kind": answer.kind, "labels": chosen})
    debated = [(image_id, answers) for image_id, answers in said.items() if _differ(answers) > 1]
    debated.sort(key=lambda item: (-_differ(item[1]), item[0]))
    return [{"image_id": image_id, "answers": rows} for image_id, rows in debated[:limit]]


def reported(session: Session, limit: int = 50) -> list[dict[str, Any]]:
    """{"image_id", "reason", "people"} of photos that people skipped as broken or sensitive and
    that no owner has decided, most reported first."""
    newest = select(func.max(Answer.id)).group_by(Answer.image_id, Answer.labeller_id)
    decided = select(Answer.image_id).where(Answer.verdict)
    people = func.count().label("people")
    rows = session.execute(
        select(Answer.image_id, Answer.reason, people)
        .where(
            Answer.id.in_(newest),
            Answer.kind == "skip",
            Answer.reason.in_(("broken", "sensitive")),
            Answer.image_id.not_in(decided),
        )
        .group_by(Answer.image_id, Answer.reason)
        .order_by(people.desc(), Answer.image_id)
        .limit(limit)
    )
    return [{"image_id": row[0], "reason": row[1], "people": row[2]} for row in rows]


def decide(
    session: Session,
    *,
    owner: str,
    image_id: str,
    kind: AnswerKind,
    label_names: Sequence[str],
    client_id: str,
) -> SavedAnswer:
    """Add an owner's verdict on a photo: it decides, and the photo may serve as a check.

    Raises as `save_answer` does.
    """
    if kind not in ("labels", "none", "cannot_tell"):
        raise AnswerError("A verdict is labels, none or cannot_tell.")
    if session.get(Image, image_id) is None:
        raise AnswerError("There is no such photo. Reload the page.")
    answer = add_answer(
        session,
        image_id=image_id,
        query_id=None,
        labeller=lock_labeller(session, owner),
        kind=kind,
        label_names=label_names,
        client_id=client_id,
        verdict=True,
    )
    close_answered(session, [image_id])
    return saved(session, answer)


def proposals(session: Session) -> list[dict[str, Any]]:
    """{"name", "people", "photos"} of the labels that people missed, most wanted first."""
    known = {label.name.casefold() for label in labels(session)}
    found: dict[str, tuple[str, set[int], set[str]]] = {}
    for name, who, image_id in session.execute(
        select(Answer.proposal, Answer.labeller_id, Answer.image_id)
        .where(Answer.proposal.is_not(None))
        .order_by(Answer.id)
    ):
        key = _folded(str(name))
        if key not in known:
            first = found.setdefault(key, (str(name), set(), set()))
            first[1].add(who)
            first[2].add(image_id)
    rows = [
        {"name": name, "people": len(people), "photos": len(photos)}
        for name, people, photos in found.values()
    ]
    return sorted(rows, key=lambda row: (-row["people"], -row["photos"], row["name"]))


def accept_label(session: Session, name: str, overlap: int = 1) -> int:
    """Add a label and ask again where it matters; returns how many photos are queued.

    Those are photos that someone proposed it for, or where someone said 'none of these', and
    that no owner has decided. Raises WorkspaceError for a name that cannot be, QueueError
    before the first round.
    """
    name = check_label(name, [label.name for label in labels(session)])
    round_id = newest_round(session)
    if not round_id:
        raise QueueError("There is no round yet to ask in. Run `al-fashion round` first.")
    add_label(session, name)
    again = _to_ask_again(session, name)
    enqueue(session, round_id, again, overlap)
    return len(again)


def _to_ask_again(session: Session, name: str) -> list[tuple[str, Purpose, float | None]]:
    newest = select(func.max(Answer.id)).group_by(Answer.image_id, Answer.labeller_id)
    none = select(Answer.image_id).where(Answer.id.in_(newest), Answer.kind == "none")
    proposed = [
        image_id
        for image_id, proposal in session.execute(
            select(Answer.image_id, Answer.proposal).where(Answer.proposal.is_not(None))
        )
        if _folded(str(proposal)) == _folded(name)
    ]
    waiting = select(Query.image_id).where(Query.state == "open")
    decided = select(Answer.image_id).where(Answer.verdict)
    rows = session.execute(
        select(Image.id, Image.split)
        .where(
            Image.id.in_(none) | Image.id.in_(proposed),
            Image.id.not_in(waiting),
            Image.id.not_in(decided),
            Image.split != "audit",
        )
        .order_by(Image.position)
    )
    return [
        (image_id, cast("Purpose", "train" if split == "pool" else "evaluate"), None)
        for image_id, split in rows
    ]


def _differ(answers: Sequence[dict[str, Any]]) -> int:
    return len({(row["kind"], tuple(row["labels"])) for row in answers})


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
