"""Fast strategies select what their plain definitions select."""

import dataclasses

import numpy as np
import pytest
from test_strategies_contract import make_pool, select, with_proba

from strategies import StrategyError, coverage, density, greedy, neighbours, sequential
from strategies.coverage import ball, cover, gaussian, pure_radius
from strategies.dropout import linear_head
from strategies.gradients import Gradients
from strategies.greedy import distance_sampling
from strategies.hybrid import _linked
from strategies.neighbours import nearest_neighbours
from strategies.points import Points, embed
from strategies.typical import typical
from strategies.uncertainty import least_confidence_scores, margin_scores


def squared(a, b):
    return ((a[:, None].astype(np.float64) - b[None]) ** 2).sum(axis=2)


def gradient_embeddings(pool):
    """BADGE's embeddings in full (m, C d), which the strategy never writes out."""
    likeliest = np.eye(pool.proba.shape[1])[pool.proba.argmax(axis=1)]
    if pool.multilabel:
        likeliest = pool.proba > 0.5
    features = pool.features[pool.candidates].astype(np.float64)
    return ((pool.proba - likeliest)[:, :, None] * features[:, None]).reshape(len(features), -1)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_badge_draws_as_from_the_whole_embeddings(multilabel, seed, monkeypatch):
    monkeypatch.setattr(greedy, "REFRESH", 8)
    pool = make_pool(n=600, dimensions=16, seed=seed, multilabel=multilabel)
    g = gradient_embeddings(pool)
    gradients = Gradients(
        Points(pool.features, pool.candidates, centred=False), pool.proba, multilabel
    )
    chosen = distance_sampling(gradients, gradients.squares.copy(), 80, np.random.default_rng(seed))
    rng, nearest, picked = np.random.default_rng(seed), (g**2).sum(axis=1), []
    for step in range(80):
        keys = nearest.copy()
        if step:
            keys /= rng.standard_exponential(len(g), dtype=np.float32) + np.float32(1e-12)
        keys[picked] = -1
        picked.append(int(keys.argmax()))
        nearest = np.minimum(nearest, ((g - g[picked[-1]]) ** 2).sum(axis=1))
    assert chosen.tolist() == picked
    assert set(select("badge", pool, 80, seed=seed).indices) == set(pool.candidates[picked])


def test_badge_draws_in_proportion_to_squared_distances():
    """Like scikit-activeml's, whose embeddings small-text's lack (they leave out the answer)."""
    pool = make_pool(n=32, labelled=20)
    g = gradient_embeddings(pool)
    first = (g**2).sum(axis=1).argmax()
    weights = np.minimum((g**2).sum(axis=1), ((g - g[first]) ** 2).sum(axis=1))
    drawn = np.zeros(len(g))
    for seed in range(1500):
        rows = select("badge", pool, 2, seed=seed).indices
        drawn += np.isin(pool.candidates, rows)
    drawn[first] = 0
    expected = 1500 * weights / weights.sum()
    assert np.abs(drawn - expected).max() < 4.5 * np.sqrt(expected.max())


def naive_cover(points, labelled, weights, kernel, k):
    K = kernel(squared(points, points))
    covered = np.zeros(len(points))
    if len(labelled):
        covered = kernel(squared(points, labelled)).max(axis=1)
    picked = []
    for _ in range(k):
        gains = (weights * np.maximum(K - covered, 0)).sum(axis=1)
        gains[picked] = -1
        picked.append(int(gains.argmax()))
        covered = np.maximum(covered, K[picked[-1]])
    return picked


@pytest.mark.parametrize("kernel", [gaussian(0.6), ball(0.35)], ids=["maxherding", "probcover"])
@pytest.mark.parametrize("labelled", [0, 30])
def test_coverage_is_the_plain_greedy(kernel, labelled):
    pool = make_pool(n=403, dimensions=4, labelled=labelled)
    points = embed(pool.features, np.arange(403), np.random.default_rng(0))
    candidates, known = points[pool.candidates], points[pool.labelled]
    weights = np.random.default_rng(1).random(len(candidates)).astype(np.float32)
    found = cover(
        pool, candidates, known, weights, np.arange(len(candidates)), kernel, 15,
        np.random.default_rng(0),
    )  # fmt: skip
    picked = naive_cover(candidates, known, weights, kernel, 15)
    assert found.indices.tolist() == pool.candidates[picked].tolist()


