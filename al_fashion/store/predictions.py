"""What the newest model thinks of the pool, and which answers look wrong."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from al_fashion.store.database import now_ms
from al_fashion.store.photos import in_chunks, label_ids, labels
from al_fashion.store.schema import Image, Prediction, Suspect
from al_fashion.types import PredictedLabels


def pool_images(session: Session) -> list[str]:
    """Every photo of the pool, in the order of the ids."""
    statement = select(Image.id).where(Image.split == "pool").order_by(Image.id)
    return list(session.scalars(statement))


def replace_predictions(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Put a round's predictions, rows of the table, in place of the round's before."""
    session.execute(delete(Prediction))
    if rows:
        # The table itself: whole objects would take twice as long.
        session.execute(insert(cast("Any", Prediction.__table__)), rows)


def predicted(session: Session, ids: Sequence[str]) -> dict[str, PredictedLabels]:
    """The newest predictions of those of the photos that there are any of."""
    names = {label.id: label.name for label in labels(session)}
    found = {}
    for part in in_chunks(ids):
        for row in session.scalars(select(Prediction).where(Prediction.image_id.in_(part))):
            chosen = tuple(names[label] for label in row.labels)
            found[row.image_id] = PredictedLabels(
                row.round_id, chosen, names[row.top], row.probability
            )
    return found


def replace_suspects(session: Session, found: Sequence[tuple[str, float, Sequence[str]]]) -> None:
    """Keep (image id, suspicion, label names) in place of what was suspected before."""
    session.execute(delete(Suspect))
    now = now_ms()
    rows = [
        {
            "image_id": image_id,
            "suspicion": suspicion,
            "labels": label_ids(session, names),
            "created_ms": now,
        }
        for image_id, suspicion, names in found
    ]
    if rows:
        session.execute(insert(Suspect), rows)
