"""What a round's model thinks of every photo of the pool, for the gallery and for exports."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.models.cache import FeatureTable
from al_fashion.models.heads import Head
from al_fashion.store.database import reading
from al_fashion.store.photos import labels
from al_fashion.store.predictions import pool_images
from al_fashion.workspace import Workspace

_CHUNK = 8192


def pool_predictions(
    workspace: Workspace,
    number: int,
    head: Head | None,
    names: Sequence[str],
    table: FeatureTable,
) -> list[dict[str, Any]]:
    """Rows of the table `prediction` for round `number`; none while there is no head.

    `names` are the head's labels. Held-out and audit photos are left out: nobody may learn what
    the model thinks of them. Photos without features too, which nothing is known of.
    """
    if head is None:
        return []
    with reading(workspace.engine) as session:
        known = set(table.ids)
        ids = [image_id for image_id in pool_images(session) if image_id in known]
        label_ids = [label.id for label in labels(session)][: len(names)]
    rows = []
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        features = np.asarray(table.features[table.rows(part)])
        proba, chosen = head.predictions(features)
        doubt = uncertainty(proba, exclusive=head.exclusive)
        best = proba.argmax(axis=1)
        rows += [
            {
                "image_id": image_id,
                "round_id": number,
                "top": label_ids[best[place]],
                "probability": float(proba[place, best[place]]),
                "uncertainty": float(doubt[place]),
                "labels": [label_ids[label] for label in np.flatnonzero(chosen[place])],
            }
            for place, image_id in enumerate(part)
        ]
    return rows


def uncertainty(proba: NDArray[np.float64], *, exclusive: bool) -> NDArray[np.float64]:
    """(n,) in [0, 1] of probabilities (n, C): 1 where the model cannot tell at all.

    Labels that exclude each other: 1 less the margin between the two likeliest. Others: how
    near the most doubtful label is to one half.
    """
    if exclusive:
        two = np.partition(proba, -2, axis=1)[:, -2:]
        return np.asarray(1.0 - (two[:, 1] - two[:, 0]))
    return np.asarray((1.0 - np.abs(2.0 * proba - 1.0)).max(axis=1))
