"""Heads on the same features and splits: ours beside what a user would pick instead.

`python benchmarks/heads.py DATA --cache DIR [--budgets 50,200,1000,0] [--dense]` prints one JSON
object. DATA is `fashion-mnist`, or a CSV file `image,labels` beside its photos (`--group-by
COLUMN`: splits never cut a group; several labels separated by |). 0 is all labels. `plain` is a
logistic regression, its penalty chosen like ours, on the deepest block's average-pooled features;
`gain` is ours minus plain in points, with the 95 % interval of the corrected resampled t-test
(Nadeau and Bengio 2003) over the splits. With `--joined block4_pool,block5_pool` there is also a
linear head on the regions of several layers, projected like ours.
"""

import argparse
import csv
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import NearestCentroid

from al_fashion.data import fashion_mnist
from al_fashion.data.images import decode
from al_fashion.loop.step import RoundData, predictions_of, projected, train
from al_fashion.models.backbones import BackboneSettings, feature_layers
from al_fashion.models.cache import FeatureCache
from al_fashion.models.dense_head import DenseHead
from al_fashion.models.features import compute_features
from al_fashion.models.heads import Head, LinearHead
from al_fashion.models.planned import plan_backbone
from al_fashion.stats.metrics import calibration_error

SPLITS = 5
FEWEST_POSITIVES = 20
FASHION_MNIST_PHOTOS = 6000
MOST_FOR_A_PROCESS = 1000


