import numpy as np
import pytest

from al_fashion.models.heads import LinearHead
from al_fashion.models.thresholds import choose_thresholds, decide


def test_half_of_the_best_f1_finds_a_rare_label() -> None:
    """By hand: above 0.3 there are 3 photos of which 2 are right, F1 = 4 / 5; threshold 0.4."""
    label = np.array([0.45, 0.4, 0.3, 0.1, 0.1, 0.1])
    truth = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    proba = np.column_stack([label, np.full(6, 0.9)])
    targets = np.column_stack([truth, 1 - truth])
    assert choose_thresholds(proba, targets) == pytest.approx([0.4])


def test_one_half_stays_where_it_makes_more_photos_exactly_right() -> None:
    label = np.array([0.9, 0.48, 0.47, 0.46, 0.45, 0.44])
    truth = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    proba = np.column_stack([label, np.full(6, 0.9)])
    assert choose_thresholds(proba, np.column_stack([truth, 1 - truth])) == pytest.approx([0.5])


def test_one_half_stays_too_where_no_photo_is_fully_answered() -> None:
    label = np.array([0.9, 0.48, 0.47, 0.46, 0.45, 0.44])
    truth = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    proba = np.column_stack([label, np.full(6, 0.1), np.full(6, 0.9)])
    targets = np.column_stack([truth, np.full(6, np.nan), np.full(6, np.nan)])
    assert choose_thresholds(proba, targets)[0] == pytest.approx(0.5)


def test_a_label_never_seen_and_answers_that_lack_change_nothing() -> None:
    proba = np.full((4, 3), 0.3)
    targets = np.array([[0, np.nan, 1], [0, 1, 0], [0, 0, 1], [0, np.nan, np.nan]], dtype=float)
    thresholds = choose_thresholds(proba, targets)
    assert thresholds[0] == 0.5
    assert 0 < thresholds[1] <= 0.5


def test_the_most_probable_label_stands_where_none_reaches_its_threshold() -> None:
    proba = np.array([[0.2, 0.3, 0.1], [0.2, 0.3, 0.6], [0.6, 0.7, 0.1]])
    decided = decide(proba, np.array([0.5, 0.5]))
    assert decided.tolist() == [[False, True], [False, False], [True, True]]


def test_rare_labels_are_found_and_the_choice_is_saved() -> None:
    """Ten labels, hard to tell: whole sets are hardly ever right, and at one half few are named."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1200, 20)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(0.7 * features[:, :10] - 1.2)))
    targets = (rng.random((1200, 10)) < chance).astype(float)
    head = LinearHead().fit(features[:800], targets[:800])
    truth = targets[800:] > 0

    def macro_f1(chosen: np.ndarray) -> float:
        hits, both = (chosen & truth).sum(axis=0), chosen.sum(axis=0) + truth.sum(axis=0)
        return float(np.mean(2 * hits / both))

    tuned = head.predict(features[800:])
    restored = LinearHead().restore(head.state())
    assert (restored.predict(features[800:]) == tuned).all()
    assert macro_f1(tuned) > macro_f1(head.predict_proba(features[800:]) >= 0.5) + 0.1


def test_a_head_saved_without_thresholds_decides_at_one_half() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5)).astype(np.float32)
    targets = (features[:, :3] > 0.8).astype(float)
    state = LinearHead(penalty=0.1).fit(features, targets).state()
    del state["thresholds"]
    assert LinearHead().restore(state).thresholds_.tolist() == [0.5, 0.5, 0.5]
