"""Small pictures of photos inside the report itself."""

import base64
from collections.abc import Iterable

from sqlalchemy.orm import Session

from al_fashion.data.images import picture
from al_fashion.errors import MissingPhotos
from al_fashion.store.photos import image_paths

SIDE = 192


def pictures(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """A data URI for each photo, by image id; without those that are gone."""
    wanted = sorted(set(ids))
    paths = image_paths(session, wanted)
    found = {}
    for image_id in wanted:
        try:
            content, mime = picture(image_id, paths.get(image_id, []), SIDE)
        except MissingPhotos:
            continue
        found[image_id] = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    return found
