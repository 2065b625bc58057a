"""Signing in, where the page is open to more than this machine."""

from flask import Blueprint, redirect, render_template, request
from flask import session as cookie
from flask.typing import ResponseReturnValue

from al_fashion.errors import AccountError
from al_fashion.store.accounts import SHORTEST_PASSWORD, accept_invitation, invited, sign_in
from al_fashion.store.database import reading
from al_fashion.store.schema import Labeller
from webui.people import person
from webui.settings import settings, texts

auth = Blueprint("auth", __name__)

# What may be asked for without being anybody.
OPEN_ENDPOINTS = frozenset(
    {"auth.sign_in_page", "auth.sign_in_", "auth.invitation", "auth.accept", "static", "api.health"}
)


def require_person() -> None:
    """Nobody unknown gets further. Raises NotSignedIn."""
    if request.endpoint not in OPEN_ENDPOINTS:
        person()


@auth.get("/login")
def sign_in_page() -> str:
    """Name and password."""
    return render_template("login.html", message="")


@auth.post("/login")
def sign_in_() -> ResponseReturnValue:
    """Sign in; always goes on to the page, never to an address that was handed in."""
    form = request.form
    engine = settings().workspace.engine
    address = request.remote_addr or ""
    who = sign_in(engine, form.get("name", ""), form.get("password", ""), address)
    if who is None:
        return render_template("login.html", message=texts()("wrong")), 401
    _begin_session(who)
    return redirect("/", 303)


@auth.post("/logout")
def sign_out() -> ResponseReturnValue:
    """Forget who asks, on this device."""
    cookie.clear()
    return redirect("/login", 303)


@auth.get("/invitation/<secret>")
def invitation(secret: str) -> ResponseReturnValue:
    """Choose a password."""
    with reading(settings().workspace.engine) as session:
        who = invited(session, secret)
    if who is None:
        raise AccountError("This invitation was used or has run out. Ask for a new one.")
    return render_template("invitation.html", name=who.name, shortest=SHORTEST_PASSWORD)


@auth.post("/invitation/<secret>")
def accept(secret: str) -> ResponseReturnValue:
    """Take the password and sign in with it."""
    engine = settings().workspace.engine
    _begin_session(accept_invitation(engine, secret, request.form.get("password", "")))
    return redirect("/", 303)


def _begin_session(who: Labeller) -> None:
    cookie.clear()
    cookie["person"], cookie["sessions"] = who.id, who.sessions
    cookie.permanent = True
