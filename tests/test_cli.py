"""The command line as a user and a script see it: real photos, real VGG16, real exit statuses."""

import csv
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import text

from al_fashion.cli import main
from al_fashion.models.weights import find_weights
from al_fashion.store.database import writing
from al_fashion.workspace import Workspace

Run = Callable[..., tuple[int, str, str]]
LABELS = ("dress", "pullover", "shirt")
ACCURACY_KEYS = {"value", "low", "high", "method", "n", "metric"}
ROUND_KEYS = {"round", "strategy", "labelled", "queued", "accuracy", "seconds"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("status", "--json")` gives (exit status, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["al-fashion", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        written = capsys.readouterr()
        return int(stopped.value.code or 0), written.out, written.err

    return call


def save_photos(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Photos of three kinds that differ in pattern: 0 stripes down, 1 stripes across, 2 noise."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    paths = []
    for number in range(count):
        pixels = rng.integers(0, 60, (40, 40, 3), dtype=np.uint8)
        if number % 3 < 2:
            stripes = np.s_[:, ::4] if number % 3 == 0 else np.s_[::4, :]
            pixels[stripes] = rng.integers(180, 255, 3, dtype=np.uint8)
        paths.append(folder / f"{number}.png")
        Pillow.fromarray(pixels).save(paths[-1])
    return paths


def save_manifest(folder: Path, count: int) -> Path:
    """A CSV beside its photos, with the right label of each."""
    save_photos(folder / "photos", count)
    manifest = folder / "photos.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "labels"])
        writer.writerows([f"photos/{number}.png", LABELS[number % 3]] for number in range(count))
    return manifest


@pytest.fixture
def small(tmp_path: Path, run: Run) -> Path:
    """A workspace of 20 photos without labels."""
    save_photos(tmp_path / "photos", 20)
    folder = tmp_path / "workspace"
    assert run("init", folder, "--labels", ",".join(LABELS), "--seed", 1)[0] == 0
    assert run("-w", folder, "import", tmp_path / "photos", "--labels-from", "none")[0] == 0
    return folder


@pytest.fixture
def needs_weights() -> None:
    try:
        find_weights(None, verify=True)
    except Exception as error:
        pytest.skip(f"VGG16's weights are not here: {error}")


def queued_names(folder: Path) -> list[str]:
    with Workspace.open(folder).engine.connect() as connection:
        statement = (
            "SELECT file.name FROM query JOIN file ON file.image_id = query.image_id "
            "WHERE query.state = 'open'"
        )
        return [row[0] for row in connection.execute(text(statement))]


@pytest.mark.usefixtures("needs_weights")
def test_the_loop_from_a_folder_of_photos_to_labels(tmp_path: Path, run: Run) -> None:
    manifest = save_manifest(tmp_path, 180)
    folder = tmp_path / "workspace"
    run("init", folder, "--labels", ",".join(LABELS), "--exclusive", "--input-size", 32)
    arguments = ("import", manifest, "--labels-from", "csv", "--labels-as", "truth")
    status, out, _ = run("-w", folder, *arguments)
    assert status == 0 and "180" in out

    status, out, _ = run("-w", folder, "round", "-n", 15, "--json")
    first = json.loads(out)
    assert status == 0 and set(first) == ROUND_KEYS
    assert (first["round"], first["labelled"], first["queued"]) == (1, 0, 15)
    assert first["accuracy"] is None

    answers = tmp_path / "answers.jsonl"
    lines = [
        {"image": name, "labels": [LABELS[int(Path(name).stem) % 3]], "labeller": "ann"}
        for name in queued_names(folder)
    ]
    answers.write_text("\n".join(map(json.dumps, lines)))
    assert run("-w", folder, "answers", "import", answers)[:2] == (0, "15 new answers.\n")
    assert run("-w", folder, "answers", "import", answers)[:2] == (0, "0 new answers.\n")

    status, out, _ = run("-w", folder, "round", "--strategy", "margin", "-n", 5, "--json")
    second = json.loads(out)
    assert status == 0 and set(second["accuracy"]) == ACCURACY_KEYS
    assert (second["labelled"], second["strategy"], second["accuracy"]["n"]) == (15, "margin", 36)
    assert second["accuracy"]["value"] > 0.8

    status, out, _ = run("-w", folder, "status", "--json")
    found = json.loads(out)
    assert found["photos"] == {
        "pool": 111,
        "labelled": 15,
        "heldout": 36,
        "audit": 18,
        "quarantined": 0,
    }
    assert found["queue"]["open"] == 5 and found["queue"]["answered"] == 15
    assert found["round"] == 2
    assert "serve" in run("-w", folder, "status")[1].splitlines()[-1]

    photos = [tmp_path / f"photos/{number}.png" for number in range(3)]
    predicted = json.loads(run("-w", folder, "predict", *photos, "--json")[1])["predictions"]
    assert [row["labels"] for row in predicted] == [[label] for label in LABELS]

    exported = list(csv.DictReader(StringIO(run("-w", folder, "export")[1])))
    assert {"image", "labels"} <= set(exported[0])
    by_image = {Path(row["image"]).name: row["labels"] for row in exported}
    assert all(by_image[line["image"]] == line["labels"][0] for line in lines)

    status, out, _ = run("-w", folder, "report")
    page = Path(out.strip()).read_text()
    assert status == 0 and "Learning curve" in page and "margin" in page
    assert 'src="http' not in page and 'href="http' not in page
    checks = json.loads(run("-w", folder, "doctor", "--json")[1])["checks"]
    assert all(check["ok"] for check in checks), checks


@pytest.mark.usefixtures("needs_weights")
def test_moved_photos_stop_a_round_until_they_are_relocated(
    tmp_path: Path, small: Path, run: Run
) -> None:
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    status, _, message = run("-w", small, "round", "-n", 3)
    assert status == 1 and "--relocate" in message.splitlines()[-1]
    assert json.loads(run("-w", small, "status", "--json")[1])["round"] == 0
    status, out, _ = run("-w", small, "import", "--relocate", tmp_path / "elsewhere")
    assert status == 0 and out.startswith("20 photos found again, 0 still missing")
    assert run("-w", small, "round", "-n", 3)[0] == 0


@pytest.mark.usefixtures("needs_weights")
def test_demo_prints_one_object_with_both_curves(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    monkeypatch.setattr("al_fashion.loop.demo.PHOTOS", 700)
    status, out, _ = run("-w", tmp_path / "demo", "demo", "--json", "--seed", 3)
    rounds = json.loads(out)["rounds"]
    assert status == 0 and set(rounds) == {"random", "usdm"}
    for name, rows in rounds.items():
        assert len(rows) >= 5 and rows[-1]["labelled"] >= 300
        assert all(set(row) == ROUND_KEYS and row["strategy"] == name for row in rows)
        assert all(set(row["accuracy"]) == ACCURACY_KEYS for row in rows)
    assert rounds["random"][0]["accuracy"] == rounds["usdm"][0]["accuracy"]
    left = json.loads(run("-w", tmp_path / "demo", "status", "--json")[1])
    assert left["queue"]["open"] == 50


def test_strategies_as_json(run: Run) -> None:
    listed = json.loads(run("strategies", "--json")[1])
    assert {"random", "margin", "entropy", "kcenter", "usdm"} <= {row["name"] for row in listed}


BAD = {
    "unknown strategy": (("round", "--strategy", "margn"), 1, "margin"),
    "more than remain": (("round", "-n", "999"), 1, "Cannot queue 999 photos: 14 unlabelled"),
    "no source": (("import",), 2, "SOURCE"),
    "missing source": (("import", "nowhere"), 1, "nowhere"),
    "relocate nowhere": (("import", "--relocate", "nowhere"), 2, "nowhere"),
    "unknown option": (("round", "--strateg"), 2, "--strateg"),
    "unknown command": (("rounds",), 2, "rounds"),
    "unknown format": (("export", "--format", "xml"), 2, "xml"),
    "no model": (("predict", "photo.png"), 1, "no model"),
    "answers of no file": (("answers", "import", "none.jsonl"), 1, "none.jsonl"),
    "answers not JSON": (("answers", "import", "broken.jsonl"), 1, "line 1"),
    "answers unknown photo": (("answers", "import", "photo.jsonl"), 1, "nobody.png"),
    "answers unknown label": (("answers", "import", "label.jsonl"), 1, "hat"),
    "manifest of missing files": (("import", "missing.csv", "--labels-from", "csv"), 1, "gone.png"),
    "manifest without column": (("import", "column.csv", "--labels-from", "csv"), 1, "image"),
    "manifest unknown label": (("import", "hat.csv", "--labels-from", "csv"), 1, "hat"),
    "workspace there": (("init", "workspace", "--labels", "a,b"), 1, "already"),
    "label twice": (("init", "new", "--labels", "a,b,a"), 1, "twice"),
    "one label": (("init", "new", "--labels", "a"), 1, "2 are needed"),
    "nothing left": (("init", "new", "--labels", "a,b", "--heldout", "1.5"), 1, "below 1"),
    "folder is a file": (("init", "hat.csv", "--labels", "a,b"), 1, "hat.csv"),
    "other address": (("serve", "--host", "0.0.0.0"), 1, "labeller add"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_changes_nothing(
    case: str, small: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small.parent
    monkeypatch.chdir(folder)
    (folder / "broken.jsonl").write_text("{image")
    good = json.dumps({"image": "0.png", "labels": ["dress"]})
    for name, line in {
        "photo": {"image": "nobody.png", "labels": ["dress"]},
        "label": {"image": "1.png", "labels": ["hat"]},
    }.items():
        (folder / f"{name}.jsonl").write_text(f"{good}\n{json.dumps(line)}\n")
    (folder / "missing.csv").write_text("image,labels\nphotos/0.png,dress\ngone.png,dress\n")
    (folder / "column.csv").write_text("photo,labels\nphotos/0.png,dress\n")
    (folder / "hat.csv").write_text("image,labels\nphotos/0.png,hat\n")
    before = run("-w", small, "status", "--json")[1]
    arguments, expected, says = BAD[case]
    status, out, message = run("-w", small, *arguments)
    assert (status, out) == (expected, "")
    assert says in message and "Traceback" not in message
    assert status == 2 or len(message.splitlines()) == 1
    assert run("-w", small, "status", "--json")[1] == before


def test_no_workspace(tmp_path: Path, run: Run) -> None:
    for command in ("status", "round", "report", "export", "serve"):
        status, out, message = run("-w", tmp_path, command)
        assert (status, out) == (1, "") and "No workspace" in message


@pytest.mark.parametrize(
    ("content", "says"), [("strategy = ", "Correct the file"), ("batches = 3", "Known: ")]
)
def test_a_broken_configuration(small: Path, run: Run, content: str, says: str) -> None:
    (small / "al_fashion.toml").write_text(content)
    status, _, message = run("-w", small, "status")
    assert status == 1 and says in message and len(message.splitlines()) == 1


def test_a_database_of_a_newer_version(small: Path, run: Run) -> None:
    with writing(Workspace.open(small).engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    status, _, message = run("-w", small, "status")
    assert status == 1 and "Install a newer al-fashion" in message


def test_a_damaged_database(small: Path, run: Run) -> None:
    for path in small.glob("al_fashion.db*"):
        path.unlink()
    (small / "al_fashion.db").write_bytes(b"not a database" * 500)
    status, _, message = run("-w", small, "status")
    assert status == 1 and "Cannot use the database" in message


def test_a_port_in_use(small: Path, run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, message = run("-w", small, "serve", "--port", taken.getsockname()[1])
    assert status == 1 and "Choose another with --port" in message


def test_a_folder_that_cannot_be_written(tmp_path: Path, run: Run) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    status, _, message = run("init", tmp_path / "new", "--labels", "a,b")
    assert status == 1 and "can be written" in message
