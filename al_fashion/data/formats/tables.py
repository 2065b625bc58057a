"""CSV and JSONL: one photo a row."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from al_fashion.data.formats.rows import Export, Row, answer_row, photo_of, read_lines, row_of
from al_fashion.data.manifest import SourcePhoto, read_rows, split_labels
from al_fashion.errors import SourceError
from al_fashion.types import Record

COLUMNS = ("image", "id", "labels", "split", "known", "group", "soft", "answers")
# What tells a CSV of ours from any other list of photos.
OWN_COLUMNS = frozenset({"id", "split", "known", "group", "answers"})


def write_jsonl(file: IO[str], export: Export) -> None:
    """A row as a JSON object a line; `labels` null where nothing is known."""
    for record in export.records():
        file.write(json.dumps(row_of(record, shown_path(record.paths)), ensure_ascii=False) + "\n")


def write_csv(file: IO[str], export: Export) -> None:
    """Labels joined by `|`; `known` tells none of these (yes) from not known (no).

    `soft` and `answers` are JSON within their cells.
    """
    usual = csv.writer(file, lineterminator="\n")
    # Python's writer would leave a carriage return in a name unquoted.
    quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    usual.writerow(COLUMNS)
    for record in export.records():
        row = cells_of(record)
        soft = "" if record.soft is None else json.dumps(record.soft, ensure_ascii=False)
        cells = [row.get(name, soft) for name in COLUMNS]
        (quoted if any("\r" in cell for cell in cells) else usual).writerow(cells)


def cells_of(record: Record) -> dict[str, str]:
    """A photo's row in texts alone; see `write_csv`."""
    return {
        "image": shown_path(record.paths),
        "id": record.id,
        "labels": "|".join(record.labels or ()),
        "split": record.split,
        "known": "no" if record.labels is None else "yes",
        "group": record.group,
        "answers": json.dumps([answer_row(one) for one in record.answers], ensure_ascii=False),
    }


def read_jsonl(path: Path) -> list[SourcePhoto]:
    """The photos of a JSONL file. Raises SourceError."""
    return [photo_of(row, where) for where, row in read_lines(path)]


def read_csv(path: Path) -> list[SourcePhoto]:
    """The photos of a CSV that `export` wrote. Raises SourceError."""
    rows = read_rows(path, COLUMNS, "Leave --format away for other lists of photos.")
    return [
        photo_of(uncelled(cells, f"{path}, line {n}"), f"{path}, line {n}") for n, cells in rows
    ]


def is_own_csv(path: Path) -> bool:
    """Whether a CSV is one that `export` wrote."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(next(csv.reader(file), [])) >= OWN_COLUMNS
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def shown_path(paths: Iterable[str]) -> str:
    """The first of a photo's paths at which a file still is, else the first."""
    known = list(paths)
    return next((path for path in known if Path(path).exists()), known[0])


def uncelled(cells: Mapping[str, str], where: str) -> Row:
    """The row that `cells_of` made texts of. Raises SourceError."""
    try:
        answers: Any = json.loads(cells["answers"] or "null")
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: answers are not JSON: {error}. Correct it.") from error
    known = cells["known"] == "yes"
    return {
        "image": cells["image"],
        "labels": list(split_labels(cells["labels"])) if known else None,
        "split": cells["split"],
        "group": cells["group"],
        "answers": answers,
    }
