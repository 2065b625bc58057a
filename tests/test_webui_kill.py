"""The served page killed in the midst of writes: what was confirmed is there, once."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from page import stored
from sqlalchemy import func, select
from workspaces import queue_of

from al_fashion.store.database import reading
from al_fashion.store.schema import Slot
from al_fashion.workspace import Workspace

PEOPLE, KILLS, PHOTOS = 4, 3, 120


def serve(workspace: Workspace, port: int) -> "tuple[subprocess.Popen[str], int]":
    command = [sys.executable, "-m", "al_fashion", "-w", str(workspace.folder), "serve"]
    for _ in range(50):
        server = subprocess.Popen(
            [*command, "--port", str(port)], stderr=subprocess.PIPE, text=True
        )
        assert server.stderr is not None
        found = re.search(r":(\d+)/", server.stderr.readline())
        if found:
            return server, int(found[1])
        server.wait()
        time.sleep(0.1)
    raise AssertionError("The page cannot be served.")


class Person(threading.Thread):
    """Answers until nothing waits, and sends again, as the page does, what nobody confirmed."""

    def __init__(self, name: str, port: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.name, self.port = name, port
        self.cookie = self.token = ""
        self.confirmed: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        self.token = self.call("GET", "/api/session")["csrf_token"]
        form = f"name={self.name}&csrf_token={self.token}"
        self.call("POST", "/labeller", form, "application/x-www-form-urlencoded")
        self.token = self.call("GET", "/api/session")["csrf_token"]
        photos = self.post("/api/claim", {})["photos"]
        while photos:
            client_id = photos[0]["token"]
            body = {"token": photos[0]["token"], "kind": "none", "client_id": client_id}
            photos = self.post("/api/answers", body)["photos"]
            self.confirmed.append(client_id)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.call("POST", path, json.dumps(body), "application/json")

    def call(self, method: str, path: str, body: str = "", kind: str = "") -> dict[str, Any]:
        headers = {"Cookie": self.cookie, "X-CSRFToken": self.token, "Content-Type": kind}
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=10)
                connection.request(method, path, body or None, headers)
                response = connection.getresponse()
                content = response.read()
                break
            except (OSError, http.client.HTTPException):
                self.repeated += 1
                time.sleep(0.02)
        assert response.status in (200, 303), (path, response.status, content)
        for value in response.headers.get_all("Set-Cookie") or []:
            self.cookie = "; ".join(f"{k}={m.value}" for k, m in SimpleCookie(value).items())
        return json.loads(content) if response.headers.get_content_subtype() == "json" else {}


def test_kill_9_of_the_server_in_mid_write(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, PHOTOS, overlap=2)
    server, port = serve(workspace, 0)
    people = [Person(f"labeller {number}", lambda: port) for number in range(PEOPLE)]
    for person in people:
        person.start()
    try:
        for kill in range(1, KILLS + 1):
            before = sum(len(person.confirmed) for person in people)
            while sum(len(person.confirmed) for person in people) < before + 15:
                time.sleep(0.003 * kill)
            server.kill()
            server.wait()
            server, _ = serve(workspace, port)
        for person in people:
            person.join(60)
            assert not person.is_alive()
    finally:
        server.kill()
        server.wait()
    kept = stored(workspace)
    confirmed = [client_id for person in people for client_id in person.confirmed]
    assert sum(person.repeated for person in people) > 0, "the kills were noticed"
    assert sorted(confirmed) == sorted(row.client_id for row in kept), "none lost, none doubled"
    counted = Counter(row.query_id for row in kept if not row.late)
    assert max(counted.values()) <= 2 and len(counted) == PHOTOS
    assert len({(row.query_id, row.labeller_id) for row in kept}) == len(kept)
    with reading(workspace.engine) as session:
        assert not session.scalar(select(func.count()).where(Slot.state == "leased"))
