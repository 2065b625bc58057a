"""What a round sets out to do: which photos it learns from, is tested on, may ask about."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

import strategies
from al_fashion.errors import QueueError
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.step import MIN_EVALUATED, RoundData
from al_fashion.models.cache import FeatureTable
from al_fashion.store.ceiling import labeller_measures
from al_fashion.store.consensus import Consensus, consensus, labeller_votes
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import count_photos, labels, rules
from al_fashion.store.queue import count_open, settle_skipped
from al_fashion.store.rounds import (
    candidates,
    count_evaluated,
    newest_info,
    newest_round,
    unanswered_heldout,
)
from al_fashion.types import Interval
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
class RoundPlan:
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


def plan_round(workspace: Workspace, options: RoundOptions) -> RoundPlan:
    """What the next round finds and is to do; writes no more than `open_queries`.

    Raises QueueError for open queries unless forced, without any photos, and where more are asked
    for than remain, if any do; strategies.StrategyError for a strategy that there is not.
    """
    strategy = options.strategy or workspace.config.strategy
    reasks = strategies.entry(strategy).reasks
    waiting = open_queries(workspace)
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
        return RoundPlan(
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


def photos_of(plan: RoundPlan) -> list[str]:
    """The photos a round needs features of, in a fixed order."""
    # Those about to be evaluated too, so that the next round finds everything computed.
    return sorted([*plan.candidates, *plan.pool.ids, *plan.heldout.ids, *plan.to_evaluate])


def round_data(plan: RoundPlan, table: FeatureTable) -> RoundData:
    """The plan as arrays: image ids become row numbers of `table` here."""
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


def open_queries(workspace: Workspace) -> int:
    """How many a round waits for, once skipped photos are settled.

    Not an audit's, which may take weeks and whose photos train nothing.
    """
    with writing(workspace.engine) as session:
        settle_skipped(session)
        return count_open(session)["rounds"]
