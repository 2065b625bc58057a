"""What other libraries get wrong, and ours must not."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from test_strategies_contract import KINDS, batch, make_pool, select, with_proba

import strategies
from strategies import Pool
from strategies.uncertainty import margin_scores


def peak_of(call):
    """Peak bytes allocated during a call."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# google/active-learning


@pytest.mark.parametrize("name", ["kcenter", "maxherding", "ranked_batch"])
def test_without_labels_the_first_pick_is_not_always_row_zero(name):
    pool = make_pool(labelled=0, cold=True)
    pool = dataclasses.replace(pool, candidates=np.arange(len(pool.features)))
    firsts = {int(select(name, pool, 3, seed=seed).indices[0]) for seed in range(5)}
    assert firsts != {0}


def test_kcenter_goes_on_where_the_last_batch_ended():
    pool = make_pool(n=300, labelled=0, cold=True)
    both = select("kcenter", pool, 20).indices
    later = Pool(
        pool.features, np.setdiff1d(pool.candidates, both[:10]), both[:10], np.ones((10, 4)), None
    )
    assert select("kcenter", later, 10).indices.tolist() == both[10:].tolist()


def test_graph_density_keeps_away_from_labelled_neighbours():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 0.3, (60, 4)), rng.normal(6, 1, (60, 4))])
    pool = make_pool(features=features.astype(np.float32), labelled=0, cold=True)
    dense = np.arange(60)
    assert np.isin(select("graph_density", pool, 3).indices, dense).all()
    later = dataclasses.replace(
        pool,
        candidates=np.setdiff1d(pool.candidates, dense[:30]),
        labelled=dense[:30],
        targets=np.eye(4)[np.zeros(30, int)],
    )
    assert not np.isin(select("graph_density", later, 10).indices, dense).any()


def test_informative_diverse_fills_up_by_uncertainty_and_asks_no_true_labels():
    pool = make_pool(n=200)
    other = dataclasses.replace(pool, targets=np.eye(4)[np.zeros(20, int)])
    first = select("informative_diverse", pool, 30)
    assert first.indices.tolist() == select("informative_diverse", other, 30).indices.tolist()
    scores = margin_scores(pool.proba)
    alone = select("informative_diverse", pool, 30, clusters=1)
    assert set(alone.indices) == set(pool.candidates[np.argsort(-scores)[:30]])


def test_represent_cluster_centers_needs_probabilities_alone():
    pool = make_pool(n=400)
    rows = select("represent_cluster_centers", pool, 10, within=0.3).indices
    taken = np.isin(pool.candidates, rows)
    assert (margin_scores(pool.proba)[taken] > 0.7).all()


# scikit-activeml, modAL, deep-al: memory that grows with the square of the pool


def large_pool(name, *, multilabel, classes=20, width=32):
    """20,000 photos, 100 of them labelled."""
    rng = np.random.default_rng(0)
    n = 20_000
    features = rng.random((n, width), dtype=np.float32)
    proba = rng.dirichlet(np.ones(classes), size=n - 100)
    targets = np.eye(classes)[rng.integers(classes, size=100)]
    pool = Pool(features, np.arange(100, n), np.arange(100), targets, proba, multilabel)
    if strategies.needs_members(name):
        pool = dataclasses.replace(pool, members=np.stack([proba, np.roll(proba, 1, axis=1)]))
    return pool


@pytest.mark.parametrize(("name", "multilabel"), [*KINDS, ("relabel", False), ("relabel", True)])
def test_memory_grows_with_the_pool_not_with_its_square(name, multilabel):
    """All pairs would take 1.6 GB."""
    pool = large_pool(name, multilabel=multilabel)
    assert peak_of(lambda: select(name, pool, batch(name, 100))) < 250e6


def test_badge_never_writes_its_gradients_out():
    """1,000 classes times 32 features would take 2.5 GB; their two factors take 82 MB."""
    pool = large_pool("badge", multilabel=False, classes=1000)
    assert peak_of(lambda: select("badge", pool, 20)) < 400e6


def test_a_large_batch_keeps_no_score_of_every_photo_for_every_pick():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), size=50_000)
    features = np.zeros((50_000, 2), np.float32)
    nobody = np.zeros(0, np.int64)
    pool = Pool(features, np.arange(50_000), nobody, np.zeros((0, 4)), proba)
    assert peak_of(lambda: select("margin", pool, 2000)) < 20e6  # 800 MB in scikit-activeml


def test_typiclust_caps_its_clusters():
    pool = make_pool(n=3000, labelled=700, dimensions=4)
    assert select("typiclust", pool, 10).info["clusters"] == 500


# deep-al (TypiClust, ProbCover), small-text


def test_probcover_once_all_is_covered_takes_other_photos():
    pool = make_pool(n=100, labelled=20)
    selection = select("probcover", pool, 80, radius=100.0)
    assert len(set(selection.indices)) == 80
    assert not set(selection.indices) & set(pool.labelled)


def test_probcover_counts_no_photo_twice():
    """Three balls of ten, nine and two photos, the first two overlapping in eight."""
    spots = np.repeat([0.0, 1.0, 1.9, 10.0], [2, 8, 1, 2])
    pool = make_pool(features=spots[:, None].astype(np.float32), labelled=0, cold=True)
    scale = float(np.sqrt(((spots - spots.mean()) ** 2).mean()))
    chosen = select("probcover", pool, 2, radius=1.5 / scale).indices
    assert spots[chosen[0]] == 1.0
    assert spots[chosen[1]] == 10.0


def test_every_photo_counts_whatever_the_size_of_a_block(monkeypatch):
    from strategies import points

    pool = make_pool(n=257, labelled=0, cold=True)
    whole = select("maxherding", pool, 10).indices
    monkeypatch.setattr(points, "BLOCK_VALUES", 64)
    monkeypatch.setattr("strategies.clusters.BLOCK_VALUES", 64)
    assert select("maxherding", pool, 10).indices.tolist() == whole.tolist()


# UHerding


def test_a_pair_of_labelled_copies_changes_nothing():
    pool = make_pool(n=300, labelled=20)
    features = np.concatenate([pool.features, pool.features[pool.labelled[:1]]])
    copied = dataclasses.replace(
        pool,
        features=features,
        labelled=np.append(pool.labelled, 300),
        targets=np.concatenate([pool.targets, pool.targets[:1]]),
    )
    same = set(select("uherding", pool, 20).indices) & set(select("uherding", copied, 20).indices)
    assert len(same) >= 18


# baal


@pytest.mark.parametrize("uncertainty", ["margin", "entropy", "least_confidence"])
def test_power_draws_small_margins_not_large_ones(uncertainty):
    pool = make_pool(n=400)
    scores = margin_scores(pool.proba)
    taken = np.concatenate(
        [select("power", pool, 10, seed, uncertainty=uncertainty).indices for seed in range(10)]
    )
    drawn = np.array([scores[pool.candidates == row][0] for row in taken])
    assert drawn.mean() > scores.mean() + 0.03


# modAL: multi-label scores without |p - 1/2|


@pytest.mark.parametrize("measure", ["margin", "entropy", "least_confidence"])
def test_labels_near_one_half_are_the_uncertain_ones(measure):
    pool = make_pool(n=23, multilabel=True)
    pool = with_proba(pool, np.array([[0.98] * 4, [0.5] * 4, [0.01] * 4]))
    assert select(measure, pool, 1).indices[0] == pool.candidates[1]
