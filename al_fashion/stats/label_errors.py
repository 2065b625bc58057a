"""Answers that the other answers speak against."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def suspected_errors(given: Bools, proba: Floats) -> Floats:
    """(n, C) how suspect each label of each photo is: 0 where it is not, else up to 1.

    `given` (n, C) labels, `proba` (n, C) out-of-fold probabilities, each label by itself. Confident
    learning (Northcutt, Jiang and Chuang, JAIR 2021): the other side is as probable as it is on
    average where it was said, and more probable than what was said. A label that all or none have
    is never suspect.
    """
    said = np.where(given, proba, 1 - proba)
    suspect = np.zeros_like(proba)
    for label in range(given.shape[1]):
        has = given[:, label]
        if has.all() or not has.any():
            continue
        typical_yes = proba[has, label].mean()
        typical_no = (1 - proba[~has, label]).mean()
        other = 1 - said[:, label]
        typical = np.where(has, typical_no, typical_yes)
        doubtful = (other >= typical) & (other > 0.5)
        suspect[doubtful, label] = other[doubtful]
    return suspect
