"""The page's requests: what is stored, and what is refused."""

import ast
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from page import queued_workspace, stored
from PIL import Image as Pillow
from sqlalchemy import func, select
from sqlalchemy.event import listen
from workspaces import queue_of

import al_fashion
import webui
from al_fashion.store.database import reading
from al_fashion.store.schema import Image, Lease
from al_fashion.workspace import Workspace
from webui import create_app
from webui.language import LANGUAGES

LABELS = ("dress", "<script>alert(1)</script>", "{{7*7}}")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return queued_workspace(tmp_path, LABELS)


@pytest.fixture
def client(workspace: Workspace) -> FlaskClient:
    return create_app(workspace, "ann").test_client()


def token(client: FlaskClient) -> str:
    found = re.search(r'data-token="([^"]+)"', client.get("/").text)
    assert found is not None
    return found[1]


def held(client: FlaskClient) -> list[dict[str, object]]:
    """The photos that the client was given."""
    given = client.post("/api/claim", json={}, headers={"X-CSRFToken": token(client)})
    return list(given.json["photos"])  # type: ignore[index]


def post(client: FlaskClient, **changes: object):  # type: ignore[no-untyped-def]
    given = held(client)[0]["token"]
    answer = {"token": given, "kind": "labels", "labels": ["dress"], "client_id": "c1", **changes}
    return client.post("/api/answers", json=answer, headers={"X-CSRFToken": token(client)})


def send(client: FlaskClient, path: str, body: object):  # type: ignore[no-untyped-def]
    return client.post(path, json=body, headers={"X-CSRFToken": token(client)})


