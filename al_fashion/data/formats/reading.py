"""Which format a source is of, and what it says."""

import os
from collections.abc import Callable
from pathlib import Path

from al_fashion.data.formats import FILES
from al_fashion.data.formats.coco import is_coco, read_coco
from al_fashion.data.formats.folders import (
    folder_format,
    read_huggingface,
    read_imagefolder,
    read_yolo,
)
from al_fashion.data.formats.label_studio import read_labelstudio
from al_fashion.data.formats.rows import located, read_json
from al_fashion.data.formats.tables import is_own_csv, read_csv, read_jsonl
from al_fashion.data.manifest import SourcePhoto
from al_fashion.errors import SourceError

_READERS: dict[str, Callable[[Path], list[SourcePhoto]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "coco": read_coco,
    "labelstudio": read_labelstudio,
    "imagefolder": read_imagefolder,
    "huggingface": read_huggingface,
    "yolo": read_yolo,
}


def read_format(source: Path, format_: str) -> list[SourcePhoto]:
    """The photos of a source of that format, with absolute paths. Raises SourceError."""
    fits = os.path.isfile(source) if format_ in FILES else os.path.isdir(source)  # noqa: PTH112, PTH113
    if not fits:
        wanted = "file" if format_ in FILES else "folder"
        raise SourceError(f"{source} is no {wanted}, as {format_} is. Name one.")
    return located(_READERS[format_](source), source)


def format_of(source: Path) -> str | None:
    """The format that a source is of by its looks; None for lists and folders of photos."""
    if os.path.isdir(source):  # noqa: PTH112 -- never raises, where Path.is_dir may
        return folder_format(source)
    ending = source.suffix.lower()
    if ending == ".jsonl":
        return "jsonl"
    if ending == ".json":
        return "coco" if is_coco(read_json(source)) else "labelstudio"
    return "csv" if is_own_csv(source) else None
