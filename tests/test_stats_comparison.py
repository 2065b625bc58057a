"""Paired tests against the values worked out in other ways."""

import numpy as np
import pytest

from al_fashion.stats.comparison import alpaydin_f, dietterich_t, range_over_epochs

DIFFERENCES = [[0.02, 0.03], [0.01, 0.04], [0.03, 0.02], [0.025, 0.035], [0.015, 0.025]]


def test_reference_values() -> None:
    t, f = dietterich_t(DIFFERENCES), alpaydin_f(DIFFERENCES)
    assert (t.statistic, t.p_value) == (
        pytest.approx(1.75412, abs=1e-5),
        pytest.approx(0.13978, abs=1e-5),
    )
    assert (f.statistic, f.p_value) == (
        pytest.approx(5.38462, abs=1e-5),
        pytest.approx(0.03852, abs=1e-5),
    )
    low, high = range_over_epochs([0.93, 0.95, 0.94, 0.96, 0.92])
    assert (low, high) == (pytest.approx(0.920368, abs=1e-6), pytest.approx(0.959632, abs=1e-6))


def test_swapping_the_learners_changes_only_the_sign() -> None:
    other = -np.array(DIFFERENCES)
    assert dietterich_t(other).statistic == -dietterich_t(DIFFERENCES).statistic
    assert dietterich_t(other).p_value == dietterich_t(DIFFERENCES).p_value
    assert alpaydin_f(other) == alpaydin_f(DIFFERENCES)


def test_equal_learners_and_constant_differences_are_no_division_by_zero() -> None:
    for test in (dietterich_t, alpaydin_f):
        assert test(np.zeros((5, 2))).p_value == 1.0
        assert test(np.full((5, 2), 0.25)).p_value == 0.0


def test_the_f_test_keeps_its_level() -> None:
    """Where the learners are equal a false claim comes at most about as often as it may."""
    rng = np.random.default_rng(0)
    claims = [alpaydin_f(rng.normal(size=(5, 2))).p_value < 0.05 for _ in range(2000)]
    assert 0.0 < np.mean(claims) < 0.07


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 5\), expected \(5, 2\)"):
        dietterich_t(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="at least 2 are needed"):
        range_over_epochs([0.9])
