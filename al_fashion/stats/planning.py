"""How long an audit takes, and how often it errs: exactly, by dynamic programming.

An audit is a walk over (answers, errors) that ends at the first answer after which the
e-value reaches its threshold. No simulation is needed to know where it ends.
"""

import numpy as np
from numpy.typing import NDArray

from al_fashion.stats.sequential import log_e_value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The error budget of all attempts together, and the accuracy to be proven.
BUDGET = 0.05
TARGET = 0.95
# An audit longer than this is not planned for.
MOST_ANSWERS = 6000


def attempt_alpha(attempt: int, budget: float = BUDGET) -> float:
    """What attempt 1, 2, … may spend of the error budget; all of them together spend it once."""
    return budget / (attempt * (attempt + 1))


def allowed_errors(answers: int, alpha: float, target: float = TARGET) -> Ints:
    """(answers + 1,) the most errors with which a claim is made after 0, 1, … answers; -1: none.

    A claim is made where `log_e_value` reaches log(1/alpha).
    """
    threshold = -np.log(alpha)
    allowed = np.full(answers + 1, -1, dtype=np.int64)
    most = -1
    for n in range(1, answers + 1):
        while most < n and log_e_value(n - most - 1, most + 1, target) >= threshold:
            most += 1
        allowed[n] = most
    return allowed


def fewest_answers(alpha: float, target: float = TARGET) -> int:
    """Answers a claim needs at least, all of them right."""
    n = 1
    while log_e_value(n, 0, target) < -np.log(alpha):
        n += 1
    return n


def claim_times(accuracy: float, allowed: Ints, answers: int = 0, errors: int = 0) -> Floats:
    """(len(allowed) - answers,) chance that the claim comes with exactly 0, 1, … more answers.

    `allowed` are the most errors by number of answers (-1 for none); the audit stands at
    `answers` and `errors`. What is missing to 1 is the chance of no claim within `allowed`.
    """
    most = int(allowed.max(initial=-1))
    chance = np.zeros(len(allowed) - answers)
    # Chance of every number of errors without a claim so far; beyond `most` none can come.
    waiting = np.zeros(most + 2)
    if errors > most:
        return chance
    waiting[errors] = 1.0
    for more in range(len(chance)):
        if more:
            wrong = waiting * (1 - accuracy)
            waiting *= accuracy
            waiting[1:] += wrong[:-1]
            waiting[-1] = 0.0
        reached = allowed[answers + more] + 1
        chance[more] = waiting[:reached].sum()
        waiting[:reached] = 0.0
    return chance


def answers_to_claim(chance: Floats, share: float = 0.5) -> int | None:
    """With how many more answers the claim has come with this chance; None: not within these."""
    reached = np.cumsum(chance) >= share - 1e-12
    return int(np.argmax(reached)) if reached.any() else None
