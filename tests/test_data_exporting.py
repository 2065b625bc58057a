"""Exports and back: every format into an empty workspace, with names and answers of every kind."""

import csv
import json
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from sqlalchemy import select

from al_fashion.cli import cli
from al_fashion.data.exporting import export_photos
from al_fashion.data.formats import FILES, FOLDERS, NAMES
from al_fashion.data.formats.folders import folder_name
from al_fashion.data.given_answers import add_given_answers
from al_fashion.data.importing import ImportReport, import_photos
from al_fashion.errors import ExportError, MissingPhotos, SourceError, UnknownLabel
from al_fashion.files import file_hash
from al_fashion.store.answers import add_answer
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.predictions import pool_images, replace_predictions
from al_fashion.store.records import records
from al_fashion.store.rounds import record_round
from al_fashion.store.schema import Image, Query
from al_fashion.types import GivenAnswer, Record, RoundResult
from al_fashion.workspace import Workspace, create_workspace

LABELS = ("dress", "red; dark", 'a "shirt"', "Röckchen", "a/b", "..", "_none", "50%")
FILE_NAMES = (
    "plain.png",
    "a,b.png",
    'quo"ted.png',
    "semi;colon.png",
    "new\nline.png",
    "return\rhere.png",
    unicodedata.normalize("NFD", "Röckchen.png"),
    unicodedata.normalize("NFC", "Mütze.png"),
    " blanks .png",
    "=HYPERLINK(1).png",
    "::.png",
    "[1].png",
    "no ending",
    "100%25.PNG",
)
# The last photos: nobody said anything of them.
UNANSWERED = 4


def photos(folder: Path, names: tuple[str, ...] = FILE_NAMES) -> list[Path]:
    """Photos that differ, one in another folder with a name that comes twice."""
    paths = [folder / name for name in names] + [folder / "other" / "plain.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Pillow.fromarray(pixels).resize((40, 30)).save(path, "PNG")
    return paths


def answers_of(number: int) -> list[GivenAnswer]:
    """What is said of a photo: one, several, of every kind, split, with a verdict."""
    people = ("ann", 'Bob; the, "third"', "import", "ann@example.org")
    some = [LABELS[number % len(LABELS)], LABELS[(3 * number + 1) % len(LABELS)]]
    said = [GivenAnswer(people[number % 4], "labels", tuple(dict.fromkeys(some)), 1_000 + number)]
    if number % 2:
        said.append(GivenAnswer("cy", "none", (), 5_000 + number))
    if number % 3 == 1:
        said.append(GivenAnswer("dee", "labels", (LABELS[2],), 6_000, unseen=LABELS[6:]))
    if number % 5 == 2:
        said = [GivenAnswer("ann", "cannot_tell", (), 7_000)]
    if number % 5 == 3:
        skip = GivenAnswer("eve", "skip", (), 8_000, reason="not_in_list", proposal="hat, old")
        said.append(skip)
    if number % 7 == 3:
        said.append(GivenAnswer("ann", "labels", (LABELS[4],), 9_000, verdict=True))
    if number % 7 == 5:
        said = [GivenAnswer("ann", "none", (), 9_500)]
    return said


def filled(folder: Path, *, exclusive: bool = False, labels: tuple[str, ...] = LABELS) -> Workspace:
    """Photos with groups, splits, answers of several people, and some without any."""
    workspace = create_workspace(folder / "w", labels, exclusive=exclusive, seed=3)
    paths = photos(folder / "photos")
    listed = folder / "list.csv"
    with listed.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "sender"])
        for number, path in enumerate(paths):
            if "\r" not in path.name:  # which Python's own writer does not quote
                writer.writerow([str(path), "" if number % 3 else f"s{number % 2}, x"])
    import_photos(workspace, str(listed), labels_from="none", group_by="sender")
    listed.unlink()
    import_photos(workspace, str(folder / "photos"), labels_from="none")
    with writing(workspace.engine) as session:
        ids = [record.id for record in records(session)]
        said = {image: answers_of(n) for n, image in enumerate(ids[:-UNANSWERED])}
        if exclusive:
            said = {
                image: [replace(one, labels=one.labels[:1]) for one in answers]
                for image, answers in said.items()
            }
        add_given_answers(session, said)
    return workspace


