"""Agreement and the human ceiling, by hand and by simulation."""

import numpy as np
import pytest

from al_fashion.stats.agreement import krippendorff_alpha
from al_fashion.stats.people import Said, ceiling_by_agreement, human_measures
from al_fashion.types import Interval


def simulated(photos: int, people: int, accuracy: float, seed: int = 0) -> tuple[list[Said], dict]:
    rng = np.random.default_rng(seed)
    truth = {f"{photo}": frozenset({"dress"}) for photo in range(photos)}
    said = [
        (who, photo, right if rng.random() < accuracy else frozenset({"shirt"}))
        for photo, right in truth.items()
        for who in range(people)
    ]
    return said, truth


def test_by_hand() -> None:
    a, b = frozenset({"a"}), frozenset({"a", "b"})
    said = [(who, str(k), a if k < 5 else b) for k in range(10) for who in ("ann", "bob")]
    said += [("ann", "x", a), ("bob", "x", b)]
    found = human_measures(said, {str(photo): a for photo in range(4)} | {"x": b})
    assert found["labeller_agreement"].value == pytest.approx(10 / 11)
    assert found["labeller_agreement"].n == 11
    assert found["human_ceiling"].value == pytest.approx(9 / 10)
    assert found["labeller_alpha"].value == pytest.approx(krippendorff_alpha(said, "masi"))


def test_the_ceiling_holds_the_truth_though_answers_to_a_photo_are_grouped() -> None:
    held = []
    for seed in range(200):
        found = human_measures(*simulated(60, 3, 0.9, seed))["human_ceiling"]
        held.append(found.low <= 0.9 <= found.high)
    assert np.mean(held) > 0.92


@pytest.mark.parametrize("wrong", [1, 9])
@pytest.mark.parametrize("right", [0.7, 0.9])
def test_the_ceiling_by_agreement_holds_the_truth(right: float, wrong: int) -> None:
    """However many wrong answers there are to choose from: with one all errors are alike."""
    held, at_most = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        answers = np.where(rng.random((100, 2)) < right, 0, rng.integers(1, wrong + 1, (100, 2)))
        said = [
            (who, f"p{photo}", frozenset({str(answers[photo, place])}))
            for photo in range(100)
            for place, who in enumerate(("ann", "bob"))
        ]
        found = human_measures(said, {})["human_ceiling"]
        held.append(found.low <= right <= found.high)
        at_most.append(found.value)
    assert np.mean(held) > 0.92
    assert np.mean(at_most) > right - 0.01


def test_what_cannot_be_told_is_left_out() -> None:
    assert human_measures([], {}) == {}
    said, truth = simulated(20, 1, 0.9)
    assert set(human_measures(said, truth)) == {"human_ceiling"}
    assert set(human_measures(said, {})) == set()
    said, _ = simulated(20, 2, 1.0)
    assert set(human_measures(said, {})) == {"labeller_agreement", "human_ceiling"}


def test_without_checks_the_agreement_tells_the_ceiling() -> None:
    agreement = Interval(0.9025, 0.82, 0.9409, "clopper-pearson", 0.95, 200)
    found = ceiling_by_agreement(agreement)
    assert found is not None and found.method == "agreement"
    assert (found.value, found.low, found.high) == pytest.approx((0.95, 0.9, 0.97), abs=1e-9)
    assert ceiling_by_agreement(Interval(0.2, 0.1, 0.3, "clopper-pearson", 0.95, 200)) is None
    said = [(who, f"p{n}", frozenset("a")) for n in range(10) for who in ("ann", "bob")]
    measures = human_measures(said, {})
    assert measures["human_ceiling"].method == "agreement"
    checked = human_measures(said, {f"p{n}": frozenset("a") for n in range(10)})
    assert checked["human_ceiling"].method == "korn-graubard"
