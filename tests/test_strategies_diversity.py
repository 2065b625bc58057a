"""Strategies that ask no model: what they cover."""

import numpy as np

import strategies
from strategies import Pool


def select(name, pool, k, seed=0, **params):
    return strategies.get(name)(pool, k, rng=np.random.default_rng(seed), **params)


def unlabelled(features):
    features = np.asarray(features, dtype=np.float32)
    nobody = np.array([], dtype=np.int64)
    return Pool(features, np.arange(len(features)), nobody, np.zeros((0, 1)), None)


def test_kcenter_stays_away_from_labelled_photos():
    features = np.concatenate([np.zeros((50, 2)), np.full((50, 2), 9.0)]).astype(np.float32)
    features += np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    pool = Pool(features, np.arange(10, 100), np.arange(10), np.ones((10, 1)), None)
    assert select("kcenter", pool, 1).indices[0] >= 50


def test_kmeans_takes_one_photo_of_every_cluster():
    rng = np.random.default_rng(3)
    features = np.repeat(np.eye(8) * 50, 30, axis=0) + rng.normal(size=(240, 8))
    assert set(select("kmeans", unlabelled(features), 8).indices // 30) == set(range(8))
