"""The labelling page in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page import chromium, queued_workspace, serving, stored
from playwright.sync_api import Browser, Page, expect

from al_fashion.store.accounts import invite
from al_fashion.store.answers import save_answer
from al_fashion.store.database import reading, writing
from al_fashion.store.leases import claim
from al_fashion.store.photos import labels
from al_fashion.workspace import Workspace

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


def shown(page: Page) -> str:
    """The id of the photo on the screen, once it is there."""
    return str(page.locator("#photo[data-image]").get_attribute("data-image"))


def all_saved(page: Page) -> None:
    becomes_true(page, "Object.values(localStorage).every((value) => value === '[]')")


def becomes_true(page: Page, condition: str) -> None:
    """Wait; `wait_for_function` would need what the page's policy forbids."""
    ends = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(20)


def test_a_batch_by_keyboard(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    asked = len(stored(workspace))
    with serving(workspace) as url:
        page.goto(url)
        seen = []
        for said in ("1 Enter", "2 3 Enter", "n", "s 2", "3 1 3 Enter"):
            seen.append(shown(page))
            for key in said.split():
                page.keyboard.press(key)
            expect(page.locator("#photo")).not_to_have_attribute("data-image", seen[-1])
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
        all_saved(page)
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
            picture = shown(page)
            page.keyboard.press(key)
            page.keyboard.press("Enter")
            expect(page.locator("#photo")).not_to_have_attribute("data-image", picture)
        page.keyboard.press("z")
        expect(page.locator("#correcting")).to_be_visible()
        expect(page.locator("input[value=pullover]")).to_be_checked()
        page.keyboard.press("z")
        expect(page.locator("input[value=dress]")).to_be_checked()
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        all_saved(page)
        expect(page.locator("#correcting")).to_be_hidden()
    answers = stored(workspace)
    assert [row.labels for row in answers] == [[1], [2], [1, 3]]
    assert answers[2].supersedes == answers[0].id
    assert answers[2].query_id == answers[0].query_id


def test_escape_leaves_a_correction_alone(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        answered = shown(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        all_saved(page)
        waiting = shown(page)
        for leave in ("Escape", "click"):
            page.keyboard.press("z")
            expect(page.locator("#photo")).to_have_attribute("data-image", answered)
            page.keyboard.press("+")
            page.keyboard.press("Escape")
            expect(page.locator("#correcting")).to_be_visible()
            if leave == "click":
                page.click("#resume")
            else:
                page.keyboard.press("Escape")
            expect(page.locator("#photo")).to_have_attribute("data-image", waiting)
            expect(page.locator("#correcting")).to_be_hidden()
    assert len(stored(workspace)) == 1


def test_on_a_phone_the_photo_stays_in_sight(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, [f"label {number}" for number in range(20)])
    context = browser.new_context(
        viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    with serving(workspace) as url:
        page.goto(url)
        before = shown(page)
        page.tap("text=label 17")
        top = "photo.getBoundingClientRect().top"
        assert page.evaluate("scrollY") > 100 and 0 <= page.evaluate(top) < 100
        page.tap("#answer button.save")
        expect(page.locator("#photo")).not_to_have_attribute("data-image", before)
        assert page.evaluate("scrollY") == 0, "the next photo begins at the top"
        all_saved(page)
    context.close()
    assert [row.labels for row in stored(workspace)] == [[18]]


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
        all_saved(page)
    assert [row.labels for row in stored(workspace)] == [[1], [2]]


def test_an_answer_waits_for_its_own_workspace(page: Page, tmp_path: Path) -> None:
    first = queued_workspace(tmp_path / "first", LABELS)
    second = queued_workspace(tmp_path / "second", LABELS)
    page.on("dialog", lambda dialog: dialog.accept())
    with serving(first) as url:
        page.goto(url)
        page.wait_for_load_state("networkidle")
        port = int(url.rstrip("/").rpartition(":")[2])
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Not saved yet")
    with serving(second, port):
        page.goto(url)
        page.wait_for_load_state("networkidle")
    assert stored(second) == []
    with serving(first, port):
        page.goto(url)
        expect(page.locator("#state")).to_have_text("Saved", timeout=10_000)
    assert [row.labels for row in stored(first)] == [[1]]


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

        page.route("**/api/answers", cut_once)
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
        page.select_option("select[name=reason]", "not_in_list")
        page.fill("input[name=proposal]", "trousers")
        page.click("button[value=skip]")
        page.click("#back")
        page.click("#back")
        assert page.is_checked("input[value=dress]")
    context.close()
    assert [(row.kind, row.labels, row.proposal) for row in stored(workspace)] == [
        ("labels", [1, 3], None),
        ("skip", [], "trousers"),
    ]


def test_a_narrow_window_by_touch(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True)
    with serving(workspace) as url:
        page = context.new_page()
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.tap("text=pullover")
        page.tap("#answer button.save")
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


def test_skipping_takes_a_reason_and_a_proposal(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        page.keyboard.press("s")
        expect(page.locator("#skip-dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#skip-dialog")).to_be_hidden()
        for said in ("s 1", "s 4"):
            all_saved(page)
            shown(page)
            for key in said.split():
                page.keyboard.press(key)
        page.keyboard.type("trousers n")
        page.keyboard.press("Enter")
        all_saved(page)
        page.keyboard.press("c")
        all_saved(page)
    assert [(row.kind, row.reason, row.proposal) for row in stored(workspace)] == [
        ("skip", "broken", None),
        ("skip", "not_in_list", "trousers n"),
        ("cannot_tell", None, None),
    ]


def test_the_history_strip_leads_back_without_a_reload(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        for key in "123":
            page.keyboard.press(key)
            page.keyboard.press("Enter")
            all_saved(page)
        waiting = shown(page)
        strip = page.locator("#history button")
        expect(strip).to_have_count(3)
        strip.nth(2).click()
        expect(page.locator("#correcting")).to_be_visible()
        expect(page.locator("input[value=dress]")).to_be_checked()
        page.keyboard.press("n")
        all_saved(page)
        expect(page.locator("#photo")).to_have_attribute("data-image", waiting)
        page.reload()
        expect(strip).to_have_count(3)
        expect(strip.nth(2)).to_contain_text("none")
    answers = stored(workspace)
    assert [row.kind for row in answers] == ["labels", "labels", "labels", "none"]
    assert answers[3].supersedes == answers[0].id


def test_zoom_and_pan_by_keys_and_wheel(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)

    def scale() -> float:
        return float(page.evaluate("new DOMMatrix(getComputedStyle(photo).transform).a"))

    with serving(workspace) as url:
        page.goto(url)
        shown(page)
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        assert scale() == pytest.approx(1.4)
        assert page.evaluate("new DOMMatrix(getComputedStyle(photo).transform).e") > 0
        page.keyboard.press("Escape")
        assert scale() == 1
        page.mouse.move(300, 300)
        page.mouse.wheel(0, -400)
        becomes_true(page, "photo.style.transform !== ''")
        page.keyboard.press("n")
        becomes_true(page, "photo.style.transform === ''")
        page.dblclick("[data-zoom=in]")
        assert scale() == pytest.approx(1.96)


def test_two_fingers_zoom_and_one_pans(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()

    def touch(kind: str, *points: tuple[int, int]) -> None:
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    with serving(workspace) as url:
        page.goto(url)
        shown(page)
        hand = context.new_cdp_session(page)
        touch("touchStart", (150, 200))
        touch("touchStart", (150, 200), (200, 200))
        for apart in (70, 90, 110):
            touch("touchMove", (150, 200), (150 + apart, 200))
        touch("touchEnd")
        becomes_true(page, "new DOMMatrix(getComputedStyle(photo).transform).a > 1.8")
        page.wait_for_timeout(100)
        before = page.evaluate("new DOMMatrix(getComputedStyle(photo).transform).e")
        touch("touchStart", (150, 200))
        touch("touchMove", (180, 200))
        touch("touchEnd")
        becomes_true(page, f"new DOMMatrix(getComputedStyle(photo).transform).e > {before} + 10")
        page.keyboard.press("Escape")
        becomes_true(page, "photo.style.transform === ''")
    context.close()


def test_a_minute_without_a_network(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    page.clock.install()
    with serving(workspace) as url:
        page.goto(url)
        shown(page)
        page.wait_for_load_state("networkidle")
        page.context.set_offline(True)
        for key in "12":
            page.keyboard.press(key)
            page.keyboard.press("Enter")
        for _ in range(12):
            page.clock.run_for(5_000)
        expect(page.locator("#state")).to_contain_text("2 waiting")
        assert stored(workspace) == []
        page.context.set_offline(False)
        page.clock.run_for(6_000)
        all_saved(page)
        page.clock.run_for(6_000)
    assert [row.labels for row in stored(workspace)] == [[1], [2]]


def test_two_browsers_share_a_queue(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS, photos=20)
    with serving(workspace) as url:
        pages = []
        for name in ("ann", "bob"):
            person = browser.new_context().new_page()
            person.goto(url)
            person.click("summary")
            person.fill("input[name=name]", name)
            person.click("text=Change")
            shown(person)
            pages.append(person)
        while any(person.locator("#work").is_visible() for person in pages):
            for person in pages:
                if person.locator("#work").is_visible():
                    person.keyboard.press("n")
                    all_saved(person)
        for person in pages:
            person.context.close()
    answers = stored(workspace)
    assert len({row.query_id for row in answers}) == len(answers) == 14
    assert len({row.labeller_id for row in answers}) == 2


def test_the_guess_is_told_after_the_answer(page: Page, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    with serving(workspace) as url:
        page.goto(url)
        shown(page)
        page.keyboard.press("w")
        expect(page.locator("#reasons")).to_contain_text("after your answer")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        all_saved(page)
        page.keyboard.press("w")
        expect(page.locator("#reasons")).to_contain_text("random")


def test_another_language(browser: Browser, tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, LABELS)
    context = browser.new_context(locale="de-DE")
    with serving(workspace) as url:
        page = context.new_page()
        page.goto(url)
        assert page.locator("html").get_attribute("lang") == "de"
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_contain_text("Wählen Sie")
        page.click("summary")
        page.select_option("select[name=language]", "en")
        page.click("text=Anzeigen")
        expect(page.locator("#answer button.save")).to_contain_text("Save")
    context.close()


def debated_workspace(folder: Path) -> Workspace:
    """Two people disagree about two photos, and one of them misses a label."""
    workspace = queued_workspace(folder, LABELS, overlap=2, photos=6)
    for name, label in (("ann", "dress"), ("bob", "shirt")):
        for number in range(3):
            with writing(workspace.engine) as session:
                photo = claim(session, name, limit=1)[0]
                skips = name == "bob" and number == 2
                save_answer(
                    session,
                    labeller=name,
                    token=photo.token,
                    kind="skip" if skips else "labels",
                    label_names=[] if skips else [label],
                    client_id=photo.token,
                    reason="not_in_list" if skips else None,
                    proposal="trousers" if skips else None,
                )
    return workspace


def test_an_owner_settles_everything_by_keys(page: Page, tmp_path: Path) -> None:
    workspace = debated_workspace(tmp_path)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    with serving(workspace) as url:
        page.goto(url + "review")
        item = page.locator("[data-item]")
        expect(item).to_have_count(3)
        expect(item.first).to_be_focused()
        # What is typed into a field is no key press.
        field = page.locator("input[name=name]:not([type=hidden])").last
        field.press_sequentially("canjk12.jpg")
        expect(field).to_have_value("canjk12.jpg")
        expect(item).to_have_count(3)
        assert not any(row.verdict for row in stored(workspace))
        page.reload()
        expect(item.first).to_be_focused()
        page.keyboard.press("j")
        expect(item.nth(1)).to_have_attribute("aria-current", "true")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("2")
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        expect(item).to_have_count(2)
        expect(item.first).to_be_focused()
        page.keyboard.press("n")
        expect(item).to_have_count(1)
        expect(item.first).to_be_focused()
        page.keyboard.press("a")
        expect(item).to_have_count(0)
    verdicts = [row for row in stored(workspace) if row.verdict]
    assert [(row.kind, row.labels) for row in verdicts] == [("labels", [2, 3]), ("none", [])]
    with reading(workspace.engine) as session:
        assert [label.name for label in labels(session)][-1] == "trousers"
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 640), (1280, 800)])
def test_axe_finds_nothing_serious_beside_the_page(
    browser: Browser, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    workspace = debated_workspace(tmp_path)
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
    page = context.new_page()
    with writing(workspace.engine) as session:
        secret = invite(session, "olga", "owner")
    found = {}

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        found[name] = serious(axe, page)

    with serving(workspace, accounts=True) as url:
        page.goto(url)
        look("signing in")
        page.fill("input[name=name]", "olga")
        page.fill("input[name=password]", "a wrong password")
        page.keyboard.press("Enter")
        expect(page.locator("[role=alert]")).to_be_visible()
        look("wrong password")
        page.goto(f"{url}invitation/{secret}")
        look("invitation")
        page.fill("input[name=password]", "a longer password")
        page.keyboard.press("Enter")
        expect(page.locator("#photo")).to_be_visible()
        page.click("summary")
        look("menu")
        page.goto(url + "review")
        look("review")
        page.goto(url + "nowhere")
        look("error")
        page.goto(url)
        page.click("summary")
        page.click("text=Pause")
        expect(page.locator("main.message")).to_be_visible()
        look("paused")
    context.close()
    assert len(found) == 7 and set(map(tuple, found.values())) == {()}, found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 640), (1280, 800), (3840, 2160)])
def test_axe_finds_nothing_serious(
    browser: Browser, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    workspace = queued_workspace(tmp_path, [*LABELS, *(f"label {n}" for n in range(9))])
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
    with serving(workspace) as url:
        page = context.new_page()
        page.goto(url)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        all_saved(page)
        found = [serious(axe, page)]
        for key, dialog in (("?", "#help-dialog"), ("s", "#skip-dialog")):
            page.keyboard.press(key)
            expect(page.locator(dialog)).to_be_visible()
            found.append(serious(axe, page))
            page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        for _ in range(9):
            page.keyboard.press("n")
            all_saved(page)
        expect(page.locator("#empty h1")).to_be_visible()
        found.append(serious(axe, page))
    context.close()
    assert found == [[]] * 4


def serious(axe, page: Page) -> list[str]:  # type: ignore[no-untyped-def]
    """What axe finds of serious or critical impact."""
    return [
        f"{row['id']}: {row['nodes'][0]['html']}"
        for row in axe.run(page).response["violations"]
        if row["impact"] in ("serious", "critical")
    ]
