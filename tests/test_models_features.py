"""A pass over photos: only the missing ones, and little lost to a kill."""

import hashlib
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from al_fashion.errors import MissingPhotos, WeightsError
from al_fashion.models.backbones import Backbone
from al_fashion.models.cache import FeatureCache
from al_fashion.models.features import compute_features, resize

DIMENSION = 3
SIZE = 8
BATCH = 4


def photo_ids(count: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]


def photo(image_id: str) -> np.ndarray:
    """One flat colour, so that resizing leaves it as it is."""
    return np.full((20, 12, 3), list(bytes.fromhex(image_id)[:3]), dtype=np.uint8)


class MeanColour(Backbone):
    """A backbone whose features are the mean colour; remembers its batches."""

    def __init__(self) -> None:
        object.__setattr__(self, "batches", [])

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        self.batches.append(photos.shape)  # type: ignore[attr-defined]
        return photos.mean(axis=(1, 2)).astype(np.float32)


def compute(
    ids: list[str],
    cache: FeatureCache,
    factory: Callable[[], Backbone] = MeanColour,
    read: Callable[[str], np.ndarray] = photo,
) -> None:
    compute_features(ids, read, cache, factory, size=SIZE, batch_size=BATCH, progress=False)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features", DIMENSION)


@pytest.mark.parametrize(("size", "largest"), [(64, 64), (65, 16)])
def test_more_small_photos_are_seen_at_once(cache: FeatureCache, size: int, largest: int) -> None:
    backbone = MeanColour()
    compute_features(photo_ids(70), photo, cache, lambda: backbone, size=size, progress=False)
    seen = [shape[0] for shape in backbone.batches]  # type: ignore[attr-defined]
    assert max(seen) == largest
    assert sum(seen) == 70


def test_every_photo_gets_its_own_features(cache: FeatureCache) -> None:
    ids = photo_ids(10)
    backbone = MeanColour()
    compute([*ids, *ids], cache, lambda: backbone)
    table = cache.open()
    expected = [list(bytes.fromhex(image_id)[:3]) for image_id in ids]
    np.testing.assert_array_equal(table.features[table.rows(ids)], expected)
    assert backbone.batches == [(4, SIZE, SIZE, 3), (4, SIZE, SIZE, 3), (2, SIZE, SIZE, 3)]  # type: ignore[attr-defined]


def test_only_new_photos_are_read(cache: FeatureCache) -> None:
    compute(photo_ids(10), cache)
    asked: list[str] = []

    def read(image_id: str) -> np.ndarray:
        asked.append(image_id)
        return photo(image_id)

    compute(photo_ids(13), cache, read=read)
    assert sorted(asked) == sorted(photo_ids(13)[10:])
    assert sorted(cache.ids()) == sorted(photo_ids(13))


def test_with_nothing_missing_tensorflow_is_not_loaded(cache: FeatureCache) -> None:
    compute(photo_ids(5), cache)
    program = f"""
        import sys
        from pathlib import Path
        from al_fashion.models.backbones import BackboneSettings, cache_key, vgg16
        from al_fashion.models.cache import FeatureCache
        from al_fashion.models.features import compute_features
        cache = FeatureCache(Path({str(cache.folder)!r}), {DIMENSION})
        settings = BackboneSettings(size=48)
        cache_key("0" * 12, settings)
        compute_features(cache.ids(), None, cache, lambda: vgg16(None, settings), size=48)
        print(len(cache.open().ids), "tensorflow" in sys.modules, "keras" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert done.stdout.split() == ["5", "False", "False"], done.stderr


def test_a_photo_that_is_gone_stops_the_pass_with_what_came_before_cached(
    cache: FeatureCache,
) -> None:
    ids = photo_ids(12)

    def read(image_id: str) -> np.ndarray:
        if image_id == ids[9]:
            raise MissingPhotos("1 photo is gone.")
        return photo(image_id)

    with pytest.raises(MissingPhotos):
        compute(ids, cache, read=read)
    assert cache.ids() == ids[:8]


def test_photos_are_read_a_bounded_number_ahead(cache: FeatureCache) -> None:
    read_count, ahead = 0, []
    lock = threading.Lock()

    def read(image_id: str) -> np.ndarray:
        nonlocal read_count
        with lock:
            read_count += 1
        return photo(image_id)

    class Slow(MeanColour):
        def __call__(self, photos: np.ndarray) -> np.ndarray:
            time.sleep(0.02)
            ahead.append(read_count - len(cache.ids()))
            return super().__call__(photos)

    compute(photo_ids(80), cache, Slow, read)
    assert max(ahead) <= 4 * BATCH


def test_resize_keeps_three_channels_and_fills_the_square() -> None:
    left_red = np.zeros((30, 60, 3), dtype=np.uint8)
    left_red[:, :30, 0] = 255
    small = resize(left_red, 10)
    assert small.shape == (10, 10, 3)
    assert small.dtype == np.uint8
    assert (small[:, :4, 0] > 250).all()
    assert (small[:, 6:, 0] < 5).all()


def test_kill_loses_at_most_one_batch_and_the_next_pass_computes_the_rest(tmp_path: Path) -> None:
    folder, begun = tmp_path / "features", tmp_path / "begun"
    program = f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_models_features import DIMENSION, MeanColour, compute, photo_ids
        from al_fashion.models.cache import FeatureCache

        class Reporting(MeanColour):
            def __call__(self, photos):
                with open({str(begun)!r}, "ab", buffering=0) as file:
                    file.write(b".")
                time.sleep(0.01)
                return super().__call__(photos)

        compute(photo_ids(800), FeatureCache(Path({str(folder)!r}), DIMENSION), Reporting)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    while process.poll() is None and (not begun.exists() or begun.stat().st_size < 12):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9

    cache = FeatureCache(folder, DIMENSION)
    kept = len(cache.ids())
    assert kept >= (begun.stat().st_size - 1) * BATCH
    assert kept < 800
    backbone = MeanColour()
    compute(photo_ids(800), cache, lambda: backbone)
    assert sum(shape[0] for shape in backbone.batches) == 800 - kept  # type: ignore[attr-defined]
    table = cache.open()
    expected = [list(bytes.fromhex(image_id)[:3]) for image_id in photo_ids(800)]
    np.testing.assert_array_equal(table.features[table.rows(photo_ids(800))], expected)


def test_features_that_are_no_numbers_are_refused_and_not_cached(cache: FeatureCache) -> None:
    def broken(photos: np.ndarray) -> np.ndarray:
        return np.full((len(photos), DIMENSION), np.nan, dtype=np.float32)

    with pytest.raises(WeightsError, match="backbone own gives NaN"):
        compute(photo_ids(2), cache, lambda: Backbone("own", SIZE, DIMENSION, "own", broken))
    assert not list(cache.ids())
