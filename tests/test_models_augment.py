"""Augmentation: classes filled up, sources known, evaluation untouched."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_fashion.models.augment import (
    CopyReader,
    TrainingSet,
    altered,
    copy_key,
    fill_classes,
    save_contact_sheet,
)

SIDE = 16
PER_CLASS = [5, 12, 20]
LABELS = np.repeat(np.arange(3), PER_CLASS)
IDS = [f"photo {row}" for row in range(len(LABELS))]


def photo(image_id: str) -> np.ndarray:
    """Each of its own colour, darker to the left, so that copies can be told apart."""
    colour = np.random.default_rng(IDS.index(image_id)).integers(80, 200, 3)
    slope = np.linspace(-40, 40, SIDE).reshape(1, SIDE, 1)
    return np.broadcast_to(colour + slope, (SIDE, SIDE, 3)).astype(np.uint8)


def filled(seed: int = 0, target: int = 18) -> TrainingSet:
    return fill_classes(IDS, LABELS, np.random.default_rng(seed), target=target)


def test_every_class_is_filled_up_and_none_cut() -> None:
    rows = filled()
    assert Counter(rows.labels.tolist()) == {0: 18, 1: 18, 2: 20}
    assert rows.keys[: len(IDS)] == IDS
    assert len(set(rows.keys)) == len(rows.keys)


def test_copies_are_of_their_sources_class_used_evenly() -> None:
    rows = filled()
    assert [LABELS[IDS.index(source)] for source in rows.sources] == rows.labels.tolist()
    uses = Counter(source for source in rows.sources if LABELS[IDS.index(source)] == 0)
    assert set(uses.values()) == {3, 4}


def test_an_evaluated_photo_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 photos are both .* photo 7\."):
        fill_classes(IDS, LABELS, np.random.default_rng(0), evaluated=["photo 7", "other"])


def test_copies_of_one_split_are_never_photos_of_another() -> None:
    """Nobody's id is a copy's key, and every copy comes from a photo of its own split."""
    one, other = IDS[::2], IDS[1::2]
    rows = fill_classes(one, LABELS[::2], np.random.default_rng(0), target=30, evaluated=other)
    assert set(rows.sources) == set(one)
    assert not set(rows.keys) & set(other)


def test_full_classes_get_no_copies() -> None:
    assert not filled(target=5).numbers.any()
    assert not filled(target=0).numbers.any()


def test_copies_look_like_their_source_yet_differ() -> None:
    rows = filled()
    read = CopyReader(photo, SIDE, [rows])
    pictures = {key: read(key) for key in rows.keys}
    copies = [
        (pictures[copy_key(source, number)], photo(source))
        for source, number in zip(rows.sources, rows.numbers.tolist(), strict=True)
        if number
    ]
    for picture, original in copies:
        assert picture.shape == (SIDE, SIDE, 3)
        assert (picture != original).any()
        # Brightness shifts all channels alike, so the differences between them stay the source's.
        means, expected = (each.reshape(-1, 3).mean(axis=0) for each in (picture, original))
        np.testing.assert_allclose(means - means[0], expected - expected[0], atol=8)
    flat = np.stack([picture.ravel() for picture, _ in copies])
    assert len(np.unique(flat, axis=0)) == len(copies)


def test_a_copy_is_always_the_same_picture() -> None:
    """Whatever the training set, the order of reading and the thread."""
    small, large = filled(0, target=18), filled(1, target=40)
    keys = [key for key in small.keys if key in set(large.keys) and key not in IDS]
    one, other = CopyReader(photo, SIDE, [small]), CopyReader(photo, SIDE, [small, large])
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(other, reversed(keys)))
    for key, picture in zip(reversed(keys), found, strict=True):
        np.testing.assert_array_equal(one(key), picture)
    assert len(keys) > 5
    assert not np.array_equal(altered(photo(IDS[0]), IDS[0], 0), altered(photo(IDS[0]), IDS[0], 1))


def test_the_contact_sheet_begins_each_row_with_the_source(tmp_path: Path) -> None:
    rows = filled()
    read = CopyReader(photo, SIDE, [rows])
    save_contact_sheet(tmp_path / "sheet.png", rows, read, down=3, across=4)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * (SIDE + 4), 4 * (SIDE + 4), 3)
    first = next(s for s, n in zip(rows.sources, rows.numbers, strict=True) if n)
    np.testing.assert_array_equal(sheet[:SIDE, :SIDE], photo(first))
    np.testing.assert_array_equal(sheet[:SIDE, SIDE + 4 : 2 * SIDE + 4], read(copy_key(first, 1)))
