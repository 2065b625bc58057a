"""What the page shows of a photo: a few sizes, made once and kept in the workspace."""

import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image as Pillow

from al_fashion.data.images import picture
from al_fashion.errors import MissingPhotos, WorkspaceError
from al_fashion.files import replacing
from al_fashion.store.database import reading
from al_fashion.store.photos import image_paths
from al_fashion.store.schema import Image
from al_fashion.workspace import Workspace

SIDES = (160, 640, 960, 1280, 1920, 2560)
_MIMES = {"jpg": "image/jpeg", "png": "image/png"}


def kept_picture(workspace: Workspace, image_id: str, side: int) -> tuple[bytes, str]:
    """(bytes, MIME type) of a photo in the smallest of SIDES that is not below `side`.

    Raises MissingPhotos, also where there is no such photo.
    """
    fitting = min((known for known in SIDES if known >= side), default=SIDES[-1])
    paths = _paths(workspace, image_id)
    found = _kept(workspace.pictures, image_id, fitting)
    if found is None:
        found = _made(workspace.pictures, image_id, paths, fitting)
        _keep(workspace.pictures, image_id, fitting, found)
        try:
            _paths(workspace, image_id)
        except MissingPhotos:  # removed for good while its picture was made
            forget_pictures(workspace.pictures, image_id)
            raise
    return found


def forget_pictures(folder: Path, image_id: str) -> None:
    """Delete every kept picture of a photo."""
    for path in (folder / image_id[:2]).glob(f"{image_id}-*"):
        path.unlink(missing_ok=True)


def _paths(workspace: Workspace, image_id: str) -> list[str]:
    with reading(workspace.engine) as session:
        if session.get(Image, image_id) is None:
            raise MissingPhotos("No such photo.")
        return image_paths(session, [image_id]).get(image_id, [])


def _kept(folder: Path, image_id: str, side: int) -> tuple[bytes, str] | None:
    for ending, mime in _MIMES.items():
        with suppress(FileNotFoundError):
            return _path(folder, image_id, side, ending).read_bytes(), mime
    return None


def _made(folder: Path, image_id: str, paths: Sequence[str], side: int) -> tuple[bytes, str]:
    """From the next larger picture that is kept, which is far quicker; else from the photo."""
    for larger in (known for known in SIDES if known > side):
        found = _kept(folder, image_id, larger)
        if found is not None:
            return _smaller(found[0], side), found[1]
    return picture(image_id, paths, side)


def _smaller(content: bytes, side: int) -> bytes:
    photo = Pillow.open(io.BytesIO(content))
    kind = photo.format
    photo.thumbnail((side, side))
    small = io.BytesIO()
    photo.save(small, kind, quality=88)
    return small.getvalue()


def _keep(folder: Path, image_id: str, side: int, found: tuple[bytes, str]) -> None:
    ending = next(known for known, mime in _MIMES.items() if mime == found[1])
    # A full disk must not keep anyone from seeing the photo.
    with suppress(WorkspaceError), replacing(_path(folder, image_id, side, ending)) as file:
        file.write(found[0])


def _path(folder: Path, image_id: str, side: int, ending: str) -> Path:
    return folder / image_id[:2] / f"{image_id}-{side}.{ending}"
