"""The signed-off record of a proof, and recomputing it from nothing but the record."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from al_fashion.errors import AuditError
from al_fashion.stats.audit import audit_progress
from al_fashion.stats.planning import BUDGET, TARGET, attempt_alpha

KIND = "al-fashion audit record"
VERSION = 1
RULES = (
    "The model was frozen before the order was drawn. One photo of each group, in random order, "
    "untouched by training and selection; answers count in that order without a gap; a photo that "
    "nobody can tell counts as wrong. Attempt j may err with probability 0.05 / (j (j + 1)); the "
    "claim is made at the first answer at which the e-value reaches the inverse of that. It covers "
    "this model, photos like these, and these labels."
)


def make_record(
    *,
    attempt: int,
    metric: str,
    model: Mapping[str, Any],
    photos: list[dict[str, Any]],
    started: str,
    claimed: str,
    signed_by: str,
) -> dict[str, Any]:
    """The record of a proven attempt.

    Each photo has image (its SHA-256), group (a hash), predicted (label names), top (the most
    probable label), kind and answer (label names). Raises AuditError where it is no proof.
    """
    alpha = attempt_alpha(attempt)
    progress = audit_progress([is_right(photo, metric) for photo in photos], alpha)
    if not progress.proven:
        raise AuditError(
            f"Cannot claim: the e-value is {progress.e_value:.4g} after {progress.answers} "
            f"answers, {1 / alpha:.0f} is needed. Go on answering, or give up with "
            "`al-fashion audit stop`."
        )
    record = {
        "kind": KIND,
        "version": VERSION,
        "claim": (
            f"At least {100 * TARGET:.0f} % accurate, with {100 * (1 - BUDGET):.0f} % confidence "
            f"over all attempts; attempt {attempt} vouches for "
            f"{100 * progress.lower_bound:.2f} %."
        ),
        "rules": RULES,
        "metric": metric,
        "target": TARGET,
        "attempt": attempt,
        "alpha": alpha,
        "budget_spent": sum(attempt_alpha(number) for number in range(1, attempt + 1)),
        "model": dict(model),
        "answers": progress.answers,
        "errors": progress.errors,
        "e_value": progress.e_value,
        "lower_bound": progress.lower_bound,
        "started": started,
        "claimed": claimed,
        "signed_by": signed_by,
        "photos": photos[: progress.answers],
    }
    return {**record, "digest": digest(record)}


def is_right(photo: Mapping[str, Any], metric: str) -> bool:
    """Whether a photo of a record counts as right in the record's metric."""
    if photo["kind"] not in ("labels", "none"):
        return False
    if metric == "accuracy":
        return sorted(photo["predicted"]) == sorted(photo["answer"])
    return photo["top"] in photo["answer"]


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record's content, whatever its layout."""
    content = {name: value for name, value in record.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify_record(record: Any) -> dict[str, Any]:
    """Recompute a record; returns it where every number follows from its photos.

    Raises AuditError, saying what does not follow.
    """
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise AuditError("This is no record of an audit. Name the file `audit claim` wrote.")
    if record.get("version") != VERSION:
        raise AuditError(
            f"The record has version {record.get('version')}, expected {VERSION}. Use the "
            "al-fashion that wrote it."
        )
    try:
        _check(record)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise AuditError(f"The record is damaged ({type(error).__name__}: {error}).") from error
    return record


def _check(record: Mapping[str, Any]) -> None:
    photos, metric = record["photos"], record["metric"]
    _same("digest", record["digest"], digest(record))
    _same("target", record["target"], TARGET)
    _same("alpha", record["alpha"], attempt_alpha(record["attempt"]))
    attempts = range(1, record["attempt"] + 1)
    _same("budget_spent", record["budget_spent"], sum(map(attempt_alpha, attempts)))
    for name in ("image", "group"):
        _same(f"number of different {name}s", len({row[name] for row in photos}), len(photos))
    found = audit_progress([is_right(row, metric) for row in photos], record["alpha"])
    _same("proof", True, found.proven)
    _same("answers", record["answers"], len(photos))
    _same("answers", record["answers"], found.answers)
    _same("errors", record["errors"], found.errors)
    _same("e_value", record["e_value"], found.e_value)
    _same("lower_bound", record["lower_bound"], found.lower_bound)


def _same(name: str, said: Any, found: Any) -> None:
    close = said == found
    if isinstance(said, float) and isinstance(found, float):
        close = abs(said - found) <= 1e-6 * max(1.0, abs(found))
    if not close:
        raise AuditError(
            f"The record does not hold: its {name} is {said}, recomputed {found}. Do not trust it."
        )
