"""Looking after every answer: reference values, and exact chances of a false claim."""

import numpy as np
import pytest
from scipy import stats

from al_fashion.stats.planning import (
    allowed_errors,
    answers_to_claim,
    attempt_alpha,
    claim_times,
    fewest_answers,
)
from al_fashion.stats.sequential import (
    betting,
    betting_lower,
    log_e_value,
    log_e_value_in_pool,
    lower_bound,
)


@pytest.mark.parametrize(
    ("right", "wrong", "e"),
    [(88, 0, 20.2964), (87, 0, 19.4899), (584, 16, 20.1603), (582, 18, 6.48934)],
)
def test_e_values(right: int, wrong: int, e: float) -> None:
    assert np.exp(log_e_value(right, wrong)) == pytest.approx(e, abs=1e-4)


@pytest.mark.parametrize(
    ("right", "wrong", "alpha", "bound"),
    [(582, 18, 0.05, 0.945532), (582, 18, 0.025, 0.943020), (570, 30, 0.05, 0.919639)],
)
def test_lower_bounds(right: int, wrong: int, alpha: float, bound: float) -> None:
    assert lower_bound(right, wrong, alpha) == pytest.approx(bound, abs=1e-6)


def test_bound_and_e_value_cross_together() -> None:
    assert lower_bound(88, 0) > 0.95 > lower_bound(87, 0)
    assert lower_bound(0, 9) == 0.0 and lower_bound(0, 0) == 0.0
    assert log_e_value(0, 0) == pytest.approx(0.0)


@pytest.mark.parametrize("p", [0.8, 0.95])
def test_the_e_value_is_worth_one_at_most_under_the_null(p: float) -> None:
    n = 40
    wrong = np.arange(n + 1)
    e = np.exp([log_e_value(n - int(k), int(k)) for k in wrong])
    assert (stats.binom.pmf(wrong, n, 1 - p) * e).sum() <= 1 + 1e-9


@pytest.mark.parametrize(("pool", "e"), [(1000, 131.0), (2000, 16.50)])
def test_e_values_in_a_finite_pool(pool: int, e: float) -> None:
    assert np.exp(log_e_value_in_pool(582, 18, pool)) == pytest.approx(e, abs=0.01)


def test_the_finite_pools_e_value_is_worth_exactly_one_under_the_null() -> None:
    pool, drawn, right = 60, 25, 57
    counts = np.arange(drawn - (pool - right), drawn + 1)
    e = np.exp([log_e_value_in_pool(int(k), drawn - int(k), pool) for k in counts])
    chances = stats.hypergeom.pmf(counts, pool, right, drawn)
    assert (chances * e).sum() == pytest.approx(1.0)
    with pytest.raises(ValueError):
        log_e_value_in_pool(60, 1, 60)


def test_betting_bound() -> None:
    scores = np.ones(600)
    scores[np.linspace(10, 599, 18).astype(int)] = 0
    assert betting_lower(scores) == pytest.approx(0.9485, abs=1e-9)
    assert betting_lower(np.ones(115)) <= 0.95 < betting_lower(np.ones(116))
    both = betting(scores)
    assert both.low < 0.9485 and both.low < both.value == 0.97 < both.high < 1
    with pytest.raises(ValueError):
        betting([0.5, 1.2])


def test_errors_allowed_at_the_single_answers() -> None:
    allowed = allowed_errors(2000, 0.05)
    assert [int(np.argmax(allowed >= k)) for k in range(6)] == [88, 134, 174, 210, 244, 277]
    assert [int(allowed[n]) for n in (400, 600, 1000, 2000)] == [8, 16, 31, 71]


def test_false_claims_of_one_audit_alone() -> None:
    assert claim_times(0.95, allowed_errors(6000, 0.05)).sum() == pytest.approx(0.042, abs=5e-4)


def test_all_attempts_together_claim_falsely_in_5_percent_at_most() -> None:
    """Exact, a look after every one of 6,000 answers in every attempt, accuracy exactly 95 %."""
    shares = [attempt_alpha(attempt) for attempt in range(1, 9)]
    chances = [claim_times(0.95, allowed_errors(6000, alpha)).sum() for alpha in shares]
    assert all(chance <= alpha for chance, alpha in zip(chances, shares, strict=True))
    # The attempts after the eighth may spend what is left: 0.05 / 9.
    everything = sum(chances) + (0.05 - sum(shares))
    assert 0.05 - sum(shares) == pytest.approx(0.05 / 9)
    assert everything <= 0.05
    worse = [claim_times(0.94, allowed_errors(6000, alpha)).sum() for alpha in shares]
    assert sum(worse) < sum(chances)


@pytest.mark.parametrize(
    ("accuracy", "median", "four_fifths"),
    [(0.96, 2961, 5692), (0.97, 600, 1148), (0.98, 244, 430), (0.99, 134, 210)],
)
def test_answers_to_a_claim(accuracy: float, median: int, four_fifths: int) -> None:
    chance = claim_times(accuracy, allowed_errors(6000, 0.05))
    assert answers_to_claim(chance) == pytest.approx(median, rel=0.01)
    assert answers_to_claim(chance, 0.8) == pytest.approx(four_fifths, rel=0.01)


def test_a_first_attempt_needs_more() -> None:
    allowed = allowed_errors(1500, attempt_alpha(1))
    assert [answers_to_claim(claim_times(p, allowed)) for p in (0.97, 0.98, 0.99)] == [
        767,
        300,
        153,
    ]
    assert answers_to_claim(claim_times(0.95, allowed)) is None


def test_a_claim_without_errors() -> None:
    assert [fewest_answers(attempt_alpha(attempt)) for attempt in (1, 2)] == [105, 131]
    assert fewest_answers(0.05) == 88


def test_a_started_audit_needs_the_rest() -> None:
    allowed = allowed_errors(1000, 0.05)
    assert answers_to_claim(claim_times(1.0, allowed, 60, 0)) == 28
    assert answers_to_claim(claim_times(1.0, allowed, 100, 0)) == 0
    assert answers_to_claim(claim_times(1.0, allowed, 60, 1)) == 74
    assert answers_to_claim(claim_times(1.0, allowed, 900, 200)) is None


@pytest.mark.parametrize(
    ("looks", "chance"),
    [({200: 3, 400: 11, 600: 19, 800: 27, 1000: 35}, 0.0466), ({300: 7, 600: 20}, 0.0412)],
)
def test_planned_looks(looks: dict[int, int], chance: float) -> None:
    allowed = np.full(max(looks) + 1, -1)
    for n, errors in looks.items():
        allowed[n] = errors
    assert claim_times(0.95, allowed).sum() == pytest.approx(chance, abs=5e-5)


def test_clopper_pearson_at_every_look_flatters_and_the_bound_does_not() -> None:
    """Why rounds never end the loop: exact chances at 95 % true accuracy."""
    one_look_each = np.full(2001, -1)
    for n in range(100, 2001, 100):
        k = np.arange(n + 1)
        bounds = stats.beta.ppf(0.05, n - k, k + 1)
        one_look_each[n] = int(np.flatnonzero(bounds > 0.95).max(initial=-1))
    assert claim_times(0.95, one_look_each).sum() == pytest.approx(0.179, abs=1e-3)
    assert claim_times(0.95, allowed_errors(2000, 0.05)).sum() < 0.05
