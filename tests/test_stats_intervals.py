import numpy as np
import pytest

from al_fashion.stats.intervals import clopper_pearson, korn_graubard
from al_fashion.stats.metrics import evaluate_predictions, share_right


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(570, 600, 0.929389, 0.966014), (582, 600, 0.953000, 0.982125), (200, 200, 0.981725, 1.0)],
)
def test_clopper_pearson_reference_values(successes: int, n: int, low: float, high: float) -> None:
    interval = clopper_pearson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-6)
    assert interval.value == successes / n


def test_one_sided_bound() -> None:
    assert clopper_pearson(570, 600, alternative="greater").low == pytest.approx(0.932790, abs=1e-6)
    assert clopper_pearson(582, 600, alternative="greater").low == pytest.approx(0.955837, abs=1e-6)


def test_korn_graubard_reference_values() -> None:
    interval = korn_graubard([5, 4, 5, 3, 5, 5, 2, 5, 5, 5], [5] * 10)
    assert interval.value == pytest.approx(0.88)
    assert (interval.low, interval.high) == pytest.approx((0.642006, 0.983217), abs=1e-6)


def test_without_errors_groups_count_not_photos() -> None:
    grouped = korn_graubard([50] * 6, [50] * 6)
    assert grouped.low == pytest.approx(clopper_pearson(6, 6).low)


def test_groups_choose_the_method() -> None:
    right = np.array([True, True, False, True])
    assert share_right(right, ["a", "b", "c", "d"]).method == "clopper-pearson"
    assert share_right(right, ["a", "a", "c", "d"]).method == "korn-graubard"


def test_headline_metrics_of_several_labels() -> None:
    proba = np.array([[0.9, 0.8, 0.1], [0.2, 0.9, 0.1], [0.1, 0.2, 0.3]])
    truth = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    found = evaluate_predictions(
        proba,
        proba >= 0.5,
        truth,
        ["a", "b", "c"],
        ["x", "y", "z"],
        exclusive=False,
        metric="top1_in_set",
    )
    assert found.exact_match.value == pytest.approx(2 / 3)
    assert found.accuracy == found.top1_in_set
    assert found.top1_in_set.value == pytest.approx(2 / 3)
    assert found.per_label[0] == {
        "label": "x",
        "photos": 2,
        "predicted": 1,
        "precision": 1.0,
        "recall": 0.5,
    }
