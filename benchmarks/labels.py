"""Labels needed, strategy by strategy: learning curves with an oracle, paired by seed.

Pools are Fashion-MNIST (10,000 photos) and, with `--clothing DIR`, real clothing photos (a folder
with labels.csv: image, labels, sender_id; the ten most frequent classes, tested on other senders).
Every seed draws a pool and test photos, the same for all strategies; each strategy begins cold as
it would in use, or all with `--seed-set NAME`. The head and the rounds are the loop's own.

Runs are appended to a file as they end, and those found there are not run again:

    python benchmarks/labels.py --clothing DIR [--quick] [--seeds 10-19] [--strategies a,b]

prints one JSON object: `cases` with each strategy's area under the learning curve (`aulc`, the mean
accuracy over the budgets, and its standard deviation over seeds), `share_of_random` (labels that it
needs for random's accuracy at the end, over random's), and Holm's adjusted p-values of paired
t-tests: `p_random` (is random's area the same?) and `p_default` (is the default's the same?).
"""

import argparse
import csv
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel
from sklearn.decomposition import PCA
from sqlalchemy import select as rows_of

import strategies
from al_fashion.config import Config
from al_fashion.data import fashion_mnist
from al_fashion.data.importing import import_photos
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.loop.step import RoundData, select, train
from al_fashion.store.database import reading
from al_fashion.store.schema import Image
from al_fashion.workspace import Workspace, create_workspace

DEFAULT = "auto"
BATCH = 50
CLASSES = 10
DIMENSIONS = 512
POOL = 10_000
FASHION_MNIST = 14_500
CLOTHING_PIXELS = 96
NO_CLASS = {"Not sure", "Other", "Skip"}
QUICK = ("random", "margin", "tcm", "uherding", DEFAULT)
PEERS = ("TypiClust", "Badge", "DropQuery", "Falcun", "CoreSet", "Margin", "MaxHerding")


@dataclass(frozen=True)
class Photos:
    """features (n, d) float32, labels (n,) class numbers, groups (n,) that a split keeps whole."""

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def main() -> None:
    given = _arguments()
    given.cache.mkdir(parents=True, exist_ok=True)
    names = given.strategies or (QUICK if given.quick else _everything())
    seeds = range(2) if given.quick else given.seeds
    top = 300 if given.quick else given.top
    results = given.results or given.cache / "labels.jsonl"
    sets = ["fashion_mnist", *(["clothing"] if given.clothing else [])]
    kept = [name for name in sets if not given.data or name in given.data]
    curves: dict[str, dict[str, dict[int, list[float]]]] = {}
    for data in kept:
        photos = _photos(data, given)
        curves[data] = defaultdict(dict)
        for seed in seeds:
            for name in names:
                curve = _run_once(results, photos, data, name, seed, top, given.seed_set)
                curves[data][name][seed] = curve
    print(json.dumps({"seeds": list(seeds), "cases": _cases(curves)}))


def _arguments() -> argparse.Namespace:
    def listed(text: str) -> list[str]:
        return [part for part in text.split(",") if part]

    def seeds(text: str) -> range:
        first, _, last = text.partition("-")
        return range(int(first), int(last or first) + 1)

    cache = Path.home() / ".cache" / "al-fashion" / "labels"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clothing", type=Path, metavar="DIR", help="a folder with labels.csv")
    parser.add_argument("--data", type=listed, default=[], help="fashion_mnist, clothing")
    parser.add_argument("--strategies", type=listed, default=[], metavar="A,B")
    parser.add_argument("--seeds", type=seeds, default=range(10, 20), metavar="FIRST-LAST")
    parser.add_argument("--top", type=int, default=1000, help="labels at the end")
    parser.add_argument("--seed-set", help="the strategy that gives all of them their first batch")
    parser.add_argument("--weights", type=Path, help="VGG16's weights")
    parser.add_argument("--cache", type=Path, default=cache, metavar="DIR")
    parser.add_argument("--results", type=Path, metavar="FILE", help="where runs are appended")
    parser.add_argument(
        "--quick", action="store_true", help="five strategies, two seeds, 300 labels"
    )
    return parser.parse_args()


