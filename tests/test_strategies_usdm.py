"""USDM against a general solver, brute force and dense formulas."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

import strategies
from strategies import Pool, StrategyError
from strategies.harmonic import harmonic_labels
from strategies.uncertainty import margin_scores, normalised_entropy
from strategies.usdm import (
    gaussian_kernel,
    kernel_width,
    optimality_gap,
    pairwise,
    project_capped_simplex,
    solve,
)


def programme(n, k, *, seed=0, width=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    distances = pairwise(rng.normal(size=(n, 5)))
    K = gaussian_kernel(distances, width * kernel_width(distances)).astype(dtype)
    return K, rng.random(n), k


def objective(K, H, r, x):
    return 0.5 * x @ K @ x - r * H @ x


def general_solution(K, H, r, k):
    n, scale = len(H), k * (1 + r)  # SLSQP wants an objective of about 1
    result = minimize(
        lambda x: objective(K, H, r, x) / scale,
        np.full(n, k / n),
        jac=lambda x: (K @ x - r * H) / scale,
        bounds=[(0, 1)] * n,
        constraints=LinearConstraint(np.ones((1, n)), k, k),
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-10},
    )
    assert result.success, result.message
    return result.x


@pytest.mark.parametrize("r", [0.0, 0.3, 3.0, 100.0])
@pytest.mark.parametrize("width", [0.5, 4.0])
@pytest.mark.parametrize("k", [1, 12])
def test_solve_agrees_with_a_general_solver(r, width, k):
    K, H, k = programme(80, k, width=width)
    x = solve(K, H, r, k)
    reference = objective(K, H, r, general_solution(K, H, r, k))
    assert objective(K, H, r, x) == pytest.approx(reference, rel=1e-4)
    assert x.sum() == pytest.approx(k)
    assert x.min() >= 0
    assert x.max() <= 1


@pytest.mark.parametrize("r", [0.3, 3.0, 100.0])
@pytest.mark.parametrize("width", [0.5, 4.0])
def test_five_hundred_photos_come_within_a_ten_thousandth_of_the_optimum(r, width):
    """By the gap, which is a proof; benchmarks/approximations.py asks a general solver."""
    K, H, k = programme(500, 25, width=width)
    x = solve(K, H, r, k)
    gap = optimality_gap(K @ x - r * H, x, k)
    assert gap <= 1e-4 * abs(objective(K, H, r, x))


def test_no_photo_counts_more_than_once():
    K, H, k = programme(80, 10)
    H[:3] = 50.0  # without the cap these three would take nearly all of the batch
    x = solve(K, H, 10.0, k)
    assert x[:3] == pytest.approx(1.0)
    assert (x > 1e-6).sum() >= k


def test_single_precision_reaches_the_same_objective():
    K, H, k = programme(300, 20, dtype=np.float32)
    K64 = K.astype(np.float64)
    single, double = solve(K, H, 2.0, k), solve(K64, H, 2.0, k, tolerance=1e-9)
    assert objective(K64, H, 2.0, single) == pytest.approx(objective(K64, H, 2.0, double), rel=1e-4)


def test_the_gap_bounds_the_error():
    K, H, k = programme(80, 10)
    best = objective(K, H, 1.0, solve(K, H, 1.0, k, tolerance=1e-10))
    for iterations in (0, 3, 30):
        x = solve(K, H, 1.0, k, max_iterations=iterations)
        gap = optimality_gap(K @ x - H, x, k)
        assert gap >= objective(K, H, 1.0, x) - best - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_projection_is_the_nearest_point(seed):
    rng = np.random.default_rng(seed)
    v = rng.normal(scale=[0.1, 1, 10][seed % 3], size=7).round(seed)  # round 0 and 1 give ties
    for k in (0, 1, 3, 7):
        x = project_capped_simplex(v, k)
        assert x.sum() == pytest.approx(k)
        low, high = v.min() - 1, v.max()
        for _ in range(200):  # the same threshold by bisection
            middle = (low + high) / 2
            low, high = (middle, high) if np.clip(v - middle, 0, 1).sum() > k else (low, middle)
        assert x == pytest.approx(np.clip(v - high, 0, 1), abs=1e-9)
        for _ in range(200):  # and no feasible point is nearer
            other = project_capped_simplex(rng.normal(size=7), k)
            assert ((x - v) ** 2).sum() <= ((other - v) ** 2).sum() + 1e-9


def test_projection_refuses_an_impossible_sum():
    with pytest.raises(StrategyError, match="sum 8 with 7 entries"):
        project_capped_simplex(np.zeros(7), 8)


def test_normalised_entropy():
    proba = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    assert normalised_entropy(proba) == pytest.approx([0, 1, 0.5])
    labels = np.array([[0.5, 0.5], [0.5, 1.0], [0.0, 1.0]])
    assert normalised_entropy(labels, True) == pytest.approx([1, 0.5, 0])


def test_harmonic_labels_agree_with_the_dense_formula():
    from sklearn.neighbors import kneighbors_graph

    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 4)).astype(np.float32)
    features[60:] += 100  # a component of the graph without a labelled photo
    labelled = np.array([3, 17, 40, 55])
    targets = rng.dirichlet(np.ones(3), size=4)
    A = kneighbors_graph(features, 5).toarray()
    W = np.maximum(A, A.T) + 1e-6
    L = np.diag(W.sum(axis=1)) - W
    u = np.setdiff1d(np.arange(90), labelled)
    expected = -np.linalg.solve(L[np.ix_(u, u)], L[np.ix_(u, labelled)] @ targets)
    F = harmonic_labels(features, labelled, targets, np.random.default_rng(0))
    assert F[u] == pytest.approx(expected, abs=1e-6)
    assert F[labelled] == pytest.approx(targets)
    assert F.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-6)


def clustered_pool(n=300, seed=0):
    """Three overlapping clusters, a few labels each, probabilities of a soft nearest centre."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(3, size=n)
    centres = np.array([[0, 0], [4, 0], [0, 4]])
    features = (centres[classes] + rng.normal(size=(n, 2))).astype(np.float32)
    candidates, labelled = np.arange(15, n), np.arange(15)
    weights = np.exp(-((features[candidates, None] - centres) ** 2).sum(axis=2))
    proba = weights / weights.sum(axis=1, keepdims=True)
    return Pool(features, candidates, labelled, np.eye(3)[classes[labelled]], proba)


