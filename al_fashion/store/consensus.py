"""From answers to labels: one soft target per photo, and the labels it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.stats.votes import Votes, soft_labels
from al_fashion.store.photos import labels, rules
from al_fashion.store.schema import Answer, Image
from al_fashion.types import Split

_SAYS_LABELS = ("labels", "none")


@dataclass(frozen=True)
class Consensus:
    """What the labellers say of the answered photos of one split.

    `ids` (n,) image ids in a fixed order, `soft` (n, C) float64 how sure each label is, `hard`
    (n, C) bool labels, `groups` (n,) group names, `answered` (n, C) bool which labels anyone could
    have chosen: one that was added later and not asked about is neither on nor off, `soft` 0.
    """

    ids: list[str]
    soft: NDArray[np.float64]
    hard: NDArray[np.bool_]
    groups: list[str]
    answered: NDArray[np.bool_]

    @property
    def targets(self) -> NDArray[np.float64]:
        """(n, C) the soft labels, NaN where a label was not answered."""
        return np.where(self.answered, self.soft, np.nan)


def consensus(session: Session, split: Split) -> Consensus:
    """Unite the newest answers to each photo of a split; skips and 'cannot tell' say nothing.

    An owner's verdict decides. Else each label is as sure as the share of the labellers that
    chose it, of those who could; where enough photos have three answers or more, as sure as
    Dawid and Skene's model of the labellers makes it. A label holds from one half on, so that a
    photo seen as a shirt by one and as a pullover by another is both; where labels exclude each
    other the surest one, of equals the one chosen last.
    """
    rows = _newest_answers(session, split)
    verdicts = _verdicts(session, split)
    names = labels(session)
    column = {label.id: place for place, label in enumerate(names)}
    rows = [row for row in rows if verdicts.get(row[0], ("",))[0] != "cannot_tell"]
    ids = sorted(
        {row[0] for row in rows} | {i for i, row in verdicts.items() if row[0] in _SAYS_LABELS}
    )
    place = {image_id: row for row, image_id in enumerate(ids)}
    votes = _votes(rows, place, column)
    soft = soft_labels(votes, (len(ids), len(column)))
    answered = np.zeros(soft.shape, dtype=bool)
    np.logical_or.at(answered, votes.photo, votes.shown)
    groups = {row[0]: row[1] for row in rows} | {i: row[1] for i, row in verdicts.items()}
    last = _last_said(votes, soft.shape)
    for image_id in place.keys() & verdicts.keys():
        decided = np.zeros(len(column))
        decided[[column[label] for label in verdicts[image_id][2]]] = 1.0
        soft[place[image_id]] = last[place[image_id]] = decided
        answered[place[image_id], : verdicts[image_id][3]] = True
    exclusive = rules(session).exclusive
    if exclusive:
        soft /= np.maximum(soft.sum(axis=1, keepdims=True), 1.0)
        answered |= soft.any(axis=1, keepdims=True)  # whoever chose one said no to all others
    hard = _choose_one(soft, last) if exclusive else soft >= 0.5
    return Consensus(ids, soft, hard, [groups[image_id] for image_id in ids], answered)


def labeller_votes(session: Session, split: Split, ids: Sequence[str]) -> NDArray[np.float64]:
    """(n, J, C) what each labeller chose, 1 or 0, for the photos `ids` (n,) of a split.

    NaN where a labeller did not answer, or the label was not there yet. Photos that an owner has
    decided have no votes, since no further answer would change them.
    """
    decided = _verdicts(session, split)
    place = {image_id: row for row, image_id in enumerate(ids) if image_id not in decided}
    column = {label.id: number for number, label in enumerate(labels(session))}
    rows = [row for row in _newest_answers(session, split) if row[0] in place]
    votes = _votes(rows, place, column)
    said = np.full((len(ids), len({row[3] for row in rows}), len(column)), np.nan)
    said[votes.photo, votes.labeller] = np.where(votes.shown, votes.chosen, np.nan)
    return said


_Row = tuple[str, str, list[int], int, int | None]


def _newest_answers(session: Session, split: Split) -> Sequence[_Row]:
    """(image id, group, label ids, labeller id, labels shown), oldest first."""
    newest = select(func.max(Answer.id)).where(~Answer.verdict)
    statement = (
        select(Answer.image_id, Image.group, Answer.labels, Answer.labeller_id, Answer.labels_shown)
        .join(Image, Image.id == Answer.image_id)
        .where(
            Answer.id.in_(newest.group_by(Answer.image_id, Answer.labeller_id)),
            Answer.kind.in_(_SAYS_LABELS),
            Image.split == split,
        )
        .order_by(Answer.id)
    )
    return session.execute(statement).tuples().all()


def _verdicts(session: Session, split: Split) -> dict[str, tuple[str, str, list[int], int | None]]:
    """(kind, group, label ids, labels shown) of the newest verdict, by image id."""
    newest = select(func.max(Answer.id)).where(Answer.verdict).group_by(Answer.image_id)
    rows = session.execute(
        select(Answer.image_id, Answer.kind, Image.group, Answer.labels, Answer.labels_shown)
        .join(Image, Image.id == Answer.image_id)
        .where(Answer.id.in_(newest), Image.split == split)
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def _votes(rows: Sequence[_Row], place: dict[str, int], column: dict[int, int]) -> Votes:
    labellers = {who: number for number, who in enumerate(sorted({row[3] for row in rows}))}
    chosen = np.zeros((len(rows), len(column)), dtype=bool)
    shown = np.ones_like(chosen)
    for number, (_, _, label_ids, _, seen) in enumerate(rows):
        chosen[number, [column[label] for label in label_ids]] = True
        if seen is not None:
            shown[number, seen:] = False
    return Votes(
        photo=np.array([place[row[0]] for row in rows], dtype=np.int64),
        labeller=np.array([labellers[row[3]] for row in rows], dtype=np.int64),
        chosen=chosen,
        shown=shown,
    )


def _last_said(votes: Votes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(n, C) what the latest answer chose."""
    last = np.zeros(shape)
    last[votes.photo] = votes.chosen  # of rows for one photo the latest stays
    return last


def _choose_one(soft: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, C) bool with one label a row, none where 'none of these' was said most."""
    none = 1.0 - soft.sum(axis=1, keepdims=True)
    none_last = 1.0 - last.sum(axis=1, keepdims=True)
    with_none = np.hstack([soft, none]) + 1e-6 * np.hstack([last, none_last])
    chosen = np.zeros_like(with_none, dtype=bool)
    chosen[np.arange(len(soft)), with_none.argmax(axis=1)] = True
    return chosen[:, :-1]
