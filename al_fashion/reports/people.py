"""The labellers without their names: how far they agree, how right and how quick they are."""

import hashlib
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.effort import Effort
from al_fashion.store.photos import rules
from al_fashion.store.quality import labellers_on_checks
from al_fashion.store.schema import Labeller

_NOT_PEOPLE = {"import": "came with the photo", "oracle": "the oracle"}


def aliases(session: Session) -> dict[int, str]:
    """What a report calls every labeller, by id: people are labeller A, B, … in a mixed order."""
    seed = rules(session).seed
    everyone = list(session.scalars(select(Labeller)))
    people = sorted(
        (who for who in everyone if who.kind == "person"), key=lambda who: _mix(seed, who)
    )
    named = {who.id: f"labeller {_letters(place)}" for place, who in enumerate(people)}
    return named | {
        who.id: _NOT_PEOPLE.get(who.kind, who.kind) for who in everyone if who.kind != "person"
    }


def labellers(session: Session, called: dict[int, str], spent: Effort) -> list[dict[str, Any]]:
    """{"labeller", "answers", "seconds", "hours", "checks", "right", "interval"} of every person.

    `seconds` is their median for an answer, None before the first; `interval` is that of the
    share of checks they got right.
    """
    ids = dict(session.execute(select(Labeller.name, Labeller.id)).tuples().all())
    rows = []
    for row in labellers_on_checks(session):
        seconds = spent.seconds[spent.labeller == ids[row["labeller"]]]
        rows.append(
            {
                **row,
                "labeller": called[ids[row["labeller"]]],
                "seconds": float(np.median(seconds)) if len(seconds) else None,
                "hours": float(seconds.sum() / 3600),
            }
        )
    return sorted(rows, key=lambda row: (len(row["labeller"]), row["labeller"]))


def _mix(seed: int, who: Labeller) -> str:
    return hashlib.sha256(f"{seed}/{who.name}".encode()).hexdigest()


def _letters(place: int) -> str:
    """A, B, … Z, AA, AB, …"""
    before, letter = divmod(place, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + letter)
