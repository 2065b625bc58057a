"""A job of a comparison: the loop's own rounds, the same conditions for every strategy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparisons import CLASSES, experiment, made_up

import strategies
from al_fashion.comparison import memory
from al_fashion.comparison.arms import find_arms
from al_fashion.comparison.checks import check_splits
from al_fashion.comparison.engines import ONE_THREAD, Plan, attempt
from al_fashion.comparison.labellers import parse_labellers, simulated_labellers
from al_fashion.comparison.learners import own_learner
from al_fashion.comparison.learning_curve import Job, begin, run_job, split
from al_fashion.errors import ComparisonError
from al_fashion.loop.simulate import KnownLabels, simulate
from al_fashion.loop.step import round_generator, select
from al_fashion.models.cache import FeatureTable
from strategies import modal


def curve(strategy: str, photos: Any, seed: int = 0, code: str = "", **values: Any) -> list[float]:
    job = Job("made-up", strategy, seed, code)
    return [point["accuracy"] for point in run_job(job, experiment(**values), photos)]


@pytest.mark.parametrize("name", ["usdm", "margin", "bandit"])
def test_a_curve_is_the_loops_own(name: str) -> None:
    photos, seed = made_up(), 3
    data, _ = begin(photos, seed, 0.25, "clean")
    ids = [str(row) for row in range(len(photos.groups))]
    data = replace(data, groups=[ids[row] for row in data.heldout])
    known = KnownLabels(FeatureTable(ids, data.features), data, photos.labels, seed)
    first = select(None, data, "random", 20, round_generator(seed, 1)).indices
    rounds = simulate(known, name, [ids[row] for row in first], batch=20, rounds=3)
    expected = [row.result.accuracy["value"] for row in rounds if row.result.accuracy]
    assert curve(name, photos, seed) == expected
    assert len(set(expected)) == 3


def test_the_same_seed_gives_the_same_curve_and_another_one_another() -> None:
    photos = made_up()
    assert curve("margin", photos, 0) == curve("margin", photos, 0)
    assert curve("margin", photos, 0) != curve("margin", photos, 1)


def test_every_strategy_begins_with_the_same_seed_set_unless_told_otherwise() -> None:
    photos = made_up()
    first = {name: curve(name, photos)[0] for name in ("random", "margin", "kcenter", "typiclust")}
    assert len(set(first.values())) == 1
    own = {name: curve(name, photos, seed_set="own")[0] for name in first}
    assert own["random"] == first["random"] and len(set(own.values())) > 1
    typical = curve("random", photos, seed_set="typiclust")[0]
    assert typical == own["typiclust"]


def test_the_budget_is_met_exactly() -> None:
    job, asked = Job("made-up", "random", 0), experiment(initial=7, batch=20, budget=60)
    points = run_job(job, asked, made_up())
    assert [point["labels"] for point in points] == [7, 27, 47, 60]
    assert [point["answers"] for point in points] == [7, 27, 47, 60]
    # One key for the label and one to end the answer.
    assert points[-1]["labelling_seconds"] == pytest.approx(60 * 2 * 1.63)


def test_no_group_lies_on_both_sides_and_the_share_is_met() -> None:
    photos = made_up(groups=40)
    for seed in range(5):
        pool, test = split(photos, seed, 0.25)
        assert not set(photos.groups[pool]) & set(photos.groups[test])
        assert len(pool) + len(test) == 400
        assert 80 <= len(test) <= 120
    assert set(split(photos, 0, 0.25)[1]) != set(split(photos, 1, 0.25)[1])


def test_a_split_without_test_photos_or_labels_to_tell_apart_is_refused() -> None:
    photos = made_up(120)
    one_group = replace(photos, groups=np.zeros(120, dtype=np.int64))
    with pytest.raises(ComparisonError, match="made-up with seed 0 has no test photos"):
        check_splits(experiment(), {"made-up": one_group})
    # One large group, with all photos of two labels, becomes the test.
    large = np.append(np.zeros(90, dtype=np.int64), np.arange(1, 31))
    labels = np.eye(3, dtype=bool)[np.append(np.arange(90) % 3, np.zeros(30, dtype=np.int64))]
    parted = replace(photos, groups=large, labels=labels)
    with pytest.raises(ComparisonError, match="a pool with 1 labels, expected 2"):
        check_splits(experiment(test=0.75, budget=20, seeds="5-5"), {"made-up": parted})


def test_a_label_that_the_pool_lacks_is_remarked() -> None:
    photos = made_up()
    by_label = replace(photos, groups=photos.labels.argmax(axis=1))
    asked = experiment(seeds=2, test=0.3)
    (remark,) = check_splits(asked, {"made-up": by_label})
    pool, _ = split(by_label, 0, 0.3)
    (lacking,) = np.flatnonzero(~photos.labels[pool].any(axis=0))
    assert remark.startswith("made-up: ") and f"{CLASSES[lacking]} (seed 0)" in remark
    assert check_splits(asked, {"made-up": photos}) == []


def test_the_test_photos_are_never_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    photos, seen = made_up(), []

    def watching(pool: Any, k: int, *, rng: Any) -> Any:
        seen.append(np.append(pool.candidates, pool.labelled))
        return strategies.get("random")(pool, k, rng=rng)

    monkeypatch.setitem(strategies.registry._ENTRIES, "watching", strategies.Entry(watching, "."))
    curve("watching", photos)
    test = split(photos, 0, 0.25)[1]
    assert seen and all(not set(rows) & set(test) for rows in seen)


def test_several_labels_have_measures_of_their_own() -> None:
    photos = made_up(exclusive=False)
    points = run_job(Job("made-up", "margin", 0), experiment(), photos)
    for name in ("micro_f1", "macro_f1", "map"):
        assert 0.3 < points[-1][name] < 1
    assert points[-1]["accuracy"] < points[-1]["micro_f1"]
    per_photo = photos.labels.sum() / len(photos.labels) + 1
    assert points[-1]["labelling_seconds"] / 60 == pytest.approx(1.63 * per_photo, rel=0.2)
    single = run_job(Job("made-up", "margin", 0), experiment(), made_up())
    assert single[-1]["micro_f1"] is None and single[-1]["map"] is None


def test_noise_is_shared_by_strategies_and_several_labellers_undo_it() -> None:
    photos = made_up(800)
    final = {
        noise: np.mean(
            [curve("random", photos, s, labellers=noise, budget=200)[-1] for s in range(3)]
        )
        for noise in ("clean", "noisy:0.4", "noisy:0.4x5")
    }
    assert final["noisy:0.4"] < final["noisy:0.4x5"] <= final["clean"] + 0.01
    same = [curve(name, photos, labellers="noisy:0.3")[0] for name in ("random", "margin")]
    assert same[0] == same[1]
    points = run_job(Job("made-up", "random", 0), experiment(labellers="noisy:0.1x3"), photos)
    assert points[-1]["answers"] == 180


def test_labellers_err_at_their_rate_and_label_by_label() -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(4, dtype=bool)[rng.integers(0, 4, 20_000)]
    found = simulated_labellers(truth, True, "noisy:0.2x8", rng)
    assert (found.chosen.sum(axis=2) == 1).all()
    wrong = (found.chosen != truth).any(axis=2)
    assert wrong.mean() == pytest.approx(0.2, abs=0.03)
    rates = np.array([[who[truth[:, label]].mean() for label in range(4)] for who in wrong])
    assert rates.min() > 0.09 and rates.max() < 0.31 and rates.std() > 0.03
    several = rng.random((20_000, 3)) < (0.1, 0.3, 0.6)
    found = simulated_labellers(several, False, "noisy:0.2", rng)
    assert found.chosen[0].mean(axis=0) == pytest.approx(several.mean(axis=0), abs=0.1)
    missed = (several & ~found.chosen[0]).sum(axis=0) / several.sum(axis=0)
    assert (missed > 0.09).all() and (missed < 0.31).all()


def test_the_consensus_weighs_labellers_by_what_they_are_worth() -> None:
    truth = np.eye(3, dtype=bool)[np.random.default_rng(0).integers(0, 3, 400)]
    found = simulated_labellers(truth, True, "noisy:0.3x5", np.random.default_rng(1))
    soft = found.targets(np.arange(400))
    assert soft.min() >= 0 and np.all(soft.sum(axis=1) <= 1 + 1e-9)
    alone = (found.chosen == truth).all(axis=2).mean(axis=1).max()
    united = (soft.argmax(axis=1) == truth.argmax(axis=1)).mean()
    assert united > alone + 0.1
    assert (soft.max(axis=1) < 0.95).mean() > 0.02  # not all are sure


@pytest.mark.parametrize("text", ["noisy", "noisy:", "noisy:2", "noisy:0.1x", "noisy:0.1x99", ""])
def test_labellers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ComparisonError, match="expected clean"):
        parse_labellers(text)


STATEFUL = """
from strategies import Selection
def remembers(pool, k, *, rng, state=None):
    count = 0 if state is None else state["count"] + 1
    assert count == len(pool.labelled) // 20 - 1, count
    return Selection(pool.candidates[:k], [1.0] * k, {"state": {"count": count}})
