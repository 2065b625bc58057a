"""Transductive design against dense formulas, and what it asks for."""

import numpy as np
import pytest

import strategies
from strategies import Pool, StrategyError
from strategies.design import _Process, _sample


def kernel(rows, others, scale):
    return np.exp(-((rows[:, None] - others[None]) ** 2).sum(axis=2) / scale)


def posterior(points, known, noise, scale):
    """Covariance of all points after noisy answers about some."""
    prior = kernel(points, points, scale)
    if not len(known):
        return prior
    cross = prior[:, known]
    return prior - cross @ np.linalg.solve(prior[np.ix_(known, known)] + np.diag(noise), cross.T)


@pytest.mark.parametrize("labelled", [0, 7])
def test_picks_are_the_greedy_of_the_dense_formulas(labelled):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(70 + labelled, 3)).astype(np.float32)
    weights, noise, scale = rng.random(30), 0.1 / (0.05 + rng.random(40)), 4.0
    # 40 candidates, 30 references, then the labelled.
    known, known_noise = list(range(70, 70 + labelled)), [0.2] * labelled
    process = _Process(points[:40], points[40:70], points[70:], scale, 0.2)
    chosen, gains = process.pick(12, weights, noise)
    before = weights @ np.diag(posterior(points, known, known_noise, scale))[40:70]
    for pick, gain in zip(chosen, gains, strict=True):
        after = {
            c: weights
            @ np.diag(posterior(points, [*known, c], [*known_noise, noise[c]], scale))[40:70]
            for c in range(40)
            if c not in known
        }
        best = min(after, key=after.get)
        assert after[int(pick)] == pytest.approx(after[best], rel=1e-4)
        assert gain * weights.sum() == pytest.approx(before - after[int(pick)], rel=1e-2, abs=1e-4)
        known, known_noise = [*known, int(pick)], [*known_noise, noise[pick]]
        before = after[int(pick)]


def select(pool, k, seed=0, **params):
    return strategies.get("transductive")(pool, k, rng=np.random.default_rng(seed), **params)


def pool_of(features, proba=None, labelled=0):
    features = np.asarray(features, dtype=np.float32)
    rows = np.arange(len(features))
    targets = np.eye(2)[np.zeros(labelled, int)]
    return Pool(features, rows[labelled:], rows[:labelled], targets, proba)


def blobs(seed=1):
    rng = np.random.default_rng(seed)
    return np.repeat(np.eye(4) * 6, 50, axis=0) + rng.normal(size=(200, 4))


def test_cold_it_takes_one_photo_of_every_kind():
    assert set(select(pool_of(blobs()), 4).indices // 50) == set(range(4))


def test_what_labelled_photos_tell_is_not_asked_again():
    pool = pool_of(blobs(), labelled=50)
    assert set(select(pool, 3).indices // 50) == {1, 2, 3}


@pytest.mark.parametrize("seed", range(3))
def test_doubt_shared_by_many_comes_before_a_lone_outliers(seed):
    features = blobs(seed)
    features[0] = [-40, -40, 30, -40]
    proba = np.tile([0.98, 0.02], (200, 1))
    proba[[0, *range(100, 150)]] = 0.5
    first = select(pool_of(features, proba), 1, seed).indices[0]
    assert 100 <= first < 150


def test_scores_are_shares_of_what_there_is():
    scores = select(pool_of(blobs()), 30).scores
    assert 0 < scores.sum() < 1


def test_many_labels_are_sampled_and_many_photos_refused():
    rng = np.random.default_rng(0)
    pool = pool_of(rng.normal(size=(7000, 4)), labelled=4500)
    assert len(select(pool, 5).indices) == 5
    with pytest.raises(StrategyError, match="at most 2000 photos, not 2001"):
        select(pool, 2001)


@pytest.mark.parametrize("params", [{"width": 0.0}, {"noise": -1.0}])
def test_parameters_out_of_range(params):
    with pytest.raises(StrategyError, match="expected numbers above 0"):
        select(pool_of(blobs()), 3, **params)


def test_the_sample_of_references_counts_as_all_photos_do():
    rng = np.random.default_rng(0)
    weights, values = rng.random(3000) ** 8, rng.random(3000)
    drawn = [_sample(weights, 300, rng) for _ in range(200)]
    estimates = [counted @ values[rows] for rows, counted in drawn]
    assert all(len(np.unique(rows)) == 300 for rows, _ in drawn)
    assert np.mean(estimates) == pytest.approx(weights @ values, rel=0.01)
    # As many uniform photos would be off by 13 %.
    assert np.std(estimates) < 0.04 * (weights @ values)


def test_a_sample_of_all_references_keeps_their_weights():
    weights = np.array([0.5, 0.0, 2.0, 1e-12])
    rows, counted = _sample(weights, 4, np.random.default_rng(0))
    assert sorted(rows) == [0, 1, 2, 3]
    np.testing.assert_allclose(counted, weights[rows], atol=1e-8)


def test_a_sample_of_photos_of_no_weight_is_as_large():
    rows, counted = _sample(np.zeros(50), 20, np.random.default_rng(0))
    assert len(np.unique(rows)) == 20 and np.isfinite(counted).all()
