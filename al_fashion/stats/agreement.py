"""How far labellers agree, and what their answers together say."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (labeller, photo, value): who said what of which photo.
Triple = tuple[Hashable, Hashable, Any]
Distance = Callable[[Sequence[Any], NDArray[np.float64]], NDArray[np.float64]]


def krippendorff_alpha(
    answers: Iterable[Triple] | NDArray[np.float64], distance: str = "nominal"
) -> float:
    """Krippendorff's alpha (Content Analysis, 2004): 1 is full agreement, 0 that of chance.

    `answers` are (labeller, photo, value) triples, or an array (labellers, photos) with NaN
    where nothing was said. `distance` is nominal, ordinal, interval or ratio, or jaccard or
    masi where values are sets (Passonneau, LREC 2006). NaN where it is undefined: nobody
    shares a photo, or only one value was ever given. Raises ValueError for another distance.
    """
    if distance not in DISTANCES:
        raise ValueError(f"Unknown distance {distance!r}. Use one of {', '.join(DISTANCES)}.")
    units: dict[Hashable, list[Any]] = {}
    for _, photo, value in _triples(answers):
        units.setdefault(photo, []).append(_hashable(value))
    shared = [said for said in units.values() if len(said) > 1]
    values = _sorted({value for said in shared for value in said})
    place = {value: row for row, value in enumerate(values)}
    together = np.zeros((len(values), len(values)))
    for said in shared:
        rows = np.array([place[value] for value in said])
        pairs = np.ones((len(rows), len(rows))) - np.eye(len(rows))
        np.add.at(together, (rows[:, None], rows[None, :]), pairs / (len(rows) - 1))
    totals = together.sum(axis=1)
    apart = DISTANCES[distance](values, totals)
    expected = float(totals @ apart @ totals) / max(totals.sum() - 1, 1)
    return 1.0 - float((together * apart).sum()) / expected if expected else float("nan")


@dataclass(frozen=True)
class DawidSkene:
    """What `dawid_skene` found.

    `posterior` (n, C) is the probability of each class for each photo, `confusion` (L, C, C)
    how often a labeller says each class (last axis) of each true one, `prior` (C,) the classes'
    shares; rows follow `photos`, `labellers` and `classes`.
    """

    photos: list[Hashable]
    labellers: list[Hashable]
    classes: list[Any]
    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    log_likelihood: float


def dawid_skene(
    answers: Iterable[Triple] | NDArray[np.float64],
    *,
    smoothing: float = 0.0,
    tolerance: float = 1e-7,
    most_steps: int = 1000,
) -> DawidSkene:
    """Dawid and Skene's model of labellers with errors of their own (Applied Statistics 1979).

    EM from the shares of the answers. `answers` as for `krippendorff_alpha`; a labeller may
    answer a photo several times. `smoothing` is added to every count of who says what of what:
    with few answers, unsmoothed error rates of 0 would let one labeller veto all others.
    Raises ValueError without answers.
    """
    triples = [(who, photo, _hashable(value)) for who, photo, value in _triples(answers)]
    if not triples:
        raise ValueError("No answers were given, at least one is needed.")
    photos = list(dict.fromkeys(photo for _, photo, _ in triples))
    labellers = _sorted({who for who, _, _ in triples})
    classes = _sorted({value for _, _, value in triples})
    photo_row = {photo: row for row, photo in enumerate(photos)}
    who_row = {who: row for row, who in enumerate(labellers)}
    class_row = {value: row for row, value in enumerate(classes)}
    said = np.array([(photo_row[p], who_row[w], class_row[v]) for w, p, v in triples])
    posterior, confusion, prior, likelihood = expectation_maximisation(
        said, (len(photos), len(labellers), len(classes)), smoothing, tolerance, most_steps
    )
    return DawidSkene(photos, labellers, classes, posterior, confusion, prior, likelihood)


def expectation_maximisation(
    said: NDArray[np.int64],
    shape: tuple[int, int, int],
    smoothing: float,
    tolerance: float = 1e-7,
    most_steps: int = 1000,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """(posterior, confusion, prior, log-likelihood) of answers `said` (a, 3): rows of photo,
    labeller and class, of which there are `shape`."""
    photo, who, value = said.T
    photos, labellers, classes = shape
    posterior = np.zeros((photos, classes))
    np.add.at(posterior, (photo, value), 1.0)
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1)
    likelihood = -np.inf
    for _ in range(most_steps):
        prior = posterior.sum(axis=0) + smoothing
        prior = prior / prior.sum()
        confusion = _confusion(posterior, photo, who * classes + value, (labellers, classes))
        confusion += smoothing
        confusion /= np.maximum(confusion.sum(axis=2, keepdims=True), 1e-300)
        with np.errstate(divide="ignore"):
            log_said = np.log(confusion)[who, :, value]
            log_joint = np.stack(
                [np.bincount(photo, column, photos) for column in log_said.T], axis=1
            ) + np.log(prior)
        top = log_joint.max(axis=1, keepdims=True)
        joint = np.exp(log_joint - top)
        posterior = joint / joint.sum(axis=1, keepdims=True)
        before, likelihood = likelihood, float((top[:, 0] + np.log(joint.sum(axis=1))).sum())
        if abs(likelihood - before) < tolerance:
            break
    return posterior, confusion, prior, likelihood


def _confusion(
    posterior: NDArray[np.float64],
    photo: NDArray[np.int64],
    who_said: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """(L, C, C) expected counts of labeller, true class, class said."""
    labellers, classes = shape
    counts = np.empty((classes, labellers * classes))
    for true in range(classes):
        counts[true] = np.bincount(who_said, posterior[photo, true], labellers * classes)
    return counts.reshape(classes, labellers, classes).swapaxes(0, 1).copy()


def _triples(answers: Iterable[Triple] | NDArray[np.float64]) -> Iterable[Triple]:
    if isinstance(answers, np.ndarray):
        rows, columns = np.nonzero(~np.isnan(answers))
        return [
            (int(row), int(column), float(answers[row, column]))
            for row, column in zip(rows, columns, strict=True)
        ]
    return answers


def _hashable(value: Any) -> Any:
    return frozenset(value) if isinstance(value, set | frozenset | list | tuple) else value


def _sorted(values: Iterable[Any]) -> list[Any]:
    """A fixed order, whatever the values are."""
    return sorted(values, key=lambda value: (str(type(value)), _order(value)))


def _order(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, frozenset) else value


def _nominal(values: Sequence[Any], _totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - np.eye(len(values))


def _interval(values: Sequence[Any], _totals: NDArray[np.float64]) -> NDArray[np.float64]:
    number = np.asarray(values, dtype=np.float64)
    return np.asarray((number[:, None] - number[None, :]) ** 2)


def _ratio(values: Sequence[Any], _totals: NDArray[np.float64]) -> NDArray[np.float64]:
    number = np.asarray(values, dtype=np.float64)
    both = number[:, None] + number[None, :]
    differ = number[:, None] - number[None, :]
    return np.asarray(np.divide(differ, both, out=np.zeros_like(both), where=both != 0) ** 2)


def _ordinal(_values: Sequence[Any], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks by how often values were given: half of both ends and all between."""
    middle = np.cumsum(totals) - totals / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2)


def _overlaps(values: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(V, V) sizes of the intersections and of the unions of sets."""
    members = _sorted({member for value in values for member in value})
    inside = np.array([[member in value for member in members] for value in values], dtype=float)
    inside = inside.reshape(len(values), len(members))
    both = inside @ inside.T
    size = inside.sum(axis=1)
    return both, size[:, None] + size[None, :] - both


def _jaccard(values: Sequence[Any], _totals: NDArray[np.float64]) -> NDArray[np.float64]:
    both, either = _overlaps(values)
    return 1.0 - np.divide(both, either, out=np.ones_like(both), where=either > 0)


def _masi(values: Sequence[Any], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − Jaccard × (1 equal, 2/3 one within the other, 1/3 overlapping, 0 apart)."""
    both, either = _overlaps(values)
    size = np.diag(both)
    least = np.minimum(size[:, None], size[None, :])
    weight = np.where(both == least, 2 / 3, 1 / 3)
    weight = np.where(both == either, 1.0, np.where(both == 0, 0.0, weight))
    return 1.0 - weight * (1.0 - _jaccard(values, totals))


DISTANCES: dict[str, Distance] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
    "ratio": _ratio,
    "jaccard": _jaccard,
    "masi": _masi,
}
