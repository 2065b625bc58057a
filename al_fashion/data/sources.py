"""Where photos come from: a folder, a CSV manifest, an export, or Fashion-MNIST by its name."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from al_fashion.data import fashion_mnist
from al_fashion.data.formats.reading import format_of, read_format
from al_fashion.data.manifest import SourcePhoto, examples, read_manifest, resolve
from al_fashion.data.walking import entries, walk
from al_fashion.errors import SourceError, UnknownLabel
from al_fashion.types import GivenAnswer
from strategies.registry import nearest

FASHION_MNIST = "fashion-mnist"
NAMED_LABELS = 20


def read_source(
    source: str,
    *,
    labels_from: str | None,
    class_map: Mapping[str, tuple[str, ...]] | None,
    group_by: str | None,
    image_column: str,
    label_column: str,
    known: Collection[str] | None,
    exclusive: bool,
    leave_out: Collection[Path] = (),
    format_: str | None = None,
) -> tuple[list[SourcePhoto], list[str]]:
    """(photos with labels of the workspace, remarks for the user).

    `labels_from` is none, folders, csv or None for what fits the source; `class_map` says what
    the source's names mean; `known` are the workspace's labels, None where every name is one;
    `leave_out` are paths to pass by; `format_` is one that `export` writes, None for what the
    source looks like. Raises SourceError, and UnknownLabel naming every label that means nothing
    here.
    """
    if class_map is not None and labels_from == "none":
        raise SourceError("--class-map does nothing with --labels-from none. Leave one of them.")
    is_manifest = source != FASHION_MNIST and os.path.isfile(source)  # noqa: PTH113
    if group_by is not None and not is_manifest:
        raise SourceError(
            f"--group-by {group_by} names a column of a CSV manifest, and {source} is none. "
            "Leave it away, or list the photos in a manifest."
        )
    remarks: list[str] = []
    if source != FASHION_MNIST:
        format_ = format_ or format_of(Path(source))
    if format_ is not None:
        photos = _exported(Path(source), format_, labels_from, group_by)
    elif source == FASHION_MNIST:
        photos = _fashion_mnist(labels_from)
    elif is_manifest:
        _check_choice(labels_from, "csv", f"{source} is a CSV manifest")
        column = None if labels_from == "none" else label_column
        photos = read_manifest(Path(source), image_column, column, group_by)
    else:
        photos = _folder(Path(source), labels_from, class_map, known, leave_out, remarks)
    if not photos:
        raise SourceError(f"No photos in {source}. Name a folder or manifest that has some.")
    return _with_meaning(photos, class_map or {}, known, exclusive), remarks


def _exported(
    source: Path, format_: str, labels_from: str | None, group_by: str | None
) -> list[SourcePhoto]:
    """The photos of an export; with `labels_from` none without what was said of them."""
    if labels_from not in (None, "none") or group_by is not None:
        raise SourceError(
            f"{source} is an export ({format_}), which says itself what labels and groups there "
            "are. Leave --labels-from and --group-by away, or use --labels-from none."
        )
    photos = read_format(source, format_)
    if labels_from is None:
        return photos
    return [replace(photo, labels=None, answers=None) for photo in photos]


def _fashion_mnist(labels_from: str | None) -> list[SourcePhoto]:
    if labels_from in ("folders", "csv"):
        raise SourceError(
            f"--labels-from {labels_from} does not fit fashion-mnist, which has classes of its "
            "own. Leave it away, or use --labels-from none."
        )
    with_labels = labels_from is None
    return [
        SourcePhoto(path, (fashion_mnist.label(path),) if with_labels else None, None)
        for path in fashion_mnist.paths()
    ]


def _folder(
    root: Path,
    labels_from: str | None,
    class_map: Mapping[str, tuple[str, ...]] | None,
    known: Collection[str] | None,
    leave_out: Collection[Path],
    remarks: list[str],
) -> list[SourcePhoto]:
    _check_choice(labels_from, "folders", f"{root} is a folder")
    if entries(root) is None:
        problem = "cannot be read" if os.path.lexists(root) else "does not exist"
        raise SourceError(
            f"{root} {problem}. {nearest(root.name, [FASHION_MNIST])}"
            f"Name a folder, a CSV manifest or `{FASHION_MNIST}`."
        )
    found = list(walk(root.resolve(), leave_out))
    folders = sorted({first for _, first in found if first is not None})
    if not folders and (labels_from == "folders" or class_map is not None):
        raise SourceError(
            f"{root} has no folders, so none can be labels. "
            "Leave --labels-from and --class-map away."
        )
    meant = class_map is not None or known is None or any(name in known for name in folders)
    with_labels = labels_from == "folders" or (labels_from is None and meant)
    if folders and labels_from is None and not meant:
        remarks.append(
            f"No folder is called like a label ({examples(folders)}), so the photos came without "
            "labels. Give the folders a meaning with --class-map FILE."
        )
    return [
        SourcePhoto(resolve(path), (first,) if first and with_labels else None, None)
        for path, first in found
    ]


def _check_choice(labels_from: str | None, fitting: str, what: str) -> None:
    if labels_from not in (None, "none", fitting):
        raise SourceError(
            f"--labels-from {labels_from} does not fit: {what}. Use {fitting} or none."
        )


def _with_meaning(
    photos: Sequence[SourcePhoto],
    class_map: Mapping[str, tuple[str, ...]],
    known: Collection[str] | None,
    exclusive: bool,
) -> list[SourcePhoto]:
    """The same photos with labels of the workspace. Raises UnknownLabel and SourceError."""
    names = {name for photo in photos for name in photo.labels or ()}
    names |= {name for photo in photos for one in photo.answers or () for name in one.labels}
    meaning = {name: class_map.get(name, (name,)) for name in names}
    if known is not None:
        said = {label for labels in {**class_map, **meaning}.values() for label in labels}
        _check_known(said, known)
    result = []
    for photo in photos:
        labels = {label for name in photo.labels or () for label in meaning[name]}
        answers = _answers_with_meaning(photo, meaning)
        result.append(replace(photo, labels=tuple(sorted(labels)) or None, answers=answers))
    several = [photo.path for photo in result if _most_labels(photo) > 1]
    if exclusive and several:
        raise SourceError(
            f"{len(several)} photos have several labels and this workspace takes one a photo: "
            f"{examples(several)}. Use a workspace made without --exclusive, or --class-map."
        )
    return result


def _answers_with_meaning(
    photo: SourcePhoto, meaning: Mapping[str, tuple[str, ...]]
) -> tuple[GivenAnswer, ...] | None:
    """The answers with labels of the workspace; where none is left of some, none of these."""
    if photo.answers is None:
        return None
    found = []
    for answer in photo.answers:
        labels = tuple(sorted({label for name in answer.labels for label in meaning[name]}))
        kind = "none" if answer.kind == "labels" and not labels else answer.kind
        found.append(replace(answer, labels=labels, kind=kind))
    return tuple(found)


def _most_labels(photo: SourcePhoto) -> int:
    """How many labels the photo has, or one of its answers, if that is more."""
    return max(map(len, [photo.labels or (), *(one.labels for one in photo.answers or ())]))


def _check_known(labels: Collection[str], known: Collection[str]) -> None:
    unknown = sorted(set(labels) - set(known))
    if not unknown:
        return
    more = len(unknown) - NAMED_LABELS
    shown = ", ".join(map(repr, unknown[:NAMED_LABELS])) + (f" and {more} more" if more > 0 else "")
    raise UnknownLabel(
        f"{len(unknown)} labels of the source are unknown to this workspace: {shown}. Make a "
        "workspace with them (`al-fashion init DIR --labels …`), say what they mean with "
        "--class-map FILE (columns folder,labels), or use --labels-from none."
    )