def test_sent_three_times_stored_once(client: FlaskClient, workspace: Workspace) -> None:
    first = held(client)[0]["token"]
    bodies = [post(client, token=first).json["saved"] for _ in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert len(stored(workspace)) == 1
    assert post(client, token=first, labels=[], kind="none").status_code == 409


def test_each_person_answers_under_their_own_name(
    client: FlaskClient, workspace: Workspace
) -> None:
    post(client)
    client.post("/labeller", data={"name": "bob", "csrf_token": token(client)})
    post(client)
    assert len({row.labeller_id for row in stored(workspace)}) == 2


def test_nothing_of_another_person_is_reachable(client: FlaskClient, workspace: Workspace) -> None:
    mine = held(client)[0]["token"]
    answer_id = post(client).json["saved"]["answer_id"]
    client.post("/labeller", data={"name": "bob", "csrf_token": token(client)})
    assert post(client, token=mine).status_code == 404
    assert post(client, token=None, corrects=answer_id, client_id="c2").status_code == 404
    undone = send(client, "/api/undo", {"answer_id": answer_id, "client_id": "c3"})
    assert undone.status_code == 404
    assert send(client, "/api/explain", {"token": mine}).status_code == 404
    assert send(client, "/api/heartbeat", {"tokens": [mine]}).json["held"] == []
    assert client.get("/api/history").json["answers"] == []
    assert len(stored(workspace)) == 1


def test_a_labeller_sees_no_query_score_or_guess(client: FlaskClient) -> None:
    photos = held(client)
    assert {frozenset(photo) for photo in photos} == {
        frozenset({"token", "image_id", "width", "height"})
    }
    saved = post(client).json["saved"]
    assert set(saved) == {"answer_id", "token", "image_id", "kind", "labels"}
    assert send(client, "/api/explain", {"token": photos[1]["token"]}).status_code == 403
    told = send(client, "/api/explain", {"token": photos[0]["token"]})
    assert told.json == {"strategy": "random", "round": 1, "score": 0.5, "guess": []}


def test_a_check_looks_like_any_other_photo(tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path, ("dress", "shirt"), photos=20)
    client = create_app(workspace, "olga").test_client()
    for number in range(4):
        done = post(client, client_id=f"o{number}").json["saved"]
        verdict = {"image_id": done["image_id"], "kind": "none", "client_id": f"v{number}"}
        assert send(client, "/api/review", verdict).status_code == 200
    workspace.config = workspace.config.with_values(check_share=0.5)
    client.post("/labeller", data={"name": "ann", "csrf_token": token(client)})
    shapes: dict[bool, set[str]] = {True: set(), False: set()}
    for number in range(30):
        page = client.get("/")
        if not held(client):
            continue
        photo = held(client)[0]
        with reading(workspace.engine) as session:
            is_check = session.get_one(Lease, photo["token"]).query_id is None
        early = send(client, "/api/explain", {"token": photo["token"]})
        answered = post(client, client_id=f"a{number}", labels=["shirt"])
        picture = client.get(f"/photos/{photo['image_id']}?side=640")
        told = send(client, "/api/explain", {"token": photo["token"]})
        seen = [
            re.sub(r'[0-9a-f]{32,64}|"[\w.-]{60,}"|>\d+ / \d+<|value="\d+"|: \d+"', "", page.text),
            sorted(photo),
            (early.status_code, early.json),
            sorted(answered.json["saved"]),
            (told.status_code, sorted(told.json), told.json["strategy"], told.json["round"]),
            *(sorted(each.headers.keys()) for each in (page, answered, picture, told)),
        ]
        shapes[is_check].add(repr(seen))
    assert len(shapes[True]) == 1 and shapes[True] == shapes[False]


@pytest.mark.parametrize("name", ["", "import", "Oracle", "x" * 81, "a\nb", "\u202eevil", "\u200b"])
def test_names_that_cannot_be(client: FlaskClient, name: str) -> None:
    sent = client.post("/labeller", data={"name": name, "csrf_token": token(client)})
    assert sent.status_code == 400


@pytest.mark.parametrize(
    "name", ['"><img src=x onerror=alert(1)>', "</script><script>", "{{7*7}}", "javascript:1"]
)
def test_hostile_names_are_text(client: FlaskClient, name: str) -> None:
    client.post("/labeller", data={"name": name, "csrf_token": token(client)})
    page = client.get("/").text
    assert "<img src=x" not in page and "</script><script>" not in page
    assert str(escape(name)) in page


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["shirt"]},
        {"labels": ["dress", "dress"]},
        {"labels": ["dress"] * 501},
        {"labels": ["x" * 1_000]},
        {"labels": ["\ud800"]},
        {"labels": ["dress\u200b"]},
        {"labels": ["{{7*7}}", "nothing such"]},
        {"kind": "none"},
        {"kind": "labels", "labels": []},
        {"kind": "maybe"},
        {"kind": "undo", "labels": []},
        {"kind": ["labels"]},
        {"kind": "skip", "labels": []},
        {"kind": "skip", "labels": [], "reason": "bored"},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": ""},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": "x" * 81},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": "a\u202eb"},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": "a\u200bb"},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": "a\nb"},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": "\ud800"},
        {"kind": "skip", "labels": [], "reason": "broken", "proposal": ["trousers"]},
        {"kind": "skip", "labels": ["dress"], "reason": "broken"},
        {"kind": "skip", "labels": [], "reason": "javascript:alert(1)"},
        {"kind": "skip", "labels": [], "reason": {"$ne": 1}},
        {"kind": "labels", "reason": "broken"},
        {"labels": "dress"},
        {"labels": [1]},
        {"labels": [["dress"]]},
        {"token": "../../etc/passwd"},
        {"token": "0" * 31},
        {"token": 1},
        {"token": None},
        {"token": None, "corrects": -1},
        {"token": None, "corrects": 2**63},
        {"token": None, "corrects": True},
        {"token": None, "corrects": "1; DROP TABLE answer"},
        {"token": None, "corrects": 1e309},
        {"token": None, "corrects": float("nan")},
        {"client_id": ""},
        {"client_id": "x" * 65},
        {"client_id": "a\x00b"},
        {"client_id": "\ud800"},
        {"client_id": None},
        {"client_id": 7},
    ],
)
def test_bad_answers_are_refused_whole(
    client: FlaskClient, workspace: Workspace, changes: dict[str, object]
) -> None:
    sent = post(client, **changes)
    assert sent.status_code == 400 and sent.json["error"]
    assert stored(workspace) == []


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (b"[1, 2]", "application/json"),
        (b'"text"', "application/json"),
        (b"null", "application/json"),
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"a":' * 40_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"kind": "none", "labels": []}', "text/plain"),
        (b"kind=none", "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_no_object_are_refused(
    client: FlaskClient, workspace: Workspace, content: bytes, mime: str
) -> None:
    headers = {"X-CSRFToken": token(client)}
    sent = client.post("/api/answers", data=content, content_type=mime, headers=headers)
    assert sent.status_code == 400 and sent.json["error"]
    assert stored(workspace) == []


def test_of_a_key_given_twice_the_last_counts_and_is_checked(client: FlaskClient) -> None:
    given = held(client)[0]["token"]
    body = (
        f'{{"token": "{given}", "kind": "labels", "labels": [], "kind": "none", "client_id": "a"}}'
    )
    headers = {"X-CSRFToken": token(client)}
    sent = client.post("/api/answers", data=body, content_type="application/json", headers=headers)
    assert sent.json["saved"]["kind"] == "none"


