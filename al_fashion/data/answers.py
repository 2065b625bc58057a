"""Answers from elsewhere."""

import json
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session
from tqdm import tqdm

from al_fashion.errors import AlFashionError, AnswerError
from al_fashion.store.accounts import person
from al_fashion.store.answers import add_answer, close_answered, newest_answer
from al_fashion.store.database import writing
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import find_image, label_ids
from al_fashion.store.schema import Labeller
from al_fashion.workspace import Workspace


def import_answers(
    workspace: Workspace, file: Path, default_labeller: str, *, verdicts: bool = False
) -> int:
    """Add the answers of a JSONL file, all or none; returns how many were new.

    As `verdicts` they decide, and their photos may serve as checks. A line taken in again adds
    nothing. Raises AnswerError, naming the line.
    """
    rows = _read_rows(file)
    new = 0
    with writing(workspace.engine) as session:
        # A bar only where it takes over two seconds.
        for line, row in tqdm(rows, unit="answer", delay=2):
            try:
                new += _take(session, row, default_labeller, verdicts)
            except AlFashionError as error:
                raise AnswerError(f"{file}, line {line}: {error}") from error
    return new


def _take(session: Session, row: dict[str, Any], default_labeller: str, verdict: bool) -> int:
    """Add one answer unless the labeller's newest says the same; 1 if added."""
    image_id = find_image(session, row["image"])
    who = _labeller(session, row.get("labeller") or default_labeller)
    chosen = label_ids(session, row["labels"])
    known = newest_answer(session, image_id, who.id)
    said = None if known is None or known.kind == "skip" else (known.labels, known.verdict)
    if said == (chosen, verdict):
        return 0
    add_answer(
        session,
        image_id=image_id,
        query_id=None,
        labeller=who,
        kind="labels" if chosen else "none",
        label_names=row["labels"],
        client_id=uuid.uuid4().hex,
        verdict=verdict,
    )
    close_answered(session, [image_id])
    return 1


def _read_rows(file: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        # Not `splitlines`, which also cuts at signs that JSON allows inside a text.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AnswerError(f"Cannot read {file}: {error}. Give a JSONL file in UTF-8.") from error
    return [
        (number, _parsed(file, number, line))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _parsed(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnswerError(f"{file}, line {number} is not JSON: {error}. Correct it.") from error
    fits = (
        isinstance(row, dict)
        and isinstance(row.get("image"), str)
        and isinstance(row.get("labels"), list)
        and all(isinstance(name, str) for name in row["labels"])
        and isinstance(row.get("labeller", ""), str | None)
        and _encodable(row)
    )
    if not fits:
        raise AnswerError(
            f'{file}, line {number}: expected {{"image": "name or id", "labels": ["…"]}}, '
            f"optionally a labeller; got {line[:80]}. Correct it."
        )
    return dict(row)


def _labeller(session: Session, name: str) -> Labeller:
    return labeller(session, name, "import") if name == "import" else person(session, name)


def _encodable(row: dict[str, Any]) -> bool:
    """Whether no half of a surrogate pair is in it, which no database stores."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
