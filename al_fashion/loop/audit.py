"""An audit on a workspace: freeze a model and draw; claim what is proven, or give up."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from al_fashion.errors import AuditError
from al_fashion.files import file_hash
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.predict import newest_model
from al_fashion.models.predictors import saved_head
from al_fashion.models.saved import load_model
from al_fashion.stats.audit import check_possible
from al_fashion.stats.audit_record import make_record
from al_fashion.stats.planning import MOST_ANSWERS, attempt_alpha
from al_fashion.store.audit import (
    DrawnPhoto,
    Outcome,
    decided,
    end_audit,
    fresh_groups,
    give_to_the_pool,
    newest_audit,
    open_audit,
    outcomes,
    record_audit,
)
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.photos import labels, rules
from al_fashion.store.queue import settle_skipped
from al_fashion.store.schema import Audit
from al_fashion.workspace import Workspace

# Keeps the draw's random numbers apart from those of the rounds.
_DRAW = 0xA0D17


@dataclass(frozen=True)
class AuditOptions:
    """What an audit may be told; None leaves the choice to the workspace.

    `round` names the model, `photos` the most to draw, `overlap` the people asked about each.
    """

    round: int | None = None
    photos: int | None = None
    overlap: int | None = None
    features: FeatureOptions = field(default_factory=FeatureOptions)


def start_audit(workspace: Workspace, options: AuditOptions) -> None:
    """Freeze a model, draw one photo of each untouched group in random order, queue them.

    Raises AuditError where an audit is under way or this one could not succeed, WorkspaceError
    without a model or with another backbone than the model's, WeightsError, MissingPhotos.
    """
    with workspace.lock("start an audit"):
        with reading(workspace.engine) as session:
            drawn, attempt = _draw(session, options.photos)
            ids_of_labels = {label.name: label.id for label in labels(session)}
        path = _model_file(workspace, options.round)
        frozen = file_hash(path)
        saved = load_model(path)
        head = saved_head(saved)
        table, key = features_of(workspace, [image_id for image_id, _ in drawn], options.features)
        if key != saved.features:
            raise AuditError(
                f"The model learned from features {saved.features}, this workspace now has {key}. "
                "Train a model on them with `al-fashion round`, and audit that."
            )
        features = np.asarray(table.features[table.rows([image_id for image_id, _ in drawn])])
        columns = np.array([ids_of_labels[name] for name in saved.labels])
        proba, predicted = head.predictions(features)
        top = proba.argmax(axis=1)
        photos = [
            DrawnPhoto(image_id, group, columns[row].tolist(), int(columns[best]))
            for (image_id, group), row, best in zip(drawn, predicted, top, strict=True)
        ]
        audit = Audit(
            id=attempt,
            state="open",
            round_id=int(path.stem.partition("-")[2]),
            model_file=path.name,
            model_hash=frozen,
            overlap=options.overlap or workspace.config.overlap,
            created_ms=now_ms(),
        )
        with writing(workspace.engine) as session:
            record_audit(session, audit, photos)


def claim_audit(workspace: Workspace, signed_by: str) -> dict[str, Any]:
    """The signed-off record of the attempt, proven; a claimed one's again.

    Raises AuditError where nothing is proven, or where the model's file is not the frozen one.
    """
    with workspace.lock("claim"), writing(workspace.engine) as session:
        audit = newest_audit(session)
        if audit is not None and audit.record is not None:
            return audit.record
        audit = open_audit(session)
        settle_skipped(session)
        _check_model(workspace, audit)
        names = {label.id: label.name for label in labels(session)}
        record = make_record(
            attempt=audit.id,
            metric=rules(session).metric,
            model={
                "round": audit.round_id,
                "file": audit.model_file,
                "sha256": audit.model_hash,
            },
            photos=[_as_row(found, names) for found in decided(outcomes(session, audit))],
            started=_time(audit.created_ms),
            claimed=_time(now_ms()),
            signed_by=signed_by,
        )
        end_audit(session, audit, "claimed", record)
        return record


def stop_audit(workspace: Workspace) -> tuple[int, int]:
    """Give up the attempt under way: (its number, groups that may train now).

    Raises AuditError where no audit is under way.
    """
    with workspace.lock("stop the audit"), writing(workspace.engine) as session:
        audit = open_audit(session)
        end_audit(session, audit, "stopped")
        return audit.id, give_to_the_pool(session, audit)


def _draw(session: Session, most: int | None) -> tuple[list[tuple[str, str]], int]:
    """((image id, group) in random order, the attempt's number). Raises AuditError."""
    newest = newest_audit(session)
    if newest is not None and newest.state == "open":
        raise AuditError(
            f"Attempt {newest.id} is under way. See `al-fashion audit status`, or give it up with "
            "`al-fashion audit stop`."
        )
    attempt = 1 if newest is None else newest.id + 1
    groups = fresh_groups(session)
    impossible = check_possible(min(len(groups), most or len(groups)), attempt_alpha(attempt))
    if impossible:
        raise AuditError(
            f"This audit cannot succeed: {impossible} without a single error. Import more photos, "
            "or make a workspace with a larger --audit share."
        )
    rng = np.random.default_rng([rules(session).seed, _DRAW, attempt])
    names = list(groups)
    order = rng.permutation(len(names))[: most or MOST_ANSWERS]
    chosen = [names[place] for place in order]
    return [(groups[name][rng.integers(len(groups[name]))], name) for name in chosen], attempt


def _model_file(workspace: Workspace, number: int | None) -> Path:
    if number is None:
        return newest_model(workspace)
    path = workspace.models / f"round-{number}.npz"
    if not path.exists():
        raise AuditError(f"Round {number} left no model. Name a round that `status` tells of.")
    return path


def _check_model(workspace: Workspace, audit: Audit) -> None:
    path = workspace.models / audit.model_file
    found = file_hash(path) if path.exists() else "missing"
    if found != audit.model_hash:
        raise AuditError(
            f"{path} is not the model that was frozen (SHA-256 {audit.model_hash}, now {found}). "
            "Put the file back from a backup, or give up with `al-fashion audit stop`."
        )


def _as_row(found: Outcome, names: dict[int, str]) -> dict[str, Any]:
    """A photo as the record has it; groups may name people, so only their hash is told."""
    photo = found.photo
    return {
        "image": photo.image_id,
        "group": hashlib.sha256(photo.group.encode()).hexdigest()[:32],
        "predicted": [names[label] for label in photo.predicted],
        "top": names[photo.top],
        "kind": found.kind,
        "answer": [names[label] for label in found.labels],
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
