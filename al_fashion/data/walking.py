"""The files below a folder."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from PIL import Image as Pillow

from al_fashion.data.manifest import normalise

SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})


def walk(root: Path, leave_out: Collection[Path] = ()) -> Iterator[tuple[Path, str | None]]:
    """(file, its first folder below the root) of everything that is neither hidden nor a system's.

    Folders that cannot be listed, and empty ones called like a photo, come as files do, so that
    someone says what they are. Links are followed, but never in a circle.
    """
    pending: list[tuple[Path, str | None]] = [(root, None)]
    seen = set()
    while pending:
        folder, first = pending.pop()
        if (folder.resolve(), first) in seen:
            continue
        seen.add((folder.resolve(), first))
        inside = entries(folder)
        if inside is None or (not inside and _is_called_photo(folder)):
            yield folder, first
        for path in inside or ():
            if path in leave_out or _is_passed_by(path.name):
                continue
            if os.path.isdir(path):  # noqa: PTH112 -- never raises, where Path.is_dir may
                pending.append((path, first or normalise(path.name)))
            else:
                yield path, first


def entries(folder: Path) -> list[Path] | None:
    """What lies in a folder, in order; None where it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return None


def _is_passed_by(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _is_called_photo(folder: Path) -> bool:
    return folder.suffix.lower() in Pillow.registered_extensions()
