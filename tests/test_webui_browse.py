"""The gallery's requests: for owners only, blind where somebody still answers, and its page."""

import json
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from page import chromium, queued_workspace, serving
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert, select, update

from al_fashion.models.cache import FeatureCache
from al_fashion.store.accounts import accept_invitation, invite
from al_fashion.store.answers import add_answer, close_answered
from al_fashion.store.database import reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.schema import File, Image, Prediction, Query, Round, Slot
from al_fashion.workspace import Workspace
from webui import create_app
from webui.language import LANGUAGES

LABELS = ("dress", "<script>alert(1)</script>", "red")


def browsable(folder: Path, photos: int = 14) -> Workspace:
    """Predictions and features of every photo of the pool; half of them wait for an answer."""
    workspace = queued_workspace(folder, LABELS, photos=photos)
    rng = np.random.default_rng(0)
    with writing(workspace.engine) as session:
        everyone = list(session.scalars(select(Image.id).order_by(Image.id)))
        pool = pool_of(session)
        close_answered(session, pool[::2])
        rows = [
            {
                "image_id": image_id,
                "round_id": 1,
                "top": 1 + place % 3,
                "probability": 0.75,
                "uncertainty": place / len(pool),
                "labels": [1, 3] if place % 4 == 0 else [1 + place % 3],
            }
            for place, image_id in enumerate(pool)
        ]
        session.execute(insert(Prediction), rows)
        session.execute(update(Round).values(info={"features": "made-up"}))
        session.add(File(path="/x/not.jpg", name="not.jpg", size=0, modified_ns=0, reason="<b>"))
    features = rng.normal(size=(len(everyone), 8)).astype(np.float32)
    FeatureCache(workspace.features / "made-up", 8).append(everyone, features)
    return workspace


