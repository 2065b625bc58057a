"""Multi-label strategies: the right direction where peers have it wrong, and their formulas."""

import numpy as np
import pytest
from scipy.stats import rankdata

import strategies
from strategies import Pool, StrategyError, base
from strategies.label_counts import _distinct, _ranks, entropy_distances
from strategies.ridge import Ridge

BINARY = ["mean_binary_margin", "min_binary_margin", "max_binary_margin", "binary_entropy"]
COUNTING = ["lci", "audi", "adaptive"]


def label_pool(proba, *, targets=None, multilabel=True, seed=0):
    proba = np.asarray(proba, dtype=np.float64)
    known = np.zeros((0, proba.shape[1])) if targets is None else np.asarray(targets, float)
    n = len(proba) + len(known)
    features = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    candidates, labelled = np.arange(len(proba)), np.arange(len(proba), n)
    return Pool(features, candidates, labelled, known, proba, multilabel)


def ranked(name, pool, k, seed=0):
    return strategies.get(name)(pool, k, rng=np.random.default_rng(seed)).indices.tolist()


@pytest.mark.parametrize("name", [*BINARY, "binmin", "mmc", "cvirs"])
def test_one_half_is_ambiguous_and_neither_nought_nor_one(name):
    """modAL's min_confidence asks for .01 here, its avg_confidence, max_score and avg_score .98."""
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        proba = np.array([[0.5, 0.49, 0.51], [0.98, 0.98, 0.97], [0.01, 0.02, 0.01]])[order]
        assert ranked(name, label_pool(proba), 1) == [order.index(0)]


@pytest.mark.parametrize("seed", range(5))
def test_breaking_ties_at_random_keeps_the_direction(seed):
    """modAL's SVM_binary_minimum(random_tie_break=True) gives the farthest photo."""
    proba = np.array([[0.9, 0.9], [0.5, 0.9], [0.5, 0.9], [0.99, 0.99]])
    for name in ("min_binary_margin", "binmin"):
        assert ranked(name, label_pool(proba), 1, seed)[0] in (1, 2)
        assert ranked(name, label_pool(proba), 4, seed)[3] == 3


def test_mean_min_and_max_combine_differently():
    proba = [[0.5, 0.99, 0.99], [0.7, 0.7, 0.7], [0.6, 0.65, 0.95]]
    assert ranked("min_binary_margin", label_pool(proba), 1) == [0]
    assert ranked("max_binary_margin", label_pool(proba), 1) == [1]
    assert ranked("mean_binary_margin", label_pool(proba), 1) == [1]
    assert ranked("min_binary_margin", label_pool(proba), 3) == [0, 2, 1]


@pytest.mark.parametrize("name", [*BINARY[:3], "binmin"])
def test_exclusive_classes_have_one_question(name):
    proba = np.random.default_rng(0).dirichlet(np.ones(5), size=60)
    pool = label_pool(proba, multilabel=False)
    assert ranked(name, pool, 12) == ranked("margin", pool, 12)


def test_mmc_with_exclusive_classes_is_least_confidence():
    proba = np.random.default_rng(0).dirichlet(np.ones(5), size=60)
    pool = label_pool(proba, multilabel=False)
    assert ranked("mmc", pool, 12) == np.argsort(proba.max(axis=1))[:12].tolist()


def test_binmin_gives_every_label_its_turn():
    proba = np.full((40, 4), 0.02)
    proba[:20, 0] = np.linspace(0.4, 0.5, 20)  # the frequent label has the most ambiguous photos
    for label in (1, 2, 3):
        proba[20 + label, label] = 0.3
    assert {21, 22, 23} <= set(ranked("binmin", label_pool(proba), 8))
    assert not {21, 22, 23} & set(ranked("min_binary_margin", label_pool(proba), 8))


@pytest.mark.parametrize("name", COUNTING)
def test_numbers_of_labels_mean_nothing_with_exclusive_classes(name):
    proba = np.full((20, 4), 0.25)
    with pytest.raises(StrategyError, match=f"{name} compares numbers of labels.* Use margin"):
        ranked(name, label_pool(proba, multilabel=False), 3)


def test_lci_asks_about_unusual_numbers_of_labels():
    proba = np.full((30, 5), 0.1)
    proba[:, :2] = 0.9
    proba[4, :] = 0.9
    proba[9, :] = 0.1
    targets = np.tile([1, 1, 0, 0, 0], (8, 1))
    assert ranked("lci", label_pool(proba, targets=targets), 2) == [4, 9]


def test_audi_prefers_the_nearer_threshold_among_equals():
    proba = np.full((30, 5), 0.1)
    proba[:, :2] = 0.9
    proba[7:10, 2] = [0.7, 0.55, 0.9]
    pool = label_pool(proba, targets=np.tile([1, 1, 0, 0, 0], (8, 1)))
    assert ranked("audi", pool, 3) == [8, 7, 9]


def test_adaptive_weighs_by_the_errors_to_expect():
    rng = np.random.default_rng(2)
    targets = (rng.random((60, 4)) > 0.6).astype(float)
    pool = label_pool(rng.beta(0.5, 0.5, size=(200, 4)), targets=targets)
    selection = strategies.get("adaptive")(pool, 10, rng=np.random.default_rng(0))
    assert 0.0 <= selection.info["beta"] <= 1.0


def test_adaptive_keeps_photos_that_reach_no_threshold():
    """Without a predicted label the gap to one is infinite in libact: such a photo never counts."""
    proba = np.array([[0.49, 0.48, 0.47]] + [[0.98, 0.02, 0.01]] * 20)
    targets = np.tile([1, 0, 0], (10, 1))
    assert ranked("adaptive", label_pool(proba, targets=targets), 1) == [0]


