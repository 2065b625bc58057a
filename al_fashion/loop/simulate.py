"""The loop over photos whose labels are known: an oracle answers every query at once."""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.step import (
    RoundData,
    earlier_model,
    evaluate,
    head_of,
    projected,
    round_generator,
    select,
    train,
)
from al_fashion.models.cache import FeatureTable
from al_fashion.store.answers import add_answer, close_answered
from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import image_groups, labels, rules, truths
from al_fashion.store.queue import open_images
from al_fashion.types import Evaluation, RoundResult
from al_fashion.workspace import Workspace
from strategies import Selection


@dataclass(frozen=True)
class KnownLabels:
    """Photos whose labels an oracle knows.

    `data` has nothing labelled yet; `oracle` (n, C) bool are the right labels of every row of
    the features; `table` turns rows into image ids; `seed` is the workspace's.
    """

    table: FeatureTable
    data: RoundData
    oracle: NDArray[np.bool_]
    seed: int


@dataclass(frozen=True)
class SimulatedRound:
    """A round's result, what it scored, and what it would ask next (rows of the features)."""

    result: RoundResult
    evaluation: Evaluation | None
    selection: Selection


def simulate(
    known: KnownLabels, strategy: str, first: Sequence[str], *, batch: int, rounds: int
) -> Iterator[SimulatedRound]:
    """Rounds with an oracle, beginning with round 2: round 1 queued `first`, the seed set.

    The rounds are those that a workspace with this seed would run.
    """
    asked = known.table.rows(first)
    data, head, looks, state = known.data, None, 0, None
    whole = replace(known.data, features=known.table.features)
    for number in range(2, rounds + 2):
        started = time.perf_counter()
        data = data.with_labelled(asked, known.oracle[asked].astype(np.float64))
        earlier = earlier_model(head, number - 1, whole)
        learner = train(data, head)
        head = None if learner is None else head_of(learner, data)
        evaluation = evaluate(learner, data, looks + 1, earlier)
        looks += evaluation is not None
        k = min(batch, len(data.candidates))
        rng = round_generator(known.seed, number)
        selection = select(learner, data, strategy, k, rng, state)
        asked, state = selection.indices, selection.info.get("state")
        result = RoundResult(
            round=number,
            strategy=strategy,
            labelled=len(data.labelled),
            queued=k,
            accuracy=None if evaluation is None else evaluation.headline(),
            seconds=time.perf_counter() - started,
        )
        yield SimulatedRound(result, evaluation, selection)


def known_labels(workspace: Workspace, options: FeatureOptions) -> KnownLabels:
    """A workspace whose photos were imported with `labels_as="truth"`, for simulations."""
    with reading(workspace.engine) as session:
        known = truths(session, "pool")
        groups = image_groups(session, "pool")
        heldout = consensus(session, "heldout")
        names = labels(session)
        fixed = rules(session)
    ids = sorted([*known, *heldout.ids])
    table, _ = features_of(workspace, ids, options)
    column = {label.id: place for place, label in enumerate(names)}
    oracle = np.zeros((len(table.ids), len(names)), dtype=bool)
    for row, chosen in zip(table.rows(list(known)), known.values(), strict=True):
        oracle[row, [column[label] for label in chosen]] = True
    row_groups = np.full(len(table.ids), "", dtype=object)
    row_groups[table.rows(list(known))] = [groups[image_id] for image_id in known]
    data = RoundData(
        features=table.features,
        labelled=np.empty(0, dtype=np.int64),
        targets=np.empty((0, len(names))),
        candidates=np.sort(table.rows(list(known))),
        heldout=table.rows(heldout.ids),
        truth=heldout.hard,
        answered=heldout.answered,
        groups=heldout.groups,
        labels=[label.name for label in names],
        exclusive=fixed.exclusive,
        metric=fixed.metric,
        row_groups=row_groups,
    )
    return KnownLabels(table, projected(data, fixed.seed), oracle, fixed.seed)


def answer_as_oracle(workspace: Workspace) -> list[str]:
    """Answer every open query with the known labels; returns the photos answered."""
    with writing(workspace.engine) as session:
        known = truths(session, "pool") | truths(session, "audit")
        names = {label.id: label.name for label in labels(session)}
        oracle = labeller(session, "oracle", "oracle")
        asked = open_images(session)
        for image_id in asked:
            chosen = [names[label] for label in known[image_id]]
            add_answer(
                session,
                image_id=image_id,
                query_id=None,
                labeller=oracle,
                kind="labels" if chosen else "none",
                label_names=chosen,
                client_id=uuid.uuid4().hex,
            )
        close_answered(session, asked)
    return asked
