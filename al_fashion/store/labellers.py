"""Who answers."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.database import now_ms
from al_fashion.store.schema import Answer, Labeller

# A person who has not answered for this long is not waited for.
ACTIVE_MS = 24 * 60 * 60 * 1000


def labeller(session: Session, name: str, kind: str = "person") -> Labeller:
    """The labeller of that name, added where new. `kind` is person, import or oracle."""
    found = session.scalars(select(Labeller).where(Labeller.name == name)).one_or_none()
    if found is None:
        found = Labeller(name=name, kind=kind)
        session.add(found)
        session.flush()
    return found


def active_people(session: Session) -> set[int]:
    """Ids of the people who have answered within the last day."""
    return set(
        session.scalars(
            select(Answer.labeller_id)
            .join(Labeller)
            .where(Labeller.kind == "person", Answer.created_ms >= now_ms() - ACTIVE_MS)
            .distinct()
        )
    )
