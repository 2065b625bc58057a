"""The rows of a learner's pool, found again after `teach` has moved them to its training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def keys_of(rows: Sequence[int], X_pool: Any, X_training: Any) -> list[bytes | str]:
    """The keys of rows of a pool, whose candidates X_pool come first."""
    m = _count(X_pool)
    parts = [(X_pool, row) if row < m else (X_training, row - m) for row in rows]
    return [_keys(_taken(X, [row]))[0] for X, row in parts]


def rows_of(keys: Sequence[bytes | str], X_pool: Any, X_training: Any) -> list[int]:
    """The labelled rows of a pool with those keys, the newest of equal ones; -1 where none has.

    Not left out there, since a state may have other lists with an entry for each of its rows.
    """
    places: dict[bytes | str, list[int]] = {}
    for place, key in enumerate([] if X_training is None else _keys(X_training)):
        places.setdefault(key, []).append(_count(X_pool) + place)
    newest_first = [places[key].pop() if places.get(key) else -1 for key in reversed(keys)]
    return newest_first[::-1]


def _count(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _taken(X: Any, rows: list[int]) -> Any:
    """Those rows of an array, a sparse matrix, a data frame or a list."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    return getattr(X, "iloc", X)[rows]


def _keys(X: Any) -> list[bytes | str]:
    """A key for each row of X, equal for equal rows; numbers are compared as float32."""
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    if X.dtype.kind in "biuf":
        return [row.tobytes() for row in np.ascontiguousarray(X, dtype=np.float32)]
    return [repr(row) for row in X.tolist()]
