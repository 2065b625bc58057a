"""Where the proof stands."""

from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from al_fashion.stats.audit import (
    Progress,
    audit_progress,
    bounds_so_far,
    check_possible,
    more_answers,
)
from al_fashion.stats.audit_record import is_right
from al_fashion.stats.intervals import wilson
from al_fashion.stats.planning import (
    BUDGET,
    MOST_ANSWERS,
    TARGET,
    allowed_errors,
    answers_to_claim,
    attempt_alpha,
    claim_times,
)
from al_fashion.store.audit import Outcome, decided, fresh_groups, newest_audit, outcomes
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import rules
from al_fashion.store.queue import settle_skipped
from al_fashion.store.rounds import headline
from al_fashion.store.schema import Audit, Round
from al_fashion.text import percent, percents
from al_fashion.workspace import Workspace


def audit_status(workspace: Workspace) -> dict[str, Any] | None:
    """The newest attempt in figures; None where there was none.

    `answers` counts in the drawn order without a gap; `waiting` photos answered behind one that
    is not decided; `disputed` wait for an owner. `probably_more` answers are needed if the
    accuracy is what was seen so far, `at_least_more` if all are right; None: not with those left.
    """
    with writing(workspace.engine) as session:
        settle_skipped(session)
    with reading(workspace.engine) as session:
        audit = newest_audit(session)
        return None if audit is None else _status(session, audit)


def _status(session: Session, audit: Audit) -> dict[str, Any]:
    found = outcomes(session, audit)
    counted = decided(found)
    alpha = attempt_alpha(audit.id)
    metric = rules(session).metric
    progress = audit_progress([_right(row, metric) for row in counted], alpha)
    left = len(found) - progress.answers
    accuracy = _seen(session, audit, progress)
    probably, at_least = (
        (0, 0) if progress.proven else more_answers(progress, accuracy, left, alpha)
    )
    return {
        "attempt": audit.id,
        "state": audit.state,
        "round": audit.round_id,
        "answers": progress.answers,
        "errors": progress.errors,
        "share_right": _share_right(progress),
        "lower_bound": progress.lower_bound,
        "e_value": progress.e_value,
        "e_value_needed": 1 / alpha,
        "alpha": alpha,
        "alpha_left": BUDGET / (audit.id + 1),
        "target": TARGET,
        "proven": progress.proven,
        "claimed": audit.state == "claimed",
        "left": left,
        "accuracy_seen": accuracy,
        "probably_more": probably,
        "at_least_more": at_least,
        "waiting": sum(row.kind is not None for row in found) - len(counted),
        "disputed": sum(row.disputed for row in found),
    }


def next_audit(workspace: Workspace, accuracy: float | None) -> dict[str, Any]:
    """What an attempt begun now could do: {"groups", "impossible", "probably"}.

    `impossible` says why it could not succeed, None where it could; `probably` is the median
    number of answers if the true accuracy is `accuracy`, None where more than there are groups
    would be needed, or nothing is known.
    """
    with reading(workspace.engine) as session:
        groups = min(len(fresh_groups(session)), MOST_ANSWERS)
        newest = newest_audit(session)
    alpha = attempt_alpha(1 if newest is None else newest.id + 1)
    impossible = check_possible(groups, alpha)
    probably = None
    if impossible is None and accuracy is not None:
        probably = answers_to_claim(claim_times(accuracy, allowed_errors(groups, alpha)))
    return {"groups": groups, "impossible": impossible, "probably": probably}


def next_audit_text(found: dict[str, Any]) -> str:
    """The same in a sentence or two."""
    if found["impossible"] is not None:
        return f"No audit could succeed now: {found['impossible']}."
    probably = (
        f"about {found['probably']} answers would be needed"
        if found["probably"] is not None
        else "more answers than that would probably be needed"
    )
    return (
        f"{found['groups']:,} untouched groups of photos are kept for an audit; at the accuracy of "
        f"the newest round {probably}. Begin with `al-fashion audit start`."
    )


def audit_bounds(workspace: Workspace) -> list[float]:
    """What the newest attempt could vouch for after each counted answer."""
    with reading(workspace.engine) as session:
        audit = newest_audit(session)
        if audit is None:
            return []
        metric = rules(session).metric
        right = [_right(row, metric) for row in decided(outcomes(session, audit))]
    alpha = attempt_alpha(audit.id)
    return bounds_so_far(right[: audit_progress(right, alpha).answers], alpha)


def _right(found: Outcome, metric: str) -> bool:
    photo = found.photo
    row = {
        "kind": found.kind,
        "predicted": photo.predicted,
        "top": photo.top,
        "answer": found.labels,
    }
    return is_right(row, metric)


def _share_right(progress: Progress) -> dict[str, Any] | None:
    """The share right so far with a range to look at; it holds for one planned look only."""
    if not progress.answers:
        return None
    return asdict(wilson(progress.answers - progress.errors, progress.answers))


def _seen(session: Session, audit: Audit, progress: Progress) -> float:
    """The share right among the audit's answers and the frozen model's held-out photos."""
    right, n = progress.answers - progress.errors + 0.0, progress.answers + 0.0
    frozen = session.get(Round, audit.round_id)
    evaluated = None if frozen is None else headline(frozen)
    if evaluated is not None:
        right += evaluated["value"] * evaluated["n"]
        n += evaluated["n"]
    return right / n if n else 1.0


def audit_text(found: dict[str, Any]) -> list[str]:
    """The status in sentences."""
    lines = [
        f"Attempt {found['attempt']}, to prove round {found['round']}'s model at least "
        f"{percent(found['target'])} right: {found['answers']} answers, {found['errors']} wrong"
        f"{_range_text(found['share_right'])}.",
        f"However often we look, we can vouch for {percent(found['lower_bound'])}; the e-value is "
        f"{found['e_value']:.3g}, {found['e_value_needed']:.0f} is needed.",
        _verdict(found),
    ]
    if found["waiting"] and not found["proven"]:
        lines.append(
            f"{found['waiting']} answered photos do not count yet: one before them is not decided."
        )
    if found["disputed"]:
        photos = "1 photo" if found["disputed"] == 1 else f"{found['disputed']} photos"
        lines.append(f"On {photos} the labellers disagree: an owner decides.")
    return lines


def _range_text(share: dict[str, Any] | None) -> str:
    if share is None:
        return ""
    return f" ({percent(share['value'])} right, range {percents(share['low'], share['high'])})"


def _verdict(found: dict[str, Any]) -> str:
    if found["claimed"]:
        return "PROVEN and claimed. Anyone can recompute it with `al-fashion audit verify FILE`."
    if found["state"] == "stopped":
        return "Given up. The answered photos may train; `al-fashion audit start` tries anew."
    if found["proven"]:
        return "Proven. Sign it off with `al-fashion audit claim`."
    if found["at_least_more"] is None:
        return (
            f"NOT PROVEN, and not to be proven with the {found['left']} photos left even if all "
            "were right. Give up with `al-fashion audit stop`."
        )
    if found["probably_more"] is None:
        return (
            f"Not yet proven. At the accuracy seen so far ({percent(found['accuracy_seen'])}) the "
            f"{found['left']} photos left will probably not do; at least "
            f"{found['at_least_more']} more answers are needed."
        )
    return (
        f"Not yet proven. About {found['probably_more']} more answers are needed at the accuracy "
        f"seen so far ({percent(found['accuracy_seen'])}), at least {found['at_least_more']}."
    )
