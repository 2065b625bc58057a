"""A photo removed for good, because someone asks for it."""

from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from al_fashion.data import fashion_mnist
from al_fashion.data.images import content_id
from al_fashion.data.pictures import forget_pictures
from al_fashion.data.places import missing_photos
from al_fashion.errors import AnswerError, WorkspaceError
from al_fashion.models.cache import forget_features
from al_fashion.search.neighbours import forget_neighbours
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.photos import image_paths
from al_fashion.store.schema import (
    Answer,
    File,
    GalleryLabel,
    GalleryPhoto,
    Image,
    Lease,
    Prediction,
    Query,
    Removed,
    Slot,
    Suspect,
    Truth,
)
from al_fashion.workspace import Workspace


def remove_photo(workspace: Workspace, image_id: str) -> None:
    """Delete a photo's files, pictures, features and answers; its hash stays, so that no import
    brings it back.

    Begun again after a kill it goes on where it stopped. Raises AnswerError where there is no
    such photo, WorkspaceError where a file cannot be deleted or a round or an import is at work.
    """
    with workspace.lock("remove a photo"):
        with reading(workspace.engine) as session:
            if session.get(Image, image_id) is None:
                raise AnswerError("There is no such photo. Reload the page.")
            paths = image_paths(session, [image_id]).get(image_id, [])
        for path in paths:
            _delete_file(path, image_id)
        forget_pictures(workspace.pictures, image_id)
        for folder in workspace.features.glob("*"):
            forget_features(folder, image_id)
            forget_neighbours(folder)
        with writing(workspace.engine) as session:
            _delete_rows(session, image_id)
        # Once more: one may have been in the making.
        forget_pictures(workspace.pictures, image_id)


def remove_missing(workspace: Workspace) -> int:
    """Remove for good every photo that is at none of its places any more; returns how many.

    Raises as `remove_photo` does.
    """
    missing = missing_photos(workspace)
    for image_id, _ in missing:
        remove_photo(workspace, image_id)
    return len(missing)


def _delete_file(path: str, image_id: str) -> None:
    """Delete a file if it still holds that photo."""
    if path.startswith(fashion_mnist.PREFIX):
        return
    file = Path(path)
    try:
        if content_id(file.read_bytes()) == image_id:
            file.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WorkspaceError(
            "Cannot delete {path}: {reason}. Nothing else was removed. Give the right to delete "
            "it.",
            path=path,
            reason=error.strerror,
        ) from error


def _delete_rows(session: Session, image_id: str) -> None:
    queries = select(Query.id).where(Query.image_id == image_id)
    session.execute(delete(Slot).where(Slot.query_id.in_(queries)))
    derived = (GalleryLabel, GalleryPhoto, Prediction, Suspect)
    for table in (*derived, Answer, Lease, Query, Truth):
        session.execute(delete(table).where(table.image_id == image_id))
    session.execute(delete(File).where(File.image_id == image_id))
    session.execute(delete(Image).where(Image.id == image_id))
    session.add(Removed(id=image_id, created_ms=now_ms()))
