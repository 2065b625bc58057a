"""F1 and average precision: values as scikit-learn's, spread as a bootstrap's, no flattery."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from al_fashion.stats.intervals import clopper_pearson, korn_graubard
from al_fashion.stats.resampling import (
    cluster_bootstrap,
    cluster_t,
    delta_share,
    macro_f1,
    mean_average_precision,
    micro_f1,
)


def made_up(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities, predicted, truth) of four labels."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 4)) < [0.5, 0.3, 0.2, 0.003]
    proba = np.clip(0.3 + 0.4 * truth + 0.25 * rng.normal(size=truth.shape), 0, 1)
    return proba, proba >= 0.5, truth


def alone(n: int) -> list[str]:
    return [str(number) for number in range(n)]


def test_values_are_scikit_learns() -> None:
    proba, predicted, truth = made_up()
    common = truth.sum(axis=0) >= 5
    assert not common.all()
    micro, macro = micro_f1(predicted, truth, alone(400)), macro_f1(predicted, truth, alone(400))
    rng = np.random.default_rng(0)
    precision = mean_average_precision(proba, truth, alone(400), rng, repeats=50)
    assert micro is not None and macro is not None and precision is not None
    assert micro.value == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert macro.value == pytest.approx(
        f1_score(truth[:, common], predicted[:, common], average="macro")
    )
    assert precision.value == pytest.approx(
        average_precision_score(truth[:, common], proba[:, common], average="macro")
    )
    assert precision.low < precision.value < precision.high


@pytest.mark.parametrize("measure", [micro_f1, macro_f1])
def test_the_delta_method_is_as_wide_as_the_bootstrap(measure: type) -> None:
    _, predicted, truth = (values[:, :3] for values in made_up(1200))
    groups = [str(number // 3) for number in range(1200)]
    found = measure(predicted, truth, groups)

    def weighted(weights: np.ndarray) -> float:
        rows = np.repeat(np.arange(1200), weights.astype(int))
        return measure(predicted[rows], truth[rows], [str(row) for row in rows]).value

    drawn = cluster_bootstrap(weighted, groups, np.random.default_rng(1), repeats=300, decisions=3)
    assert found.high - found.low == pytest.approx(drawn.high - drawn.low, rel=0.2)
    assert found.value == pytest.approx(drawn.value)


def test_average_precision_is_no_surer_than_its_photos() -> None:
    """The true mean is 0.95; the variance alone put the lower end above it in 7 of 100 draws."""
    rng = np.random.default_rng(2)
    too_high = 0
    for draw in range(60):
        truth = rng.random((60, 4)) < 0.4
        luck = rng.normal(size=(12, 1)).repeat(5, axis=0)
        scores = 2.544 * truth + (luck + rng.normal(size=truth.shape)) * np.sqrt(0.5)
        groups = [str(row // 5) for row in range(60)]
        draws = np.random.default_rng(draw)
        found = mean_average_precision(scores, truth, groups, draws, repeats=50)
        assert found is not None
        share = clopper_pearson(round(found.value * 60), 60)
        assert found.high - found.low > 0.8 * (share.high - share.low)
        too_high += found.low > 0.95
    assert too_high <= 1


def test_for_shares_it_is_korn_graubards_interval() -> None:
    right = np.repeat([1.0, 0.8, 1.0, 0.6, 1.0, 1.0, 0.4, 1.0, 1.0, 1.0], 5)
    groups = [str(number // 5) for number in range(50)]
    found = delta_share(0.88, right - 0.88, groups)
    same = korn_graubard([5, 4, 5, 3, 5, 5, 2, 5, 5, 5], [5] * 10)
    assert (found.low, found.high) == pytest.approx((same.low, same.high))


def test_without_a_single_error_there_is_still_doubt() -> None:
    _, _, truth = made_up(60)
    groups = [str(number // 2) for number in range(60)]
    doubt = clopper_pearson(30, 30).low
    for found in (micro_f1(truth, truth, groups), macro_f1(truth, truth, groups)):
        assert found is not None and (found.value, found.high) == (1.0, 1.0)
        assert found.low == pytest.approx(doubt)
    found = mean_average_precision(
        truth.astype(float), truth, groups, np.random.default_rng(0), repeats=50
    )
    assert found is not None and found.value == 1.0 and found.low == pytest.approx(doubt)


def test_copies_in_a_group_add_nothing() -> None:
    _, predicted, truth = made_up(200)
    once = micro_f1(predicted, truth, alone(200))
    copied = micro_f1(
        np.repeat(predicted, 5, axis=0), np.repeat(truth, 5, axis=0), list(np.repeat(alone(200), 5))
    )
    assert once is not None and copied is not None
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.02)
    assert micro_f1(predicted, truth, ["one"] * 200).low == 0.0  # type: ignore[union-attr]


def test_means_of_any_values() -> None:
    found = cluster_t(np.array([0.93, 0.95, 0.94, 0.96, 0.92]), alone(5))
    assert (found.low, found.high) == pytest.approx((0.920368, 0.959632), abs=1e-6)
    with pytest.raises(ValueError):
        cluster_t(np.array([1.0, 2.0]), ["a", "a"])


def test_nothing_to_measure_is_said() -> None:
    nothing = np.zeros((10, 3), dtype=bool)
    assert micro_f1(nothing, nothing, alone(10)) is None
    assert macro_f1(nothing, nothing, alone(10)) is None