def test_a_megabyte_is_too_large(client: FlaskClient, workspace: Workspace) -> None:
    assert post(client, client_id="x" * 1_000_000).status_code == 413
    assert stored(workspace) == []


def test_writes_need_the_token(client: FlaskClient, workspace: Workspace) -> None:
    given = held(client)[0]["token"]
    body = {"token": given, "kind": "none", "labels": [], "client_id": "a"}
    paths = [
        str(rule) for rule in client.application.url_map.iter_rules() if "POST" in rule.methods
    ]
    assert len(paths) >= 10
    for path in paths:
        assert client.post(path, json=body).status_code == 403, path
    assert stored(workspace) == []


def test_foreign_hosts_and_origins_are_refused(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:8000"}).status_code == 200
    forged = {
        "Host": "evil.example",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "localhost",
    }
    assert client.get("/", headers=forged).status_code == 400
    evil = {"Origin": "https://evil.example", "X-CSRFToken": token(client)}
    assert client.post("/api/claim", json={}, headers=evil).status_code == 403


HOSTILE_WORDS = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{7*7}}",
    "javascript:alert(1)",
    "=HYPERLINK(1)",
    "'; DROP TABLE answer; --",
)


def test_hostile_proposals_are_text(client: FlaskClient) -> None:
    for number, word in enumerate(HOSTILE_WORDS):
        skip = {"kind": "skip", "labels": [], "reason": "not_in_list", "proposal": word}
        assert post(client, client_id=f"c{number}", **skip).status_code == 200
    review = client.get("/review").text
    for word in HOSTILE_WORDS:
        assert str(escape(word)) in review
    assert "<img src=x" not in review and "<script>" not in review


def test_an_owner_removes_what_was_reported_or_is_named(
    client: FlaskClient, workspace: Workspace
) -> None:
    photo = held(client)[0]["image_id"]
    post(client, kind="skip", labels=[], reason="sensitive")
    assert client.get("/api/review").json["reported"] == [
        {"image_id": photo, "reason": "sensitive", "people": 1}
    ]
    page = client.get("/review").text
    assert f"/photos/{photo}" in page and "private or offensive" in page
    data = {"sure": "yes", "csrf_token": token(client)}
    assert client.post("/remove", data={**data, "image_id": photo}).status_code == 303
    assert client.get("/api/review").json["reported"] == []
    assert client.post("/remove", data={**data, "name": "nowhere.png"}).status_code == 400
    left = sorted((workspace.folder.parent / "photos").iterdir())
    assert client.post("/remove", data={**data, "name": left[0].name}).status_code == 303
    assert not left[0].exists() and len(left) == 13


def test_no_photo_is_removed_without_being_named(client: FlaskClient, workspace: Workspace) -> None:
    page = token(client)
    for named in (
        {},
        {"image_id": ""},
        {"name": ""},
        {"name": "*"},
        {"name": "../0.png"},
        {"image_id": "%"},
        {"image_id": "../" * 3},
    ):
        data = {**named, "sure": "yes", "csrf_token": page}
        assert client.post("/remove", data=data).status_code == 400
    data = {"image_id": "a" * 64, "sure": "yes", "csrf_token": page}
    assert client.post("/remove", data=data).status_code == 400
    with reading(workspace.engine) as session:
        assert session.scalar(select(func.count()).select_from(Image)) == 14
    assert len(list((workspace.folder.parent / "photos").iterdir())) == 14


def test_a_photo_of_another_workspace_is_unknown(client: FlaskClient, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    photo = tmp_path / "other.png"
    Pillow.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(photo)
    other = queued_workspace(tmp_path / "other", ("dress", "shirt"), source=[photo])
    with reading(other.engine) as session:
        image_id = session.scalars(select(Image.id)).one()
    assert create_app(other, "ann").test_client().get(f"/photos/{image_id}").status_code == 200
    assert client.get(f"/photos/{image_id}").status_code == 404
    verdict = {"image_id": image_id, "kind": "none", "client_id": "v"}
    assert send(client, "/api/review", verdict).status_code == 400


def test_a_file_that_became_a_link_elsewhere_is_not_shown(
    client: FlaskClient, workspace: Workspace
) -> None:
    photo = held(client)[0]["image_id"]
    secret = workspace.folder / "secret_key"
    for path in (workspace.folder.parent / "photos").iterdir():
        path.unlink()
        path.symlink_to(secret)
    shown = client.get(f"/photos/{photo}")
    assert shown.status_code == 404 and secret.read_bytes() not in shown.data


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..%2f..%2fsecret_key",
        "%2e%2e%5csecret_key",
        "1%00.png",
        "C:%5cx",
        "-1",
        str(2**63),
        "1e309",
        "NaN",
        "true",
        "%00",
        "a" * 64,
    ],
)
def test_only_photos_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/photos/{name}").status_code == 404


