"""What several test files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import Server, postgres

from strategies import registry


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture(autouse=True)
def known_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategies that a test registers are gone after it."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