def test_uherding_is_maxherding_weighted_by_uncertainty():
    pool = make_pool(n=300, dimensions=4, labelled=20)
    rows = np.concatenate([pool.candidates, pool.labelled])
    points = embed(pool.features, rows, np.random.default_rng(0))
    weights = margin_scores(pool.proba)
    kernel = gaussian(coverage.SIGMA)
    picked = naive_cover(points[:280], points[280:], weights, kernel, 12)
    assert select("uherding", pool, 12).indices.tolist() == pool.candidates[picked].tolist()


def test_pure_radius_holds_one_cluster():
    rng = np.random.default_rng(0)
    points = np.repeat([[0.0, 0.0], [10.0, 0.0]], 100, axis=0) + rng.uniform(-1, 1, (200, 2))
    assert 6 < pure_radius(points.astype(np.float32), 2, rng) < 10


class Committee:
    """What modAL's ranked batch reads of a learner."""

    def __init__(self, X_training, proba):
        self.X_training, self._proba, self.on_transformed = X_training, proba, False

    def predict_proba(self, _):
        return self._proba


@pytest.mark.parametrize("labelled", [40, 150])
def test_ranked_batch_is_modals(labelled):
    batch = pytest.importorskip("modAL.batch")
    pool = make_pool(n=300, labelled=labelled)
    X = pool.features.astype(np.float64)
    learner = Committee(X[pool.labelled], pool.proba)
    theirs = batch.ranked_batch(
        learner, X[pool.candidates], least_confidence_scores(pool.proba), 25, "euclidean", 1
    )
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    ours = select("ranked_batch", pool, 25, uncertainty="least_confidence", scale=1.0)
    assert ours.indices.tolist() == pool.candidates[np.asarray(theirs).ravel()].tolist()


def test_information_density_is_the_mean_over_all_pairs():
    pool = make_pool(n=200)
    X = pool.features[pool.candidates].astype(np.float64)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = ((1 + unit @ unit.T) / 2).mean(axis=1)
    assert density.mean_similarity(pool.features, pool.candidates) == pytest.approx(expected, 1e-5)


def test_graph_density_is_the_mean_edge():
    pool = make_pool(n=150, labelled=0, cold=True)
    points = embed(pool.features, pool.candidates, np.random.default_rng(0)).astype(np.float64)
    distances = squared(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :10]
    edges = np.zeros(distances.shape, bool)
    np.put_along_axis(edges, nearest, True, axis=1)
    width = 2 * np.take_along_axis(distances, nearest, axis=1).mean()
    edges |= edges.T
    weights = np.where(edges, np.exp(-distances / width), 0)
    expected = weights.sum(axis=1) / edges.sum(axis=1)
    selection = select("graph_density", pool, 1)
    assert selection.indices[0] == pool.candidates[expected.argmax()]
    assert selection.scores[0] == pytest.approx(expected.max(), rel=1e-4)


