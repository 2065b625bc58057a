"""Why a photo was asked about, and what the model thought of it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.errors import NotYours, Refused
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import lock_labeller
from al_fashion.store.photos import labels
from al_fashion.store.queue import BY_STRATEGY
from al_fashion.store.schema import Answer, Lease, Query, Round


def explain(session: Session, labeller: str, token: str, *, before_answer: bool) -> dict[str, Any]:
    """strategy, round, score and guess (labels with probabilities) of a photo given to a person.

    What was told, and when first, is kept with the lease. Raises NotYours; Refused while the
    photo is unanswered unless `before_answer`.
    """
    who = lock_labeller(session, labeller)
    lease = session.scalars(
        select(Lease).where(Lease.token == token, Lease.labeller_id == who.id)
    ).one_or_none()
    if lease is None:
        raise NotYours("This photo was not given to you. Reload the page for the next one.")
    answered = session.scalar(select(Answer.id).where(Answer.token == token).limit(1))
    if answered is None and not before_answer:
        raise Refused("What the model thinks is shown after your answer.")
    if lease.exposed_ms is None:
        lease.exposed_ms = now_ms()
    return _reasons(session, lease)


def _reasons(session: Session, lease: Lease) -> dict[str, Any]:
    """A check is explained by the query it once had; without one, as drawn at random.

    So is a photo that an owner sent to the queue, which has no score.
    """
    found = session.execute(
        select(Query, Round.strategy, BY_STRATEGY)
        .join(Round)
        .where(Query.image_id == lease.image_id)
        .order_by(Query.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None or not found[2]:
        return {"strategy": "random", "round": None, "score": None, "guess": []}
    query, strategy, _ = found
    names = {label.id: label.name for label in labels(session)}
    guess = (query.guess or {}).get("top", [])
    return {
        "strategy": strategy,
        "round": query.round_id,
        "score": query.score,
        "guess": [
            {"label": names[label], "probability": probability} for label, probability in guess
        ],
    }
