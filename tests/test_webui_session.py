"""A long session by keyboard alone in a real browser."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from page import chromium, queued_workspace, serving, stored
from playwright.sync_api import Browser, Page, expect

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
