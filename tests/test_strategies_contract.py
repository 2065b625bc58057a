"""What every strategy promises, whichever it is."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import strategies
from strategies import (
    InvalidPool,
    NotEnoughCandidates,
    Pool,
    Selection,
    StrategyError,
    UnknownStrategy,
    registry,
)

CLASSES = 4
MEMBERS = 4
# Strategies that rank answered photos beside new ones have a contract of their own.
NAMES = [name for name in strategies.names() if not strategies.entry(name).reasks]
UNCERTAINTY = [name for name in NAMES if strategies.entry(name).uses_uncertainty]
DIVERSE = [name for name in NAMES if strategies.entry(name).diverse]
LIMITED = [name for name in NAMES if strategies.entry(name).most]
SINGLE_LABEL = [name for name in NAMES if not strategies.entry(name).multilabel_only]
# (name, multilabel) of every kind of pool that a strategy takes.
KINDS = [(name, False) for name in SINGLE_LABEL] + [(name, True) for name in NAMES]
UNCERTAIN_KINDS = [(name, multilabel) for name, multilabel in KINDS if name in UNCERTAINTY]
# By definition these may pass over an ambiguous photo while others are not certain altogether:
# power and falcun draw, the others count every cluster.
MIXED = {"power", "falcun", "cluster_margin", "diverse_minibatch"}
every_strategy = pytest.mark.parametrize("name", NAMES)
every_kind = pytest.mark.parametrize(("name", "multilabel"), KINDS)
cold_or_not = pytest.mark.parametrize("cold", [False, True])


def make_members(proba, multilabel):
    """A committee (T, m, C) whose mean is about `proba`: members differ where it is ambiguous."""
    steps = (np.arange(MEMBERS) + 0.5)[:, None] / MEMBERS
    if multilabel:
        votes = (proba[None] > steps[:, :, None]).astype(float)
    else:
        chosen = (proba.cumsum(axis=1)[None] < steps[:, :, None]).sum(axis=2)
        votes = np.eye(proba.shape[1])[np.minimum(chosen, proba.shape[1] - 1)]
    return 0.5 * votes + 0.5 * proba


def with_proba(pool, proba):
    return dataclasses.replace(pool, proba=proba, members=make_members(proba, pool.multilabel))


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
    pool = Pool(features, candidates, labelled_rows, targets, None, multilabel)
    return pool if cold else with_proba(pool, proba)


def pool_for(name, **kind):
    """A pool that the strategy takes, single-label where it takes that."""
    return make_pool(multilabel=strategies.entry(name).multilabel_only, **kind)


def batch(name, k):
    """k, or as many as the strategy selects at most."""
    return min(k, strategies.entry(name).most or k)


def select(name, pool, k, seed=0, **params):
    return strategies.get(name)(pool, k, rng=np.random.default_rng(seed), **params)


def assert_valid(selection, pool, k):
    assert selection.indices.shape == selection.scores.shape == (k,)
    assert selection.indices.dtype.kind == "i"
    assert len(set(selection.indices.tolist())) == k
    assert set(selection.indices.tolist()) <= set(pool.candidates.tolist())
    assert np.isfinite(selection.scores).all()
    assert (np.diff(selection.scores) <= 0).all()


@every_kind
@cold_or_not
@pytest.mark.parametrize("k", [1, 13, 100])
def test_gives_distinct_candidates_best_first(name, multilabel, cold, k):
    pool, k = make_pool(multilabel=multilabel, cold=cold), batch(name, k)
    assert_valid(select(name, pool, k), pool, k)


@every_kind
@cold_or_not
def test_selects_without_any_label(name, multilabel, cold):
    pool, k = make_pool(labelled=0, cold=cold, multilabel=multilabel), batch(name, 10)
    assert_valid(select(name, pool, k), pool, k)


@every_kind
@cold_or_not
def test_takes_the_only_candidate(name, multilabel, cold):
    pool = make_pool(n=21, cold=cold, multilabel=multilabel)
    assert_valid(select(name, pool, 1), pool, 1)


@every_strategy
@cold_or_not
def test_same_generator_state_gives_the_same_batch(name, cold):
    pool, k = pool_for(name, n=400, cold=cold), batch(name, 30)
    first, second = select(name, pool, k, seed=5), select(name, pool, k, seed=5)
    assert np.array_equal(first.indices, second.indices)
    assert np.array_equal(first.scores, second.scores)


@every_strategy
def test_ties_are_broken_by_the_generator(name):
    pool = pool_for(name, features=np.ones((200, 3), np.float32), labelled=0)
    pool = with_proba(pool, np.full(pool.proba.shape, 1 / CLASSES))
    batches = {tuple(select(name, pool, 5, seed=seed).indices) for seed in range(4)}
    assert len(batches) > 1


@every_kind
@cold_or_not
def test_constant_features(name, cold, multilabel):
    features = np.full((60, 5), 3.3, np.float32)
    pool = make_pool(features=features, labelled=10, cold=cold, multilabel=multilabel)
    k = batch(name, 20)
    assert_valid(select(name, pool, k), pool, k)


@every_kind
@cold_or_not
def test_exact_duplicates(name, cold, multilabel):
    features = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    features = np.repeat(features, 20, axis=0)
    k = batch(name, 30)
    for labelled in (0, 12):
        pool = make_pool(features=features, labelled=labelled, cold=cold, multilabel=multilabel)
        assert_valid(select(name, pool, k), pool, k)


@every_kind
@pytest.mark.parametrize("confidence", [1.0, 0.0])
def test_a_model_that_is_always_sure_or_never(name, multilabel, confidence):
    pool, k = make_pool(multilabel=multilabel), batch(name, 13)
    sure = np.eye(CLASSES)[np.arange(len(pool.candidates)) % CLASSES]
    unsure = np.full(sure.shape, 0.5 if multilabel else 1 / CLASSES)
    pool = with_proba(pool, confidence * sure + (1 - confidence) * unsure)
    assert_valid(select(name, pool, k), pool, k)


@every_kind
@cold_or_not
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_reads_a_read_only_memmap(name, multilabel, cold, dtype, tmp_path):
    np.save(tmp_path / "features.npy", make_pool().features.astype(dtype))
    features = np.load(tmp_path / "features.npy", mmap_mode="r")
    pool = make_pool(features=features, multilabel=multilabel, cold=cold)
    for array in (pool.candidates, pool.labelled, pool.targets, pool.proba, pool.members):
        if array is not None:
            array.flags.writeable = False
    assert_valid(select(name, pool, 10), pool, 10)


@every_strategy
def test_refuses_more_photos_than_there_are(name):
    with pytest.raises(
        NotEnoughCandidates, match="Cannot select 101 photos: 100 candidates remain"
    ):
        select(name, pool_for(name), 101)


@pytest.mark.parametrize("name", LIMITED)
def test_refuses_more_photos_than_it_can_select(name):
    most = strategies.entry(name).most
    with pytest.raises(StrategyError, match=rf"at most {most}") as refused:
        select(name, pool_for(name, n=most + 50), most + 1)
    assert "\n" not in str(refused.value)


@every_strategy
def test_refuses_fewer_than_one(name):
    with pytest.raises(StrategyError, match=r"Cannot select 0 photos\. Ask for a whole number, 1"):
        select(name, pool_for(name), 0)


@every_strategy
def test_refuses_parts_of_photos(name):
    with pytest.raises(StrategyError, match=r"Cannot select 3\.0 photos\. Ask for a whole number"):
        select(name, pool_for(name), 3.0)


@pytest.mark.parametrize("name", strategies.names())
def test_refuses_a_seed_in_place_of_a_generator(name):
    with pytest.raises(StrategyError, match=r"rng is 0: expected a numpy\.random\.Generator"):
        strategies.get(name)(pool_for("random"), 3, rng=0)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, bool, np.float16, np.longdouble])
def test_takes_probabilities_of_any_type_of_number(dtype):
    pool = pool_for("margin")
    sure = np.eye(CLASSES)[np.arange(len(pool.candidates)) % CLASSES].astype(dtype)
    pool = dataclasses.replace(pool, proba=sure)
    assert_valid(select("margin", pool, 5), pool, 5)


def test_says_where_no_candidates_remain():
    pool = pool_for("random")
    pool = dataclasses.replace(pool, candidates=pool.candidates[:0], proba=None, members=None)
    with pytest.raises(NotEnoughCandidates, match=r"no candidates remain\. Add photos"):
        select("random", pool, 2)


@every_strategy
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e19])
def test_refuses_features_out_of_range(name, value):
    pool = pool_for(name)
    row = pool.candidates[7]
    pool.features[row, 2] = value
    with pytest.raises(InvalidPool, match=f"features of row {row} hold NaN, infinity or"):
        select(name, pool, 5)


@every_strategy
def test_refuses_probabilities_that_are_not_finite(name):
    pool = pool_for(name)
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
        "uint64 of shape": {**parts, "candidates": pool.candidates.astype(np.uint64)},
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
            "members": None,
        },
        r"expected \(photos, dimensions\)": {**parts, "features": pool.features[:, 0]},
        "Members of shape": {**parts, "members": pool.proba[None, 1:]},
    }


@pytest.mark.parametrize("message", list(broken_pools()))
def test_refuses_arrays_that_do_not_fit(message):
    with pytest.raises(InvalidPool, match=message):
        select("random", Pool(**broken_pools()[message]), 5)


@pytest.mark.parametrize(("name", "multilabel"), UNCERTAIN_KINDS)
@pytest.mark.parametrize("confidence", [0.97, 1.0])
@pytest.mark.parametrize("labelled", [0, 80])
def test_ambiguous_photos_outrank_certain_ones(name, multilabel, confidence, labelled):
    if confidence < 1 and name in MIXED:
        pytest.skip("takes certain photos too; see test_ambiguous_photos_make_up_the_batch")
    pool = make_pool(n=80 + labelled, labelled=labelled, multilabel=multilabel)
    proba = np.full((80, CLASSES), (1 - confidence) / (CLASSES - 1))
    proba[:, 0] = confidence
    ambiguous = [3, 40, 77]
    # That one asks for photos of which no label is sure.
    every = multilabel and name == "max_binary_margin"
    proba[ambiguous] = 0.5 if every else [0.5, 0.5, 0, 0]
    selection = select(name, with_proba(pool, proba), 6)
    assert set(selection.indices[:3]) == set(pool.candidates[ambiguous])


@pytest.mark.parametrize(("name", "multilabel"), UNCERTAIN_KINDS)
def test_ambiguous_photos_make_up_the_batch(name, multilabel):
    """Where there are enough of them, an eighth of the pool."""
    pool = make_pool(n=960, labelled=480, multilabel=multilabel)
    proba = np.full((480, CLASSES), 0.01)
    proba[:, 0] = 0.97
    ambiguous = np.arange(0, 480, 8)
    proba[ambiguous] = [0.49, 0.49, 0.01, 0.01]
    pool = with_proba(pool, proba)
    taken = np.concatenate([select(name, pool, 6, seed=seed).indices for seed in range(5)])
    assert np.isin(taken, pool.candidates[ambiguous]).mean() > 0.6


@pytest.mark.parametrize("name", DIVERSE)
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_near_copies_are_not_both_taken(name, noise):
    rng = np.random.default_rng(2)
    products = rng.normal(size=(40, 6))
    features = np.repeat(products, 3, axis=0) + noise * rng.normal(size=(120, 6))
    pool = pool_for(name, features=features.astype(np.float32), labelled=0)
    pool = with_proba(pool, np.full(pool.proba.shape, 1 / CLASSES))
    k = batch(name, 20)
    taken = select(name, pool, k).indices // 3
    assert len(set(taken)) == k


def test_every_strategy_has_a_line():
    lines = {strategies.describe(name) for name in strategies.names()}
    assert len(lines) == len(strategies.names())
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    "function", [strategies.get, strategies.describe, strategies.needs_members]
)
def test_an_unknown_strategy_names_the_known_ones(function):
    with pytest.raises(
        UnknownStrategy, match=r"'marign'\. Did you mean margin\? .*kcenter, .*usdm"
    ):
        function("marign")


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("registered", [True, False])
def test_what_an_added_strategy_said_of_itself_is_known(registered, monkeypatch):
    def careful(pool, k, *, rng):  # noqa: ARG001
        return Selection(pool.candidates[:k], np.zeros(k))

    def load():
        decorated = registry.strategy("careful", "With care.", needs_members=True)(careful)
        return decorated if registered else careful

    monkeypatch.setattr(registry, "_ADDED", {})
    strategies.add("careful", load)
    assert strategies.needs_members("careful")
    assert strategies.describe("careful") == "With care."
    assert "careful" not in strategies.names()
    assert_valid(select("careful", pool_for("random"), 3), pool_for("random"), 3)


def test_import_is_light_and_reaches_nothing_above():
    loaded = run_python(
        "import sys; before = set(sys.modules); import strategies;"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    ).split()
    assert "strategies" in loaded
    heavy = {"sklearn", "scipy", "faiss", "tensorflow", "modAL", "skactiveml", "cleanlab"}
    assert not (heavy | {"flask", "sqlalchemy", "al_fashion", "webui"}) & set(loaded)


def test_selecting_reaches_nothing_above():
    loaded = run_python(
        "import sys, numpy as np, strategies as s\n"
        "pool = s.Pool(np.random.rand(30, 3), np.arange(5, 30), np.arange(5), np.eye(5)[:, :2],"
        " np.full((25, 2), .5), True, np.full((2, 25, 2), .5))\n"
        "for name in s.names(): s.get(name)(pool, 3, rng=np.random.default_rng(0))\n"
        "s.get('usdm')(pool, 3, rng=np.random.default_rng(0), uncertainty='harmonic')\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    ).split()
    assert not {"tensorflow", "keras", "al_fashion", "webui", "modAL"} & set(loaded)


def test_every_strategy_is_in_the_documentation():
    text = (Path(__file__).parent.parent / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert [name for name in strategies.names() if f"| `{name}` |" not in text] == []
