"""Which code and which libraries draw a learning curve: other ones may draw another."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import al_fashion
import strategies

_OURS = Path(al_fashion.__file__).parent
_SOURCES = (
    *(Path(strategies.__file__).parent, _OURS / "models"),
    *(_OURS / "comparison" / f"{name}.py" for name in ("labellers", "learners", "learning_curve")),
    *(_OURS / "loop" / f"{name}.py" for name in ("learner", "step")),
    *(_OURS / "stats" / f"{name}.py" for name in ("agreement", "metrics", "votes")),
    _OURS / "data" / "splits.py",
)
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "modAL-python", "scikit-activeml")


@cache
def code_digest() -> str:
    """SHA-256, shortened, of the sources that a learning curve depends on."""
    digest = hashlib.sha256()
    for source in _SOURCES:
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(f"{path.relative_to(_OURS.parent)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def libraries() -> str:
    """Names and versions of the libraries that it depends on, as far as they are installed."""
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
