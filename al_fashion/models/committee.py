"""A committee of heads, for strategies that ask where its members disagree."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from al_fashion.models.dense_head import DenseHead
from al_fashion.models.heads import Head, LinearHead

MEMBERS = 10


def committee_of(
    head: Head,
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    members: int = MEMBERS,
) -> list[Head]:
    """Of a dense head the same with units dropped; else heads fitted to samples, drawn with
    replacement, of what `head` was fitted to.

    Linear ones share its penalty and temperature and start from it, so that ten cost about as
    much as one; an estimator of another kind is fitted anew. A sample without a label, possible
    only for very few photos, is drawn again.
    Source: query by bagging, Abe and Mamitsuka, ICML 1998.
    """
    if isinstance(head, DenseHead):
        return [head.thinned(rng) for _ in range(members)]
    return [_member(head, features, targets, rng) for _ in range(members)]


def _member(
    head: Head,
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    rng: np.random.Generator,
) -> Head:
    labelled = np.nansum(targets, axis=1) > 0
    while True:
        rows = rng.integers(0, len(features), len(features))
        if labelled[rows].any() or not labelled.any():
            break
    if not isinstance(head, LinearHead):
        return clone(head).fit(features[rows], targets[rows])
    member = LinearHead(head.exclusive, head.penalty_).fit(
        features[rows], targets[rows], start=head
    )
    member.temperature_, member.thresholds_ = head.temperature_, head.thresholds_
    return member
