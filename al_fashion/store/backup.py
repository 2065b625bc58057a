"""A workspace's answers and settings in one file, and back: made while people label."""

import hashlib
import json
import lzma
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from al_fashion import __version__
from al_fashion.config import FILE_NAME
from al_fashion.errors import WorkspaceError
from al_fashion.files import replacing
from al_fashion.workspace import DATABASE_NAME, Workspace

_CONTENT = "backup.json"
_COUNT = "SELECT count(*) FROM {}"
# What reading a ZIP file raises that is none, is cut off or was changed: RuntimeError where it
# seems encrypted or nests without end, LZMAError where another compression is named.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
_COUNTED = ("image", "label", "labeller", "query", "answer", "round")


def back_up(workspace: Workspace, file: Path) -> dict[str, int]:
    """Write database and settings into one ZIP file, whole or not at all; rows by table.

    SQLite's online backup: what it holds is one moment, whoever writes meanwhile. Photos,
    features and models are not in it. Raises WorkspaceError.
    """
    url = workspace.database_url
    if url.get_backend_name() != "sqlite":
        raise WorkspaceError(
            "Only workspaces on SQLite are backed up by al-fashion. Use `pg_dump` for "
            f"{url.render_as_string()}, and copy {FILE_NAME}."
        )
    with tempfile.TemporaryDirectory(dir=workspace.folder) as folder:
        copy = Path(folder) / DATABASE_NAME
        _copy_database(Path(str(url.database)), copy)
        rows = _check_database(copy)
        settings = workspace.config.with_values(database="").text().encode()
        content = {"version": __version__, "rows": rows}
        content["sha256"] = {
            DATABASE_NAME: hashlib.sha256(copy.read_bytes()).hexdigest(),
            FILE_NAME: hashlib.sha256(settings).hexdigest(),
        }
        with (
            replacing(file) as target,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            packed.write(copy, DATABASE_NAME)
            packed.writestr(FILE_NAME, settings)
            packed.writestr(_CONTENT, json.dumps(content))
    return rows


def check_backup(file: Path) -> dict[str, int]:
    """Rows by table of a backup that is whole. Raises WorkspaceError for any other file."""
    with tempfile.TemporaryDirectory() as folder:
        return _unpack(file, Path(folder))


def restore(file: Path, folder: Path) -> dict[str, int]:
    """Make the workspace `folder` anew from a backup; rows by table.

    Nothing is there before all of it was checked. Raises WorkspaceError, also where `folder`
    exists already.
    """
    if folder.exists():
        raise WorkspaceError(f"{folder} is there already. Restore into a new folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restoring-") as place:
            whole = Path(place) / "workspace"
            whole.mkdir()
            rows = _unpack(file, whole)
            whole.rename(folder)
    except OSError as error:
        raise WorkspaceError(f"Cannot write {folder}: {error.strerror}. Name another.") from error
    return rows


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target)) as write,
        ):
            read.backup(write)
    except sqlite3.Error as error:
        raise WorkspaceError(f"Cannot copy {source}: {error}. Make room, or mend it.") from error


def _check_database(path: Path) -> dict[str, int]:
    try:
        with closing(sqlite3.connect(path)) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise WorkspaceError(f"The database {path.name} is damaged. Use another backup.")
            return {
                table: database.execute(_COUNT.format(table)).fetchone()[0] for table in _COUNTED
            }
    except sqlite3.Error as error:
        raise WorkspaceError(f"{path.name} is no database of ours: {error}.") from error


def _unpack(file: Path, folder: Path) -> dict[str, int]:
    """The two files by their own names only, each checked against its digest."""
    try:
        with zipfile.ZipFile(file) as packed:
            content: dict[str, Any] = json.loads(packed.read(_CONTENT))
            for name in (DATABASE_NAME, FILE_NAME):
                read = packed.read(name)
                if hashlib.sha256(read).hexdigest() != content["sha256"][name]:
                    raise WorkspaceError(f"{name} in {file} was changed. Use another backup.")
                (folder / name).write_bytes(read)
            expected: dict[str, int] = content["rows"]
    except _DAMAGED as error:
        raise WorkspaceError(f"{file} is no backup of ours, or damaged: {error}.") from error
    found = _check_database(folder / DATABASE_NAME)
    if found != expected:
        raise WorkspaceError(f"{file} should hold {expected}, and holds {found}.")
    return found
