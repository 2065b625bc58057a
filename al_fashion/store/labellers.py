"""Who answers."""

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from al_fashion.store.database import now_ms
from al_fashion.store.schema import Labeller

# A person who was not here for this long is not waited for.
ACTIVE_MS = 24 * 60 * 60 * 1000


def labeller(session: Session, name: str, kind: str = "person") -> Labeller:
    """The labeller of that name, added where new. `kind` is person, import or oracle."""
    wanted = select(Labeller).where(Labeller.name == name)
    found = session.scalars(wanted).one_or_none()
    if found is not None:
        return found
    try:
        with session.begin_nested():
            found = Labeller(name=name, kind=kind)
            session.add(found)
    except IntegrityError:  # added by another in the same moment
        found = session.scalars(wanted).one()
    return found


def lock_labeller(session: Session, name: str) -> Labeller:
    """The labeller, so that nothing else is done in their name before this transaction ends."""
    who = labeller(session, name)
    session.execute(update(Labeller).where(Labeller.id == who.id).values(seen_ms=now_ms()))
    return who


def active_people(session: Session) -> set[int]:
    """Ids of the people who were given a photo or answered one within the last day."""
    return set(
        session.scalars(
            select(Labeller.id).where(
                Labeller.kind == "person", Labeller.seen_ms >= now_ms() - ACTIVE_MS
            )
        )
    )
