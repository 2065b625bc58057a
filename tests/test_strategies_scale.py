"""Exactness and bounds of the parts that make strategies quick."""

import time

import numpy as np
import pytest

import strategies
from strategies import NotEnoughCandidates, Pool, points
from strategies.base import top_k
from strategies.greedy import farthest_first
from strategies.points import Points


@pytest.mark.parametrize("k", [1, 7, 50])
def test_top_k_is_the_head_of_a_full_sort(k):
    scores = np.random.default_rng(0).integers(12, size=50).astype(float)
    chosen = top_k(scores, k, np.random.default_rng(1))
    assert len(set(chosen)) == k
    assert scores[chosen].tolist() == sorted(scores, reverse=True)[:k]


def test_top_k_draws_ties_evenly():
    rng = np.random.default_rng(0)
    counts = np.bincount([top_k(np.ones(5), 1, rng)[0] for _ in range(2000)], minlength=5)
    assert counts.min() > 320  # 400 each expected, standard deviation 18


def test_top_k_refuses_too_many():
    with pytest.raises(NotEnoughCandidates, match="4 photos: 3 candidates"):
        top_k(np.ones(3), 4, np.random.default_rng(0))


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("centers", [0, 25])
def test_farthest_first_is_the_naive_greedy(centers, memory, monkeypatch):
    if not memory:
        monkeypatch.setattr(points, "MEMORY_VALUES", 0)
    rng = np.random.default_rng(4)
    features = rng.normal(size=(600, 6)).astype(np.float32)
    start, candidates = features[:centers], features[centers:]
    pool = Points(features, np.arange(centers, 600))
    nearest = np.full(600 - centers, np.inf, dtype=np.float32)
    if centers:
        pool.lower(nearest, pool.place(start))
    chosen, distances = farthest_first(pool, nearest, 80, np.random.default_rng(0))
    picked = list(chosen[: 0 if centers else 1])
    while len(picked) < 80:
        seen = np.concatenate([start, candidates[picked]])
        squared = ((candidates[:, None] - seen) ** 2).sum(axis=2).min(axis=1)
        picked.append(int(squared.argmax()))
    assert chosen.tolist() == picked
    last = np.concatenate([start, candidates[picked[:-1]]])
    assert distances[-1] == pytest.approx(
        ((last - candidates[picked[-1]]) ** 2).sum(axis=1).min(), rel=1e-4
    )


@pytest.mark.parametrize("name", strategies.names())
def test_sixty_thousand_photos_take_seconds(name):
    rng = np.random.default_rng(0)
    features = rng.random((60_000, 128), dtype=np.float32)
    proba = rng.dirichlet(np.ones(10), size=59_000)
    targets = np.eye(10)[rng.integers(10, size=1000)]
    pool = Pool(features, np.arange(1000, 60_000), np.arange(1000), targets, proba)
    start = time.perf_counter()
    selection = strategies.get(name)(pool, 100, rng=rng)
    assert len(selection.indices) == 100
    assert time.perf_counter() - start < 10
