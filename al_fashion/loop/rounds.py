"""A round on a workspace: train, evaluate, select, queue."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

import strategies
from al_fashion.errors import ModelError, QueueError
from al_fashion.loop.features import FeatureOptions, features_of, settings_of
from al_fashion.loop.guesses import guesses
from al_fashion.loop.learner import Learner
from al_fashion.loop.predictions import pool_predictions
from al_fashion.loop.schedules import state_by_ids, state_of_ids
from al_fashion.loop.step import (
    MIN_EVALUATED,
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
from al_fashion.store.ceiling import labeller_measures
from al_fashion.store.consensus import Consensus, consensus, labeller_votes
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import count_photos, labels, rules
from al_fashion.store.predictions import replace_predictions
from al_fashion.store.queue import count_open, settle_skipped
from al_fashion.store.rounds import (
    candidates,
    count_evaluated,
    newest_info,
    newest_round,
    record_round,
    unanswered_heldout,
)
from al_fashion.types import Evaluation, Interval, Purpose, RoundResult
from al_fashion.workspace import Workspace

EVALUATED_A_ROUND = 10


@dataclass(frozen=True)
class RoundOptions:
    """What a round may be told; None leaves the choice to the workspace.

    `batch` photos are queued for training, `evaluated` held-out ones beside them.
    """

    strategy: str | None = None
    batch: int | None = None
    evaluated: int | None = None
    force: bool = False
    features: FeatureOptions = field(default_factory=FeatureOptions)


@dataclass(frozen=True)
class _Plan:
    """What a round found in the database before it began.

    `votes` (l, J, C) are the labellers' on the photos of `pool`, where the strategy asks again.
    """

    number: int
    look: int
    people: dict[str, Interval]
    strategy: str
    pool: Consensus
    votes: NDArray[np.float64] | None
    heldout: Consensus
    candidates: list[str]
    to_train: int
    to_evaluate: list[str]
    labels: list[str]
    exclusive: bool
    metric: str
    seed: int
    previous: dict[str, Any]


def run_round(workspace: Workspace, options: RoundOptions) -> RoundResult:
    """Train on all answers, evaluate, select and queue; nothing is written before the end.

    Raises QueueError for open queries or too large a batch, strategies.StrategyError,
    MissingPhotos, WeightsError, WorkspaceError.
    """
    with workspace.lock("run a round"):
        started = time.perf_counter()
        plan = _plan(workspace, options)
        table, key = features_of(workspace, _photos(plan), options.features)
        whole = _round_data(plan, table)
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
        if _open_queries(workspace):
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


def _open_queries(workspace: Workspace) -> int:
    """Those a round waits for: an audit may take weeks and its photos train nothing."""
    with writing(workspace.engine) as session:
        settle_skipped(session)
        return count_open(session)["rounds"]


def _plan(workspace: Workspace, options: RoundOptions) -> _Plan:
    strategy = options.strategy or workspace.config.strategy
    reasks = strategies.entry(strategy).reasks
    waiting = _open_queries(workspace)
    if waiting and not options.force:
        raise QueueError(
            f"{waiting} queries are still open. Answer them with `al-fashion serve`, "
            "or add to them with --force."
        )
    with reading(workspace.engine) as session:
        fixed = rules(session)
        remaining = candidates(session)
        heldout = consensus(session, "heldout")
        pool = consensus(session, "pool")
        if not any(count_photos(session)[split] for split in ("pool", "labelled", "heldout")):
            raise QueueError(
                "The workspace has no photos. Bring some in with `al-fashion import SOURCE`."
            )
        return _Plan(
            number=newest_round(session) + 1,
            look=count_evaluated(session) + 1,
            people=labeller_measures(session),
            strategy=strategy,
            pool=pool,
            votes=labeller_votes(session, "pool", pool.ids) if reasks else None,
            heldout=heldout,
            candidates=remaining,
            to_train=_batch(options.batch, workspace.config.batch, len(remaining)),
            to_evaluate=_to_evaluate(session, options.evaluated, len(heldout.ids)),
            labels=[label.name for label in labels(session)],
            exclusive=fixed.exclusive,
            metric=fixed.metric,
            seed=fixed.seed,
            previous=newest_info(session),
        )


def _batch(asked: int | None, default: int, remaining: int) -> int:
    """How many photos to queue; asking for more than remain is refused, unless none do."""
    if asked is not None and asked > remaining > 0:
        raise QueueError(
            f"Cannot queue {asked} photos: {remaining} unlabelled remain. "
            f"Use -n {remaining} or fewer."
        )
    return min(default if asked is None else asked, remaining)


def _to_evaluate(session: Session, asked: int | None, answered: int) -> list[str]:
    """The next held-out photos to ask about; at first enough for a first accuracy.

    Asking for more than remain is refused, unless none do.
    """
    remaining = unanswered_heldout(session)
    if asked is not None and asked > len(remaining) > 0:
        raise QueueError(
            f"Cannot queue {asked} held-out photos: {len(remaining)} unanswered remain. "
            f"Use --evaluate {len(remaining)} or fewer."
        )
    wanted = max(EVALUATED_A_ROUND, MIN_EVALUATED - answered) if asked is None else asked
    return remaining[:wanted]


def _photos(plan: _Plan) -> list[str]:
    """The photos a round needs features of, in a fixed order."""
    # Those about to be evaluated too, so that the next round finds everything computed.
    return sorted([*plan.candidates, *plan.pool.ids, *plan.heldout.ids, *plan.to_evaluate])


def _round_data(plan: _Plan, table: FeatureTable) -> RoundData:
    rows = table.rows(plan.pool.ids)
    row_groups = np.full(len(table.ids), "", dtype=object)
    row_groups[rows] = plan.pool.groups
    nothing_labelled = RoundData(
        features=table.features,
        labelled=np.empty(0, dtype=np.int64),
        targets=np.empty((0, len(plan.labels))),
        candidates=np.sort(table.rows(plan.candidates)),
        heldout=table.rows(plan.heldout.ids),
        truth=plan.heldout.hard,
        answered=plan.heldout.answered,
        groups=plan.heldout.groups,
        labels=plan.labels,
        exclusive=plan.exclusive,
        metric=plan.metric,
        row_groups=row_groups,
    )
    data = nothing_labelled.with_labelled(rows, plan.pool.targets)
    if plan.votes is None:
        return data
    return replace(data, votes=plan.votes[np.argsort(rows, kind="stable")])


def _previous_head(workspace: Workspace, plan: _Plan, key: str) -> Head | None:
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
    plan: _Plan,
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
    plan: _Plan,
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