def _everything() -> list[str]:
    ours = [name for name in strategies.names() if _runs(name)]
    return [*ours, *(f"skactiveml:{name}" for name in PEERS)]


def _runs(name: str) -> bool:
    """Whether a strategy selects a whole batch of a single-label pool by itself."""
    known = strategies.entry(name)
    small = known.most is not None and known.most < BATCH
    return not (known.multilabel_only or known.reasks or small)


def _photos(data: str, given: argparse.Namespace) -> Photos:
    """A data set's features, computed once and kept in the cache."""
    path = given.cache / f"{data}.npz"
    if not path.exists():
        made = _fashion_mnist(given) if data == "fashion_mnist" else _clothing(given)
        np.savez(path, **vars(made))
    with np.load(path) as kept:
        return Photos(kept["features"], kept["labels"], kept["groups"])


def _fashion_mnist(given: argparse.Namespace) -> Photos:
    classes = list(fashion_mnist.CLASSES)
    workspace = _workspace(given.cache / "fashion_mnist", classes)
    import_photos(workspace, "fashion-mnist", limit=FASHION_MNIST, progress=True)
    labels = {
        hashlib.sha256(fashion_mnist.pixels(path).tobytes()).hexdigest(): fashion_mnist.label(path)
        for path in fashion_mnist.paths()
    }
    return _computed(workspace, labels, given)


def _clothing(given: argparse.Namespace) -> Photos:
    """The ten most frequent classes of labels.csv; exact copies count once."""
    with (given.clothing / "labels.csv").open(encoding="utf-8") as file:
        listed = [row for row in csv.DictReader(file) if row["labels"] not in NO_CLASS]
    kept = [name for name, _ in Counter(row["labels"] for row in listed).most_common(CLASSES)]
    folder = given.cache / "clothing"
    workspace = _workspace(folder, kept, CLOTHING_PIXELS)
    manifest, labels = folder / "manifest.csv", {}
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "sender_id"])
        for row in listed:
            path = (given.clothing / row["image"]).absolute()
            if row["labels"] in kept and path.exists():
                writer.writerow([path, row["sender_id"]])
                labels[hashlib.sha256(path.read_bytes()).hexdigest()] = row["labels"]
    import_photos(workspace, str(manifest), group_by="sender_id", progress=True)
    return _computed(workspace, labels, given)


def _workspace(folder: Path, classes: Sequence[str], pixels: int = 0) -> Workspace:
    if not (folder / "al_fashion.toml").exists():
        config = Config(input_size=pixels)
        create_workspace(folder, classes, exclusive=True, seed=0, config=config)
    return Workspace.open(folder)


def _computed(workspace: Workspace, labels: dict[str, str], given: argparse.Namespace) -> Photos:
    with reading(workspace.engine) as session:
        found = session.execute(rows_of(Image.id, Image.group)).all()
    groups = {image_id: group for image_id, group in found if image_id in labels}
    ids = sorted(groups)
    table, _ = features_of(workspace, ids, FeatureOptions(given.weights, progress=True))
    classes = sorted(set(labels.values()))
    return Photos(
        np.asarray(table.features[table.rows(ids)], dtype=np.float32),
        np.array([classes.index(labels[image_id]) for image_id in ids]),
        np.array([groups[image_id] for image_id in ids]),
    )


