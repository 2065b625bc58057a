"""Several answers to a photo, united label by label into one soft label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_fashion.stats.agreement import expectation_maximisation

# A model of labellers needs answers to learn from: photos with so many answers, so many of them.
MODELLED_ANSWERS = 3
MODELLED_PHOTOS = 20
SMOOTHING = 1.0


@dataclass(frozen=True)
class Votes:
    """One row an answer: `photo` and `labeller` (a,) row numbers, `chosen` (a, C) bool, `shown`
    (a, C) bool which labels there were to choose from."""

    photo: NDArray[np.int64]
    labeller: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    shown: NDArray[np.bool_]


def soft_labels(votes: Votes, shape: tuple[int, int]) -> NDArray[np.float64]:
    """(n, C) how sure each label of each photo is.

    The share of those who chose it among those who could have; where enough photos have enough
    answers, what Dawid and Skene's model of the labellers says, label by label.
    """
    soft = _shares(votes, shape)
    _use_labeller_model(soft, votes)
    return soft


def _shares(votes: Votes, shape: tuple[int, int]) -> NDArray[np.float64]:
    """(n, C) share of those who chose a label among those who could have."""
    chose, could = np.zeros(shape), np.zeros(shape)
    np.add.at(chose, votes.photo, votes.chosen)
    np.add.at(could, votes.photo, votes.shown)
    return chose / np.maximum(could, 1)


def _use_labeller_model(soft: NDArray[np.float64], votes: Votes) -> None:
    """Put the labeller model's probabilities where a photo has answers enough, label by label."""
    for label in range(soft.shape[1]):
        could = votes.shown[:, label]
        answers = np.bincount(votes.photo[could], minlength=len(soft))
        modelled = np.flatnonzero(answers >= MODELLED_ANSWERS)
        if len(modelled) < MODELLED_PHOTOS:
            continue
        used = could & (answers[votes.photo] >= MODELLED_ANSWERS)
        said = np.stack(
            [
                np.searchsorted(modelled, votes.photo[used]),
                votes.labeller[used],
                votes.chosen[used, label].astype(np.int64),
            ],
            axis=1,
        )
        shape = (len(modelled), int(votes.labeller.max()) + 1, 2)
        soft[modelled, label] = expectation_maximisation(said, shape, SMOOTHING)[0][:, 1]
