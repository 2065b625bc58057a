"""Small data sets for comparisons: arrays made up, or photo files and no network."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from al_fashion.comparison.experiment import DataSet, Experiment
from al_fashion.comparison.photos import Photos

CLASSES = ("dress", "pullover", "shirt")


def made_up(
    n: int = 400, *, exclusive: bool = True, groups: int | None = None, seed: int = 0
) -> Photos:
    """Photos of three classes that features nearly tell apart."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    labels = np.eye(3, dtype=bool)[kind]
    if not exclusive:
        labels |= rng.random((n, 3)) < 0.2
    features = (rng.normal(size=(n, 16)) + 2.5 * labels @ np.eye(3, 16)).astype(np.float32)
    group = np.arange(n) if groups is None else rng.integers(0, groups, n)
    return Photos(features, labels, group, CLASSES, exclusive)


def experiment(**values: object) -> Experiment:
    """One over data sets called `made-up` that are handed over as arrays."""
    given = {"data": (DataSet("made-up", "made-up"),), "budget": 60, "batch": 20, **values}
    return Experiment(**given)  # type: ignore[arg-type]


def save_photos(folder: Path, n: int = 120, senders: int = 30) -> Path:
    """A manifest of photos of 40 px in three classes: stripes down, stripes across, noise."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    rows = []
    for number in range(n):
        pixels = rng.integers(0, 160, (40, 40, 3), dtype=np.uint8)
        if number % 3 < 2:
            stripes = np.s_[:, ::4] if number % 3 == 0 else np.s_[::4, :]
            pixels[stripes] = rng.integers(100, 255, 3, dtype=np.uint8)
        name = f"photos/{number}.png"
        Pillow.fromarray(pixels).save(folder / name)
        rows.append({"image": name, "labels": CLASSES[number % 3], "sender": number % senders})
    manifest = folder / "photos.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "labels", "sender"])
        writer.writeheader()
        writer.writerows(rows)
    return manifest
