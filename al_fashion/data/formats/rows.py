"""A photo as one JSON object, there and back: what every format carries in its own clothes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from al_fashion.data import fashion_mnist
from al_fashion.data.manifest import (
    SourcePhoto,
    check_group,
    find_file,
    normalise,
    refuse,
    resolve,
)
from al_fashion.errors import SourceError
from al_fashion.store.database import now_ms
from al_fashion.types import AnswerKind, GivenAnswer, Record, SkipReason, Split

Row = dict[str, Any]
HEADER_NAME = "al_fashion.json"
# How far another machine's clock may be ahead.
_AHEAD_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Export:
    """What is to be written: the labels in their order, and the photos, as often as asked."""

    labels: tuple[str, ...]
    records: Callable[[], Iterator[Record]]


def row_of(record: Record, image: str) -> Row:
    """A photo's row; `image` is where the reader will find it."""
    return {
        "image": image,
        "id": record.id,
        "labels": None if record.labels is None else list(record.labels),
        "soft": record.soft,
        "split": record.split,
        "group": record.group,
        "answers": [answer_row(answer) for answer in record.answers],
    }


def answer_row(answer: GivenAnswer) -> Row:
    """An answer's row, without what is as usual."""
    row: Row = {"labeller": answer.labeller, "kind": answer.kind, "labels": list(answer.labels)}
    row["created_ms"] = answer.created_ms
    if answer.verdict:
        row["verdict"] = True
    for name in ("reason", "proposal"):
        if getattr(answer, name) is not None:
            row[name] = getattr(answer, name)
    if answer.unseen:
        row["unseen"] = list(answer.unseen)
    return row


def photo_of(row: Row, where: str) -> SourcePhoto:
    """What a row says, its path as it stands there. Raises SourceError, naming `where` it is.

    Without `answers`, labels are those of `labeller` (else of the import); none of these, where
    the list is empty. `soft` follows from the answers and is not read.
    """
    try:
        json.dumps(row, ensure_ascii=False).encode()  # no half of a surrogate pair
        image = _text(row, "image")
        names = row.get("labels")
        labels = None if names is None else tuple(map(normalise, _texts(names)))
        answers = _answers(row, labels)
        group, split = row.get("group"), row.get("split")
        if not image or not isinstance(group, str | None):
            raise ValueError("image and group are texts, image is not empty")
        group = check_group(normalise(group or ""), where) or None
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f'{where}: expected {{"image": "path", "labels": ["…"]}} and optionally what an export '
            f"has; got {str(row)[:80]} ({error}). Correct it."
        ) from error
    return SourcePhoto(
        path=image,
        labels=labels or None,
        group=group,
        split=cast("Split", split) if split in get_args(Split) else None,
        answers=answers,
    )


def located(photos: Sequence[SourcePhoto], source: Path) -> list[SourcePhoto]:
    """The photos with absolute paths, which were relative to the source's folder.

    Raises SourceError where some are not there.
    """
    folder = source.absolute() if source.is_dir() else source.absolute().parent
    found, missing = [], []
    for photo in photos:
        path = photo.path
        if not path.startswith(fashion_mnist.PREFIX):
            file = find_file(folder, path)
            if file is None:
                missing.append(path)
                continue
            path = resolve(Path(file))
        found.append(SourcePhoto(path, photo.labels, photo.group, photo.split, photo.answers))
    refuse(
        missing,
        f"photos named in {source} do not exist",
        f"Paths are relative to {folder}; put them there, or correct them.",
    )
    return found


def read_json(path: Path) -> Any:
    """A JSON file's content. Raises SourceError."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror}. Name another file.") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON in UTF-8: {error}. Correct it.") from error


def read_lines(path: Path) -> list[tuple[str, Row]]:
    """(where, object) of every line of a JSONL file. Raises SourceError."""
    try:
        # Not `splitlines`, which also cuts at signs that JSON allows inside a text.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"Cannot read {path}: {error}. Give a JSONL file in UTF-8.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise SourceError(f"{where} is not JSON: {error}. Correct it.") from error
            if not isinstance(row, dict):
                raise SourceError(f"{where} is no JSON object, but {line[:80]}. Correct it.")
            found.append((where, row))
    return found


def _answers(row: Row, labels: tuple[str, ...] | None) -> tuple[GivenAnswer, ...] | None:
    if row.get("answers") is not None:
        return tuple(map(_answer, row["answers"]))
    who = row.get("labeller")
    if labels is None or (labels and who is None):
        return None
    return (GivenAnswer(str(who or "import"), "labels" if labels else "none", labels),)


def _answer(row: Mapping[str, Any]) -> GivenAnswer:
    kind, created, reason = row["kind"], row.get("created_ms"), row.get("reason")
    if kind not in get_args(AnswerKind) or kind == "undo":
        raise ValueError(f"an answer of kind {kind!r}")
    labels = tuple(map(normalise, _texts(row.get("labels", []))))
    if (kind == "labels") != bool(labels):
        raise ValueError(f"an answer of kind {kind} with {len(labels)} labels")
    if not (created is None or (type(created) is int and 0 <= created <= now_ms() + _AHEAD_MS)):
        raise ValueError(f"created_ms {created!r} is no time in milliseconds up to tomorrow")
    if reason is not None and (kind != "skip" or reason not in get_args(SkipReason)):
        raise ValueError(f"the reason {reason!r} of an answer of kind {kind}")
    return GivenAnswer(
        labeller=_text(row, "labeller"),
        kind=cast("AnswerKind", kind),
        labels=labels,
        created_ms=created,
        verdict=bool(row.get("verdict", False)),
        reason=cast("SkipReason | None", reason),
        proposal=None if row.get("proposal") is None else _text(row, "proposal"),
        unseen=tuple(map(normalise, _texts(row.get("unseen", [])))),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    if not isinstance(row[name], str):
        raise TypeError(f"{name} is no text")
    return str(row[name])


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("labels are a list of texts")
    return value
