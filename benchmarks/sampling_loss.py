"""What strategies lose where they look at a part of the pool: each beside itself with no limit.

Prints one JSON object: `cases`, each with `strategy`, the `limit` lifted, `n` photos and `share`,
what the batch of 100 reaches of what the batch without the limit does by the strategy's own
criterion over the whole pool (1: nothing lost), and where that says something `random`, what 100
photos drawn from the same choice reach. For adaptive, share is that of the errors counted, for
dropquery the share of photos whose prediction its recovered head gives as the model does, for the
harmonic labels of usdm the correlation with those of the whole graph. Photos are the first 12,000
rows of FEATURES (n, d) with CLASSES (n,), .npy files, or made up like those of `selection.py`.

    python benchmarks/sampling_loss.py [--features FILE --classes FILE] [--labelled 100,300,1000]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from approximations import fitted_pool, learning_curve, made_up
from sklearn.linear_model import LogisticRegression

import strategies
from strategies import (
    Pool,
    committee,
    coverage,
    design,
    dropout,
    hierarchical,
    hybrid,
    label_counts,
    usdm,
)
from strategies.clusters import assign, centroids
from strategies.points import embed, squared_distances
from strategies.uncertainty import margin_scores

BATCH, CLASSES, MEMBERS = 100, 10, 10
Case = dict[str, Any]


@contextmanager
def lifted(module: ModuleType, **limits: Any) -> Iterator[None]:
    before = {name: getattr(module, name) for name in limits}
    vars(module).update(limits)
    try:
        yield
    finally:
        vars(module).update(before)


def selected(name: str, pool: Pool, k: int = BATCH, **given: Any) -> np.ndarray:
    """Positions in the candidates of the batch; candidates are in rising order."""
    chosen = strategies.get(name)(pool, k, rng=np.random.default_rng(0), **given)
    return np.searchsorted(pool.candidates, chosen.indices)


def shares(ours: float, whole: float, random: float | None = None) -> Case:
    found = {"share": round(ours / whole, 4)}
    return found if random is None else {**found, "random": round(random / whole, 4)}


def transductive(pool: Pool) -> Case:
    """Variance settled over all photos, of that by the same greedy that counts all."""
    assert pool.proba is not None
    ours = selected("transductive", pool)
    with lifted(design, REFERENCES=len(pool.candidates)):
        whole = selected("transductive", pool)
    weights = margin_scores(pool.proba)
    choice = np.argsort(-weights)[: design.CANDIDATES]
    some = np.random.default_rng(0).choice(choice, BATCH, replace=False)
    return shares(*(settled(pool, weights, rows) for rows in (ours, whole, some)))


def settled(pool: Pool, weights: np.ndarray, rows: np.ndarray) -> float:
    """The transductive criterion of a batch, over all candidates."""
    points = embed(pool.features, np.r_[pool.candidates, pool.labelled], np.random.default_rng(0))
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    n = len(weights)
    process = design._Process(
        points[rows],
        points[:n],
        points[n:],
        design.WIDTH * design._median(points[:1000]),
        design.NOISE / float(weights.mean()),
    )
    noise = design.NOISE / np.maximum(weights[rows], 1e-6)
    return float(process.pick(len(rows), weights, noise)[1].sum())


def uherding(pool: Pool, candidates: int) -> Case:
    """Uncertain photos covered, of what the greedy over all candidates covers."""
    assert pool.proba is not None
    weights, n = margin_scores(pool.proba), len(pool.candidates)
    ours = selected("uherding", pool, candidates=candidates)
    with lifted(coverage, REFERENCES=n):
        whole = selected("uherding", pool, candidates=n)
    points = embed(pool.features, np.r_[pool.candidates, pool.labelled], np.random.default_rng(0))
    known = np.arange(n, len(points))
    start = covered_by(points, weights, known)
    some = np.random.default_rng(0).choice(np.argsort(-weights)[:1200], BATCH, replace=False)
    return shares(
        *(covered_by(points, weights, np.r_[known, rows]) - start for rows in (ours, whole, some))
    )


def covered_by(points: np.ndarray, weights: np.ndarray, chosen: np.ndarray) -> float:
    kernel = coverage.gaussian(coverage.SIGMA)
    total = 0.0
    for at in range(0, len(weights), 1000):
        block = points[at : min(at + 1000, len(weights))]
        reach = kernel(squared_distances(block, points[chosen])).max(axis=1)
        total += float(weights[at : at + 1000] @ reach)
    return total


def probcover(features: np.ndarray) -> Case:
    """Photos within the radius of a batch, of those the plain greedy has there."""
    n = len(features)
    pool = Pool(features, np.arange(n), np.zeros(0, np.int64), np.zeros((0, 2)), None)
    points = embed(features, pool.candidates, np.random.default_rng(0))
    radius = coverage.pure_radius(points, CLASSES, np.random.default_rng(0))
    ours = selected("probcover", pool, radius=radius)
    with lifted(coverage, REFERENCES=n, CANDIDATES=n):
        whole = selected("probcover", pool, radius=radius)

    def within(rows: np.ndarray) -> float:
        blocks = (points[at : at + 1000] for at in range(0, n, 1000))
        near = (squared_distances(block, points[rows]).min(axis=1) for block in blocks)
        return float(sum((distance <= radius**2).sum() for distance in near))

    some = np.random.default_rng(0).choice(n, BATCH, replace=False)
    return shares(within(ours), within(whole), within(some))


def kmeans(features: np.ndarray) -> Case:
    """Squared distances to centroids fitted to all photos, of those to ours (1: as near)."""
    points = embed(features, np.arange(len(features)), np.random.default_rng(0))
    ours = centroids(points, BATCH, np.random.default_rng(0))
    from strategies import clusters

    with lifted(clusters, SAMPLE=len(points)):
        whole = centroids(points, BATCH, np.random.default_rng(0))
    near, nearest = (float(assign(points, centres)[1].sum()) for centres in (ours, whole))
    return shares(nearest, near)


def cluster_margin(pool: Pool, k: int = 1000) -> Case:
    """Clusters of the exact tree of 10 k photos with a photo in the batch; margins, as `margin`."""
    assert pool.proba is not None
    ours = selected("cluster_margin", pool, k)
    with lifted(hybrid, LINKED=10 * k):
        whole = selected("cluster_margin", pool, k)
        kept, scores = hybrid._prefiltered(pool, k, 10, "margin", np.random.default_rng(0))
        points = embed(pool.features, pool.candidates[kept], np.random.default_rng(0))
        cluster = hybrid._linked(points, k, np.random.default_rng(0))
    assert scores is not None
    place = np.full(len(pool.candidates), -1)
    place[kept] = np.arange(len(kept))
    some = np.random.default_rng(0).choice(kept, k, replace=False)
    met = [float(len(np.unique(cluster[place[rows]]))) for rows in (ours, whole, some)]
    margins = margin_scores(pool.proba)
    return {**shares(*met), "margin": shares(margins[ours].mean(), margins[whole].mean())["share"]}


def tree(features: np.ndarray, classes: np.ndarray, seeds: int = 5) -> Case:
    """Mean accuracy over 100 to 300 labels of hierarchical, of that with a leaf for every photo."""
    small = 8.0 * embed(features, np.arange(len(features)), np.random.default_rng(0))
    data = (small[:4000], classes[:4000], small[4000:8000], classes[4000:8000])

    def accuracy() -> float:
        curves = [learning_curve(data, seed, strategy="hierarchical") for seed in range(seeds)]
        return float(np.mean(curves))

    ours = accuracy()
    with lifted(hierarchical, LEAVES=4000):
        whole = accuracy()
    return {"accuracy": round(ours, 4), "accuracy_of_all": round(whole, 4), **shares(ours, whole)}


def multilabel(pool: Pool, classes: np.ndarray) -> Pool:
    """Six labels, each of some classes, of which photos have none to four."""
    of_label = [(0, 2, 4, 6, 8), (0, 3, 6, 9), (1, 4, 7), (0, 1, 2), (7, 8, 9), (2, 5)]
    sets = np.array([np.isin(range(CLASSES), some) for some in of_label], dtype=float).T
    assert pool.proba is not None
    proba = np.clip(pool.proba @ sets, 0.0, 1.0)
    return replace(pool, targets=sets[classes[pool.labelled]], proba=proba, multilabel=True)


def adaptive(pool: Pool) -> Case:
    """Least error of a batch, all photos counted, of that of the batch chosen on 2,000."""
    assert pool.proba is not None
    ours = strategies.get("adaptive")(pool, BATCH, rng=np.random.default_rng(0)).info["beta"]
    plain, counted = label_counts._errors, {}

    def errors(*given: Any) -> dict[float, float]:
        counted.update(plain(*given))
        return counted

    with lifted(label_counts, ERROR_SAMPLE=len(pool.candidates), _errors=errors):
        strategies.get("adaptive")(pool, BATCH, rng=np.random.default_rng(0))
    return shares(min(counted.values()), counted[ours])


def batchbald(pool: Pool, features: np.ndarray, classes: np.ndarray) -> Case:
    """Joint information of ten photos, of that found among all candidates."""
    rng, found = np.random.default_rng(0), []
    for _ in range(MEMBERS):
        rows = rng.choice(pool.labelled, len(pool.labelled))
        model = LogisticRegression(max_iter=200).fit(features[rows], classes[rows])
        proba = np.zeros((len(pool.candidates), CLASSES))
        proba[:, model.classes_] = model.predict_proba(features[pool.candidates])
        found.append(proba)
    pool = replace(pool, members=np.stack(found))

    def information() -> float:
        chosen = strategies.get("batchbald")(pool, 10, rng=np.random.default_rng(0))
        return float(chosen.scores.sum())

    ours = information()
    with lifted(committee, BATCHBALD_CANDIDATES=len(pool.candidates)):
        return shares(ours, information())


def recovered_head(pool: Pool, features: np.ndarray) -> Case:
    """With 512 components of the features alone to strategies, as the loop gives them."""
    assert pool.proba is not None
    rows = np.arange(len(features))
    pool = replace(pool, features=embed(features, rows, np.random.default_rng(0), 512))
    weights, bias = dropout.linear_head(pool, pool.proba, np.random.default_rng(0))
    answers = (pool.features[pool.candidates] @ weights + bias).argmax(axis=1)
    return {"share": round(float((answers == pool.proba.argmax(axis=1)).mean()), 4)}


def harmonic(pool: Pool) -> Case:
    """Entropies of labels spread over a graph of a third of the photos, and over all."""
    with lifted(usdm, GRAPH_PHOTOS=len(pool.features) // 3):
        few, ours = usdm._uncertainty(pool, BATCH, "harmonic", np.random.default_rng(0)) or ()
    with lifted(usdm, GRAPH_PHOTOS=2 * len(pool.features)):
        _, whole = usdm._uncertainty(pool, BATCH, "harmonic", np.random.default_rng(0)) or ()
    return {"share": round(float(np.corrcoef(ours, whole[few])[0, 1]), 4)}


def report(strategy: str, limit: str, n: int, found: Case) -> Case:
    case = {"strategy": strategy, "limit": limit, "n": n, **found}
    print(case, file=sys.stderr)
    return case


def with_labels(features: np.ndarray, classes: np.ndarray, labelled: int) -> list[Case]:
    rows = np.random.default_rng(0).choice(len(features), labelled, replace=False)
    pool, n = fitted_pool(features, classes, np.sort(rows)), len(features)
    said = {"labelled": labelled}
    return [
        report("transductive", "1,500 references", n, {**transductive(pool), **said}),
        report("uherding", "1,200 candidates", n, {**uherding(pool, 1200), **said}),
        report("cluster_margin", "4,000 linked", n, {**cluster_margin(pool), **said}),
        report("adaptive", "2,000 counted", n, {**adaptive(multilabel(pool, classes)), **said}),
        report("batchbald", "1,000 candidates", n, {**batchbald(pool, features, classes), **said}),
        report("dropquery", "recovered head", n, {**recovered_head(pool, features), **said}),
        report("usdm", "harmonic labels of a third", n, {**harmonic(pool), **said}),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--labelled", default="100,300,1000")
    given = parser.parse_args()
    large, classes = made_up(60_000)
    features, n = large, len(large)
    if given.features:
        features, classes = np.load(given.features), np.load(given.classes)
    features, classes = features[:12_000].astype(np.float32), classes[:12_000]
    cases = [
        case
        for size in given.labelled.split(",")
        for case in with_labels(features, classes, int(size))
    ]
    cases.append(report("probcover", "10,000 candidates", len(features), probcover(features)))
    cases.append(report("probcover", "20,000 references", n, probcover(large)))
    cases.append(report("kmeans", "20,000 fitted", n, kmeans(large)))
    if len(features) >= 8000:
        cases.append(report("hierarchical", "1,000 leaves", 4000, tree(features, classes)))
    print(json.dumps({"cases": cases}))


if __name__ == "__main__":
    main()
