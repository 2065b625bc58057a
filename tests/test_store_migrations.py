"""The migrations make exactly the tables that the code uses, and lose nothing of older ones."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

import al_fashion.store
from al_fashion.errors import WorkspaceError
from al_fashion.store.database import open_database, reading, writing
from al_fashion.store.leases import claim
from al_fashion.store.queue import queue_counts
from al_fashion.store.schema import REVISION, Answer, Base, Slot

SCRIPTS = Path(next(iter(al_fashion.store.__path__))) / "migrations"
OLD_ROWS = """
INSERT INTO rules VALUES (1, {false}, 'accuracy', 0.2, 0.1, 7);
INSERT INTO label VALUES (1, 'dress', 0), (2, 'shirt', 1);
INSERT INTO labeller VALUES (1, 'ann', 'person'), (2, 'bob', 'person');
INSERT INTO image VALUES ('a', 8, 8, 'image/png', 'a', 'pool', 0.1),
  ('b', 8, 8, 'image/png', 'b', 'pool', 0.2), ('c', 8, 8, 'image/png', 'c', 'pool', 0.3);
INSERT INTO round VALUES (1, 'random', 0, 3, 0.5, 1000, NULL, '{{}}');
INSERT INTO query VALUES (1, 1, 'a', 'train', 0, NULL, 'answered'),
  (2, 1, 'b', 'train', 1, NULL, 'closed'), (3, 1, 'c', 'train', 2, NULL, 'open');
INSERT INTO answer VALUES (1, 'a', 1, 2, 'skip', '[]', 'x', NULL, 1000),
  (2, 'a', 1, 1, 'labels', '[1]', 'y', NULL, 2000), (3, 'a', 1, 2, 'labels', '[2]', 'z', 1, 3000),
  (4, 'b', 2, 1, 'skip', '[]', 'w', NULL, 4000);
"""


def old_database(url: str) -> None:
    """A database of schema 0001 with answers in it."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        false = "0" if engine.dialect.name == "sqlite" else "false"
        for statement in OLD_ROWS.format(false=false).split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.strip())
    engine.dispose()


def test_migrated_tables_are_those_of_the_schema(database: str) -> None:
    engine = open_database(database)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == REVISION


def test_an_older_workspace_keeps_everything(database: str) -> None:
    old_database(database)
    engine = open_database(database)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    with reading(engine) as session:
        assert queue_counts(session) == {"open": 1, "answered": 1, "closed": 1}
        answers = session.query(Answer).order_by(Answer.id).all()
        assert [(row.labels, row.created_ms, row.late) for row in answers] == [
            ([], 1000, False),
            ([1], 2000, False),
            ([2], 3000, True),
            ([], 4000, False),
        ]
        slots = session.query(Slot).order_by(Slot.query_id).all()
        assert [(row.state, row.labeller_id) for row in slots] == [
            ("answered", 1),
            ("closed", None),
            ("free", None),
        ]
    with writing(engine) as session:
        assert [photo.image_id for photo in claim(session, "ann")] == ["c"]


def test_an_older_database_is_backed_up_first(database: str, tmp_path: Path) -> None:
    old_database(database)
    engine = open_database(database)
    if engine.dialect.name == "sqlite":
        copy = sqlite3.connect(tmp_path / "test.db.schema-0001.backup")
        assert copy.execute("SELECT count(*) FROM answer").fetchone() == (4,)
        assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        return
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM before_{REVISION}.answer")).scalar()
        assert found == 4


def test_without_a_backup_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    old_database(url)

    def refuse(*_: object) -> None:
        raise WorkspaceError("no room for a backup")

    monkeypatch.setattr("al_fashion.store.database.replacing", refuse)
    with pytest.raises(WorkspaceError, match="no room"):
        open_database(url)
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == (
            "0001"
        )
