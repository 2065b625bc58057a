"""What the page shows of a photo: a few sizes, made once and kept in the workspace."""

from collections.abc import Sequence
from pathlib import Path

from al_fashion.data.images import picture
from al_fashion.errors import WorkspaceError
from al_fashion.files import replacing

SIDES = (160, 640, 960, 1280, 1920, 2560)
_MIMES = {"jpg": "image/jpeg", "png": "image/png"}


def kept_picture(folder: Path, image_id: str, paths: Sequence[str], side: int) -> tuple[bytes, str]:
    """(bytes, MIME type) of a photo in the smallest of SIDES that is not below `side`.

    Raises MissingPhotos.
    """
    fitting = min((known for known in SIDES if known >= side), default=SIDES[-1])
    for ending, mime in _MIMES.items():
        path = _path(folder, image_id, fitting, ending)
        if path.exists():
            return path.read_bytes(), mime
    content, mime = picture(image_id, paths, fitting)
    ending = next(known for known, its_mime in _MIMES.items() if its_mime == mime)
    try:
        with replacing(_path(folder, image_id, fitting, ending)) as file:
            file.write(content)
    except WorkspaceError:
        pass  # A full disk must not keep anyone from seeing the photo.
    return content, mime


def forget_pictures(folder: Path, image_id: str) -> None:
    """Delete every kept picture of a photo."""
    for path in (folder / image_id[:2]).glob(f"{image_id}-*"):
        path.unlink(missing_ok=True)


def _path(folder: Path, image_id: str, side: int, ending: str) -> Path:
    return folder / image_id[:2] / f"{image_id}-{side}.{ending}"
