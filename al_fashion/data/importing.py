"""Bringing photos in: every file is decoded and recorded, then all photos appear at once."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from al_fashion.data.given_answers import add_given_answers, says_labels
from al_fashion.data.given_labels import add_labels, unite_labels
from al_fashion.data.input_size import choose_input_size
from al_fashion.data.inspection import record_files, storable
from al_fashion.data.manifest import SourcePhoto, examples, read_class_map
from al_fashion.data.near_duplicates import join_near, near_pairs, read_likeness
from al_fashion.data.places import own_paths
from al_fashion.data.sources import read_source
from al_fashion.data.splits import assign_splits, name_groups
from al_fashion.store.accounts import RESERVED_NAMES
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import check_groups, in_chunks, labels, rules
from al_fashion.store.schema import File, Image, Removed, Rules
from al_fashion.types import GivenAnswer, Split
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    `found` files of the source became `new` photos (`splits` counts them by split), `known`
    photos that were there before, `duplicates` of either, and `quarantined` (path, reason);
    `labelled` photos came with labels. `remarks` are for the user.
    """

    found: int
    new: int
    known: int
    duplicates: int
    labelled: int
    splits: dict[Split, int] = field(default_factory=dict)
    quarantined: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report in a few lines."""
        shares = ", ".join(f"{n:,} {split}" for split, n in self.splits.items())
        lines = [
            f"{self.found:,} files: {self.new:,} new photos{f' ({shares})' if shares else ''}, "
            f"{self.known:,} known, {self.duplicates:,} duplicates, "
            f"{len(self.quarantined):,} quarantined; {self.labelled:,} photos with labels."
        ]
        if self.quarantined:
            named = [f"{path} ({reason})" for path, reason in self.quarantined]
            lines.append(f"Quarantined: {examples(named)}.")
        return "\n".join([*lines, *self.remarks])


def import_photos(
    workspace: Workspace,
    source: str,
    *,
    labels_from: str | None = None,
    class_map: Path | None = None,
    group_by: str | None = None,
    image_column: str = "image",
    label_column: str = "labels",
    labels_as: str = "answers",
    limit: int | None = None,
    format_: str | None = None,
    draw_splits: bool = False,
    progress: bool = False,
) -> ImportReport:
    """Bring in a folder, a CSV manifest, an export or `fashion-mnist`; adds nothing twice.

    Files are recorded as they are read, so that a killed import goes on where it stopped; the
    photos, their splits and answers appear in one transaction at the end. `labels_as` is
    answers, or truth to keep the labels of all but held-out photos back for simulations;
    `limit` takes that many files at random, the same at each repetition. An export's photos keep
    its splits, unless `draw_splits`; `format_` says which format it is of, where that is not plain.
    Raises SourceError, UnknownLabel or WorkspaceError.
    """
    with workspace.lock("import"):
        with reading(workspace.engine) as session:
            known = [label.name for label in labels(session)]
            fixed = rules(session)
        photos, remarks = read_source(
            source,
            labels_from=labels_from,
            class_map=read_class_map(class_map) if class_map else None,
            group_by=group_by,
            image_column=image_column,
            label_column=label_column,
            known=known,
            exclusive=fixed.exclusive,
            leave_out=own_paths(workspace),
            format_=format_,
        )
        if draw_splits:
            photos = [replace(photo, split=None) for photo in photos]
        photos = _part(photos, limit, fixed.seed)
        record_files(workspace, sorted({photo.path for photo in photos}), progress)
        with writing(workspace.engine) as session:
            report = _add_photos(session, photos, fixed, labels_as, remarks)
            choose_input_size(workspace, session)
        return report


def _part(photos: list[SourcePhoto], limit: int | None, seed: int) -> list[SourcePhoto]:
    """A random part; a larger limit keeps all of a smaller one."""
    if limit is None or limit >= len(photos):
        return photos
    in_order = sorted(photos, key=lambda photo: photo.path)
    order = np.random.default_rng(seed).permutation(len(photos))[:limit]
    return [in_order[place] for place in order]


def _add_photos(
    session: Session,
    photos: Sequence[SourcePhoto],
    fixed: Rules,
    labels_as: str,
    remarks: Sequence[str],
) -> ImportReport:
    """Add the photos that the recorded files hold, their splits and labels."""
    files = _recorded(session, photos)
    removed = set(session.scalars(select(Removed.id)))
    files = {path: file for path, file in files.items() if file.image_id not in removed}
    by_image: dict[str, list[SourcePhoto]] = defaultdict(list)
    for photo in photos:
        file = files.get(storable(photo.path))
        if file is not None and file.image_id is not None:
            by_image[file.image_id].append(photo)
    known = {
        image_id: (group, cast(Split, split))
        for image_id, group, split in session.execute(select(Image.id, Image.group, Image.split))
    }
    good = {file.image_id: file for file in files.values() if file.image_id is not None}
    new = sorted(good.keys() - known.keys())
    named = {
        image_id: {photo.group for photo in photos if photo.group is not None}
        for image_id, photos in by_image.items()
    }
    home = {image_id: group for image_id, (group, _) in known.items()}
    pairs = near_pairs(read_likeness(session), new)
    groups = name_groups(join_near(named, home, pairs), home)
    placed = _place(groups, known, _given_splits(by_image, groups), fixed)
    _add_images(session, [good[image_id] for image_id in new], placed, fixed)
    check_groups(session)
    truth = labels_as == "truth"
    said, conflicts = unite_labels(by_image, fixed.exclusive, truth=truth)
    splits = {image_id: split for image_id, (_, split) in (known | placed).items()}
    answered = _answered(by_image, splits, heldout_only=truth)
    said = {image_id: names for image_id, names in said.items() if image_id not in answered}
    add_labels(session, said, splits, labels_as)
    add_given_answers(session, answered)
    quarantined = [(path, str(f.reason)) for path, f in files.items() if f.reason is not None]
    return ImportReport(
        found=len(files),
        new=len(new),
        known=len(good) - len(new),
        duplicates=len(files) - len(quarantined) - len(good),
        labelled=len(said) + sum(map(says_labels, answered.values())),
        splits=dict(Counter(placed[image_id][1] for image_id in new).most_common()),
        quarantined=sorted(quarantined),
        remarks=[
            *remarks,
            *conflicts,
            *_asked(by_image, new),
            *_alone(named, known),
            *_near(pairs, new),
        ],
    )


def _recorded(session: Session, photos: Sequence[SourcePhoto]) -> dict[str, File]:
    paths = sorted({storable(photo.path) for photo in photos})
    statements = (select(File).where(File.path.in_(part)) for part in in_chunks(paths))
    return {file.path: file for statement in statements for file in session.scalars(statement)}


def _place(
    groups: Mapping[str, str],
    known: Mapping[str, tuple[str, Split]],
    given: Mapping[str, Split],
    fixed: Rules,
) -> dict[str, tuple[str, Split]]:
    """(group, split) of every new photo, given its group; an earlier group keeps its split.

    `given` are the splits of an export's groups; the others are drawn.
    """
    settled = {**given, **{group: split for group, split in known.values()}}
    sizes = Counter(groups.values())
    existing = Counter(split for _, split in known.values())
    for group in sizes.keys() & settled.keys():
        existing[settled[group]] += sizes.pop(group)
    rng = _generator(fixed, sorted(groups), "splits")
    drawn = assign_splits(sizes, existing, fixed.heldout_share, fixed.audit_share, rng)
    splits = settled | drawn
    return {image_id: (group, splits[group]) for image_id, group in groups.items()}


def _given_splits(
    by_image: Mapping[str, Sequence[SourcePhoto]], groups: Mapping[str, str]
) -> dict[str, Split]:
    """The split that a source gives each group; what may have trained anywhere goes to the pool."""
    found: dict[str, set[Split]] = defaultdict(set)
    for image_id, group in groups.items():
        for photo in by_image[image_id]:
            if photo.split is not None:
                found[group].add("pool" if _was_asked(photo) else photo.split)
    order = get_args(Split)
    return {group: min(splits, key=order.index) for group, splits in found.items() if splits}


def _was_asked(photo: SourcePhoto) -> bool:
    """Whether people answered a photo of another workspace's audit.

    An attempt that failed may have counted it. Attempts do not come along, so that here it would
    pass for fresh, and the attempts' share of error begin again.
    """
    return photo.split == "audit" and any(
        one.labeller not in RESERVED_NAMES for one in photo.answers or ()
    )


def _asked(by_image: Mapping[str, Sequence[SourcePhoto]], new: Sequence[str]) -> list[str]:
    n = sum(any(map(_was_asked, by_image[image_id])) for image_id in new)
    if not n:
        return []
    return [
        f"{n} photos of the audit had answers of people, so they and their groups went to the "
        "pool: an audit asks about fresh photos only."
    ]


def _answered(
    by_image: Mapping[str, Sequence[SourcePhoto]],
    splits: Mapping[str, Split],
    *,
    heldout_only: bool,
) -> dict[str, list[GivenAnswer]]:
    """The answers that came with each photo; of copies, everyone's once."""
    return {
        image_id: list(dict.fromkeys(one for photo in photos for one in photo.answers or ()))
        for image_id, photos in by_image.items()
        if any(photo.answers for photo in photos)
        and (splits[image_id] == "heldout" or not heldout_only)
    }


