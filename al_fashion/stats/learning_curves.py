"""Learning curves of strategies: areas, bands, labels needed, deficiency; on plain arrays.

A curve is accuracy by number of labels. Where several are given, seeds are rows, (seeds, m), over
one common grid of m label counts, rising.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

# The shares of random's final accuracy at which strategies are compared.
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
RESAMPLES = 2000


def common_grid(grids: Sequence[ArrayLike]) -> Floats:
    """(m,) every label count at which some curve was measured, within what all curves cover.

    Raises ValueError where no label count lies within all of them.
    """
    ends = [(np.min(grid), np.max(grid)) for grid in grids]
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    counts = np.unique(np.concatenate([np.asarray(grid, dtype=np.float64) for grid in grids]))
    kept = counts[(counts >= low) & (counts <= high)]
    if not len(kept):
        raise ValueError(f"One curve begins at {low:g} labels, another ends at {high:g}.")
    return kept


def areas(curves: ArrayLike, labels: ArrayLike) -> Floats:
    """(...,) areas under curves (..., m) by trapezoids, over the span of labels (m,).

    So an area is a mean accuracy; of a curve of one point, that point.
    """
    values, counts = np.asarray(curves, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if len(counts) == 1:
        return values[..., 0]
    return np.trapezoid(values, counts, axis=-1) / (counts[-1] - counts[0])


def mean_and_half(values: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Mean over seeds (the first axis) and half of its t interval; NaN from one seed."""
    given = np.asarray(values, dtype=np.float64)
    mean = given.mean(axis=0)
    if len(given) < 2:
        return mean, np.full_like(mean, np.nan)
    error = given.std(axis=0, ddof=1) / np.sqrt(len(given))
    return mean, stats.t.ppf((1 + confidence) / 2, len(given) - 1) * error


def labels_to_reach(curves: ArrayLike, labels: ArrayLike, targets: ArrayLike) -> Floats:
    """(...,) labels at which curves (..., m) first reach targets (...,); infinite where never.

    Between two batches a curve is a line. One that begins above its target has reached it with
    the first labels.
    """
    values, counts = np.asarray(curves, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    wanted = np.broadcast_to(np.asarray(targets, dtype=np.float64), values.shape[:-1])
    reached = values >= wanted[..., None]
    after = reached.argmax(axis=-1)
    before = np.maximum(after - 1, 0)
    above = np.take_along_axis(values, after[..., None], -1)[..., 0]
    below = np.take_along_axis(values, before[..., None], -1)[..., 0]
    # Where the first labels reach it, and where nothing does, there is no line to follow.
    rise = np.where(above > below, above - below, 1.0)
    part = np.where(after > 0, (wanted - below) / rise, 0.0)
    needed = counts[before] + part * (counts[after] - counts[before])
    return np.where(reached.any(axis=-1), needed, np.inf)


def share_of_labels(
    curves: ArrayLike, random: ArrayLike, labels: ArrayLike, level: float = 1.0
) -> Floats:
    """(...,) data utilisation: labels to `level` of random's final accuracy over random's own.

    `curves` and `random` are (..., m); infinite where a curve never reaches it.
    """
    base = np.asarray(random, dtype=np.float64)
    targets = level * base[..., -1]
    needed = labels_to_reach(curves, labels, targets)
    return needed / labels_to_reach(base, labels, targets)


def share_interval(
    curves: ArrayLike,
    random: ArrayLike,
    labels: ArrayLike,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The percentile bootstrap interval of `share_of_labels` of the mean curves.

    Seeds are resampled, both curves of a seed together; `curves` and `random` are (seeds, m).
    """
    values, base = np.asarray(curves, dtype=np.float64), np.asarray(random, dtype=np.float64)
    drawn = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES)
    weights = drawn / len(values)
    shares = np.sort(share_of_labels(weights @ values, weights @ base, labels))
    # Interpolating between shares would fail where some are infinite.
    outside = int((1 - confidence) / 2 * RESAMPLES)
    return float(shares[outside]), float(shares[-1 - outside])


def deficiency(curve: ArrayLike, random: ArrayLike) -> float | None:
    """How much of random's way to its final accuracy is left open; below 1 is better than random.

    Σ(final - curve_t) / Σ(final - random_t) with `final` random's last accuracy; both curves (m,)
    (Baram, El-Yaniv and Luz, JMLR 2004). None where random does not rise.
    """
    values, base = np.asarray(curve, dtype=np.float64), np.asarray(random, dtype=np.float64)
    left = float((base[-1] - base).sum())
    return float((base[-1] - values).sum()) / left if left > 1e-12 else None