"""


def test_a_strategys_state_comes_back_in_the_next_round() -> None:
    assert len(curve("own.py:remembers", made_up(), code=STATEFUL)) == 3


RUBBISH = {
    "None": "a NoneType",
    "Selection(pool.candidates[: k - 1], np.ones(k - 1))": "of shape (19,)",
    "Selection(pool.labelled[:k], np.ones(k))": "not a candidate",
    "Selection(np.repeat(pool.candidates[:1], k), np.ones(k))": "twice",
    "Selection(pool.candidates[:k], np.full(k, np.nan))": "NaN",
    "Selection(pool.candidates[:k] + 0.5, np.ones(k))": "float64 indices",
}


@pytest.mark.parametrize(("returned", "reason"), RUBBISH.items())
def test_rubbish_is_refused_by_name(returned: str, reason: str) -> None:
    code = f"""
import numpy as np
from strategies import Selection
def rubbish(pool, k, *, rng):
    return {returned}
"""
    with pytest.raises(strategies.base.InvalidSelection) as raised:
        curve("own.py:rubbish", made_up(), code=code)
    assert reason in str(raised.value)


def test_a_strategy_cannot_change_what_the_next_one_sees() -> None:
    code = """
def vandal(pool, k, *, rng):
    pool.features[:] = 0
