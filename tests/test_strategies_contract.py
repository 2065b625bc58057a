"""What every strategy promises, whichever it is."""

import subprocess
import sys

import numpy as np
import pytest

import strategies
from strategies import (
    InvalidPool,
    NotEnoughCandidates,
    Pool,
    StrategyError,
    UnknownStrategy,
)

CLASSES = 4
UNCERTAINTY = ["entropy", "margin", "usdm"]
DIVERSE = ["kcenter", "kmeans", "usdm"]
every_strategy = pytest.mark.parametrize("name", strategies.names())


def make_pool(
    n=120,
    dimensions=8,
    labelled=20,
    *,
    seed=0,
    multilabel=False,
    cold=False,
    features=None,
):
    rng = np.random.default_rng(seed)
    if features is None:
        features = rng.normal(size=(n, dimensions)).astype(np.float32)
    n = len(features)
    rows = rng.permutation(n)
    candidates, labelled_rows = rows[labelled:], rows[:labelled]
    proba = rng.dirichlet(np.full(CLASSES, 0.5), size=len(candidates))
    if multilabel:
        proba = rng.beta(0.5, 0.5, size=(len(candidates), CLASSES))
    targets = np.eye(CLASSES)[rng.integers(CLASSES, size=labelled)]
    return Pool(features, candidates, labelled_rows, targets, None if cold else proba, multilabel)


def select(name, pool, k, seed=0, **params):
    return strategies.get(name)(pool, k, rng=np.random.default_rng(seed), **params)


def assert_valid(selection, pool, k):
    assert selection.indices.shape == selection.scores.shape == (k,)
    assert len(set(selection.indices.tolist())) == k
    assert set(selection.indices.tolist()) <= set(pool.candidates.tolist())
    assert np.isfinite(selection.scores).all()
    assert (np.diff(selection.scores) <= 0).all()


@every_strategy
@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("k", [1, 13, 100])
def test_gives_distinct_candidates_best_first(name, multilabel, cold, k):
    pool = make_pool(multilabel=multilabel, cold=cold)
    assert_valid(select(name, pool, k), pool, k)


@every_strategy
def test_selects_without_any_label_or_model(name):
    pool = make_pool(labelled=0, cold=True)
    assert_valid(select(name, pool, 10), pool, 10)


@every_strategy
@pytest.mark.parametrize("cold", [False, True])
def test_same_generator_state_gives_the_same_batch(name, cold):
    pool = make_pool(n=400, cold=cold)
    first, second = select(name, pool, 30, seed=5), select(name, pool, 30, seed=5)
    assert np.array_equal(first.indices, second.indices)
    assert np.array_equal(first.scores, second.scores)


@every_strategy
def test_ties_are_broken_by_the_generator(name):
    pool = make_pool(features=np.ones((200, 3), np.float32), labelled=0)
    pool.proba[:] = 1 / CLASSES
    batches = {tuple(select(name, pool, 5, seed=seed).indices) for seed in range(4)}
    assert len(batches) > 1


@every_strategy
@pytest.mark.parametrize("cold", [False, True])
def test_constant_features(name, cold):
    pool = make_pool(features=np.full((60, 5), 3.3, np.float32), labelled=10, cold=cold)
    assert_valid(select(name, pool, 20), pool, 20)


@every_strategy
@pytest.mark.parametrize("cold", [False, True])
def test_exact_duplicates(name, cold):
    features = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    pool = make_pool(features=np.repeat(features, 20, axis=0), labelled=0, cold=cold)
    assert_valid(select(name, pool, 30), pool, 30)


@every_strategy
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_reads_a_read_only_memmap(name, dtype, tmp_path):
    np.save(tmp_path / "features.npy", make_pool().features.astype(dtype))
    features = np.load(tmp_path / "features.npy", mmap_mode="r")
    pool = make_pool(features=features)
    assert_valid(select(name, pool, 10), pool, 10)


@every_strategy
def test_refuses_more_photos_than_there_are(name):
    with pytest.raises(
        NotEnoughCandidates, match="Cannot select 101 photos: 100 candidates remain"
    ):
        select(name, make_pool(), 101)


@every_strategy
def test_refuses_fewer_than_one(name):
    with pytest.raises(StrategyError, match="Ask for 1 or more"):
        select(name, make_pool(), 0)


@every_strategy
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_features_that_are_not_finite(name, value):
    pool = make_pool()
    row = pool.candidates[7]
    pool.features[row, 2] = value
    with pytest.raises(InvalidPool, match=f"features of row {row} hold NaN or infinity"):
        select(name, pool, 5)


@every_strategy
def test_refuses_probabilities_that_are_not_finite(name):
    pool = make_pool()
    pool.proba[7, 1] = np.nan
    with pytest.raises(InvalidPool, match="NaN or infinity for 1 candidates, position 7 first"):
        select(name, pool, 5)