def run(pool, k, seed=0, **params):
    return strategies.get("usdm")(pool, k, rng=np.random.default_rng(seed), **params)


@pytest.mark.parametrize("uncertainty", ["margin", "entropy", "harmonic"])
@pytest.mark.parametrize("seed", range(3))
def test_uncertain_photos_are_sought_not_avoided(uncertainty, seed):
    pool = clustered_pool(seed=seed)
    H = normalised_entropy(pool.proba)
    if uncertainty == "harmonic":
        rng = np.random.default_rng(0)
        F = harmonic_labels(pool.features, pool.labelled, pool.targets, rng)
        H = normalised_entropy(F[pool.candidates])
    selection = run(pool, 12, uncertainty=uncertainty)
    assert H[selection.indices - 15].mean() > H.mean() + 0.1
    assert not set(selection.indices) & set(pool.labelled)


def test_weight_of_uncertainty_trades_it_against_diversity():
    pool = clustered_pool()
    H = margin_scores(pool.proba)

    def terms(r):
        rows = run(pool, 12, r=r).indices
        similarity = gaussian_kernel(pairwise(pool.features[rows]), 0.1).sum()
        return H[rows - 15].mean(), similarity

    (low, alike_low), (high, alike_high) = terms(0.01), terms(1000.0)
    assert high > low
    assert alike_high > alike_low


def test_prefilter_keeps_the_most_uncertain():
    pool = clustered_pool()
    H = margin_scores(pool.proba)
    selection = run(pool, 12, prefilter=30)
    assert selection.info["kept"] == 30
    assert H[selection.indices - 15].min() >= np.sort(H)[-30]


def test_harmonic_uncertainty_needs_no_model():
    pool = clustered_pool()
    selection = run(Pool(**{**vars(pool), "proba": None}), 12, uncertainty="harmonic")
    assert selection.indices.tolist() == run(pool, 12, uncertainty="harmonic").indices.tolist()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"uncertainty": "guess"},
            "'guess': expected one of least_confidence, margin, entropy, harmonic",
        ),
        ({"sigma": 0.0}, "sigma is 0.0: expected a number above 0"),
        ({"r": float("nan")}, "r is nan"),
        ({"prefilter": 3}, "prefilter of 3"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(StrategyError, match=message):
        run(clustered_pool(), 12, **params)
