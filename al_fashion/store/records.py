"""Photos with all that was said of them, one after the other, for exports."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.consensus import consensus
from al_fashion.store.photos import image_paths, in_chunks, labels
from al_fashion.store.predictions import predicted
from al_fashion.store.schema import Answer, Image, Labeller
from al_fashion.types import AnswerKind, GivenAnswer, Record, SkipReason, Split

_SPLITS: tuple[Split, ...] = ("pool", "heldout", "audit")
_CHUNK = 2_000
_Known = tuple[tuple[str, ...], dict[str, float]]


def records(session: Session, *, answered: bool = False) -> Iterator[Record]:
    """Every photo, or those with labels only, in the order of their paths, a chunk at a time."""
    known = _consensus(session)
    ids = sorted(known) if answered else list(session.scalars(select(Image.id)))
    paths = image_paths(session, ids)
    order = sorted(ids, key=lambda image_id: (paths.get(image_id, [""])[0], image_id))
    for part in in_chunks(order, _CHUNK):
        said, guessed = _standing_answers(session, part), predicted(session, part)
        images = {row.id: row for row in session.scalars(select(Image).where(Image.id.in_(part)))}
        for image_id in part:
            image, (names, soft) = images[image_id], known.get(image_id, (None, None))
            yield Record(
                id=image_id,
                paths=tuple(paths.get(image_id, ())),
                width=image.width,
                height=image.height,
                mime=image.mime,
                group=image.group,
                split=cast("Split", image.split),
                labels=names,
                soft=soft,
                answers=tuple(said.get(image_id, ())),
                predicted=guessed.get(image_id),
            )
        session.expunge_all()


def _consensus(session: Session) -> dict[str, _Known]:
    """(labels, how sure each label is) of every photo that labels are known of."""
    names = [label.name for label in labels(session)]
    known = {}
    for split in _SPLITS:
        found = consensus(session, split)
        for image_id, hard, soft in zip(found.ids, found.hard, found.soft, strict=True):
            chosen = tuple(name for name, on in zip(names, hard, strict=True) if on)
            known[image_id] = chosen, dict(zip(names, map(float, soft), strict=True))
    return known


def _standing_answers(session: Session, ids: Sequence[str]) -> dict[str, list[GivenAnswer]]:
    """Each labeller's newest answer and newest verdict, oldest first; nothing that was undone."""
    names = {label.id: label.name for label in labels(session)}
    rows = session.execute(
        select(Answer, Labeller.name)
        .join(Labeller)
        .where(Answer.image_id.in_(ids))
        .order_by(Answer.id)
    )
    newest: dict[tuple[str, str, bool], Answer] = {}
    for answer, who in rows:
        key = (answer.image_id, who, answer.verdict)
        newest.pop(key, None)  # a later one stands behind the others
        newest[key] = answer
    found: dict[str, list[GivenAnswer]] = {}
    for (image_id, who, _), answer in newest.items():
        if answer.kind != "undo":
            found.setdefault(image_id, []).append(_given(answer, who, names))
    return found


def _given(answer: Answer, who: str, names: dict[int, str]) -> GivenAnswer:
    shown = len(names) if answer.labels_shown is None else answer.labels_shown
    return GivenAnswer(
        labeller=who,
        kind=cast("AnswerKind", answer.kind),
        labels=tuple(names[label] for label in answer.labels),
        created_ms=answer.created_ms,
        verdict=answer.verdict,
        reason=cast("SkipReason | None", answer.reason),
        proposal=answer.proposal,
        unseen=tuple(names.values())[shown:],
    )
