"""The feature cache: what is on disk survives, what is torn does not count."""

import hashlib
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from al_fashion.errors import FeatureCacheError, MissingFeatures
from al_fashion.models.cache import FeatureCache

DIMENSION = 8


def photo_ids(count: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(start, start + count)]


def feature_rows(count: int, start: int = 0) -> np.ndarray:
    return np.arange(start * DIMENSION, (start + count) * DIMENSION, dtype=np.float32).reshape(
        count, DIMENSION
    )


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    """A cache of ten photos."""
    cache = FeatureCache(tmp_path / "features", DIMENSION)
    cache.append(photo_ids(10), feature_rows(10))
    return cache


def test_rows_come_back_by_id_in_another_process_view(cache: FeatureCache) -> None:
    cache.append(photo_ids(5, start=10), feature_rows(5, start=10))
    table = FeatureCache(cache.folder, DIMENSION).open()
    assert table.ids == photo_ids(15)
    asked = [photo_ids(15)[index] for index in (12, 0, 7)]
    np.testing.assert_array_equal(table.features[table.rows(asked)], feature_rows(15)[[12, 0, 7]])
    assert table.rows(asked).dtype == np.int64
    assert not table.features.flags.writeable


def test_an_empty_cache_is_an_empty_table(tmp_path: Path) -> None:
    table = FeatureCache(tmp_path / "none", DIMENSION).open()
    assert table.ids == []
    assert table.features.shape == (0, DIMENSION)
    assert not (tmp_path / "none").exists()


def test_missing_features_are_named(cache: FeatureCache) -> None:
    unknown = photo_ids(1, start=99)[0]
    with pytest.raises(MissingFeatures, match=f"1 of 2 photos.*{unknown}"):
        cache.open().rows([photo_ids(1)[0], unknown])


@pytest.mark.parametrize(
    ("rows_bytes", "id_bytes", "whole"),
    [(13, 0, 10), (32 * 4, 0, 10), (32 * 4, 17, 10), (0, 64, 10), (-5, 0, 9), (0, -1, 9)],
)
def test_what_a_kill_tore_is_ignored_then_overwritten(
    cache: FeatureCache, rows_bytes: int, id_bytes: int, whole: int
) -> None:
    for name, change in (("rows.f32", rows_bytes), ("ids.bin", id_bytes)):
        path = cache.folder / name
        content = path.read_bytes()
        path.write_bytes(content[:change] if change < 0 else content + b"\xff" * change)

    assert FeatureCache(cache.folder, DIMENSION).open().ids == photo_ids(whole)
    cache.append(photo_ids(3, start=50), feature_rows(3, start=50))
    table = FeatureCache(cache.folder, DIMENSION).open()
    assert table.ids == photo_ids(whole) + photo_ids(3, start=50)
    np.testing.assert_array_equal(
        table.features, np.concatenate([feature_rows(whole), feature_rows(3, start=50)])
    )


def test_duplicates_are_tolerated(cache: FeatureCache) -> None:
    cache.append(photo_ids(2), feature_rows(2))
    table = cache.open()
    np.testing.assert_array_equal(table.features[table.rows(photo_ids(10))], feature_rows(10))


def test_a_table_stays_valid_while_the_cache_grows(cache: FeatureCache) -> None:
    table = cache.open()
    cache.append(photo_ids(100, start=10), feature_rows(100, start=10))
    np.testing.assert_array_equal(table.features, feature_rows(10))


def test_another_dimension_is_refused(cache: FeatureCache) -> None:
    with pytest.raises(FeatureCacheError, match="have dimension 8, expected 16"):
        FeatureCache(cache.folder, 16)
    with pytest.raises(FeatureCacheError, match=r"\(2, 5\) of 2 photos"):
        cache.append(photo_ids(2), np.zeros((2, 5), np.float32))


@pytest.mark.parametrize(
    "damage",
    [
        lambda header: header.write_text("{"),
        lambda header: header.write_text("[]"),
        lambda header: header.write_bytes(b"\xff\xfe"),
        lambda header: header.unlink(),
    ],
)
def test_a_damaged_header_is_refused(cache: FeatureCache, damage: Callable[[Path], None]) -> None:
    damage(cache.folder / "header.json")
    with pytest.raises(FeatureCacheError, match=r"dimension unknown.*Delete this folder"):
        FeatureCache(cache.folder, DIMENSION)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(cache: FeatureCache) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(FeatureCacheError, match="Cannot write features"):
            cache.append(photo_ids(90, start=10), feature_rows(90, start=10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache.ids() == photo_ids(10)
    cache.append(photo_ids(90, start=10), feature_rows(90, start=10))
    np.testing.assert_array_equal(cache.open().features, feature_rows(100))


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureCacheError, match="Cannot write features"):
        FeatureCache(tmp_path / "file" / "features", DIMENSION).append(
            photo_ids(1), feature_rows(1)
        )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
def test_a_read_only_folder_is_one_clear_line(cache: FeatureCache) -> None:
    cache.folder.chmod(0o500)
    with pytest.raises(FeatureCacheError, match="permissions"):
        cache.append(photo_ids(1, start=10), feature_rows(1, start=10))
