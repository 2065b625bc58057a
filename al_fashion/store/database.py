"""Opening the database: SQLite or PostgreSQL, migrated to the newest schema."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from al_fashion.errors import WorkspaceError
from al_fashion.files import replacing
from al_fashion.store.schema import REVISION

BUSY_TIMEOUT_MS = 30_000
_TURNS: "WeakKeyDictionary[Engine, Lock]" = WeakKeyDictionary()


def now_ms() -> int:
    """The time as integer UTC milliseconds."""
    return time.time_ns() // 1_000_000


def open_database(url: str | URL) -> Engine:
    """Connect and bring the schema up to date; an older database is backed up first.

    Raises WorkspaceError when the database cannot be reached, is not one of ours or was
    written by a newer version.
    """
    try:
        engine = create_engine(url, pool_size=16, max_overflow=16, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        elif engine.dialect.name == "postgresql":
            _prepare_postgresql(engine)
        _migrate(engine)
    except (DatabaseError, NoSuchModuleError, ImportError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise WorkspaceError(
            f"Cannot use the database {make_url(url).render_as_string()}: {reason}. Check that it "
            "exists, that it can be written and that nothing else damaged it."
        ) from error
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session for reading; what it sees does not change while it is open."""
    reader = engine
    if engine.dialect.name == "postgresql":
        reader = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(reader) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session whose rows all appear at once, or not at all where an exception leaves it.

    Raises WorkspaceError where the database cannot be written.
    """
    writer = engine.execution_options(write=True)
    try:
        with _turn(engine), Session(writer, expire_on_commit=False) as session, session.begin():
            yield session
    except OperationalError as error:
        reason = str(error.orig).splitlines()[0]
        raise WorkspaceError(
            "Cannot write to the database: {reason}. Nothing was changed. Make room, give the "
            "right to write there, or wait until whoever works on it ends.",
            reason=reason,
        ) from error


def _turn(engine: Engine) -> AbstractContextManager[object]:
    """SQLite has one writer at a time: threads wait in line here, not in its growing pauses."""
    return _TURNS.setdefault(engine, Lock()) if engine.dialect.name == "sqlite" else nullcontext()


def _prepare_sqlite(engine: Engine) -> None:
    """Take transactions out of the driver's hands: writers lock before they read."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # Compiling a plan takes far longer than our short statements.
        connection.cursor().execute("SET jit = off")
        connection.commit()


def _migrate(engine: Engine) -> None:
    with engine.connect() as connection:
        found = _revision(connection)
    if found == REVISION:
        return
    if found is not None and found > REVISION:
        raise WorkspaceError(
            f"The database is of schema {found}, this al-fashion knows up to {REVISION}. "
            "Install a newer al-fashion."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.execution_options(write=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            # Whoever comes second waits here, and then finds nothing left to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(20261124)"))
        found = _revision(connection)
        if found is not None and found != REVISION:
            _back_up(connection, found)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _back_up(connection: Connection, revision: str) -> None:
    """Keep what an older version left: a file beside SQLite's, a schema inside PostgreSQL."""
    if connection.dialect.name == "postgresql":
        schema = f"before_{REVISION}"
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        for table in inspect(connection).get_table_names():
            connection.execute(text(f'CREATE TABLE {schema}."{table}" AS TABLE "{table}"'))
        return
    path = Path(str(connection.engine.url.database))
    backup = path.with_name(f"{path.name}.schema-{revision}.backup")
    with replacing(backup) as file:
        source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        copy = sqlite3.connect(file.name)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
