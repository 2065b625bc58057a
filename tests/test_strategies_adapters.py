"""Our strategies inside modAL's learners, and modAL's and scikit-activeml's inside our registry."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from modAL.models import ActiveLearner, Committee
from modAL.uncertainty import margin_sampling
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

import strategies
from al_fashion.loop.learner import Learner
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


@pytest.mark.parametrize("parent", [ActiveLearner, Learner])
def test_a_query_of_two_rows_is_two_rows(parent):
    """modAL takes two bare rows for (indices, metric); ours come with their scores."""
    X_pool, X, y = data()
    strategy = modal.query_strategy("margin", rng=np.random.default_rng(0))
    learner = parent(LogisticRegression(), query_strategy=strategy, X_training=X, y_training=y)
    indices, rows = learner.query(X_pool, n_instances=2)
    assert np.array_equal(indices, strategy.last.indices)
    assert len(set(indices.tolist())) == 2 and rows.shape == (2, X_pool.shape[1])


class Recorder:
    """A schedule that remembers its rows, and what it was handed back."""

    def __init__(self):
        self.handed = []

    def __call__(self, pool, k, *, rng, state=None):
        self.handed.append((pool, state))
        rows = rng.permutation(pool.candidates)[:k]
        info = {"state": {"rows": rows.tolist(), "rounds": 1}}
        return strategies.Selection(rows, np.zeros(k), info)


def recorded(monkeypatch):
    from strategies import registry

    recorder = Recorder()
    monkeypatch.setitem(registry._ADDED, "recorder", registry.Entry(recorder, "A recorder."))
    return recorder, modal.query_strategy("recorder", rng=np.random.default_rng(3))


def test_a_state_names_the_photos_it_named_after_teaching(monkeypatch):
    recorder, strategy = recorded(monkeypatch)
    X_pool, X, y = data()
    X_pool = X_pool.astype(np.float64) / 3  # features that float32 rounds
    learner = Learner(LogisticRegression(), query_strategy=strategy, X_training=X, y_training=y)
    for _ in range(3):
        asked, rows = learner.query(X_pool, n_instances=4)
        learner.teach(rows, np.arange(4) % CLASSES)
        X_pool = np.delete(X_pool, asked, axis=0)
        learner.query(X_pool)
        pool, state = recorder.handed[-1]
        assert set(state["rows"]) <= set(pool.labelled.tolist())
        assert np.allclose(pool.features[state["rows"]], rows)
        assert state["rounds"] == 1


def test_a_photo_that_was_not_taught_keeps_its_place_in_the_state(monkeypatch):
    recorder, strategy = recorded(monkeypatch)
    X_pool, X, y = data()
    learner = Learner(LogisticRegression(), query_strategy=strategy, X_training=X, y_training=y)
    asked, rows = learner.query(X_pool, n_instances=3)
    learner.teach(rows[[2]], np.array([1]))
    X_pool = np.delete(X_pool, asked, axis=0)
    learner.query(X_pool)
    assert recorder.handed[-1][1]["rows"] == [-1, -1, len(X_pool) + len(X)]


def test_of_equal_photos_the_newest_were_asked(monkeypatch):
    recorder, strategy = recorded(monkeypatch)
    X = np.repeat(np.eye(2, 4), 5, axis=0)
    X_pool = np.tile(X[0], (6, 1))
    learner = Learner(
        LogisticRegression(),
        query_strategy=strategy,
        X_training=X,
        y_training=np.repeat([0, 1], 5),
    )
    _, rows = learner.query(X_pool, n_instances=2)
    learner.teach(rows, np.array([0, 1]))
    learner.query(X_pool[2:])
    assert recorder.handed[-1][1]["rows"] == [4 + 10, 4 + 11]


def test_the_bandits_reward_is_of_the_photos_it_asked():
    X_pool, X, y = data()
    strategy = modal.query_strategy(
        "bandit", rng=np.random.default_rng(0), arms=["random", "margin"], explore=0.5
    )
    learner = Learner(LogisticRegression(), query_strategy=strategy, X_training=X, y_training=y)
    asked, rows = learner.query(X_pool, n_instances=5)
    before = strategy.last.info["state"]
    answers = np.arange(5) % CLASSES
    surprise = 1 - learner.predict_proba(rows)[np.arange(5), answers].mean()
    learner.teach(rows, answers)
    learner.query(np.delete(X_pool, asked, axis=0), n_instances=5)
    weights = np.array(before["weights"])
    weights[before["drawn"]] *= np.exp(0.5 * surprise / before["chance"] / 2)
    after = strategy.last.info["state"]["weights"]
    assert after == pytest.approx(weights * 2 / weights.sum(), rel=1e-5)


def test_a_strategy_that_asks_again_is_refused_at_once():
    with pytest.raises(StrategyError, match=r"relabel ranks answered photos.*X_pool alone"):
        modal.query_strategy("relabel")


def forest_of(Y, X, seed=0):
    model = RandomForestClassifier(5, random_state=seed)
    return Learner(model, X_training=X, y_training=Y)


def label_columns(y):
    return np.stack([y == 0, y <= 1, y == 2], axis=1).astype(int)


def test_a_label_never_seen_on_is_improbable_and_one_never_seen_off_certain():
    X_pool, X, y = data()
    Y = label_columns(y)
    Y[:, 1], Y[:, 2] = 0, 1
    learner = forest_of(Y, X)
    pool = modal.pool_of(learner, X_pool)
    assert pool.multilabel
    assert np.array_equal(pool.proba[:, 0], learner.predict_proba(X_pool)[0][:, 1])
    assert (pool.proba[:, 1] == 0).all() and (pool.proba[:, 2] == 1).all()


def test_a_committee_of_multi_label_forests_has_members():
    X_pool, X, y = data()
    learners = [forest_of(label_columns(y), X, seed) for seed in range(3)]
    committee = Committee(learners, query_strategy=modal.query_strategy("bald"))
    pool = modal.pool_of(committee, X_pool)
    assert pool.members.shape == (3, len(X_pool), 3)
    assert np.array_equal(pool.members[1, :, 2], learners[1].predict_proba(X_pool)[2][:, 1])
    assert np.allclose(pool.proba, pool.members.mean(axis=0))
    assert len(set(committee.query(X_pool, n_instances=4)[0].tolist())) == 4


def test_without_predict_proba_features_alone_select():
    X_pool, X, y = data()

    def queried(name):
        strategy = modal.query_strategy(name, rng=np.random.default_rng(0))
        learner = Learner(LinearSVC(), query_strategy=strategy, X_training=X, y_training=y)
        return learner.query(X_pool, n_instances=4)[0]

    given = learner_of(modal.query_strategy("kcenter", rng=np.random.default_rng(0)))
    assert np.array_equal(queried("kcenter"), given.query(X_pool, n_instances=4)[0])
    for name in modal.FEATURES_ALONE:
        assert len(set(queried(name).tolist())) == 4
    with pytest.raises(StrategyError, match="LinearSVC has no predict_proba, and margin reads"):
        queried("margin")


@pytest.mark.parametrize("name", sorted(modal.FEATURES_ALONE))
def test_what_is_of_features_alone_heeds_no_probabilities(name):
    given = pool()
    flipped = Pool(**{**vars(given), "proba": given.proba[::-1].copy(), "members": None})
    cold = Pool(**{**vars(given), "proba": None, "members": None})
    batches = [select(name, one, 8).indices for one in (given, flipped, cold)]
    assert all(np.array_equal(batches[0], batch) for batch in batches)


def test_features_alone_is_what_the_manual_says_reads_nothing_else():
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| *\|", MANUAL, flags=re.MULTILINE)
    assert set(rows) == modal.FEATURES_ALONE


def test_a_committee_of_learners_teaches_and_queries():
    X_pool, X, y = data()
    models = (LogisticRegression(), GaussianNB(), LogisticRegression(C=0.01))
    committee = Committee(
        [Learner(model, X_training=X, y_training=y) for model in models],
        query_strategy=modal.query_strategy("bald", rng=np.random.default_rng(0)),
    )
    asked, rows = committee.query(X_pool, n_instances=5)
    committee.teach(rows, np.arange(5) % CLASSES)
    again, _ = committee.query(np.delete(X_pool, asked, axis=0), n_instances=5)
    assert len(set(again.tolist())) == 5
    assert all(len(one.X_training) == len(X) + 5 for one in committee)


MANUAL = (Path(__file__).parent.parent / "docs" / "strategies.md").read_text(encoding="utf-8")


def test_the_manuals_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", MANUAL, flags=re.DOTALL)
    X_pool, X, y = data()
    given = {
        "estimator": LogisticRegression(),
        "generator": np.random.default_rng(0),
        "X_pool": X_pool,
        "X": X,
        "y": y,
        "ask": lambda rows: np.arange(len(rows)) % CLASSES,
    }
    exec(example, given)
    assert len(given["learner"].X_training) == len(X) + 20
    assert len(given["X_pool"]) == len(X_pool) - 20


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
    with pytest.raises(StrategyError, match="rng is 0: expected"):
        known.function(given, k, rng=0)


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


@pytest.mark.parametrize("name", modal.peer_names())
def test_ties_of_a_modal_strategy_fall_by_the_generator_alone(name):
    known = strategies.entry(name)
    given = pool(multilabel=known.multilabel_only)
    tied = np.full_like(given.proba, 1 / CLASSES)
    given = Pool(**{**vars(given), "proba": tied, "members": np.stack([tied, tied])})
    k = min(6, known.most or 6)
    batches = []
    for seed in range(2):
        np.random.seed(seed)  # NumPy's global generator must not matter
        batches.append(select(name, given, k).indices)
    assert np.array_equal(*batches)


def test_two_photos_of_a_modal_strategy_are_two_photos():
    for name in ("modal:margin_sampling", "modal:uncertainty_batch_sampling", "modal:max_score"):
        given = pool(multilabel=strategies.entry(name).multilabel_only)
        selection = select(name, given, 2)
        assert selection.indices.shape == selection.scores.shape == (2,)
        assert set(selection.indices.tolist()) <= set(given.candidates.tolist())


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
