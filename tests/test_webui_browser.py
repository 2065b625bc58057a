"""The labelling page in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from page import chromium, queued_workspace, serving, stored
from playwright.sync_api import Browser, Page, expect

LABELS = ("dress", "pullover", "shirt")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    yield context.new_page()
    context.close()


def test_a_batch_by_keyboard(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    asked = len(stored(workspace))
    with serving(workspace) as url:
        page.goto(url)
        seen = []
        for keys in (["1", "Enter"], ["2", "3", "Enter"], ["n"], ["s"], ["3", "1", "3", "Enter"]):
            picture = page.locator("#photo").get_attribute("src")
            seen.append(picture.rpartition("/")[2])
            for key in keys:
                page.keyboard.press(key)
            expect(page.locator("#photo")).not_to_have_attribute("src", picture)
        expect(page.locator("#state")).to_have_text("Saved")
    answers = stored(workspace)[asked:]
    assert [row.image_id for row in answers] == seen
    assert [row.kind for row in answers] == ["labels", "labels", "none", "skip", "labels"]
    assert [row.labels for row in answers] == [[1], [2, 3], [], [], [1]]


def test_fast_fingers_never_see_the_end_before_it(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS, photos=60)
    problems: list[str] = []
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
          window.ends = 0;
          new MutationObserver(() => { if (!document.getElementById("empty").hidden) ends++; })
            .observe(document.getElementById("empty"), { attributes: true });
        });"""
    )
    with serving(workspace) as url:
        page.goto(url)
        for _ in range(20):
            page.keyboard.press("n")
        expect(page.locator("#state")).to_have_text("Saved")
        page.wait_for_function("Object.values(localStorage).every((value) => value === '[]')")
        expect(page.locator("#photo")).to_be_visible()
        assert page.evaluate("ends") == 0
    kept = stored(workspace)
    assert len(kept) == len({row.image_id for row in kept}) > 2
    assert problems == []


def test_back_corrects_the_previous_answer(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        for key in ("1", "2"):
            page.wait_for_load_state("networkidle")
            picture = page.locator("#photo").get_attribute("src")
            page.keyboard.press(key)
            page.keyboard.press("Enter")
            expect(page.locator("#photo")).not_to_have_attribute("src", str(picture))
        page.keyboard.press("z")
        expect(page.locator("#correcting")).to_be_visible()
        expect(page.locator("input[value=pullover]")).to_be_checked()
        page.keyboard.press("z")
        expect(page.locator("input[value=dress]")).to_be_checked()
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("Saved")
    answers = stored(workspace)
    assert [row.labels for row in answers] == [[1], [2], [1, 3]]
    assert answers[2].supersedes == answers[0].id
    assert answers[2].query_id == answers[0].query_id


def test_labels_that_exclude_each_other(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS, exclusive=True)
    with serving(workspace) as url:
        page.goto(url)
        for key in ("1", "2", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("#state")).to_have_text("Saved")
    assert [row.labels for row in stored(workspace)] == [[2]]


def test_nothing_chosen_is_not_saved(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_contain_text("Choose a label")
    assert stored(workspace) == []


def test_an_outage_loses_and_doubles_nothing(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        page.wait_for_load_state("networkidle")
        port = int(url.rstrip("/").rpartition(":")[2])
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Not saved yet")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    with serving(workspace, port):
        expect(page.locator("#state")).to_have_text("Saved", timeout=10_000)
        page.wait_for_function("Object.values(localStorage).every((value) => value === '[]')")
    assert [row.labels for row in stored(workspace)] == [[1], [2]]


def test_an_answer_the_server_has_but_did_not_confirm_is_stored_once(
    page: Page, tmp_path: Path
) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        cut: list[str] = []

        def cut_once(route) -> None:  # type: ignore[no-untyped-def]
            if cut:
                route.continue_()
                return
            cut.append(route.request.post_data)
            route.fetch()
            route.abort()

        page.route("**/answers", cut_once)
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("Saved", timeout=10_000)
    assert len(cut) == 1
    assert [row.labels for row in stored(workspace)] == [[2]]


def test_many_labels_shift_keys_and_filter(page: Page, tmp_path: Path) -> None:
    labels = [f"label {number:02d}" for number in range(1, 31)]
    workspace = queued_workspace(tmp_path, labels)
    with serving(workspace) as url:
        page.goto(url)
        page.keyboard.press("0")
        page.keyboard.press("Shift+Digit1")
        page.keyboard.press("/")
        page.keyboard.type("28")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("Saved")
    assert [row.labels for row in stored(workspace)] == [[10, 11, 28]]


def test_without_javascript(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    context = browser.new_context(java_script_enabled=False)
    with serving(workspace) as url:
        page = context.new_page()
        page.goto(url)
        page.check("input[value=dress]")
        page.check("input[value=shirt]")
        page.click("button[value=labels]")
        page.click("button[value=skip]")
        page.click("#back")
        page.click("#back")
        assert page.is_checked("input[value=dress]")
    context.close()
    assert [(row.kind, row.labels) for row in stored(workspace)] == [
        ("labels", [1, 3]),
        ("skip", []),
    ]


def test_a_narrow_window_by_touch(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True)
    with serving(workspace) as url:
        page = context.new_page()
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.tap("text=pullover")
        page.tap("button.save")
        expect(page.locator("#state")).to_have_text("Saved")
    context.close()
    assert [row.labels for row in stored(workspace)] == [[2]]


def test_the_page_ends_and_begins_again_with_the_queue(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS, photos=3)
    with serving(workspace) as url:
        page.goto(url)
        while not page.locator("#empty").is_visible():
            page.keyboard.press("n")
            page.wait_for_timeout(50)
        expect(page.locator("#empty")).to_contain_text("al-fashion round")
    assert all(row.kind == "none" for row in stored(workspace))