def main() -> None:
    given = _arguments()
    features, pooled, joined, targets, groups, exclusive = _data(given)
    splits = _splits(groups)
    scores: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, list[float]] = {}
    for budget in map(int, given.budgets.split(",")):
        for number, (inside, outside) in enumerate(splits):
            order = np.random.default_rng([budget, number]).permutation(inside)
            labelled = np.sort(order[: budget or len(order)])
            data = _round_data(features, targets, groups, exclusive, labelled, inside, outside)
            runs = _heads(features, pooled, joined, given.dense, exclusive, len(labelled))
            for name, run in runs.items():
                started = time.perf_counter()
                proba, predicted = run(data)
                seconds.setdefault(f"{name} {budget or 'all'}", []).append(
                    time.perf_counter() - started
                )
                row = scores.setdefault(str(budget or "all"), {})
                row.setdefault(name, []).append(_score(predicted, data.truth, exclusive))
                if name in ("ours", "plain"):
                    error = 100 * calibration_error(proba, data.truth, exclusive=exclusive)
                    row.setdefault(f"{name} calibration error", []).append(error)
            print(budget, number, {k: round(v[-1], 1) for k, v in row.items()}, file=sys.stderr)
    print(json.dumps(_report(given, features, scores, seconds, splits, exclusive)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--group-by", default="")
    parser.add_argument("--classes", type=int, default=10, help="the most frequent ones")
    parser.add_argument("--leave-out", nargs="*", default=[], help="what is no class")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--decoding", choices=["full", "draft"], default="full")
    parser.add_argument("--joined", default="", help="layers of a head on joined blocks")
    parser.add_argument("--budgets", default="50,200,500,1000,0")
    parser.add_argument("--dense", action="store_true", help="also the study's dense head (slow)")
    return parser.parse_args()


def _data(
    given: argparse.Namespace,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray, bool]:
    """(features, average-pooled ones, joined blocks, targets (n, C), groups, whether exclusive)."""
    if given.data == "fashion-mnist":
        rows = np.random.default_rng(0).permutation(60_000)[:FASHION_MNIST_PHOTOS]
        paths = [f"{fashion_mnist.PREFIX}train/{row}" for row in rows]
        contents = {path: fashion_mnist.pixels(path).tobytes() for path in paths}
        names = [[fashion_mnist.label(path)] for path in paths]
        groups = paths
    else:
        root = Path(given.data).parent
        with Path(given.data).open() as file:
            lines = list(csv.DictReader(file))
        paths = [str(root / line["image"]) for line in lines]
        contents = {path: Path(path).read_bytes() for path in paths}
        names = [line["labels"].split("|") for line in lines]
        groups = [line[given.group_by] if given.group_by else line["image"] for line in lines]
    exclusive = all(len(each) == 1 for each in names)
    counts = Counter(name for each in names for name in each if name not in given.leave_out)
    chosen = [name for name, _ in counts.most_common(given.classes if exclusive else None)]
    chosen = [name for name in chosen if counts[name] >= FEWEST_POSITIVES]
    targets = np.array([[name in each for name in chosen] for each in names], dtype=float)
    ids = [hashlib.sha256(contents[path]).hexdigest() for path in paths]
    first = {image_id: row for row, image_id in reversed(list(enumerate(ids)))}
    kept = [row for row in sorted(first.values()) if targets[row].any() or not exclusive]
    path_of = {ids[row]: paths[row] for row in kept}
    used = [ids[row] for row in kept]
    features = _features(given, (), path_of, contents, used)
    deepest = _features(given, feature_layers(given.size)[-1:], path_of, contents, used)
    # The first of the five regions is the whole map, under a root.
    pooled = deepest[:, : deepest.shape[1] // 5] ** 2
    layers = tuple(given.joined.split(",")) if given.joined else ()
    joined = _features(given, layers, path_of, contents, used) if layers else None
    return features, pooled, joined, targets[kept], np.array(groups)[kept], exclusive


def _features(
    given: argparse.Namespace,
    layers: tuple[str, ...],
    path_of: dict[str, str],
    contents: dict[str, bytes],
    ids: list[str],
) -> np.ndarray:
    settings = BackboneSettings(size=given.size, layers=layers, decoding=given.decoding)
    backbone = plan_backbone(settings, None, verify=True)
    cache = FeatureCache(given.cache / backbone.key)
    compute_features(
        list(path_of),
        lambda image_id: np.asarray(
            decode(contents[path_of[image_id]], path_of[image_id], settings.least)[0]
        ),
        cache,
        backbone.build,
        size=given.size,
    )
    table = cache.open()
    return np.asarray(table.features[table.rows(ids)])


def _splits(groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(GroupKFold(SPLITS, shuffle=True, random_state=0).split(groups, groups=groups))


def _round_data(features, targets, groups, exclusive, labelled, inside, outside) -> RoundData:
    data = RoundData(
        features=features,
        labelled=labelled,
        targets=targets[labelled],
        candidates=np.setdiff1d(inside, labelled),
        heldout=outside,
        truth=targets[outside] > 0,
        groups=list(groups[outside]),
        labels=[str(place) for place in range(targets.shape[1])],
        exclusive=exclusive,
        metric="accuracy",
        row_groups=groups.astype(object),
    )
    return projected(data, seed=0)


Run = Callable[[RoundData], tuple[np.ndarray, np.ndarray]]


def _heads(
    features: np.ndarray,
    pooled: np.ndarray,
    joined: np.ndarray | None,
    dense: bool,
    exclusive: bool,
    labelled: int,
) -> dict[str, Run]:
    heads: dict[str, Run] = {
        "ours": _ours,
        "plain": partial(_plain, pooled),
        "linear": partial(_head, LinearHead(exclusive)),
        "hidden layer": partial(_head, DenseHead(exclusive)),
        "no projection": partial(_no_projection, features),
    }
    if joined is not None:
        heads["joined blocks"] = partial(_joined, joined)
    if not exclusive:
        heads["plain, thresholds chosen"] = partial(_plain_thresholds, pooled)
    if exclusive:
        heads["nearest mean"] = _nearest_mean
        if labelled <= MOST_FOR_A_PROCESS:
            heads["gaussian process"] = _gaussian_process
        if dense:
            heads["dense with dropout"] = _dense
    return heads


def _ours(data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """As a round trains: projection, choice by groups, unlabelled photos after few answers."""
    found = predictions_of(train(data), data.features[data.heldout])
    return found.proba, found.labels


def _head(head: Head, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """One kind of head whatever the budget, without unlabelled photos."""
    rows = data.labelled
    head.fit(data.features[rows], data.targets, groups=data.row_groups[rows])
    return head.predictions(data.features[data.heldout])


def _no_projection(features: np.ndarray, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """As a round trains, on all dimensions of the features and without unlabelled photos."""
    return _ours(replace(data, features=features, candidates=data.candidates[:0], projection=None))


def _plain(pooled: np.ndarray, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """On average-pooled maps; of several labels, those of at least one half."""
    proba, predicted = _plain_thresholds(pooled, data)
    return proba, predicted if data.exclusive else proba >= 0.5


def _plain_thresholds(pooled: np.ndarray, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    head, rows = LinearHead(data.exclusive), data.labelled
    head.fit(pooled[rows], data.targets, groups=data.row_groups[rows])
    return head.predict_proba(pooled[data.heldout]), head.predict(pooled[data.heldout])


def _joined(features: np.ndarray, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    whole = replace(data, features=features, projection=None)
    return _head(LinearHead(data.exclusive), projected(whole, seed=0))


def _nearest_mean(data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    return _one_of(NearestCentroid(), data)


def _gaussian_process(data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """One against the rest, Laplace's approximation, its width the features' own."""
    width = np.sqrt((data.features[data.labelled] ** 2).sum(axis=1).mean())
    return _one_of(GaussianProcessClassifier(1.0 * RBF(width), optimizer=None), data)


def _one_of(classifier, data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    classifier.fit(data.features[data.labelled], data.targets.argmax(axis=1))
    chosen = np.eye(data.targets.shape[1])[classifier.predict(data.features[data.heldout])]
    return chosen, chosen > 0


def _dense(data: RoundData) -> tuple[np.ndarray, np.ndarray]:
    """The study's head: 256 units, dropout of a half, RMSprop 2e-4, 20 epochs twice."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(data.targets.shape[1], activation="softmax"),
    ]
    network = keras.Sequential(layers)
    network.compile(keras.optimizers.RMSprop(2e-4), "categorical_crossentropy")
    features = data.features / np.sqrt((data.features**2).mean())
    network.fit(features[data.labelled], data.targets, epochs=40, batch_size=32, verbose=0)
    proba = np.asarray(network(features[data.heldout]))
    return proba, np.eye(proba.shape[1])[proba.argmax(axis=1)] > 0


def _score(predicted: np.ndarray, truth: np.ndarray, exclusive: bool) -> float:
    """Accuracy, or macro F1, in percent."""
    if exclusive:
        return float(100 * (predicted & truth).any(axis=1).mean())
    hits, both = (predicted & truth).sum(axis=0), predicted.sum(axis=0) + truth.sum(axis=0)
    return float(100 * np.mean(2 * hits / np.maximum(both, 1)))


def _report(given, features, scores, seconds, splits, exclusive) -> dict[str, object]:
    share = float(np.mean([len(outside) / len(inside) for inside, outside in splits]))
    return {
        "data": Path(given.data).parent.name or given.data,
        "size": given.size,
        "decoding": given.decoding,
        "photos": len(features),
        "score": "accuracy" if exclusive else "macro F1",
        "splits": SPLITS,
        "means": {
            budget: {name: round(float(np.mean(each)), 2) for name, each in row.items()}
            for budget, row in scores.items()
        },
        "gain": {
            budget: _paired(np.subtract(row["ours"], row["plain"]), share)
            for budget, row in scores.items()
        },
        "seconds": {name: round(float(np.median(each)), 2) for name, each in seconds.items()},
    }


def _paired(gains: np.ndarray, share: float) -> dict[str, float]:
    """Mean and interval in points; `share` is test photos per training photo."""
    spread = gains.std(ddof=1) * np.sqrt(1 / len(gains) + share)
    reach = stats.t.ppf(0.975, len(gains) - 1) * spread
    mean = gains.mean()
    return {
        "mean": round(float(mean), 2),
        "low": round(float(mean - reach), 2),
        "high": round(float(mean + reach), 2),
    }


if __name__ == "__main__":
    main()
