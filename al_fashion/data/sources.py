"""Where photos come from: a folder, a CSV manifest, or Fashion-MNIST by its name."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image as Pillow

from al_fashion.data import fashion_mnist
from al_fashion.data.manifest import (
    SourcePhoto,
    examples,
    normalise,
    read_manifest,
    resolve,
)
from al_fashion.errors import SourceError, UnknownLabel

FASHION_MNIST = "fashion-mnist"
SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})
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
) -> tuple[list[SourcePhoto], list[str]]:
    """(photos with labels of the workspace, remarks for the user).

    `labels_from` is none, folders, csv or None for what fits the source; `class_map` says what
    the source's names mean; `known` are the workspace's labels, None where every name is one;
    `leave_out` are paths to pass by. Raises SourceError, and UnknownLabel naming every label that
    means nothing here.
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
    if source == FASHION_MNIST:
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


def walk(root: Path, leave_out: Collection[Path] = ()) -> Iterator[tuple[Path, str | None]]:
    """(file, its first folder below the root) of everything that is neither hidden nor a system's.

    Folders that cannot be listed, and empty ones called like a photo, come as files do, so that
    someone says what they are. Links are followed, but never in a circle.
    """
    pending: list[tuple[Path, str | None]] = [(root, None)]
    seen = set()
    while pending:
        folder, first = pending.pop()
        if (folder.resolve(), first) in seen:
            continue
        seen.add((folder.resolve(), first))
        entries = _entries(folder)
        if entries is None or (not entries and _is_called_photo(folder)):
            yield folder, first
        for path in entries or ():
            if path in leave_out or _is_passed_by(path.name):
                continue
            if os.path.isdir(path):  # noqa: PTH112 -- never raises, where Path.is_dir may
                pending.append((path, first or normalise(path.name)))
            else:
                yield path, first


def _entries(folder: Path) -> list[Path] | None:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return None


def _is_passed_by(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _is_called_photo(folder: Path) -> bool:
    return folder.suffix.lower() in Pillow.registered_extensions()


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
    if _entries(root) is None:
        problem = "cannot be read" if os.path.lexists(root) else "does not exist"
        raise SourceError(f"{root} {problem}. Name a folder, a CSV manifest or `{FASHION_MNIST}`.")
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
    meaning = {name: class_map.get(name, (name,)) for name in names}
    if known is not None:
        said = {label for labels in {**class_map, **meaning}.values() for label in labels}
        _check_known(said, known)
    result = []
    for photo in photos:
        labels = {label for name in photo.labels or () for label in meaning[name]}
        result.append(replace(photo, labels=tuple(sorted(labels)) or None))
    several = [photo.path for photo in result if len(photo.labels or ()) > 1]
    if exclusive and several:
        raise SourceError(
            f"{len(several)} photos have several labels and this workspace takes one a photo: "
            f"{examples(several)}. Use a workspace made without --exclusive, or --class-map."
        )
    return result


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