def _alone(named: Mapping[str, set[str]], known: Mapping[str, tuple[str, Split]]) -> list[str]:
    """A remark where photos that now have a group were imported before without one."""
    n = sum(bool(named[i]) and known[i][0] == i for i in named.keys() & known.keys())
    if not n:
        return []
    return [
        f"{n} photos were imported before without a group and keep their splits; import into a "
        "new workspace to split by group."
    ]


def _near(pairs: Sequence[tuple[str, str]], new: Sequence[str]) -> list[str]:
    n = len({photo for pair in pairs for photo in pair} & set(new))
    return [f"{n} new photos have near duplicates and share a group with them."] if n else []


def _generator(fixed: Rules, new: Sequence[str], purpose: str) -> np.random.Generator:
    """Depends on the workspace's seed and on which photos are new, not on their order."""
    digest = hashlib.sha256("\n".join([purpose, *new]).encode()).digest()
    return np.random.default_rng([fixed.seed, int.from_bytes(digest)])


def _add_images(
    session: Session,
    files: Sequence[File],
    placed: Mapping[str, tuple[str, Split]],
    fixed: Rules,
) -> None:
    ids = [str(file.image_id) for file in files]
    positions = _generator(fixed, ids, "positions").random(len(ids))
    rows = [
        {
            "id": image_id,
            "width": file.width,
            "height": file.height,
            "mime": file.mime,
            "group": placed[image_id][0],
            "split": placed[image_id][1],
            "position": float(position),
        }
        for image_id, file, position in zip(ids, files, positions, strict=True)
    ]
    if rows:
        session.execute(insert(Image), rows)
