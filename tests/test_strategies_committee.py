"""Committee strategies against direct formulas, and what members are asked about."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import entropy

import strategies
from strategies import InvalidPool, Pool, StrategyError, committee

NAMES = ["vote_entropy", "consensus_entropy", "kl_disagreement", "bald", "batchbald"]


def committee_pool(members, multilabel=False):
    members = np.asarray(members, dtype=np.float64)
    m, classes = members.shape[1:]
    features = np.random.default_rng(0).normal(size=(m, 3)).astype(np.float32)
    nobody = np.array([], dtype=np.int64)
    proba = members.mean(axis=0)
    return Pool(features, np.arange(m), nobody, np.zeros((0, classes)), proba, multilabel, members)


def random_members(m=40, classes=3, members=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.4), size=(members, m))


def ranked(name, pool, k, **params):
    selection = strategies.get(name)(pool, k, rng=np.random.default_rng(0), **params)
    return selection.indices.tolist(), selection.scores


def test_scores_are_their_formulas():
    members = random_members()
    pool = committee_pool(members)
    mean = members.mean(axis=0)
    votes = np.eye(3)[members.argmax(axis=2)].mean(axis=0)
    apart = entropy(members, mean[None], axis=2)
    expected = {
        "vote_entropy": entropy(votes, axis=1) / np.log(3),
        "consensus_entropy": entropy(mean, axis=1) / np.log(3),
        "kl_disagreement": apart.max(axis=0),
        "bald": entropy(mean, axis=1) - entropy(members, axis=2).mean(axis=0),
    }
    for name, scores in expected.items():
        rows, given = ranked(name, pool, 40)
        assert given == pytest.approx(scores[rows], abs=1e-9), name
        assert given == pytest.approx(np.sort(scores)[::-1], abs=1e-9), name


def test_mean_divergence_is_bald():
    pool = committee_pool(random_members())
    assert ranked("kl_disagreement", pool, 9, over="mean")[0] == ranked("bald", pool, 9)[0]


def test_a_multilabel_photo_is_the_mean_of_its_labels():
    rng = np.random.default_rng(1)
    members = rng.random((5, 30, 4))
    _, scores = ranked("bald", committee_pool(members, multilabel=True), 30)
    expected = np.zeros(30)
    for label in range(4):
        both = np.stack([members[..., label], 1 - members[..., label]], axis=-1)
        expected += entropy(both.mean(axis=0), axis=1) - entropy(both, axis=2).mean(axis=0)
    assert scores == pytest.approx(np.sort(expected / 4)[::-1])


def test_doubt_that_all_members_share_is_no_disagreement():
    members = np.full((3, 2, 2), 0.5)
    members[:, 1] = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]]
    pool = committee_pool(members)
    for name in ("vote_entropy", "kl_disagreement", "bald", "batchbald"):
        assert ranked(name, pool, 1)[0] == [1], name
    assert ranked("consensus_entropy", pool, 1)[0] == [0]


def joint_information(members, rows):
    """I(answers of `rows`; member) by all their joint answers."""
    T, _, classes = members.shape
    joint = np.array(
        [
            [
                np.prod([members[t, row, a] for row, a in zip(rows, answers, strict=True)]) / T
                for t in range(T)
            ]
            for answers in product(range(classes), repeat=len(rows))
        ]
    )
    per_member = [sum(entropy(members[t, row]) for row in rows) for t in range(T)]
    return entropy(joint.sum(axis=1)) - np.mean(per_member)


def test_batchbald_is_the_greedy_of_the_joint_information():
    members = random_members(m=15)
    rows, scores = ranked("batchbald", committee_pool(members), 4)
    naive: list[int] = []
    for _ in range(4):
        gains = {
            row: joint_information(members, [*naive, row]) for row in range(15) if row not in naive
        }
        naive.append(max(gains, key=gains.get))
    assert rows == naive
    assert scores.sum() == pytest.approx(joint_information(members, naive))


@pytest.mark.parametrize("multilabel", [False, True])
def test_batchbald_is_greedy_over_more_photos_than_it_looks_at_together(multilabel, monkeypatch):
    """Beside all gains worked out photo by photo; in blocks of four the bounds decide."""
    monkeypatch.setattr(committee, "WIDTH", 4)
    rng = np.random.default_rng(5)
    members = rng.random((4, 150, 3)) if multilabel else random_members(m=150, classes=4, seed=5)
    rows, scores = ranked("batchbald", committee_pool(members, multilabel), 3)
    outcomes = np.stack([1 - members, members], 3) if multilabel else members[:, :, None]
    states, expected = np.full((1, 4), 0.25), []
    for step in range(3):
        gains = np.zeros(150)
        for row in range(150):
            for question in outcomes[:, row].transpose(1, 2, 0):
                answered = states[:, None] * question
                likely = answered.sum(axis=2)
                gains[row] += states.sum(axis=1) @ entropy(likely, axis=1)
                gains[row] -= states.sum(axis=0) @ entropy(question, axis=0)
        gains[rows[:step]] = -np.inf
        assert rows[step] == gains.argmax()
        expected.append(gains.max())
        for question in outcomes[:, rows[step]].transpose(1, 2, 0):
            states = (states[:, None] * question).reshape(-1, 4)
    assert scores == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("apart", [0.1, 0.001])
def test_batchbald_with_nothing_left_to_tell_goes_on_as_bald(apart):
    """Two members that the first answer tells apart: no photo tells anything after it."""
    members = np.zeros((2, 30, 2))
    members[:, :, 0] = np.random.default_rng(0).uniform(0.2, 0.8, 30)
    members[1, :, 0] += np.random.default_rng(1).uniform(0.01, 1, 30) * apart
    members[0, 7, 0], members[1, 7, 0] = 1.0, 0.0
    members[:, :, 1] = 1 - members[:, :, 0]
    batch, scores = ranked("batchbald", committee_pool(members), 6)
    assert batch == ranked("bald", committee_pool(members), 6)[0]
    assert scores[1:].max() < 1e-9


def test_batchbald_draws_joint_answers_where_there_are_many():
    members = random_members(m=200, classes=5, members=6)
    selection = strategies.get("batchbald")(
        committee_pool(members), 10, rng=np.random.default_rng(0)
    )
    assert 1000 < selection.info["states"] <= 2000
    chosen = selection.indices.tolist()
    exact = joint_information(members, chosen[:6])
    assert selection.scores[:6].sum() == pytest.approx(exact, rel=0.02)


def test_drawn_answers_count_as_often_as_they_were_drawn():
    rng = np.random.default_rng(0)
    states = rng.dirichlet(np.ones(3), size=1500) * rng.dirichlet(np.full(1500, 0.1))[:, None]
    outcomes = rng.dirichlet(np.ones(4), size=3)[:, None]
    extended = committee._extend(states, outcomes, rng)
    assert len(extended) < 1000  # most of the weight is on few of the 6,000
    assert extended.sum() == pytest.approx(1.0)
    assert extended.sum(axis=0) == pytest.approx(states.sum(axis=0), abs=0.02)


def test_batchbald_does_not_ask_the_same_twice():
    members = np.concatenate([np.repeat(random_members(m=1), 20, axis=1), random_members(m=20)], 1)
    members[:, 20:] = 0.7 * members[:, 20:] + 0.3 / 3
    batch, _ = ranked("batchbald", committee_pool(members), 8)
    one_by_one, _ = ranked("bald", committee_pool(members), 8)
    assert sum(row < 20 for row in batch) < sum(row < 20 for row in one_by_one)


def test_batchbald_on_labels():
    members = np.random.default_rng(3).random((4, 50, 6))
    rows, _ = ranked("batchbald", committee_pool(members, multilabel=True), 10)
    assert len(set(rows)) == 10


@pytest.mark.parametrize("name", NAMES)
def test_one_model_is_no_committee(name):
    pool = committee_pool(random_members())
    alone = Pool(**{**vars(pool), "members": None})
    with pytest.raises(StrategyError, match=r"Give Pool\.members"):
        ranked(name, alone, 3)
    single = Pool(**{**vars(pool), "members": pool.members[:1]})
    with pytest.raises(InvalidPool, match="2 or more members"):
        ranked(name, single, 3)


@pytest.mark.parametrize("name", NAMES)
def test_members_that_are_not_finite(name):
    pool = committee_pool(random_members())
    pool.members[1, 7, 0] = np.nan
    with pytest.raises(InvalidPool, match="Members hold NaN or infinity"):
        ranked(name, pool, 3)


def test_batchbald_refuses_eleven():
    with pytest.raises(StrategyError, match="at most 10 photos, not 11"):
        ranked("batchbald", committee_pool(random_members()), 11)


def test_divergence_over_something_else():
    with pytest.raises(StrategyError, match="'sum': expected max or mean"):
        ranked("kl_disagreement", committee_pool(random_members()), 3, over="sum")
