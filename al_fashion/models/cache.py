"""Features on disk by content hash: append-only, so a kill loses at most what was being added.

A folder holds `rows.f32` (one little-endian float32 row a photo), `ids.bin` (the 32 bytes of its
SHA-256 in the same order) and `header.json`. A record counts once both its parts are complete.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from al_fashion.errors import FeatureCacheError, MissingFeatures

_ID_BYTES = 32
_LOCK_SECONDS = 60


@dataclass(frozen=True)
class FeatureTable:
    """Cached features, read-only float32 (n, d), and the ids of their rows."""

    ids: list[str]
    features: np.ndarray

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Row numbers, int64 (len(ids),); MissingFeatures if any photo has none."""
        missing = [image_id for image_id in ids if image_id not in self._row_of]
        if missing:
            raise MissingFeatures(
                f"{len(missing)} of {len(ids)} photos have no features, the first {missing[0]}. "
                "Compute them first."
            )
        return np.array([self._row_of[image_id] for image_id in ids], dtype=np.int64)


class FeatureCache:
    """One folder of features of one backbone; several processes may read and append.

    `dimension` is that of the features; None takes the folder's own, or the first rows'.
    """

    def __init__(self, folder: Path, dimension: int | None = None) -> None:
        """Raise FeatureCacheError if the folder holds something else."""
        self.folder = folder
        self._rows, self._ids = folder / "rows.f32", folder / "ids.bin"
        self._header = folder / "header.json"
        self.dimension = self._check_header(dimension)

    def ids(self) -> list[str]:
        """The photos with complete features, as hexadecimal SHA-256, in the order of the rows."""
        with self._failures("read"):
            if not self._ids.exists():
                return []
            count = self._count()  # before reading: another process may be appending
            data = self._ids.read_bytes()[: count * _ID_BYTES].hex()
        width = 2 * _ID_BYTES
        return [data[start : start + width] for start in range(0, len(data), width)]

    def open(self) -> FeatureTable:
        """Everything cached by now; the rows are mapped, not read."""
        ids = self.ids()
        shape = (len(ids), self.dimension or 0)
        if not ids:
            return FeatureTable([], np.empty(shape, dtype=np.float32))
        with self._failures("read"):
            return FeatureTable(ids, np.memmap(self._rows, dtype="<f4", mode="r", shape=shape))

    def append(self, ids: Sequence[str], rows: np.ndarray) -> None:
        """Add float32 rows (len(ids), dimension); on return they are on disk.

        Raises FeatureCacheError if they cannot be written; then none of them counts.
        """
        self.dimension = self.dimension or rows.shape[-1]
        if rows.shape != (len(ids), self.dimension):
            raise FeatureCacheError(
                f"Cannot cache features {rows.shape} of {len(ids)} photos in {self.folder}: "
                f"expected ({len(ids)}, {self.dimension}). Use the cache of their backbone."
            )
        with self._failures("write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock", timeout=_LOCK_SECONDS):
                self._write_header()
                count = self._count()
                # Rows go first: an id without its row would be worse than a row without its id.
                _append(self._rows, count * self._row_bytes, rows.astype("<f4").tobytes())
                _append(self._ids, count * _ID_BYTES, bytes.fromhex("".join(ids)))

    @property
    def _row_bytes(self) -> int:
        return 4 * (self.dimension or 1)

    def _count(self) -> int:
        return min(_size(self._ids) // _ID_BYTES, _size(self._rows) // self._row_bytes)

    def _check_header(self, expected: int | None) -> int | None:
        with self._failures("read"):
            if not self._header.exists() and not _size(self._rows):
                return expected
            found = _header_dimension(self._header) if self._header.exists() else None
        if found is None or expected not in (None, found):
            raise FeatureCacheError(
                f"The features in {self.folder} have dimension {found or 'unknown'}, expected "
                f"{expected or 'one'}. Delete this folder; they are computed again when needed."
            )
        return found

    def _write_header(self) -> None:
        if not self._header.exists():
            draft = self._header.with_suffix(".tmp")
            _append(draft, 0, json.dumps({"dimension": self.dimension}).encode())
            draft.replace(self._header)

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        try:
            yield
        except Timeout as error:
            raise FeatureCacheError(
                f"Cannot {action} features in {self.folder}: another process has held its lock "
                f"for {_LOCK_SECONDS} s. Stop that process or wait for it."
            ) from error
        except OSError as error:
            raise FeatureCacheError(
                f"Cannot {action} features in {self.folder}: {error.strerror or error}. "
                "Check the disk's free space and the folder's permissions."
            ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _header_dimension(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text())["dimension"])
    except (ValueError, KeyError, TypeError):
        return None


def _append(path: Path, complete: int, data: bytes) -> None:
    """Cut what a kill left torn after `complete` bytes, then add `data` durably."""
    with path.open("ab") as file:
        file.truncate(complete)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def forget_features(folder: Path, image_id: str) -> None:
    """Blank a photo's record, both row and id, in a folder of features; others stay in place.

    Raises FeatureCacheError where the folder cannot be written.
    """
    dimension = _header_dimension(folder / "header.json") if folder.is_dir() else None
    if dimension is None:
        return
    cache = FeatureCache(folder, dimension)
    places = [row for row, known in enumerate(cache.ids()) if known == image_id]
    with cache._failures("write"), FileLock(folder / "lock", timeout=_LOCK_SECONDS):
        for name, width in (("rows.f32", 4 * dimension), ("ids.bin", _ID_BYTES)):
            with (folder / name).open("r+b") as file:
                for place in places:
                    file.seek(place * width)
                    file.write(bytes(width))
                file.flush()
                os.fsync(file.fileno())
