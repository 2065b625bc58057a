"""The gallery of the pool: pages of photos by filter, in keyset order; photos sent to the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from al_fashion.errors import QueueError
from al_fashion.store.gallery_rows import ANSWERED, ASKED, DISPUTED, HIDDEN, SUSPECTED, WAITING
from al_fashion.store.photos import in_chunks, labels
from al_fashion.store.predictions import predicted
from al_fashion.store.queue import enqueue
from al_fashion.store.rounds import newest_round
from al_fashion.store.schema import File, GalleryLabel, GalleryPhoto, Image, Query
from al_fashion.types import Purpose

State = Literal["answered", "unanswered", "asked", "waiting", "disputed", "suspected"]
Order = Literal["uncertain", "certain"]
STATES: tuple[State, ...] = get_args(State)
ORDERS: tuple[Order, ...] = get_args(Order)
_BITS = {
    "answered": ANSWERED,
    "asked": ASKED,
    "waiting": WAITING,
    "disputed": DISPUTED,
    "suspected": SUSPECTED,
}
Place = tuple[float, str]


@dataclass(frozen=True)
class Filter:
    """What is looked for: all conditions together.

    `labels` were answered or, else, are predicted; `answered` and `predicted` are one label each.
    """

    labels: tuple[str, ...] = ()
    answered: str | None = None
    predicted: str | None = None
    state: State | None = None
    order: Order = "uncertain"


def gallery_page(
    session: Session, wanted: Filter, *, after: Place | None = None, limit: int = 60
) -> tuple[list[dict[str, Any]], Place | None]:
    """(photos, the place after which the next page begins, None at the end).

    The surest photos first are only those that there is a prediction of that may be told.
    """
    table, conditions = _matching(session, wanted)
    place = tuple_(table.uncertainty, table.image_id)
    if after is None and wanted.order == "certain":
        conditions.append(table.uncertainty > HIDDEN)
    elif after is not None:
        conditions.append(place < after if wanted.order == "uncertain" else place > after)
    columns = (table.uncertainty, table.image_id)
    order = [c.desc() if wanted.order == "uncertain" else c.asc() for c in columns]
    statement = select(*columns).where(*conditions).order_by(*order).limit(limit + 1)
    rows = [(uncertainty, image_id) for uncertainty, image_id in session.execute(statement)]
    last = rows[limit - 1] if len(rows) > limit else None
    return photos_of(session, [image_id for _, image_id in rows[:limit]]), last


def count_photos_of(session: Session, wanted: Filter) -> int:
    """How many photos a filter finds."""
    table, conditions = _matching(session, wanted)
    if wanted.order == "certain":
        conditions = [*conditions, table.uncertainty > HIDDEN]
    statement = select(func.count()).select_from(table).where(*conditions)
    return session.scalar(statement) or 0


def photos_of(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The photos as the gallery shows them, in this order; those not of the pool are left out.

    `labels` were answered (None: not known), `predicted` and `probability` are the model's, None
    where it has none or none may be told. Of a photo that waits nothing is told, even if it was
    queued a moment ago.
    """
    names = {label.id: label.name for label in labels(session)}
    rows = {
        photo.image_id: (photo, image)
        for part in in_chunks(ids)
        for photo, image in session.execute(
            select(GalleryPhoto, Image)
            .join(Image, Image.id == GalleryPhoto.image_id)
            .where(GalleryPhoto.image_id.in_(part))
        )
    }
    waiting = _waiting(session, ids)
    answered = _answered_labels(session, ids)
    guesses = predicted(session, ids)
    found = []
    for image_id in ids:
        if image_id not in rows:
            continue
        photo, image = rows[image_id]
        state = WAITING | (photo.state & ASKED) if image_id in waiting else photo.state
        hidden = image_id in waiting or photo.uncertainty <= HIDDEN
        told = None if hidden else guesses.get(image_id)
        chosen = [names[label] for label in answered.get(image_id, [])]
        found.append(
            {
                "image_id": image_id,
                "width": image.width,
                "height": image.height,
                "labels": chosen if state & ANSWERED else None,
                "predicted": None if told is None else list(told.labels),
                "probability": None if told is None else told.probability,
                "uncertainty": None if told is None else photo.uncertainty,
                "states": [name for name, bit in _BITS.items() if state & bit],
            }
        )
    return found


def _waiting(session: Session, ids: Sequence[str]) -> set[str]:
    return {
        image_id
        for part in in_chunks(ids)
        for image_id in session.scalars(
            select(Query.image_id).where(Query.image_id.in_(part), Query.state == "open")
        )
    }


