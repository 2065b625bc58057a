"""A long session by keyboard alone in a real browser, and what the page looks like."""

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from page import chromium, queued_workspace, serving, stored
from playwright.sync_api import Browser, Page, expect

from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.leases import claim
from al_fashion.store.schema import Round

LABELS = ("dress", "pullover", "shirt", "skirt", "trousers", "shoes")
ANSWERS = 200


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def shown(page: Page, before: str | None) -> str:
    """The next photo's id, once it is painted."""
    ends = time.monotonic() + 20
    while True:
        found = page.evaluate("photo.complete && photo.naturalWidth ? photo.dataset.image : ''")
        if found and found != before:
            return str(found)
        assert time.monotonic() < ends, "no next photo"
        page.wait_for_timeout(5)


def test_two_hundred_answers_by_keyboard(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = queued_workspace(tmp_path, LABELS, photos=290)
    rng = np.random.default_rng(0)
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    seen: list[str] = []
    times: list[float] = []
    with serving(workspace) as url:
        page.goto(url)
        photo = shown(page, None)
        for _ in range(ANSWERS):
            seen.append(photo)
            for key in keys(rng):
                started = time.perf_counter()
                page.keyboard.press(key)
            photo = shown(page, photo)
            times.append(time.perf_counter() - started)
        expect(page.locator("#state")).to_have_text("Saved", timeout=20_000)
        assert page.evaluate("Object.values(localStorage)") == ["[]"]
    context.close()
    with capsys.disabled():
        median = 1000 * statistics.median(times)
        print(f"\n200 answers by keyboard: {median:.0f} ms from the key to the next photo (median)")
    answers = stored(workspace)
    assert [row.image_id for row in answers] == seen
    assert len({row.query_id for row in answers}) == ANSWERS
    assert {row.kind for row in answers} == {"labels", "none", "cannot_tell", "skip"}
    assert problems == []


def keys(rng: np.random.Generator) -> list[str]:
    """What one answer takes: mostly a label or two, sometimes something else."""
    chance = rng.random()
    if chance < 0.06:
        return ["n"]
    if chance < 0.10:
        return ["c"]
    if chance < 0.13:
        return ["s", "2"]
    digits = rng.choice(len(LABELS), size=rng.choice([1, 1, 2]), replace=False) + 1
    return [*map(str, digits), "Enter"]


@pytest.mark.skipif("AL_FASHION_PICTURES" not in os.environ, reason="draws docs/images by hand")
def test_pictures_for_the_documentation(browser: Browser, tmp_path: Path) -> None:
    """AL_FASHION_PICTURES names the folder to write to, AL_FASHION_PHOTOS real photos."""
    folder = Path(os.environ["AL_FASHION_PICTURES"])
    source = Path(os.environ["AL_FASHION_PHOTOS"])
    photos = sorted(source.rglob("*.jpg"))[:30]
    workspace = queued_workspace(tmp_path, LABELS, overlap=2, source=photos)
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
            for key in ("1", "3", "n", "2"):
                page.keyboard.press(key)
                if key != "n":
                    page.keyboard.press("Enter")
                photo = shown(page, photo)
            page.keyboard.press("4")
            page.wait_for_timeout(800)
            page.screenshot(path=folder / f"page-{scheme}.png")
            context.close()
        answer_rest(workspace)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for name, path in (("end", ""), ("review", "review")):
            page.goto(url + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder / f"page-{name}.png")


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
