"""Who asks."""

from dataclasses import dataclass

from flask import g
from flask import session as cookie

from al_fashion.errors import NotSignedIn, Refused
from al_fashion.store.accounts import check_name
from al_fashion.store.database import reading
from al_fashion.store.schema import Labeller
from webui.settings import settings


@dataclass(frozen=True)
class Person:
    """A labeller, or an owner, who may settle disagreements and change the labels."""

    name: str
    role: str


def person() -> Person:
    """Who asks: on this machine alone, whoever has given their name, and everyone is an owner.

    With accounts, who signed in; raises NotSignedIn.
    """
    if not settings().accounts:
        return Person(str(cookie.get("labeller") or settings().labeller), "owner")
    if "person" not in g:
        g.person = _signed_in()
    found: Person = g.person
    return found


def owner() -> Person:
    """Who asks, if it is an owner. Raises Refused."""
    found = person()
    if found.role != "owner":
        raise Refused("Only an owner of the workspace may do this.")
    return found


def check_share() -> float:
    """The share of checks for who asks; 0 for an owner's account, which may look verdicts up."""
    if settings().accounts and person().role == "owner":
        return 0.0
    return settings().workspace.config.check_share


def take_name(name: str) -> None:
    """Go by another name on this machine. Raises AccountError for names that cannot be."""
    if settings().accounts:
        raise Refused("Everyone here goes by the name they signed in with.")
    cookie["labeller"] = check_name(name)
    cookie.permanent = True


def _signed_in() -> Person:
    with reading(settings().workspace.engine) as session:
        who = session.get(Labeller, cookie.get("person", 0))
        if who is None or not who.password or who.sessions != cookie.get("sessions"):
            raise NotSignedIn("Sign in first. No answer is lost.")
        return Person(who.name, who.role)
