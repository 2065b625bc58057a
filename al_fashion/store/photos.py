"""Photos, labels and where the photos lie."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from al_fashion.errors import AnswerError, LabelError, UnknownLabel, WorkspaceError
from al_fashion.store.schema import Answer, File, Image, Label, Rules, Truth

LONGEST_LABEL = 80
# What a spreadsheet begins a formula with.
FORMULA_SIGNS = ("=", "+", "-", "@")
_LABELS = select(Label).order_by(Label.position)


def rules(session: Session) -> Rules:
    """What was fixed when the workspace was made."""
    return session.get_one(Rules, 1)


def labels(session: Session) -> list[Label]:
    """The workspace's labels in the order of their keys; read once a session."""
    if "labels" not in session.info:
        session.info["labels"] = list(session.scalars(_LABELS))
    found: list[Label] = session.info["labels"]
    return found


def add_label(session: Session, name: str) -> None:
    """Add a label behind the others."""
    known = labels(session)
    known.append(Label(name=name, position=known[-1].position + 1))
    session.add(known[-1])
    session.flush()


def label_ids(session: Session, names: Sequence[str]) -> list[int]:
    """Ids of label names, without repeats, in the labels' order. Raises UnknownLabel."""
    known = {label.name: label.id for label in labels(session)}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise UnknownLabel(
            "Unknown label {unknown}: this workspace has {known}. Use one of these, or "
            "`al-fashion init` with more labels.",
            unknown=", ".join(map(repr, unknown)),
            known=", ".join(known),
        )
    return [identity for name, identity in known.items() if name in names]


def check_label(label: str, known: Sequence[str]) -> str:
    """A new label's name, trimmed and normalised. Raises LabelError for one that cannot be."""
    name = unicodedata.normalize("NFC", label).strip()
    printable = 0 < len(name) <= LONGEST_LABEL and name.isprintable()
    if not printable or any(sign in name for sign in "|,"):
        raise LabelError(
            "{name!r} cannot be a label: names are printable, not empty, without | and comma, at "
            "most {longest} characters.",
            name=name[:LONGEST_LABEL],
            longest=LONGEST_LABEL,
        )
    if name.startswith(FORMULA_SIGNS):
        raise LabelError(
            "{name!r} cannot be a label: spreadsheets take a leading {sign} for a formula.",
            name=name,
            sign=name[0],
        )
    if name in known:
        raise LabelError("Label {name!r} is given twice. Give every label once.", name=name)
    return name


def in_chunks(ids: Sequence[str], size: int = 10_000) -> Iterator[Sequence[str]]:
    """Parts that fit into one statement's parameters."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def image_paths(session: Session, ids: Sequence[str]) -> dict[str, list[str]]:
    """Every path at which each photo was seen, by image id."""
    found: dict[str, list[str]] = {}
    for part in in_chunks(ids):
        rows = session.execute(
            select(File.image_id, File.path).where(File.image_id.in_(part)).order_by(File.path)
        )
        for image_id, path in rows:
            found.setdefault(str(image_id), []).append(path)
    return found


def find_below(session: Session, place: str) -> str | None:
    """A path at which a photo was seen that is `place`, an absolute path, or lies below it."""
    below = place.rstrip(os.sep) + os.sep
    ways = or_(File.path == place, File.path.startswith(below, autoescape=True))
    # Databases may take capitals for small letters.
    found = session.scalars(select(File.path).where(ways).order_by(File.path))
    return next((path for path in found if f"{path}{os.sep}".startswith(below)), None)


def find_image(session: Session, name: str) -> str:
    """The id of the photo called `name`: an image id, a path, or a file name.

    Raises AnswerError where there is none or where several photos bear that file name.
    """
    if "\0" in name:  # which neither a path nor every database can hold
        raise AnswerError("No photo's name has a NUL in it, as {name!r} has.", name=name)
    if session.get(Image, name) is not None:
        return name
    path = Path(name)
    ways = [File.path == str(path.absolute()), File.path == os.path.realpath(path)]
    if path.name == name:
        ways.append(File.name == name)
    elif not path.is_absolute():  # as a path is written from some folder above it
        ways.append(File.path.endswith(f"/{name}", autoescape=True))
    for way in [File.path == name, *ways]:
        found = set(
            session.scalars(select(File.image_id).join(Image, Image.id == File.image_id).where(way))
        )
        if len(found) == 1:
            return str(found.pop())
        if found:
            raise AnswerError(
                "{count} photos are called {name!r}. Name the photo by its path or its id.",
                count=len(found),
                name=name,
            )
    raise AnswerError(
        "No photo is called {name!r}. Use a file name or an id from `export`.", name=name
    )


def count_photos(session: Session) -> dict[str, int]:
    """Photos by state: pool (not yet labelled), labelled, heldout, audit, quarantined."""
    splits = dict(
        session.execute(select(Image.split, func.count()).group_by(Image.split)).tuples().all()
    )
    labelled = len(labelled_images(session))
    quarantined = session.scalar(
        select(func.count()).select_from(File).where(File.reason.is_not(None))
    )
    return {
        "pool": splits.get("pool", 0) - labelled,
        "labelled": labelled,
        "heldout": splits.get("heldout", 0),
        "audit": splits.get("audit", 0),
        "quarantined": quarantined or 0,
    }


def labelled_images(session: Session) -> set[str]:
    """Photos of the pool split that at least one labeller has said something of."""
    newest = select(func.max(Answer.id)).group_by(Answer.image_id, Answer.labeller_id)
    return set(
        session.scalars(
            select(Answer.image_id)
            .join(Image, Image.id == Answer.image_id)
            .where(
                Answer.id.in_(newest), Answer.kind.in_(("labels", "none")), Image.split == "pool"
            )
        )
    )


def quarantined(session: Session) -> list[tuple[str, str]]:
    """(path, reason) of every file that was not taken."""
    rows = session.execute(
        select(File.path, File.reason).where(File.reason.is_not(None)).order_by(File.path)
    )
    return [(path, str(reason)) for path, reason in rows]


def truths(session: Session, split: str) -> dict[str, list[int]]:
    """Label ids known beforehand, by image id, of one split; in the order of the ids."""
    statement = (
        select(Truth.image_id, Truth.labels)
        .join(Image, Image.id == Truth.image_id)
        .where(Image.split == split)
        .order_by(Truth.image_id)
    )
    return dict(session.execute(statement).tuples().all())


def image_groups(session: Session, split: str) -> dict[str, str]:
    """The group of every photo of one split, by image id."""
    statement = select(Image.id, Image.group).where(Image.split == split)
    return dict(session.execute(statement).tuples().all())


def check_groups(session: Session) -> None:
    """Raise WorkspaceError where a split cuts a group: training would leak into evaluation."""
    cut = session.scalars(
        select(Image.group)
        .group_by(Image.group)
        .having(func.count(func.distinct(Image.split)) > 1)
        .order_by(Image.group)
    ).all()
    if cut:
        raise WorkspaceError(
            f"{len(cut)} groups lie in several splits, the first {cut[0]!r}. Join them with "
            "`al-fashion leaks --join`."
        )
