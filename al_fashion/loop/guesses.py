"""What the model thinks of the queued photos, kept for the page to tell after an answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from al_fashion.models.cache import FeatureTable
from al_fashion.models.heads import Head
from al_fashion.store.photos import labels
from al_fashion.types import Purpose

GUESSED_LABELS = 3


def guesses(
    session: Session,
    head: Head | None,
    names: Sequence[str],
    table: FeatureTable,
    queued: Sequence[tuple[str, Purpose, float | None]],
) -> dict[str, dict[str, Any]]:
    """The labels that the model thinks most likely of the photos to train on, by image id.

    `names` are the model's labels. Of held-out photos nothing is kept: nobody may learn the guess
    before they are answered.
    """
    ids = [image_id for image_id, purpose, _ in queued if purpose == "train"]
    if head is None or not ids:
        return {}
    label_ids = [label.id for label in labels(session)][: len(names)]
    proba = head.predict_proba(np.asarray(table.features[table.rows(ids)]))
    best = np.argsort(-proba, axis=1)[:, :GUESSED_LABELS]
    return {
        image_id: {"top": [[label_ids[place], float(row[place])] for place in places]}
        for image_id, row, places in zip(ids, proba, best, strict=True)
    }
