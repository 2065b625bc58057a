"""Answers that came with photos, each with its labeller: taken in once, none undone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from al_fashion.store.accounts import RESERVED_NAMES, person
from al_fashion.store.answers import close_answered
from al_fashion.store.database import now_ms
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import in_chunks, label_ids, labels
from al_fashion.store.schema import Answer, Labeller
from al_fashion.types import GivenAnswer


@dataclass(frozen=True)
class _Said:
    """A labeller's answers to a photo so far: what the standing one says and its number.

    `latest_ms` and `client_ids` are those of all of them: clocks differ, so that an earlier one
    may bear a later time.
    """

    kind: str
    labels: list[int]
    number: int
    latest_ms: int
    client_ids: frozenset[str]


# By photo, labeller and whether they are verdicts.
_Newest = dict[tuple[str, int, bool], _Said]


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
        added |= {row["image_id"] for row in rows if row["kind"] != "skip"}
        total += len(rows)
    close_answered(session, sorted(added))
    return total


def says_labels(answers: Sequence[GivenAnswer]) -> bool:
    """Whether any of the answers says which labels hold, if only none."""
    return any(one.kind in ("labels", "none") for one in answers)


def _labeller(session: Session, name: str) -> Labeller:
    if name in RESERVED_NAMES:
        return labeller(session, name, name)
    return person(session, name)


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
                Answer.client_id,
            )
            .where(Answer.image_id.in_(part))
            .order_by(Answer.id)
        )
        for image_id, who, verdict, created, kind, chosen, number, client_id in rows:
            before = found.get((image_id, who, verdict))
            found[image_id, who, verdict] = _Said(
                kind,
                chosen,
                number,
                max(created, before.latest_ms) if before else created,
                (before.client_ids if before else frozenset()) | {client_id},
            )
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
        last: dict[int, GivenAnswer] = {}  # a name may be written in several ways
        for one in answers:
            if one.verdict == verdict:
                last.pop(who[one.labeller], None)
                last[who[one.labeller]] = one
        for labeller_id, one in last.items():
            chosen = label_ids(session, one.labels)
            created = now if one.created_ms is None else one.created_ms
            # `import:` is what a repeated import of plain labels looks for.
            client_id = f"given:{image_id[:16]}:{created}:{int(verdict)}"
            known = newest.get((image_id, labeller_id, verdict))
            if known is not None and not _is_news(one, chosen, client_id, known):
                continue
            earlier = [newest.get((image_id, labeller_id, kind)) for kind in (False, True)]
            yield {
                "image_id": image_id,
                "query_id": None,
                "labeller_id": labeller_id,
                "kind": one.kind,
                "labels": chosen,
                "client_id": client_id,
                "supersedes": max((row.number for row in earlier if row is not None), default=None),
                "created_ms": created,
                "reason": one.reason,
                "proposal": one.proposal,
                "verdict": verdict,
                "labels_shown": _shown(names, one.unseen),
            }


def _is_news(one: GivenAnswer, chosen: list[int], client_id: str, known: _Said) -> bool:
    if client_id in known.client_ids:
        return False
    if one.created_ms is not None:
        return one.created_ms > known.latest_ms
    return (known.kind, known.labels) != (one.kind, chosen)


def _shown(names: Sequence[str], unseen: Sequence[str]) -> int:
    """How many labels there were, the workspace's first ones."""
    return next((place for place, name in enumerate(names) if name in unseen), len(names))
