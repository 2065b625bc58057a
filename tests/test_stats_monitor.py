"""Estimates from guesses and few answers: reference values, unbiased, and narrower."""

import itertools

import numpy as np
import pytest

from al_fashion.stats.monitor import (
    difference_estimate,
    poisson_chances,
    ppi_estimate,
    right_guesses,
)


def test_difference_estimate_reference_values() -> None:
    found = difference_estimate(
        np.array([0.99, 0.97, 0.9, 0.6, 0.95, 0.8]),
        np.array([0.2, 0.3, 0.5, 1.0, 0.4, 0.8]),
        np.array([0, 1, 1, 1, 0, 1], dtype=bool),
        np.array([1.0, 1, 1, 0, 1, 1]),
    )
    assert found.value == pytest.approx(0.86)
    assert found.value - found.low == pytest.approx(1.959964 * 0.173436, abs=1e-5)
    assert found.high == 1.0


def test_it_is_unbiased_whatever_the_guesses_by_enumeration() -> None:
    guesses, right = np.array([0.9, 0.2, 0.6]), np.array([0.0, 1.0, 1.0])
    chances = np.array([0.3, 0.5, 0.8])
    mean = 0.0
    for drawn in itertools.product([False, True], repeat=3):
        taken = np.array(drawn)
        chance = np.prod(np.where(taken, chances, 1 - chances))
        mean += chance * _terms_mean(guesses, chances, taken, right)
    assert mean == pytest.approx(right.mean())


def _terms_mean(
    guesses: np.ndarray, chances: np.ndarray, drawn: np.ndarray, right: np.ndarray
) -> float:
    return difference_estimate(guesses, chances, drawn, right).value


def test_chances_spend_the_budget_where_the_model_is_unsure() -> None:
    guesses = np.array([0.5] * 10 + [0.999] * 990)
    chances = poisson_chances(guesses, 60)
    assert chances.sum() == pytest.approx(60) and chances.max() <= 1
    assert chances[0] > 5 * chances[-1] and chances[-1] >= 0.3 * 0.06 - 1e-9
    assert poisson_chances(guesses, 1000) == pytest.approx(np.ones(1000), abs=1e-6)
    with pytest.raises(ValueError):
        poisson_chances(guesses, 1001)


def test_guesses_of_being_right() -> None:
    proba = np.array([[0.9, 0.2]])
    assert right_guesses(proba, exclusive=True, metric="accuracy") == pytest.approx([0.9])
    assert right_guesses(proba, exclusive=False, metric="top1_in_set") == pytest.approx([0.9])
    assert right_guesses(proba, exclusive=False, metric="accuracy") == pytest.approx([0.72])


def test_ppi_without_help_is_the_plain_mean() -> None:
    right = np.array([1.0, 0, 1, 1])
    found = ppi_estimate(np.full(50, 0.7), np.full(4, 0.7), right)
    assert found.value == pytest.approx(0.75)
    assert found.value - found.low == pytest.approx(1.959964 * right.std(ddof=1) / 2)
    assert ppi_estimate(np.array([]), right, right).value == pytest.approx(0.75)
    with pytest.raises(ValueError):
        ppi_estimate(np.ones(5), np.ones(1), np.ones(1))


def test_ppi_with_perfect_guesses_knows_every_photo() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random(10_000) < 0.9).astype(float)
    found = ppi_estimate(right[100:], right[:100], right[:100])
    plain = ppi_estimate(np.array([]), right[:100], right[:100])
    assert found.value == pytest.approx(right.mean(), abs=0.01)
    assert found.high - found.low < 0.3 * (plain.high - plain.low)


@pytest.mark.parametrize("estimate", ["poisson", "ppi"])
def test_narrower_than_even_drawing_and_still_covering(estimate: str) -> None:
    rng = np.random.default_rng(1)
    widths, held = [], []
    for _ in range(300):
        chance = rng.beta(4, 0.6, 2000)
        right = (rng.random(2000) < chance).astype(float)
        if estimate == "poisson":
            chances = poisson_chances(chance, 200)
            found = difference_estimate(chance, chances, rng.random(2000) < chances, right)
        else:
            found = ppi_estimate(chance[200:], chance[:200], right[:200])
        widths.append(found.high - found.low)
        held.append(found.low <= (right.mean() if estimate == "poisson" else 4 / 4.6) <= found.high)
    even = 2 * 1.96 * np.sqrt(0.87 * 0.13 / 200)
    assert np.mean(widths) < (0.85 if estimate == "poisson" else 0.95) * even
    assert np.mean(held) > 0.9
