"""A workspace with real photos and a queue, served to a real browser."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import select
from werkzeug.serving import make_server

from al_fashion.data.importing import import_photos
from al_fashion.store.database import reading, writing
from al_fashion.store.rounds import candidates, record_round
from al_fashion.store.schema import Answer
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace
from webui import create_app


def queued_workspace(
    folder: Path,
    labels: Sequence[str],
    *,
    photos: int = 14,
    exclusive: bool = False,
    overlap: int = 1,
    source: Sequence[Path] = (),
) -> Workspace:
    """Photos, made up or those of `source`, imported, the whole pool queued."""
    copies = folder / "photos"
    copies.mkdir(parents=True)
    for path in source:
        shutil.copy(path, copies / path.name)
    rng = np.random.default_rng(0)
    for number in range(0 if source else photos):
        colours = rng.integers(0, 255, (4, 3, 3), dtype=np.uint8)
        Pillow.fromarray(colours).resize((300, 400)).save(copies / f"{number}.png")
    workspace = create_workspace(folder / "workspace", labels, exclusive=exclusive, seed=1)
    import_photos(
        workspace,
        str(copies),
        labels_from="none",
        class_map=None,
        group_by=None,
        image_column="image",
        label_column="labels",
        labels_as="answers",
        limit=None,
        progress=False,
    )
    with writing(workspace.engine) as session:
        asked = candidates(session)
        result = RoundResult(1, "random", 0, len(asked), None, 0.0)
        photos_asked = [(image_id, "train", 0.5) for image_id in asked]
        record_round(session, result, None, photos_asked, {}, overlap)  # type: ignore[arg-type]
    return workspace


def stored(workspace: Workspace) -> list[Answer]:
    """All answer rows, oldest first."""
    with reading(workspace.engine) as session:
        return list(session.scalars(select(Answer).order_by(Answer.id)))


@contextmanager
def serving(workspace: Workspace, port: int = 0, *, accounts: bool = False) -> Iterator[str]:
    """The page's address while it is served."""
    app = create_app(workspace, "ann", accounts=accounts)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
