"""What strategies lose where they do not compute everything, and what USDM's rules choose.

Prints one JSON object: `solver`, USDM's optimum on 500 photos beside SciPy's SLSQP; `prefilter`,
USDM on the most uncertain photos only beside the whole pool; `rules`, accuracy (mean area under
the learning curve) with other values of USDM's r, sigma and neighbours, and of other strategies;
`coverage`, what maxherding covers with a sample of candidates and references, as a share of the
plain greedy's; `typiclust`, how typical its photos are in all features, beside the plain
definition's; `neighbours`, the share of true neighbours that the graph has. Photos are 12,000 rows
of FEATURES (n, d) with CLASSES (n,), .npy files, or made up like those of `selection.py`.

    python benchmarks/approximations.py [--features FILE --classes FILE] [--seeds 10]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint, minimize
from scipy.stats import t
from selection import make_pool
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

import strategies
from strategies import Pool, coverage, usdm
from strategies.clusters import assign
from strategies.neighbours import nearest_neighbours
from strategies.points import embed, squared_distances
from strategies.typical import typical
from strategies.uncertainty import margin_scores

Arrays = tuple[np.ndarray, np.ndarray]


def objective(K: np.ndarray, H: np.ndarray, r: float, x: np.ndarray) -> float:
    return float(0.5 * x @ K @ x - r * H @ x)


def general_solver(K: np.ndarray, H: np.ndarray, r: float, k: int) -> np.ndarray:
    scale = k * (1 + r)
    found: np.ndarray = minimize(
        lambda x: objective(K, H, r, x) / scale,
        np.full(len(H), k / len(H)),
        jac=lambda x: (K @ x - r * H) / scale,
        bounds=[(0, 1)] * len(H),
        constraints=LinearConstraint(np.ones((1, len(H))), k, k),
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-10},
    ).x
    return found


def solver(features: np.ndarray) -> list[dict[str, Any]]:
    rng, cases = np.random.default_rng(0), []
    for r, width in ((0.3, 1.0), (3.0, 1.0), (30.0, 0.25)):
        distances = usdm.pairwise(features[rng.choice(len(features), 500, replace=False)])
        K = usdm.gaussian_kernel(distances, width * usdm.kernel_width(distances)).astype(float)
        H = rng.random(500)
        started = time.perf_counter()
        ours = objective(K, H, r, usdm.solve(K, H, r, 50))
        between = time.perf_counter()
        theirs = objective(K, H, r, general_solver(K, H, r, 50))
        cases.append(
            {
                "r": r,
                "relative_difference": (ours - theirs) / abs(theirs),
                "seconds": round(between - started, 3),
                "slsqp_seconds": round(time.perf_counter() - between, 2),
            }
        )
    return cases


def fitted_pool(features: np.ndarray, classes: np.ndarray, labelled: np.ndarray) -> Pool:
    model = LogisticRegression(max_iter=300).fit(features[labelled], classes[labelled])
    candidates = np.setdiff1d(np.arange(len(features)), labelled)
    targets = np.eye(classes.max() + 1)[classes[labelled]]
    proba = np.zeros((len(candidates), classes.max() + 1))
    proba[:, model.classes_] = model.predict_proba(features[candidates])
    return Pool(features, candidates, labelled, targets, proba)


def prefilter(features: np.ndarray, classes: np.ndarray) -> list[dict[str, Any]]:
    """On 5,000 photos, the most that one programme takes; kernel and r of the whole programme."""
    pool = fitted_pool(features[:5200], classes[:5200], np.arange(200))
    H = margin_scores(pool.proba)
    distances = usdm.pairwise(features[pool.candidates])
    K = usdm.gaussian_kernel(distances, usdm.kernel_width(distances))
    r = usdm.balance(K, H, 100)
    whole = usdm.solve(K, H, r, 100)
    order, cases = np.argsort(-H), []
    for kept in (500, 1000, 2000, 3000):
        some = np.sort(order[:kept])
        x = np.zeros(len(H))
        x[some] = usdm.solve(K[np.ix_(some, some)], H[some], r, 100)
        same = np.intersect1d(np.argsort(-x)[:100], np.argsort(-whole)[:100])
        best = objective(K, H, r, whole)
        loss = (objective(K, H, r, x) - best) / abs(best)
        cases.append({"kept": kept, "objective_loss": loss, "same_photos": len(same) / 100})
    return cases


def learning_curve(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    seed: int,
    strategy: str = "usdm",
    **given: Any,
) -> float:
    """Mean accuracy over 100 to 300 labels, 50 a round, from a typiclust seed set of 50."""
    features, classes, test, truth = data
    rng = np.random.default_rng(seed)
    nobody = np.zeros(0, dtype=np.int64)
    start = Pool(features, np.arange(len(features)), nobody, np.zeros((0, 10)), None)
    labelled = strategies.get("typiclust")(start, 50, rng=rng).indices
    scores = []
    for _ in range(5):
        pool = fitted_pool(features, classes, labelled)
        chosen = strategies.get(strategy)(pool, 50, rng=rng, **given).indices
        labelled = np.concatenate([labelled, chosen])
        model = LogisticRegression(max_iter=300).fit(features[labelled], classes[labelled])
        scores.append(model.score(test, truth))
    return float(np.mean(scores))


def rules(features: np.ndarray, classes: np.ndarray, seeds: int) -> list[dict[str, Any]]:
    small = 8.0 * embed(features, np.arange(len(features)), np.random.default_rng(0))
    data = (small[:4000], classes[:4000], small[4000:8000], classes[4000:8000])
    weight, width = usdm.WEIGHT, usdm.kernel_width

    def scores(**given: Any) -> np.ndarray:
        return np.array([learning_curve(data, seed, **given) for seed in range(seeds)])

    def case(rule: str, value: Any, found: np.ndarray, own: np.ndarray) -> dict[str, Any]:
        """Accuracy, and its difference from that of the rule's own value, with a 95 % range."""
        apart = found - own
        half = t.ppf(0.975, seeds - 1) * apart.std(ddof=1) / np.sqrt(seeds)
        measured = zip(
            ("accuracy", "difference", "half"), (found.mean(), apart.mean(), half), strict=True
        )
        return {"rule": rule, "value": value, **{name: round(float(x), 4) for name, x in measured}}

    own = scores()
    cases = [
        case("other", name, scores(strategy=name), own) for name in ("random", "margin", "uherding")
    ]
    for factor in (0.1, 0.3, 3.0, 10.0):
        usdm.WEIGHT = factor * weight
        cases.append(case("r times", factor, scores(), own))
    usdm.WEIGHT = weight
    for factor in (0.1, 0.3, 3.0, 10.0):
        usdm.kernel_width = scaled(width, factor)
        cases.append(case("sigma times", factor, scores(), own))
    usdm.kernel_width = width
    spread = usdm.harmonic_labels
    own = scores(uncertainty="harmonic")
    for number in (3, 5, 10, 20):
        usdm.harmonic_labels = with_neighbours(spread, number)
        cases.append(case("neighbours", number, scores(uncertainty="harmonic"), own))
    usdm.harmonic_labels = spread
    return cases


