"""What a labeller answered last, to go back to."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from al_fashion.store.answers import saved
from al_fashion.store.schema import Answer, Labeller
from al_fashion.types import SavedAnswer


def previous_answers(session: Session, labeller: str, limit: int = 50) -> list[SavedAnswer]:
    """The labeller's last answers on the page, newest first.

    A correction stands in the place of what it corrects: `z` walks in the order first answered.
    What was undone is left out.
    """
    before = aliased(Answer)
    first = (
        select(Answer.image_id)
        .join(Labeller)
        .outerjoin(before, before.id == Answer.supersedes)
        .where(
            Labeller.name == labeller,
            or_(Answer.query_id.is_not(None), Answer.token.is_not(None)),
            or_(before.id.is_(None), before.query_id.is_distinct_from(Answer.query_id)),
        )
        .order_by(Answer.id.desc())
        .limit(limit)
    )
    images = list(dict.fromkeys(session.scalars(first)))
    newest = (
        select(func.max(Answer.id))
        .join(Labeller)
        .where(Labeller.name == labeller, Answer.image_id.in_(images))
        .group_by(Answer.image_id)
    )
    rows = session.scalars(select(Answer).where(Answer.id.in_(newest), Answer.kind != "undo"))
    by_image = {answer.image_id: answer for answer in rows}
    return [saved(session, by_image[image_id]) for image_id in images if image_id in by_image]
