"""Imports end to end on a real database: nothing twice, nothing lost, nothing by halves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import func, select

from al_fashion.data import fashion_mnist
from al_fashion.data.answers import import_answers
from al_fashion.data.importing import ImportReport, import_photos
from al_fashion.data.places import missing_photos, relocate
from al_fashion.errors import SourceError, UnknownLabel, WorkspaceError
from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import count_photos, image_paths, label_ids
from al_fashion.store.schema import Answer, Base, File, Image, Query, Round, Truth
from al_fashion.workspace import Workspace, create_workspace

LABELS = ("dress", "red", "shirt")


def make(folder: Path, **options: Any) -> Workspace:
    return create_workspace(folder, options.pop("labels", LABELS), **{"seed": 7, **options})


def photo(path: Path, number: int, side: int = 80) -> Path:
    """A small photo whose pixels depend on the number only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).resize((side, side // 2)).save(path, "PNG")
    return path


def tree(root: Path, n: int) -> Path:
    for number in range(n):
        photo(root / ("dress", "shirt")[number % 2] / f"{number:03}.png", number)
    return root


def manifest(root: Path, rows: list[str], header: str = "image,labels,sender") -> Path:
    file = root / "list.csv"
    file.write_text("\n".join([header, *rows, ""]))
    return file


def run(workspace: Workspace, source: Path | str, **options: Any) -> ImportReport:
    return import_photos(workspace, str(source), **options)


def rows(workspace: Workspace, table: type[Base]) -> list[tuple[Any, ...]]:
    """Everything in a table but the times at which it was written."""
    columns = [c for c in table.__table__.columns if c.name != "created_ms"]
    with reading(workspace.engine) as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(*columns))]


def everything(workspace: Workspace) -> list[list[tuple[Any, ...]]]:
    return [rows(workspace, table) for table in (File, Image, Answer, Truth)]


def splits(workspace: Workspace) -> dict[str, str]:
    with reading(workspace.engine) as session:
        return {str(i): s for i, s in session.execute(select(Image.id, Image.split))}


def answered(workspace: Workspace) -> dict[str, list[int]]:
    """The newest answer to each photo, by file name."""
    with reading(workspace.engine) as session:
        statement = select(File.name, Answer.labels).join(File, File.image_id == Answer.image_id)
        return {str(n): ids for n, ids in session.execute(statement.order_by(Answer.id))}


