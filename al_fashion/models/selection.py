"""How strongly to regularise, how far to trust the probabilities, which labels to give.

All three are chosen by cross-validation inside the training photos; the photos that evaluate a
round are never looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from al_fashion.models.logistic import Floats, Logistic, cross_entropy, fit_logistic, row_space
from al_fashion.models.thresholds import ONE_HALF, choose_thresholds

PENALTIES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
"""Of features with a mean square length of 1."""
_FIRST = 2
"""Where the search for a penalty begins."""
DEFAULT_PENALTY = 0.03
FOLDS = 3
_PARTS = 5
_FEWEST = 12
_ITERATIONS = 60
_TEMPERATURES = (0.1, 10.0)


@dataclass(frozen=True)
class Choice:
    """Thresholds (C,) are probabilities; they mean something where labels are not exclusive."""

    penalty: float
    temperature: float
    thresholds: Floats


def choose(
    features: Floats,
    targets: Floats,
    groups: NDArray[Any] | None,
    rng: np.random.Generator,
    *,
    exclusive: bool,
) -> Choice:
    """The penalty and temperature with the least cross-entropy on photos left out; thresholds.

    Photos of one group are left out together. Every penalty is judged at its own best
    temperature, so that a fit is not preferred for its scale; the search ends where a neighbouring
    penalty is no better. With fewer than 12 photos or 3 groups there is nothing to choose by: the
    default, 1 and one half.
    """
    folds = fold_numbers(len(features), groups, rng)
    if len(features) < _FEWEST or folds.max() < FOLDS - 1:
        return without_choice(DEFAULT_PENALTY, targets, exclusive=exclusive)
    parts = [_Part(features, targets, folds == fold, exclusive) for fold in range(FOLDS)]

    @cache
    def tried(place: int) -> tuple[float, float, Floats]:
        values = np.empty(targets.shape)
        for part in parts:
            values[part.outside] = part.left_out(PENALTIES[place])
        temperature, loss = best_temperature(values, targets, exclusive=exclusive)
        return loss, temperature, values

    best = walk(lambda place: tried(place)[0], _FIRST, len(PENALTIES))
    _, temperature, values = tried(best)
    plain = without_choice(PENALTIES[best], targets, exclusive=exclusive)
    if exclusive:
        return Choice(plain.penalty, temperature, plain.thresholds)
    thresholds = choose_thresholds(expit(values / temperature), targets)
    return Choice(plain.penalty, temperature, thresholds)


def calibrate(
    fit: Callable[[NDArray[np.bool_]], Callable[[Floats], Floats]],
    features: Floats,
    targets: Floats,
    groups: NDArray[Any] | None,
    rng: np.random.Generator,
    *,
    exclusive: bool,
) -> tuple[float, Floats]:
    """(temperature, thresholds) of a model without a penalty to choose, by one fold left out.

    `fit` takes which rows to learn from, (n,) bool, and gives log-odds of features; it is for so
    many photos that a fifth of them says enough. With fewer than 5 groups 1 and one half.
    """
    folds = fold_numbers(len(features), groups, rng, _PARTS)
    plain = without_choice(DEFAULT_PENALTY, targets, exclusive=exclusive)
    if folds.max() < _PARTS - 1:
        return plain.temperature, plain.thresholds
    outside = folds == 0
    values, truth = fit(~outside)(features[outside]), targets[outside]
    temperature, _ = best_temperature(values, truth, exclusive=exclusive)
    if exclusive:
        return temperature, plain.thresholds
    return temperature, choose_thresholds(expit(values / temperature), truth)


class _Part:
    """One fold: a fit to the photos inside, each from the one before, judged on those outside."""

    def __init__(
        self, features: Floats, targets: Floats, outside: NDArray[np.bool_], exclusive: bool
    ) -> None:
        if (~outside).sum() < features.shape[1]:  # few photos: in as many dimensions as they are
            features = features @ row_space(features[~outside])
        self.outside, self._exclusive = outside, exclusive
        self._features, self._targets = features, targets
        self._fitted: Logistic | None = None

    def left_out(self, penalty: float) -> Floats:
        """Log-odds of the photos outside."""
        self._fitted = fit_logistic(
            self._features[~self.outside],
            self._targets[~self.outside],
            penalty,
            exclusive=self._exclusive,
            start=self._fitted,
            iterations=_ITERATIONS,
        )
        return self._fitted(self._features[self.outside])


def walk(loss: Callable[[int], float], first: int, places: int) -> int:
    """The place of the least loss, from `first` on downhill; its slopes have one valley."""
    best = first
    for step in (1, -1):
        while 0 <= best + step < places and loss(best + step) < loss(best):
            best += step
        if best != first:
            break
    return best


def without_choice(penalty: float, targets: Floats, *, exclusive: bool) -> Choice:
    """What stands where nothing is chosen by the photos."""
    labels = targets.shape[1] - (not exclusive)
    return Choice(penalty, 1.0, np.full(labels, ONE_HALF))


def best_temperature(values: Floats, targets: Floats, *, exclusive: bool) -> tuple[float, float]:
    """(temperature, cross-entropy) that make log-odds / temperature fit the targets best.

    Temperature scaling: Guo et al., ICML 2017.
    """
    found = minimize_scalar(
        lambda log: cross_entropy(values / np.exp(log), targets, exclusive=exclusive),
        bounds=np.log(_TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x)), float(found.fun)


def fold_numbers(
    n: int, groups: NDArray[Any] | None, rng: np.random.Generator, folds: int = FOLDS
) -> NDArray[np.int64]:
    """The fold of each photo: whole groups, in random order, each to the smallest fold."""
    names, member = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
    sizes, filled = np.bincount(member, minlength=len(names)), np.zeros(folds, dtype=np.int64)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for group in rng.permutation(len(names)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[member]
