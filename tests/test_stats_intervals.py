"""Published and recomputed reference values, and what no interval may do: flatter."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from al_fashion.stats.intervals import (
    clopper_pearson,
    finite_pool,
    jeffreys,
    korn_graubard,
    t_interval,
    wilson,
)
from al_fashion.types import Interval

REFERENCE = [
    (clopper_pearson, 570, 600, 0.929389, 0.966014),
    (clopper_pearson, 582, 600, 0.953000, 0.982125),
    (clopper_pearson, 200, 200, 0.981725, 1.0),
    (clopper_pearson, 7, 50, 0.058192, 0.267396),
    (wilson, 570, 600, 0.929520, 0.964755),
    (wilson, 582, 600, 0.953079, 0.980941),
    (jeffreys, 570, 600, 0.930354, 0.965322),
]


@pytest.mark.parametrize(("method", "successes", "n", "low", "high"), REFERENCE)
def test_reference_values(
    method: Callable[..., Interval], successes: int, n: int, low: float, high: float
) -> None:
    interval = method(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-6)
    assert (interval.value, interval.n, interval.confidence) == (successes / n, n, 0.95)


@pytest.mark.parametrize(("successes", "low"), [(570, 0.932790), (582, 0.955837)])
def test_one_sided_bounds(successes: int, low: float) -> None:
    above = clopper_pearson(successes, 600, alternative="greater")
    below = clopper_pearson(600 - successes, 600, alternative="less")
    assert (above.low, above.high) == (pytest.approx(low, abs=1e-6), 1.0)
    assert (below.low, below.high) == (0.0, pytest.approx(1 - low, abs=1e-6))


@pytest.mark.parametrize("method", [clopper_pearson, wilson, jeffreys])
def test_one_and_two_sided_bounds_agree(method: Callable[..., Interval]) -> None:
    two_sided = method(95, 100, 0.9)
    assert method(95, 100, 0.95, "greater").low == pytest.approx(two_sided.low)
    assert method(95, 100, 0.95, "less").high == pytest.approx(two_sided.high)
    assert method(100, 100).high == pytest.approx(1) and method(0, 100).low == pytest.approx(0)


@pytest.mark.parametrize("method", [clopper_pearson, wilson, jeffreys])
@pytest.mark.parametrize(("successes", "n"), [(5, 4), (-1, 4), (0, 0)])
def test_impossible_counts_are_refused(
    method: Callable[..., Interval], successes: int, n: int
) -> None:
    with pytest.raises(ValueError):
        method(successes, n)


@pytest.mark.parametrize("p", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [60, 600])
def test_clopper_pearson_never_flatters(p: float, n: int) -> None:
    counts = np.arange(n + 1)
    flattering = [clopper_pearson(int(k), n).low > p for k in counts]
    assert stats.binom.pmf(counts[flattering], n, p).sum() <= 0.025


def test_a_finite_pool_says_more_than_an_endless_one() -> None:
    found = finite_pool(582, 600, 1000, alternative="greater")
    assert found.low == pytest.approx(0.961)
    assert found.low > clopper_pearson(582, 600, alternative="greater").low
    assert finite_pool(582, 600, 10**6).low == pytest.approx(
        clopper_pearson(582, 600).low, abs=1e-4
    )


def test_a_pool_drawn_whole_is_known() -> None:
    found = finite_pool(57, 60, 60)
    assert (found.low, found.high) == pytest.approx((0.95, 0.95))
    with pytest.raises(ValueError):
        finite_pool(5, 10, 9)


@pytest.mark.parametrize("right", [80, 95, 100])
def test_a_finite_pool_is_covered(right: int) -> None:
    law = stats.hypergeom(100, right, 40)
    counts = range(max(0, right - 60), min(40, right) + 1)
    held = [finite_pool(k, 40, 100) for k in counts]
    inside = [k for k, row in zip(counts, held, strict=True) if row.low <= right / 100 <= row.high]
    assert law.pmf(inside).sum() >= 0.95


def test_the_studys_interval_narrows_with_epochs_for_free() -> None:
    found = t_interval([0.93, 0.95, 0.94, 0.96, 0.92])
    assert (found.low, found.high) == pytest.approx((0.920368, 0.959632), abs=1e-6)
    assert found.method == "t-over-epochs"
    longer = t_interval([0.93, 0.95, 0.94, 0.96, 0.92] * 4)
    assert longer.high - longer.low < 0.5 * (found.high - found.low)
    with pytest.raises(ValueError):
        t_interval([0.9])


def test_korn_graubard_reference_values() -> None:
    interval = korn_graubard([5, 4, 5, 3, 5, 5, 2, 5, 5, 5], [5] * 10)
    assert interval.value == pytest.approx(0.88)
    assert (interval.low, interval.high) == pytest.approx((0.642006, 0.983217), abs=1e-6)


def test_without_errors_groups_count_not_photos() -> None:
    grouped = korn_graubard([50] * 6, [50] * 6)
    assert grouped.low == pytest.approx(clopper_pearson(6, 6).low)
