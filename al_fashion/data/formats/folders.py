"""Folders with the photos in them: ImageFolder with a manifest, YOLO classification, Hugging Face.

All of them part the photos by split first, under the names that their readers expect. A header
beside the photos says which of them it is and what labels there are.
"""

import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from al_fashion.data import fashion_mnist
from al_fashion.data.formats import FOLDERS
from al_fashion.data.formats.rows import (
    HEADER_NAME,
    Export,
    photo_of,
    read_json,
    read_lines,
    row_of,
)
from al_fashion.data.formats.tables import cells_of, uncelled
from al_fashion.data.images import decode, read_verified
from al_fashion.data.manifest import SourcePhoto, normalise
from al_fashion.data.walking import walk
from al_fashion.errors import SourceError
from al_fashion.types import Record, Split

MANIFEST = "manifest.jsonl"
METADATA = "metadata.jsonl"
SPLITS: dict[Split, str] = {"pool": "train", "heldout": "val", "audit": "test"}
# What tells our metadata from another's.
_OWN_TEXTS = ("answers", "labels", "split", "group")
HUGGING_FACE_SPLITS = {**SPLITS, "heldout": "validation"}
# Folders of photos without a label; a label of such a name is written with its first sign as %5F.
NONE, NOT_KNOWN = "_none", "_not_known"
_UNSAFE = re.compile(r"[^\w .()+,=@-]")
_LONGEST_NAME = 120
# By what readers know a photo.
_ENDINGS = frozenset(
    ".jpg .jpeg .png .webp .gif .tif .tiff .bmp .avif .jp2 .ppm .tga".split()  # noqa: SIM905
)
_MIME_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/x-portable-anymap": ".ppm",
    "image/x-tga": ".tga",
}


def write_imagefolder(folder: Path, export: Export) -> list[str]:
    """split/label/photo, beside a manifest that has everything, in the lines of JSONL.

    A photo lies in the folder of its first label.
    """
    _write_header(folder, "imagefolder", export)
    names = _Names()
    _make_folders(folder, export)
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for record in export.records():
            inside = f"{SPLITS[record.split]}/{_folder_of(record)}"
            image = f"{inside}/{names.new(inside, record)}"
            _write_photo(folder / image, record)
            manifest.write(json.dumps(row_of(record, image), ensure_ascii=False) + "\n")
    return []


def write_yolo(folder: Path, export: Export) -> list[str]:
    """split/label/photo, a copy in the folder of each of its labels; no other photos."""
    _write_header(folder, "yolo", export)
    names, left_out = _Names(), 0
    _make_folders(folder, export)
    for record in export.records():
        left_out += not record.labels
        for name in record.labels or ():
            inside = f"{SPLITS[record.split]}/{folder_name(name)}"
            _write_photo(folder / inside / names.new(inside, record), record)
    return [
        "YOLO's folders carry neither soft labels, single answers, labellers nor groups, and no "
        f"photo without a label: {left_out:,} were left out."
    ]


def write_huggingface(folder: Path, export: Export) -> list[str]:
    """split/photo with a metadata.jsonl in each split: `load_dataset("imagefolder", data_dir=…)`.

    The columns have the same types in every split, whatever is known there: texts, `known`, and
    `targets`, how sure each label is in the header's order, -1 where nothing is known.
    """
    _write_header(folder, "huggingface", export)
    names = _Names()
    opened: dict[str, Any] = {}
    try:
        for record in export.records():
            split = HUGGING_FACE_SPLITS[record.split]
            if split not in opened:
                (folder / split).mkdir()
                opened[split] = (folder / split / METADATA).open("w", encoding="utf-8")
            name = names.new(split, record)
            _write_photo(folder / split / name, record)
            opened[split].write(_metadata(record, name, export.labels) + "\n")
    finally:
        for file in opened.values():
            file.close()
    return []


def read_imagefolder(folder: Path) -> list[SourcePhoto]:
    """What the manifest has. Raises SourceError."""
    return [photo_of(row, where) for where, row in read_lines(folder / MANIFEST)]


def read_huggingface(folder: Path) -> list[SourcePhoto]:
    """What the metadata of every split has, ours or another's. Raises SourceError."""
    photos = []
    for path in sorted(folder.glob(f"*/{METADATA}")) or [folder / METADATA]:
        for where, row in read_lines(path):
            inside = path.parent.relative_to(folder)
            if not isinstance(row.get("file_name"), str):
                raise SourceError(f"{where} has no file_name, which is a text. Correct it.")
            own = all(isinstance(row.get(name), str) for name in _OWN_TEXTS) and "known" in row
            texts = {**row, "image": row["file_name"], "known": "yes" if row.get("known") else "no"}
            if not own and isinstance(row.get("answers"), str):
                del texts["answers"]  # another's column, which means something else
            photo = photo_of(uncelled(texts, where) if own else texts, where)
            photos.append(replace(photo, path=str(inside / photo.path)))
    return photos


