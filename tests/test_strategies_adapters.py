"""Our strategies inside modAL's learners, and modAL's and scikit-activeml's inside our registry."""

import sys

import numpy as np
import pytest
from modAL.models import ActiveLearner, Committee
from modAL.uncertainty import margin_sampling
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB

import strategies
from strategies import NotEnoughCandidates, Pool, StrategyError, UnknownStrategy, modal, skactiveml

CLASSES = 3


def data(n=150, labelled=30, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % CLASSES
    X = (rng.normal(size=(n, 4)) + 1.5 * np.eye(CLASSES, 4)[y]).astype(np.float32)
    return X[labelled:], X[:labelled], y[:labelled]


def learner_of(strategy, **kwargs):
    _, X, y = data()
    return ActiveLearner(
        LogisticRegression(), query_strategy=strategy, X_training=X, y_training=y, **kwargs
    )


def quiet_committee(strategy):
    _, X, y = data()
    models = (LogisticRegression(), GaussianNB(), LogisticRegression(C=0.01))
    return Committee(
        [ActiveLearner(model, X_training=X, y_training=y) for model in models],
        query_strategy=strategy,
    )


@pytest.mark.parametrize("name", ["random", "margin", "entropy", "kcenter", "usdm"])
def test_a_modal_learner_queries_by_our_strategy(name):
    X_pool, *_ = data()
    strategy = modal.query_strategy(name, rng=np.random.default_rng(0))
    indices, rows, scores = learner_of(strategy).query(X_pool, n_instances=7, return_metrics=True)
    assert len(set(indices.tolist())) == 7
    assert np.array_equal(rows, X_pool[indices])
    assert np.array_equal(scores, strategy.last.scores)


def test_ours_and_modals_margin_agree_inside_a_learner():
    X_pool, *_ = data()
    ours, _ = learner_of(modal.query_strategy("margin")).query(X_pool, n_instances=9)
    theirs, _ = learner_of(margin_sampling).query(X_pool, n_instances=9)
    assert set(ours) == set(theirs)


def test_the_same_generator_gives_the_same_queries():
    X_pool, *_ = data()
    first, second = (
        learner_of(modal.query_strategy("random", rng=np.random.default_rng(4))).query(
            X_pool, n_instances=5
        )[0]
        for _ in range(2)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["vote_entropy", "bald", "margin"])
def test_a_modal_committee_queries_by_our_strategy(name):
    X_pool, *_ = data()
    committee = quiet_committee(modal.query_strategy(name, rng=np.random.default_rng(0)))
    indices, _ = committee.query(X_pool, n_instances=5)
    assert len(set(indices.tolist())) == 5


def test_a_committees_members_are_its_learners():
    X_pool, *_ = data()
    committee = quiet_committee(modal.query_strategy("bald"))
    pool = modal.pool_of(committee, X_pool)
    assert pool.members.shape == (3, len(X_pool), CLASSES)
    assert np.allclose(pool.members[1], committee.learner_list[1].predict_proba(X_pool))
    assert pool.targets.shape == (30, CLASSES)


def test_an_unfitted_learner_has_a_cold_pool():
    X_pool, *_ = data()
    learner = ActiveLearner(LogisticRegression(), query_strategy=modal.query_strategy("margin"))
    assert len(set(learner.query(X_pool, n_instances=6)[0].tolist())) == 6


def test_columns_of_targets_are_labels():
    X_pool, X, y = data()
    Y = np.eye(CLASSES, dtype=int)[y]
    Y[::2, 0] = 1
    learner = ActiveLearner(
        OneVsRestClassifier(LogisticRegression()),
        query_strategy=modal.query_strategy("lci"),
        X_training=X,
        y_training=Y,
    )
    pool = modal.pool_of(learner, X_pool)
    assert pool.multilabel
    assert np.array_equal(pool.targets, Y)
    assert len(learner.query(X_pool, n_instances=3)[0]) == 3
    single = ActiveLearner(LogisticRegression(), X_training=X, y_training=y)
    assert not modal.pool_of(single, X_pool).multilabel


def test_our_errors_come_through_modals_bare_except():
    X_pool, *_ = data()
    with pytest.raises(NotEnoughCandidates, match="Cannot select 500 photos: 120 candidates"):
        learner_of(modal.query_strategy("usdm")).query(X_pool, n_instances=500)
    with pytest.raises(StrategyError, match=r"Give Pool\.members"):
        learner_of(modal.query_strategy("bald")).query(X_pool)
    with pytest.raises(UnknownStrategy, match="'marign'"):
        modal.query_strategy("marign")


def pool(multilabel=False, cold=False, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(90, 4)).astype(np.float32)
    targets = np.eye(CLASSES)[np.arange(30) % CLASSES]
    proba = rng.dirichlet(np.ones(CLASSES), size=60)
    if multilabel:
        proba = rng.random((60, CLASSES))
    members = np.clip(proba + rng.normal(scale=0.1, size=(4, 60, CLASSES)), 0.01, 1)
    if not multilabel:
        members /= members.sum(axis=2, keepdims=True)
    rows = rng.permutation(90)
    if cold:
        return Pool(features, rows[30:], rows[:30], targets, None, multilabel)
    return Pool(features, rows[30:], rows[:30], targets, proba, multilabel, members)


def select(name, given, k, seed=0):
    return strategies.get(name)(given, k, rng=np.random.default_rng(seed))


PEERS = [*modal.peer_names(), *skactiveml.peer_names()]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("cold", [False, True])
def test_a_peer_keeps_the_contract(name, cold):
    if name.startswith("skactiveml:"):
        pytest.importorskip("skactiveml", reason="scikit-activeml is an extra")
    known = strategies.entry(name)
    given, k = pool(multilabel=known.multilabel_only, cold=cold), min(6, known.most or 6)
    selection, again = select(name, given, k), select(name, given, k)
    assert len(set(selection.indices.tolist())) == k == len(selection.scores)
    assert set(selection.indices.tolist()) <= set(given.candidates.tolist())
    assert (np.diff(selection.scores) <= 0).all()
    assert np.array_equal(selection.indices, again.indices)
    with pytest.raises(NotEnoughCandidates):
        select(name, given, 61)


def test_peers_are_not_ours():
    assert not set(PEERS) & set(strategies.names())
    assert not any(":" in name for name in strategies.names())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("modal:margin_sampling", "margin"),
        ("modal:entropy_sampling", "entropy"),
        ("modal:vote_entropy_sampling", "vote_entropy"),
        ("modal:max_disagreement_sampling", "kl_disagreement"),
        ("skactiveml:Margin", "margin"),
        ("skactiveml:Entropy", "entropy"),
        ("skactiveml:GreedyBALD", "bald"),
    ],
)
def test_same_definition_same_photos(theirs, ours):
    if theirs.startswith("skactiveml:"):
        pytest.importorskip("skactiveml", reason="scikit-activeml is an extra")
    given = pool()
    if "vote" in ours:  # few votes, many ties: the scores are the same, the photos need not be
        scores = select(theirs, given, 20).scores
        assert scores == pytest.approx(select(ours, given, 20).scores * np.log(CLASSES))
    else:
        assert set(select(theirs, given, 20).indices) == set(select(ours, given, 20).indices)


