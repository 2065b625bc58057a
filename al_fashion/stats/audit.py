"""Where an audit stands, from its answers in the drawn order alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_fashion.stats.planning import (
    TARGET,
    allowed_errors,
    answers_to_claim,
    claim_times,
    fewest_answers,
)
from al_fashion.stats.sequential import log_e_value, lower_bound


@dataclass(frozen=True)
class Progress:
    """An audit after `answers` photos, `errors` of them wrong.

    `e_value` speaks against an accuracy of at most the target; `lower_bound` is what the audit
    can vouch for however often one looks. `proven`: the claim may be made.
    """

    answers: int
    errors: int
    e_value: float
    lower_bound: float
    proven: bool


def audit_progress(right: Sequence[bool], alpha: float, target: float = TARGET) -> Progress:
    """Count answers in the drawn order up to the one that proves the target.

    Whatever was answered after that one is not counted: the audit had ended.
    """
    allowed = allowed_errors(len(right), alpha, target)
    wrong = np.concatenate([[0], np.cumsum(~np.asarray(right, dtype=bool))])
    proven = wrong <= allowed
    answers = int(np.argmax(proven)) if proven.any() else len(right)
    errors = int(wrong[answers])
    return Progress(
        answers=answers,
        errors=errors,
        e_value=float(np.exp(log_e_value(answers - errors, errors, target))),
        lower_bound=lower_bound(answers - errors, errors, alpha),
        proven=bool(proven.any()),
    )


def bounds_so_far(right: Sequence[bool], alpha: float) -> list[float]:
    """What the audit could vouch for after each of its answers."""
    wrong = np.cumsum(~np.asarray(right, dtype=bool))
    return [lower_bound(n - int(k), int(k), alpha) for n, k in enumerate(wrong, start=1)]


def more_answers(
    progress: Progress, accuracy: float, left: int, alpha: float, target: float = TARGET
) -> tuple[int | None, int | None]:
    """(answers until the claim has probably come, at least needed), None for more than `left`.

    The first is the median if the true accuracy is `accuracy`, the second if all are right.
    """
    allowed = allowed_errors(progress.answers + left, alpha, target)
    at = progress.answers, progress.errors
    chances = (claim_times(truth, allowed, *at) for truth in (accuracy, 1.0))
    median, least = (answers_to_claim(chance) for chance in chances)
    return median, least


def check_possible(groups: int, alpha: float, target: float = TARGET) -> str | None:
    """Why an audit of this many groups cannot succeed whatever the answers; None where it can."""
    needed = fewest_answers(alpha, target)
    if groups >= needed:
        return None
    left = "1 group is left" if groups == 1 else f"{groups} groups are left"
    return f"{left}, at least {needed} are needed"