def read_yolo(folder: Path) -> list[SourcePhoto]:
    """split/label/photo, ours or another's; a photo in several folders has all their labels.

    Ours does not say whom the labels of an audit's photos are from, so they go to the pool: an
    attempt may have counted them. Raises SourceError.
    """
    splits = {name: split for split, name in SPLITS.items()}
    if folder_format(folder) == "yolo":
        splits[SPLITS["audit"]] = "pool"
    photos = []
    for split_folder in sorted(folder.iterdir()):
        if split_folder.name in splits and split_folder.is_dir():
            for path, first in walk(split_folder):
                labels = None if first is None else (normalise(unquote(first)),)
                inside = str(path.relative_to(folder))
                photos.append(SourcePhoto(inside, labels, None, splits[split_folder.name]))
    if not photos:
        raise SourceError(f"{folder} has no photos in train, val or test. Is it YOLO's?")
    return photos


def folder_format(folder: Path) -> str | None:
    """Which of FOLDERS a folder says it is; None for any other folder."""
    if not os.path.isfile(folder / HEADER_NAME):  # noqa: PTH113 -- never raises
        return None
    header = read_json(folder / HEADER_NAME)
    found = header.get("format") if isinstance(header, dict) else None
    return found if found in FOLDERS else None


def folder_name(label: str) -> str:
    """A label as a folder is called: signs that paths take for something else become %XX."""
    found = quote(label, safe=" ()+'!,;=@&$^`{}[]~#", encoding="utf-8")
    found = re.sub(r"(?:%[89A-F][0-9A-F])+", lambda part: unquote(part[0]), found)
    if found[0] in "._":
        found = f"%{ord(found[0]):02X}{found[1:]}"
    return found[:-1] + f"%{ord(found[-1]):02X}" if found[-1] in ". " else found


def _folder_of(record: Record) -> str:
    if record.labels is None:
        return NOT_KNOWN
    return folder_name(record.labels[0]) if record.labels else NONE


def _make_folders(folder: Path, export: Export) -> None:
    """Every label in every split: readers number the classes by the folders that there are."""
    for split in SPLITS.values():
        for label in export.labels:
            (folder / split / folder_name(label)).mkdir(parents=True)


def _write_header(folder: Path, name: str, export: Export) -> None:
    header = {"format": name, "labels": list(export.labels)}
    (folder / HEADER_NAME).write_text(json.dumps(header, ensure_ascii=False), encoding="utf-8")


def _metadata(record: Record, name: str, labels: tuple[str, ...]) -> str:
    soft = record.soft or dict.fromkeys(labels, -1.0)
    row = {
        "file_name": name,
        **cells_of(record),
        "known": record.labels is not None,
        "targets": [float(soft[label]) for label in labels],
    }
    del row["image"]
    return json.dumps(row, ensure_ascii=False)


def _write_photo(path: Path, record: Record) -> None:
    """The photo's own bytes; raises MissingPhotos where it is not what it was."""
    content, source = read_verified(record.id, record.paths)
    if source.startswith(fashion_mnist.PREFIX):
        drawn = io.BytesIO()
        decode(content, source)[0].save(drawn, "PNG")
        content = drawn.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class _Names:
    """File names as the photos had them, where every system takes them and none comes twice."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()

    def new(self, folder: str, record: Record) -> str:
        name = Path(record.paths[0]).name
        if record.paths[0].startswith(fashion_mnist.PREFIX):
            name = f"{name}.png"
        # Some systems do not tell capitals, others not how an accent is written.
        key = (folder, normalise(name).casefold())
        if not _is_safe(name) or key in self._taken:
            name = record.id + _ending(record)
        self._taken.add(key)
        return name


def _is_safe(name: str) -> bool:
    return (
        name.isprintable()
        and not _UNSAFE.search(name)
        and name[0] not in ". "
        and len(name.encode()) <= _LONGEST_NAME
        and Path(name).suffix.lower() in _ENDINGS
    )


def _ending(record: Record) -> str:
    return _MIME_ENDINGS.get(record.mime, "." + record.mime.partition("/")[2])
