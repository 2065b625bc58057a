"""Exactness and bounds of the parts that make strategies quick."""

import numpy as np
import pytest

from strategies import InvalidPool, NotEnoughCandidates, Pool, base, greedy, points
from strategies.base import LARGEST_FEATURE, as_float32, check, top_k
from strategies.greedy import farthest_first
from strategies.points import Points, embed, squared_distances


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


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("centers", [0, 25])
def test_farthest_first_is_the_naive_greedy(centers, memory, dtype, monkeypatch):
    monkeypatch.setattr(greedy, "REFRESH", 8)
    if not memory:
        monkeypatch.setattr(points, "MEMORY_VALUES", 0)
        monkeypatch.setattr(base, "CHUNK_VALUES", 0)  # CHUNK_ROWS photos at once
    rng = np.random.default_rng(4)
    features = rng.normal(size=(600, 6)).astype(dtype)
    features.flags.writeable = False
    start, candidates = np.split(features.astype(np.float64), [centers])
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


def test_half_precision_is_converted_bit_for_bit():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)[:, None]
    halves = halves[np.isfinite(halves[:, 0])]
    assert np.array_equal(as_float32(halves), halves.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_out_of_range_is_found_among_the_largest_numbers(dtype, value):
    largest = min(float(np.finfo(dtype).max), LARGEST_FEATURE)
    features = np.tile([largest, -largest], (40, 1)).astype(dtype)
    rows, nobody = np.arange(40), np.array([], dtype=np.int64)
    check(Pool(features, rows, nobody, np.zeros((0, 1)), None), 1)
    features[17, 1] = value
    with pytest.raises(InvalidPool, match="row 17"):
        check(Pool(features, rows, nobody, np.zeros((0, 1)), None), 1)
    check(Pool(features, rows[18:], nobody, np.zeros((0, 1)), None), 1)


def test_the_embedding_keeps_distances_of_what_has_few_dimensions():
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(500, 20))
    features = (inner @ rng.normal(size=(20, 200))).astype(np.float32)
    embedded = embed(features, np.arange(500), rng)
    assert embedded.shape == (500, 64)
    assert (embedded**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
    exact = squared_distances(features[:50], features)
    ratio = squared_distances(embedded[:50], embedded)[exact > 1] / exact[exact > 1]
    assert ratio.max() / ratio.min() < 1.01
