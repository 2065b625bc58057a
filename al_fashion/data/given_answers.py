"""Answers that came with photos, each with its labeller: taken in once, none undone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from al_fashion.store.accounts import RESERVED_NAMES, check_name
from al_fashion.store.answers import close_answered
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import in_chunks, label_ids, labels
from al_fashion.store.schema import Answer, Labeller
from al_fashion.types import GivenAnswer

# Of the newest answer, by photo, labeller and whether it is a verdict: when, what, and its number.
_Newest = dict[tuple[str, int, bool], tuple[int, str, list[int], int]]


def add_given_answers(session: Session, given: Mapping[str, Sequence[GivenAnswer]]) -> int:
    """Add the answers to each photo, by image id, that are newer than the labeller's own.

    Returns how many were new. Without a time they are from now, unless they say the same. Raises
    AccountError for a name that cannot be, UnknownLabel.
    """
    people = {one.labeller for answers in given.values() for one in answers}
    who = {name: _labeller(session, name).id for name in sorted(people)}
    newest = _newest(session, list(given))
    added: set[str] = set()
    total = 0
    # A verdict comes behind its owner's own answer, which it supersedes.
    for verdict in (False, True):
        rows = list(_rows(session, given, verdict, who, newest))
        if rows:
            session.execute(insert(Answer), rows)
            newest = _newest(session, list(given))
        added |= {row["image_id"] for row in rows}
        total += len(rows)
    close_answered(session, sorted(added))
    return total


def says_labels(answers: Sequence[GivenAnswer]) -> bool:
    """Whether any of the answers says which labels hold, if only none."""
    return any(one.kind in ("labels", "none") for one in answers)


def _labeller(session: Session, name: str) -> Labeller:
    if name in RESERVED_NAMES:
        return labeller(session, name, name)
    return labeller(session, check_name(name))


def _newest(session: Session, ids: Sequence[str]) -> _Newest:
    found: _Newest = {}
    for part in in_chunks(ids):
        rows = session.execute(
            select(
                Answer.image_id,
                Answer.labeller_id,
                Answer.verdict,
                Answer.created_ms,
                Answer.kind,
                Answer.labels,
                Answer.id,
            )
            .where(Answer.image_id.in_(part))
            .order_by(Answer.id)
        )
        for image_id, who, verdict, created, kind, chosen, number in rows:
            found[image_id, who, verdict] = created, kind, chosen, number
    return found


def _rows(
    session: Session,
    given: Mapping[str, Sequence[GivenAnswer]],
    verdict: bool,
    who: Mapping[str, int],
    newest: _Newest,
) -> Iterator[dict[str, Any]]:
    """The rows to add; of several answers of one labeller to one photo the last."""
    names = [label.name for label in labels(session)]
    now = now_ms()
    for image_id, answers in given.items():
        last: dict[str, GivenAnswer] = {}
        for one in answers:
            if one.verdict == verdict:
                last.pop(one.labeller, None)
                last[one.labeller] = one
        for name, one in last.items():
            chosen = label_ids(session, one.labels)
            known = newest.get((image_id, who[name], verdict))
            if known is not None and not _is_news(one, chosen, known):
                continue
            earlier = [newest.get((image_id, who[name], kind)) for kind in (False, True)]
            created = now if one.created_ms is None else one.created_ms
            yield {
                "image_id": image_id,
                "query_id": None,
                "labeller_id": who[name],
                "kind": one.kind,
                "labels": chosen,
                # `import:` is what a repeated import of plain labels looks for.
                "client_id": f"given:{image_id[:16]}:{created}:{int(verdict)}",
                "supersedes": max((row[3] for row in earlier if row is not None), default=None),
                "created_ms": created,
                "reason": one.reason,
                "proposal": one.proposal,
                "verdict": verdict,
                "labels_shown": _shown(names, one.unseen),
            }


def _is_news(one: GivenAnswer, chosen: list[int], known: tuple[int, str, list[int], int]) -> bool:
    created, kind, said, _ = known
    if one.created_ms is not None:
        return one.created_ms > created
    return (kind, said) != (one.kind, chosen)


def _shown(names: Sequence[str], unseen: Sequence[str]) -> int:
    """How many labels there were, the workspace's first ones."""
    return next((place for place, name in enumerate(names) if name in unseen), len(names))