def _split(photos: Photos, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(pool, test) rows: a quarter of the photos for the test, by whole groups; at most POOL."""
    rng = np.random.default_rng([seed, 0])
    groups = rng.permutation(np.unique(photos.groups))
    counts = Counter(photos.groups.tolist())
    wanted, taken, test = len(photos.labels) // 4, 0, set()
    for group in groups.tolist():
        if taken + counts[group] <= wanted:
            test.add(group)
            taken += counts[group]
    tested = np.isin(photos.groups, list(test))
    pool = rng.permutation(np.flatnonzero(~tested))[:POOL]
    return np.sort(pool), np.flatnonzero(tested)


def _round_data(photos: Photos, seed: int) -> tuple[RoundData, np.ndarray]:
    """The pool of a seed, nothing labelled yet, and the test rows.

    Features are principal components of the pool, which the test photos have no say in.
    """
    pool, test = _split(photos, seed)
    features = photos.features
    if features.shape[1] > DIMENSIONS:
        reduced = PCA(DIMENSIONS, svd_solver="randomized", random_state=seed)
        features = reduced.fit(features[pool]).transform(features).astype(np.float32)
    nothing = np.empty(0, dtype=np.int64)
    data = RoundData(
        features=features,
        labelled=nothing,
        targets=np.empty((0, CLASSES)),
        candidates=pool,
        heldout=nothing,
        truth=np.empty((0, CLASSES), dtype=bool),
        groups=[],
        labels=[str(number) for number in range(CLASSES)],
        exclusive=True,
        metric="accuracy",
    )
    return data, test


def learning_curve(
    photos: Photos, name: str, seed: int, top: int, seed_set: str | None
) -> list[float]:
    """Accuracy on the test photos after every batch, up to `top` labels."""
    data, test = _round_data(photos, seed)
    truth = np.eye(CLASSES)[photos.labels]
    rng = np.random.default_rng([seed, 1])
    learner, curve = None, []
    while len(data.labelled) < top:
        asks = seed_set if learner is None and seed_set else name
        asked = select(learner, data, asks, BATCH, rng).indices
        data = data.with_labelled(asked, truth[asked])
        learner = train(data)
        assert learner is not None
        likeliest = learner.predict_proba(data.features[test]).argmax(axis=1)
        curve.append(float((likeliest == photos.labels[test]).mean()))
    return curve


def _run_once(
    results: Path, photos: Photos, data: str, name: str, seed: int, top: int, seed_set: str | None
) -> list[float]:
    """The curve from the results file, else run and appended there."""
    key = {"data": data, "strategy": name, "seed": seed, "seed_set": seed_set}
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            run = json.loads(line)
            if all(run[part] == key[part] for part in key) and len(run["curve"]) * BATCH >= top:
                return list(run["curve"][: top // BATCH])
    curve = learning_curve(photos, name, seed, top, seed_set)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**key, "curve": curve}) + "\n")
    print(f"{data} {name} seed {seed}: {curve[-1]:.3f}", file=sys.stderr)
    return curve


def _cases(curves: dict[str, dict[str, dict[int, list[float]]]]) -> list[dict[str, Any]]:
    cases = []
    for data, found in curves.items():
        areas = {
            name: np.array([np.mean(curve) for curve in runs.values()])
            for name, runs in found.items()
        }
        means = {name: np.mean(list(runs.values()), axis=0) for name, runs in found.items()}
        against = {other: _adjusted(areas, other) for other in ("random", DEFAULT)}
        for name in sorted(areas, key=lambda name: -float(areas[name].mean())):
            case: dict[str, Any] = {
                "data": data,
                "strategy": name,
                "aulc": round(float(areas[name].mean()), 4),
                "aulc_sd": round(float(areas[name].std(ddof=1)), 4),
                "final": round(float(means[name][-1]), 4),
            }
            if "random" in means:
                case["share_of_random"] = _share(means[name], means["random"])
            for other, label in (("random", "p_random"), (DEFAULT, "p_default")):
                if name in against[other]:
                    case[label] = against[other][name]
            cases.append(case)
    return cases


def _share(curve: np.ndarray, random: np.ndarray) -> float | None:
    """Labels for random's last accuracy, between batches by line, over random's; None if never."""
    reached = np.flatnonzero(curve >= random[-1])
    if not len(reached):
        return None
    at = int(reached[0])
    budgets = np.arange(1, len(curve) + 1) * BATCH
    needed = float(budgets[0])
    if at:
        part = (random[-1] - curve[at - 1]) / (curve[at] - curve[at - 1])
        needed = float(budgets[at - 1] + part * BATCH)
    return round(needed / float(budgets[-1]), 3)


def _adjusted(areas: dict[str, np.ndarray], other: str) -> dict[str, float]:
    """Holm's adjusted two-sided p-values of paired t-tests of all against `other`."""
    if other not in areas or len(areas[other]) < 2:
        return {}
    found = {
        name: float(ttest_rel(area, areas[other]).pvalue)
        for name, area in areas.items()
        if name != other and not np.array_equal(area, areas[other])
    }
    adjusted, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(found.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, p * (len(found) - rank)))
        adjusted[name] = round(highest, 5)
    return adjusted


if __name__ == "__main__":
    main()
