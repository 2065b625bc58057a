"""Giving photos out: nobody else gets one while a person has it on the screen."""

import secrets
from collections.abc import Sequence

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from al_fashion.store.checks import next_check, pending_checks
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import lock_labeller
from al_fashion.store.queue import TAKEABLE
from al_fashion.store.schema import Image, Labeller, Lease, Query, Slot
from al_fashion.types import LeasedPhoto

LEASE_MS = 10 * 60 * 1000
# The photo on the screen and the one after it.
MOST_HELD = 2

_HELD = (
    select(Slot, Lease, Image)
    .join(Lease, Lease.token == Slot.token)
    .join(Image, Image.id == Lease.image_id)
    .where(Slot.labeller_id == bindparam("who"), Slot.state == "leased")
    .with_for_update(of=Slot)
    .execution_options(populate_existing=True)
)
# A lease may also end impossibly late, since the clock was set back.
_EXPIRED = (
    select(Slot.id)
    .where(
        Slot.state == "leased",
        or_(Slot.until_ms < bindparam("now"), Slot.until_ms > bindparam("latest")),
    )
    .with_for_update(skip_locked=True)
)
_IMAGE_OF = (
    select(Image).join(Query, Query.image_id == Image.id).where(Query.id == bindparam("query"))
)
_NEXT = TAKEABLE.limit(1).with_for_update(of=Slot, skip_locked=True)


def claim(
    session: Session, labeller: str, *, limit: int = MOST_HELD, check_share: float = 0.0
) -> list[LeasedPhoto]:
    """The photos that a labeller holds, with new ones up to `limit`, first one first.

    Asking again gives the same photos, their leases renewed. Leases that ran out go back to the
    queue first. Of the new photos a random share `check_share` are checks, while any are left.
    """
    who = lock_labeller(session, labeller)
    now = now_ms()
    held = _renewed(session, who.id, now) + pending_checks(session, who.id)
    held.sort(key=lambda row: row[0].created_ms)
    if len(held) < limit:
        _free_expired(session, now)
    while len(held) < limit:
        new = _next_lease(session, who, now + len(held), check_share)
        if new is None:
            break
        held.append(new)
    return [
        LeasedPhoto(lease.token, image.id, image.width, image.height)
        for lease, image in held[:limit]
    ]


def heartbeat(session: Session, labeller: str, tokens: Sequence[str]) -> list[str]:
    """Renew these leases; returns the tokens that the labeller still holds."""
    who = lock_labeller(session, labeller)
    now = now_ms()
    session.execute(
        update(Slot)
        .where(Slot.labeller_id == who.id, Slot.state == "leased", Slot.token.in_(tokens))
        .values(until_ms=now + LEASE_MS)
    )
    slots = select(Slot.token).where(
        Slot.labeller_id == who.id,
        Slot.state.in_(("leased", "closed")),
        Slot.token.in_(tokens),
    )
    checks = {lease.token for lease, _ in pending_checks(session, who.id)}
    kept = {str(token) for token in session.scalars(slots)} | checks
    return [token for token in tokens if token in kept]


def release(session: Session, labeller: str) -> None:
    """Give back every photo that a labeller holds, unanswered."""
    who = lock_labeller(session, labeller)
    session.execute(
        update(Slot)
        .where(Slot.labeller_id == who.id, Slot.state == "leased")
        .values(state="free", labeller_id=None, token=None, until_ms=None)
    )


def lease_slot(session: Session, slot: Slot, who: Labeller, image_id: str, now: int) -> Lease:
    """Give a slot to a labeller under a new token."""
    lease = Lease(
        token=secrets.token_hex(16),
        labeller_id=who.id,
        image_id=image_id,
        query_id=slot.query_id,
        created_ms=now,
    )
    session.add(lease)
    slot.state, slot.labeller_id, slot.token = "leased", who.id, lease.token
    slot.until_ms = now + LEASE_MS
    session.flush()
    return lease


def _renewed(session: Session, labeller_id: int, now: int) -> list[tuple[Lease, Image]]:
    """What a labeller holds; leases that are half over, or of a clock set back, begin anew."""
    rows = session.execute(_HELD, {"who": labeller_id}).all()
    for slot, _, _ in rows:
        if not LEASE_MS // 2 < (slot.until_ms or 0) - now <= LEASE_MS:
            slot.until_ms = now + LEASE_MS
    return [(lease, image) for _, lease, image in rows]


def _free_expired(session: Session, now: int) -> None:
    """Put slots back whose lease ran out."""
    found = list(session.scalars(_EXPIRED, {"now": now, "latest": now + 2 * LEASE_MS}))
    if found:
        session.execute(
            update(Slot)
            .where(Slot.id.in_(found))
            .values(state="free", labeller_id=None, token=None, until_ms=None)
        )


def _next_lease(
    session: Session, who: Labeller, now: int, check_share: float
) -> tuple[Lease, Image] | None:
    if secrets.randbelow(1_000_000) < 1_000_000 * check_share:
        check = next_check(session, who.id)
        if check is not None:
            lease = Lease(
                token=secrets.token_hex(16), labeller_id=who.id, image_id=check.id, created_ms=now
            )
            session.add(lease)
            session.flush()
            return lease, check
    slot = session.scalars(_NEXT, {"who": who.id}).one_or_none()
    if slot is None:
        return None
    image = session.scalars(_IMAGE_OF, {"query": slot.query_id}).one()
    return lease_slot(session, slot, who, image.id, now), image
