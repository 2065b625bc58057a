import numpy as np
import pytest

from al_fashion.stats.metrics import evaluate_predictions, share_right


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
