"""A round on a workspace: train, evaluate, select, queue."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

import strategies
from al_fashion.errors import ModelError
from al_fashion.loop.features import features_of, settings_of
from al_fashion.loop.guesses import guesses
from al_fashion.loop.learner import Learner
from al_fashion.loop.predictions import pool_predictions
from al_fashion.loop.round_plan import (
    RoundOptions,
    RoundPlan,
    open_queries,
    photos_of,
    plan_round,
    round_data,
)
from al_fashion.loop.schedules import state_by_ids, state_of_ids
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
from al_fashion.models.heads import Head
from al_fashion.models.predictors import head_model, saved_head
from al_fashion.models.saved import load_model, save_model, training_set_digest
from al_fashion.stats.sentences import sentences
from al_fashion.store.audit import claimed_audit
from al_fashion.store.database import reading, writing
from al_fashion.store.predictions import replace_predictions
from al_fashion.store.rounds import (
    candidates,
    record_round,
    unanswered_heldout,
)
from al_fashion.types import Evaluation, Purpose, RoundResult
from al_fashion.workspace import Workspace


def run_round(workspace: Workspace, options: RoundOptions) -> RoundResult:
    """Train on all answers, evaluate, select and queue.

    Nothing is written before the end, but that skipped photos with nobody left to ask are settled.

    Raises QueueError for open queries or too large a batch, strategies.StrategyError,
    MissingPhotos, WeightsError, WorkspaceError.
    """
    with workspace.lock("run a round"):
        started = time.perf_counter()
        plan = plan_round(workspace, options)
        table, key = features_of(workspace, photos_of(plan), options.features)
        whole = round_data(plan, table)
        data = projected(whole, plan.seed)
        before = _previous_head(workspace, plan, key)
        learner = train(data, before)
        earlier = earlier_model(before, plan.number - 1, whole)
        evaluation = evaluate(learner, data, plan.look, earlier)
        if evaluation is not None:
            evaluation = replace(evaluation, measures={**evaluation.measures, **plan.people})
        rng = round_generator(plan.seed, plan.number)
        state = state_of_ids(plan.previous, plan.strategy, table)
        selection = _selected(learner, data, plan, rng, state)
        queued = _queue_order(_chosen(selection, table), plan.to_evaluate)
        result = RoundResult(
            round=plan.number,
            strategy=plan.strategy,
            labelled=len(data.labelled),
            queued=len(queued),
            accuracy=None if evaluation is None else evaluation.headline(),
            seconds=time.perf_counter() - started,
            evaluation=None if evaluation is None else asdict(evaluation),
            sentences=[] if evaluation is None else sentences(asdict(evaluation)),
        )
        head = None if learner is None else head_of(learner, data)
        kept = state_by_ids(selection, plan.strategy, table, plan.previous)
        _record(workspace, result, evaluation, queued, head, plan, table, {"features": key, **kept})
        return result


def watch_rounds(
    workspace: Workspace, options: RoundOptions, every: float = 1.0
) -> Iterator[RoundResult]:
    """Run a round whenever the batch is answered, until a claim is made or nothing is left to ask.

    No round's own interval ends it: only an audit proves the target.
    """
    while not _is_claimed(workspace):
        if open_queries(workspace):
            time.sleep(every)
            continue
        result = run_round(workspace, _within_reach(workspace, options))
        yield result
        if not result.queued:
            return


def _within_reach(workspace: Workspace, options: RoundOptions) -> RoundOptions:
    """The options, asking for no more photos than remain."""
    with reading(workspace.engine) as session:
        remaining, heldout = len(candidates(session)), len(unanswered_heldout(session))
    return replace(
        options,
        batch=None if options.batch is None else min(options.batch, remaining),
        evaluated=None if options.evaluated is None else min(options.evaluated, heldout),
    )


def _is_claimed(workspace: Workspace) -> bool:
    with reading(workspace.engine) as session:
        return claimed_audit(session) is not None


def _previous_head(workspace: Workspace, plan: RoundPlan, key: str) -> Head | None:
    """The head of the round before, where it is of the same features and labels."""
    path = workspace.models / f"round-{plan.number - 1}.npz"
    try:
        saved = load_model(path)
        head = saved_head(saved)
    except ModelError:
        return None  # the first round, or a file of an older version
    fits = (saved.features, saved.labels, head.exclusive) == (key, plan.labels, plan.exclusive)
    return head if fits else None


def _selected(
    learner: Learner | None,
    data: RoundData,
    plan: RoundPlan,
    rng: np.random.Generator,
    state: dict[str, Any] | None,
) -> strategies.Selection | None:
    if not plan.to_train:
        return None
    return select(learner, data, plan.strategy, plan.to_train, rng, state)


def _chosen(selection: strategies.Selection | None, table: FeatureTable) -> list[tuple[str, float]]:
    """Pool photos with scores: row numbers end here."""
    if selection is None:
        return []
    ids = [table.ids[row] for row in selection.indices]
    return list(zip(ids, map(float, selection.scores), strict=True))


def _queue_order(
    chosen: Sequence[tuple[str, float]], heldout: Sequence[str]
) -> list[tuple[str, Purpose, float | None]]:
    """Both kinds spread evenly over the batch, each in its own order."""
    placed: list[tuple[float, tuple[str, Purpose, float | None]]] = [
        ((place + 0.5) / len(chosen), (image_id, "train", score))
        for place, (image_id, score) in enumerate(chosen)
    ]
    placed += [
        ((place + 0.5) / len(heldout), (image_id, "evaluate", None))
        for place, image_id in enumerate(heldout)
    ]
    return [photo for _, photo in sorted(placed, key=lambda item: item[0])]


def _record(
    workspace: Workspace,
    result: RoundResult,
    evaluation: Evaluation | None,
    queued: Sequence[tuple[str, Purpose, float | None]],
    head: Head | None,
    plan: RoundPlan,
    table: FeatureTable,
    info: dict[str, Any],
) -> None:
    """Save the model first: a round in the database always has its model beside it."""
    if head is not None:
        path = workspace.models / f"round-{result.round}.npz"
        digest = training_set_digest(plan.pool.ids, plan.pool.targets)
        backbone = settings_of(workspace.config)
        save_model(path, head_model(head, plan.labels, backbone, info["features"], digest))
    thoughts = pool_predictions(workspace, result.round, head, plan.labels, table)
    with writing(workspace.engine) as session:
        overlap = workspace.config.overlap
        guessed = guesses(session, head, plan.labels, table, queued)
        record_round(session, result, evaluation, queued, info, overlap, guessed)
        replace_predictions(session, thoughts)
