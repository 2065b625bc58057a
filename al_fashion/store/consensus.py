"""From answers to labels: one soft target per photo, and the labels it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.store.photos import labels, rules
from al_fashion.store.schema import Answer, Image
from al_fashion.types import Split


@dataclass(frozen=True)
class Consensus:
    """What the labellers say of the answered photos of one split.

    `ids` (n,) image ids in a fixed order, `soft` (n, C) float64 share of the labellers that
    chose each label, `hard` (n, C) bool labels, `groups` (n,) group names.
    """

    ids: list[str]
    soft: NDArray[np.float64]
    hard: NDArray[np.bool_]
    groups: list[str]


def consensus(session: Session, split: Split) -> Consensus:
    """Unite every labeller's newest answer to each photo of a split; skips say nothing.

    A label holds where at least half of the labellers chose it, so that a photo seen as a
    shirt by one and as a pullover by another is both; where labels exclude each other the
    one chosen most, of equals the one chosen last.
    """
    rows = _newest_answers(session, split)
    column = {label.id: place for place, label in enumerate(labels(session))}
    ids = list(dict.fromkeys(row[0] for row in rows))
    place = {image_id: row for row, image_id in enumerate(ids)}
    votes = np.zeros((len(ids), len(column)))
    last = np.zeros_like(votes)
    voters = np.zeros((len(ids), 1))
    groups = [""] * len(ids)
    for image_id, group, chosen in rows:
        row = place[image_id]
        groups[row] = group
        voters[row] += 1
        last[row] = 0
        votes[row, [column[label] for label in chosen]] += 1
        last[row, [column[label] for label in chosen]] = 1
    soft = votes / np.maximum(voters, 1)
    hard = _choose_one(soft, last) if rules(session).exclusive else soft >= 0.5
    return Consensus(ids, soft, hard, groups)


def _newest_answers(session: Session, split: Split) -> Sequence[tuple[str, str, list[int]]]:
    newest = select(func.max(Answer.id)).group_by(Answer.image_id, Answer.labeller_id)
    statement = (
        select(Answer.image_id, Image.group, Answer.labels)
        .join(Image, Image.id == Answer.image_id)
        .where(Answer.id.in_(newest), Answer.kind != "skip", Image.split == split)
        .order_by(Answer.image_id, Answer.id)
    )
    return session.execute(statement).tuples().all()


def _choose_one(soft: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, C) bool with one label a row, none where 'none of these' was said most."""
    none = 1.0 - soft.sum(axis=1, keepdims=True)
    none_last = 1.0 - last.sum(axis=1, keepdims=True)
    with_none = np.hstack([soft, none]) + 1e-6 * np.hstack([last, none_last])
    chosen = np.zeros_like(with_none, dtype=bool)
    chosen[np.arange(len(soft)), with_none.argmax(axis=1)] = True
    return chosen[:, :-1]
