"""The difference of two models on the same photos."""

import numpy as np

from al_fashion.types import Interval


def paired_difference(better: Interval, worse: Interval) -> Interval:
    """The share that was put right minus the share that was made wrong, in [-1, 1].

    From the two shares' own intervals by the method of variance estimates recovery (Zou and
    Donner 2008), with the correlation of two shares that exclude each other. Unlike a t-interval
    it has a width where no photo changed.
    """
    plus, minus = better.value, worse.value
    room = (1 - plus) * (1 - minus)
    correlation = -np.sqrt(plus * minus / room) if room > 0 else 0.0
    down = _length(plus - better.low, worse.high - minus, correlation)
    up = _length(better.high - plus, minus - worse.low, correlation)
    value = plus - minus
    low, high = max(value - down, -1.0), min(value + up, 1.0)
    return Interval(value, low, high, "paired", better.confidence, better.n)


def _length(one: float, other: float, correlation: float) -> float:
    return float(np.sqrt(one**2 + other**2 - 2 * correlation * one * other))
