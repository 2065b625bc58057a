"""What a model's probabilities are worth against answered photos."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.stats.intervals import clopper_pearson, korn_graubard
from al_fashion.stats.paired import paired_difference
from al_fashion.stats.planning import attempt_alpha
from al_fashion.stats.resampling import cluster_t, delta_share, macro_f1, micro_f1
from al_fashion.types import Difference, Evaluation, Interval

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

METRICS = ("accuracy", "top1_in_set")
# A probability of 0 for what was right costs as much as this one.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Predictions:
    """What a model says of the photos: (n, C) probabilities and (n, C) labels."""

    proba: Floats
    labels: Bools


@dataclass(frozen=True)
class Earlier:
    """The model of an earlier round, on the same photos."""

    round: int
    predictions: Predictions


def as_asked(said: Predictions, answered: Bools) -> Predictions:
    """Predictions of the labels (n, C) that were answered; the others are said to be absent."""
    return Predictions(np.where(answered, said.proba, 0.0), said.labels & answered)


def exact_match(predicted: Bools, truth: Bools) -> Bools:
    """(n,) whether the whole label set of (n, C) is right."""
    return np.asarray((predicted == truth).all(axis=1))


def top1_in_set(proba: Floats, truth: Bools) -> Bools:
    """(n,) whether the most probable label is one of the right ones."""
    return np.asarray(truth[np.arange(len(truth)), proba.argmax(axis=1)])


def is_right(predictions: Predictions, truth: Bools, metric: str) -> Bools:
    """(n,) whether each photo counts as right in the headline."""
    if metric == "accuracy":
        return exact_match(predictions.labels, truth)
    return top1_in_set(predictions.proba, truth)


def share_right(right: Bools, groups: Sequence[str], confidence: float = 0.95) -> Interval:
    """Share of right photos, by groups where any group has more than one photo.

    One group alone, however many photos it has, says nothing.
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    if sizes.max() == 1:
        return clopper_pearson(int(right.sum()), len(right), confidence)
    if len(sizes) == 1:
        return Interval(float(right.mean()), 0.0, 1.0, "one-group", confidence, len(right))
    return korn_graubard(np.bincount(member, weights=right), sizes, confidence)


