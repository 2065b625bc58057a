"""Many labellers at one queue, over HTTP, served as `al-fashion serve` does.

`python benchmarks/queue.py [--database URL] [--queries N] [--labellers L] [--seconds S]` prints one
JSON object: 95th percentiles of claiming and submitting in milliseconds, at the server and as the
client sees them, and what must be 0: answers doubled, lost, over a query's overlap, labellers
starved. With `--answers A` nobody thinks and all go on until A answers are saved: for the server's
memory, in megabytes after each tenth of them. `--database` names an empty PostgreSQL database; else
SQLite. There is no peer in the run: Label Studio, the nearest, serves one labeller a task and has
no overlap in its free edition.
"""

import argparse
import hashlib
import http.client
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select

from al_fashion.config import Config
from al_fashion.store.database import reading, writing
from al_fashion.store.rounds import record_round
from al_fashion.store.schema import Answer, Image, Query
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace

LABELS = ("dress", "pullover", "shirt", "skirt", "trousers")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="")
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--labellers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--overlap", type=int, default=1)
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds between answers")
    parser.add_argument("--answers", type=int, default=0, help="as many, without thinking")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    if given.answers:
        given.think, given.seconds = 0.0, float("inf")
        given.queries = max(given.queries, given.answers + 10 * given.labellers)
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_queue(Path(folder) / "w", given)
        print(json.dumps(run(workspace, given)))


def make_queue(folder: Path, given: argparse.Namespace) -> Workspace:
    """A workspace with the queries in its queue; there are no files behind the photos."""
    config = Config(database=given.database, overlap=given.overlap)
    workspace = create_workspace(folder, LABELS, seed=0, config=config)
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(given.queries)]
    rows = [
        {"id": i, "width": 8, "height": 8, "mime": "image/png", "group": i, "split": "pool"}
        | {"position": place / len(ids)}
        for place, i in enumerate(ids)
    ]
    with writing(workspace.engine) as session:
        session.execute(insert(Image), rows)
        result = RoundResult(1, "random", 0, len(ids), None, 0.0)
        asked: Any = [(image_id, "train", None) for image_id in ids]
        record_round(session, result, None, asked, {}, given.overlap)
    workspace.engine.dispose()
    return workspace


