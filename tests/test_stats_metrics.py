"""What a round reports: values by hand, intervals with each, sentences, looks, the change."""

from dataclasses import asdict

import numpy as np
import pytest
from sklearn.metrics import jaccard_score, log_loss

from al_fashion.stats.intervals import clopper_pearson
from al_fashion.stats.metrics import (
    Earlier,
    Predictions,
    calibration_error,
    evaluate_predictions,
    jaccard,
    log_losses,
    share_right,
)
from al_fashion.stats.paired import paired_difference
from al_fashion.stats.sentences import sentences
from al_fashion.types import Evaluation

PROBA = np.array([[0.9, 0.8, 0.1], [0.2, 0.9, 0.1], [0.1, 0.2, 0.3]])
TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)


def evaluated(metric: str = "accuracy") -> Evaluation:
    return evaluate_predictions(
        Predictions(PROBA, PROBA >= 0.5),
        TRUTH,
        ["a", "b", "c"],
        ["x", "y", "z"],
        exclusive=False,
        metric=metric,
    )


def six_hundred(wrong: int, look: int = 1, wrong_before: int | None = None) -> Evaluation:
    """600 photos of one of two labels, the first `wrong` of them told wrong."""
    truth = np.eye(2, dtype=bool)[np.arange(600) % 2]

    def predictions(number: int) -> Predictions:
        labels = truth.copy()
        labels[:number] = ~labels[:number]
        return Predictions(np.where(labels, 0.9, 0.1), labels)

    before = None if wrong_before is None else Earlier(4, predictions(wrong_before))
    return evaluate_predictions(
        predictions(wrong),
        truth,
        [str(row) for row in range(600)],
        ["x", "y"],
        exclusive=True,
        metric="accuracy",
        look=look,
        earlier=before,
    )


def test_groups_choose_the_method() -> None:
    right = np.array([True, True, False, True])
    assert share_right(right, ["a", "b", "c", "d"]).method == "clopper-pearson"
    assert share_right(right, ["a", "a", "c", "d"]).method == "korn-graubard"
    alone = share_right(right, ["a"] * 4)
    assert (alone.value, alone.low, alone.high) == (0.75, 0.0, 1.0)


def test_headline_metrics_of_several_labels() -> None:
    found = evaluated("top1_in_set")
    assert found.exact_match.value == pytest.approx(2 / 3)
    assert found.accuracy == found.top1_in_set
    assert found.top1_in_set.value == pytest.approx(2 / 3)
    row = found.per_label[0]
    assert (row["label"], row["photos"], row["predicted"]) == ("x", 2, 1)
    assert (row["precision"], row["recall"]) == (1.0, 0.5)
    assert row["recall_interval"]["low"] == pytest.approx(clopper_pearson(1, 2).low)
    assert found.per_label[2]["precision"] is None


def test_every_measure_has_an_interval_around_it() -> None:
    found = six_hundred(18)
    assert set(found.measures) == {
        "jaccard",
        "micro_f1",
        "macro_f1",
        "calibration_error",
        "log_loss",
    }
    for interval in (found.exact_match, found.top1_in_set, *found.measures.values()):
        assert interval.low < interval.value < interval.high
    assert found.measures["micro_f1"].value == pytest.approx(582 / 600)


def test_jaccard_of_two_empty_sets_is_one() -> None:
    predicted = PROBA >= 0.5
    assert list(jaccard(predicted, TRUTH)) == [1.0, 0.5, 1.0]
    some = TRUTH.any(axis=1)
    by_hand = jaccard_score(TRUTH[some], predicted[some], average="samples")
    assert jaccard(predicted[some], TRUTH[some]).mean() == pytest.approx(by_hand)


def test_log_loss() -> None:
    proba = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    truth = np.eye(3, dtype=bool)[[0, 2, 2]]
    losses, some = log_losses(proba, truth, exclusive=True)
    assert losses.mean() == pytest.approx(log_loss([0, 2, 2], proba, labels=[0, 1, 2]))
    assert some.all()
    truth[1] = False
    assert list(log_losses(proba, truth, exclusive=True)[1]) == [True, False, True]
    losses, _ = log_losses(PROBA, TRUTH, exclusive=False)
    each = [log_loss(TRUTH[:, k], PROBA[:, k], labels=[False, True]) for k in range(3)]
    assert losses.mean() == pytest.approx(np.mean(each))
    sure, _ = log_losses(np.array([[1.0, 0.0]]), np.array([[False, True]]), exclusive=True)
    assert np.isfinite(sure).all()


def test_calibration_error_in_two_bins_by_hand() -> None:
    proba = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    truth = np.eye(2, dtype=bool)[[0] * 8 + [1] * 2 + [0] * 6 + [1] * 4]
    assert calibration_error(proba, truth, exclusive=True) == pytest.approx(0.05)
    assert calibration_error(proba, truth, exclusive=False) == pytest.approx(0.05)


def test_the_headline_in_words() -> None:
    said = sentences(asdict(six_hundred(18)))
    assert said[0].startswith("Of 600 photos, 582 were right (97.0 %, range 95.3–98.2 %)")
    assert "look 1" in said[-1] and "audit" in said[-1]
    assert len(said) == 5
    assert len(sentences(asdict(evaluated()))) == 7


def test_every_look_costs() -> None:
    first, tenth = six_hundred(18, look=1).all_looks, six_hundred(18, look=10).all_looks
    plain = six_hundred(18, look=10).accuracy
    assert plain.low == clopper_pearson(582, 600).low
    assert tenth.low < first.low < plain.low and plain.high < first.high < tenth.high
    assert tenth.confidence == pytest.approx(1 - 0.05 / 110)


def test_the_change_since_the_round_before() -> None:
    found = six_hundred(18, wrong_before=60).difference
    assert found is not None and (found.before, found.better, found.worse) == (4, 42, 0)
    assert found.interval.value == pytest.approx(0.07)
    assert 0.04 < found.interval.low < 0.07 < found.interval.high < 0.1
    said = sentences(asdict(six_hundred(18, wrong_before=60)))
    assert any("42 were put right and 0 made wrong (+7.0 points" in line for line in said)
    assert six_hundred(18).difference is None


def test_no_change_seen_is_not_no_change() -> None:
    found = six_hundred(18, wrong_before=18).difference
    assert found is not None and found.interval.value == 0.0
    assert -0.02 < found.interval.low < 0 < found.interval.high < 0.02


@pytest.mark.parametrize(
    ("plus", "minus", "n"), [(0.05, 0.05, 200), (0.1, 0.04, 600), (0.01, 0.0, 60)]
)
def test_the_paired_interval_covers(plus: float, minus: float, n: int) -> None:
    rng = np.random.default_rng(0)
    held = []
    for better, worse, _ in rng.multinomial(n, [plus, minus, 1 - plus - minus], size=400):
        found = paired_difference(clopper_pearson(better, n), clopper_pearson(worse, n))
        held.append(found.low <= plus - minus <= found.high)
    assert np.mean(held) >= 0.94
