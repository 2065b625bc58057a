"""A data set made ready: its photos' features, labels and groups, once, in the user's cache."""

import hashlib
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.comparison.experiment import DataSet
from al_fashion.data.given_labels import unite_labels
from al_fashion.data.images import read_pixels
from al_fashion.data.input_size import fitting_input_size
from al_fashion.data.inspection import inspect_files
from al_fashion.data.manifest import SourcePhoto, examples, read_class_map
from al_fashion.data.near_duplicates import join_near, likenesses, near_pairs
from al_fashion.data.sources import read_source
from al_fashion.data.splits import name_groups
from al_fashion.errors import ComparisonError
from al_fashion.files import user_cache, write_text
from al_fashion.loop.features import FeatureOptions
from al_fashion.models.backbones import BackboneSettings
from al_fashion.models.cache import FeatureCache
from al_fashion.models.features import compute_features
from al_fashion.models.planned import plan_backbone
from strategies.registry import suggestion

_PART_SEED = 0
_SHOWN = 16
_BLOCK = 4096


def prepared(digest: str) -> Path | None:
    """The folder of a content digest, where it is in the cache."""
    folder = _home() / digest
    return folder if (folder / "about.json").exists() else None


def prepare(dataset: DataSet, most: int, options: FeatureOptions, budget: int = 0) -> Path:
    """A data set's arrays in the user's cache, in a folder called after their content.

    At most `most` photos are taken, at random but always the same, before anything is computed of
    them; fewer than `budget` are refused. Exact copies count once; near duplicates share a group.
    Raises ComparisonError, SourceError, WeightsError.
    """
    listed, exclusive, remarks = _with_kept_labels(dataset)
    if budget > len(listed):
        raise ComparisonError(
            f"A budget of {budget} is larger than the data set {dataset.name}, which has "
            f"{len(listed)} photos with labels, those that test among them. Use a smaller budget."
        )
    photos = _part(listed, most)
    by_image, sides, pairs, damaged = _inspected(photos, options.progress)
    said, conflicts = unite_labels(by_image, exclusive, truth=True)
    remarks = [f"{dataset.name}: {remark}" for remark in (*remarks, *damaged, *conflicts)]
    if not exclusive:  # a photo that has none of the labels is a photo like any other
        said = {image_id: said.get(image_id, ()) for image_id in by_image}
    ids = sorted(said)
    classes = sorted({name for names in said.values() for name in names})
    if len(classes) < 2:
        raise ComparisonError(
            f"The data set {dataset.name} has {len(classes)} classes"
            f"{f' ({classes[0]})' if classes else ''}: strategies need 2 or more to be compared."
        )
    named = {
        image_id: {photo.group for photo in by_image[image_id] if photo.group} for image_id in ids
    }
    kept = [pair for pair in pairs if set(pair) <= named.keys()]
    groups = name_groups(join_near(named, {}, kept), {})
    settings = BackboneSettings(
        dataset.backbone, dataset.input_size or fitting_input_size(list(sides.values()))
    )
    backbone = plan_backbone(settings, options.weights, verify=options.verify_weights)
    labels = np.array([[name in said[image_id] for name in classes] for image_id in ids])
    numbers = np.unique([groups[image_id] for image_id in ids], return_inverse=True)[1]
    about: dict[str, object] = {
        "classes": classes,
        "exclusive": exclusive,
        "features": backbone.key,
    }
    content = [json.dumps(about), *ids, labels.tobytes().hex(), *map(str, numbers.tolist())]
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:_SHOWN]
    about["remarks"] = remarks  # after the digest: files that are left out change no content
    if found := prepared(digest):
        write_text(found / "about.json", json.dumps(about))
        return found
    cache = FeatureCache(user_cache() / "features" / backbone.key)
    paths = {image_id: [photo.path for photo in by_image[image_id]] for image_id in ids}
    compute_features(
        ids,
        lambda image_id: read_pixels(image_id, paths[image_id]),
        cache,
        backbone.build,
        size=settings.size,
        progress=options.progress,
    )
    table = cache.open()
    arrays = {"labels": labels, "groups": numbers.astype(np.int64)}
    return _write(_home() / digest, table.features, table.rows(ids), arrays, about)


def _home() -> Path:
    return user_cache() / "comparison"