def scaled(width: Callable[[np.ndarray], float], factor: float) -> Callable[[np.ndarray], float]:
    return lambda distances: factor * width(distances)


def with_neighbours(spread: Callable[..., np.ndarray], number: int) -> Callable[..., np.ndarray]:
    return lambda *given: spread(*given, neighbours=number)


def covered(points: np.ndarray, chosen: np.ndarray) -> float:
    """Sum over all points of their largest kernel with a chosen one."""
    kernel = coverage.gaussian(coverage.SIGMA)
    blocks = range(0, len(points), 1000)
    return sum(
        float(kernel(squared_distances(points[at : at + 1000], points[chosen])).max(axis=1).sum())
        for at in blocks
    )


def coverage_loss(features: np.ndarray) -> dict[str, Any]:
    nobody = np.zeros(0, dtype=np.int64)
    pool = Pool(features, np.arange(len(features)), nobody, np.zeros((0, 2)), None)
    found = strategies.get("maxherding")(pool, 100, rng=np.random.default_rng(0))
    limits = coverage.CANDIDATES, coverage.REFERENCES
    coverage.CANDIDATES = coverage.REFERENCES = len(features)
    plain = strategies.get("maxherding")(pool, 100, rng=np.random.default_rng(0))
    coverage.CANDIDATES, coverage.REFERENCES = limits
    points = embed(features, pool.candidates, np.random.default_rng(0))
    share = covered(points, found.indices) / covered(points, plain.indices)
    return {"n": len(features), **found.info, "share_of_greedy": share}


def typiclust_loss(features: np.ndarray, clusters: int = 500) -> dict[str, Any]:
    """Mean typicality in all features of 100 photos, in clusters of the plain k-means."""
    nobody = np.zeros(0, dtype=np.int64)
    pool = Pool(features, np.arange(len(features)), nobody, np.zeros((0, 2)), None)
    rng = np.random.default_rng(0)
    found = strategies.get("typiclust")(pool, 100, rng=rng, clusters=clusters).indices
    model = KMeans(clusters, n_init=1, random_state=0).fit(features)
    cluster, _ = assign(features, model.cluster_centers_)
    plain = typical(features, cluster, nobody, 100, 20, rng)
    ours, theirs, random = (
        typicality(features, rows) for rows in (found, plain, rng.choice(len(features), 100))
    )
    return {"n": len(features), "typicality": ours, "plain": theirs, "random": random}


def typicality(features: np.ndarray, rows: np.ndarray) -> float:
    distances = np.sqrt(np.maximum(squared_distances(features[rows], features), 0))
    return float((1 / np.partition(distances, 20, axis=1)[:, 1:21].mean(axis=1)).mean())


def neighbour_recall(features: np.ndarray) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    points = embed(features, np.arange(len(features)), rng)
    found, _ = nearest_neighbours(points, 10, rng)
    some = rng.choice(len(points), 500, replace=False)
    exact = squared_distances(points[some], points)
    exact[np.arange(500), some] = np.inf
    true = np.argpartition(exact, 10, axis=1)[:, :10]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found[some], true, strict=True))
    return {"n": len(features), "recall": hits / 5000}


def made_up(n: int) -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        make_pool(Path(folder), n, np.float32)
        return np.load(Path(folder) / "features.npy"), np.load(Path(folder) / "classes.npy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    large, classes = made_up(60_000)
    features = large
    if given.features:
        features, classes = np.load(given.features), np.load(given.classes)
    features, classes = features[:12_000], classes[:12_000]
    result = {
        "solver": solver(features),
        "prefilter": prefilter(features, classes),
        "coverage": [coverage_loss(features), coverage_loss(large)],
        "typiclust": typiclust_loss(features),
        "neighbours": [neighbour_recall(features), neighbour_recall(large)],
        "rules": rules(features, classes, given.seeds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
