"""The head for many labels: it beats the linear one from about 1,500 on (docs/benchmarks.md)."""

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from al_fashion.models.dense import DROPOUT, Dense, fit_dense
from al_fashion.models.heads import Head
from al_fashion.models.logistic import Floats
from al_fashion.models.propagation import Background
from al_fashion.models.selection import calibrate

FEWEST_LABELLED = 1500


class DenseHead(Head):
    """A hidden layer with dropout; its probabilities are calibrated by a fifth of the photos.

    Weights, batches, dropout and folds are drawn by `seed`. It starts anew whatever `start` is: to
    go on from an earlier one saves time only with fewer epochs, which cost a point within five
    rounds (docs/benchmarks.md; Ash and Adams, On warm-starting neural network training, NeurIPS
    2020). A background is not taken.
    """

    about = "a hidden layer with dropout, on soft labels"

    def __init__(self, exclusive: bool = False, seed: int = 0) -> None:
        self.exclusive = exclusive
        self.seed = seed

    def _fit_scaled(
        self,
        features: Floats,
        targets: Floats,
        groups: NDArray[Any] | None,
        start: Head | None,
        background: Background | None,
    ) -> None:
        rng = np.random.default_rng(self.seed)

        def fit(rows: NDArray[np.bool_]) -> Dense:
            return fit_dense(features[rows], targets[rows], exclusive=self.exclusive, rng=rng)

        self.temperature_, self.thresholds_ = calibrate(
            fit, features, targets, groups, rng, exclusive=self.exclusive
        )
        fitted = fit(np.ones(len(features), dtype=bool))
        self.weights_ = fitted.hidden.astype(np.float64)
        self.bias_ = fitted.hidden_bias.astype(np.float64)
        self.output_, self.output_bias_ = fitted.output, fitted.output_bias

    def decision(self, X: NDArray[np.floating]) -> Floats:
        units = np.maximum(self._first_layer(X), 0)
        return np.asarray(units @ self.output_ + self.output_bias_, np.float64)

    def thinned(self, rng: np.random.Generator) -> Self:
        """The head with units dropped as in training, a member of a dropout committee.

        Source: Gal and Ghahramani, ICML 2016; all photos are seen by the same units, so that a
        member is one classifier.
        """
        kept = rng.random(len(self.output_)) >= DROPOUT
        member = copy(self)
        worth = (kept / (1 - DROPOUT)).astype(np.float32)
        member.output_ = worth[:, None] * self.output_
        return member

    def state(self) -> dict[str, NDArray[Any]]:
        return {**super().state(), "output": self.output_, "output_bias": self.output_bias_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        self.output_, self.output_bias_ = state["output"], state["output_bias"]
        return super().restore(state)
