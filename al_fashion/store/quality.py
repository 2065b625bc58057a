"""How far the labellers agree, and how often each is right on checks."""

from collections import defaultdict
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.stats.agreement import krippendorff_alpha
from al_fashion.stats.intervals import clopper_pearson
from al_fashion.store.photos import labels
from al_fashion.store.schema import Answer, Labeller, Lease

NONE = "none of these"


def agreement(session: Session) -> dict[str, Any]:
    """{"photos", "alpha", "labels": [{"label", "alpha"}]} over photos that several people answered.

    `alpha` is Krippendorff's with MASI over label sets, nominal for a single label; None where
    it is undefined.
    """
    names = {label.id: label.name for label in labels(session)}
    answers = _shared_answers(session)
    sets = [(who, photo, {names[i] for i in said} or {NONE}) for who, photo, said in answers]
    per_label = [
        {
            "label": name,
            "alpha": _defined(
                krippendorff_alpha([(who, photo, label in said) for who, photo, said in answers])
            ),
        }
        for label, name in names.items()
    ]
    return {
        "photos": len({photo for _, photo, _ in answers}),
        "alpha": _defined(krippendorff_alpha(sets, "masi")),
        "labels": per_label,
    }


def labellers_on_checks(session: Session) -> list[dict[str, Any]]:
    """{"labeller", "answers", "checks", "right", "interval"} of every person, by name.

    The interval is Clopper and Pearson's at 95 %, (low, high); None without checks.
    """
    verdicts = _newest_verdicts(session)
    counts = dict(
        session.execute(
            select(Answer.labeller_id, func.count(func.distinct(Answer.image_id))).group_by(
                Answer.labeller_id
            )
        )
        .tuples()
        .all()
    )
    right: dict[int, list[bool]] = defaultdict(list)
    newest = select(func.max(Answer.id)).join(Lease).where(Lease.query_id.is_(None))
    for answer in session.scalars(
        select(Answer).where(
            Answer.id.in_(newest.group_by(Answer.token)), Answer.kind.not_in(("skip", "undo"))
        )
    ):
        if answer.image_id in verdicts:
            said = (answer.kind, answer.labels)
            right[answer.labeller_id].append(said == verdicts[answer.image_id])
    people = session.scalars(
        select(Labeller).where(Labeller.kind == "person").order_by(Labeller.name)
    )
    return [
        {
            "labeller": who.name,
            "answers": counts.get(who.id, 0),
            "checks": len(right[who.id]),
            "right": sum(right[who.id]),
            "interval": _interval(right[who.id]),
        }
        for who in people
    ]


def _shared_answers(session: Session) -> list[tuple[int, str, list[int]]]:
    """(labeller, photo, label ids) of photos with labels from several people; newest answers."""
    newest = select(func.max(Answer.id)).where(~Answer.verdict)
    rows = (
        session.execute(
            select(Answer.labeller_id, Answer.image_id, Answer.labels).where(
                Answer.id.in_(newest.group_by(Answer.image_id, Answer.labeller_id)),
                Answer.kind.in_(("labels", "none")),
            )
        )
        .tuples()
        .all()
    )
    people: dict[str, int] = defaultdict(int)
    for _, photo, _ in rows:
        people[photo] += 1
    return [row for row in rows if people[row[1]] > 1]


def _newest_verdicts(session: Session) -> dict[str, tuple[str, list[int]]]:
    newest = select(func.max(Answer.id)).where(Answer.verdict).group_by(Answer.image_id)
    rows = session.execute(
        select(Answer.image_id, Answer.kind, Answer.labels).where(Answer.id.in_(newest))
    )
    return {image_id: (kind, chosen) for image_id, kind, chosen in rows}


def _interval(right: list[bool]) -> tuple[float, float] | None:
    if not right:
        return None
    found = clopper_pearson(sum(right), len(right))
    return found.low, found.high


def _defined(alpha: float) -> float | None:
    return None if np.isnan(alpha) else alpha
