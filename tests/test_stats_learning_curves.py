"""Learning curves of strategies: areas, labels needed, deficiency; values worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from al_fashion.stats.learning_curves import (
    areas,
    common_grid,
    deficiency,
    labels_to_reach,
    mean_and_half,
    share_interval,
    share_of_labels,
)

LABELS = [50, 100, 150, 200]
RANDOM = [0.4, 0.5, 0.6, 0.7]
BETTER = [0.5, 0.65, 0.75, 0.8]


def test_an_area_is_the_mean_accuracy_over_the_span() -> None:
    # (.45 + .55 + .65) * 50 over 150 labels.
    assert areas(RANDOM, LABELS) == pytest.approx(0.55)
    # Unequal steps: (.5 * 100 + .7 * 300) / 400.
    assert areas([0.4, 0.6, 0.8], [0, 100, 400]) == pytest.approx(0.65)
    assert areas([[0.3], [0.7]], [50]).tolist() == [0.3, 0.7]


def test_labels_are_counted_between_batches() -> None:
    # .7 lies half-way between .65 at 100 and .75 at 150.
    assert labels_to_reach(BETTER, LABELS, 0.7) == pytest.approx(125)
    assert labels_to_reach(BETTER, LABELS, 0.65) == pytest.approx(100)
    assert labels_to_reach(BETTER, LABELS, 0.1) == 50
    assert labels_to_reach(RANDOM, LABELS, 0.71) == np.inf


def test_the_first_time_counts_where_a_curve_falls_again() -> None:
    assert labels_to_reach([0.4, 0.6, 0.5, 0.6], LABELS, 0.5) == pytest.approx(75)
    assert labels_to_reach([0.5, 0.5, 0.5, 0.5], LABELS, 0.5) == 50


def test_many_curves_at_once_give_what_each_gives() -> None:
    rng = np.random.default_rng(0)
    curves, targets = rng.random((40, 4)), rng.random(40)
    together = labels_to_reach(curves, LABELS, targets)
    each = [float(labels_to_reach(c, LABELS, t)) for c, t in zip(curves, targets, strict=True)]
    assert together.tolist() == each


def test_data_utilisation_by_hand() -> None:
    # Random's final .7 at 125 of its 200 labels; 90 % of it, .63, at 93.3 of 165.
    assert share_of_labels(BETTER, RANDOM, LABELS) == pytest.approx(125 / 200)
    needed = 50 + 50 * (0.63 - 0.5) / 0.15
    assert share_of_labels(BETTER, RANDOM, LABELS, 0.9) == pytest.approx(needed / 165)
    assert share_of_labels(RANDOM, RANDOM, LABELS) == 1
    assert share_of_labels(RANDOM, BETTER, LABELS) == np.inf


def test_deficiency_by_hand() -> None:
    # (.2 + .05 - .05 - .1) / (.3 + .2 + .1 + 0)
    assert deficiency(BETTER, RANDOM) == pytest.approx(0.1 / 0.6)
    assert deficiency(RANDOM, RANDOM) == pytest.approx(1)
    assert deficiency([0.4, 0.4, 0.4, 0.4], RANDOM) == pytest.approx(1.2 / 0.6)
    assert deficiency(BETTER, [0.6, 0.6, 0.6, 0.6]) is None
    assert deficiency(BETTER, [0.6, 0.5, 0.5, 0.4]) is None


def test_bands_are_t_intervals_over_seeds() -> None:
    # The research note's example: .920368 to .959632.
    mean, half = mean_and_half([0.93, 0.95, 0.94, 0.96, 0.92])
    assert (mean - half, mean + half) == pytest.approx((0.920368, 0.959632), abs=1e-6)
    mean, half = mean_and_half([[0.1, 0.2]])
    assert mean.tolist() == [0.1, 0.2]
    assert np.isnan(half).all()


def test_a_common_grid_has_what_all_curves_cover() -> None:
    assert common_grid([[50, 100, 150], [20, 70, 120]]).tolist() == [50, 70, 100, 120]
    with pytest.raises(ValueError, match="begins at 200 labels, another ends at 150"):
        common_grid([[50, 150], [200, 250]])


def test_the_range_of_a_share_covers_the_true_share() -> None:
    """Of 60 made-up experiments of 12 seeds, about 57 ranges should have the truth in them."""
    rng = np.random.default_rng(5)
    labels = np.arange(50, 1001, 50)
    true = np.array([1 - 0.6 * np.exp(-labels / 400), 1 - 0.6 * np.exp(-labels / 250)])
    share = float(share_of_labels(true[1], true[0], labels))
    inside = 0
    for _ in range(60):
        random, curves = true[:, None] + rng.normal(0, 0.02, (2, 12, len(labels)))
        low, high = share_interval(curves, random, labels, rng)
        inside += low <= share <= high
    assert stats.binomtest(inside, 60, 0.93).pvalue > 0.001


def test_a_share_never_reached_is_infinite_at_its_upper_end() -> None:
    rng = np.random.default_rng(0)
    random = np.tile(RANDOM, (6, 1))
    curves = np.vstack([np.tile(BETTER, (3, 1)), np.tile([0.4, 0.5, 0.55, 0.6], (3, 1))])
    low, high = share_interval(curves, random, LABELS, rng)
    assert low < 1
    assert high == np.inf
