"""Is everything there that al-fashion needs? Each check says what it found or what to do."""

import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from al_fashion.config import FILE_NAME, Config, load_config
from al_fashion.errors import AlFashionError
from al_fashion.workspace import Workspace

FREE_BYTES = 2 * 1024**3
OLDEST_PYTHON = (3, 11)


def run_checks(folder: Path, weights: Path | None, *, verify_weights: bool) -> list[dict[str, Any]]:
    """A row (name, ok, says) for Python, disk, weights, and the workspace where there is one."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", _python),
        ("disk", lambda: _disk(folder)),
        ("weights", lambda: _weights(folder, weights, verify_weights)),
    ]
    if (folder / FILE_NAME).exists():
        checks += [
            ("database", lambda: _database(folder)),
            ("photos", lambda: _photos(folder)),
        ]
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "says": check()}
    except AlFashionError as error:
        return {"name": name, "ok": False, "says": str(error)}


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise AlFashionError(
            f"Python {platform.python_version()} is too old. Install 3.11 or newer."
        )
    return platform.python_version()


def _disk(folder: Path) -> str:
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < FREE_BYTES:
        raise AlFashionError(f"{text}, {FREE_BYTES / 1024**3:.0f} GiB are advised. Make room.")
    return text


def _weights(folder: Path, path: Path | None, verify: bool) -> str:
    """Of the workspace's backbone, VGG16 where there is no workspace."""
    from al_fashion.loop.features import FeatureOptions, own_weights, settings_of
    from al_fashion.models.planned import weights_source

    config = load_config(folder) if (folder / FILE_NAME).exists() else Config()
    options = own_weights(Workspace(folder, config), FeatureOptions(path, verify))
    return weights_source(settings_of(config), options.weights, verify=options.verify_weights)


def _database(folder: Path) -> str:
    engine = Workspace.open(folder).engine
    return engine.url.render_as_string()


def _photos(folder: Path) -> str:
    from al_fashion.data.places import missing_photos

    missing = missing_photos(Workspace.open(folder))
    if missing:
        raise AlFashionError(
            f"{len(missing)} photos are missing, the first {missing[0][1]}. Put them back or find "
            "them again with `al-fashion import --relocate DIR`."
        )
    return "all where they were"