def broken_pools():
    pool = make_pool()
    parts = vars(pool)
    overlap = np.append(pool.labelled[1:], pool.candidates[0])
    return {
        "both labelled and candidates": {**parts, "labelled": overlap},
        "holds a row number twice": {**parts, "candidates": np.repeat(pool.candidates[:50], 2)},
        "has rows 0 to 119|rows 0 to 119": {**parts, "candidates": pool.candidates + 60},
        "Pass positions, not a mask": {**parts, "candidates": np.ones(100, bool)},
        "a row for each candidate": {**parts, "proba": pool.proba[1:]},
        "a row for each labelled photo": {**parts, "targets": pool.targets[1:]},
        "4 classes but targets for 3": {**parts, "targets": pool.targets[:, :3]},
        "not logits": {**parts, "proba": pool.proba * 9 - 4},
        "do not sum to 1": {**parts, "proba": pool.proba / 2},
        "One class in a single-label": {
            **parts,
            "proba": pool.proba[:, :1],
            "targets": pool.targets[:, :1],
        },
        r"expected \(photos, dimensions\)": {**parts, "features": pool.features[:, 0]},
        "Members of shape": {**parts, "members": pool.proba[None, 1:]},
    }


@pytest.mark.parametrize("message", list(broken_pools()))
def test_refuses_arrays_that_do_not_fit(message):
    with pytest.raises(InvalidPool, match=message):
        select("random", Pool(**broken_pools()[message]), 5)


@pytest.mark.parametrize("name", UNCERTAINTY)
@pytest.mark.parametrize("multilabel", [False, True])
def test_ambiguous_photos_outrank_certain_ones(name, multilabel):
    pool = make_pool(n=80, labelled=0, multilabel=multilabel)
    certain = np.eye(CLASSES)[0] if multilabel else np.array([0.97, 0.01, 0.01, 0.01])
    pool.proba[:] = certain
    ambiguous = [3, 40, 77]
    pool.proba[ambiguous] = [0.5, 0.5, 0, 0]
    selection = select(name, pool, 6)
    assert set(selection.indices[:3]) == set(pool.candidates[ambiguous])


@pytest.mark.parametrize("name", DIVERSE)
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_near_copies_are_not_both_taken(name, noise):
    rng = np.random.default_rng(2)
    products = rng.normal(size=(40, 6))
    features = np.repeat(products, 3, axis=0) + noise * rng.normal(size=(120, 6))
    pool = make_pool(features=features.astype(np.float32), labelled=0)
    pool.proba[:] = 1 / CLASSES
    taken = select(name, pool, 20).indices // 3
    assert len(set(taken)) == 20


def test_kcenter_stays_away_from_labelled_photos():
    features = np.concatenate([np.zeros((50, 2)), np.full((50, 2), 9.0)]).astype(np.float32)
    features += np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    pool = Pool(features, np.arange(10, 100), np.arange(10), np.ones((10, 1)), None)
    assert select("kcenter", pool, 1).indices[0] >= 50


def test_kmeans_takes_one_photo_of_every_cluster():
    rng = np.random.default_rng(3)
    features = np.repeat(np.eye(8) * 50, 30, axis=0) + rng.normal(size=(240, 8))
    pool = make_pool(features=features.astype(np.float32), labelled=0, cold=True)
    assert set(select("kmeans", pool, 8).indices // 30) == set(range(8))


def test_every_strategy_has_a_line():
    assert strategies.names() == ["entropy", "kcenter", "kmeans", "margin", "random", "usdm"]
    lines = {strategies.describe(name) for name in strategies.names()}
    assert len(lines) == len(strategies.names())
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("function", [strategies.get, strategies.describe])
def test_an_unknown_strategy_names_the_known_ones(function):
    with pytest.raises(UnknownStrategy, match=r"'marign'\. Use one of: entropy, kcenter, .*usdm"):
        function("marign")


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_import_is_light_and_reaches_nothing_above():
    loaded = run_python(
        "import sys; before = set(sys.modules); import strategies;"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    ).split()
    assert "strategies" in loaded
    assert not {"sklearn", "scipy", "tensorflow", "al_fashion", "webui", "modAL"} & set(loaded)


def test_import_takes_under_half_a_second():
    code = (
        "import time; start = time.perf_counter(); import strategies;"
        "print(time.perf_counter() - start)"
    )
    assert min(float(run_python(code)) for _ in range(3)) < 0.5


def test_selecting_reaches_nothing_above():
    loaded = run_python(
        "import sys, numpy as np, strategies as s\n"
        "pool = s.Pool(np.random.rand(30, 3), np.arange(5, 30), np.arange(5), np.eye(5)[:, :2],"
        " np.full((25, 2), .5))\n"
        "for name in s.names(): s.get(name)(pool, 3, rng=np.random.default_rng(0))\n"
        "s.get('usdm')(pool, 3, rng=np.random.default_rng(0), uncertainty='harmonic')\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    ).split()
    assert not {"tensorflow", "keras", "al_fashion", "webui", "modAL"} & set(loaded)
