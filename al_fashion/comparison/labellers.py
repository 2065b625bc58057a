"""Simulated labellers: one who is always right, or several who err, and what they cost."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ComparisonError
from al_fashion.stats.votes import Votes, soft_labels

CLEAN = "clean"


@dataclass(frozen=True)
class Labellers:
    """What every labeller says of every photo: `chosen` (L, n, C) bool."""

    chosen: NDArray[np.bool_]
    exclusive: bool

    def targets(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(len(rows), C) soft labels from all answers to these photos, united as the loop does."""
        number, n = len(self.chosen), len(rows)
        answers = self.chosen[:, rows].reshape(number * n, -1)
        votes = Votes(
            photo=np.tile(np.arange(n), number),
            labeller=np.repeat(np.arange(number), n),
            chosen=answers,
            shown=np.ones_like(answers),
        )
        soft = soft_labels(votes, (n, answers.shape[1]))
        if self.exclusive:
            soft /= np.maximum(soft.sum(axis=1, keepdims=True), 1.0)
        return soft

    def keys(self, rows: NDArray[np.int64]) -> int:
        """Key presses for these photos: one a label chosen and one to end each answer."""
        return int(self.chosen[:, rows].sum()) + len(self.chosen) * len(rows)


def parse_labellers(text: str) -> tuple[float, int]:
    """(error rate, how many answer each photo) of `clean`, `noisy:RATE` or `noisy:RATExNUMBER`.

    Raises ComparisonError.
    """
    if text == CLEAN:
        return 0.0, 1
    found = re.fullmatch(r"noisy:(\d*\.?\d+)(?:x(\d+))?", text)
    rate, number = (float(found[1]), int(found[2] or 1)) if found else (-1.0, 0)
    if not 0 <= rate <= 0.5 or not 1 <= number <= 25:
        raise ComparisonError(
            f"Labellers {text!r}: expected clean, or noisy:RATExNUMBER with a rate of 0 to 0.5 and "
            "1 to 25 labellers a photo, such as noisy:0.1x3."
        )
    return rate, number


def simulated_labellers(
    truth: NDArray[np.bool_], exclusive: bool, text: str, rng: np.random.Generator
) -> Labellers:
    """Labellers who answer photos whose labels are `truth` (n, C), with errors of their own.

    Each labeller errs with each label at a rate of its own, drawn evenly between half and one and
    a half times the given one. Where labels exclude each other, an error is another label, drawn
    by a preference that this labeller has for this label (uniform on the simplex). Else a label
    that is there is missed at that rate, and as many are added where they are not, on average.
    """
    rate, number = parse_labellers(text)
    if not rate:
        return Labellers(np.repeat(truth[None], number, axis=0), exclusive)
    answer = _one_label if exclusive else _several_labels
    return Labellers(np.stack([answer(truth, rate, rng) for _ in range(number)]), exclusive)


def _rates(rate: float, labels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rate * rng.uniform(0.5, 1.5, labels))


def _one_label(
    truth: NDArray[np.bool_], rate: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    labels = truth.shape[1]
    confusion = rng.exponential(size=(labels, labels))
    np.fill_diagonal(confusion, 0.0)
    confusion *= (_rates(rate, labels, rng) / confusion.sum(axis=1))[:, None]
    np.fill_diagonal(confusion, 1.0 - confusion.sum(axis=1))
    limits = confusion.cumsum(axis=1)[truth.argmax(axis=1)]
    said = (rng.random((len(truth), 1)) > limits).sum(axis=1)
    return np.eye(labels, dtype=bool)[np.minimum(said, labels - 1)]


def _several_labels(
    truth: NDArray[np.bool_], rate: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    missed = _rates(rate, truth.shape[1], rng)
    share = truth.mean(axis=0)
    added = missed * share / np.maximum(1.0 - share, share)
    wrong = rng.random(truth.shape) < np.where(truth, missed, added)
    return np.asarray(truth ^ wrong)