def with_predictions(workspace: Workspace) -> Workspace:
    """A round thought something of every photo of the pool."""
    with writing(workspace.engine) as session:
        record_round(session, RoundResult(1, "random", 0, 0, None, 0.0), None, [], {})
        rows: list[dict[str, Any]] = [
            {
                "image_id": image_id,
                "round_id": 1,
                "top": 1,
                "probability": 0.75,
                "uncertainty": 0.5,
                "labels": [1, 3] if place % 2 else [],
            }
            for place, image_id in enumerate(pool_images(session))
        ]
        replace_predictions(session, rows)
    return workspace


def content(workspace: Workspace) -> dict[str, Record]:
    """Everything an export is to bring back; soft labels to nine digits."""
    with reading(workspace.engine) as session:
        return {
            record.id: replace(
                record,
                paths=(),
                predicted=None,
                soft=record.soft and {name: round(x, 9) for name, x in record.soft.items()},
            )
            for record in records(session)
        }


def imported(found: dict[str, Record]) -> dict[str, Record]:
    """What comes back of a content: an audit's photos that people answered train."""
    asked = {
        record.group
        for record in found.values()
        if record.split == "audit" and {one.labeller for one in record.answers} - {"import"}
    }
    return {
        image: replace(record, split="pool") if record.group in asked else record
        for image, record in found.items()
    }


def target(folder: Path, format_: str) -> Path:
    endings = {"csv": ".csv", "jsonl": ".jsonl"}
    return folder / f"out{endings.get(format_, '.json') if format_ in FILES else ''}"


def there_and_back(
    workspace: Workspace, folder: Path, format_: str, **options: Any
) -> tuple[Workspace, ImportReport]:
    """Export, import into an empty workspace with another seed."""
    out = target(folder, format_)
    export_photos(workspace, format_, out)
    with reading(workspace.engine) as session:
        from al_fashion.store.photos import labels, rules

        names, exclusive = [row.name for row in labels(session)], rules(session).exclusive
    back = create_workspace(folder / "back", names, exclusive=exclusive, seed=99)
    return back, import_photos(back, str(out), **options)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return filled(tmp_path)


def test_the_workspace_of_these_tests_has_everything(workspace: Workspace) -> None:
    found = content(workspace).values()
    assert len(found) == len(FILE_NAMES) + 1
    assert {record.split for record in found} == {"pool", "heldout", "audit"}
    kinds = {one.kind for record in found for one in record.answers}
    assert kinds == {"labels", "none", "cannot_tell", "skip"}
    assert any(len(record.answers) > 2 for record in found)
    assert sum(not record.answers for record in found) == UNANSWERED
    assert any(set((record.soft or {}).values()) & {0.5} for record in found)
    assert any(record.labels == () for record in found)
    assert len({record.group for record in found}) < len(found)
    assert any(one.unseen for record in found for one in record.answers)


@pytest.mark.parametrize("format_", [name for name in NAMES if name != "yolo"])
def test_everything_comes_back(workspace: Workspace, tmp_path: Path, format_: str) -> None:
    before = content(workspace)
    back, report = there_and_back(workspace, tmp_path, format_)
    assert report.new == len(before) and not report.quarantined
    assert content(back) == imported(before)


@pytest.mark.parametrize("format_", [name for name in NAMES if name != "yolo"])
def test_labels_that_exclude_each_other_come_back(tmp_path: Path, format_: str) -> None:
    workspace = filled(tmp_path, exclusive=True)
    back, _ = there_and_back(workspace, tmp_path, format_)
    assert content(back) == imported(content(workspace))


def test_yolo_brings_back_labels_and_splits(workspace: Workspace, tmp_path: Path) -> None:
    before = {i: (r.split, r.labels) for i, r in content(workspace).items() if r.labels}
    back, _ = there_and_back(workspace, tmp_path, "yolo")
    # Whom an audit's labels are from it does not say.
    expected = {i: ("pool" if s == "audit" else s, names) for i, (s, names) in before.items()}
    assert {i: (r.split, r.labels) for i, r in content(back).items()} == expected
    (remark,) = export_photos(workspace, "yolo", tmp_path / "again")
    left_out = len(content(workspace)) - len(before)
    assert "soft labels" in remark and f"{left_out} were left out" in remark