def serve(folder: Path) -> None:
    """The page as shipped; at the end of its input it says how long requests took."""
    from waitress import create_server

    from webui import create_app
    from webui.command import THREADS

    took: dict[str, list[float]] = {"/api/claim": [], "/api/answers": []}
    app = create_app(Workspace.open(folder), "nobody")

    def timed(environ: Any, start_response: Any) -> Any:
        started = time.perf_counter()
        answer = app(environ, start_response)
        took.get(environ["PATH_INFO"], []).append(time.perf_counter() - started)
        return answer

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(timed, host="127.0.0.1", port=0, threads=THREADS)
    threading.Thread(target=server.run, daemon=True).start()
    print(json.dumps({"port": server.effective_port}), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(json.dumps({"kilobytes": resident()}), flush=True)
    print(json.dumps(took), flush=True)
    os._exit(0)


def resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class Labeller(threading.Thread):
    """One person: claims, thinks for an exponential time, answers."""

    def __init__(self, number: int, port: int, ends: float, think: float) -> None:
        super().__init__(daemon=True)
        self.number, self.port, self.ends, self.think = number, port, ends, think
        self.claims: list[float] = []
        self.submits: list[float] = []
        self.confirmed: list[str] = []
        self.errors: Counter[str] = Counter()
        self.empty = 0

    def run(self) -> None:
        rng = random.Random(self.number)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.cookie = self.token = ""
        self.sign_in()
        while time.monotonic() < self.ends:
            photos = self.timed(self.claims, "/api/claim", {}).get("photos", [])
            if not photos:
                self.empty += 1
            time.sleep(rng.expovariate(1 / self.think) if self.think else 0)
            if photos:
                self.answer(photos[0]["token"], rng)

    def answer(self, token: str, rng: random.Random) -> None:
        client_id = f"{self.number}-{len(self.confirmed)}-{rng.random()}"
        labels = rng.sample(LABELS, rng.choice([1, 1, 2]))
        body = {"token": token, "kind": "labels", "labels": labels, "client_id": client_id}
        if "saved" in self.timed(self.submits, "/api/answers", body):
            self.confirmed.append(client_id)

    def sign_in(self) -> None:
        self.token = self.call("GET", "/api/session")["csrf_token"]
        form = f"name=labeller+{self.number}&csrf_token={self.token}"
        kind = "application/x-www-form-urlencoded"
        self.call("POST", "/labeller", form, kind)
        self.token = self.call("GET", "/api/session")["csrf_token"]

    def timed(self, times: list[float], path: str, body: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        found = self.call("POST", path, json.dumps(body), "application/json")
        times.append(time.perf_counter() - started)
        return found

    def call(self, method: str, path: str, body: str = "", kind: str = "") -> dict[str, Any]:
        headers = {"Cookie": self.cookie, "X-CSRFToken": self.token, "Content-Type": kind}
        self.connection.request(method, path, body or None, headers)
        response = self.connection.getresponse()
        content = response.read()
        for value in response.headers.get_all("Set-Cookie") or []:
            self.cookie = "; ".join(f"{k}={m.value}" for k, m in SimpleCookie(value).items())
        if response.status >= 400:
            self.errors[f"{path} {response.status}"] += 1
            return {}
        return json.loads(content) if response.headers.get_content_subtype() == "json" else {}


def run(workspace: Workspace, given: argparse.Namespace) -> dict[str, Any]:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(workspace.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin and server.stdout
    port = json.loads(server.stdout.readline())["port"]
    began = time.monotonic()
    ends = began + given.seconds
    people = [Labeller(number, port, ends, given.think) for number in range(given.labellers)]
    for person in people:
        person.start()
        time.sleep(min(1.0, given.seconds / 10) / len(people))
    memory = watch(server, people, given)
    server.stdin.close()
    took = json.loads(server.stdout.readline())
    server.wait(10)
    errors: Counter[str] = sum((person.errors for person in people), Counter())
    return {
        "database": workspace.engine.dialect.name,
        "queries": given.queries,
        "labellers": given.labellers,
        "seconds": round(time.monotonic() - began, 1),
        "claim_p95_ms": percentile(took["/api/claim"]),
        "submit_p95_ms": percentile(took["/api/answers"]),
        "client_claim_p95_ms": percentile([t for p in people for t in p.claims]),
        "client_submit_p95_ms": percentile([t for p in people for t in p.submits]),
        **invariants(workspace, given, [c for person in people for c in person.confirmed]),
        "starved": sum(not person.confirmed or person.empty > 0 for person in people),
        "errors": dict(errors),
        "server_megabytes": memory,
    }


def watch(
    server: "subprocess.Popen[str]", people: list[Labeller], given: argparse.Namespace
) -> list[float]:
    """The server's memory in megabytes, soon after the beginning and at the end; or by tenths."""
    found = []
    if given.answers:
        for tenth in range(1, 11):
            while sum(len(person.confirmed) for person in people) < given.answers * tenth / 10:
                time.sleep(0.1)
            found.append(ask_memory(server))
        for person in people:
            person.ends = 0.0
    else:
        time.sleep(min(5, given.seconds / 4))
        found.append(ask_memory(server))
    for person in people:
        person.join(None if given.answers else given.seconds + 120)
    return [*found, ask_memory(server)]


def ask_memory(server: "subprocess.Popen[str]") -> float:
    assert server.stdin and server.stdout
    server.stdin.write("memory\n")
    server.stdin.flush()
    return round(json.loads(server.stdout.readline())["kilobytes"] / 1024, 1)


def percentile(seconds: list[float]) -> float:
    return round(1000 * float(np.percentile(seconds, 95)), 1)


def invariants(
    workspace: Workspace, given: argparse.Namespace, confirmed: list[str]
) -> dict[str, int]:
    """Counted in the database after the run."""
    with reading(workspace.engine) as session:
        kept = set(session.scalars(select(Answer.client_id)))
        pairs = session.execute(select(Answer.query_id, Answer.labeller_id).where(~Answer.late))
        votes = Counter(tuple(pair) for pair in pairs)
        per_query = Counter(query for query, _ in votes)
        answered = session.scalar(select(func.count()).where(Query.state == "answered"))
    return {
        "doubled": sum(count > 1 for count in votes.values()),
        "lost": len(set(confirmed) - kept),
        "over_overlap": sum(count > given.overlap for count in per_query.values()),
        "answers": len(kept),
        "answered_queries": answered or 0,
    }


if __name__ == "__main__":
    main()
