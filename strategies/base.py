"""What every sampling strategy takes and gives: `Pool`, `Selection`, their checks, seeded top-k."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

CHUNK_VALUES = 2**18
"""Feature values read at once (1 MB as float32), so that they stay in the processor's cache."""
CHUNK_ROWS = 128
"""Photos read at once at least, however many features they have."""
PIECE_VALUES = 2**16
"""Probabilities looked at together, so that what is made of them stays in the cache too."""


LARGEST_FEATURE = 1e17
"""Squares of larger values, summed, would leave the range of float32."""


class StrategyError(ValueError):
    """Base of all errors of this package."""


class NotEnoughCandidates(StrategyError):
    """More photos were asked for than the pool has candidates."""


class InvalidPool(StrategyError):
    """The arrays of a pool do not fit together, or hold values that are not finite."""


class InvalidSelection(StrategyError):
    """What a strategy returned is no selection of k candidates."""


class InvalidScores(StrategyError):
    """Scores that cannot be ranked, since some are not numbers."""


class UnknownStrategy(StrategyError):
    """A strategy that the registry does not have."""


@dataclass(frozen=True, eq=False)
class Pool:
    """A pool as arrays. Row numbers are indices into `features`.

    features (n, d): float16 or float32, array or memmap, never written to.
    candidates (m,), labelled (l,): int64 row numbers, distinct and disjoint.
    targets (l, C): soft labels in [0, 1] of the labelled photos. From one half on a label counts as
    the photo's, so that one that nobody answered belongs just below.
    proba (m, C): the model's probabilities for the candidates, None before there is a model; rows
    sum to 1 unless `multilabel`.
    members (T, m, C): the probabilities of a committee's T members, where there is one.
    """

    features: np.ndarray
    candidates: np.ndarray
    labelled: np.ndarray
    targets: np.ndarray
    proba: np.ndarray | None
    multilabel: bool = False
    members: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Selection:
    """The batch: `indices` (k,) row numbers, best first; `scores` (k,), higher = ask sooner.

    Scores never increase along the batch; their unit is the strategy's own. `info` says how the
    batch came about (rules used, photos kept by a prefilter). A strategy that takes `state` finds
    there what it gave as `info["state"]` the round before: what JSON holds, row numbers only as a
    list called `rows`.
    """

    indices: np.ndarray
    scores: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)


class Strategy(Protocol):
    """Selects k candidates of a pool; all randomness comes from `rng`. Raises `StrategyError`."""

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator, **params: Any
    ) -> Selection: ...