@pytest.mark.parametrize("n", [300, 9000])
def test_nearest_neighbours(n):
    """Exact in small pools; in large ones nearly all neighbours in clustered data are found."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, 8)) * 3
    points = (centres[rng.integers(30, size=n)] + rng.normal(size=(n, 8))).astype(np.float32)
    found, distances = nearest_neighbours(points, 5, rng)
    some = rng.choice(n, 200, replace=False)
    exact = squared(points[some], points)
    exact[np.arange(200), some] = np.inf
    expected = np.argsort(exact, axis=1)[:, :5]
    hits = [len(set(a) & set(b)) for a, b in zip(found[some], expected, strict=True)]
    assert np.mean(hits) == 5 if n <= neighbours.EXACT else np.mean(hits) > 4.75
    assert distances[some[0]] == pytest.approx(exact[0, found[some[0]]], rel=1e-3)


@pytest.mark.parametrize("copies", [1, 10, 40, 600])
def test_nearest_neighbours_among_copies(copies):
    """Exact too where many photos are equally far away."""
    rng = np.random.default_rng(0)
    different = rng.normal(size=(600 // copies, 4)).astype(np.float32)
    points = np.repeat(different, copies, axis=0)
    _, distances = nearest_neighbours(points, 3, rng)
    exact = squared(points, points)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(np.sort(distances), np.sort(exact)[:, :3], atol=1e-5)


def test_typiclust_takes_the_densest_of_the_least_labelled_cluster():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(240, 4)).astype(np.float32)
    cluster = np.repeat([0, 1, 2, 3], [100, 80, 56, 4])
    chosen = typical(points, cluster, np.array([0, 0, 1]), 4, 20, rng)
    assert cluster[chosen].tolist() == [2, 1, 0, 3]
    for position, size in zip(chosen[:3], [20, 20, 20], strict=True):
        inside = points[cluster == cluster[position]]
        distances = np.sort(np.sqrt(squared(inside, inside)), axis=1)[:, 1 : size + 1].mean(axis=1)
        assert points[position].tolist() == inside[distances.argmin()].tolist()


@pytest.mark.parametrize("chunk", [7, 1000], ids=["pieces", "whole"])
def test_falcun_is_its_plain_definition(chunk, monkeypatch):
    monkeypatch.setattr(sequential, "CHUNK", chunk)
    pool = make_pool(n=200)
    u = margin_scores(pool.proba).astype(np.float32)
    rng, d, picked = np.random.default_rng(0), u.copy(), []
    for step in range(20):
        if step:
            d = np.minimum(d, np.abs(pool.proba - pool.proba[picked[-1]]).sum(axis=1))
            d = (d - d.min()) / (d.max() - d.min())
        race = rng.standard_exponential(len(u), dtype=np.float32)
        keys = (u + d) ** 10.0 / race
        keys[picked] = -1
        picked.append(int(keys.argmax()))
    assert set(select("falcun", pool, 20).indices) == set(pool.candidates[picked])


def test_cluster_margin_takes_the_most_uncertain_of_every_cluster():
    pool = make_pool(n=200, labelled=0)
    scores = margin_scores(pool.proba)
    kept = np.argsort(-scores)[:80]
    points = embed(pool.features, pool.candidates[kept], np.random.default_rng(0))
    cluster = _linked(points, 8, np.random.default_rng(0))
    expected = [kept[cluster == c][scores[kept[cluster == c]].argmax()] for c in set(cluster)]
    assert set(select("cluster_margin", pool, 8).indices) == set(pool.candidates[expected])


@pytest.mark.parametrize("multilabel", [False, True])
def test_dropquery_recovers_a_linear_head(multilabel):
    pool = make_pool(n=500, multilabel=multilabel)
    W = np.random.default_rng(0).normal(size=(8, 4))
    logits = pool.features[pool.candidates] @ W + 0.3
    proba = 1 / (1 + np.exp(-logits))
    if not multilabel:
        proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        W -= W.mean(axis=1, keepdims=True)
    weights, _ = linear_head(with_proba(pool, proba), proba, np.random.default_rng(0))
    assert weights == pytest.approx(W, abs=1e-3)


def test_dropquery_without_members_asks_where_dropout_changes_the_answer():
    pool = make_pool(n=2000, dimensions=32, labelled=0)
    logits = pool.features[pool.candidates] @ np.random.default_rng(0).normal(size=(32, 4))
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    pool = dataclasses.replace(pool, proba=proba, members=None)
    selection = select("dropquery", pool, 20)
    taken = np.isin(pool.candidates, selection.indices)
    assert 20 < selection.info["changed"] < 1500
    assert margin_scores(proba)[taken].mean() > 1.3 * margin_scores(proba).mean()


def test_dropquery_takes_all_changed_photos_where_just_as_many_are_asked_for():
    pool = make_pool(n=60, labelled=10)
    changed = select("dropquery", pool, 20).info["changed"]
    for k in (changed - 1, changed, changed + 1):
        assert len(set(select("dropquery", pool, k).indices)) == k


def test_hierarchical_leaves_settled_clusters_alone():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (200, 3)), rng.normal(9, 1, (200, 3))])
    labelled = np.concatenate([np.arange(30), np.arange(200, 230)])
    pool = make_pool(features=features.astype(np.float32), labelled=0, cold=True)
    classes = np.concatenate([np.zeros(30, int), rng.integers(4, size=30)])
    pool = dataclasses.replace(
        pool,
        candidates=np.setdiff1d(np.arange(400), labelled),
        labelled=labelled,
        targets=np.eye(4)[classes],
    )
    for multilabel in (False, True):
        kind = dataclasses.replace(pool, multilabel=multilabel)
        taken = np.concatenate(
            [select("hierarchical", kind, 20, seed).indices for seed in range(5)]
        )
        assert (taken >= 200).mean() > 0.7


def test_stratified_takes_every_cluster_its_share():
    rng = np.random.default_rng(0)
    features = np.repeat(np.eye(5) * 40, [200, 100, 50, 30, 20], axis=0) + rng.normal(size=(400, 5))
    pool = make_pool(features=features.astype(np.float32), labelled=0, cold=True)
    kind = np.repeat(np.arange(5), [200, 100, 50, 30, 20])
    taken = np.bincount(kind[select("stratified", pool, 40, strata=5).indices], minlength=5)
    assert np.abs(taken - [20, 10, 5, 3, 2]).max() <= 1


def test_power_draws_in_proportion():
    pool = make_pool(n=32, labelled=20)
    weights = margin_scores(pool.proba)
    drawn = [select("power", pool, 1, seed=seed).indices[0] for seed in range(3000)]
    counts = np.array([drawn.count(row) for row in pool.candidates])
    expected = 3000 * weights / weights.sum()
    assert np.abs(counts - expected).max() < 4.5 * np.sqrt(expected.max())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("stratified", {"strata": 0}, "0 strata"),
        ("power", {"beta": -1.0}, "beta is -1.0"),
        ("power", {"beta": np.inf}, "beta is inf"),
        ("power", {"uncertainty": "guess"}, "'guess': expected one of"),
        ("maxherding", {"sigma": 0.0}, "sigma is 0.0"),
        ("uherding", {"sigma": -1.0}, "sigma is -1.0"),
        ("probcover", {"radius": 0.0}, "Radius 0.0"),
        ("typiclust", {"clusters": 0}, "0 clusters"),
        ("clue", {"temperature": 0.0}, "Temperature 0.0"),
        ("cluster_margin", {"beta": 0.5}, "beta is 0.5"),
        ("diverse_minibatch", {"beta": np.nan}, "beta is nan"),
        ("represent_cluster_centers", {"within": 0.0}, "Gap 0.0"),
        ("informative_diverse", {"clusters": 0}, "0 clusters"),
        ("ranked_batch", {"scale": 0.0}, "Scale 0.0"),
        ("falcun", {"gamma": -1.0}, "gamma is -1.0"),
        ("falcun", {"gamma": 1e38}, "from 0 to 1,000,000"),
        ("dropquery", {"rate": 1.0}, "Rate 1.0"),
        ("information_density", {"beta": np.nan}, "beta is nan"),
        ("graph_density", {"neighbours": 0}, "0 neighbours"),
        ("hierarchical", {"beta": 0.5}, "beta is 0.5"),
    ],
)
def test_parameters_out_of_range(name, given, message):
    with pytest.raises(StrategyError, match=message):
        select(name, make_pool(), 5, **given)