def test_modals_multilabel_functions_ask_for_certain_photos():
    """Why ours are written anew: these three never ask for the photo whose labels are all .5."""
    given = pool(multilabel=True)
    proba = np.full((60, CLASSES), 0.98)
    proba[5], proba[9] = 0.5, 0.01
    given = Pool(**{**vars(given), "proba": proba, "members": None})
    ambiguous = given.candidates[5]
    for name in ("min_confidence", "avg_confidence", "max_score", "avg_score"):
        assert select(f"modal:{name}", given, 1).indices[0] != ambiguous
    assert select("mean_binary_margin", given, 1).indices[0] == ambiguous


def test_unknown_peers_name_the_known_ones():
    with pytest.raises(UnknownStrategy, match="Use one of: modal:SVM_binary_minimum"):
        strategies.get("modal:margin")
    with pytest.raises(UnknownStrategy, match="skactiveml:Badge"):
        strategies.get("skactiveml:badge")


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("modal:margin_sampling", "modAL", "modAL-python"),
        ("skactiveml:Badge", "skactiveml", "scikit-activeml"),
    ],
)
def test_a_missing_library_is_named(name, package, install, monkeypatch):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StrategyError, match=f"not installed. Install {install}|Install it"):
        strategies.get(name)


def test_wrong_pools_are_refused_in_one_line():
    with pytest.raises(StrategyError, match="for multi-label pools"):
        select("modal:max_score", pool(), 1)
    with pytest.raises(StrategyError, match="single-label pools alone"):
        select("skactiveml:Badge", pool(multilabel=True), 1)
    alone = Pool(**{**vars(pool()), "members": None})
    for name in ("modal:vote_entropy_sampling", "skactiveml:BatchBALD"):
        assert strategies.needs_members(name)
        with pytest.raises(StrategyError, match=r"Give Pool\.members"):
            select(name, alone, 2)
