"""Who asks."""

from dataclasses import dataclass

from flask import session as cookie

from al_fashion.errors import AnswerError, Refused
from webui.settings import settings

RESERVED_NAMES = frozenset({"import", "oracle"})


@dataclass(frozen=True)
class Person:
    """A labeller, or an owner, who may settle disagreements and change the labels."""

    name: str
    role: str


def person() -> Person:
    """Who asks: on this machine alone, whoever has given their name, and everyone is an owner."""
    return Person(str(cookie.get("labeller") or settings().labeller), "owner")


def owner() -> Person:
    """Who asks, if it is an owner. Raises Refused."""
    found = person()
    if found.role != "owner":
        raise Refused("Only an owner of the workspace may do this.")
    return found


def take_name(name: str) -> None:
    """Go by another name on this machine. Raises AnswerError for names that cannot be."""
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable() or name.lower() in RESERVED_NAMES:
        raise AnswerError(
            f"{name[:80]!r} cannot be a labeller's name. Use 1 to 80 printable characters, "
            "not 'import' or 'oracle'."
        )
    cookie["labeller"] = name
    cookie.permanent = True
