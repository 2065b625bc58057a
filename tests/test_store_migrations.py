"""The migrations make exactly the tables that the code uses."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import al_fashion.store
from al_fashion.store.database import open_database
from al_fashion.store.schema import REVISION, Base


def test_migrated_tables_are_those_of_the_schema(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'w.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    folder = Path(next(iter(al_fashion.store.__path__))) / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == REVISION
