"""How far the people agree, and how right they are: no model can measurably be better."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy import stats

from al_fashion.stats.agreement import krippendorff_alpha
from al_fashion.stats.metrics import share_right
from al_fashion.types import Interval

# (labeller, photo, the labels said)
Said = tuple[Hashable, str, frozenset[str]]
MIN_PHOTOS = 5
_BLOCKS = 50


def human_measures(
    said: Sequence[Said], verdicts: Mapping[str, frozenset[str]]
) -> dict[str, Interval]:
    """`labeller_agreement`, `labeller_alpha` and `human_ceiling`, those that can be told.

    Agreement is the share of pairs of answers to a photo that are the same whole set; alpha is
    Krippendorff's with MASI, by a jackknife over photos; the ceiling is the share of people's
    answers that are the checked one (`verdicts`, by photo), or where too few are checked what the
    agreement makes it. Each needs MIN_PHOTOS photos.
    """
    by_photo: dict[str, list[frozenset[str]]] = defaultdict(list)
    for _, photo, labels in said:
        by_photo[photo].append(labels)
    pairs = [
        (photo, one == other)
        for photo, answers in by_photo.items()
        for one, other in combinations(answers, 2)
    ]
    checked = [(photo, labels == verdicts[photo]) for _, photo, labels in said if photo in verdicts]
    agreement = _share(pairs)
    found = {
        "labeller_agreement": agreement,
        "labeller_alpha": _alpha(said, {photo for photo, _ in pairs}),
        "human_ceiling": _share(checked) or ceiling_by_agreement(agreement),
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def ceiling_by_agreement(agreement: Interval | None) -> Interval | None:
    """How often a labeller is right at most, if all are equally good and err independently.

    Two who are right with probability a agree with a probability A from a², where no two errors
    are alike, to a² + (1 - a)², where all are. So a is at most √A, which is the value, and at least
    (1 + √(2 A - 1)) / 2; the interval holds both. None where they agree in less than a quarter of
    all cases, which means that they are wrong more often than right.
    """
    if agreement is None or agreement.value < 0.25:
        return None
    low = (1 + float(np.sqrt(max(2 * agreement.low - 1, 0.0)))) / 2
    value, high = float(np.sqrt(agreement.value)), float(np.sqrt(agreement.high))
    return replace(agreement, value=value, low=low, high=high, method="agreement")


def _share(rows: Sequence[tuple[str, bool]]) -> Interval | None:
    photos = [photo for photo, _ in rows]
    if len(set(photos)) < MIN_PHOTOS:
        return None
    return share_right(np.array([right for _, right in rows]), photos)


def _alpha(said: Sequence[Said], shared: set[str]) -> Interval | None:
    """Krippendorff's alpha with a jackknife interval (Hughes 2022), blocks of photos left out."""
    if len(shared) < MIN_PHOTOS:
        return None
    rows = [row for row in said if row[1] in shared]
    order = sorted(shared)
    blocks = min(_BLOCKS, len(order))
    block = {photo: place % blocks for place, photo in enumerate(order)}
    value = krippendorff_alpha(rows, "masi")
    without = np.array(
        [
            krippendorff_alpha([row for row in rows if block[row[1]] != left], "masi")
            for left in range(blocks)
        ]
    )
    if np.isnan(value) or np.isnan(without).any():
        return None
    error = np.sqrt((blocks - 1) / blocks * np.sum((without - without.mean()) ** 2))
    half = float(stats.t.isf(0.025, blocks - 1) * error)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Interval(float(value), low, high, "jackknife", 0.95, len(order))
