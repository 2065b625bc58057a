"""Exactness and bounds of the parts that make strategies quick."""

import time
import tracemalloc

import numpy as np
import pytest

import strategies
from strategies import NotEnoughCandidates, Pool
from strategies.base import top_k
from strategies.diversity import EXACT_VALUES, farthest_first


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


@pytest.mark.parametrize("centers", [0, 25])
def test_farthest_first_is_the_naive_greedy(centers):
    rng = np.random.default_rng(4)
    features = rng.normal(size=(600, 6)).astype(np.float32)
    start, candidates = features[:centers], features[centers:]
    chosen, distances = farthest_first(candidates, start, 80, np.random.default_rng(0))
    picked = list(chosen[: 0 if centers else 1])
    while len(picked) < 80:
        seen = np.concatenate([start, candidates[picked]])
        nearest = ((candidates[:, None] - seen) ** 2).sum(axis=2).min(axis=1)
        picked.append(int(nearest.argmax()))
    assert chosen.tolist() == picked
    last = np.concatenate([start, candidates[picked[:-1]]])
    assert distances[-1] == pytest.approx(
        np.sqrt(((last - candidates[picked[-1]]) ** 2).sum(axis=1)).min(), rel=1e-4
    )


def test_a_big_pool_is_projected_within_bounded_memory(tmp_path):
    rows, dimensions = 20_000, 4096  # 328 MB, more than EXACT_VALUES
    assert rows * dimensions > EXACT_VALUES
    rng = np.random.default_rng(0)
    features = np.lib.format.open_memmap(
        tmp_path / "features.npy", "w+", np.float32, (rows, dimensions)
    )
    for start in range(0, rows, 1000):
        features[start : start + 1000] = rng.random((1000, dimensions), dtype=np.float32)
    features[777] += 5.0
    pool = Pool(features, np.arange(100, rows), np.arange(100), np.ones((100, 1)), None)
    tracemalloc.start()
    selection = strategies.get("kcenter")(pool, 50, rng=np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert selection.indices[0] == 777
    assert selection.info["projected_to"] == 256
    assert peak < 150e6


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
