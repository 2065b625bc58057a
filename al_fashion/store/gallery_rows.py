"""The gallery's rows, made from answers, queries, predictions and suspects; and kept up to date.

Neither labelling nor a round waits for it: whoever looks at the gallery brings it up to date.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from sqlalchemy import Engine, delete, func, insert, select, text
from sqlalchemy.orm import Session

from al_fashion.store.database import reading, writing
from al_fashion.store.photos import in_chunks, rules
from al_fashion.store.schema import (
    Answer,
    GalleryLabel,
    GalleryPhoto,
    GalleryProgress,
    Image,
    Prediction,
    Query,
    Round,
    Suspect,
)

# Bits of a photo's state.
ASKED, DISPUTED, SUSPECTED, WAITING, ANSWERED = 1, 2, 4, 8, 16
HIDDEN = -1.0
# So few rows that a labeller's answer does not wait long for them.
_CHUNK = 2_000
# PostgreSQL may show a row after others with higher numbers.
_LATE = 100
_Marks = tuple[int, int, int, int]


class Said(NamedTuple):
    """What matters here of an answer."""

    id: int
    image_id: str
    labeller_id: int
    kind: str
    labels: list[int]
    verdict: bool
    created_ms: int


@dataclass(frozen=True)
class _Known:
    """What there is about some photos, by image id."""

    answers: dict[str, list[Said]]
    asked: set[str]
    waiting: set[str]
    predictions: dict[str, Any]
    suspects: dict[str, int]


def refresh_gallery(engine: Engine) -> None:
    """Bring the gallery up to date: what changed since, in short transactions of their own."""
    with reading(engine) as session:
        now, before = _marks(session), _progress(session)
        stale = _stale(session, before, now)
    if now == before and not stale:
        return
    for part in in_chunks(stale, _CHUNK):
        with writing(engine) as session:
            _take_turns(session)
            _write(session, part)
    with writing(engine) as session:
        _take_turns(session)
        session.execute(delete(GalleryProgress))
        session.add(
            GalleryProgress(
                id=1, answer_id=now[0], query_id=now[1], round_id=now[2], suspects_ms=now[3]
            )
        )


def agreed(said: Sequence[Said], *, exclusive: bool) -> list[int] | None:
    """The labels that a photo's standing answers amount to; None where they say nothing.

    A verdict decides; else a label holds from one half of the answers on, or, where labels exclude
    each other, the most chosen one, of equals the one chosen last.
    """
    verdicts = [row for row in said if row.verdict]
    votes = [row for row in said if not row.verdict and row.kind in ("labels", "none")]
    if verdicts:
        last = max(verdicts, key=lambda row: row.id)
        return None if last.kind == "cannot_tell" else last.labels
    if not votes:
        return None
    counts = Counter(label for row in votes for label in row.labels)
    if not exclusive:
        return sorted(label for label, n in counts.items() if 2 * n >= len(votes))
    counts[0] = len(votes) - sum(counts.values())
    recent = {(row.labels or [0])[0]: row.id for row in votes}
    best = max(counts, key=lambda label: (counts[label], recent.get(label, 0)))
    return [best] if best else []


def _marks(session: Session) -> _Marks:
    """The newest answer, query, round and search for suspects."""
    found = [
        session.scalar(select(func.max(column)))
        for column in (Answer.id, Query.id, Round.id, Suspect.created_ms)
    ]
    return (found[0] or 0, found[1] or 0, found[2] or 0, found[3] or 0)


def _progress(session: Session) -> _Marks:
    row = session.get(GalleryProgress, 1)
    return (row.answer_id, row.query_id, row.round_id, row.suspects_ms) if row else (0, 0, 0, 0)


def _stale(session: Session, before: _Marks, now: _Marks) -> list[str]:
    """The photos of the pool whose rows may be out of date."""
    in_pool = select(Image.id).where(Image.split == "pool")
    if before[2] != now[2]:
        # In the order of the tables' keys, so that writing walks along them.
        return list(session.scalars(in_pool.order_by(Image.id)))
    found: set[str] = set()
    if before != now:
        recent = [
            select(Answer.image_id).where(Answer.id > before[0] - _LATE),
            select(Query.image_id).where(Query.id > before[1] - _LATE),
        ]
        if before[3] != now[3]:
            suspected = GalleryPhoto.state.bitwise_and(SUSPECTED) != 0
            recent += [select(Suspect.image_id), select(GalleryPhoto.image_id).where(suspected)]
        for statement in recent:
            found |= set(session.scalars(statement))
        found = {i for part in in_chunks(sorted(found)) for i in _of_pool(session, part)}
    if _count(session, Image, Image.split == "pool") != _count(session, GalleryPhoto):
        missing = Image.id.not_in(select(GalleryPhoto.image_id))
        found |= set(session.scalars(in_pool.where(missing)))
    return sorted(found)


def _take_turns(session: Session) -> None:
    """Two who refresh at once would write the same rows; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(20261125)"))


