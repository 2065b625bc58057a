"""Pictures: made ahead, made from one another, and gone with their photo."""

import io
import time
from pathlib import Path

import pytest
from page import queued_workspace
from PIL import Image as Pillow

from al_fashion.data import pictures
from al_fashion.data.pictures import kept_picture
from al_fashion.data.removal import remove_photo
from al_fashion.errors import MissingPhotos
from al_fashion.store.database import reading, writing
from al_fashion.store.leases import claim
from al_fashion.store.queue import next_photos
from al_fashion.workspace import Workspace
from webui import create_app
from webui.ahead import PHOTOS_AHEAD


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return queued_workspace(tmp_path, ("dress", "shirt"), photos=20)


def made(workspace: Workspace) -> set[str]:
    return {path.stem for path in workspace.pictures.rglob("*.jpg")}


def test_the_next_photos_are_made_while_one_is_looked_at(workspace: Workspace) -> None:
    client = create_app(workspace, "ann").test_client()
    with writing(workspace.engine) as session:
        shown = claim(session, "ann", limit=1)[0].image_id
    with reading(workspace.engine) as session:
        coming = [photo.image_id for photo in next_photos(session, "ann", PHOTOS_AHEAD)]
    assert len(coming) == PHOTOS_AHEAD
    assert client.get(f"/photos/{shown}?side=160").status_code == 200
    assert client.get(f"/photos/{shown}?side=900").status_code == 200
    ends = time.monotonic() + 20
    while made(workspace) != {f"{shown}-160", *(f"{each}-960" for each in [shown, *coming])}:
        assert time.monotonic() < ends, made(workspace)
        time.sleep(0.02)


def test_a_smaller_picture_is_made_from_a_kept_larger_one(workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        photo = next_photos(session, "ann", 1)[0].image_id
    kept_picture(workspace, photo, 960)
    for path in (workspace.folder.parent / "photos").iterdir():
        path.unlink()
    content, mime = kept_picture(workspace, photo, 160)
    assert mime == "image/jpeg" and Pillow.open(io.BytesIO(content)).size == (120, 160)
    with pytest.raises(MissingPhotos):
        kept_picture(workspace, photo, 2560)


def test_a_photo_removed_while_its_picture_is_made_leaves_none(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading(workspace.engine) as session:
        photo = next_photos(session, "ann", 1)[0].image_id
    draw = pictures.picture

    def removed_meanwhile(*given):  # type: ignore[no-untyped-def]
        drawn = draw(*given)
        remove_photo(workspace, photo)
        return drawn

    monkeypatch.setattr(pictures, "picture", removed_meanwhile)
    with pytest.raises(MissingPhotos):
        kept_picture(workspace, photo, 640)
    assert made(workspace) == set()
