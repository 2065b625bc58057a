"""A layer of rectified units and one of log-odds, trained with dropout."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from al_fashion.models.logistic import Floats

Singles = NDArray[np.float32]

UNITS = 512
DROPOUT = 0.5
_EPOCHS, _BATCH = 20, 128
_RATE, _DECAY = 2e-3, 0.05
_MEAN, _SQUARE, _LEAST = 0.9, 0.999, 1e-7
"""AdamW's momenta of a gradient and of its square, and what keeps it from dividing by 0."""


@dataclass(frozen=True)
class Dense:
    """`hidden` (d, h), `hidden_bias` (h,), `output` (h, C) and `output_bias` (C,), float32."""

    hidden: Singles
    hidden_bias: Singles
    output: Singles
    output_bias: Singles

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """(n, C) log-odds of features (n, d)."""
        units = np.maximum(features @ self.hidden + self.hidden_bias, 0)
        return np.asarray(units @ self.output + self.output_bias, np.float64)


def fit_dense(
    features: Floats, targets: Floats, *, exclusive: bool, rng: np.random.Generator
) -> Dense:
    """A dense head like the study's: cross-entropy, dropout; twenty epochs in batches of 128.

    `features` (n, d) have a mean square length of 1; `targets` (n, C) in [0, 1]: rows add up to 1
    in exclusive use (softmax), else NaN says that a label is not known (independent sigmoids).
    AdamW with a rate that falls like a cosine: Loshchilov and Hutter, ICLR 2019. First hidden
    weights: He et al., ICCV 2015.
    """
    n, d = features.shape
    # The mean square of a value becomes 1, which the rates are made for.
    scale = np.float32(np.sqrt(d))
    inputs, wanted = features.astype(np.float32) * scale, targets.astype(np.float32)
    classes = targets.shape[1]
    parameters = [
        np.sqrt(2 / d, dtype=np.float32) * rng.standard_normal((d, UNITS), dtype=np.float32),
        np.zeros(UNITS, np.float32),
        rng.standard_normal((UNITS, classes), dtype=np.float32) / np.float32(np.sqrt(UNITS)),
        np.zeros(classes, np.float32),
    ]
    batches = -(-n // _BATCH)
    optimiser = _AdamW(parameters, _EPOCHS * batches)
    for _ in range(_EPOCHS):
        for rows in np.array_split(rng.permutation(n), batches):
            kept = rng.random((len(rows), UNITS), dtype=np.float32) >= DROPOUT
            optimiser.step(gradients(parameters, inputs[rows], wanted[rows], kept, exclusive))
    hidden, hidden_bias, output, output_bias = parameters
    return Dense(hidden * scale, hidden_bias, output, output_bias)


def gradients(
    parameters: Sequence[Singles],
    inputs: Singles,
    targets: Singles,
    kept: NDArray[np.bool_],
    exclusive: bool,
) -> list[Singles]:
    """Of the mean cross-entropy of (n, d) inputs, where only the units `kept` (n, h) are at work.

    `parameters` and what is returned are in the order of `Dense`.
    """
    hidden, hidden_bias, output, output_bias = parameters
    worth = kept * np.float32(1 / (1 - DROPOUT))
    units = np.maximum(inputs @ hidden + hidden_bias, 0) * worth
    values = units @ output + output_bias
    shares = softmax(values, axis=1) if exclusive else expit(values)
    error = np.where(np.isnan(targets), np.float32(0), shares - targets) / np.float32(len(inputs))
    back = (error @ output.T) * worth * (units > 0)
    return [inputs.T @ back, back.sum(axis=0), units.T @ error, error.sum(axis=0)]


class _AdamW:
    """Changes `parameters` in place, step by step; only matrices decay."""

    def __init__(self, parameters: Sequence[Singles], steps: int) -> None:
        self._parameters, self._steps, self._step = parameters, steps, 0
        self._means = [np.zeros_like(each) for each in parameters]
        self._squares = [np.zeros_like(each) for each in parameters]

    def step(self, gradients: Sequence[Singles]) -> None:
        rate = _RATE * (1 + np.cos(np.pi * self._step / self._steps)) / 2
        self._step += 1
        first = np.float32(rate / (1 - _MEAN**self._step))
        second = np.float32(1 / np.sqrt(1 - _SQUARE**self._step))
        state = zip(self._parameters, gradients, self._means, self._squares, strict=True)
        for parameter, gradient, mean, square in state:
            if parameter.ndim > 1:
                parameter *= np.float32(1 - rate * _DECAY)
            mean += np.float32(1 - _MEAN) * (gradient - mean)
            square += np.float32(1 - _SQUARE) * (gradient * gradient - square)
            parameter -= first * mean / (second * np.sqrt(square) + np.float32(_LEAST))