def _of_pool(session: Session, ids: Sequence[str]) -> Iterable[str]:
    return session.scalars(select(Image.id).where(Image.id.in_(ids), Image.split == "pool"))


def _count(session: Session, table: Any, *conditions: Any) -> int:
    statement = select(func.count()).select_from(table).where(*conditions)
    return session.scalar(statement) or 0


def _write(session: Session, ids: Sequence[str]) -> None:
    exclusive = rules(session).exclusive
    known = _known(session, ids)
    photos, labelled = [], []
    for image_id in _of_pool(session, ids):
        photo, its_labels = _rows(image_id, known, exclusive)
        photos.append(photo)
        labelled += its_labels
    session.execute(delete(GalleryLabel).where(GalleryLabel.image_id.in_(ids)))
    session.execute(delete(GalleryPhoto).where(GalleryPhoto.image_id.in_(ids)))
    for kind, rows in ((GalleryPhoto, photos), (GalleryLabel, labelled)):
        if rows:
            # The table itself: whole objects would take twice as long.
            session.execute(insert(cast("Any", kind.__table__)), rows)


def _rows(
    image_id: str, known: _Known, exclusive: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A photo's row and those of its labels.

    While a photo waits for an answer nothing is told of it, neither guesses nor others' answers.
    """
    state = ASKED * (image_id in known.asked) + WAITING * (image_id in known.waiting)
    if image_id in known.waiting:
        return {"image_id": image_id, "uncertainty": HIDDEN, "state": state}, []
    said = known.answers.get(image_id, [])
    labels = agreed(said, exclusive=exclusive)
    state |= ANSWERED * (labels is not None) | DISPUTED * _is_disputed(said)
    newest = max((row.created_ms for row in said), default=0)
    state |= SUSPECTED * (known.suspects.get(image_id, -1) >= newest)
    guess = known.predictions.get(image_id)
    uncertainty = HIDDEN if guess is None else guess.uncertainty
    guessed = [] if guess is None else guess.labels
    photo = {"image_id": image_id, "uncertainty": uncertainty, "state": state}
    return photo, [
        {**photo, "label_id": label, "answered": label in (labels or []), "predicted": on}
        for label in sorted({*(labels or []), *guessed})
        for on in (label in guessed,)
    ]


def _is_disputed(said: Sequence[Said]) -> bool:
    people = [row for row in said if row.kind != "skip"]
    different = {(row.kind, tuple(row.labels)) for row in people}
    return len(different) > 1 and not any(row.verdict for row in said)


def _known(session: Session, ids: Sequence[str]) -> _Known:
    queries = session.execute(
        select(Query.image_id, Query.state).where(Query.image_id.in_(ids))
    ).all()
    predictions = session.execute(
        select(Prediction.image_id, Prediction.uncertainty, Prediction.labels).where(
            Prediction.image_id.in_(ids)
        )
    )
    suspects = session.scalars(select(Suspect).where(Suspect.image_id.in_(ids)))
    answers: dict[str, list[Said]] = defaultdict(list)
    for answer in _standing(session, ids):
        answers[answer.image_id].append(answer)
    return _Known(
        answers=answers,
        asked={image_id for image_id, _ in queries},
        waiting={image_id for image_id, state in queries if state == "open"},
        predictions={row.image_id: row for row in predictions},
        suspects={row.image_id: row.created_ms for row in suspects},
    )


def _standing(session: Session, ids: Sequence[str]) -> Iterator[Said]:
    """Each labeller's newest answer and newest verdict of every photo, but what was undone."""
    columns = [getattr(Answer, name) for name in Said._fields]
    statement = select(*columns).where(Answer.image_id.in_(ids)).order_by(Answer.id)
    rows = (Said(*row) for row in session.execute(statement))
    newest = {(row.image_id, row.labeller_id, row.verdict): row for row in rows}
    yield from (row for row in newest.values() if row.kind != "undo")