def test_a_tree_becomes_photos_with_splits_and_answers(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    report = run(workspace, tree(tmp_path / "in", 100))
    assert (report.found, report.new, report.labelled, report.duplicates) == (100, 100, 100, 0)
    assert report.splits == {"pool": 70, "heldout": 20, "audit": 10}
    with reading(workspace.engine) as session:
        counts = count_photos(session)
        heldout = consensus(session, "heldout")
    assert counts == {"pool": 0, "labelled": 70, "heldout": 20, "audit": 10, "quarantined": 0}
    assert len(heldout.ids) == 20
    assert heldout.hard.sum(axis=1).tolist() == [1] * 20
    assert Workspace.open(workspace.folder).config.input_size == 224


def test_small_photos_make_a_small_input(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    photo(tmp_path / "in" / "1.png", 1, side=28)
    run(workspace, tmp_path / "in")
    assert Workspace.open(workspace.folder).config.input_size == 48


def test_a_repeated_import_adds_nothing(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    source = tree(tmp_path / "in", 30)
    run(workspace, source)
    before = everything(workspace)
    report = run(workspace, source)
    assert (report.new, report.known) == (0, 30)
    assert "0 new photos" in report.text()
    assert everything(workspace) == before


def test_splits_depend_on_neither_labels_nor_places(tmp_path: Path) -> None:
    found = []
    for name, prefix in (("a", ""), ("b", "z")):
        for number in range(40):
            folder = "dress" if name == "a" or number > 3 else "shirt"
            photo(tmp_path / name / folder / f"{prefix}{number * 7 % 40}.png", number)
        workspace = make(tmp_path / f"w{name}")
        run(workspace, tmp_path / name)
        found.append(splits(workspace))
    assert found[0] == found[1]
    other = make(tmp_path / "wc", seed=8)
    run(other, tmp_path / "a")
    assert splits(other) != found[0]


def test_groups_are_never_cut_even_over_two_imports(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    root = tmp_path / "in"
    lines = [f"{photo(root / f'{n}.png', n).name},dress,{n % 23}" for n in range(120)]
    run(workspace, manifest(root, lines[:60]), group_by="sender")
    first = splits(workspace)
    run(workspace, manifest(root, lines), group_by="sender")
    with reading(workspace.engine) as session:
        placed = session.execute(select(Image.group, Image.split).distinct()).all()
        by_group = session.execute(select(Image.group, func.count()).group_by(Image.group)).all()
    assert len(placed) == len(by_group) == 23
    assert {split for _, split in placed} == {"pool", "heldout", "audit"}
    assert first.items() <= splits(workspace).items()


def test_a_photo_in_two_groups_joins_them(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    root = tmp_path / "in"
    lines = [f"{photo(root / f'{n}.png', n).name},,{n // 2}" for n in range(40)]
    photo(root / "copy.png", 0)
    run(workspace, manifest(root, [*lines, "copy.png,,19"]), group_by="sender")
    with reading(workspace.engine) as session:
        names = dict(
            session.execute(
                select(File.name, Image.group).join_from(File, Image, File.image_id == Image.id)
            )
            .tuples()
            .all()
        )
    assert len({names[name] for name in ("0.png", "1.png", "copy.png", "38.png", "39.png")}) == 1
    assert len(set(names.values())) == 19


def test_duplicates_are_one_photo_with_all_their_labels(tmp_path: Path) -> None:
    for folder in ("dress", "shirt"):
        photo(tmp_path / "in" / folder / "1.png", 1)
    photo(tmp_path / "in" / "dress" / "2.png", 2)
    workspace = make(tmp_path / "w")
    report = run(workspace, tmp_path / "in")
    assert (report.new, report.duplicates) == (2, 1)
    with reading(workspace.engine) as session:
        assert answered(workspace)["1.png"] == label_ids(session, ["dress", "shirt"])
        ids = list(session.scalars(select(Image.id)))
        assert sorted(map(len, image_paths(session, ids).values())) == [1, 2]

    exclusive = make(tmp_path / "x", exclusive=True)
    report = run(exclusive, tmp_path / "in")
    assert report.labelled == 1
    assert "exclude each other" in report.text()
    assert set(answered(exclusive)) == {"2.png"}


def test_changed_labels_supersede_and_close_queries(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    root = tmp_path / "in"
    photo(root / "1.png", 1)
    run(workspace, manifest(root, ["1.png,,"]))
    with writing(workspace.engine) as session:
        image_id = session.scalars(select(Image.id)).one()
        session.add(
            Round(
                id=1,
                strategy="x",
                labelled=0,
                queued=1,
                seconds=0,
                created_ms=0,
                evaluation=None,
                info={},
            )
        )
        session.flush()
        session.add(Query(round_id=1, image_id=image_id, purpose="train", priority=0, state="open"))
    for labels in ("red", "shirt", "red"):
        run(workspace, manifest(root, [f"1.png,{labels},"]))
        with reading(workspace.engine) as session:
            assert answered(workspace)["1.png"] == label_ids(session, [labels])
    with reading(workspace.engine) as session:
        chain = session.scalars(select(Answer.supersedes).order_by(Answer.id)).all()
        assert session.scalars(select(Query.state)).all() == ["answered"]
    assert chain == [None, 1, 2]


def test_a_repeated_import_leaves_a_correction(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    root = tree(tmp_path / "in", 4)
    run(workspace, root)
    line = '{"image": "000.png", "labels": ["shirt"]}\n'
    (tmp_path / "corrected.jsonl").write_text(line)
    assert import_answers(workspace, tmp_path / "corrected.jsonl", "import") == 1
    run(workspace, root)
    assert answered(workspace)["000.png"] == [3]


def test_truth_is_kept_back_but_for_held_out_photos(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    source = tree(tmp_path / "in", 50)
    for _ in range(2):
        run(workspace, source, labels_as="truth")
        assert len(rows(workspace, Truth)) == 40
        assert len(rows(workspace, Answer)) == 10
    with reading(workspace.engine) as session:
        assert count_photos(session)["labelled"] == 0
        assert len(consensus(session, "heldout").ids) == 10


def test_what_is_no_photo_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    root = tmp_path / "in"
    whole = photo(root / "good.png", 1).read_bytes()
    (root / "half.png").write_bytes(whole[: len(whole) // 2])
    (root / "empty.jpg").touch()
    (root / "page.jpg").write_text("<html>not found</html>")
    (root / "folder.jpg").mkdir()
    (root / "gone.jpg").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe.jpg")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(whole)
    workspace = make(tmp_path / "w")
    report = run(workspace, root)
    reasons = {Path(path).name: reason for path, reason in report.quarantined}
    assert reasons.pop("half.png").startswith("damaged")
    assert reasons == {
        "empty.jpg": "empty file",
        "page.jpg": "not an image",
        "folder.jpg": "a folder",
        "gone.jpg": "cannot be read: broken link",
        "pipe.jpg": "not a regular file",
        "caf\\udce9.png": "its name is not UTF-8",
    }
    assert (report.found, report.new) == (8, 1)
    (root / "half.png").write_bytes(whole)
    report = run(workspace, root)
    assert (report.duplicates, len(report.quarantined)) == (1, 6)
    with reading(workspace.engine) as session:
        assert count_photos(session)["quarantined"] == 6


def test_the_workspace_among_the_photos_is_passed_by(tmp_path: Path) -> None:
    photo(tmp_path / "1.png", 1)
    workspace = make(tmp_path)
    (workspace.features / "x").mkdir(parents=True)
    (workspace.features / "x" / "rows.bin").write_bytes(b"x")
    report = run(workspace, tmp_path)
    assert (report.found, report.new) == (1, 1)


def test_a_limit_takes_the_same_part_again(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    source = tree(tmp_path / "in", 40)
    run(workspace, source, limit=10)
    first = set(splits(workspace))
    assert run(workspace, source, limit=10).new == 0
    assert run(workspace, source, limit=15).new == 5
    assert first < set(splits(workspace))


@pytest.mark.parametrize(
    ("source", "error"),
    [("labels.csv", UnknownLabel), ("missing.csv", SourceError), ("nowhere", SourceError)],
)
def test_a_refused_source_changes_nothing(
    tmp_path: Path, source: str, error: type[Exception]
) -> None:
    workspace = make(tmp_path / "w")
    root = tree(tmp_path / "in", 4)
    run(workspace, root)
    photo(root / "new.png", 99)
    (root / "labels.csv").write_text("image,labels\nnew.png,hat\n")
    (root / "missing.csv").write_text("image,labels\nnew.png,red\nno.png,red\n")
    before = everything(workspace)
    with pytest.raises(error):
        run(workspace, root / source)
    assert everything(workspace) == before


def test_exclusive_workspaces_refuse_several_labels(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w", exclusive=True)
    photo(tmp_path / "in" / "1.png", 1)
    with pytest.raises(SourceError, match=r"one a photo: .*1\.png"):
        run(workspace, manifest(tmp_path / "in", ["1.png,red|dress,"]))
    assert everything(workspace) == [[], [], [], []]


def test_groups_that_spreadsheets_would_compute_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "1.png", 1)
    source = manifest(tmp_path, ["1.png,,x"], "image,labels,=sender")
    workspace = make(tmp_path / "w")
    with pytest.raises(SourceError, match="cannot be a group"):
        run(workspace, source, group_by="=sender")
    source = manifest(tmp_path, ["1.png,,=x"])
    assert run(workspace, source, group_by="sender").new == 1, "it is called sender==x"


def test_photos_imported_without_groups_are_said_to_stay_so(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    photo(tmp_path / "in" / "1.png", 1)
    file = manifest(tmp_path / "in", ["1.png,red,5"])
    run(workspace, file)
    assert "without a group" in run(workspace, file, group_by="sender").text()


def test_moved_photos_are_found_again(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    source = tree(tmp_path / "in", 12)
    run(workspace, source)
    assert missing_photos(workspace) == []
    (source / "dress").rename(tmp_path / "moved")
    lost = tmp_path / "moved" / "000.png"
    lost.unlink()
    assert len(missing_photos(workspace)) == 6
    (tmp_path / "moved" / "other.txt").write_text("no photo")
    assert relocate(workspace, tmp_path / "moved") == (5, 1)
    [(_, path)] = missing_photos(workspace)
    assert Path(path).name == "000.png"
    assert len(rows(workspace, File)) == 12
    assert str(tmp_path / "moved" / "002.png") in {row[0] for row in rows(workspace, File)}


@contextmanager
def unprivileged() -> Iterator[None]:
    """Act as a user without special rights, as root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_tmp(tmp_path: Path) -> Path:
    """A temporary folder that every user may enter."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    return tmp_path


def test_folders_without_rights_are_said_to_be_so(open_tmp: Path) -> None:
    workspace = make(open_tmp / "w")
    source = tree(open_tmp / "in", 4)
    workspace.folder.chmod(0o555)
    with unprivileged(), pytest.raises(WorkspaceError, match="cannot be written"):
        run(workspace, source)
    assert everything(workspace) == [[], [], [], []]
    workspace.folder.chmod(0o777)
    for file in workspace.folder.iterdir():
        file.chmod(0o666)
    (source / "dress").chmod(0)
    (source / "shirt" / "001.png").chmod(0)
    with unprivileged():
        report = run(workspace, source)
    reasons = {Path(path).name: reason for path, reason in report.quarantined}
    assert reasons == {
        "dress": "cannot be read: Permission denied",
        "001.png": "cannot be read: Permission denied",
    }
    (source / "dress").chmod(0o755)
    source.chmod(0)
    with unprivileged(), pytest.raises(SourceError, match="cannot be read"):
        run(workspace, source)


def test_a_database_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    with workspace.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.rollback()
    with pytest.raises(WorkspaceError, match="readonly database"):
        run(workspace, tree(tmp_path / "in", 4))


SLOW_PHASES = {
    "reading": """
from al_fashion.data import images, inspection
inspection.BATCH = 4
read, seen = images.read_content, []
def slow(path):
    seen.append(path)
    if len(seen) > 10:
        time.sleep(0.5)  # until the two batches before are written
        wait()
    return read(path)
images.read_content = slow
""",
    "committing": """
from al_fashion.config import Config
Config.save = lambda self, folder: wait()
""",
}

SCRIPT = """
import os, sys, time
from pathlib import Path
def wait():
    os.write(1, b"ready\\n")
    time.sleep(60)
{phase}
from al_fashion.data.importing import import_photos
from al_fashion.workspace import Workspace
import_photos(Workspace.open(Path(sys.argv[1])), sys.argv[2])
"""


@pytest.mark.parametrize("phase", SLOW_PHASES)
def test_a_killed_import_is_finished_by_the_same_call(tmp_path: Path, phase: str) -> None:
    source = tree(tmp_path / "in", 30)
    workspace = make(tmp_path / "killed")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(phase=SLOW_PHASES[phase]), workspace.folder, source],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert rows(workspace, Image) == rows(workspace, Answer) == []
    assert len(rows(workspace, File)) == {"reading": 8, "committing": 30}[phase]
    run(workspace, source)
    undisturbed = make(tmp_path / "undisturbed")
    run(undisturbed, source)
    assert everything(workspace) == everything(undisturbed)
    assert workspace.config == undisturbed.config


def test_only_one_import_at_a_time(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    source = tree(tmp_path / "in", 2)
    with Workspace.open(workspace.folder).lock("round"), pytest.raises(WorkspaceError):
        run(workspace, source)


def test_fashion_mnist_by_its_name(tmp_path: Path) -> None:
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    workspace = make(tmp_path / "w", labels=fashion_mnist.CLASSES, exclusive=True)
    report = run(workspace, "fashion-mnist", limit=1000, labels_as="truth")
    assert report.splits == {"pool": 700, "heldout": 200, "audit": 100}
    assert run(workspace, "fashion-mnist", limit=1000, labels_as="truth").new == 0
    assert missing_photos(workspace) == []
    with reading(workspace.engine) as session:
        statement = select(File.path, Truth.labels).join(Truth, Truth.image_id == File.image_id)
        for path, ids in session.execute(statement):
            assert ids == label_ids(session, [fashion_mnist.label(path)])
    assert Workspace.open(workspace.folder).config.input_size == 48
