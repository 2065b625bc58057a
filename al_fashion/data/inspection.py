"""Reading every file once: what each holds, or why it is not a photo, recorded as it goes."""

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session
from tqdm import tqdm

from al_fashion.data import fashion_mnist, images
from al_fashion.data.near_duplicates import likeness
from al_fashion.machine import usable_cores
from al_fashion.store.database import reading, writing
from al_fashion.store.schema import File
from al_fashion.workspace import Workspace

# Files in flight at once, and rows written in one transaction.
BATCH = 500
MAX_BYTES = 500_000_000
_FASHION_MNIST_STATE = (784, 0)


def record_files(workspace: Workspace, paths: Sequence[str], progress: bool) -> None:
    """Write a row for every file; those recorded before and unchanged since are not read again.

    What was quarantined is looked at anew: a right to read may have been given since.
    """
    with reading(workspace.engine) as session:
        statement = select(File.path, File.size, File.modified_ns)
        rows = session.execute(statement.where(File.image_id.is_not(None)))
        recorded = {path: (size, modified_ns) for path, size, modified_ns in rows}
    due = [path for path in paths if path not in recorded or recorded[path] != _state(path)]
    for batch in inspect_files(due, progress):
        with writing(workspace.engine) as session:
            replace_rows(session, batch)


def inspect_files(paths: Sequence[str], progress: bool) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table `file` in batches, decoded in parallel; progress to standard error."""
    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        tqdm(total=len(paths), unit="photo", disable=not progress or not paths) as bar,
    ):
        for start in range(0, len(paths), BATCH):
            rows = []
            for row in pool.map(inspect_file, paths[start : start + BATCH]):
                rows.append(row)
                bar.update()
            yield rows


def inspect_file(path: str) -> dict[str, Any]:
    """The row of the table `file` for a path: `image_id`, or the `reason` why it is no photo."""
    row: dict[str, Any] = {
        "path": storable(path),
        "name": storable(Path(path).name),
        "size": 0,
        "modified_ns": 0,
        "image_id": None,
        "width": None,
        "height": None,
        "mime": None,
        "reason": None,
        "phash": None,
        "thumbnail": None,
    }
    try:
        row["size"], row["modified_ns"] = _check_file(path)
        content = images.read_content(path)
        photo, row["mime"] = images.decode(content, path)
    except images.UnreadablePhoto as error:
        return row | {"reason": str(error)}
    except OSError as error:
        reason = "broken link" if os.path.islink(path) else error.strerror  # noqa: PTH114
        return row | {"reason": f"cannot be read: {reason}"}
    width, height = photo.size
    row["phash"], row["thumbnail"] = likeness(photo) or (None, None)
    return row | {"image_id": images.content_id(content), "width": width, "height": height}


def replace_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the table `file`, in place of those with the same path."""
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        session.execute(delete(File).where(File.path.in_([row["path"] for row in part])))
        session.execute(insert(File), part)


def storable(path: str) -> str:
    """The path itself, or what can be shown of one that is not UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


def is_at(path: str, size: int) -> bool:
    """Whether a file of that size in bytes is (still) there."""
    state = _state(path)
    return state is not None and state[0] == size


def _check_file(path: str) -> tuple[int, int]:
    """(size, time of change) of what may be read. Raises UnreadablePhoto and OSError."""
    if path.startswith(fashion_mnist.PREFIX):
        return _FASHION_MNIST_STATE
    if storable(path) != path:
        raise images.UnreadablePhoto("its name is not UTF-8")
    status = os.stat(path)  # noqa: PTH116
    if stat.S_ISDIR(status.st_mode):
        os.scandir(path).close()
        raise images.UnreadablePhoto("a folder")
    if not stat.S_ISREG(status.st_mode):
        raise images.UnreadablePhoto("not a regular file")
    if status.st_size > MAX_BYTES:
        raise images.UnreadablePhoto(
            f"too large: {status.st_size:,} bytes, at most {MAX_BYTES:,} are taken"
        )
    return status.st_size, status.st_mtime_ns


def _state(path: str) -> tuple[int, int] | None:
    """(size in bytes, time of change in ns); None where there is nothing to read."""
    if path.startswith(fashion_mnist.PREFIX):
        return _FASHION_MNIST_STATE
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