def shuffler(pool, k, *, rng):
    rng.shuffle(pool.candidates)
"""
    photos = made_up()
    before = curve("margin", photos)
    with pytest.raises(ValueError, match="read-only"):
        curve("own.py:vandal", photos, code=code)
    with pytest.raises(ValueError, match="read-only"):
        curve("own.py:shuffler", photos, code=code, seed_set="own")
    assert curve("margin", photos) == before


GLOBAL = """
import random
import numpy as np
from strategies import Selection
def careless(pool, k, *, rng):
    chosen = np.random.permutation(pool.candidates).tolist()
    random.shuffle(chosen)
    return Selection(np.array(chosen[:k]), np.ones(k))
"""


def test_global_random_numbers_are_a_jobs_own() -> None:
    photos = made_up()
    before = curve("own.py:careless", photos, code=GLOBAL)
    curve("random", photos)
    np.random.random(7)
    assert curve("own.py:careless", photos, code=GLOBAL) == before
    assert curve("own.py:careless", photos, seed=1, code=GLOBAL) != before


IMPOSTOR = """
from strategies import Selection
from strategies.registry import strategy
@strategy("margin", "Not the margin you know.", multilabel_only=True)
def margin(pool, k, *, rng):
    raise RuntimeError("the wrong one")
"""


def test_an_own_strategy_takes_no_built_in_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(IMPOSTOR)
    (own, margin, *_), _ = find_arms([f"{path}:margin", "margin"], 20)
    assert own.multilabel_only and not margin.multilabel_only
    assert len(curve("margin", made_up())) == 3


def test_own_strategies_and_patterns_go_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.py").write_text(GLOBAL)
    own = f"{tmp_path}/a/own.py:careless"
    found = [arm.name for arm in find_arms([own, "*", own], 20)[0]]
    assert found[0] == "own.py:careless" and "margin" in found
    assert found.count("own.py:careless") == 1
    assert [arm.name for arm in find_arms(["*"], 20)[0]] == found[1:]
    with pytest.raises(ComparisonError, match="Two strategies have one name"):
        find_arms([own, f"{tmp_path}/b/own.py:careless"], 20)


def test_what_a_pattern_leaves_out_is_remarked() -> None:
    arms, remarks = find_arms(["*", "modal:*"], 50)
    run = {arm.name for arm in arms}
    meant = {*strategies.names(), *modal.peer_names()}
    assert {remark.partition(" ")[0] for remark in remarks} == meant - run
    said = "\n".join(remarks)
    assert "relabel does not select batches of 50 new photos, for it ranks answered ones" in said
    assert (
        "modal:SVM_binary_minimum does not select batches of 50 new photos, but 1 at most" in said
    )
    assert find_arms(["margin"], 50)[1] == []


def test_labels_that_no_test_photo_has_count_in_no_mean() -> None:
    photos = made_up(exclusive=False)
    labels = photos.labels.copy()
    labels[split(photos, 0, 0.25)[1]] = False
    job = Job("made-up", "margin", 0)
    none = run_job(job, experiment(), replace(photos, labels=labels))
    assert none[-1]["map"] is none[-1]["macro_f1"] is None and 0 <= none[-1]["accuracy"] <= 1
    wide = replace(
        photos, labels=np.pad(photos.labels, ((0, 0), (0, 1))), classes=(*CLASSES, "hat")
    )
    narrow = run_job(job, experiment(), photos)
    assert run_job(job, experiment(), wide)[-1]["macro_f1"] == pytest.approx(
        narrow[-1]["macro_f1"], abs=0.1
    )


def test_a_job_that_exits_has_failed() -> None:
    code = "import sys\ndef leaves(pool, k, *, rng):\n    sys.exit(3)\n"
    plan = Plan(experiment(), {}, "")
    outcome = attempt(Job("made-up", "own.py:leaves", 0, code), plan, made_up())
    assert outcome.curve is None and "SystemExit: 3" in outcome.traceback


def test_workers_begin_with_one_thread_for_tensorflow_too() -> None:
    # The names that TensorFlow reads: tensorflow/core/common_runtime/process_util.cc.
    assert ONE_THREAD["TF_NUM_INTRAOP_THREADS"] == ONE_THREAD["TF_NUM_INTEROP_THREADS"] == "1"


LEARNERS = """
from modAL.models import ActiveLearner, Committee
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

