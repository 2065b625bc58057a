"""Schedules: who asks when, and the state that goes in and out."""

import json

import numpy as np
import pytest

import strategies
from strategies import NotEnoughCandidates, Pool, StrategyError, UnknownStrategy


def pool(labelled=0, n=200, classes=4, cold=False, seed=0, directions=6):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, directions)).astype(np.float32)
    rows = rng.permutation(n)
    targets = np.eye(classes)[rng.integers(classes, size=labelled)]
    proba = None if cold else rng.dirichlet(np.ones(classes), size=n - labelled)
    return Pool(features, rows[labelled:], rows[:labelled], targets, proba)


def select(name, given, k=12, seed=0, **params):
    return strategies.get(name)(given, k, rng=np.random.default_rng(seed), **params)


@pytest.mark.parametrize(
    ("labelled", "cold", "expected"),
    [
        (0, True, "typiclust"),
        (19, False, "typiclust"),
        (20, False, "margin"),
        (60, True, "typiclust"),
    ],
)
def test_tcm_asks_for_typical_photos_first(labelled, cold, expected):
    given = pool(labelled, cold=cold)
    selection = select("tcm", given)
    assert selection.info["strategy"] == expected
    assert np.array_equal(selection.indices, select(expected, given).indices)


def test_tcm_switches_where_told():
    assert select("tcm", pool(40), switch=41).info["strategy"] == "typiclust"
    assert select("tcm", pool(40), switch=40).info["strategy"] == "margin"


@pytest.mark.parametrize(
    ("directions", "labelled", "k", "cold", "expected"),
    [
        (6, 0, 5, True, "typiclust"),
        (6, 20, 5, True, "typiclust"),
        (6, 20, 5, False, "uherding"),
        (6, 499, 5, False, "uherding"),
        (6, 500, 5, False, "transductive"),
        (25, 400, 5, False, "uherding"),
        (36, 400, 5, False, "transductive"),
        (60, 0, 5, True, "transductive"),
        (60, 20, 5, False, "transductive"),
        (60, 1999, 5, False, "transductive"),
        (60, 2000, 5, False, "margin"),
        (6, 2000, 5, False, "margin"),
        (6, 0, 2001, True, "margin"),
    ],
)
def test_auto_goes_by_the_budget_and_the_photos(directions, labelled, k, cold, expected):
    given = pool(labelled, n=labelled + k + 195, cold=cold, directions=directions)
    selection = select("auto", given, k)
    assert selection.info["strategy"] == expected
    assert np.array_equal(selection.indices, select(expected, given, k).indices)


def test_auto_keeps_its_mind_while_photos_are_answered():
    """Photos count in how many directions all vary, whether answered or not."""
    given = pool(100, n=400, directions=60)
    assert select("auto", given).info["strategy"] == "transductive"
    given.features[given.labelled, 0] *= 30.0  # those left to ask about go on varying in 60
    assert select("auto", given).info["strategy"] == "uherding"


def test_auto_refuses_rows_that_are_not_there():
    given = pool(20)
    given.candidates[3] = 200
    with pytest.raises(StrategyError):
        select("auto", given)


def test_mixture_shares_the_batch():
    given = pool(30)
    selection = select("mixture", given, 10, shares={"margin": 2, "kcenter": 1})
    assert selection.info["shares"] == {"margin": 7, "kcenter": 3}
    assert len(set(selection.indices.tolist())) == 10
    assert set(select("margin", given, 7).indices) <= set(selection.indices)


def test_mixtures_strategies_do_not_take_the_same_photo():
    selection = select("mixture", pool(30), 20, shares={"margin": 1, "entropy": 1, "random": 1})
    assert len(set(selection.indices.tolist())) == 20
    assert sum(selection.info["shares"].values()) == 20


def test_mixture_refuses_what_makes_no_sense():
    with pytest.raises(StrategyError, match="weights above 0"):
        select("mixture", pool(), shares={"margin": 0.0})
    with pytest.raises(UnknownStrategy):
        select("mixture", pool(), shares={"marign": 1.0})
    with pytest.raises(NotEnoughCandidates):
        select("mixture", pool(), 201)


def answered(given, selection, right):
    """The pool of the next round: the batch answered as the model expected, or not."""
    order = np.argsort(given.candidates)
    place = order[np.searchsorted(given.candidates[order], selection.indices)]
    guess = given.proba[place].argmax(axis=1)
    classes = given.proba.shape[1]
    targets = np.eye(classes)[guess if right else (guess + 1) % classes]
    kept = ~np.isin(given.candidates, selection.indices)
    return Pool(
        given.features,
        given.candidates[kept],
        np.concatenate([given.labelled, selection.indices]),
        np.concatenate([given.targets, targets]),
        given.proba[kept],
    )


def test_a_bandits_state_goes_in_and_out_as_json():
    given = pool(40)
    first = select("bandit", given)
    assert first.info["strategy"] in first.info["state"]["arms"]
    state = json.loads(json.dumps(first.info["state"]))
    following = answered(given, first, right=False)
    second = select("bandit", following, state=state)
    again = select("bandit", following, state=first.info["state"])
    assert np.array_equal(second.indices, again.indices)
    drawn = state["drawn"]
    assert second.info["state"]["weights"][drawn] == max(second.info["state"]["weights"])


def test_surprising_answers_are_worth_more_to_a_bandit():
    given = pool(40)
    first = select("bandit", given)
    weights = [
        select("bandit", answered(given, first, right), state=first.info["state"]).info["state"][
            "weights"
        ][first.info["state"]["drawn"]]
        for right in (False, True)
    ]
    assert weights[0] > weights[1]


def test_a_new_class_leaves_a_bandit_without_a_reward():
    first = select("bandit", pool(labelled=10, classes=3))
    more = pool(labelled=30, classes=4)
    rows = [int(row) for row in more.labelled[-12:]]
    again = select("bandit", more, state={**first.info["state"], "rows": rows})
    assert again.info["state"]["weights"] == first.info["state"]["weights"]
    assert len(again.indices) == 12


def test_a_bandit_comes_to_prefer_the_arm_that_pays():
    given, state = pool(40), None
    drawn = []
    for turn in range(60):
        selection = select(
            "bandit",
            given,
            3,
            seed=turn,
            state=state,
            reward=None if state is None else float(state["arms"][state["drawn"]] == "margin"),
        )
        state = selection.info["state"]
        drawn.append(selection.info["strategy"])
    assert drawn[30:].count("margin") > 18  # 7.5 of 30 expected by chance


def test_a_bandit_refuses_another_bandits_state():
    state = select("bandit", pool(40)).info["state"]
    with pytest.raises(StrategyError, match=r"not random, margin\. Keep the arms"):
        select("bandit", pool(40), state=state, arms=("random", "margin"))
    with pytest.raises(StrategyError, match="0 arms"):
        select("bandit", pool(40), arms=())
    with pytest.raises(StrategyError, match="The state has nothing: expected arms"):
        select("bandit", pool(40), state={})


@pytest.mark.parametrize("reward", [float("nan"), -0.1, 2])
def test_a_bandit_refuses_rewards_out_of_range(reward):
    state = select("bandit", pool(40)).info["state"]
    with pytest.raises(StrategyError, match=f"The reward is {reward}: expected a number from 0"):
        select("bandit", pool(40), state=state, reward=reward)
