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


def test_the_ceiling_by_agreement_holds_the_truth_where_errors_are_independent() -> None:
    held = []
    for seed in range(200):
        said, _ = simulated(100, 2, 0.9, seed)
        found = human_measures(said, {})["human_ceiling"]
        held.append(found.low <= 0.9 <= found.high)
    assert np.mean(held) > 0.92


def test_what_cannot_be_told_is_left_out() -> None:
    assert human_measures([], {}) == {}
    said, truth = simulated(20, 1, 0.9)
    assert set(human_measures(said, truth)) == {"human_ceiling"}
    assert set(human_measures(said, {})) == set()
    said, _ = simulated(20, 2, 1.0)
    assert set(human_measures(said, {})) == {"labeller_agreement", "human_ceiling"}


def test_without_checks_the_agreement_tells_the_ceiling() -> None:
    agreement = Interval(0.905, 0.82, 0.58, "clopper-pearson", 0.95, 200)
    found = ceiling_by_agreement(agreement)
    assert found is not None and found.method == "agreement"
    assert (found.value, found.low, found.high) == pytest.approx((0.95, 0.9, 0.7), abs=1e-9)
    assert ceiling_by_agreement(Interval(0.4, 0.3, 0.5, "clopper-pearson", 0.95, 200)) is None
    said = [(who, f"p{n}", frozenset("a")) for n in range(10) for who in ("ann", "bob")]
    measures = human_measures(said, {})
    assert measures["human_ceiling"].method == "agreement"
    checked = human_measures(said, {f"p{n}": frozenset("a") for n in range(10)})
    assert checked["human_ceiling"].method == "korn-graubard"
