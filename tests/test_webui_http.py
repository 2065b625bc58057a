"""The page's requests: what is stored, and what is refused."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from page import queued_workspace, stored

from al_fashion.workspace import Workspace
from webui import create_app

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


def post(client: FlaskClient, **changes: object):  # type: ignore[no-untyped-def]
    answer = {"query_id": 1, "kind": "labels", "labels": ["dress"], "client_id": "c1", **changes}
    return client.post("/answers", json=answer, headers={"X-CSRFToken": token(client)})


def test_sent_three_times_stored_once(client: FlaskClient, workspace: Workspace) -> None:
    bodies = [post(client).json["saved"] for _ in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert len(stored(workspace)) == 1
    assert post(client, labels=[], kind="none").status_code == 400


def test_each_person_answers_under_their_own_name(
    client: FlaskClient, workspace: Workspace
) -> None:
    post(client)
    client.post("/labeller", data={"name": "bob", "csrf_token": token(client)})
    post(client)
    assert len({row.labeller_id for row in stored(workspace)}) == 2


@pytest.mark.parametrize("name", ["", "import", "Oracle", "x" * 81, "a\nb"])
def test_names_that_cannot_be(client: FlaskClient, name: str) -> None:
    sent = client.post("/labeller", data={"name": name, "csrf_token": token(client)})
    assert sent.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["shirt"]},
        {"kind": "none"},
        {"kind": "labels", "labels": []},
        {"kind": "maybe"},
        {"labels": "dress"},
        {"labels": [1]},
        {"query_id": 10**6},
        {"query_id": -1},
        {"query_id": 2**63},
        {"query_id": True},
        {"query_id": "1; DROP TABLE answer"},
        {"client_id": ""},
        {"client_id": "x" * 65},
    ],
)
def test_bad_answers_are_refused_whole(
    client: FlaskClient, workspace: Workspace, changes: dict[str, object]
) -> None:
    sent = post(client, **changes)
    assert sent.status_code == 400 and sent.json["error"]
    assert stored(workspace) == []


def test_writes_need_the_token(client: FlaskClient, workspace: Workspace) -> None:
    sent = client.post("/answers", json={"query_id": 1, "kind": "skip", "labels": []})
    assert sent.status_code == 403
    assert stored(workspace) == []


def test_foreign_hosts_are_refused(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..%2f..%2fsecret_key", "-1", "%00", "a" * 64]
)
def test_only_photos_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/photos/{name}").status_code == 404


def test_photos_are_sandboxed(client: FlaskClient) -> None:
    found = re.search(r'src="(/photos/[0-9a-f]{64})"', client.get("/").text)
    assert found is not None
    picture = client.get(found[1])
    assert picture.mimetype == "image/png"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert picture.headers["X-Content-Type-Options"] == "nosniff"


def test_hostile_labels_are_text(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "{{7*7}}" in page


def test_the_policy_allows_no_inline_code(client: FlaskClient) -> None:
    page = client.get("/")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|<style|\sstyle=", page.text)


def test_a_photo_that_is_gone_says_so(client: FlaskClient, workspace: Workspace) -> None:
    found = re.search(r'src="(/photos/[0-9a-f]{64})"', client.get("/").text)
    assert found is not None
    for path in (workspace.folder.parent / "photos").iterdir():
        path.unlink()
    assert client.get(found[1]).status_code == 404


def test_the_secret_is_made_once_and_private(workspace: Workspace) -> None:
    first = create_app(workspace, "ann").config["SECRET_KEY"]
    assert create_app(workspace, "bob").config["SECRET_KEY"] == first
    assert (workspace.folder / "secret_key").stat().st_mode & 0o077 == 0
