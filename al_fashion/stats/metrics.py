"""What a model's probabilities are worth against answered photos."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.stats.intervals import clopper_pearson, korn_graubard
from al_fashion.types import Evaluation, Interval

METRICS = ("accuracy", "top1_in_set")


def exact_match(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) whether the whole label set of (n, C) is right."""
    return np.asarray((predicted == truth).all(axis=1))


def top1_in_set(proba: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) whether the most probable label is one of the right ones."""
    return np.asarray(truth[np.arange(len(truth)), proba.argmax(axis=1)])


def share_right(right: NDArray[np.bool_], groups: Sequence[str]) -> Interval:
    """Share of right photos, by groups where any group has more than one photo."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    if len(sizes) > 1 and sizes.max() > 1:
        return korn_graubard(np.bincount(member, weights=right), sizes)
    return clopper_pearson(int(right.sum()), len(right))


def evaluate_predictions(
    proba: NDArray[np.float64],
    predicted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    groups: Sequence[str],
    labels: Sequence[str],
    *,
    exclusive: bool,
    metric: str,
) -> Evaluation:
    """Evaluate (n, C) probabilities and predicted labels; `metric` names the headline."""
    exact = share_right(exact_match(predicted, truth), groups)
    top1 = share_right(top1_in_set(proba, truth), groups)
    return Evaluation(
        metric=metric,
        accuracy=exact if metric == "accuracy" else top1,
        exact_match=exact,
        top1_in_set=top1,
        per_label=[
            _label_row(name, predicted[:, place], truth[:, place])
            for place, name in enumerate(labels)
        ],
        confusion=_confusion(predicted, truth) if exclusive else None,
        calibration_error=calibration_error(proba, truth, exclusive=exclusive),
    )


def calibration_error(
    proba: NDArray[np.float64], truth: NDArray[np.bool_], *, exclusive: bool, bins: int = 15
) -> float:
    """The expected calibration error: how far probabilities are from shares, on average.

    Of the most probable label in exclusive use, else of every label of every photo, in bins of
    equal width. Source: Guo et al., ICML 2017, equation 3.
    """
    if exclusive:
        said, right = proba.max(axis=1), top1_in_set(proba, truth)
    else:
        said, right = proba.ravel(), truth.ravel()
    place = np.minimum((said * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=right, minlength=bins) - np.bincount(
        place, weights=said, minlength=bins
    )
    return float(np.abs(gaps).sum() / len(said))


def _label_row(name: str, predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, Any]:
    hits = int((predicted & truth).sum())
    return {
        "label": name,
        "photos": int(truth.sum()),
        "predicted": int(predicted.sum()),
        "precision": hits / int(predicted.sum()) if predicted.any() else None,
        "recall": hits / int(truth.sum()) if truth.any() else None,
    }


def _confusion(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> list[list[int]]:
    """Photos by right label (row) and predicted label (column); 'none of these' left out."""
    return (truth.astype(int).T @ predicted.astype(int)).tolist()