def quarantined_page(
    session: Session, *, after: str | None = None, limit: int = 60
) -> tuple[list[dict[str, str]], str | None]:
    """({path, reason} of files that are no photos, the path after which the next page begins)."""
    statement = select(File.path, File.reason).where(File.reason.is_not(None))
    if after is not None:
        statement = statement.where(File.path > after)
    rows = session.execute(statement.order_by(File.path).limit(limit + 1)).all()
    files = [{"path": path, "reason": str(reason)} for path, reason in rows[:limit]]
    return files, files[-1]["path"] if len(rows) > limit else None


def send_to_queue(session: Session, ids: Sequence[str], overlap: int = 1) -> tuple[int, int]:
    """Ask about photos of the pool, behind what waits: (queued, waiting already).

    Photos without labels are asked to train on, others to be looked at again. Raises QueueError
    for photos that are not in the pool, and before the first round.
    """
    wanted = list(dict.fromkeys(ids))
    state = {
        image_id: bits
        for part in in_chunks(wanted)
        for image_id, bits in session.execute(
            select(GalleryPhoto.image_id, GalleryPhoto.state).where(GalleryPhoto.image_id.in_(part))
        )
    }
    if len(state) < len(wanted):
        raise QueueError(
            "{count} of these photos are not in the pool. Reload the page.",
            count=len(wanted) - len(state),
        )
    number = newest_round(session)
    if not number:
        raise QueueError("There is no round yet to ask in. Run `al-fashion round` first.")
    waiting = set(session.scalars(select(Query.image_id).where(Query.state == "open")))
    asked: list[tuple[str, Purpose, float | None]] = [
        (image_id, "recheck" if state[image_id] & ANSWERED else "train", None)
        for image_id in wanted
        if image_id not in waiting
    ]
    enqueue(session, number, asked, overlap)
    return len(asked), len(wanted) - len(asked)


def labels_named(session: Session, words: str) -> tuple[list[str], list[str]]:
    """(labels that a text names, words that name none): "red dress" are red and dress.

    The longest names are looked for first; capitals do not matter.
    """
    known = sorted((label.name for label in labels(session)), key=len, reverse=True)
    left = f" {' '.join(words.casefold().split())} "
    found = []
    for name in known:
        folded = f" {' '.join(name.casefold().split())} "
        if folded in left:
            found.append(name)
            left = left.replace(folded, "  ")
    return found, left.split()


def _matching(session: Session, wanted: Filter) -> tuple[Any, list[ColumnElement[bool]]]:
    """(the table whose index gives the order, the conditions on it)."""
    conditions: list[tuple[str, str | None]] = [(name, None) for name in wanted.labels]
    conditions += [(wanted.answered, "answered")] if wanted.answered is not None else []
    conditions += [(wanted.predicted, "predicted")] if wanted.predicted is not None else []
    identity = {label.name: label.id for label in labels(session)}
    table: Any = GalleryLabel if conditions else GalleryPhoto
    found = [_is_label(GalleryLabel, identity[name], kind) for name, kind in conditions[:1]]
    for name, kind in conditions[1:]:
        other = aliased(GalleryLabel)
        probe: Select[Any] = select(other.image_id).where(
            other.image_id == GalleryLabel.image_id, _is_label(other, identity[name], kind)
        )
        found.append(probe.exists())
    if wanted.state == "unanswered":
        found.append(table.state.bitwise_and(ANSWERED) == 0)
    elif wanted.state is not None:
        found.append(table.state.bitwise_and(_BITS[wanted.state]) != 0)
    return table, found


def _is_label(table: Any, label_id: int, kind: str | None) -> ColumnElement[bool]:
    """The label, whatever it comes from, or answered or predicted as `kind` says.

    What is predicted no longer counts once the photo is answered, unless it is asked for.
    """
    if kind is not None:
        return cast("ColumnElement[bool]", (table.label_id == label_id) & getattr(table, kind))
    counts = table.answered | (table.state.bitwise_and(ANSWERED) == 0)
    return cast("ColumnElement[bool]", (table.label_id == label_id) & counts)


def _answered_labels(session: Session, ids: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for part in in_chunks(ids):
        rows = session.execute(
            select(GalleryLabel.image_id, GalleryLabel.label_id)
            .where(GalleryLabel.image_id.in_(part), GalleryLabel.answered)
            .order_by(GalleryLabel.label_id)
        )
        for image_id, label in rows:
            found.setdefault(image_id, []).append(label)
    return found
