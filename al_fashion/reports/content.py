"""Everything a report says, as plain data: the page shows it, the JSON file holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strategies
from al_fashion.loop.monitor import watch_pool
from al_fashion.reports.audit import audit_bounds, audit_text, next_audit, next_audit_text
from al_fashion.reports.people import aliases, labellers
from al_fashion.reports.pool_map import PoolMap
from al_fashion.reports.provenance import computed, round_rows
from al_fashion.reports.quality import data_quality
from al_fashion.reports.said import asked_last, debated, decisions, surprises
from al_fashion.reports.status import workspace_status
from al_fashion.reports.trained import Trained
from al_fashion.stats.sentences import people_sentences, sentences
from al_fashion.store.consensus import Consensus, consensus
from al_fashion.store.database import reading
from al_fashion.store.effort import effort
from al_fashion.store.photos import labels, rules
from al_fashion.store.quality import agreement
from al_fashion.store.rounds import headline, rounds
from al_fashion.store.schema import Round
from al_fashion.workspace import Workspace


def report_content(workspace: Workspace, trained: Trained | None) -> dict[str, Any]:
    """The report's numbers and words, section by section in its order."""
    status = workspace_status(workspace)
    checks = workspace.config.check_share > 0
    watched = watch_pool(workspace)
    with reading(workspace.engine) as session:
        names, called = [label.name for label in labels(session)], aliases(session)
        done, spent = rounds(session), effort(session)
        pool, heldout = consensus(session, "pool"), consensus(session, "heldout")
        decided = decisions([pool, heldout], names)
        newest = next((row.evaluation for row in reversed(done) if row.evaluation), None)
        return {
            "workspace": workspace.folder.name,
            "labels": names,
            "exclusive": rules(session).exclusive,
            "status": status,
            "sentences": [] if newest is None else sentences(newest),
            "newest": newest,
            "proof": _proof(workspace, status),
            "monitor": None if watched is None else asdict(watched),
            "curve": _curve(done, [spent.hours_until(row.created_ms) for row in done]),
            "matrix": _matrix(newest, trained, heldout, len(names)),
            "debated": debated(session, called, decided, checks=checks),
            "surprises": (
                [] if trained is None else surprises(session, trained, heldout, checks=checks)
            ),
            "asked": asked_last(session, decided, checks=checks),
            "strategies": _strategies(done),
            "labellers": labellers(session, called, spent),
            "agreement": agreement(session),
            "people": people_sentences((newest or {}).get("measures", {})),
            "quality": data_quality(session, trained, pool, checks=checks),
            "rounds": round_rows(done, rules(session).seed),
            "computed": computed(workspace, session, done, trained),
        }


def why_asked(asked: PoolMap | None, newest: int) -> dict[str, Any] | None:
    """How sure the model is of the newest batch and of the photos never asked about."""
    if asked is None:
        return None
    batch, never = asked.asked == newest, asked.asked == 0
    if not batch.any() or not never.any():
        return None
    return {
        "round": newest,
        "asked": int(batch.sum()),
        "sure_of_asked": float(asked.sure[batch].mean()),
        "sure_of_others": float(asked.sure[never].mean()),
    }


def _proof(workspace: Workspace, status: Mapping[str, Any]) -> dict[str, Any]:
    """Where the proof stands: `text`, `bounds` after each answer, what a next attempt could do."""
    audit, accuracy = status["audit"], status["accuracy"]
    under_way = audit is not None and audit["state"] != "stopped"
    coming = None if under_way else next_audit(workspace, accuracy and accuracy["value"])
    text = [] if audit is None else audit_text(audit)
    return {
        "audit": audit,
        "bounds": audit_bounds(workspace),
        "next": coming,
        "text": text if coming is None else [*text, next_audit_text(coming)],
    }


def _curve(done: Sequence[Round], hours: Sequence[float]) -> list[dict[str, Any]]:
    """One point a round that was evaluated."""
    return [
        {
            "round": row.id,
            "labelled": row.labelled,
            "hours": spent,
            "accuracy": headline(row),
            "all_looks": row.evaluation.get("all_looks"),
            "macro_f1": row.evaluation.get("measures", {}).get("macro_f1"),
        }
        for row, spent in zip(done, hours, strict=True)
        if row.evaluation is not None
    ]


def _matrix(
    newest: Mapping[str, Any] | None, trained: Trained | None, heldout: Consensus, labels: int
) -> dict[str, Any] | None:
    """The confusion of labels that exclude each other; else which labels come together.

    `right` and `said` count the answered held-out photos that have both labels of a cell.
    """
    if newest is None:
        return None
    if newest["confusion"] is not None:
        return {"kind": "confusion", "counts": newest["confusion"]}
    known = [] if trained is None else trained.known(heldout.ids)
    if trained is None or not known:
        return None
    place = {image_id: row for row, image_id in enumerate(heldout.ids)}
    right = heldout.hard[[place[image_id] for image_id in known]]
    said = trained.predict(known, labels).labels
    return {"kind": "co-occurrence", "right": _together(right), "said": _together(said)}


def _together(chosen: NDArray[np.bool_]) -> list[list[int]]:
    counts = chosen.astype(int)
    found: list[list[int]] = (counts.T @ counts).tolist()
    return found


def _strategies(done: Sequence[Round]) -> dict[str, str]:
    """What the strategies that asked go by."""
    known = set(strategies.names())
    used = sorted({row.strategy for row in done})
    return {name: strategies.describe(name) if name in known else "" for name in used}
