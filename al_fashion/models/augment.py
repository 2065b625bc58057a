"""Altered copies of training photos, up to a target number in every class.

A copy is never stored as a photo: it has no content hash, no row in the database and no query. It
is known by its source's id, so that it stays in its source's split and group.
"""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_fashion.files import replacing
from al_fashion.models.engines import quiet

TARGET = 1000
"""Photos of every class after augmentation, as in the study."""
_BATCH = 64
_MARGIN = 4


@dataclass(frozen=True)
class Copies:
    """Altered photos, uint8 (n, h, w, 3): row i is of class `labels[i]`, made of `sources[i]`."""

    photos: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sources: list[str]


def augment(
    photos: NDArray[np.uint8],
    labels: NDArray[np.int64],
    ids: Sequence[str],
    rng: np.random.Generator,
    *,
    target: int = TARGET,
    evaluated: Collection[str] = (),
) -> Copies:
    """Copies of training photos, uint8 RGB (n, h, w, 3), that fill every class up to `target`.

    Rotation, shift, zoom, horizontal flip and brightness by Keras's layers. Every source of a
    class is used equally often, give or take one; a class that has `target` already gets none.
    Raises ValueError where one of `ids` is among the `evaluated`.
    """
    crossing = sorted(set(ids) & set(evaluated))
    if crossing:
        raise ValueError(
            f"{len(crossing)} photos are both for training and for evaluation, the first "
            f"{crossing[0]}. Augment after the split, the training photos only."
        )
    rows = np.concatenate(
        [_sources(np.flatnonzero(labels == label), target, rng) for label in np.unique(labels)]
        or [np.zeros(0, dtype=np.int64)]
    )
    altered = np.empty((len(rows), *photos.shape[1:]), dtype=np.uint8)
    if len(rows):
        layers = _layers(int(rng.integers(2**31)))
        for start in range(0, len(rows), _BATCH):
            altered[start : start + _BATCH] = _alter(layers, photos[rows[start : start + _BATCH]])
    return Copies(altered, labels[rows], [ids[row] for row in rows])


def _sources(rows: NDArray[np.int64], target: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The source of each copy: rounds through the class, each in a random order."""
    missing = max(target - len(rows), 0)
    rounds = [rng.permutation(rows) for _ in range(-(-missing // len(rows)))]
    return np.concatenate([np.zeros(0, dtype=np.int64), *rounds])[:missing]


def _layers(seed: int) -> list[Any]:
    """Changes that leave a garment what it is: no vertical flip, no colour, no large crop."""
    with quiet():
        from keras import layers

    return [
        layers.RandomFlip("horizontal", seed=seed),
        layers.RandomRotation(0.04, fill_mode="nearest", seed=seed + 1),
        layers.RandomTranslation(0.08, 0.08, fill_mode="nearest", seed=seed + 2),
        layers.RandomZoom(0.1, fill_mode="nearest", seed=seed + 3),
        layers.RandomBrightness(0.2, value_range=(0, 255), seed=seed + 4),
    ]


def _alter(layers: Sequence[Any], photos: NDArray[np.uint8]) -> NDArray[np.uint8]:
    values: Any = photos.astype(np.float32)
    for layer in layers:
        values = layer(values, training=True)
    altered: NDArray[np.uint8] = np.asarray(values).round().clip(0, 255).astype(np.uint8)
    return altered


def save_contact_sheet(
    path: Path,
    photos: NDArray[np.uint8],
    ids: Sequence[str],
    copies: Copies,
    *,
    rows: int = 8,
    columns: int = 6,
) -> None:
    """A PNG with a source and some of its copies in each row, sources spread over all copies.

    Raises WorkspaceError where it cannot be written.
    """
    sources = list(dict.fromkeys(copies.sources))
    shown = sources[:: max(1, len(sources) // rows)][:rows]
    height, width = (side + _MARGIN for side in photos.shape[1:3])
    sheet = Image.new("RGB", (columns * width, max(len(shown), 1) * height), "white")
    row_of = {image_id: row for row, image_id in enumerate(ids)}
    for down, source in enumerate(shown):
        made = [row for row, of in enumerate(copies.sources) if of == source][: columns - 1]
        pictures = [photos[row_of[source]], *copies.photos[made]]
        for across, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (across * width, down * height))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    with replacing(path) as file:
        file.write(content.getvalue())