def forest():
    return RandomForestClassifier(10)

learner = ActiveLearner(estimator=GaussianNB())
committee = Committee([ActiveLearner(estimator=GaussianNB()), ActiveLearner(estimator=forest())])
instance = RandomForestClassifier(10, random_state=7)
tuple_ = (1, 2)
"""


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", ["forest", "learner", "committee", "instance"])
def test_an_estimator_takes_the_heads_place(name: str, exclusive: bool) -> None:
    photos, given = made_up(exclusive=exclusive), {"learner": f"own.py:{name}", "budget": 100}
    job = Job("made-up", "margin", 0)
    one, other = (
        [point["accuracy"] for point in run_job(job, experiment(**given), photos, LEARNERS)]
        for _ in range(2)
    )
    assert one == other  # its random states are the seed's
    assert one[-1] > (0.7 if exclusive else 0.45)
    assert one != curve("margin", photos, budget=100)


def test_a_class_of_sklearn_and_a_committees_strategy_go_together() -> None:
    found = curve("bald", made_up(), learner="sklearn.naive_bayes:GaussianNB")
    assert found[-1] > 0.7


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("nonsense", "", "MODULE:NAME"),
        ("sklearn.nothing:Here", "", "No learner"),
        ("own.py:missing", LEARNERS, "Use one of: .*forest"),
        ("sklearn.linear_model:RidgeClassifier", "", "no predict_proba"),
        ("own.py:x", "raise ValueError('oh')", "cannot be run"),
    ],
)
def test_learners_that_cannot_be_are_refused(name: str, code: str, reason: str) -> None:
    with pytest.raises(ComparisonError, match=reason):
        own_learner(name, code, True, 0)


def test_a_class_that_was_never_seen_has_no_probability() -> None:
    head = own_learner("sklearn.naive_bayes:GaussianNB", "", True, 0)
    photos = made_up()
    rows = np.flatnonzero(~photos.labels[:, 1])
    proba = head.fit(photos.features[rows], photos.labels[rows]).predict_proba(photos.features)
    assert proba.shape == (400, len(CLASSES)) and not proba[:, 1].any()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone tells")
def test_memory_is_measured_for_each_selection_anew() -> None:
    with memory.peak() as much:
        np.ones(30_000_000)
    with memory.peak() as little:
        np.ones(10)
    assert much.mib is not None and little.mib is not None
    assert much.mib > 150 > 50 > little.mib