def jaccard(predicted: Bools, truth: Bools) -> Floats:
    """(n,) labels in both sets over labels in either; 1 where both sets are empty."""
    both = (predicted & truth).sum(axis=1)
    either = (predicted | truth).sum(axis=1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def log_losses(proba: Floats, truth: Bools, *, exclusive: bool) -> tuple[Floats, Bools]:
    """(losses of the photos that have one, (n,) which these are), in nats a photo.

    Where labels exclude each other: of the right label, for photos that have one. Else the
    mean over labels of each label's.
    """
    safe = np.clip(proba, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    if exclusive:
        some = np.asarray(truth.any(axis=1))
        return -np.log(safe[some][truth[some]]), some
    losses = -np.where(truth, np.log(safe), np.log1p(-safe)).mean(axis=1)
    return np.asarray(losses), np.ones(len(truth), dtype=bool)


def evaluate_predictions(
    predictions: Predictions,
    truth: Bools,
    groups: Sequence[str],
    labels: Sequence[str],
    *,
    exclusive: bool,
    metric: str,
    look: int = 1,
    earlier: Earlier | None = None,
) -> Evaluation:
    """Evaluate predictions against (n, C) `truth`; `metric` names the headline.

    Look number r at the same photos spends 0.05 / (r (r + 1)) of the doubt in `all_looks`, so
    that however many rounds follow, all these intervals hold together with 95 %.
    """
    exact = share_right(exact_match(predictions.labels, truth), groups)
    top1 = share_right(top1_in_set(predictions.proba, truth), groups)
    right = is_right(predictions, truth, metric)
    return Evaluation(
        metric=metric,
        accuracy=exact if metric == "accuracy" else top1,
        exact_match=exact,
        top1_in_set=top1,
        measures=_measures(predictions, truth, groups, exclusive),
        per_label=[
            _label_row(name, predictions.labels[:, place], truth[:, place], groups)
            for place, name in enumerate(labels)
        ],
        confusion=_confusion(predictions.labels, truth) if exclusive else None,
        look=look,
        all_looks=share_right(right, groups, 1 - attempt_alpha(look)),
        difference=_difference(right, earlier, truth, groups, metric),
        calibration_error=calibration_error(predictions.proba, truth, exclusive=exclusive),
        reliability=_reliability(predictions.proba, truth, exclusive),
    )


def calibration_error(proba: Floats, truth: Bools, *, exclusive: bool, bins: int = 15) -> float:
    """The expected calibration error: how far probabilities are from shares, on average.

    Of the most probable label in exclusive use, else of every label of every photo, in bins of
    equal width; with few photos it comes out too high. Source: Guo et al., ICML 2017, equation 3.
    """
    return float(_gaps(proba, truth, exclusive, bins).mean())


def _gaps(proba: Floats, truth: Bools, exclusive: bool, bins: int = 15) -> Floats:
    """(n,) what each photo adds to the calibration error, times n."""
    said, right = _said_and_right(proba, truth, exclusive)
    place = np.minimum((said * bins).astype(int), bins - 1)
    off = right - said
    signs = np.sign(np.bincount(place.ravel(), weights=off.ravel(), minlength=bins))
    return np.asarray((signs[place] * off).mean(axis=1))


def _said_and_right(proba: Floats, truth: Bools, exclusive: bool) -> tuple[Floats, Bools]:
    """Of the most probable label (n, 1) in exclusive use, else of every label (n, C)."""
    if exclusive:
        return proba.max(axis=1)[:, None], top1_in_set(proba, truth)[:, None]
    return proba, truth


def _reliability(
    proba: Floats, truth: Bools, exclusive: bool, bins: int = 10
) -> list[dict[str, Any]]:
    said, right = (each.ravel() for each in _said_and_right(proba, truth, exclusive))
    place = np.minimum((said * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(place):
        rows = place == number
        found.append(
            {
                "said": float(said[rows].mean()),
                "right": float(right[rows].mean()),
                "count": int(rows.sum()),
            }
        )
    return found


def _measures(
    predictions: Predictions, truth: Bools, groups: Sequence[str], exclusive: bool
) -> dict[str, Interval]:
    """The numbers beside the headline; those that cannot be told yet are left out."""
    predicted = predictions.labels
    overlap = jaccard(predicted, truth)
    mean = float(overlap.mean())
    losses, some = log_losses(predictions.proba, truth, exclusive=exclusive)
    gaps = _gaps(predictions.proba, truth, exclusive)
    off = float(gaps.mean())
    named = [group for group, counts in zip(groups, some, strict=True) if counts]
    found = {
        "jaccard": delta_share(mean, overlap - mean, groups, decisions=truth.shape[1]),
        "micro_f1": micro_f1(predicted, truth, groups),
        "macro_f1": macro_f1(predicted, truth, groups),
        "calibration_error": delta_share(off, gaps - off, groups, decisions=truth.shape[1]),
        "log_loss": cluster_t(losses, named) if len(set(named)) > 1 else None,
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def _difference(
    right: Bools, earlier: Earlier | None, truth: Bools, groups: Sequence[str], metric: str
) -> Difference | None:
    if earlier is None:
        return None
    before = is_right(earlier.predictions, truth, metric)
    better, worse = right & ~before, before & ~right
    shares = share_right(better, groups), share_right(worse, groups)
    return Difference(
        before=earlier.round,
        better=int(better.sum()),
        worse=int(worse.sum()),
        interval=paired_difference(*shares),
    )


def _label_row(name: str, predicted: Bools, truth: Bools, groups: Sequence[str]) -> dict[str, Any]:
    precision = _share_among(truth, predicted, groups)
    recall = _share_among(predicted, truth, groups)
    return {
        "label": name,
        "photos": int(truth.sum()),
        "predicted": int(predicted.sum()),
        "precision": None if precision is None else precision.value,
        "recall": None if recall is None else recall.value,
        "precision_interval": None if precision is None else asdict(precision),
        "recall_interval": None if recall is None else asdict(recall),
    }


def _share_among(right: Bools, among: Bools, groups: Sequence[str]) -> Interval | None:
    """The share of right ones among some photos; None where there are none."""
    if not among.any():
        return None
    return share_right(right[among], np.asarray(groups)[among].tolist())


def _confusion(predicted: Bools, truth: Bools) -> list[list[int]]:
    """Photos by right label (row) and predicted label (column); 'none of these' left out."""
    return (truth.astype(int).T @ predicted.astype(int)).tolist()
