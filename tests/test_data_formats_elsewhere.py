"""What others make of our exports: the programs themselves read them, where they are installed.

They have many requirements of their own. `AL_FASHION_PEERS` may name the bin folder of a virtual
environment that has them: `pip install datasets pycocotools label-studio`.
"""

import http.cookiejar
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_data_exporting import LABELS, content, filled, imported, target, with_predictions

from al_fashion.data.exporting import export_photos
from al_fashion.data.importing import import_photos
from al_fashion.workspace import Workspace, create_workspace

MAIL, PASSWORD = "ann@example.org", "a-long-password"
START_SECONDS = 600


def ask_peer(library: str, code: str, *arguments: object) -> Any:
    """What a program for a Python that has the library prints as JSON; skips where none has."""
    peers = os.environ.get("AL_FASHION_PEERS")
    python = str(Path(peers) / "python") if peers else sys.executable
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    environment |= {"HF_HOME": str(arguments[-1])}
    environment.pop("PYTHONPATH", None)
    command = [python, "-c", f"import {library}"]
    if subprocess.run(command, capture_output=True, env=environment).returncode:
        pytest.skip(f"{library} is not installed; AL_FASHION_PEERS may name where it is")
    command = [python, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return filled(tmp_path)


def test_datasets_loads_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    code = """
import hashlib, json, sys, datasets
found = datasets.load_dataset("imagefolder", data_dir=sys.argv[1])
found = found.cast_column("image", datasets.Image(decode=False))
print(json.dumps({row["id"]: [split, row["labels"], row["targets"], hashlib.sha256(
    row["image"]["bytes"] or open(row["image"]["path"], "rb").read()).hexdigest()]
    for split in found for row in found[split]}))
"""
    export_photos(workspace, "huggingface", tmp_path / "out")
    found = ask_peer("datasets", code, tmp_path / "out", tmp_path / "home")
    known = content(workspace)
    names = {"pool": "train", "heldout": "validation", "audit": "test"}
    assert found.keys() == known.keys()
    for photo, (split, labels, targets, its_hash) in found.items():
        assert (its_hash, split) == (photo, names[known[photo].split])
        assert labels == "|".join(known[photo].labels or ())
        soft = known[photo].soft or dict.fromkeys(LABELS, -1.0)
        assert targets == pytest.approx([soft[label] for label in LABELS])


def test_pycocotools_loads_the_file(workspace: Workspace, tmp_path: Path) -> None:
    code = """
import json, sys
from pycocotools.coco import COCO
found = COCO(sys.argv[1])
name = {row["id"]: row["name"] for row in found.loadCats(found.getCatIds())}
print(json.dumps({found.imgs[i]["al_fashion"]["id"]: sorted(
    name[row["category_id"]] for row in found.loadAnns(found.getAnnIds(imgIds=[i])))
    for i in found.getImgIds()}))
"""
    export_photos(workspace, "coco", tmp_path / "out.json")
    found = ask_peer("pycocotools", code, tmp_path / "out.json", tmp_path)
    assert found == {i: sorted(r.labels or ()) for i, r in content(workspace).items()}


class LabelStudio:
    """A real one, spoken to as a browser does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.cookies = http.cookiejar.CookieJar()
        jar = urllib.request.HTTPCookieProcessor(self.cookies)
        self.opener = urllib.request.build_opener(jar)

    def sign_in(self) -> None:
        self.opener.open(self.url + "/user/login/", timeout=5).read()
        form = {"email": MAIL, "password": PASSWORD, "csrfmiddlewaretoken": self._token()}
        self._open("/user/login/", urllib.parse.urlencode(form).encode())

    def call(self, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        return json.loads(self._open(path, sent, {"Content-Type": "application/json"}))

    def _token(self) -> str:
        return str(next(row.value for row in self.cookies if row.name == "csrftoken"))

    def _open(self, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> bytes:
        own = {"X-CSRFToken": self._token(), "Referer": self.url}
        request = urllib.request.Request(self.url + path, body, own | (headers or {}))
        try:
            return bytes(self.opener.open(request, timeout=120).read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code}: {error.read()[:2000]!r}") from error


@pytest.fixture
def label_studio(tmp_path: Path) -> Iterator[LabelStudio]:
    peers = os.environ.get("AL_FASHION_PEERS")
    program = shutil.which("label-studio", path=peers)
    if program is None:
        pytest.skip("Label Studio is not installed; AL_FASHION_PEERS may name where it is")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "label studio"),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
    }
    environment.pop("PYTHONPATH", None)
    start = ["start", "--no-browser", "--username", MAIL, "--password", PASSWORD]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [program, *start, "--port", str(port)], env=environment, stdout=log, stderr=log
        )
        try:
            yield _signed_in(LabelStudio(port))
        finally:
            server.terminate()
            server.wait(20)


def _signed_in(found: LabelStudio) -> LabelStudio:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            found.sign_in()
            return found
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(1)


def test_label_studio_takes_the_tasks_and_gives_them_back(
    workspace: Workspace, tmp_path: Path, label_studio: LabelStudio
) -> None:
    out = target(tmp_path, "labelstudio")
    export_photos(with_predictions(workspace), "labelstudio", out)
    configuration = out.with_suffix(".config.xml").read_text()
    project = label_studio.call("/api/projects", {"title": "photos", "label_config": configuration})
    tasks = json.loads(out.read_text())
    where = f"/api/projects/{project['id']}"
    taken = label_studio.call(f"{where}/import", tasks)
    assert taken["task_count"] == len(tasks)
    assert taken["annotation_count"] == sum(len(task["annotations"]) for task in tasks)
    predictions = sum(len(task.get("predictions", [])) for task in tasks)
    assert taken["prediction_count"] == predictions > 0

    ways = f"{where}/export?exportType=JSON&download_all_tasks=true"
    given = tmp_path / "given.json"
    given.write_text(json.dumps(label_studio.call(ways)))
    back = create_workspace(tmp_path / "back", LABELS, seed=99)
    import_photos(back, str(given))
    assert content(back) == imported(content(workspace))

    # Someone changes an answer there.
    annotation = next(
        row
        for task in json.loads(given.read_text())
        for row in task["annotations"]
        if row["result"][0]["from_name"] == "labels" and not row["ground_truth"]
    )
    result = annotation["result"]
    result[0]["value"]["choices"] = ["Röckchen", "dress"]
    changed = {"result": result, "was_cancelled": False}
    label_studio.call(f"/api/tasks/{annotation['task']}/annotations/", changed)
    given.write_text(json.dumps(label_studio.call(ways)))
    import_photos(back, str(given))
    said = {(one.labeller, one.labels) for row in content(back).values() for one in row.answers}
    before = {
        (one.labeller, one.labels) for row in content(workspace).values() for one in row.answers
    }
    (new,) = said - before
    assert new[1] == ("dress", "Röckchen")
