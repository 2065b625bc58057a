"""Checks: photos whose right answer an owner has given, mixed unseen among the others."""

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from al_fashion.store.schema import Answer, Image, Lease

_SAID = (
    select(Answer.kind)
    .where(Answer.token == Lease.token)
    .order_by(Answer.id.desc())
    .limit(1)
    .scalar_subquery()
)
_PENDING = (
    select(Lease, Image)
    .join(Image, Image.id == Lease.image_id)
    .where(
        Lease.labeller_id == bindparam("who"),
        Lease.query_id.is_(None),
        or_(_SAID.is_(None), _SAID == "undo"),
    )
)


def pending_checks(session: Session, labeller_id: int) -> list[tuple[Lease, Image]]:
    """Checks that were given to a labeller and not answered yet."""
    return [(lease, image) for lease, image in session.execute(_PENDING, {"who": labeller_id})]


def next_check(session: Session, labeller_id: int) -> Image | None:
    """A photo with a verdict that the labeller never saw; the same order for everyone."""
    decided = select(Answer.image_id).where(Answer.verdict)
    seen = select(Answer.image_id).where(Answer.labeller_id == labeller_id)
    given = select(Lease.image_id).where(Lease.labeller_id == labeller_id)
    statement = (
        select(Image)
        .where(Image.id.in_(decided), Image.id.not_in(seen), Image.id.not_in(given))
        .order_by(Image.position)
    )
    return session.scalars(statement.limit(1)).one_or_none()