@pytest.mark.parametrize("format_", NAMES)
def test_imported_again_adds_nothing(workspace: Workspace, tmp_path: Path, format_: str) -> None:
    back, _ = there_and_back(workspace, tmp_path, format_)
    before = content(back)
    assert import_photos(back, str(target(tmp_path, format_))).new == 0
    assert content(back) == before
    # What was said since is not undone by what was said before.
    image = next(i for i, record in before.items() if record.answers)
    who = before[image].answers[0].labeller
    with writing(back.engine) as session:
        add_given_answers(session, {image: [GivenAnswer(who, "none", (), 2**41)]})
    changed = content(back)
    import_photos(back, str(target(tmp_path, format_)))
    assert content(back) == changed != before


@pytest.mark.parametrize("format_", FOLDERS)
def test_folders_hold_the_photos_themselves(
    workspace: Workspace, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "out"
    export_photos(workspace, format_, out)
    held = {file_hash(path) for path in out.rglob("*") if path.suffix.lower() == ".png"}
    known = content(workspace)
    assert held == {i for i in known if format_ != "yolo" or known[i].labels}


def test_nothing_is_overwritten_without_force(workspace: Workspace, tmp_path: Path) -> None:
    for format_ in NAMES:
        out = target(tmp_path / format_, format_)
        export_photos(workspace, format_, out)
        with pytest.raises(ExportError, match="--force"):
            export_photos(workspace, format_, out)
        export_photos(workspace, format_, out, force=True)
        left = {path.name for path in (tmp_path / format_).iterdir()}
        assert left <= {out.name, "out.config.xml"}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("dear diary")
    with pytest.raises(ExportError, match="does not delete"):
        export_photos(workspace, "yolo", mine, force=True)
    with pytest.raises(ExportError, match="is a folder"):
        export_photos(workspace, "csv", mine, force=True)
    assert (mine / "diary.txt").exists()


def test_a_workspace_never_overwrites_its_own_photos(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_photos(workspace, "imagefolder", out)
    second = create_workspace(tmp_path / "second", LABELS, seed=1)
    import_photos(second, str(out))
    held = sorted(out.rglob("*"))
    (tmp_path / "link").symlink_to(tmp_path)
    for place in (out, tmp_path / "link" / "out"):
        with pytest.raises(ExportError, match="this workspace needs"):
            export_photos(second, "imagefolder", place, answered=True, force=True)
    photo = next(path for path in held if path.suffix == ".png")
    with pytest.raises(ExportError, match="this workspace needs"):
        export_photos(second, "csv", photo, force=True)
    assert sorted(out.rglob("*")) == held
    third = create_workspace(out / "third", LABELS, seed=1)
    with pytest.raises(ExportError, match="this workspace needs"):
        export_photos(third, "yolo", out, force=True)


@pytest.mark.parametrize("header", ["{}", "[]", '{"format": "mine"}'])
def test_only_a_folder_of_an_export_is_deleted(
    workspace: Workspace, tmp_path: Path, header: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "al_fashion.json").write_text(header)
    with pytest.raises(ExportError, match="does not delete"):
        export_photos(workspace, "yolo", tmp_path / "out", force=True)


def test_nothing_is_half_written(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_photos(workspace, "imagefolder", out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (tmp_path / "photos" / "plain.png").unlink()
    with pytest.raises(MissingPhotos):
        export_photos(workspace, "imagefolder", out, force=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos", "w"]


def one_photo(folder: Path) -> tuple[Workspace, str]:
    workspace = create_workspace(folder / "w", LABELS, seed=3)
    photos(folder / "photos", ())
    import_photos(workspace, str(folder / "photos"), labels_from="none")
    (image,) = content(workspace)
    return workspace, image


def test_a_skip_that_came_leaves_the_photo_in_the_queue(tmp_path: Path) -> None:
    workspace, image = one_photo(tmp_path)
    result = RoundResult(1, "random", 0, 1, None, 0.0)
    states = []
    with writing(workspace.engine) as session:
        record_round(session, result, None, [(image, "train", None)], {})
        for kind in ("skip", "none"):
            given = [GivenAnswer("ann" if kind == "skip" else "bob", kind, (), 1_000)]  # type: ignore[arg-type]
            assert add_given_answers(session, {image: given}) == 1
            states += session.scalars(select(Query.state)).all()
    assert states == ["open", "answered"]


def test_one_name_in_several_spellings_is_one_labeller(tmp_path: Path) -> None:
    workspace, image = one_photo(tmp_path)
    names_ = ("Ren\u00e9", "Rene\u0301", "Ren\u00e9 ")
    given = [GivenAnswer(name, "labels", (LABELS[n],), 1_000) for n, name in enumerate(names_)]
    with writing(workspace.engine) as session:
        assert add_given_answers(session, {image: given}) == 1
    (answer,) = content(workspace)[image].answers
    assert (answer.labeller, answer.labels) == (names_[0], (LABELS[2],))


def test_a_correction_outlives_an_answer_stamped_ahead(tmp_path: Path) -> None:
    workspace, image = one_photo(tmp_path)
    file = tmp_path / "given.jsonl"
    ahead = {"labeller": "ann", "kind": "labels", "labels": ["dress"]}
    ahead["created_ms"] = now_ms() + 60 * 60 * 1000  # type: ignore[assignment]
    row = {"image": str(tmp_path / "photos" / "other" / "plain.png"), "answers": [ahead]}
    file.write_text(json.dumps(row))
    import_photos(workspace, str(file))
    with writing(workspace.engine) as session:
        add_answer(
            session,
            image_id=image,
            query_id=None,
            labeller=labeller(session, "ann"),
            kind="labels",
            label_names=[LABELS[1]],
            client_id="corrected",
        )
    corrected = content(workspace)
    import_photos(workspace, str(file))
    assert content(workspace) == corrected
    assert corrected[image].labels == (LABELS[1],)


def test_splits_can_be_drawn_anew(workspace: Workspace, tmp_path: Path) -> None:
    back, _ = there_and_back(workspace, tmp_path, "jsonl", draw_splits=True)
    found, before = content(back), content(workspace)
    assert {i: r.answers for i, r in found.items()} == {i: r.answers for i, r in before.items()}
    assert {i: r.split for i, r in found.items()} != {i: r.split for i, r in before.items()}


def test_as_truth_the_pools_labels_are_kept_back(workspace: Workspace, tmp_path: Path) -> None:
    back, _ = there_and_back(workspace, tmp_path, "jsonl", labels_as="truth")
    before = content(workspace)
    for image, record in content(back).items():
        assert record.answers == (before[image].answers if record.split == "heldout" else ())


def test_only_answered_photos(workspace: Workspace, tmp_path: Path) -> None:
    export_photos(workspace, "csv", tmp_path / "out.csv", answered=True)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    known = {i: r.labels for i, r in content(workspace).items() if r.labels is not None}
    assert {row["id"] for row in rows} == known.keys()
    assert {row["known"] for row in rows} == {"yes"}
    assert all(row["labels"] == "|".join(known[row["id"]] or ()) for row in rows)


def test_the_command_says_what_a_format_cannot_carry(workspace: Workspace, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(cli, ["-w", str(workspace.folder), *map(str, arguments)])

    done = run("export", "--format", "yolo", "-o", tmp_path / "yolo")
    assert done.exit_code == 0 and done.stdout == "" and done.stderr.count("\n") == 1
    assert run("export", "--format", "yolo").exit_code == 2
    done = run("export", "--format", "jsonl")
    assert len(done.stdout.splitlines()) >= len(FILE_NAMES)
    assert done.stderr == ""
    assert run("export", "--format", "coco", "-o", tmp_path / "c.json").stderr == ""


def test_label_studio_gets_predictions_of_the_pool_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    out = tmp_path / "tasks.json"
    export_photos(with_predictions(workspace), "labelstudio", out)
    known = content(workspace)
    predicted = {}
    for task in json.loads(out.read_text()):
        for row in task.get("predictions", []):
            assert (row["model_version"], row["score"]) == ("round 1", 0.75)
            (result,) = row["result"]
            said = (result["from_name"], result["value"]["choices"])
            predicted[task["data"]["al_fashion"]["id"]] = said
    assert predicted.keys() == {i for i, record in known.items() if record.split == "pool"}
    assert ("labels", ["dress", LABELS[2]]) in predicted.values()
    assert ("kind", ["none"]) in predicted.values()
    back = create_workspace(tmp_path / "back", LABELS, seed=99)
    import_photos(back, str(out))
    assert content(back) == imported(known)


@pytest.mark.parametrize("split", ["pool", "heldout", "audit"])
def test_coco_of_others_and_coco_that_was_changed(
    workspace: Workspace, tmp_path: Path, split: str
) -> None:
    out = tmp_path / "coco.json"
    export_photos(workspace, "coco", out)
    found = json.loads(out.read_text())
    image = next(row for row in found["images"] if row["al_fashion"]["labels"])
    image["al_fashion"]["split"] = split
    found["annotations"] = [
        row for row in found["annotations"] if row["image_id"] != image["id"]
    ] + [{"id": 10**6, "image_id": image["id"], "category_id": 4, "bbox": [1, 1, 2, 2]}]
    for row in found["images"]:
        if row is not image:
            del row["al_fashion"]
    out.write_text(json.dumps(found))
    back = create_workspace(tmp_path / "back", LABELS, seed=1)
    import_photos(back, str(out))
    before, after = content(workspace), content(back)
    changed = after[image["al_fashion"]["id"]]
    assert changed.labels == ("Röckchen",)
    assert changed.split == ("pool" if split == "audit" else split)
    for photo in after.keys() - {changed.id}:
        assert after[photo].labels == (before[photo].labels or None)


def test_yolo_and_hugging_face_folders_of_others(tmp_path: Path) -> None:
    paths = photos(tmp_path / "photos", ("a.png", "b.png", "c.png"))
    for path, place in zip(paths, ("train/dress", "val/a%2Fb", "train/a%2Fb"), strict=False):
        (tmp_path / "yolo" / place).mkdir(parents=True)
        (tmp_path / "yolo" / place / path.name).write_bytes(path.read_bytes())
    back = create_workspace(tmp_path / "back", LABELS, seed=1)
    arguments = ["-w", str(back.folder), "import", "--format", "yolo", str(tmp_path / "yolo")]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    found = sorted((record.split, record.labels) for record in content(back).values())
    assert found == [("heldout", ("a/b",)), ("pool", ("a/b",)), ("pool", ("dress",))]
    # Without a word folders are folders: their splits were not drawn at random.
    other = create_workspace(tmp_path / "other", LABELS, seed=1)
    import_photos(other, str(tmp_path / "yolo"))
    assert {record.labels for record in content(other).values()} == {None}

    hugging = tmp_path / "photos"
    rows = [{"file_name": "a.png", "labels": ["dress"]}, {"file_name": "other/plain.png"}]
    (hugging / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    third = create_workspace(tmp_path / "third", LABELS, seed=1)
    import_photos(third, str(hugging), format_="huggingface")
    assert {record.labels for record in content(third).values()} == {("dress",), None}


def test_what_others_call_answers_is_not_read(tmp_path: Path) -> None:
    photos(tmp_path, ("a.png",))
    rows = [
        {"file_name": "a.png", "answers": "yes, no", "labels": ["dress"]},
        {"file_name": "other/plain.png", "answers": "[]", "known": 1, "labels": ["50%"]},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    back = create_workspace(tmp_path / "back", LABELS, seed=1)
    import_photos(back, str(tmp_path), format_="huggingface")
    assert {record.labels for record in content(back).values()} == {("dress",), ("50%",)}


@pytest.mark.parametrize("format_", NAMES)
def test_an_audits_photos_that_people_answered_are_not_fresh_again(
    tmp_path: Path, format_: str
) -> None:
    workspace = filled(tmp_path)
    with writing(workspace.engine) as session:
        for image in session.scalars(select(Image)):
            image.split = "audit"
        import_, ann = (
            GivenAnswer(name, "labels", ("dress",), 10**6) for name in ("import", "ann")
        )
        ids = [record.id for record in records(session) if not record.answers]
        add_given_answers(session, {ids[0]: [import_], ids[1]: [ann]})
    back, report = there_and_back(workspace, tmp_path, format_)
    before, after = content(workspace), content(back)
    for image, record in after.items():
        people = {one.labeller for one in before[image].answers} - {"import"}
        assert record.split == "pool" or not people
    if format_ != "yolo":
        assert "to the pool" in "".join(report.remarks)
        assert "audit" in {record.split for record in after.values() if record.answers}
        assert after == imported(before)


def test_lines_without_answers_are_labels(tmp_path: Path) -> None:
    paths = photos(tmp_path / "photos")
    lines: list[dict[str, Any]] = [
        {"image": "plain.png", "labels": ["dress"]},
        {"image": str(paths[1]), "labels": [], "group": "g"},
        {"image": paths[2].name},
        {"image": paths[3].name, "labels": ["dress"], "labeller": "ann"},
        {"image": paths[3].name, "labels": ["Röckchen"], "labeller": "bob"},
    ]
    file = tmp_path / "photos" / "some.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    back = create_workspace(tmp_path / "back", LABELS, seed=1)
    report = import_photos(back, str(file))
    assert (report.new, report.labelled) == (4, 3)
    found = {record.group: record for record in content(back).values()}
    assert found["g"].labels == ()
    said = {record.labels: {a.labeller for a in record.answers} for record in found.values()}
    assert said == {
        ("dress",): {"import"},
        (): {"import"},
        None: set(),
        ("dress", "Röckchen"): {"ann", "bob"},
    }


WRONG: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "line 1 is not JSON"),
    "no object": ("[1]", "no JSON object"),
    "no image": ('{"labels": []}', "line 1"),
    "labels no list": ('{"image": "plain.png", "labels": "dress"}', "list of texts"),
    "answer without kind": ('{"image": "plain.png", "answers": [{"labeller": "a"}]}', "kind"),
    "answer of an unknown kind": (
        '{"image": "plain.png", "answers": [{"labeller": "a", "kind": "undo"}]}',
        "undo",
    ),
    "time": (
        '{"image": "plain.png", "answers": [{"labeller": "a", "kind": "none", "created_ms": -1}]}',
        "created_ms",
    ),
    "a time to come": (
        '{"image": "plain.png", "answers": [{"labeller": "a", "kind": "none", '
        '"created_ms": 1000000000000000}]}',
        "up to tomorrow",
    ),
    "formula": ('{"image": "plain.png", "group": " =HYPERLINK(1)"}', "cannot be a group"),
    "half a sign": ('{"image": "\\ud800.png"}', "line 1"),
    "no such photo": ('{"image": "nobody.png"}', "nobody.png"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_lines_are_refused_whole(tmp_path: Path, name: str) -> None:
    photos(tmp_path / "photos")
    line, expected = WRONG[name]
    file = tmp_path / "photos" / "some.jsonl"
    file.write_text(line + '\n{"image": "plain.png"}')
    back = create_workspace(tmp_path / "back", LABELS, seed=1)
    with pytest.raises(SourceError, match=expected):
        import_photos(back, str(file))
    assert content(back) == {}


def test_unknown_labels_of_answers_are_named(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    export_photos(workspace, "jsonl", out)
    back = create_workspace(tmp_path / "back", LABELS[:3], seed=1)
    with pytest.raises(UnknownLabel, match="Röckchen"):
        import_photos(back, str(out))
    meaning = tmp_path / "map.csv"
    rows = [f'"{name}",dress' for name in LABELS[3:]]
    meaning.write_text("\n".join(["folder,labels", *rows]))
    import_photos(back, str(out), class_map=meaning)
    assert len(content(back)) == len(FILE_NAMES) + 1


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(names.filter(lambda name: name.strip() == name and name.isprintable()))
def test_every_label_can_be_a_folder(name: str) -> None:
    from urllib.parse import unquote

    folder = folder_name(name)
    assert unquote(folder) == name
    assert not set(folder) & set('/\\:*?"<>|\0') and folder not in (".", "..")
    assert folder[0] not in "._" and folder[-1] not in ". "
