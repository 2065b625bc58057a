"""Draws docs/images anew: `python tools/draw_pages.py DEMO`.

DEMO is the workspace that `al-fashion demo` left. The photos shown are Fashion-MNIST's.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image as Pillow
from playwright.sync_api import Browser

from al_fashion.data import fashion_mnist
from al_fashion.data.images import content_id
from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.leases import claim
from al_fashion.store.schema import Round

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from page import chromium, queued_workspace, serving  # noqa: E402
from test_webui_session import shown  # noqa: E402

PICTURES = ROOT / "docs" / "images"
LABELS = fashion_mnist.CLASSES
PHOTOS = 30


def main(demo: Path) -> None:
    """Draw every picture anew."""
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        draw_page(browser, Path(folder))
        page = browser.new_page(viewport={"width": 1100, "height": 1500})
        page.goto((demo / "reports" / "report.html").absolute().as_uri())
        page.screenshot(path=PICTURES / "report.png")


def save_photos(folder: Path) -> dict[Path, str]:
    """Some photos as files, and the label of each."""
    folder.mkdir()
    found = {}
    for number, place in enumerate(fashion_mnist.paths()[:PHOTOS]):
        path = folder / f"{number:02}.png"
        photo = Pillow.fromarray(fashion_mnist.pixels(place))
        photo.resize((448, 448), Pillow.Resampling.LANCZOS).save(path)
        found[path] = fashion_mnist.label(place)
    return found


def draw_page(browser: Browser, place: Path) -> None:
    """The page light, dark and on a phone, its end, and the owner's pages."""
    photos = save_photos(place / "originals")
    keys = {content_id(path.read_bytes()): key(label) for path, label in photos.items()}
    workspace = queued_workspace(place, LABELS, overlap=2, source=list(photos))
    with writing(workspace.engine) as session:
        session.get_one(Round, 1).evaluation = evaluation(0.71)
        for number, share in enumerate((0.78, 0.83, 0.87), start=2):
            session.add(
                Round(
                    id=number,
                    strategy="usdm",
                    labelled=50 * number,
                    queued=0,
                    seconds=1.0,
                    created_ms=0,
                    evaluation=evaluation(share),
                    info={},
                )
            )
    with serving(workspace) as url:
        for scheme, size in (("light", (1280, 800)), ("dark", (1280, 800)), ("phone", (390, 844))):
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            page.goto(url)
            photo = shown(page, None)
            for _ in range(4):
                page.keyboard.press(keys[photo])
                page.keyboard.press("Enter")
                photo = shown(page, photo)
            page.keyboard.press(keys[photo])
            page.wait_for_timeout(800)
            page.screenshot(path=PICTURES / f"page-{scheme}.png")
            context.close()
        answer_rest(workspace)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for name, path in (("end", ""), ("review", "review"), ("browse", "browse")):
            page.goto(url + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"page-{name}.png")


def key(label: str) -> str:
    """What a labeller presses for a label."""
    return str((LABELS.index(label) + 1) % 10)


def evaluation(share: float) -> dict[str, object]:
    interval = {"value": share, "low": share - 0.06, "high": share + 0.05, "n": 120}
    return {"metric": "accuracy", "accuracy": {**interval, "method": "clopper-pearson"}}


def answer_rest(workspace) -> None:  # type: ignore[no-untyped-def]
    """Two people answer everything, and differ now and then."""
    for who, shift in (("ann", 0), ("bob", 1)):
        number = 0
        while True:
            with writing(workspace.engine) as session:
                held = claim(session, who, limit=1)
                if not held:
                    break
                number += 1
                label = LABELS[(number + (shift if number % 3 == 0 else 0)) % len(LABELS)]
                save_answer(
                    session,
                    labeller=who,
                    token=held[0].token,
                    kind="labels",
                    label_names=[label],
                    client_id=held[0].token,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
