"""What is wrong with the photos and their answers, as far as it is known."""

from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.data.near_duplicates import near_pairs, read_likeness
from al_fashion.loop.suspects import suspects_among
from al_fashion.reports.trained import Trained
from al_fashion.store.consensus import Consensus
from al_fashion.store.photos import labels, quarantined, rules
from al_fashion.store.schema import File, Image
from al_fashion.store.shown import showable

# So that a report of many answers does not take minutes; `al-fashion suspects` judges them all.
MOST_JUDGED = 1000
SHOWN = 12


def data_quality(
    session: Session, trained: Trained | None, pool: Consensus, *, checks: bool
) -> dict[str, Any]:
    """Quarantined files, copies, near duplicates and how they lie, and suspected errors."""
    home = dict(session.execute(select(Image.id, Image.split)).tuples().all())
    pairs = [pair for pair in near_pairs(read_likeness(session)) if set(pair) <= home.keys()]
    allowed = showable(session, sorted({photo for pair in pairs for photo in pair}), checks=checks)
    return {
        "quarantined": [{"file": path, "reason": reason} for path, reason in quarantined(session)],
        "copies": _copies(session),
        "near_duplicates": len(pairs),
        "near_duplicates_across_splits": sum(home[a] != home[b] for a, b in pairs),
        "near_duplicates_shown": [pair for pair in pairs if set(pair) <= allowed][: SHOWN // 2],
        "groups": session.scalar(select(func.count(func.distinct(Image.group)))) or 0,
        "photos": len(home),
        "groups_cut": _groups_cut(session),
        "suspects": _suspects(session, trained, pool, checks=checks),
    }


def _copies(session: Session) -> int:
    """Files that hold a photo which another file holds too, beyond the first."""
    files = select(func.count(), func.count(func.distinct(File.image_id))).where(
        File.image_id.is_not(None)
    )
    every, different = session.execute(files).one()
    return int(every - different)


def _groups_cut(session: Session) -> int:
    several = (
        select(Image.group)
        .group_by(Image.group)
        .having(func.count(func.distinct(Image.split)) > 1)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(several)) or 0


def _suspects(
    session: Session, trained: Trained | None, pool: Consensus, *, checks: bool
) -> dict[str, Any]:
    """{"judged", "answered", "found", "shown"}: of `judged` answered photos, drawn at random."""
    names, fixed = [label.name for label in labels(session)], rules(session)
    known = set() if trained is None else set(trained.known(pool.ids))
    rows = np.array([row for row, image_id in enumerate(pool.ids) if image_id in known], dtype=int)
    rows = np.sort(np.random.default_rng(fixed.seed).permutation(rows)[:MOST_JUDGED])
    ids = [pool.ids[row] for row in rows]
    some = Consensus(
        ids,
        pool.soft[rows],
        pool.hard[rows],
        [pool.groups[row] for row in rows],
        pool.answered[rows],
    )
    features = np.empty((0, 1), np.float32) if trained is None else trained.features(ids)
    found = suspects_among(some, features, names, exclusive=fixed.exclusive)
    allowed = showable(session, [row.image_id for row in found], checks=checks)
    shown = [row for row in found if row.image_id in allowed][:SHOWN]
    return {
        "judged": len(ids),
        "answered": len(pool.ids),
        "found": len(found),
        "shown": [
            {
                "image": row.image_id,
                "answered": row.answered or ["none of these"],
                "look_again_at": row.labels,
                "suspicion": row.suspicion,
            }
            for row in shown
        ],
    }
