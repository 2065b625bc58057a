"""Photos like one: found as comparing with all would find them, over features that grow."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from al_fashion.errors import MissingFeatures
from al_fashion.models.cache import FeatureCache, forget_features
from al_fashion.search.neighbours import INDEX_NAME, forget_neighbours, neighbours


def made_up(n: int, d: int = 200, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Ids, and features in clusters, as those of photos are."""
    rng = np.random.default_rng(seed)
    ids = [hashlib.sha256(f"{seed}/{row}".encode()).hexdigest() for row in range(n)]
    centres = rng.normal(size=(20, d))
    noise = rng.normal(size=(n, d)) * np.linspace(1, 0.05, d)
    rows = centres[rng.integers(0, 20, n)] + 0.5 * noise
    return ids, (rows * rng.uniform(0.5, 2, (n, 1))).astype(np.float32)


def exact(ids: list[str], rows: np.ndarray, place: int, k: int) -> list[str]:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = unit @ unit[place]
    likeness[place] = -np.inf
    return [ids[row] for row in np.argsort(-likeness)[:k]]


def test_the_nearest_are_found_first(tmp_path: Path) -> None:
    ids, rows = made_up(3000)
    FeatureCache(tmp_path, 200).append(ids, rows)
    shared = 0
    for place in range(0, 3000, 100):
        found = neighbours(tmp_path, ids[place], 20)
        wanted = exact(ids, rows, place, 20)
        assert found[0] == wanted[0] and ids[place] not in found
        shared += len(set(found) & set(wanted))
    assert shared >= 0.95 * 30 * 20


def test_photos_that_came_later_are_found(tmp_path: Path) -> None:
    ids, rows = made_up(300)
    cache = FeatureCache(tmp_path, 200)
    cache.append(ids, rows)
    neighbours(tmp_path, ids[0], 5)
    copy = hashlib.sha256(b"copy").hexdigest()
    cache.append([copy], 3 * rows[:1])
    assert neighbours(tmp_path, ids[0], 5)[0] == copy
    assert neighbours(tmp_path, copy, 5)[0] == ids[0]
    (tmp_path / INDEX_NAME).write_bytes(b"damaged")
    assert neighbours(tmp_path, ids[0], 5)[0] == copy


def test_few_photos_and_none(tmp_path: Path) -> None:
    ids, rows = made_up(3)
    with pytest.raises(MissingFeatures):
        neighbours(tmp_path, ids[0], 5)
    FeatureCache(tmp_path, 200).append(ids[:2], rows[:2])
    assert neighbours(tmp_path, ids[0], 5) == [ids[1]]
    with pytest.raises(MissingFeatures, match="round"):
        neighbours(tmp_path, ids[2], 5)


def test_nothing_is_left_of_a_removed_photo(tmp_path: Path) -> None:
    ids, rows = made_up(50)
    FeatureCache(tmp_path, 200).append(ids, rows)
    nearest = neighbours(tmp_path, ids[0], 1)[0]
    forget_features(tmp_path, nearest)
    forget_neighbours(tmp_path)
    assert not (tmp_path / INDEX_NAME).exists()
    found = neighbours(tmp_path, ids[0], 60)
    assert len(found) == 48 and nearest not in found
