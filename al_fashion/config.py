"""The workspace's configuration file: what a user may change at any time."""

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from al_fashion.errors import WorkspaceError
from al_fashion.files import write_text

FILE_NAME = "al_fashion.toml"


@dataclass(frozen=True)
class Config:
    """`database` is an SQLAlchemy URL; "" is the SQLite file inside the workspace.

    `input_size` is in pixels; 0 lets the first import choose by the photos' own size.
    """

    database: str = ""
    input_size: int = 0
    strategy: str = "auto"
    batch: int = 20

    def save(self, folder: Path) -> None:
        """Write the file whole or not at all."""
        write_text(folder / FILE_NAME, tomli_w.dumps(asdict(self)))

    def with_values(self, **values: Any) -> "Config":
        """The same configuration with some values changed."""
        return replace(self, **values)


def load_config(folder: Path) -> Config:
    """Read a workspace's configuration. Raises WorkspaceError."""
    path = folder / FILE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkspaceError(
            f"No workspace at {folder}: {FILE_NAME} is missing. Make one with `al-fashion init "
            "DIR --labels …`, or name it with -w DIR."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorkspaceError(f"Cannot read {path}: {error}. Correct the file.") from error
    return _checked(path, values)


def _checked(path: Path, values: dict[str, Any]) -> Config:
    defaults = asdict(Config())
    for name, value in values.items():
        if name not in defaults:
            raise WorkspaceError(f"{path}: unknown setting {name!r}. Known: {', '.join(defaults)}.")
        if type(value) is not type(defaults[name]):
            expected = type(defaults[name]).__name__
            raise WorkspaceError(f"{path}: {name} = {value!r}, expected a {expected}.")
    return Config(**values)
