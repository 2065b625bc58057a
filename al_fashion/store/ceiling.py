"""What people said of photos, and what was decided: how good can a model's figures get?"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.stats.people import Said, human_measures
from al_fashion.store.photos import labels
from al_fashion.store.schema import Answer, Labeller
from al_fashion.types import Interval


def labeller_measures(session: Session) -> dict[str, Interval]:
    """`human_measures` of all that people answered; an owner's verdict is no answer of theirs."""
    names = {label.id: label.name for label in labels(session)}
    verdicts = {photo: chosen for _, photo, chosen in _newest(session, names, verdict=True)}
    return human_measures(_newest(session, names, verdict=False), verdicts)


def _newest(session: Session, names: dict[int, str], *, verdict: bool) -> list[Said]:
    """Each person's newest answer of each photo, or each photo's newest verdict."""
    newest = select(func.max(Answer.id)).where(Answer.verdict == verdict)
    each = (Answer.image_id,) if verdict else (Answer.image_id, Answer.labeller_id)
    rows = session.execute(
        select(Answer.labeller_id, Answer.image_id, Answer.labels)
        .join(Labeller)
        .where(
            Answer.id.in_(newest.group_by(*each)),
            Answer.kind.in_(("labels", "none")),
            Labeller.kind == "person",
        )
        .order_by(Answer.id)
    )
    # 'None of these' is a value of its own: two who say it agree.
    return [
        (who, photo, frozenset(names[label] for label in chosen) or frozenset({"\0none"}))
        for who, photo, chosen in rows
    ]
