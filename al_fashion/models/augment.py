"""Altered copies of training photos, up to a target number in every class.

A copy is never stored as a photo: it has no row in the database and no query. It is its source's
id and a number, and always the same picture, so that its features can be cached and it stays in
its source's split and group.
"""

import hashlib
import io
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_fashion.files import replacing
from al_fashion.models.engines import quiet
from al_fashion.models.features import resize

TARGET = 1000
"""Photos of every class after augmentation, as in the study."""
_TOGETHER = 4
"""Copies of a photo made at once; a part of what they look like."""
_MARGIN = 4


@dataclass(frozen=True)
class TrainingSet:
    """Photos to train on, and the copies that fill their classes up.

    Row i is of class `labels[i]` and made of the photo `sources[i]`: the photo itself where
    `numbers[i]` is 0, else its copy of that number.
    """

    sources: list[str]
    numbers: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def keys(self) -> list[str]:
        """What each row's features are cached under."""
        return [copy_key(*row) for row in zip(self.sources, self.numbers.tolist(), strict=True)]


def copy_key(source: str, number: int) -> str:
    """The photo's own id for number 0, else one that no photo has, in hexadecimal."""
    if number == 0:
        return source
    return hashlib.sha256(f"copy {number} of {source}".encode()).hexdigest()


def fill_classes(
    ids: Sequence[str],
    labels: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    target: int = TARGET,
    evaluated: Collection[str] = (),
) -> TrainingSet:
    """The training photos and as many copies as fill every class up to `target`.

    Every source of a class is used equally often, give or take one; a class that has `target`
    already gets none. Raises ValueError where one of `ids` is among the `evaluated`.
    """
    crossing = sorted(set(ids) & set(evaluated))
    if crossing:
        raise ValueError(
            f"{len(crossing)} photos are both for training and for evaluation, the first "
            f"{crossing[0]}. Augment after the split, the training photos only."
        )
    rows, numbers = [np.arange(len(ids))], [np.zeros(len(ids), dtype=np.int64)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        missing = max(target - len(members), 0)
        rounds = -(-missing // len(members))
        chosen = [rng.permutation(members) for _ in range(rounds)]
        rows.append(np.concatenate([members[:0], *chosen])[:missing])
        numbers.append(np.repeat(np.arange(1, rounds + 1), len(members))[:missing])
    order = np.concatenate(rows)
    return TrainingSet([ids[row] for row in order], np.concatenate(numbers), labels[order])


class CopyReader:
    """Gives the pixels behind the keys of training sets, uint8 (size, size, 3), to any thread.

    `read` gives those of a photo, uint8 RGB (h, w, 3), by its id. Keys of no training set are
    taken for photos.
    """

    def __init__(
        self,
        read: Callable[[str], NDArray[np.uint8]],
        size: int,
        sets: Sequence[TrainingSet],
    ) -> None:
        self._read, self._size = read, size
        self._copies: Mapping[str, tuple[str, int]] = {
            key: (source, number)
            for rows in sets
            for key, source, number in zip(
                rows.keys, rows.sources, rows.numbers.tolist(), strict=True
            )
            if number
        }
        if self._copies:
            _keras_layers()  # loaded here, since not every thread may silence its loading
        self._lock = threading.Lock()
        self._together = lru_cache(maxsize=8)(self._make)

    def __call__(self, key: str) -> NDArray[np.uint8]:
        if key not in self._copies:
            return resize(self._read(key), self._size)
        source, number = self._copies[key]
        part, place = divmod(number - 1, _TOGETHER)
        with self._lock:  # else two threads would make the same copies
            return self._together(source, part)[place]

    def in_order(self) -> list[str]:
        """The keys of all copies, those made together beside each other."""
        return sorted(self._copies, key=self._copies.__getitem__)

    def _make(self, source: str, part: int) -> NDArray[np.uint8]:
        return altered(resize(self._read(source), self._size), source, part)


def altered(photo: NDArray[np.uint8], source: str, part: int) -> NDArray[np.uint8]:
    """Four copies of a photo, uint8 (4, h, w, 3), always the same for a source and a part.

    Rotation, shift, zoom, horizontal flip and brightness by Keras's layers.
    """
    seed = int(hashlib.sha256(f"{source} {part}".encode()).hexdigest()[:7], 16)
    values: Any = np.repeat(photo[None], _TOGETHER, axis=0).astype(np.float32)
    for layer in _layers(seed):
        values = layer(values, training=True)
    return np.asarray(np.asarray(values).round().clip(0, 255), dtype=np.uint8)


def _layers(seed: int) -> list[Any]:
    """Changes that leave a garment what it is: no vertical flip, no colour, no large crop."""
    layers = _keras_layers()
    return [
        layers.RandomFlip("horizontal", seed=seed),
        layers.RandomRotation(0.04, fill_mode="nearest", seed=seed + 1),
        layers.RandomTranslation(0.08, 0.08, fill_mode="nearest", seed=seed + 2),
        layers.RandomZoom(0.1, fill_mode="nearest", seed=seed + 3),
        layers.RandomBrightness(0.2, value_range=(0, 255), seed=seed + 4),
    ]


@cache
def _keras_layers() -> Any:
    with quiet():
        from keras import layers

    return layers


def save_contact_sheet(
    path: Path,
    rows: TrainingSet,
    pixels: Callable[[str], NDArray[np.uint8]],
    *,
    down: int = 8,
    across: int = 6,
) -> None:
    """A PNG with a source and some of its copies in each row, sources spread over all copies.

    `pixels` gives those behind a key, all of one size. Raises WorkspaceError where the file
    cannot be written.
    """
    made: dict[str, list[int]] = {}
    for source, number in zip(rows.sources, rows.numbers.tolist(), strict=True):
        if number:
            made.setdefault(source, []).append(number)
    shown = list(made)[:: max(1, len(made) // down)][:down]
    pictures = [
        [pixels(copy_key(source, number)) for number in [0, *made[source]][:across]]
        for source in shown
    ]
    height, width = (side + _MARGIN for side in pictures[0][0].shape[:2]) if pictures else (1, 1)
    widest = max(map(len, pictures), default=1)
    sheet = Image.new("RGB", (widest * width, max(len(shown), 1) * height), "white")
    for y, line in enumerate(pictures):
        for x, picture in enumerate(line):
            sheet.paste(Image.fromarray(picture), (x * width, y * height))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    with replacing(path) as file:
        file.write(content.getvalue())