def top_k(scores: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (k,) of the k highest of `scores` (m,), best first; equal scores in random order.

    O(m + k log k). Raises NotEnoughCandidates where k > m, InvalidScores for NaN.
    """
    if k > len(scores):
        raise NotEnoughCandidates(_too_many(k, len(scores)))
    if (unknown := np.flatnonzero(np.isnan(scores))).size:
        raise InvalidScores(
            f"{len(unknown)} of {len(scores)} scores are NaN, position {unknown[0]} first: "
            "expected numbers. Give every photo a score, or leave it out."
        )
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > threshold)
    tied = rng.permutation(np.flatnonzero(scores == threshold))[: k - len(above)]
    above = rng.permutation(above)
    chosen = np.concatenate([above[np.argsort(-scores[above], kind="stable")], tied])
    return chosen.astype(np.int64)


def highest(pool: Pool, k: int, scores: np.ndarray, rng: np.random.Generator) -> Selection:
    """The k candidates of the highest `scores` (m,), which are theirs; see `top_k`."""
    chosen = top_k(scores, k, rng)
    return Selection(pool.candidates[chosen], scores[chosen])


def row_chunks(features: np.ndarray, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields (positions in `rows`, their features as float32), a bounded block at a time.

    A block may be a view of `features`: read it, do not write to it.
    """
    step = max(CHUNK_ROWS, CHUNK_VALUES // max(1, features.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        yield part, as_float32(_take(features, rows[part]))


def by_pieces(of: Callable[..., np.ndarray], values: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """`of(values, *others)`, one number (m,) for each row of `values` (m, C) and of the others.

    It is called for some rows at a time, whose intermediate results stay in the processor's cache.
    """
    parts = [of(values[part], *(other[part] for other in others)) for part in _pieces(values.shape)]
    return np.concatenate(parts or [np.empty(0)])


def _pieces(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of probabilities (m, C) that are looked at together."""
    step = max(1, PIECE_VALUES // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


def _take(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those rows, without a copy where they follow one another."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return features[first : last + 1]
    return features[rows]


def as_float32(values: np.ndarray) -> np.ndarray:
    """`values` as float32. Half precision by shifting bits, ten times as fast as NumPy's cast.

    Not for infinity and NaN in half precision, which become numbers; `check` has refused them.
    """
    if values.dtype != np.float16 or not values.flags.c_contiguous:
        return np.asarray(values, dtype=np.float32)
    bits = values.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= np.int32(-0x70002000)  # the sign, and exponent and fraction in their new place
    converted = bits.view(np.float32)
    converted *= np.float32(2.0**112)  # the difference of the exponents' biases
    return converted


def check(pool: Pool, k: int) -> None:
    """Raises what `check_pool` raises, and NotEnoughCandidates for k above the candidates."""
    check_pool(pool, k)
    if k > len(pool.candidates):
        raise NotEnoughCandidates(_too_many(k, len(pool.candidates)))


def check_pool(pool: Pool, k: int) -> None:
    """Raises InvalidPool for arrays that do not fit, StrategyError for k < 1."""
    used = _check_rows(pool)
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise StrategyError(f"Cannot select {k} photos. Ask for a whole number, 1 or more.")
    _check_shapes(pool)
    if pool.proba is not None:
        _check_probabilities(pool.proba, pool.multilabel)
    if pool.members is not None and not _are_probabilities(pool.members):
        raise InvalidPool(
            "Members hold NaN or infinity, or values beyond 0 to 1. Train the committee again."
        )
    _check_finite(pool.features, used)


def check_selection(selection: Any, allowed: np.ndarray, k: int) -> None:
    """Raises InvalidSelection unless it is k distinct rows of `allowed`, each with a score."""
    if not isinstance(selection, Selection):
        raise InvalidSelection(
            f"The strategy returned a {type(selection).__name__}: expected a Selection. "
            "Return Selection(indices, scores)."
        )
    indices, scores = np.asarray(selection.indices), np.asarray(selection.scores)
    if indices.shape != (k,) or scores.shape != (k,) or indices.dtype.kind not in "iu":
        raise InvalidSelection(
            f"The strategy returned {indices.dtype} indices of shape {indices.shape} with scores "
            f"of shape {scores.shape}: expected {k} row numbers and {k} scores."
        )
    if len(np.unique(indices)) < k or not np.isin(indices, allowed).all():
        raise InvalidSelection(
            "The strategy returned a row twice, or one that is not a candidate. "
            "Take distinct rows of pool.candidates."
        )
    if np.isnan(scores.astype(np.float64)).any():
        raise InvalidSelection("The strategy returned NaN among its scores: expected numbers.")


def _too_many(k: int, available: int) -> str:
    if not available:
        return f"Cannot select {k} photos: no candidates remain. Add photos without answers."
    return f"Cannot select {k} photos: {available} candidates remain. Ask for {available} or fewer."


def _check_rows(pool: Pool) -> np.ndarray:
    """Which rows of the features (n,) are candidates or labelled."""
    if pool.features.ndim != 2:
        raise InvalidPool(
            f"Features of shape {pool.features.shape}: expected (photos, dimensions). Reshape them."
        )
    for name, rows in (("candidates", pool.candidates), ("labelled", pool.labelled)):
        whole = rows.dtype.kind in "iu" and np.can_cast(rows.dtype, np.int64)
        if rows.ndim != 1 or (rows.size and not whole):
            raise InvalidPool(
                f"{name} is {rows.dtype} of shape {rows.shape}: expected row numbers of int64 or "
                "smaller integers in one dimension. Pass positions, not a mask."
            )
        if rows.size and (rows.min() < 0 or rows.max() >= len(pool.features)):
            raise InvalidPool(
                f"{name} has row numbers {rows.min()} to {rows.max()}: the features have rows 0 to "
                f"{len(pool.features) - 1}. Pass rows of these features."
            )
    candidates, labelled = (_marked(pool, name) for name in ("candidates", "labelled"))
    both = np.flatnonzero(candidates & labelled)
    if both.size:
        raise InvalidPool(
            f"{len(both)} rows are both labelled and candidates, row {both[0]} first. "
            "Take labelled rows out of the candidates."
        )
    return candidates | labelled


def _marked(pool: Pool, name: str) -> np.ndarray:
    """Which rows (n,) the array of that name holds, each of them once."""
    rows: np.ndarray = getattr(pool, name)
    marked = np.zeros(len(pool.features), dtype=bool)
    marked[rows.astype(np.int64)] = True
    if np.count_nonzero(marked) < len(rows):
        raise InvalidPool(f"{name} holds a row number twice. Pass every row once.")
    return marked


def _check_shapes(pool: Pool) -> None:
    targets, proba, members = pool.targets, pool.proba, pool.members
    if targets.ndim != 2 or len(targets) != len(pool.labelled):
        raise InvalidPool(
            f"Targets of shape {targets.shape}: expected ({len(pool.labelled)}, classes), "
            "a row for each labelled photo."
        )
    if len(pool.labelled) and not np.isfinite(targets).all():
        raise InvalidPool("Targets hold NaN or infinity. Pass soft labels between 0 and 1.")
    if proba is None:
        return
    if proba.ndim != 2 or len(proba) != len(pool.candidates):
        raise InvalidPool(
            f"Probabilities of shape {proba.shape}: expected ({len(pool.candidates)}, classes), "
            "a row for each candidate."
        )
    if len(pool.labelled) and proba.shape[1] != targets.shape[1]:
        raise InvalidPool(
            f"Probabilities for {proba.shape[1]} classes but targets for {targets.shape[1]}. "
            "Pass both for the same classes."
        )
    if members is not None and members.shape[1:] != proba.shape:
        raise InvalidPool(
            f"Members of shape {members.shape}: expected (members, {proba.shape[0]}, "
            f"{proba.shape[1]})."
        )


def _check_probabilities(proba: np.ndarray, multilabel: bool) -> None:
    if not len(proba):
        return
    parts = [_extremes(proba[part]) for part in _pieces(proba.shape)]
    lowest, highest, apart = np.array(parts).T
    low, high = float(lowest.min()), float(highest.max())  # NaN where any is
    if not np.isfinite(low + high):
        bad = np.flatnonzero(~np.isfinite(proba).all(axis=1))
        raise InvalidPool(
            f"Probabilities hold NaN or infinity for {len(bad)} candidates, position {bad[0]} "
            "first. Train the model again."
        )
    if low < -1e-3 or high > 1 + 1e-3:
        raise InvalidPool(
            f"Probabilities range from {low:.3g} to {high:.3g}: expected 0 to 1. "
            "Pass probabilities, not logits."
        )
    if multilabel:
        return
    if proba.shape[1] < 2:
        raise InvalidPool("One class in a single-label pool: expected 2 or more. Use multilabel.")
    if apart.max() > 0.01:
        raise InvalidPool(
            "Probabilities of a single-label pool do not sum to 1. Use multilabel, or a softmax."
        )


def _extremes(proba: np.ndarray) -> tuple[float, float, float]:
    """The lowest and highest of some probabilities, and the largest |sum of a photo's - 1|."""
    # Not a product with ones, for which NumPy starts threads that go on spinning.
    dtype = np.float32 if proba.itemsize < 8 else np.float64
    sums = np.einsum("ij->i", proba, dtype=dtype, casting="same_kind")
    return float(proba.min()), float(proba.max()), float(np.abs(sums - 1).max())


def _are_probabilities(values: np.ndarray) -> bool:
    low, high = values.min(initial=0.0), values.max(initial=0.0)
    return bool(np.isfinite(low + high) and low >= -1e-3 and high <= 1 + 1e-3)


def _check_finite(features: np.ndarray, used: np.ndarray) -> None:
    """Looks at all rows as they lie in memory, closely only where something is out of range."""
    step = max(CHUNK_ROWS, CHUNK_VALUES // max(1, features.shape[1]))
    for start in range(0, len(features), step):
        part = slice(start, start + step)
        if not used[part].any() or _all_in_range(features[part]):
            continue
        size = np.abs(features[part], dtype=np.float64)
        bad = np.flatnonzero(used[part] & ~(size <= LARGEST_FEATURE).all(axis=1))
        if bad.size:
            raise InvalidPool(
                f"The features of row {start + bad[0]} hold NaN, infinity or numbers beyond "
                f"{LARGEST_FEATURE:g}. Compute the features of that photo again, or scale them."
            )


def _all_in_range(block: np.ndarray) -> bool:
    """By the largest bit patterns of either sign, several times as fast as comparing numbers."""
    if block.dtype not in (np.float16, np.float32):
        return bool((np.abs(block) <= LARGEST_FEATURE).all())
    signed, unsigned = (np.int16, np.uint16) if block.itemsize == 2 else (np.int32, np.uint32)
    most = min(LARGEST_FEATURE, float(np.finfo(block.dtype).max))
    bits = int(np.array(most, block.dtype).view(signed))
    positive, negative = block.view(signed).max(initial=0), block.view(unsigned).max(initial=0)
    return bool(positive <= bits and negative <= bits + (1 << 8 * block.itemsize - 1))
