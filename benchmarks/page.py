"""From a key press to the next photo on the screen, in Chromium, with large photos.

`python benchmarks/page.py [--photos N] [--think S]` prints one JSON object: the milliseconds from
the key that saves an answer to the next photo painted, for the page as `al-fashion serve` shows it
and, the peer, for the same page with the original files and nothing fetched ahead. Photos are made
up: 4000 x 3000 pixels of texture and noise, 1 to 4 MB. Nothing is prepared before the first key.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

from al_fashion.data.importing import import_photos
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import image_paths
from al_fashion.store.rounds import candidates, record_round
from al_fashion.store.schema import Image
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace

LABELS = ("dress", "pullover", "shirt", "skirt", "trousers")
SIDES = (4000, 3000)
# Element Timing tells when a picture was really on the screen, not only when it could be.
WATCH = """
  window.painted = [];
  let pressed = 0;
  const press = (event) => { if (event.key === "n") pressed = event.timeStamp; };
  addEventListener("keydown", press, true);
  addEventListener("DOMContentLoaded", () => {
    const photo = document.getElementById("photo");
    photo.setAttribute("elementtiming", "photo");
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (pressed) painted.push(entry.renderTime - pressed);
    }).observe({ type: "element", buffered: true });
  });
"""
NOTHING_AHEAD = """
  window.Image = function () {
    return Object.assign(document.createElement("span"), { decode: () => Promise.resolve() });
  };
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--think", type=float, default=0.7, help="mean seconds before a key")
    parser.add_argument("--serve-originals", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_originals:
        serve_originals(given.serve_originals)
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        megabytes = save_photos(Path(folder) / "photos", given.photos)
        workspace = make_queue(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        ours = run(browser, workspace, given, peer=False)
        peer = run(browser, workspace, given, peer=True)
        browser.close()
    found = {"photos": given.photos, "mean_megabytes": megabytes, "think_seconds": given.think}
    ratio = round(peer["median_ms"] / ours["median_ms"], 2)
    print(
        json.dumps(
            {
                **found,
                **ours,
                "peer": {"what": "originals, nothing ahead", **peer},
                "ratio": ratio,
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def save_photos(folder: Path, number: int) -> float:
    """JPEG photos of texture and noise; their mean size in megabytes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, (*reversed(SIDES), 1)).astype(np.float32)
    for place in range(number):
        coarse = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        texture = np.asarray(Pillow.fromarray(coarse).resize(SIDES, Pillow.Resampling.BICUBIC))
        strength = rng.uniform(0.6, 1.4)
        pixels = np.clip(texture + strength * np.roll(noise, 997 * place, axis=0), 0, 255)
        Pillow.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.jpg", quality=85)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return round(float(np.mean(sizes)) / 1e6, 2)


def make_queue(folder: Path) -> Workspace:
    """A workspace with the photos, the pool queued twice over: once for each page."""
    workspace = create_workspace(folder / "workspace", LABELS, heldout=0.01, audit=0, seed=0)
    import_photos(workspace, str(folder / "photos"), labels_from="none", progress=False)
    with writing(workspace.engine) as session:
        asked: Any = [(image_id, "train", None) for image_id in candidates(session)]
        result = RoundResult(1, "random", 0, len(asked), None, 0.0)
        record_round(session, result, None, asked, {}, 2)
    workspace.engine.dispose()
    return workspace


def serve_originals(folder: Path) -> None:
    """The page, but every photo is the file itself."""
    from waitress import create_server

    from webui import create_app

    workspace = Workspace.open(folder)
    with reading(workspace.engine) as session:
        paths = image_paths(session, list(session.scalars(select(Image.id))))
    app = create_app(workspace, "peer")

    def originals(environ: Any, start_response: Any) -> Any:
        name = environ["PATH_INFO"].removeprefix("/photos/")
        if name not in paths:
            return app(environ, start_response)
        start_response("200 OK", [("Content-Type", "image/jpeg")])
        return [Path(paths[name][0]).read_bytes()]

    server = create_server(originals, host="127.0.0.1", port=0, threads=16)
    print(f"http://127.0.0.1:{server.effective_port}/", file=sys.stderr, flush=True)
    server.run()


def run(
    browser: Browser, workspace: Workspace, given: argparse.Namespace, *, peer: bool
) -> dict[str, float]:
    shipped = ["-m", "al_fashion", "-w", str(workspace.folder), "serve", "--port", "0"]
    command = [__file__, "--serve-originals", str(workspace.folder)] if peer else shipped
    server = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        url = re.search(r"http://\S+", server.stderr.readline())
        assert url
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.add_init_script(WATCH + (NOTHING_AHEAD if peer else ""))
        page.goto(url[0])
        page.wait_for_load_state("networkidle")
        times = answer_all(page, given)
        page.context.close()
    finally:
        server.terminate()
        server.wait(10)
    percentiles = np.percentile(times, [50, 95, 100]).round(1).tolist()
    return {
        **dict(zip(("median_ms", "p95_ms", "most_ms"), percentiles, strict=True)),
        "keys": len(times),
    }


def answer_all(page: Page, given: argparse.Namespace) -> list[float]:
    """Milliseconds from each key to the next photo, until the queue ends."""
    rng = random.Random(0)
    times: list[float] = []
    while page.locator("#work").is_visible():
        page.wait_for_timeout(1000 * min(rng.expovariate(1 / given.think), 5 * given.think))
        page.keyboard.press("n")
        for _ in range(2000):
            found = page.evaluate("painted")
            if len(found) > len(times) or not page.locator("#work").is_visible():
                break
            page.wait_for_timeout(5)
        times = found
    return times


if __name__ == "__main__":
    main()
