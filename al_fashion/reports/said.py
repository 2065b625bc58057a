"""What people said of photos, where a report may tell it: debates, errors, what was asked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.reports.trained import Trained
from al_fashion.stats.metrics import as_asked, is_right
from al_fashion.stats.monitor import right_guesses
from al_fashion.store.consensus import Consensus
from al_fashion.store.photos import in_chunks, labels, rules
from al_fashion.store.queue import BY_STRATEGY
from al_fashion.store.schema import Answer, Query, Round
from al_fashion.store.shown import showable

DEBATED_SHOWN = 12
ERRORS_SHOWN = 12
ASKED_SHOWN = 24
_WORDS = {"none": "none of these", "cannot_tell": "cannot tell"}


def debated(
    session: Session, called: Mapping[int, str], decided: Mapping[str, list[str]], *, checks: bool
) -> dict[str, Any]:
    """{"photos": how many were answered differently, "shown": the most debated ones}.

    A photo has its `answers` (labeller, said), its `disagreement` (the mean over pairs of people
    of 1 - Jaccard of what they said) and what was `decided`.
    """
    answers = _answers_of_several(session)
    names = {label.id: label.name for label in labels(session)}
    found = []
    for image_id, rows in answers.items():
        sets = [frozenset(_words(answer, names)) for answer in rows]
        distances = [1 - len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
        found.append((float(np.mean(distances)), image_id))
    found = sorted((row for row in found if row[0] > 0), key=lambda row: (-row[0], row[1]))
    allowed = showable(session, [image_id for _, image_id in found], checks=checks)
    shown = [row for row in found if row[1] in allowed][:DEBATED_SHOWN]
    return {
        "photos": len(found),
        "shown": [
            {
                "image": image_id,
                "disagreement": disagreement,
                "answers": [
                    {"labeller": called[answer.labeller_id], "said": _words(answer, names)}
                    for answer in sorted(answers[image_id], key=lambda a: called[a.labeller_id])
                ],
                "decided": decided.get(image_id),
            }
            for disagreement, image_id in shown
        ],
    }


def surprises(
    session: Session, trained: Trained, heldout: Consensus, *, checks: bool
) -> list[dict[str, Any]]:
    """The held-out photos that the model was surest of and got wrong, surest first."""
    allowed = showable(session, heldout.ids, checks=checks)
    known = [image_id for image_id in trained.known(heldout.ids) if image_id in allowed]
    if not known:
        return []
    place = {image_id: row for row, image_id in enumerate(heldout.ids)}
    rows = [place[image_id] for image_id in known]
    truth = heldout.hard[rows]
    names, fixed = [label.name for label in labels(session)], rules(session)
    said = trained.predict(known, len(names))
    sure = right_guesses(said.proba, exclusive=fixed.exclusive, metric=fixed.metric)
    wrong = ~is_right(as_asked(said, heldout.answered[rows]), truth, fixed.metric)
    order = [row for row in np.argsort(-sure, kind="stable") if wrong[row]][:ERRORS_SHOWN]
    return [
        {
            "image": known[row],
            "sure": float(sure[row]),
            "said": _named(names, said.labels[row]),
            "right": _named(names, truth[row]),
            "probabilities": dict(zip(names, map(float, said.proba[row]), strict=True)),
        }
        for row in order
    ]


def asked_last(
    session: Session, decided: Mapping[str, list[str]], *, checks: bool
) -> list[dict[str, Any]]:
    """Photos that strategies asked about and that were answered since, newest first."""
    newest = select(func.max(Query.id)).where(BY_STRATEGY).group_by(Query.image_id)
    rows = session.execute(
        select(Query, Round.strategy)
        .join(Round)
        .where(Query.id.in_(newest))
        .order_by(Query.round_id.desc(), Query.priority)
    ).all()
    rows = [row for row in rows if row[0].image_id in decided]
    allowed = showable(session, [query.image_id for query, _ in rows], checks=checks)
    names = {label.id: label.name for label in labels(session)}
    return [
        {
            "image": query.image_id,
            "round": query.round_id,
            "strategy": strategy,
            "score": query.score,
            "guess": [[names[i], share] for i, share in (query.guess or {}).get("top", [])],
            "decided": decided[query.image_id],
        }
        for query, strategy in rows
        if query.image_id in allowed
    ][:ASKED_SHOWN]


def decisions(known: Sequence[Consensus], names: Sequence[str]) -> dict[str, list[str]]:
    """The labels that were decided of every answered photo; 'none of these' where there is none."""
    return {
        image_id: _named(names, row)
        for each in known
        for image_id, row in zip(each.ids, each.hard, strict=True)
    }


def _named(names: Sequence[str], chosen: Sequence[bool]) -> list[str]:
    return [name for name, on in zip(names, chosen, strict=True) if on] or [_WORDS["none"]]


def _words(answer: Answer, names: Mapping[int, str]) -> list[str]:
    if answer.kind == "labels":
        return [names[label] for label in answer.labels]
    return [_WORDS[answer.kind]]


def _answers_of_several(session: Session) -> dict[str, list[Answer]]:
    """The newest answers of photos that several labellers answered, verdicts left out."""
    says = Answer.kind.in_(("labels", "none", "cannot_tell"))
    several = list(
        session.scalars(
            select(Answer.image_id)
            .where(~Answer.verdict, says)
            .group_by(Answer.image_id)
            .having(func.count(func.distinct(Answer.labeller_id)) > 1)
        )
    )
    found: dict[str, list[Answer]] = defaultdict(list)
    for part in in_chunks(several):
        newest = select(func.max(Answer.id)).where(~Answer.verdict, Answer.image_id.in_(part))
        newest = newest.group_by(Answer.image_id, Answer.labeller_id)
        for answer in session.scalars(select(Answer).where(Answer.id.in_(newest), says)):
            found[answer.image_id].append(answer)
    return {image_id: rows for image_id, rows in found.items() if len(rows) > 1}
