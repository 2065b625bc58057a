"""Tests between strategies against published values, other libraries and simulation."""

import numpy as np
import pytest
from scipy import stats

from al_fashion.stats import strategy_tests
from al_fashion.stats.strategy_ranks import (
    checkpoints,
    friedman_nemenyi,
    penalties,
    performance_profile,
    ranks_of,
)
from al_fashion.stats.strategy_tests import (
    effect_interval,
    holm,
    paired,
    power,
    seeds_needed,
    signed_rank_posterior,
)


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_are_the_known_ones(effect: float, seeds: int) -> None:
    assert seeds_needed(effect) == seeds_needed(-effect) == seeds
    assert power(effect, seeds) >= 0.8 > power(effect, seeds - 1)


def test_too_small_an_effect_needs_more_seeds_than_are_counted() -> None:
    assert seeds_needed(0.01) is None
    assert seeds_needed(0.0) is None
    assert seeds_needed(0.5, alpha=0.01) > 34  # type: ignore[operator]


def test_power_is_what_a_simulation_finds() -> None:
    draws = np.random.default_rng(1).normal(0.8, 1, (20_000, 15))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power(0.8, 15) == pytest.approx(found, abs=0.01)


def test_the_noncentral_t_is_scipys_where_scipy_has_one() -> None:
    for freedom in (1, 4, 29, 500):
        for t in (-2.0, 0.5, 5.0):
            for shift in (-2.0, 0.0, 3.0):
                expected = stats.nct.cdf(t, freedom, shift)
                found = strategy_tests._below(t, freedom, shift)
                assert found == pytest.approx(expected, abs=1e-5)


def test_a_pair_is_what_scipy_says() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(0.7, 0.05, 12)
    other = one + rng.normal(-0.01, 0.02, 12)
    found = paired(one, other)
    test = stats.ttest_rel(one, other)
    interval = test.confidence_interval()
    assert found.p_t == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(one, other).pvalue)
    assert found.effect == pytest.approx((one - other).mean() / (one - other).std(ddof=1))


def test_the_range_of_an_effect_covers_the_true_effect() -> None:
    draws = np.random.default_rng(3).normal(0.7, 1, (300, 10))
    ranges = [effect_interval(row.mean() / row.std(ddof=1), 10) for row in draws]
    inside = sum(low <= 0.7 <= high for low, high in ranges)
    assert stats.binomtest(inside, 300, 0.95).pvalue > 0.001


def test_a_range_of_an_effect_excludes_0_where_t_is_significant() -> None:
    edge = stats.t.ppf(0.975, 9) / np.sqrt(10)
    assert effect_interval(edge, 10)[0] == pytest.approx(0, abs=1e-4)


def test_what_few_or_equal_seeds_cannot_tell_is_none() -> None:
    assert paired([0.7], [0.6]).p_t is None
    same = paired([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (same.difference, same.p_t, same.p_wilcoxon) == (0, 1, 1)
    shifted = paired([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert shifted.p_t is None
    assert shifted.p_wilcoxon == pytest.approx(0.25)
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        paired([1, 2], [1, 2, 3])


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1, 1e3])
def test_strategies_that_hardly_vary_have_finite_effects(scale: float) -> None:
    found = paired([1 + scale * x for x in (0.0, 1e-3, -1e-3)], [0.0, 0.0, 0.0])
    if found.effect is not None:
        assert found.effect_low < found.effect < found.effect_high  # type: ignore[operator]


def test_holm_by_hand() -> None:
    # .005 * 4, .01 * 3, .03 * 2, and .04 no smaller than the one before.
    adjusted = holm([0.01, 0.04, 0.03, None, 0.005])
    assert adjusted[:3] + adjusted[4:] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted[3] is None
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("seeds", [2, 10, 30])
def test_the_posterior_is_baycomps(seeds: int) -> None:
    baycomp = pytest.importorskip("baycomp")
    differences = np.random.default_rng(seeds).normal(0.008, 0.012, seeds)
    nothing = np.zeros(seeds)
    found = signed_rank_posterior(differences, nothing, np.random.default_rng(0))
    expected = baycomp.two_on_multiple(
        differences, nothing, rope=0.01, nsamples=10_000, random_state=0
    )
    assert list(found.values()) == pytest.approx(expected, abs=0.02)


def test_the_posterior_knows_which_side_is_better() -> None:
    rng = np.random.default_rng(0)
    better = signed_rank_posterior([0.05] * 10, [0.0] * 10, rng)
    assert better["better"] > 0.99
    assert signed_rank_posterior([0.0] * 10, [0.05] * 10, rng)["worse"] > 0.99
    assert signed_rank_posterior([0.002] * 10, [0.0] * 10, rng)["equal"] > 0.99


def test_demsars_ranks() -> None:
    """Demšar 2006, section 3.2.4: 14 data sets, 4 classifiers."""
    found = ranks_of([3.143, 2.000, 2.893, 1.964], 14)
    assert found.chi_square == pytest.approx(9.28, abs=0.01)
    assert found.f == pytest.approx(3.69, abs=0.01)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert 0.01 < found.p_value < 0.05


def test_friedman_is_scipys_without_ties() -> None:
    scores = np.random.default_rng(4).random((8, 5))
    found = friedman_nemenyi(scores)
    assert found.chi_square == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)
    assert friedman_nemenyi([[0.9, 0.5, 0.7]] * 6).mean_ranks == [1, 3, 2]
    with pytest.raises(ValueError, match="6 data sets or more"):
        friedman_nemenyi(scores[:5])


def test_checkpoints_double_until_random_has_99_percent() -> None:
    labels = np.arange(50, 1001, 50)
    random = np.minimum(0.4 + labels / 1000, 0.9)
    # 50, 100, 150, 250, 450; at 850 random has all of it.
    assert checkpoints(random, labels, 50).tolist() == [50, 100, 150, 250, 450]
    assert checkpoints([0.5], [50], 0).tolist() == [50]


def test_penalties_count_checkpoints_won() -> None:
    rng = np.random.default_rng(6)
    labels = [50, 100, 150]

    def runs(*means: float) -> dict[int, np.ndarray]:
        return {seed: np.array(means) + rng.normal(0, 0.005, 3) for seed in range(6)}

    # The first is far ahead at two checkpoints of three; the third lacks all but one seed.
    curves = [runs(0.5, 0.7, 0.8), runs(0.5, 0.6, 0.6), {0: np.array([0.9, 0.9, 0.9])}]
    found = penalties(curves, labels, labels)
    assert found.tolist() == [[0, pytest.approx(2 / 3), 0], [0, 0, 0], [0, 0, 0]]


def test_a_performance_profile_counts_problems() -> None:
    scores = [[0.80, 0.79, np.nan], [0.70, 0.75, 0.60]]
    found = performance_profile(scores, [0.0, 0.01, 0.05, 1.0])
    assert found.tolist() == [[0.5, 0.5, 1, 1], [0.5, 1, 1, 1], [0, 0, 0, 0.5]]
