"""Which photos a report may show with what was said of them: none that may yet be asked about."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.photos import in_chunks
from al_fashion.store.schema import Answer, Image, Query


def showable(session: Session, ids: Sequence[str], *, checks: bool) -> set[str]:
    """Of these photos, those that nobody is going to be asked about without knowing.

    Left out are the photos kept for audits, whatever became of an attempt, those with an open
    query, and, where `checks` are mixed in, those whose right answer an owner has given: a
    labeller who has read a report must still be blind.
    """
    found: set[str] = set()
    for part in in_chunks(ids):
        waiting = select(Query.image_id).where(Query.state == "open")
        chosen = select(Image.id).where(
            Image.id.in_(part), Image.split != "audit", Image.id.not_in(waiting)
        )
        if checks:
            decided = select(Answer.image_id).where(Answer.verdict)
            chosen = chosen.where(Image.id.not_in(decided))
        found |= set(session.scalars(chosen))
    return found
