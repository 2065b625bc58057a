"""Photos that are in two splits at once in all but name, found and brought together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from al_fashion.data.near_duplicates import near_pairs, read_likeness
from al_fashion.data.splits import join_groups
from al_fashion.errors import AuditError
from al_fashion.loop.features import FeatureOptions, features_of
from al_fashion.store.audit import newest_audit
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import check_groups, image_paths, in_chunks
from al_fashion.store.schema import Image
from al_fashion.workspace import Workspace

# Of 2 million pairs of real clothing photos two are as close as this, both of one product.
LEAST_COSINE = 0.95
_BLOCK = 512

Reason = Literal["picture", "features", "group"]


@dataclass(frozen=True)
class Leak:
    """Two photos of different splits that belong together, and what says so."""

    one: str
    other: str
    splits: tuple[str, str]
    reason: Reason


def find_leaks(workspace: Workspace, options: FeatureOptions) -> list[Leak]:
    """Near duplicates across splits, by picture and by features, and groups that are cut.

    Computes the features that lack. Raises what computing features raises.
    """
    with reading(workspace.engine) as session:
        home = {
            image_id: (group, split)
            for image_id, group, split in session.execute(
                select(Image.id, Image.group, Image.split).order_by(Image.id)
            )
        }
        pictures = near_pairs(read_likeness(session))
    ids = list(home)
    found: dict[tuple[str, str], Reason] = {}
    if ids:
        table, _ = features_of(workspace, ids, options)
        splits = np.array([home[image_id][1] for image_id in ids])
        for one, other in _close(np.asarray(table.features), table.rows(ids), splits):
            found[ids[one], ids[other]] = "features"
    found |= dict.fromkeys(pictures, "picture")
    found |= dict.fromkeys(_cut(home), "group")
    return [
        Leak(one, other, (home[one][1], home[other][1]), reason)
        for (one, other), reason in sorted(found.items())
        if one in home and other in home and home[one][1] != home[other][1]
    ]


def join_leaks(workspace: Workspace, leaks: Sequence[Leak]) -> int:
    """Give photos that belong together one group and one split; how many photos change it.

    What touches the pool goes there, whole groups at a time: it may have trained already. Else
    what touches the held-out photos goes there. Raises AuditError while an audit is under way.
    """
    with workspace.lock("join groups"), writing(workspace.engine) as session:
        audit = newest_audit(session)
        if audit is not None and audit.state == "open":
            raise AuditError(
                "An audit is under way, and its photos must stay. Claim it or give it up first."
            )
        moved = 0
        for groups in _unions(session, leaks):
            moved += _unite(session, groups)
        check_groups(session)
        return moved


def paths_of(workspace: Workspace, leaks: Sequence[Leak]) -> dict[str, str]:
    """A path of each photo, to show."""
    ids = sorted({photo for leak in leaks for photo in (leak.one, leak.other)})
    with reading(workspace.engine) as session:
        return {image_id: paths[0] for image_id, paths in image_paths(session, ids).items()}


def _close(
    features: NDArray[np.float32], rows: NDArray[np.int64], splits: NDArray[np.str_]
) -> list[tuple[int, int]]:
    """Places in `rows` of photos in different splits whose features point the same way."""
    aside = np.flatnonzero(splits != "pool")
    lengths = np.array([np.linalg.norm(features[row]) for row in rows], dtype=np.float32)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(rows), _BLOCK):
        part = np.arange(start, min(start + _BLOCK, len(rows)))
        left = features[rows[part]] / np.maximum(lengths[part, None], 1e-12)
        for first in range(0, len(aside), _BLOCK):
            others = aside[first : first + _BLOCK]
            right = features[rows[others]] / np.maximum(lengths[others, None], 1e-12)
            near = (left @ right.T >= LEAST_COSINE) & (splits[part, None] != splits[others])
            pairs += [
                (int(part[a]), int(others[b])) for a, b in zip(*np.nonzero(near), strict=True)
            ]
    return sorted({(min(pair), max(pair)) for pair in pairs})


def _cut(home: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """The first photos of the splits of every group that lies in several."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for image_id, (group, split) in home.items():
        first[group].setdefault(split, image_id)
    pairs = []
    for photos in first.values():
        one, *others = sorted(photos.values())
        pairs += [(one, other) for other in others]
    return pairs


def _unions(session: Session, leaks: Sequence[Leak]) -> list[set[str]]:
    """Sets of group names that belong together."""
    ids = sorted({photo for leak in leaks for photo in (leak.one, leak.other)})
    group: dict[str, str] = {}
    for part in in_chunks(ids):
        rows = session.execute(select(Image.id, Image.group).where(Image.id.in_(part)))
        group |= dict(rows.tuples().all())
    union = join_groups({group[leak.one], group[leak.other]} for leak in leaks)
    found: dict[str, set[str]] = defaultdict(set)
    for name, root in union.items():
        found[root].add(name)
    return list(found.values())


def _unite(session: Session, groups: set[str]) -> int:
    rows = session.execute(select(Image.id, Image.split).where(Image.group.in_(groups))).all()
    splits = {split for _, split in rows}
    target = next(split for split in ("pool", "heldout", "audit") if split in splits)
    session.execute(
        update(Image).where(Image.group.in_(groups)).values(group=min(groups), split=target)
    )
    return sum(split != target for _, split in rows)