def _with_kept_labels(dataset: DataSet) -> tuple[list[SourcePhoto], bool, list[str]]:
    """(labelled photos with the labels kept, whether these exclude each other, remarks)."""
    photos, remarks = read_source(
        dataset.source,
        labels_from=dataset.labels_from or None,
        class_map=read_class_map(Path(dataset.class_map)) if dataset.class_map else None,
        group_by=dataset.group_by or None,
        image_column=dataset.image_column,
        label_column=dataset.label_column,
        known=None,
        exclusive=False,
        format_=dataset.format or None,
    )
    labelled = [photo for photo in photos if photo.labels]
    kept = _kept_labels(dataset, labelled)
    cut = [
        replace(photo, labels=tuple(name for name in photo.labels or () if name in kept))
        for photo in labelled
    ]
    several = any(len(photo.labels or ()) > 1 for photo in cut)
    exclusive = not several if dataset.exclusive is None else dataset.exclusive
    if exclusive and several:
        raise ComparisonError(
            f"Photos of the data set {dataset.name} have several labels among those kept. "
            "Leave `exclusive` away."
        )
    found = [photo for photo in cut if photo.labels] if exclusive else cut
    return found, exclusive, remarks


def _kept_labels(dataset: DataSet, photos: Sequence[SourcePhoto]) -> set[str]:
    counts = Counter(name for photo in photos for name in photo.labels or ())
    unknown = sorted((set(dataset.classes) | set(dataset.leave_out)) - counts.keys())
    if unknown:
        raise ComparisonError(
            f"The data set {dataset.name} has no label {unknown[0]!r}. "
            f"{suggestion(unknown[0], sorted(counts))}"
        )
    names = [
        name
        for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if (not dataset.classes or name in dataset.classes)
        and name not in dataset.leave_out
        and count >= dataset.minimum_positives
    ]
    return set(names[: dataset.most_frequent or None])


def _part(photos: Sequence[SourcePhoto], most: int) -> list[SourcePhoto]:
    in_order = sorted(photos, key=lambda photo: (photo.path, photo.group or ""))
    order = np.random.default_rng(_PART_SEED).permutation(len(in_order))[:most]
    return [in_order[place] for place in sorted(order)]


def _inspected(
    photos: Sequence[SourcePhoto], progress: bool
) -> tuple[Mapping[str, list[SourcePhoto]], dict[str, int], list[tuple[str, str]], list[str]]:
    """(photos by image id, their long sides, pairs of near duplicates, remark about damaged)."""
    paths = sorted({photo.path for photo in photos})
    rows = {row["path"]: row for part in inspect_files(paths, progress) for row in part}
    good = {path: row for path, row in rows.items() if row["image_id"] is not None}
    by_image: dict[str, list[SourcePhoto]] = defaultdict(list)
    for photo in photos:
        if photo.path in good:
            by_image[good[photo.path]["image_id"]].append(photo)
    sides = {row["image_id"]: max(row["width"], row["height"]) for row in good.values()}
    looks = {
        row["image_id"]: (row["phash"], row["thumbnail"])
        for row in good.values()
        if row["phash"] is not None
    }
    pairs = near_pairs(likenesses(dict(sorted(looks.items()))))
    return by_image, sides, pairs, _damaged(rows)


def _damaged(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A remark about the files that are no photos, where there are any."""
    bad = [f"{Path(path).name} ({row['reason']})" for path, row in rows.items() if row["reason"]]
    if not bad:
        return []
    return [f"{len(bad)} of {len(rows)} files are no photos and were left out: {examples(bad)}."]


def _write(
    folder: Path,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    arrays: Mapping[str, NDArray[np.generic]],
    about: Mapping[str, object],
) -> Path:
    """The folder appears whole or not at all."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    partial.mkdir(parents=True)
    try:
        chosen = np.lib.format.open_memmap(
            partial / "features.npy", "w+", np.float32, (len(rows), features.shape[1])
        )
        for start in range(0, len(rows), _BLOCK):
            chosen[start : start + _BLOCK] = features[rows[start : start + _BLOCK]]
        chosen.flush()
        for name, values in arrays.items():
            np.save(partial / f"{name}.npy", values)
        (partial / "about.json").write_text(json.dumps(about), encoding="utf-8")
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
