"""Where photos lie: those that were moved are found again; what is the workspace's own is none."""

import os
from collections import defaultdict
from pathlib import Path

from sqlalchemy import delete, select

from al_fashion.config import FILE_NAME
from al_fashion.data.inspection import inspect_files, is_at, replace_rows
from al_fashion.data.manifest import resolve
from al_fashion.data.walking import walk
from al_fashion.errors import SourceError
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import in_chunks
from al_fashion.store.schema import File, Image
from al_fashion.workspace import DATABASE_NAME, LOCK_NAME, SECRET_KEY_NAME, Workspace


def relocate(workspace: Workspace, folder: Path, progress: bool = False) -> tuple[int, int]:
    """Find photos that were moved, by content, below a folder: (found, still missing).

    Their old places are forgotten. Raises SourceError where the folder cannot be read.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise SourceError(
            f"{folder} cannot be read ({error.strerror}). Name the folder the photos are in now."
        ) from error
    with workspace.lock("relocate"):
        missing = {image_id for image_id, _ in missing_photos(workspace)}
        if not missing:
            return 0, 0
        paths = sorted({resolve(path) for path, _ in walk(folder, own_paths(workspace))})
        seen = [row for batch in inspect_files(paths, progress) for row in batch]
        rows = [row for row in seen if row["image_id"] in missing]
        found = {row["image_id"] for row in rows}
        with writing(workspace.engine) as session:
            for part in in_chunks(sorted(found)):
                session.execute(delete(File).where(File.image_id.in_(part)))
            replace_rows(session, rows)
    return len(found), len(missing - found)


def missing_photos(workspace: Workspace) -> list[tuple[str, str]]:
    """(image id, a path it was at) of photos that are at none of their paths any more.

    Looks at existence and size only, so that it is quick.
    """
    with reading(workspace.engine) as session:
        rows = session.execute(
            select(Image.id, File.path, File.size)
            .join(File, File.image_id == Image.id, isouter=True)
            .order_by(Image.id, File.path)
        )
        places: dict[str, list[tuple[str | None, int | None]]] = defaultdict(list)
        for image_id, path, size in rows:
            places[image_id].append((path, size))
    return [
        (image_id, found[0][0] or "")
        for image_id, found in places.items()
        if not any(path and is_at(path, size or 0) for path, size in found)
    ]


def own_paths(workspace: Workspace) -> set[Path]:
    """What lies in the workspace's folder without being a photo of the user's."""
    folders = (workspace.features, workspace.models, workspace.reports, workspace.pictures)
    names = [FILE_NAME, SECRET_KEY_NAME, LOCK_NAME, *(path.name for path in folders)]
    folder = workspace.folder.resolve()
    database = folder.glob(f"{DATABASE_NAME}*") if os.access(folder, os.R_OK) else ()
    return {folder / name for name in names} | set(database)
