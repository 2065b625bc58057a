"""One folder: configuration, database, features, models, reports."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL, Engine, delete, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from al_fashion.config import FILE_NAME, Config, load_config
from al_fashion.errors import WorkspaceError
from al_fashion.store.database import open_database, writing
from al_fashion.store.photos import check_label
from al_fashion.store.schema import Image, Label, Rules

DATABASE_NAME = "al_fashion.db"
LOCK_NAME = ".lock"
SECRET_KEY_NAME = "secret_key"


@dataclass
class Workspace:
    """A workspace on disk; the database is opened at first use."""

    folder: Path
    config: Config

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Open an existing workspace. Raises WorkspaceError where there is none."""
        found = cls(folder.absolute(), load_config(folder))
        url = found.database_url
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
            raise WorkspaceError(
                f"The database {url.database} is missing. Put it back where it was, or restore "
                "the workspace's folder from a copy."
            )
        return found

    @cached_property
    def engine(self) -> Engine:
        """The database, its schema up to date. Raises WorkspaceError."""
        return open_database(self.database_url)

    @property
    def database_url(self) -> URL:
        """Where the database is; an SQLite file is in the workspace, or named from there."""
        if not self.config.database:
            return URL.create("sqlite", database=str(self.folder / DATABASE_NAME))
        try:
            url = make_url(self.config.database)
        except ArgumentError as error:
            raise WorkspaceError(
                f"{self.config.database!r} is not a database's URL. Use one such as "
                "postgresql://USER@HOST/NAME."
            ) from error
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            return url
        return url.set(database=str(self.folder / str(url.database)))

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Let one import or round at a time work here; a killed one leaves no lock behind."""
        guard = FileLock(self.folder / LOCK_NAME)
        try:
            guard.acquire(timeout=0)
        except Timeout:
            raise WorkspaceError(
                "Cannot {what}: another import or round is at work in {folder}. Wait until it "
                "ends.",
                what=what,
                folder=self.folder,
            ) from None
        except OSError as error:
            raise WorkspaceError(
                f"Cannot {what}: {self.folder} cannot be written ({error.strerror}). "
                "Give the right to write there."
            ) from error
        try:
            yield
        finally:
            guard.release()


def create_workspace(
    folder: Path,
    labels: Sequence[str],
    *,
    exclusive: bool = False,
    metric: str = "accuracy",
    heldout: float = 0.2,
    audit: float = 0.1,
    seed: int | None = None,
    config: Config | None = None,
) -> Workspace:
    """Make a workspace; the configuration file, written last, makes it one.

    `metric` is accuracy (exact match of the label set) or top1_in_set. Raises WorkspaceError.
    """
    names = check_labels(labels)
    if (folder / FILE_NAME).exists():
        raise WorkspaceError(f"{folder} is a workspace already. Choose another folder.")
    if not (0 < heldout < 1 and 0 <= audit < 1 and heldout + audit < 1):
        raise WorkspaceError(
            f"Held-out share {heldout} and audit share {audit} must leave photos for the pool: "
            "both below 1, together below 1, held-out above 0."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"Cannot make {folder}: {error.strerror}. Choose a folder that can be written."
        ) from error
    if not os.access(folder, os.W_OK):
        raise WorkspaceError(f"Cannot write to {folder}. Choose a folder that can be written.")
    workspace = Workspace(folder.absolute(), config or Config())
    with writing(workspace.engine) as session:
        _begin_anew(session, folder)
        session.add(
            Rules(
                id=1,
                exclusive=exclusive,
                metric=metric,
                heldout_share=heldout,
                audit_share=audit,
                seed=secrets.randbits(32) if seed is None else seed,
            )
        )
        session.add_all(Label(name=name, position=place) for place, name in enumerate(names))
    workspace.config.save(workspace.folder)
    return workspace


def _begin_anew(session: Session, folder: Path) -> None:
    """Forget what an `init` that was killed left; refuse a database that holds photos."""
    if session.scalars(select(Image.id).limit(1)).one_or_none() is not None:
        raise WorkspaceError(
            f"The database of {folder} holds a workspace already. Use another --database, or put "
            f"its {FILE_NAME} back."
        )
    session.execute(delete(Label))
    session.execute(delete(Rules))


def check_labels(labels: Sequence[str]) -> list[str]:
    """Label names, trimmed and normalised. Raises WorkspaceError for names that cannot be."""
    names: list[str] = []
    for label in labels:
        names.append(check_label(label, names))
    if len(names) < 2:
        raise WorkspaceError(f"{len(names)} labels were given, at least 2 are needed.")
    return names