@pytest.mark.parametrize("side", ["-1", "0", "1e9", "99999999999999999999", "x", "NaN"])
def test_any_size_is_one_of_a_few(client: FlaskClient, workspace: Workspace, side: str) -> None:
    photo = held(client)[0]["image_id"]
    assert client.get(f"/photos/{photo}?side={side}").status_code == 200
    made = [path.stem.rpartition("-")[2] for path in workspace.pictures.rglob("*.jpg")]
    assert set(made) <= {"160", "1280", "2560"}


def test_query_arguments_cannot_do_harm(client: FlaskClient) -> None:
    for path in ("/", "/api/history", "/api/progress"):
        for query in ("sort=labeller__password", "sort=id;DROP", "limit=1e9", "before=1e309"):
            assert client.get(f"{path}?{query}").status_code == 200


def test_photos_are_sandboxed_and_made_anew(client: FlaskClient, workspace: Workspace) -> None:
    photo = held(client)[0]["image_id"]
    picture = client.get(f"/photos/{photo}?side=160")
    assert picture.mimetype == "image/jpeg"
    assert max(Pillow.open(io.BytesIO(picture.data)).size) == 160
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"/photos/{photo}?side=160").data == picture.data
    assert len(list(workspace.pictures.rglob("*.jpg"))) == 1


