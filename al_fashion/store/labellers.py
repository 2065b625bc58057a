"""Who answers."""

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from al_fashion.store.database import now_ms
from al_fashion.store.schema import Labeller

# A person who was not here for this long is not waited for.
ACTIVE_MS = 24 * 60 * 60 * 1000
# How exactly it is known when they were: not every request writes.
SEEN_MS = 60 * 1000
# Statements of every request are built once: that takes longer than the database's own work.
_NAMED = select(Labeller).where(Labeller.name == bindparam("name"))
_LOCKED = _NAMED.with_for_update(key_share=True)


def labeller(session: Session, name: str, kind: str = "person") -> Labeller:
    """The labeller of that name, added where new. `kind` is person, import or oracle."""
    wanted = {"name": name}
    found = session.scalars(_NAMED, wanted).one_or_none()
    if found is not None:
        return found
    try:
        with session.begin_nested():
            found = Labeller(name=name, kind=kind)
            session.add(found)
    except IntegrityError:  # added by another in the same moment
        found = session.scalars(_NAMED, wanted).one()
    return found


def lock_labeller(session: Session, name: str) -> Labeller:
    """The labeller, so that nothing else is done in their name before this transaction ends."""
    locked: dict[str, Labeller] = session.info.setdefault("locked labellers", {})
    if name not in locked:
        found = session.scalars(_LOCKED, {"name": name}).one_or_none()
        if found is None:
            labeller(session, name)
            found = session.scalars(_LOCKED, {"name": name}).one()
        locked[name] = found
        if abs(now_ms() - found.seen_ms) > SEEN_MS:
            found.seen_ms = now_ms()
    return locked[name]


def active_people(session: Session) -> set[int]:
    """Ids of the people who were given a photo or answered one within the last day."""
    return set(
        session.scalars(
            select(Labeller.id).where(
                Labeller.kind == "person", Labeller.seen_ms >= now_ms() - ACTIVE_MS
            )
        )
    )
