"""The pool in two dimensions, with the photos that were asked about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.reports.trained import Trained
from al_fashion.store.photos import image_groups, labels
from al_fashion.store.queue import BY_STRATEGY
from al_fashion.store.schema import Query

SAMPLE = 1000
MOST_POINTS = 5000


@dataclass(frozen=True)
class PoolMap:
    """Where photos of the pool lie: `points` (n, 2), what the model says of them, and when asked.

    `likely` (n,) is the most probable label's number, `sure` (n,) its probability, `asked` (n,)
    the newest round that a strategy asked in, 0 for never.
    """

    points: NDArray[np.float64]
    likely: NDArray[np.int64]
    sure: NDArray[np.float64]
    asked: NDArray[np.int64]


def pool_map(session: Session, trained: Trained, rng: np.random.Generator) -> PoolMap | None:
    """The two principal components of the pool; of a large pool a random part and all asked."""
    rows = session.execute(
        select(Query.image_id, Query.round_id).where(BY_STRATEGY).order_by(Query.id)
    )
    asked = dict(rows.tuples().all())
    pool = trained.known(sorted(image_groups(session, "pool")))
    asked_for = [image_id for image_id in pool if image_id in asked]
    others = [image_id for image_id in pool if image_id not in asked]
    room = max(0, MOST_POINTS - len(asked_for))
    chosen = np.sort(rng.permutation(len(others))[:room])
    ids = [*(others[place] for place in chosen), *asked_for]
    if len(ids) < 3:
        return None
    said = trained.predict(ids, len(labels(session))).proba
    return PoolMap(
        points=two_components(trained.features(ids), rng),
        likely=said.argmax(axis=1),
        sure=said.max(axis=1),
        asked=np.array([asked.get(image_id, 0) for image_id in ids]),
    )


def two_components(features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 2) first principal components of (n, d), found from a sample of the rows."""
    chosen = np.sort(rng.permutation(len(features))[:SAMPLE])
    sample = features[chosen] - features[chosen].mean(axis=0)
    _, directions = np.linalg.eigh(sample @ sample.T)
    components = sample.T @ directions[:, :-3:-1]
    components /= np.maximum(np.linalg.norm(components, axis=0), 1e-12)
    return np.asarray((features - features[chosen].mean(axis=0)) @ components, np.float64)
