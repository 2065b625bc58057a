"""Files that appear whole or not at all."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from al_fashion.errors import WorkspaceError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes `path`'s place only when all went well.

    Raises WorkspaceError where the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"Cannot write {path}: {error.strerror}. Make room or give the right to write there."
        ) from error
    finally:
        with suppress(OSError):  # where the folder is a file, there is nothing to remove either
            partial.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Before long work, whose result goes there: raises WorkspaceError where nothing can."""
    with replacing(folder / ".writable"):
        pass
    (folder / ".writable").unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all. Raises WorkspaceError."""
    with replacing(path) as file:
        file.write(text.encode())


def user_cache() -> Path:
    """The user's folder for what can be computed again: AL_FASHION_CACHE, else the system's."""
    own = os.environ.get("AL_FASHION_CACHE")
    system = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(system) / "al-fashion"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal. Raises WorkspaceError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkspaceError(f"Cannot read {path}: {error.strerror}. Name another file.") from error