def test_hostile_labels_are_text(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "{{7*7}}" in page


def test_the_policy_allows_no_inline_code(client: FlaskClient) -> None:
    for path in ("/", "/end", "/nowhere", "/api/progress"):
        page = client.get(path)
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in page.headers
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|<style|\sstyle=", page.text)


def test_a_photo_that_is_gone_says_so(client: FlaskClient, workspace: Workspace) -> None:
    photo = held(client)[0]["image_id"]
    for path in (workspace.folder.parent / "photos").iterdir():
        path.unlink()
    assert client.get(f"/photos/{photo}").status_code == 404


def test_the_secret_is_made_once_and_private(workspace: Workspace) -> None:
    first = create_app(workspace, "ann").config["SECRET_KEY"]
    assert create_app(workspace, "bob").config["SECRET_KEY"] == first
    assert (workspace.folder / "secret_key").stat().st_mode & 0o077 == 0


def test_a_database_that_cannot_be_written_is_for_later(
    client: FlaskClient, workspace: Workspace
) -> None:
    given = held(client)[0]["token"]
    headers = {"X-CSRFToken": token(client)}
    with workspace.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    workspace.engine.dispose()
    listen(
        workspace.engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count={pages}")
    )
    statuses = []
    for number in range(400):
        body = {"token": given, "kind": "none", "labels": [], "client_id": f"c{number}" + "x" * 50}
        statuses.append(client.post("/api/answers", json=body, headers=headers).status_code)
        if statuses[-1] != 200:
            break
    assert statuses[-1] == 503 and len(stored(workspace)) == len(statuses) - 1


def test_both_languages_have_the_same_words() -> None:
    english, german = LANGUAGES["en"].words, LANGUAGES["de"].words
    assert english.keys() == german.keys()
    for key, words in english.items():
        assert re.findall(r"\{\w+\}", words) == re.findall(r"\{\w+\}", german[key]), key
    for name in ("en", "de"):
        text = (Path(webui.__file__).parent / "languages" / f"{name}.json").read_text()
        pairs: list[tuple[str, str]] = json.loads(text, object_pairs_hook=list)
        assert len(dict(pairs)) == len(pairs)
    client_side = (Path(webui.__file__).parent / "static" / "page.js").read_text()
    for key in re.findall(r'text\("([^"]+)"', client_side):
        assert key in english, key


REFUSING = (
    *sorted(Path(webui.__file__).parent.glob("*.py")),
    *(
        Path(al_fashion.__file__).parent / name
        for name in (
            "data/removal.py",
            "search/neighbours.py",
            "store/gallery.py",
            "store/accounts.py",
            "store/answers.py",
            "store/database.py",
            "store/explanations.py",
            "store/photos.py",
            "store/review.py",
        )
    ),
)
# Only the command line meets these.
OF_COMMANDS = {"command.py", "check_groups", "open_database", "_migrate"}


def refused_in(path: Path) -> set[str]:
    """The first argument of everything that is raised in a module."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name not in OF_COMMANDS:
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    found.add(ast.unparse(node.exc.args[0]))
    return found


def test_whatever_is_refused_is_refused_in_both_languages() -> None:
    known = LANGUAGES["de"].refusals
    raised = [refused_in(path) for path in REFUSING if path.name not in OF_COMMANDS]
    raised_texts = set().union(*raised)
    assert len(raised_texts) > 30
    assert sorted(raised_texts - {repr(text) for text in known}) == []
    for english, german in known.items():
        used = [set(re.findall(r"\{\w+", text)) for text in (english, german)]
        assert used[1] <= used[0], english


def test_a_refusal_is_in_the_language_of_whoever_asks(client: FlaskClient) -> None:
    german = {"Accept-Language": "de", "X-CSRFToken": token(client)}
    body = {"token": held(client)[0]["token"], "kind": "labels", "labels": [], "client_id": "a"}
    sent = client.post("/api/answers", json=body, headers=german)
    assert "Gewählt waren 0" in sent.json["error"]
    assert "gibt es nicht" in client.get("/nowhere", headers=german).text
    english = client.post("/api/answers", json=body, headers={"X-CSRFToken": token(client)})
    assert english.json["error"].startswith("An answer of kind 'labels' came with 0 labels.")


def test_an_owner_settles_what_people_disagree_on(tmp_path: Path) -> None:
    workspace = queued_workspace(tmp_path / "k", ("dress", "shirt"), overlap=2)
    client = create_app(workspace, "ann").test_client()
    for name, label in (("ann", "dress"), ("bob", "shirt")):
        client.post("/labeller", data={"name": name, "csrf_token": token(client)})
        post(client, labels=[label])
    image_id = client.get("/api/review").json["disagreements"][0]["image_id"]
    page = client.get("/review").text
    assert image_id in page and "bob" in page
    verdict = {"image_id": image_id, "kind": "labels", "labels": ["shirt"], "client_id": "v"}
    for wrong in ({"image_id": "x"}, {"kind": "skip", "reason": "broken"}, {"labels": []}):
        assert send(client, "/api/review", {**verdict, **wrong}).status_code == 400
    assert send(client, "/api/review", verdict).status_code == 200
    assert client.get("/api/review").json["disagreements"] == []
    assert stored(workspace)[-1].verdict


def test_an_owner_takes_a_proposed_label_in(client: FlaskClient) -> None:
    post(client, kind="skip", labels=[], reason="not_in_list", proposal="trousers")
    assert "trousers" in client.get("/review").text
    data = {"name": "trousers", "csrf_token": token(client)}
    assert client.post("/labels", data=data).status_code == 303
    assert client.get("/api/session").json["labels"][-1] == "trousers"
    assert client.post("/labels", data=data).status_code == 400


def test_own_answers_move_the_progress_of_whoever_gave_them(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 4, overlap=2)
    client = create_app(workspace, "ann").test_client()
    done = [post(client, client_id=f"c{n}").json["progress"] for n in range(2)]
    assert [row["done"] for row in done] == [1, 2]
    assert done[1] == {"done": 2, "settled": 0, "all": 4}
    skip = {"token": held(client)[0]["token"], "reason": "broken", "client_id": "s"}
    assert send(client, "/api/skip", skip).json["progress"]["done"] == 3
    client.post("/labeller", data={"name": "bob", "csrf_token": token(client)})
    # The skipped one is closed, since nobody else was about.
    assert client.get("/api/progress").json == {"done": 1, "settled": 1, "all": 4}
    assert post(client).json["progress"] == {"done": 2, "settled": 2, "all": 4}


def test_every_request_works_on_both_databases(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 3, overlap=2)
    client = create_app(workspace, "ann").test_client()
    for path in ("/", "/end", "/previous", "/review", "/api/review", "/api/session"):
        assert client.get(path).status_code in (200, 302), path
    saved = post(client).json["saved"]
    assert send(client, "/api/explain", {"token": saved["token"]}).status_code == 200
    assert client.get("/api/history").json["answers"][0]["answer_id"] == saved["answer_id"]
    body = {"answer_id": saved["answer_id"], "client_id": "u"}
    assert send(client, "/api/undo", body).json["progress"]["done"] == 0
    tokens = [photo["token"] for photo in held(client)]
    assert send(client, "/api/heartbeat", {"tokens": tokens}).json["held"] == tokens
    skip = {"token": tokens[0], "reason": "broken", "client_id": "s"}
    assert send(client, "/api/skip", skip).status_code == 200
    assert send(client, "/api/release", {}).status_code == 200
    assert client.get("/api/health").json == {"ok": True}
    verdict = {"image_id": saved["image_id"], "kind": "none", "client_id": "v"}
    assert send(client, "/api/review", verdict).status_code == 200
    assert client.get("/api/progress").json["all"] == 3
