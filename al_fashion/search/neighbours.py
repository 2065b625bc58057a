"""The photos most like one: a small faiss index beside the features, then the features themselves.

The folder is one of `models/cache.py`: `rows.f32` and `ids.bin`, both append-only and only mapped
here. The index holds 64 principal components of each row; rows that came since are added.
"""

import json
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import MissingFeatures
from al_fashion.files import replacing

INDEX_NAME = "neighbours.faiss"
_ID_BYTES = 32
_COMPONENTS = 64
_TRAINED_ON = 600
_BLOCK = 4_096
# How many of the index's candidates are compared by all of their features.
_CANDIDATES = 5
_BUILDING = Lock()


def neighbours(folder: Path, image_id: str, k: int) -> list[str]:
    """The ids of the k photos whose features point most nearly where the photo's do, nearest first.

    The photo itself is left out. The first search in a folder makes its index. Raises
    MissingFeatures where the photo has no features there.
    """
    features, ids = _features(folder)
    own = np.flatnonzero((ids == np.frombuffer(bytes.fromhex(image_id), np.uint8)).all(axis=1))
    if not len(own):
        raise MissingFeatures("This photo has no features yet. Run `al-fashion round` first.")
    query = _unit(features[own[:1]])
    _, rows = _index(folder, features).search(query, min(_CANDIDATES * k + 1, len(features)))
    found = rows[0][(rows[0] >= 0) & (rows[0] != own[0])]
    likeness = _unit(features[np.sort(found)]) @ query[0]
    best = np.sort(found)[np.argsort(-likeness, kind="stable")[:k]]
    return [ids[row].tobytes().hex() for row in best if ids[row].any()]


def forget_neighbours(folder: Path) -> None:
    """Delete the index: it holds something of every photo, of a removed one too."""
    (folder / INDEX_NAME).unlink(missing_ok=True)


def _features(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """((n, d) features, (n, 32) ids), both mapped."""
    try:
        d = int(json.loads((folder / "header.json").read_text())["dimension"])
        sizes = [(folder / name).stat().st_size for name in ("rows.f32", "ids.bin")]
    except (OSError, ValueError, KeyError, TypeError):
        sizes, d = [0, 0], 1
    n = min(sizes[0] // (4 * d), sizes[1] // _ID_BYTES)
    if not n:
        raise MissingFeatures("There are no features yet. Run `al-fashion round` first.")
    rows = np.memmap(folder / "rows.f32", dtype="<f4", mode="r", shape=(n, d))
    ids = np.memmap(folder / "ids.bin", dtype=np.uint8, mode="r", shape=(n, _ID_BYTES))
    return rows, ids


def _index(folder: Path, features: NDArray[np.float32]) -> Any:
    """The folder's index, with all of the features in it."""
    import faiss

    path = folder / INDEX_NAME
    with _BUILDING:
        index = _read(path, faiss.IO_FLAG_MMAP_IFC)
        fits = index is not None and index.d == features.shape[1]
        if fits and index.ntotal == len(features):
            return index
        # What is only mapped cannot grow.
        grows = fits and 0 < index.ntotal < len(features)
        index = _read(path, 0) if grows else _trained(features)
        for start in range(index.ntotal, len(features), _BLOCK):
            index.add(_unit(features[start : start + _BLOCK]))
        with replacing(path) as file:
            file.write(faiss.serialize_index(index).tobytes())
        return index


def _read(path: Path, flags: int) -> Any:
    """An index on disk; None where there is none, or a damaged one."""
    import faiss

    with suppress(RuntimeError):
        return faiss.read_index(str(path), flags)
    return None


def _trained(features: NDArray[np.float32]) -> Any:
    """An empty index that knows the principal components of some rows spread over all."""
    import faiss

    step = max(1, len(features) // _TRAINED_ON)
    sample = _unit(features[::step])
    components = min(_COMPONENTS, features.shape[1], len(sample))
    index = faiss.index_factory(features.shape[1], f"PCA{components},Flat", faiss.METRIC_L2)
    index.train(sample)
    return index


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at length 1, in memory."""
    found = np.array(rows, dtype=np.float32, order="C")
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
