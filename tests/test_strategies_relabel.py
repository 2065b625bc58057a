"""Asking again: ActiveLab against its authors' library, and the contract of its own."""

import dataclasses

import numpy as np
import pytest

import strategies
from strategies import InvalidPool, NotEnoughCandidates, Pool
from strategies import relabel as module
from strategies.relabel import active_lab, active_lab_multilabel


def crowd(photos=60, labellers=5, classes=3, seed=0, answered=0.5):
    """Votes (l, J, C) of labellers of differing skill, and probabilities near the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=photos)
    votes = np.full((photos, labellers, classes), np.nan)
    for j in range(labellers):
        right = rng.random(photos) < 0.5 + 0.1 * j
        said = np.where(right, truth, rng.integers(classes, size=photos))
        here = rng.random(photos) < answered
        here[rng.integers(labellers, size=photos) == j] = True
        votes[here, j] = np.eye(classes)[said[here]]
    votes[np.isnan(votes).all(axis=(1, 2)), 0] = np.eye(classes)[0]
    proba = 0.5 * np.eye(classes)[truth] + 0.5 * rng.dirichlet(np.ones(classes), size=photos)
    new = rng.dirichlet(np.full(classes, 0.5), size=40)
    return votes, proba, new


def classes_of(votes):
    return np.where(np.isnan(votes[:, :, 0]), np.nan, np.nan_to_num(votes).argmax(axis=2))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("labellers", [1, 5])
def test_scores_are_those_of_cleanlab(seed, labellers, monkeypatch):
    """At the same temperature; cleanlab 2.9 chooses its own with votes counted for other classes
    (it appends the classes without a vote after those with one), ours is tested below."""
    cleanlab = pytest.importorskip("cleanlab.multiannotator", reason="cleanlab is for development")
    from cleanlab.internal.multiannotator_utils import find_best_temp_scaler

    votes, proba, new = crowd(seed=seed, labellers=labellers)
    labels = classes_of(votes)
    theirs = cleanlab.get_active_learning_scores(labels, proba.copy(), new.copy())
    temperature = find_best_temp_scaler(labels, proba)
    monkeypatch.setattr(module, "_temperature", lambda *_: temperature)
    ours = active_lab(votes, proba, new)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-6)
    assert ours[1] == pytest.approx(theirs[1], abs=1e-6)


def test_the_temperature_is_the_one_nearest_to_the_votes():
    votes, proba, _ = crowd(photos=400)
    overconfident = proba**3 / (proba**3).sum(axis=1, keepdims=True)
    assert module._temperature(votes, overconfident) == pytest.approx(
        3 * module._temperature(votes, proba), rel=0.15
    )


def test_a_multilabel_photo_is_the_mean_of_its_labels():
    votes, proba, new = crowd(classes=3)
    marked = (np.nan_to_num(votes) > 0).astype(float)
    marked[np.isnan(votes)] = np.nan
    answered, fresh = active_lab_multilabel(marked, proba, new)
    alone = [
        active_lab(
            np.stack([1 - marked[:, :, c], marked[:, :, c]], axis=-1),
            np.stack([1 - proba[:, c], proba[:, c]], axis=-1),
            np.stack([1 - new[:, c], new[:, c]], axis=-1),
        )
        for c in range(3)
    ]
    assert answered == pytest.approx(np.mean([a for a, _ in alone], axis=0))
    assert fresh == pytest.approx(np.mean([n for _, n in alone], axis=0))


def answered_pool(multilabel=False, candidates=30, seed=0):
    rng = np.random.default_rng(seed)
    votes, proba, _ = crowd(seed=seed)
    n = candidates + len(votes)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    rows = rng.permutation(n)
    new = rng.dirichlet(np.full(3, 0.3), size=candidates)
    targets = np.nanmean(votes, axis=1)
    pool = Pool(features, rows[:candidates], rows[candidates:], targets, new, multilabel)
    return pool, {"votes": votes, "labelled_proba": proba}


def ask(pool, k, seed=0, **params):
    return strategies.get("relabel")(pool, k, rng=np.random.default_rng(seed), **params)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("k", [1, 20, 90])
def test_ranks_answered_and_new_photos_together(multilabel, k):
    pool, known = answered_pool(multilabel)
    for params in (known, {}):
        selection = ask(pool, k, **params)
        again = ask(pool, k, **params)
        assert len(set(selection.indices.tolist())) == k == len(selection.scores)
        assert set(selection.indices) <= {*pool.candidates, *pool.labelled}
        assert (np.diff(selection.scores) <= 0).all()
        assert np.array_equal(selection.indices, again.indices)
        inside = np.isin(selection.indices, pool.labelled).sum()
        assert selection.info["asked_again"] == inside


def test_disputed_photos_come_before_agreed_ones_and_ambiguous_before_certain():
    pool, known = answered_pool()
    votes, proba = known["votes"], known["labelled_proba"].copy()
    votes[:] = np.eye(3)[0]
    votes[7, ::2], votes[7, 1::2] = np.eye(3)[1], np.eye(3)[2]
    proba[:] = [0.9, 0.05, 0.05]
    proba[7] = 1 / 3
    votes[8:30] = np.eye(3)[1]
    proba[8:30] = [0.05, 0.9, 0.05]
    pool.proba[:] = [0.96, 0.02, 0.02]
    pool.proba[4] = [0.4, 0.35, 0.25]
    first = ask(pool, 2, votes=votes, labelled_proba=proba).indices
    assert set(first) == {pool.candidates[4], pool.labelled[7]}


def test_a_certain_second_opinion_is_worth_less_than_a_new_photo():
    pool, known = answered_pool()
    votes = np.repeat(np.eye(3)[np.arange(60) % 3][:, None], 4, axis=1)
    pool.proba[:] = 1 / 3
    proba = 0.97 * votes[:, 0] + 0.01
    assert ask(pool, 30, votes=votes, labelled_proba=proba).info["asked_again"] == 0
    assert known["votes"].shape == (60, 5, 3)


def test_photos_without_a_vote_are_not_asked_again():
    pool, known = answered_pool()
    known["votes"][:50] = np.nan
    selection = ask(pool, 40, **known)
    assert not set(selection.indices) & set(pool.labelled[:50])
    with pytest.raises(
        NotEnoughCandidates, match=r"30 candidates and 10 answered photos remain\. Ask for 40"
    ):
        ask(pool, 41, **known)


def test_everything_answered_still_has_second_opinions():
    pool, known = answered_pool()
    alone = Pool(**{**vars(pool), "candidates": pool.candidates[:0], "proba": None})
    assert ask(alone, 5, **known).info["asked_again"] == 5


def test_cold_it_is_a_diverse_seed():
    pool, _ = answered_pool()
    nobody = np.array([], dtype=np.int64)
    cold = Pool(pool.features, np.arange(90), nobody, np.zeros((0, 3)), None)
    selection = ask(cold, 10)
    assert selection.info["seed_set"] == "kmeans"
    assert len(set(selection.indices)) == 10


def test_shapes_that_do_not_fit():
    pool, known = answered_pool()
    with pytest.raises(InvalidPool, match=r"Votes of shape \(59, 5, 3\): expected \(60 answered"):
        ask(pool, 3, votes=known["votes"][1:])
    with pytest.raises(InvalidPool, match=r"of shape \(60, 2\)"):
        ask(pool, 3, labelled_proba=known["labelled_proba"][:, :2])


def multilabel_pool(labelled=8, candidates=12, seed=0):
    rng = np.random.default_rng(seed)
    return Pool(
        rng.normal(size=(labelled + candidates, 5)).astype(np.float32),
        np.arange(labelled, labelled + candidates),
        np.arange(labelled),
        rng.integers(2, size=(labelled, 3)).astype(float),
        rng.uniform(0.05, 0.95, (candidates, 3)),
        multilabel=True,
    )


def test_a_label_that_nobody_answered_takes_no_part():
    pool = multilabel_pool()
    votes = np.stack([pool.targets, pool.targets], axis=1)
    votes[0, 1, 0] = 1 - votes[0, 0, 0]
    votes[:, :, 2] = np.nan
    known = np.full(pool.targets.shape, 0.5)
    left = Pool(**{**vars(pool), "targets": pool.targets[:, :2], "proba": pool.proba[:, :2]})
    found = ask(pool, 15, votes=votes, labelled_proba=known)
    without = ask(left, 15, votes=votes[:, :, :2], labelled_proba=known[:, :2])
    assert found.indices.tolist() == without.indices.tolist()
    assert found.scores == pytest.approx(without.scores)


def test_a_photo_is_asked_again_for_any_label_that_was_answered():
    pool = multilabel_pool()
    votes = np.stack([pool.targets] * 4, axis=1)
    votes[0, :, 0] = np.nan
    votes[0, :, 1] = [0, 1, 0, 1]
    known = np.where(pool.targets > 0, 0.95, 0.05)
    known[0] = 0.5
    found = ask(Pool(**{**vars(pool), "proba": np.full((12, 3), 0.02)}), 3, votes=votes,
                labelled_proba=known)  # fmt: skip
    assert found.indices[0] == 0


def test_one_missing_vote_changes_little():
    pool = multilabel_pool(labelled=40, seed=1)
    votes = np.stack([pool.targets] * 3, axis=1)
    votes[::3, 1] = 1 - votes[::3, 1]
    known = np.clip(pool.targets, 0.3, 0.7)
    missing = votes.copy()
    missing[1, :, 2] = np.nan
    whole, part = (ask(pool, 52, votes=v, labelled_proba=known) for v in (votes, missing))
    before, after = (dict(zip(s.indices, s.scores, strict=True)) for s in (whole, part))
    assert [after[row] for row in pool.candidates] == pytest.approx(
        [before[row] for row in pool.candidates], abs=0.03
    )


@pytest.mark.parametrize("k", [0, -3])
def test_without_candidates_a_count_below_one_is_refused(k):
    pool = multilabel_pool(candidates=0)
    with pytest.raises(strategies.StrategyError, match="whole number, 1 or more"):
        ask(pool, k)


def test_without_candidates_features_are_checked():
    pool = multilabel_pool(candidates=0)
    pool.features[2, 1] = np.nan
    with pytest.raises(InvalidPool, match="NaN"):
        ask(pool, 2)


def test_before_a_model_answered_photos_count_as_available():
    pool = Pool(**{**vars(multilabel_pool(labelled=10, candidates=5)), "proba": None})
    assert len(set(ask(pool, 12).indices)) == 12
    with pytest.raises(NotEnoughCandidates, match="15 or fewer"):
        ask(pool, 16)


@pytest.mark.parametrize(
    ("name", "given"),
    [("mixture", {"shares": {"relabel": 1, "margin": 1}}), ("bandit", {"arms": ("relabel",)})],
)
def test_schedules_refuse_what_asks_again(name, given):
    with pytest.raises(strategies.StrategyError, match="relabel would ask about labelled photos"):
        strategies.get(name)(multilabel_pool(), 4, rng=np.random.default_rng(0), **given)


def test_scores_that_are_no_numbers_are_not_ranked():
    with pytest.raises(strategies.StrategyError, match="1 of 3 scores are NaN"):
        strategies.base.top_k(np.array([0.1, np.nan, 0.3]), 2, np.random.default_rng(0))


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("features", ["equal", "copies", "memmap"])
def test_features_of_any_kind_are_ranked_alike(features, multilabel, tmp_path):
    """Scores are of votes and probabilities alone; without a model features select a seed set."""
    pool, known = answered_pool(multilabel)
    given = {
        "equal": np.ones_like(pool.features),
        "copies": np.repeat(pool.features[:45], 2, axis=0),
        "memmap": pool.features,
    }[features]
    np.save(tmp_path / "features.npy", given.astype(np.float16))
    given = np.load(tmp_path / "features.npy", mmap_mode="r")
    other = dataclasses.replace(pool, features=given)
    assert ask(other, 20, **known).indices.tolist() == ask(pool, 20, **known).indices.tolist()
    cold = ask(dataclasses.replace(other, proba=None), 20)
    assert len(set(cold.indices.tolist())) == 20
    assert set(cold.indices) <= set(pool.candidates)


def test_in_a_multilabel_pool_too_disputed_photos_and_ambiguous_ones_come_first():
    pool, known = answered_pool(multilabel=True)
    votes, proba = known["votes"], known["labelled_proba"].copy()
    votes[:], proba[:] = [1.0, 0.0, 0.0], [0.97, 0.02, 0.02]
    votes[7, ::2], proba[7] = [0.0, 1.0, 1.0], 0.5
    votes[8:30], proba[8:30] = [0.0, 1.0, 1.0], [0.02, 0.97, 0.97]
    pool.proba[:] = [0.97, 0.02, 0.02]
    pool.proba[4] = 0.5
    first = ask(pool, 2, votes=votes, labelled_proba=proba).indices
    assert set(first) == {pool.candidates[4], pool.labelled[7]}
