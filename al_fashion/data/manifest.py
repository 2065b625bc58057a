"""CSV files that say which photos there are and what labels mean."""

import csv
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from al_fashion.errors import SourceError
from al_fashion.store.photos import FORMULA_SIGNS
from al_fashion.types import GivenAnswer, Split

EXAMPLES = 3
COLUMN_REMEDY = (
    "Name the right one with --image-column, --label-column or --group-by, or do without labels "
    "by --labels-from none."
)


@dataclass(frozen=True)
class SourcePhoto:
    """A photo as its source names it.

    `path` is absolute (or `fashion-mnist:…`), `labels` None where the source says nothing,
    `group` names what must stay in one split, None where the photo stands alone. `split` is where
    an export had it. Where there are `answers`, the labels only follow from them.
    """

    path: str
    labels: tuple[str, ...] | None
    group: str | None
    split: Split | None = None
    answers: tuple[GivenAnswer, ...] | None = None


def read_manifest(
    manifest: Path, image_column: str, label_column: str | None, group_by: str | None
) -> list[SourcePhoto]:
    """The photos of a manifest; `label_column` None leaves their labels unread.

    Paths are relative to the manifest; labels are separated by `|`, a blank cell says nothing.
    Raises SourceError for a file that is not such a manifest, names files that are not there
    or gives one photo twice with different labels.
    """
    columns = [name for name in (image_column, label_column, group_by) if name is not None]
    photos: dict[tuple[str, str | None], SourcePhoto] = {}
    said: dict[str, tuple[str, ...] | None] = {}
    missing, blank, differing = [], [], []
    for line, row in read_rows(manifest, columns, COLUMN_REMEDY):
        name = row[image_column]
        if not normalise(name):
            blank.append(f"line {line}")
            continue
        path = find_file(manifest.parent.absolute(), name)
        if path is None:
            missing.append(name)
            continue
        labels = split_labels(row[label_column]) or None if label_column else None
        named = normalise(row[group_by]) if group_by else ""
        group = check_group(f"{group_by}={named}", f"{manifest}'s header") if named else None
        # A photo named twice with two groups unites them.
        photos[path, group] = SourcePhoto(resolve(Path(path)), labels, group)
        if said.setdefault(path, labels) != labels:
            differing.append(name)
    where = f"Correct {manifest}."
    refuse(blank, f"rows of {manifest} name no photo", where)
    refuse(
        missing,
        f"photos named in {manifest} do not exist",
        f"Paths are relative to {manifest.parent.absolute()}; correct them or leave them out.",
    )
    refuse(differing, f"photos are in {manifest} twice with different labels", where)
    return list(photos.values())


def read_class_map(file: Path) -> dict[str, tuple[str, ...]]:
    """What each name of a source means: from a CSV with the columns folder and labels.

    Raises SourceError.
    """
    meaning: dict[str, tuple[str, ...]] = {}
    differing = []
    for _, row in read_rows(file, ["folder", "labels"], "Name its columns so."):
        folder, labels = normalise(row["folder"]), split_labels(row["labels"])
        if meaning.setdefault(folder, labels) != labels:
            differing.append(folder)
    refuse(differing, f"names are in {file} twice with different labels", f"Correct {file}.")
    return meaning


def split_labels(cell: str) -> tuple[str, ...]:
    """The labels of a cell, sorted, each once; none where it is blank."""
    return tuple(sorted({normalise(part) for part in cell.split("|")} - {""}))


def normalise(name: str) -> str:
    """One form of names that look the same: macOS writes accents as signs of their own."""
    return unicodedata.normalize("NFC", name).strip()


def check_group(name: str, where: str) -> str:
    """The name of a group. Raises SourceError for one that a spreadsheet would compute."""
    if name.startswith(FORMULA_SIGNS):
        raise SourceError(
            f"{where}: {name[:80]!r} cannot be a group: spreadsheets take a leading {name[0]} for "
            "a formula. Put a letter before it."
        )
    return name


def resolve(path: Path) -> str:
    """The absolute path without links; a broken link stays itself."""
    if os.path.exists(path):  # noqa: PTH110 -- never raises, where Path.exists may
        return str(path.resolve())
    return str(path.parent.resolve() / path.name)


def find_file(folder: Path, name: str) -> str | None:
    """The path of a file named in a cell: exactly so, else without blanks around, composed."""
    for form in (name, normalise(name)):
        path = os.path.normpath(folder / form)
        if os.path.lexists(path):
            return path
    return None


def examples(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:EXAMPLES])
    more = len(names) - EXAMPLES
    return f"{shown} and {more} more" if more > 0 else shown


def refuse(names: Sequence[str], what: str, remedy: str) -> None:
    """Raise SourceError naming the first few, where there are any."""
    if names:
        raise SourceError(f"{len(names)} {what}: {examples(names)}. {remedy}")


def read_rows(path: Path, columns: Sequence[str], remedy: str) -> list[tuple[int, dict[str, str]]]:
    """(line, cells by column) of a CSV that has these columns, parted by commas or semicolons."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            # Spreadsheets of many countries write semicolons, the comma being their decimal sign.
            lines = csv.reader(file, delimiter=";" if first.count(";") > first.count(",") else ",")
            header = [normalise(name) for name in next(lines, [])]
            cells = [(lines.line_num, row) for row in lines if any(row)]
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror}. Name another file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is not a CSV in UTF-8 ({error}). Save it as one.") from error
    if not header:
        raise SourceError(f"{path} is empty, expected the columns {', '.join(columns)}.")
    for name in columns:
        if name not in header:
            raise SourceError(
                f"{path} has no column {name!r}, but {', '.join(map(repr, header))}. {remedy}"
            )
    if not cells:
        raise SourceError(f"{path} has no rows below its header. Add one a photo.")
    places = {name: header.index(name) for name in columns}
    return [(line, {n: _cell(row, place) for n, place in places.items()}) for line, row in cells]


def _cell(row: Sequence[str], place: int) -> str:
    return row[place] if place < len(row) else ""
