"""Everything that was said of the photos, written in the format of whoever takes it from here."""

import codecs
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sqlalchemy.orm import Session

from al_fashion.data.formats import FILES
from al_fashion.data.formats.coco import write_coco
from al_fashion.data.formats.folders import (
    folder_format,
    write_huggingface,
    write_imagefolder,
    write_yolo,
)
from al_fashion.data.formats.label_studio import labelling_configuration, write_labelstudio
from al_fashion.data.formats.rows import Export
from al_fashion.data.formats.tables import write_csv, write_jsonl
from al_fashion.data.inspection import storable
from al_fashion.errors import ExportError
from al_fashion.files import replacing, write_text
from al_fashion.store.database import reading
from al_fashion.store.photos import find_below, labels, rules
from al_fashion.store.records import records
from al_fashion.types import Record
from al_fashion.workspace import Workspace

_FILE_WRITERS: dict[str, Callable[[IO[str], Export], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "coco": write_coco,
    "labelstudio": write_labelstudio,
}
_FOLDER_WRITERS: dict[str, Callable[[Path, Export], list[str]]] = {
    "imagefolder": write_imagefolder,
    "huggingface": write_huggingface,
    "yolo": write_yolo,
}


def export_photos(
    workspace: Workspace,
    format_: str,
    output: Path | IO[str],
    *,
    answered: bool = False,
    force: bool = False,
) -> list[str]:
    """Write all photos, or those with labels only; returns remarks for the user.

    `output` is a file or folder that appears whole or not at all, or for one of FILES a stream.
    Raises ExportError where it is there already and not `force`, MissingPhotos where a folder's
    photo is not where it was, WorkspaceError where nothing can be written.
    """
    if isinstance(output, Path):
        _check_free(workspace, output, format_, force)
    with reading(workspace.engine) as session:
        lost: list[str] = []
        export = Export(
            tuple(label.name for label in labels(session)),
            lambda: _placed(session, answered, lost),
        )
        if format_ not in FILES:
            remarks = _write_folder(cast("Path", output), format_, export)
        else:
            remarks = _write_file(output, format_, export)
            if format_ == "labelstudio" and isinstance(output, Path):
                remarks += _write_configuration(session, output, export)
    if lost:
        n = len(set(lost))
        remarks.append(f"{n:,} photos were left out: other files have their names now.")
    return remarks


def _placed(session: Session, answered: bool, lost: list[str]) -> Iterator[Record]:
    """The photos that were seen somewhere; the others' ids go to `lost`."""
    for record in records(session, answered=answered):
        if record.paths:
            yield record
        else:
            lost.append(record.id)


def _write_file(output: Path | IO[str], format_: str, export: Export) -> list[str]:
    if not isinstance(output, Path):
        _FILE_WRITERS[format_](output, export)
        return []
    with replacing(output) as file:
        _FILE_WRITERS[format_](cast("IO[str]", codecs.getwriter("utf-8")(file)), export)
    return []


def _write_configuration(session: Session, output: Path, export: Export) -> list[str]:
    """The labelling configuration beside the tasks."""
    beside = _configuration_beside(output)
    exclusive = rules(session).exclusive
    write_text(beside, labelling_configuration(export.labels, exclusive=exclusive))
    return [
        f"Label Studio's labelling configuration is in {beside}. It shows the photos with "
        "LOCAL_FILES_SERVING_ENABLED=true and LOCAL_FILES_DOCUMENT_ROOT=/."
    ]


def _configuration_beside(output: Path) -> Path:
    return output.with_suffix(".config.xml")


def _write_folder(output: Path, format_: str, export: Export) -> list[str]:
    with _replacing_folder(output) as folder:
        return _FOLDER_WRITERS[format_](folder, export)


@contextmanager
def _replacing_folder(output: Path) -> Iterator[Path]:
    """A folder to fill that takes the output's place only when all went well."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    earlier = output.with_name(f".{output.name}.{os.getpid()}.old")
    try:
        partial.mkdir(parents=True)
        yield partial
        _put(partial, output, earlier)
    except OSError as error:
        raise ExportError(
            f"Cannot write {output}: {error.strerror}. Make room or give the right to write there."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(folder: Path, output: Path, earlier: Path) -> None:
    """Move the folder to its place; what is there goes last, or comes back."""
    if not output.exists():
        folder.replace(output)
        return
    output.replace(earlier)
    try:
        folder.replace(output)
    except OSError:
        earlier.replace(output)
        raise
    shutil.rmtree(earlier)


def _check_free(workspace: Workspace, output: Path, format_: str, force: bool) -> None:
    """Raise ExportError where something is there that must not be overwritten."""
    if format_ in FILES:
        beside = [_configuration_beside(output)] if format_ == "labelstudio" else []
        taken = [path for path in (output, *beside) if os.path.lexists(path)]
        if output.is_dir():
            raise ExportError(f"{output} is a folder, and {format_} is a file. Name a file.")
        if taken and not force:
            raise ExportError(f"{taken[0]} exists. Name another place, or overwrite with --force.")
        for path in taken:
            _check_own(workspace, path)
        return
    if not os.path.lexists(output):
        return
    if not force:
        raise ExportError(f"{output} exists. Name another place, or overwrite it with --force.")
    if not output.is_dir() or output.is_symlink() or folder_format(output) is None:
        raise ExportError(
            f"{output} is no folder that `export` wrote, so --force does not delete it. Name "
            "another place, or delete it yourself."
        )
    _check_own(workspace, output)


def _check_own(workspace: Workspace, output: Path) -> None:
    """Raise ExportError where the workspace, or a photo of it, is in what would be deleted."""
    whole = output.resolve()
    with reading(workspace.engine) as session:
        inside = find_below(session, storable(str(whole)))
    if workspace.folder.resolve().is_relative_to(whole):
        inside = str(workspace.folder)
    if inside is not None:
        raise ExportError(
            f"{output} holds {inside}, which this workspace needs, so --force does not delete it. "
            "Name another place."
        )
