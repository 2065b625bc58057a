"""The photos that the study's models train and are tested on: one label each, split by group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ModelError
from al_fashion.loop.step import MIN_EVALUATED
from al_fashion.store.consensus import Consensus, consensus
from al_fashion.store.database import reading
from al_fashion.store.photos import image_paths, labels, rules
from al_fashion.store.queue import picked_images
from al_fashion.workspace import Workspace

NO_LABEL = -1
"""The class of a held-out photo answered 'none of these': no model can be right about it."""
LEAST_TESTED = 10
"""Photos that a half must have to test with."""


@dataclass(frozen=True)
class LabelledPhotos:
    """Answered photos of the pool and the held-out split, the audit's never among them.

    `labels` (n,) int64 are class numbers, `picked` (n,) bool says whose answer a strategy asked
    for: these are no random draw and test no model. `left_out` photos had not exactly one label.
    """

    ids: list[str]
    labels: NDArray[np.int64]
    groups: list[str]
    heldout: NDArray[np.bool_]
    picked: NDArray[np.bool_]
    names: list[str]
    paths: dict[str, list[str]]
    left_out: int
    seed: int

    def ids_of(self, rows: NDArray[np.int64]) -> list[str]:
        return [self.ids[row] for row in rows]

    def groups_of(self, rows: NDArray[np.int64]) -> list[str]:
        return [self.groups[row] for row in rows]


@dataclass(frozen=True)
class Fold:
    """Row numbers of the photos to train on and of those to test on; no group is in both."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def labelled_photos(workspace: Workspace) -> LabelledPhotos:
    """Every answered photo with exactly one label; photos with several say nothing to a softmax.

    Raises ModelError where there are too few to train on or to test with.
    """
    with reading(workspace.engine) as session:
        pool, heldout = consensus(session, "pool"), consensus(session, "heldout")
        fixed = rules(session)
        names = [label.name for label in labels(session)]
        picked = picked_images(session)
        paths = image_paths(session, [*pool.ids, *heldout.ids])
    kept = [*_kept(pool, heldout=False, exclusive=fixed.exclusive)]
    tested = [*_kept(heldout, heldout=True, exclusive=fixed.exclusive)]
    every = [(pool, row) for row in kept] + [(heldout, row) for row in tested]
    photos = LabelledPhotos(
        ids=[part.ids[row] for part, row in every],
        labels=np.array([_label(part.hard[row]) for part, row in every], dtype=np.int64),
        groups=[part.groups[row] for part, row in every],
        heldout=np.repeat([False, True], [len(kept), len(tested)]),
        picked=np.array([part.ids[row] in picked for part, row in every], dtype=bool),
        names=names,
        paths=paths,
        left_out=len(pool.ids) + len(heldout.ids) - len(every),
        seed=fixed.seed,
    )
    _check_enough(photos)
    return photos


def holdout(photos: LabelledPhotos) -> Fold:
    """The pool's photos train, the held-out ones test."""
    return Fold(np.flatnonzero(~photos.heldout), np.flatnonzero(photos.heldout))


def halves(photos: LabelledPhotos, rng: np.random.Generator) -> list[Fold]:
    """Two folds: each half of the photos trains once and tests once; groups stay whole.

    Photos that a strategy picked train only. Raises ModelError where a half has fewer than
    LEAST_TESTED photos to test with, or one label alone to train on.
    """
    names = sorted(set(photos.groups))
    sizes = dict.fromkeys(names, 0)
    for group in photos.groups:
        sizes[group] += 1
    side, filled = {}, [0, 0]
    for name in (names[place] for place in rng.permutation(len(names))):
        side[name] = int(filled[1] < filled[0])
        filled[side[name]] += sizes[name]
    sides = np.array([side[group] for group in photos.groups])
    known, fair = photos.labels != NO_LABEL, ~photos.picked
    folds = [
        Fold(np.flatnonzero((sides == one) & known), np.flatnonzero((sides != one) & fair))
        for one in (0, 1)
    ]
    for fold in folds:
        seen = len(np.unique(photos.labels[fold.train]))
        if len(fold.test) < LEAST_TESTED or seen < 2:
            raise ModelError(
                f"Cannot train on one half and test on the other: a half has {len(fold.test)} "
                f"photos to test with and {seen} labels to train on, at least {LEAST_TESTED} and 2 "
                "are needed (groups stay whole, what a strategy picked only trains). Answer more "
                "with `al-fashion round --evaluate` and `al-fashion serve`."
            )
    return folds


def _kept(part: Consensus, *, heldout: bool, exclusive: bool) -> NDArray[np.int64]:
    counts = part.hard.sum(axis=1)
    none_tests = heldout and exclusive
    return np.flatnonzero((counts == 1) | ((counts == 0) & none_tests))


def _label(row: NDArray[np.bool_]) -> int:
    return int(row.argmax()) if row.any() else NO_LABEL


def _check_enough(photos: LabelledPhotos) -> None:
    train = photos.labels[~photos.heldout]
    seen = np.unique(train)
    if len(seen) < 2:
        got = f"only {photos.names[seen[0]]!r}" if len(seen) else "no label"
        raise ModelError(
            f"Cannot train: {got} has answered photos to train on, at least 2 labels are needed. "
            "Answer more photos with `al-fashion serve`, or import photos with labels."
        )
    tested = int(photos.heldout.sum())
    if tested < MIN_EVALUATED:
        raise ModelError(
            f"Cannot test: {tested} held-out photos with one label are answered, at least "
            f"{MIN_EVALUATED} are needed. Answer more with `al-fashion round --evaluate "
            f"{MIN_EVALUATED}` and `al-fashion serve`, or import photos with labels."
        )
