"""Watching the accuracy with few answers: photos of the pool, asked most where unsure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion.errors import QueueError, WorkspaceError
from al_fashion.files import replacing
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.predict import newest_model
from al_fashion.models.predictors import saved_head
from al_fashion.models.saved import load_model
from al_fashion.stats.metrics import Predictions, is_right
from al_fashion.stats.monitor import (
    difference_estimate,
    poisson_chances,
    ppi_estimate,
    right_guesses,
)
from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import in_chunks, rules
from al_fashion.store.queue import enqueue, settle_skipped
from al_fashion.store.rounds import candidates, unanswered_heldout
from al_fashion.store.schema import Query
from al_fashion.types import Interval
from al_fashion.workspace import Workspace

# Keeps the draw's random numbers apart from those of rounds and audits.
_DRAW = 0x30417


@dataclass(frozen=True)
class Watched:
    """What is known without a proof, of the model of `round`.

    `pool` is the share right in the pool as it was when photos were drawn from it, None until
    all `asked` are answered. `heldout` is that of the held-out photos, helped by guesses for
    those not answered, None while fewer than two are.
    """

    round: int
    asked: int
    answered: int
    pool: Interval | None
    heldout: Interval | None


@dataclass(frozen=True)
class _Draw:
    """A draw: of N photos of the pool those `drawn` are asked, `ids` and `said` are theirs."""

    round: int
    ids: list[str]
    guesses: NDArray[np.float64]
    chances: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    said: Predictions


def start_monitor(workspace: Workspace, budget: int, options: FeatureOptions) -> int:
    """Queue about `budget` photos of the pool, each with its own chance; returns how many.

    Their answers train too. Raises QueueError for too large a budget, WorkspaceError without a
    model, and what computing features raises.
    """
    with workspace.lock("start the monitor"):
        path = newest_model(workspace)
        number = int(path.stem.partition("-")[2])
        with reading(workspace.engine) as session:
            pool, fixed = candidates(session), rules(session)
            before = session.scalar(select(func.max(Query.id))) or 0
        if budget > len(pool):
            raise QueueError(
                f"Cannot ask about {budget} photos: {len(pool)} unlabelled remain. Use fewer."
            )
        said = _say(workspace, path, pool, options)
        guesses = right_guesses(said.proba, exclusive=fixed.exclusive, metric=fixed.metric)
        chances = poisson_chances(guesses, budget)
        rng = np.random.default_rng([fixed.seed, _DRAW, number, before])
        drawn = rng.random(len(pool)) < chances
        ids = [image_id for image_id, taken in zip(pool, drawn, strict=True) if taken]
        taken = Predictions(said.proba[drawn], said.labels[drawn])
        _save(_file(workspace), _Draw(number, ids, guesses, chances, drawn, taken))
        with writing(workspace.engine) as session:
            asked = [(ids[place], "monitor", None) for place in rng.permutation(len(ids))]
            enqueue(session, number, asked, workspace.config.overlap)  # type: ignore[arg-type]
        return len(ids)


def watch_accuracy(workspace: Workspace, options: FeatureOptions) -> Watched:
    """The estimates of the newest draw and of the held-out photos. Raises as `start_monitor`."""
    path = newest_model(workspace)
    found = watch_pool(workspace)
    heldout = _heldout(workspace, path, options)
    if found is None:
        return Watched(int(path.stem.partition("-")[2]), 0, 0, None, heldout)
    return replace(found, heldout=heldout)


def watch_pool(workspace: Workspace) -> Watched | None:
    """The estimate of the newest draw alone, from what was kept of it; None without a draw."""
    if not _file(workspace).exists():
        return None
    draw = _load(_file(workspace))
    with writing(workspace.engine) as session:
        settle_skipped(session)
    with reading(workspace.engine) as session:
        right = _right(session, draw, rules(session).metric)
    complete = len(right) == len(draw.ids)
    return Watched(
        round=draw.round,
        asked=len(draw.ids),
        answered=len(right),
        pool=_estimate(draw, right) if complete else None,
        heldout=None,
    )


def _estimate(draw: _Draw, right: dict[str, bool]) -> Interval:
    truth = np.zeros(len(draw.drawn))
    truth[draw.drawn] = [right[image_id] for image_id in draw.ids]
    return difference_estimate(draw.guesses, draw.chances, draw.drawn, truth)


def _right(session: Session, draw: _Draw, metric: str) -> dict[str, bool]:
    """Whether each decided photo was right; wrong where nobody could tell."""
    known = consensus(session, "pool")
    place = {image_id: row for row, image_id in enumerate(known.ids)}
    waiting: set[str] = set()
    for part in in_chunks(draw.ids):
        waiting |= set(
            session.scalars(
                select(Query.image_id).where(Query.image_id.in_(part), Query.state == "open")
            )
        )
    rows = [row for row, i in enumerate(draw.ids) if i in place and i not in waiting]
    truth = known.hard[[place[draw.ids[row]] for row in rows]]
    some = Predictions(draw.said.proba[rows], draw.said.labels[rows])
    decided = dict.fromkeys((i for i in draw.ids if i not in waiting), False)
    found = is_right(some, truth, metric)
    return decided | {draw.ids[row]: bool(one) for row, one in zip(rows, found, strict=True)}


def _heldout(workspace: Workspace, path: Path, options: FeatureOptions) -> Interval | None:
    with reading(workspace.engine) as session:
        known, others = consensus(session, "heldout"), unanswered_heldout(session)
        fixed = rules(session)
    if len(known.ids) < 2:
        return None
    said = _say(workspace, path, [*known.ids, *others], options)
    n = len(known.ids)
    right = is_right(Predictions(said.proba[:n], said.labels[:n]), known.hard, fixed.metric)
    guesses = right_guesses(said.proba, exclusive=fixed.exclusive, metric=fixed.metric)
    return ppi_estimate(guesses[n:], guesses[:n], right.astype(np.float64))


def _say(
    workspace: Workspace, path: Path, ids: Sequence[str], options: FeatureOptions
) -> Predictions:
    saved = load_model(path)
    table, key = features_of(workspace, ids, options)
    if key != saved.features:
        raise WorkspaceError(
            f"The model learned from features {saved.features}, this workspace now has {key}. "
            "Train one on them with `al-fashion round`."
        )
    head, features = saved_head(saved), np.asarray(table.features[table.rows(ids)])
    return Predictions(*head.predictions(features))


def _file(workspace: Workspace) -> Path:
    return workspace.models / "monitor.npz"


def _save(path: Path, draw: _Draw) -> None:
    content = io.BytesIO()
    np.savez(
        content,
        round=draw.round,
        ids=np.array(draw.ids, dtype="U64"),
        guesses=draw.guesses,
        chances=draw.chances,
        drawn=draw.drawn,
        proba=draw.said.proba,
        labels=draw.said.labels,
    )
    with replacing(path) as file:
        file.write(content.getvalue())


def _load(path: Path) -> _Draw:
    with np.load(path, allow_pickle=False) as saved:
        return _Draw(
            round=int(saved["round"]),
            ids=[str(image_id) for image_id in saved["ids"]],
            guesses=saved["guesses"],
            chances=saved["chances"],
            drawn=saved["drawn"],
            said=Predictions(saved["proba"], saved["labels"]),
        )
