"""Strategies and learners of the user's own: FILE.py:NAME, run from the file's text.

The text travels with a job, so that all jobs of an experiment run the same, wherever they run.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from al_fashion.errors import ComparisonError
from strategies.registry import suggestion


def read_code(name: str) -> str:
    """The text of the file in FILE.py:NAME; nothing for other names. Raises ComparisonError."""
    if ".py:" not in name:
        return ""
    path = Path(name.rpartition(":")[0])
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ComparisonError(f"Cannot read {path}: {error}. Name a Python file.") from error


def named(name: str, code: str) -> Any:
    """What FILE.py:NAME names in the file's text. Raises ComparisonError."""
    file, _, attribute = name.rpartition(":")
    module = ModuleType(Path(file).stem)
    module.__file__ = file
    folder = str(Path(file).absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # for modules that lie beside it
    sys.modules.setdefault(module.__name__, module)  # copies and pickles look there
    try:
        # The user's own file, named by the user: it is run as `python FILE` would run it.
        exec(compile(code, file, "exec"), vars(module))  # nosec B102
    except Exception as error:
        raise ComparisonError(f"{file} cannot be run: {error!r}. Correct the file.") from error
    if not hasattr(module, attribute):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise ComparisonError(f"{file} has no {attribute}. {suggestion(attribute, known)}")
    return getattr(module, attribute)
