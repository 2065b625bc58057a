"""Backups: whole, of one moment, and back."""

import sqlite3
import threading
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from workspaces import queue_of

from al_fashion.cli import cli
from al_fashion.errors import WorkspaceError
from al_fashion.store.answers import save_answer
from al_fashion.store.backup import back_up, check_backup, restore
from al_fashion.store.database import writing
from al_fashion.store.leases import claim
from al_fashion.workspace import Workspace


def answer(workspace: Workspace) -> bool:
    with writing(workspace.engine) as session:
        held = claim(session, "ann", limit=1)
        if held:
            save_answer(
                session,
                labeller="ann",
                token=held[0].token,
                kind="labels",
                label_names=["dress"],
                client_id=held[0].token,
            )
    return bool(held)


def test_there_and_back_while_people_answer(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 300)
    assert answer(workspace)
    thread = threading.Thread(target=lambda: [answer(workspace) for _ in range(60)])
    thread.start()
    rows = back_up(workspace, tmp_path / "b.zip")
    thread.join()
    assert check_backup(tmp_path / "b.zip") == rows and 1 <= rows["answer"] <= 61
    assert restore(tmp_path / "b.zip", tmp_path / "again") == rows
    again = Workspace.open(tmp_path / "again")
    assert again.config == workspace.config
    assert answer(again), "it goes on"
    with pytest.raises(WorkspaceError, match="there already"):
        restore(tmp_path / "b.zip", tmp_path / "again")


def test_what_was_changed_is_refused(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 3)
    back_up(workspace, tmp_path / "b.zip")
    whole = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_text("no backup")
    with (
        zipfile.ZipFile(tmp_path / "b.zip") as source,
        zipfile.ZipFile(tmp_path / "other.zip", "w") as target,
    ):
        for name in source.namelist():
            more = b"database = 'x'\n" if name.endswith("toml") else b""
            target.writestr(name, source.read(name) + more)
    for name in ("cut", "text", "other", "nowhere"):
        with pytest.raises(WorkspaceError):
            restore(tmp_path / f"{name}.zip", tmp_path / name)
        assert not (tmp_path / name).exists()


def test_a_damaged_database_is_not_backed_up(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 50)
    path = workspace.folder / "al_fashion.db"
    workspace.engine.dispose()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[8192:20_000] = b"\xff" * (20_000 - 8192)
    path.write_bytes(content)
    with pytest.raises(WorkspaceError):
        back_up(workspace, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_whatever_is_damaged_is_one_clear_line(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 1)
    back_up(workspace, tmp_path / "b.zip")
    whole = (tmp_path / "b.zip").read_bytes()
    damaged = tmp_path / "damaged.zip"
    refused = 0
    # Every byte of what tells where and how things are packed, and some of what is packed.
    packed = whole.index(b"PK\x01\x02")
    for place in [*range(0, 60), *range(60, packed, packed // 40), *range(packed, len(whole))]:
        for bits in (0x01, 0xFF):
            content = bytearray(whole)
            content[place] ^= bits
            damaged.write_bytes(content)
            try:
                check_backup(damaged)
            except WorkspaceError:
                refused += 1
    assert refused > 100


def test_a_folder_may_be_called_what_an_address_may_not(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "50% off? #1", "", 2)
    rows = back_up(workspace, tmp_path / "b.zip")
    assert rows["image"] == 2
    assert restore(tmp_path / "b.zip", tmp_path / "an%20other#?") == rows


def test_the_commands(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 3)
    file = str(tmp_path / "b.zip")
    run = CliRunner().invoke
    made = run(cli, ["-w", str(workspace.folder), "backup", file])
    if workspace.engine.dialect.name == "postgresql":
        assert "pg_dump" in str(made.exception)
        return
    assert "3 photos, 0 answers" in made.output
    assert "is whole" in run(cli, ["restore", "--verify", file]).output
    assert "restored" in run(cli, ["restore", file, str(tmp_path / "new")]).output
    assert run(cli, ["restore", file]).exit_code == 2
    assert Workspace.open(tmp_path / "new").config.database == ""