def pool_of(session) -> list[str]:  # type: ignore[no-untyped-def]
    statement = select(Image.id).where(Image.split == "pool").order_by(Image.id)
    return list(session.scalars(statement))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return browsable(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> FlaskClient:
    return create_app(workspace, "ann").test_client()


def found(client: FlaskClient, **asked: object) -> dict[str, object]:
    answer = client.get("/api/browse", query_string=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)  # type: ignore[arg-type]


def ids(answer: dict[str, object]) -> list[str]:
    return [row["image_id"] for row in answer["photos"]]  # type: ignore[attr-defined]


def send(client: FlaskClient, image_ids: object):  # type: ignore[no-untyped-def]
    token = client.get("/api/session").json["csrf_token"]  # type: ignore[index]
    headers = {"X-CSRFToken": token}
    return client.post("/api/browse/queue", json={"image_ids": image_ids}, headers=headers)


def test_pages_and_filters(client: FlaskClient, workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        pool = pool_of(session)
    first = found(client, limit=4)
    assert first["count"] == len(pool)
    seen, after = ids(first), first["after"]
    while after:
        page = found(client, limit=4, after=after)
        seen, after = seen + ids(page), page["after"]
        assert "count" not in page
    assert sorted(seen) == pool
    told = pool[::2]
    assert ids(found(client, order="certain")) == told
    red = [image_id for place, image_id in enumerate(pool) if place % 4 == 0]
    assert sorted(ids(found(client, q="Red DRESS"))) == red
    assert found(client, q="red hat")["unknown"] == ["hat"]
    assert found(client, state="quarantined")["files"] == [{"path": "/x/not.jpg", "reason": "<b>"}]
    for wrong in (
        {"state": "x"},
        {"order": ""},
        {"limit": 0},
        {"limit": "1e9"},
        {"after": "nan~" + "0" * 64},
        {"after": "1;DROP"},
        {"answered": "hat"},
        {"predicted": ""},
        {"state": "quarantined", "after": "\0"},
    ):
        assert client.get("/api/browse", query_string=wrong).status_code == 400, wrong


def test_what_waits_tells_nothing_on_the_page_either(
    client: FlaskClient, workspace: Workspace
) -> None:
    with reading(workspace.engine) as session:
        waiting = pool_of(session)[1::2]
    photos = {row["image_id"]: row for row in found(client)["photos"]}  # type: ignore[attr-defined]
    for image_id in waiting:
        row = photos[image_id]
        assert (row["labels"], row["predicted"], row["uncertainty"]) == (None, None, None)
    page = client.get("/browse").text
    for place, image_id in enumerate(waiting):
        tile = page.split(f'value="{image_id}"')[1].split("</li>")[0]
        assert "%" not in tile and "dress" not in tile, place


def test_only_owners_look(workspace: Workspace) -> None:
    app = create_app(workspace, "ann", accounts=True)
    with writing(workspace.engine) as session:
        secrets = {role: invite(session, role, role) for role in ("labeller", "owner")}
        image_id = pool_of(session)[0]
    statuses = {}
    for role, secret in secrets.items():
        accept_invitation(workspace.engine, secret, "a-long-password")
        client = app.test_client()
        token = client.get("/login").text.split('csrf_token" value="')[1].split('"')[0]
        form = {"name": role, "password": "a-long-password", "csrf_token": token}
        client.post("/login", data=form)
        ways = ("/browse", "/api/browse", f"/api/browse/similar?image_id={image_id}")
        statuses[role] = [client.get(way).status_code for way in ways]
        statuses[role].append(send(client, [image_id]).status_code)
    assert statuses == {"labeller": [403] * 4, "owner": [200] * 4}
    assert app.test_client().get("/api/browse").status_code == 401


def test_photos_like_one(client: FlaskClient, workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        pool = pool_of(session)
        other = session.scalars(select(Image.id).where(Image.split != "pool")).first()
    answer = client.get("/api/browse/similar", query_string={"image_id": pool[0]})
    like = ids(answer.json)  # type: ignore[arg-type]
    assert like[0] == pool[0] and sorted(like) == pool
    for wrong, status in ((other, 404), ("f" * 64, 404), ("../x", 400), ("", 400)):
        asked = {"image_id": wrong}
        assert client.get("/api/browse/similar", query_string=asked).status_code == status
    assert client.get("/browse", query_string={"like": pool[0]}).status_code == 200
    with writing(workspace.engine) as session:
        session.execute(update(Round).values(info={"features": "others"}))
    assert client.get("/api/browse/similar", query_string={"image_id": pool[0]}).status_code == 404


def test_sent_to_the_queue(client: FlaskClient, workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        pool = pool_of(session)
        others = list(session.scalars(select(Image.id).where(Image.split != "pool")))
    assert send(client, pool[:3]).json == {"queued": 2, "waiting": 1}
    assert send(client, pool[:3]).json == {"queued": 0, "waiting": 3}
    with reading(workspace.engine) as session:
        new = session.scalars(select(Query).order_by(Query.id.desc()).limit(2)).all()
        assert [(row.image_id, row.purpose) for row in new] == [
            (pool[2], "train"),
            (pool[0], "train"),
        ]
        assert session.scalars(select(Slot).where(Slot.query_id == new[0].id)).one().state == "free"
    for wrong in ([], "x", [1], ["f" * 64], others[:1], pool * 210):
        assert send(client, wrong).status_code == 400
    no_token = client.post("/api/browse/queue", json={"image_ids": pool[:1]})
    assert no_token.status_code == 403


def test_labels_are_text_on_the_page(client: FlaskClient) -> None:
    for way in ("/browse", "/browse?state=quarantined", "/browse?q=<script>alert(1)</script>"):
        page = client.get(way)
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "<b>" not in page.text
        assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_the_catalogues_have_every_word() -> None:
    keys = {code: set(language.words) for code, language in LANGUAGES.items()}
    assert keys["en"] == keys["de"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def open_gallery(browser: Browser, url: str, **options: object) -> Page:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.goto(url + "browse")
    page.wait_for_load_state("networkidle")
    return page


def focused(page: Page) -> int:
    return int(page.evaluate("document.activeElement.dataset.place"))


def test_by_keys_alone(browser: Browser, tmp_path: Path) -> None:
    workspace = browsable(tmp_path, 80)
    with serving(workspace) as url:
        page = open_gallery(browser, url, viewport={"width": 900, "height": 700})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        columns = page.evaluate("getComputedStyle(tiles).gridTemplateColumns.split(' ').length")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("x")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        assert focused(page) == 1 + columns
        expect(page.locator("#chosen")).to_have_text("2 chosen")
        for _ in range(6):
            page.keyboard.press("ArrowDown")
        assert focused(page) == 1 + 7 * columns
        page.keyboard.press("End")
        page.wait_for_timeout(300)
        page.keyboard.press("End")
        shown = json.loads(unescape(page.locator("#gallery").get_attribute("data-photos") or ""))
        assert focused(page) > len(shown) - 1 - columns
        page.keyboard.press("Home")
        assert focused(page) == 0
        expect(page.locator("#chosen")).to_have_text("2 chosen")
        page.keyboard.press("s")
        expect(page.locator("#state")).to_contain_text("queued")
        expect(page.locator("#chosen")).to_have_text("0 chosen")
        page.keyboard.press("o")
        expect(page.locator("#large-photo")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("#help-dialog")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("red dress")
        page.keyboard.press("Enter")
        page.wait_for_url("**/browse?q=red+dress*")
        expect(page.locator("#count")).to_contain_text("photos")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("m")
        page.wait_for_url("**/browse?like=*")
        page.context.close()
    assert problems == []


def test_scrolling_loads_more_and_keeps_few(browser: Browser, tmp_path: Path) -> None:
    workspace = browsable(tmp_path, 220)
    with reading(workspace.engine) as session:
        pool = pool_of(session)
    assert len(pool) > 130
    with serving(workspace) as url:
        page = open_gallery(browser, url, viewport={"width": 900, "height": 700})
        seen: set[str] = set()
        ends = time.monotonic() + 30
        while len(seen) < len(pool) and time.monotonic() < ends:
            values = page.evaluate("[...tiles.querySelectorAll('input')].map((box) => box.value)")
            assert len(values) < 100
            seen |= set(values)
            page.mouse.wheel(0, 900)
            page.wait_for_timeout(60)
        page.context.close()
    assert sorted(seen) == pool


def test_without_javascript(browser: Browser, tmp_path: Path) -> None:
    workspace = browsable(tmp_path, 120)
    with serving(workspace) as url:
        page = open_gallery(browser, url, java_script_enabled=False)
        page.click("noscript a")
        page.check("input[name=image_ids] >> nth=0")
        page.click("text=Ask about them")
        expect(page.locator("#state")).to_contain_text("photos queued")
        page.select_option("select[name=state]", "answered")
        page.click("#show")
        expect(page.locator("#nothing")).to_be_visible()
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 640), (1280, 800)])
def test_axe_finds_nothing_serious(
    browser: Browser, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    workspace = browsable(tmp_path)
    with writing(workspace.engine) as session:
        image_id = pool_of(session)[0]
        for who, name in (("ann", "dress"), ("bob", "red")):
            add_answer(
                session,
                image_id=image_id,
                query_id=None,
                labeller=labeller(session, who),
                kind="labels",
                label_names=[name],
                client_id=who,
            )
    viewport = {"width": size[0], "height": size[1]}
    problems = []
    with serving(workspace) as url:
        page = open_gallery(browser, url, color_scheme=scheme, viewport=viewport)
        expect(page.locator(".mark >> nth=0")).to_be_visible()
        page.keyboard.press("x")
        problems.append(serious(axe, page))
        for key in "?o":
            page.keyboard.press(key)
            problems.append(serious(axe, page))
            page.keyboard.press("Escape")
        page.goto(url + "browse?state=quarantined")
        problems.append(serious(axe, page))
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.context.close()
    assert problems == [[]] * 4


def serious(axe, page: Page) -> list[str]:  # type: ignore[no-untyped-def]
    return [
        f"{row['id']}: {row['nodes'][0]['html']}"
        for row in axe.run(page).response["violations"]
        if row["impact"] in ("serious", "critical")
    ]
