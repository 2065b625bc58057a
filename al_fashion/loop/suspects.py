"""Answers that look wrong: found by models that have not seen them, and asked again."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from al_fashion.errors import QueueError
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.models.heads import LinearHead
from al_fashion.models.projection import fit_projection
from al_fashion.stats.label_errors import suspected_errors
from al_fashion.store.consensus import Consensus, consensus
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import image_paths, labels, rules
from al_fashion.store.predictions import replace_suspects
from al_fashion.store.queue import enqueue, open_images
from al_fashion.store.rounds import newest_round
from al_fashion.workspace import Workspace

FOLDS = 5
# With fewer answered photos the models that judge would know too little.
MIN_ANSWERED = 50


@dataclass(frozen=True)
class Suspect:
    """An answered photo, most suspect first; `labels` are those to look at again."""

    image_id: str
    path: str
    answered: list[str]
    labels: list[str]
    suspicion: float


def find_suspects(workspace: Workspace, options: FeatureOptions) -> list[Suspect]:
    """Answered photos of the pool whose labels look wrong to models trained on the others.

    Out of fold, by whole groups, each label by itself. No answer is changed, and held-out and audit
    photos are never judged by a model; what was found is kept for the gallery. Raises QueueError
    while too few photos are answered.
    """
    with reading(workspace.engine) as session:
        known = consensus(session, "pool")
        names, exclusive = [label.name for label in labels(session)], rules(session).exclusive
        paths = image_paths(session, known.ids)
    if len(known.ids) < MIN_ANSWERED or len(set(known.groups)) < FOLDS:
        raise QueueError(
            f"{len(known.ids)} photos of {len(set(known.groups))} groups are answered, "
            f"{MIN_ANSWERED} of {FOLDS} are needed to judge answers. Answer more."
        )
    table, _ = features_of(workspace, known.ids, options)
    features = np.asarray(table.features[table.rows(known.ids)])
    found = suspects_among(known, features, names, exclusive=exclusive)
    with writing(workspace.engine) as session:
        replace_suspects(session, [(row.image_id, row.suspicion, row.labels) for row in found])
    return [replace(row, path=paths.get(row.image_id, [""])[0]) for row in found]


def suspects_among(
    known: Consensus, features: NDArray[np.float32], names: list[str], *, exclusive: bool
) -> list[Suspect]:
    """The suspects among answered photos with these (n, d) features, most suspect first.

    None where MIN_ANSWERED photos of FOLDS groups are not given. Their paths are not told.
    """
    if len(known.ids) < MIN_ANSWERED or len(set(known.groups)) < FOLDS:
        return []
    projection = fit_projection(features, np.arange(len(features)), np.random.default_rng(0))
    reduced = features if projection is None else projection(features)
    proba = out_of_fold(reduced, known.targets, known.groups, exclusive=exclusive)
    suspect = suspected_errors(known.hard, proba) * known.answered
    order = np.argsort(-suspect.max(axis=1), kind="stable")
    return [
        Suspect(
            image_id=known.ids[row],
            path="",
            answered=[name for name, on in zip(names, known.hard[row], strict=True) if on],
            labels=[name for name, on in zip(names, suspect[row] > 0, strict=True) if on],
            suspicion=float(suspect[row].max()),
        )
        for row in order
        if suspect[row].any()
    ]


def send_back(workspace: Workspace, image_ids: list[str]) -> int:
    """Queue photos to be answered once more by someone; returns how many were not waiting yet.

    Raises QueueError before the first round.
    """
    with workspace.lock("queue photos"), writing(workspace.engine) as session:
        number = newest_round(session)
        if not number:
            raise QueueError("There was no round yet. Run `al-fashion round` first.")
        waiting = set(open_images(session))
        asked = [image_id for image_id in image_ids if image_id not in waiting]
        enqueue(session, number, [(image_id, "recheck", None) for image_id in asked])
        return len(asked)


def out_of_fold(
    features: NDArray[np.float32],
    targets: NDArray[np.float64],
    groups: list[str],
    *,
    exclusive: bool,
) -> NDArray[np.float64]:
    """(n, C) probabilities of each photo by a head that saw no photo of its group."""
    proba = np.zeros(targets.shape)
    for train, test in GroupKFold(FOLDS).split(features, groups=groups):
        head = LinearHead(exclusive=exclusive, penalty=0.01)
        proba[test] = head.fit(features[train], targets[train]).predict_proba(features[test])
    return proba
