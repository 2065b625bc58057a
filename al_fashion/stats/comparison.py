"""Do two learners differ? Paired tests over five repeats of two-fold cross-validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

REPEATS = 5


@dataclass(frozen=True)
class PairedTest:
    """The null hypothesis is that both learners are equally accurate; `p_value` is two-sided."""

    method: str
    statistic: float
    p_value: float


def dietterich_t(differences: ArrayLike) -> PairedTest:
    """The 5×2cv paired t test of Dietterich (Neural Computation 1998), 5 degrees of freedom.

    `differences` (5, 2) are accuracies of one learner less those of the other, a row a repeat, a
    column a fold. Raises ValueError for another shape.
    """
    values, squares = _spread(differences)
    statistic = _ratio(values[0, 0], np.sqrt(squares.sum() / REPEATS))
    return PairedTest("dietterich-5x2cv-t", statistic, _p(2 * stats.t.sf(abs(statistic), REPEATS)))


def alpaydin_f(differences: ArrayLike) -> PairedTest:
    """The combined 5×2cv F test of Alpaydin (Neural Computation 1999), F(10, 5).

    It uses all ten differences where Dietterich's t uses the first, and is the one to prefer.
    Raises ValueError for another shape than (5, 2).
    """
    values, squares = _spread(differences)
    statistic = _ratio(float((values**2).sum()), 2 * squares.sum())
    return PairedTest(
        "alpaydin-5x2cv-f", statistic, _p(stats.f.sf(statistic, 2 * REPEATS, REPEATS))
    )


def range_over_epochs(accuracies: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """x̄ ± t·s/√k over the k epochs of one training: how much it wavered, no more than that.

    It is no interval for the accuracy: epochs are not repetitions, and all of them share the
    test photos. Raises ValueError for fewer than 2 epochs.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    if len(values) < 2:
        raise ValueError(f"{len(values)} epochs were given, at least 2 are needed.")
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1)
    half /= np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _spread(differences: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(differences (5, 2), sum of squares about the mean of every repeat (5,))."""
    values = np.asarray(differences, dtype=np.float64)
    if values.shape != (REPEATS, 2):
        raise ValueError(f"Differences have shape {values.shape}, expected ({REPEATS}, 2).")
    return values, ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)


def _ratio(above: float, below: float) -> float:
    """0 where nothing differs at all; infinite where both folds of every repeat agree."""
    if below > 0:
        return float(above / below)
    return 0.0 if above == 0 else float(np.copysign(np.inf, above))


def _p(value: float) -> float:
    return float(min(value, 1.0))
