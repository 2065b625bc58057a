"""Signing in, roles, and photos removed for good."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from page import queued_workspace, stored
from sqlalchemy import func, select

from al_fashion.data.given_answers import add_given_answers
from al_fashion.data.importing import import_photos
from al_fashion.data.removal import remove_photo
from al_fashion.errors import AccountError, AnswerError
from al_fashion.models.cache import FeatureCache
from al_fashion.store import accounts
from al_fashion.store.accounts import FAILURE_MS, FAILURES_OF_NAME, accept_invitation, invite
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.photos import find_image
from al_fashion.store.schema import Answer, File, Image, Labeller, Lease, LoginFailure, Query
from al_fashion.types import GivenAnswer
from al_fashion.workspace import Workspace
from webui import create_app
from webui.command import ServeError, _require_owner, bind, serve

PASSWORD = "correct horse battery"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return queued_workspace(tmp_path, ("dress", "shirt"))


def browser(workspace: Workspace) -> FlaskClient:
    return create_app(workspace, "nobody", accounts=True).test_client()


def token(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def secret_of(workspace: Workspace, name: str, role: str = "labeller") -> str:
    with writing(workspace.engine) as session:
        return invite(session, name, role)


def signed_in(workspace: Workspace, name: str, role: str = "labeller") -> FlaskClient:
    client = browser(workspace)
    path = f"/invitation/{secret_of(workspace, name, role)}"
    data = {"password": PASSWORD, "csrf_token": token(client, path)}
    assert client.post(path, data=data).headers["Location"] == "/"
    return client


def session_cookie(client: FlaskClient):  # type: ignore[no-untyped-def]
    return client.get_cookie(client.application.config["SESSION_COOKIE_NAME"])


def sign_in(client: FlaskClient, name: str, password: str, **more: str):  # type: ignore[no-untyped-def]
    data = {"name": name, "password": password, "csrf_token": token(client, "/login"), **more}
    return client.post("/login", data=data)


def test_nobody_unknown_gets_further_than_the_door(workspace: Workspace) -> None:
    client = browser(workspace)
    with reading(workspace.engine) as session:
        photo = session.scalars(select(Image.id)).first()
    assert client.get("/").headers["Location"] == "/login"
    for path in ("/api/history", "/api/session", "/api/progress", "/api/review"):
        assert client.get(path).status_code == 401
    for path in (f"/photos/{photo}", "/end", "/previous", "/review"):
        assert client.get(path).headers["Location"] == "/login"
    headers = {"X-CSRFToken": token(client, "/login")}
    for path in ("/api/claim", "/api/answers", "/api/undo", "/api/heartbeat"):
        assert client.post(path, json={}, headers=headers).status_code == 401
    assert client.get("/api/health").json == {"ok": True}


def test_an_invitation_is_good_once_and_for_a_week(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(workspace, "ann")
    assert client.get("/api/session").json["labeller"] == "ann"
    secret = secret_of(workspace, "bob")
    path = f"/invitation/{secret}"
    page = token(client, path)
    short = client.post(path, data={"password": "short", "csrf_token": page})
    assert short.status_code == 400
    accept_invitation(workspace.engine, secret, PASSWORD)
    assert client.get(path).status_code == 400
    with pytest.raises(AccountError, match="used or has run out"):
        accept_invitation(workspace.engine, secret, PASSWORD)
    monkeypatch.setattr(accounts, "_hasher", None)  # nobody unknown makes the server hash
    with pytest.raises(AccountError, match="used or has run out"):
        accept_invitation(workspace.engine, "made up", PASSWORD)
    late = secret_of(workspace, "eve")
    monkeypatch.setattr(accounts, "now_ms", lambda: now_ms() + accounts.INVITED_MS + 1)
    assert client.get(f"/invitation/{late}").status_code == 400


def test_who_may_look_verdicts_up_is_never_checked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("al_fashion.store.leases.secrets.randbelow", lambda _: 0)  # always a check
    workspace.config = workspace.config.with_values(check_share=0.5)
    with reading(workspace.engine) as session:
        photos = list(session.scalars(select(Image.id)))[:8]
    olga = signed_in(workspace, "olga", "owner")
    headers = {"X-CSRFToken": token(olga, "/")}
    for photo in photos:
        verdict = {"image_id": photo, "kind": "none", "client_id": photo}
        assert olga.post("/api/review", json=verdict, headers=headers).status_code == 200
    asked = []
    for name, role in (("otto", "owner"), ("ann", "labeller")):
        client = signed_in(workspace, name, role)
        headers = {"X-CSRFToken": token(client, "/")}
        for number in range(5):
            held = client.post("/api/claim", json={}, headers=headers).json["photos"]
            if held:
                sent = {"token": held[0]["token"], "kind": "none", "labels": []}
                sent["client_id"] = f"{name}{number}"
                assert client.post("/api/answers", json=sent, headers=headers).status_code == 200
        with reading(workspace.engine) as session:
            who = select(Labeller.id).where(Labeller.name == name).scalar_subquery()
            checks = select(func.count()).where(Lease.labeller_id == who, Lease.query_id.is_(None))
            asked.append(session.scalar(checks))
    assert asked[0] == 0
    assert asked[1] >= 5


def test_sessions_survive_a_restart_and_end_with_a_new_password(workspace: Workspace) -> None:
    client = signed_in(workspace, "ann")
    again = browser(workspace)
    cookie = session_cookie(client)
    assert cookie is not None
    again.set_cookie(cookie.key, cookie.value)
    assert again.get("/api/session").json["labeller"] == "ann"
    accept_invitation(workspace.engine, secret_of(workspace, "ann"), PASSWORD + "2")
    assert again.get("/api/session").status_code == 401
    forged = browser(workspace)
    forged.set_cookie(cookie.key, cookie.value[:-3] + "abc")
    assert forged.get("/api/session").status_code == 401


def test_signing_in_out_and_never_elsewhere(workspace: Workspace) -> None:
    signed_in(workspace, "ann")
    client = browser(workspace)
    assert sign_in(client, "ann", "wrong password").status_code == 401
    assert sign_in(client, "nobody", PASSWORD).status_code == 401
    before = session_cookie(client)
    done = sign_in(client, "ann", PASSWORD, next="//evil.example")
    assert done.headers["Location"] == "/"
    assert session_cookie(client) != before
    assert session_cookie(client).http_only
    page = token(client, "/")
    renamed = client.post("/labeller", data={"name": "bob", "csrf_token": page})
    assert renamed.status_code == 403
    client.post("/logout", data={"csrf_token": page})
    assert client.get("/api/session").status_code == 401


def test_guessing_is_throttled(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(workspace, "ann")
    monkeypatch.setattr(accounts, "_fits", lambda _hashed, password: password == PASSWORD)
    client = browser(workspace)
    statuses = [
        client.post(
            "/login",
            data={
                "name": "ann",
                "password": f"guess {number}",
                "csrf_token": token(client, "/login"),
            },
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        ).status_code
        for number in range(100)
    ]
    assert statuses == [401] * FAILURES_OF_NAME + [429] * (100 - FAILURES_OF_NAME)
    assert sign_in(client, "ann", PASSWORD).status_code == 429
    monkeypatch.setattr(accounts, "now_ms", lambda: now_ms() + FAILURE_MS + 1)
    assert sign_in(client, "ann", PASSWORD).status_code == 303
    assert sign_in(client, "ann", "wrong").status_code == 401
    with reading(workspace.engine) as session:
        assert session.scalar(select(func.count()).select_from(LoginFailure)) == 1


def test_a_labeller_is_no_owner(workspace: Workspace) -> None:
    client = signed_in(workspace, "ann")
    page = token(client, "/")
    with reading(workspace.engine) as session:
        photo = session.scalars(select(Image.id)).first()
    assert client.get("/review").status_code == client.get("/api/review").status_code == 403
    data = {
        "csrf_token": page,
        "image_id": photo,
        "sure": "yes",
        "name": "trousers",
        "kind": "none",
    }
    for path in ("/review", "/labels", "/remove"):
        assert client.post(path, data={**data, "client_id": "c"}).status_code == 403
    verdict = {"image_id": photo, "kind": "none", "client_id": "c"}
    headers = {"X-CSRFToken": page}
    assert client.post("/api/review", json=verdict, headers=headers).status_code == 403
    assert "/review" not in client.get("/").text
    assert stored(workspace) == []
    assert signed_in(workspace, "olga", "owner").get("/review").status_code == 200


def test_passwords_are_hashed_and_secrets_differ(workspace: Workspace, tmp_path: Path) -> None:
    signed_in(workspace, "ann")
    secret = secret_of(workspace, "bob")
    with reading(workspace.engine) as session:
        ann, bob = (
            session.scalars(select(Labeller).where(Labeller.name == name)).one()
            for name in ("ann", "bob")
        )
    assert str(ann.password).startswith("$argon2id$") and PASSWORD not in str(ann.password)
    assert bob.invitation != secret
    other = queued_workspace(tmp_path / "other", ("dress", "shirt"))
    keys = {create_app(each, "x").config["SECRET_KEY"] for each in (workspace, other)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "import",
        "ORACLE",
        "x" * 81,
        "x" * 1_000_000,
        "a\u202eb",
        "a\u200bb",
        "a\nb",
        "\ud800",
    ],
)
def test_names_nobody_can_have(workspace: Workspace, name: str) -> None:
    with pytest.raises(AccountError):
        secret_of(workspace, name)


def test_accents_written_in_two_ways_are_one_person(workspace: Workspace) -> None:
    signed_in(workspace, "ren\u00e9")
    assert sign_in(browser(workspace), "rene\u0301", PASSWORD).status_code == 303
    with reading(workspace.engine) as session:
        people = select(func.count()).where(Labeller.name.startswith("ren"))
        assert session.scalar(people) == 1


def test_names_stored_with_decomposed_accents_still_sign_in(workspace: Workspace) -> None:
    signed_in(workspace, "ren\u00e9")
    with writing(workspace.engine) as session:
        who = session.scalars(select(Labeller).where(Labeller.name == "ren\u00e9")).one()
        who.name = "rene\u0301"  # as earlier versions kept it
    for name in ("ren\u00e9", "rene\u0301"):
        client = browser(workspace)
        assert sign_in(client, name, PASSWORD).status_code == 303
        assert client.get("/").status_code == 200
    assert sign_in(browser(workspace), "ren\u00e9", "another password").status_code != 303
    with writing(workspace.engine) as session:
        photo = session.scalars(select(Image.id).limit(1)).one()
        given = {photo: [GivenAnswer("ren\u00e9", "none", (), 1_000)]}
        assert add_given_answers(session, given) == 1, "also an import means this person"
    again = signed_in(workspace, "ren\u00e9")  # invited anew
    assert again.get("/").status_code == 200
    with reading(workspace.engine) as session:
        people = select(func.count()).where(Labeller.name.startswith("ren"))
        assert session.scalar(people) == 1


def test_no_open_address_without_an_owner(workspace: Workspace) -> None:
    secret_of(workspace, "ann")
    with pytest.raises(ServeError, match="labeller add NAME --owner"):
        _require_owner(workspace)
    secret_of(workspace, "olga", "owner")
    _require_owner(workspace)
    with pytest.raises(ServeError, match="address of this machine"):
        bind("192.0.2.1", 0)


@pytest.mark.parametrize("more", [["--host", "0.0.0.0"], ["--allow-host", "labels.example.org"]])
def test_whatever_others_can_reach_needs_accounts(workspace: Workspace, more: list[str]) -> None:
    done = CliRunner().invoke(serve, ["--port", "0", *more], obj=workspace.folder)
    assert isinstance(done.exception, ServeError) and "Nobody could sign in" in str(done.exception)


def test_only_known_hosts_are_served(workspace: Workspace) -> None:
    app = create_app(workspace, "x", accounts=True, hosts={"labels.example.org"})
    statuses = [
        app.test_client().get("/login", headers={"Host": host}).status_code
        for host in ("labels.example.org", "labels.example.org:8000", "evil.example", "")
    ]
    assert statuses[:3] == [200, 200, 400]


def test_a_removed_photo_is_gone_and_stays_gone(workspace: Workspace) -> None:
    client = create_app(workspace, "ann").test_client()
    page = re.search(r'data-token="([^"]+)"', client.get("/").text)
    assert page is not None
    headers = {"X-CSRFToken": page[1]}
    photo = client.post("/api/claim", json={}, headers=headers).json["photos"][0]
    body = {"token": photo["token"], "kind": "none", "client_id": "c", "labels": []}
    kept = client.post("/api/answers", json=body, headers=headers).json["saved"]
    body = {"corrects": kept["answer_id"], "kind": "cannot_tell", "client_id": "d"}
    client.post("/api/answers", json=body, headers=headers)
    image_id = photo["image_id"]
    client.get(f"/photos/{image_id}?side=160")
    cache = FeatureCache(workspace.features / "made-up", 4)
    cache.append([image_id, "f" * 64], np.arange(8, dtype=np.float32).reshape(2, 4))
    data = {"image_id": image_id, "csrf_token": page[1]}
    assert client.post("/remove", data=data).status_code == 400, "only with the box ticked"
    assert client.post("/remove", data={**data, "sure": "yes"}).status_code == 303

    assert client.get(f"/photos/{image_id}").status_code == 404
    assert not list(workspace.pictures.rglob("*.jpg"))
    table = cache.open()
    assert image_id not in table.ids and not table.features[0].any()
    assert table.features[table.rows(["f" * 64])[0]].tolist() == [4, 5, 6, 7]
    with reading(workspace.engine) as session:
        for column in (Answer.image_id, Lease.image_id, Query.image_id, File.image_id, Image.id):
            assert session.scalar(select(func.count()).where(column == image_id)) == 0
    source = workspace.folder.parent / "photos"
    assert len(list(source.iterdir())) == 13
    with pytest.raises(AnswerError, match="no such photo"):
        remove_photo(workspace, image_id)


def test_a_name_with_a_nul_is_no_photos(workspace: Workspace) -> None:
    for name in ("a\0.png", "/a\0/b.png", "\0"):
        with reading(workspace.engine) as session, pytest.raises(AnswerError, match="NUL"):
            find_image(session, name)


def test_an_import_does_not_bring_a_removed_photo_back(workspace: Workspace) -> None:
    source = workspace.folder.parent / "photos"
    with reading(workspace.engine) as session:
        path = session.scalars(select(File.path).order_by(File.path)).first()
        image_id = session.scalars(select(File.image_id).where(File.path == path)).one()
    content = Path(str(path)).read_bytes()
    remove_photo(workspace, str(image_id))
    assert not Path(str(path)).exists()
    (source / "again.png").write_bytes(content)
    report = import_photos(workspace, str(source), labels_from="none")
    assert report.new == 0
    with reading(workspace.engine) as session:
        assert session.get(Image, image_id) is None
