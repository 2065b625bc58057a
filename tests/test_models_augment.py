"""Augmentation: classes filled up, sources known, evaluation untouched."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_fashion.models.augment import Copies, augment, save_contact_sheet

SIDE = 16
PER_CLASS = [5, 12, 20]
LABELS = np.repeat(np.arange(3), PER_CLASS)
IDS = [f"photo {row}" for row in range(len(LABELS))]


def photos() -> np.ndarray:
    """Each of its own colour, darker to the left, so that copies can be told apart."""
    colours = np.random.default_rng(0).integers(80, 200, (len(LABELS), 1, 1, 3))
    slope = np.linspace(-40, 40, SIDE).reshape(1, 1, SIDE, 1)
    return np.broadcast_to(colours + slope, (len(LABELS), SIDE, SIDE, 3)).astype(np.uint8)


def made(seed: int = 0) -> Copies:
    return augment(photos(), LABELS, IDS, np.random.default_rng(seed), target=18)


def test_every_class_is_filled_up_and_none_cut() -> None:
    copies = made()
    assert Counter(copies.labels.tolist()) == {0: 18 - 5, 1: 18 - 12}
    assert copies.photos.shape == (19, SIDE, SIDE, 3)
    assert copies.photos.dtype == np.uint8


def test_copies_are_of_their_source_and_its_class_used_evenly() -> None:
    copies = made()
    assert [LABELS[IDS.index(source)] for source in copies.sources] == copies.labels.tolist()
    uses = Counter(source for source in copies.sources if LABELS[IDS.index(source)] == 0)
    assert set(uses.values()) == {2, 3}
    # Brightness shifts all channels alike, so the differences between them stay the source's.
    for picture, source in zip(copies.photos, copies.sources, strict=True):
        means = picture.reshape(-1, 3).mean(axis=0)
        expected = photos()[IDS.index(source)].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(means - means[0], expected - expected[0], atol=8)


def test_copies_differ_from_their_source_and_from_each_other() -> None:
    copies = made()
    originals = photos()[[IDS.index(source) for source in copies.sources]]
    assert (np.abs(copies.photos.astype(int) - originals).max(axis=(1, 2, 3)) > 0).all()
    assert len(np.unique(copies.photos.reshape(19, -1), axis=0)) == 19


def test_the_same_seed_gives_the_same_copies() -> None:
    np.testing.assert_array_equal(made(3).photos, made(3).photos)
    assert not np.array_equal(made(3).photos, made(4).photos)


def test_an_evaluated_photo_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 photos are both .* photo 7\."):
        augment(photos(), LABELS, IDS, np.random.default_rng(0), evaluated=["photo 7", "other"])


def test_full_classes_get_no_copies() -> None:
    copies = augment(photos(), LABELS, IDS, np.random.default_rng(0), target=5)
    assert copies.photos.shape == (0, SIDE, SIDE, 3)
    assert copies.sources == []


def test_the_contact_sheet_begins_each_row_with_the_source(tmp_path: Path) -> None:
    copies = made()
    save_contact_sheet(tmp_path / "sheet.png", photos(), IDS, copies, rows=3, columns=4)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * (SIDE + 4), 4 * (SIDE + 4), 3)
    first = copies.sources[0]
    np.testing.assert_array_equal(sheet[:SIDE, :SIDE], photos()[IDS.index(first)])
    of_first = copies.photos[copies.sources.index(first)]
    np.testing.assert_array_equal(sheet[:SIDE, SIDE + 4 : 2 * SIDE + 4], of_first)
