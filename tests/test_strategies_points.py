"""In how many directions photos vary."""

import numpy as np
import pytest

from strategies.points import spread


def normal(n, variances, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, len(variances))) * np.sqrt(variances)).astype(np.float32)


@pytest.mark.parametrize(
    ("variances", "expected"),
    [([4, 1], 25 / 17), ([1] * 40, 40), ([1] + [0] * 9, 1), (np.linspace(1, 9, 40), 32.67)],
)
def test_spread_is_the_participation_ratio(variances, expected):
    """(sum v)^2 / sum v^2 of the variances v along the principal components."""
    assert spread(normal(2000, variances), np.arange(2000)) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("n", [40, 80, 400])
def test_few_photos_vary_in_no_fewer_directions(n):
    """The plain ratio of their sample covariance would be near 24, 34 and 52 of 60."""
    found = [spread(normal(n, [1] * 60, seed), np.arange(n)) for seed in range(10)]
    assert np.mean(found) == pytest.approx(58, abs=4)


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e15])
def test_spread_is_the_photos_own(scale):
    """Neither their order nor their scale nor other photos make a difference."""
    features = normal(60, np.arange(1, 9))
    rows = np.random.default_rng(0).permutation(60)[:40]
    expected = spread(features, rows)
    features *= np.float32(scale)
    assert spread(features, np.sort(rows)) == pytest.approx(expected, rel=1e-4)
    features[np.setdiff1d(np.arange(60), rows)] = 1e16
    assert spread(features, rows) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0, 3.3])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_photos_alike_vary_in_one_direction_at_most(n, value):
    assert spread(np.full((n, 5), value, dtype=np.float16), np.arange(n)) <= 1.0 + 1e-6


def test_of_many_photos_some_of_everywhere_count():
    """Photos in the order of their folders: the first thousands are all of one kind."""
    line, ball = normal(3000, [40] + [0] * 39), normal(6000, [1] * 40)
    found = spread(np.concatenate([line, ball]), np.arange(9000))
    assert found == pytest.approx(40**2 / (14**2 + 39 * (2 / 3) ** 2), rel=0.1)