def test_mmc_expects_as_many_labels_as_similar_photos_have():
    """Two photos with the same probabilities; those like the first have two labels, not one."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(82, 4)).astype(np.float32) * 0.1
    two = np.r_[True, False, np.arange(80) < 40]
    features[two, 0] += 3
    targets = np.zeros((80, 3))
    targets[:, 0] = 1
    targets[two[2:], 1] = 1
    proba = np.array([[0.95, 0.2, 0.02], [0.95, 0.2, 0.02]])
    pool = Pool(features, np.arange(2), np.arange(2, 82), targets, proba, True)
    selection = strategies.get("mmc")(pool, 2, rng=rng)
    assert selection.indices.tolist() == [0, 1]
    assert selection.scores == pytest.approx([0.05 + 0.8 + 0.02, 0.05 + 0.2 + 0.02])


def test_cvirs_distance_of_label_sets():
    """By hand: sets {0} and {0, 1} of 4 labels share 1, differ in 1 and lack 2."""
    sets = np.array([[1, 0, 0, 0]], dtype=bool)
    others = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0]], dtype=bool)

    def h(*shares):
        return -sum(p * np.log(p) for p in shares)

    joint = h(0.25, 0.25, 0.5)
    partly = (2 * joint - h(0.25, 0.75) - h(0.5, 0.5)) / joint
    swapped = (2 * h(0.25, 0.25, 0.5) - 2 * h(0.25, 0.75)) / h(0.25, 0.25, 0.5)
    assert entropy_distances(sets, others)[0] == pytest.approx([partly, 0.0, 1.0, swapped])


def test_cvirs_needs_no_targets_where_nothing_is_labelled():
    pool = label_pool(np.random.default_rng(0).random((20, 4)), targets=np.zeros((0, 0)))
    assert len(ranked("cvirs", pool, 5)) == 5


@pytest.mark.parametrize("name", [*BINARY, *COUNTING, "mmc"])
def test_looking_at_few_photos_at_once_changes_nothing(name, monkeypatch):
    rng = np.random.default_rng(4)
    targets = (rng.random((30, 4)) > 0.6).astype(float)
    pool = label_pool(rng.beta(0.5, 0.5, size=(200, 4)), targets=targets)
    whole = ranked(name, pool, 20)
    monkeypatch.setattr(base, "PIECE_VALUES", 24)
    assert ranked(name, pool, 20) == whole


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "position 190"), (-0.5, "from -0.5"), (1.5, "to 1.5")]
)
@pytest.mark.parametrize("multilabel", [False, True])
def test_a_wrong_probability_is_found_in_every_piece(value, message, multilabel, monkeypatch):
    monkeypatch.setattr(base, "PIECE_VALUES", 24)
    proba = np.full((200, 4), 0.25)
    proba[190, 1] = value
    with pytest.raises(StrategyError, match=message):
        ranked("margin", label_pool(proba, multilabel=multilabel), 5)


def test_a_sum_that_is_not_one_is_found_in_every_piece(monkeypatch):
    monkeypatch.setattr(base, "PIECE_VALUES", 24)
    proba = np.full((200, 4), 0.25)
    proba[190] = 0.2
    with pytest.raises(StrategyError, match="do not sum to 1"):
        ranked("margin", label_pool(proba, multilabel=False), 5)


def test_cvirs_ranks_are_shared_by_equal_doubts():
    doubts = np.random.default_rng(0).integers(20, size=200) / 20.0
    assert _ranks(doubts).tolist() == rankdata(doubts).tolist()


@pytest.mark.parametrize("labels", [1, 5, 31, 32, 70])
def test_cvirs_tells_sets_of_labels_apart_however_many_labels(labels):
    kinds = np.random.default_rng(labels).random((6, labels)) < 0.3
    kinds[-1] = kinds[0]
    kinds[-1, -1] ^= True  # another set by the last label alone
    sets = kinds[np.random.default_rng(0).integers(6, size=50)]
    found, place, photos = _distinct(sets)
    assert found[place].tolist() == sets.tolist()
    assert len(found) == len(np.unique(sets, axis=0))
    assert photos.tolist() == np.bincount(place).tolist()


def test_cvirs_asks_about_unknown_sets_of_equal_doubt():
    proba = np.full((20, 4), 0.9)
    proba[:, 2:] = 0.1
    proba[5] = [0.9, 0.1, 0.9, 0.1]
    targets = np.tile([1, 1, 0, 0], (10, 1))
    assert ranked("cvirs", label_pool(proba, targets=targets), 1) == [5]


def test_ridge_leaves_each_row_out_exactly():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(25, 40)), rng.normal(size=(25, 2))
    model = Ridge(features, targets)
    _, s, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    errors = []
    for penalty in 10.0 ** np.arange(-3, 3) * (s**2).mean():
        left_out = np.empty_like(targets)
        for row in range(25):
            rest = np.delete(np.arange(25), row)
            X, Y = features[rest], targets[rest]
            centred = X - X.mean(axis=0)
            weights = np.linalg.solve(
                centred.T @ centred + penalty * np.eye(40), centred.T @ (Y - Y.mean(axis=0))
            )
            left_out[row] = Y.mean(axis=0) + (features[row] - X.mean(axis=0)) @ weights
        errors.append((((left_out - targets) ** 2).sum(), left_out))
    assert model.left_out == pytest.approx(min(errors, key=lambda e: e[0])[1], abs=1e-8)
