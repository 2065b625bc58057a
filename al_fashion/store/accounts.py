"""People who sign in: invitations, passwords, and a limit to guessing them."""

import hashlib
import secrets
import unicodedata
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Engine, delete, func, or_, select
from sqlalchemy.orm import Session

from al_fashion.errors import AccountError, TooManyFailures
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.labellers import labeller as find_labeller
from al_fashion.store.schema import Labeller, LoginFailure

RESERVED_NAMES = frozenset({"import", "oracle"})
LONGEST_NAME = 80
INVITED_MS = 7 * 24 * 60 * 60 * 1000
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
FAILURES_OF_NAME, FAILURES_OF_ADDRESS = 10, 50
FAILURE_MS = 15 * 60 * 1000

_hasher = PasswordHasher()
# Somebody unknown takes as long to refuse as a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))


def check_name(name: str) -> str:
    """A person's name, trimmed and normalised. Raises AccountError for one that cannot be."""
    found = _normalised(name)
    fits = 0 < len(found) <= LONGEST_NAME and found.isprintable()
    if not fits or found.casefold() in RESERVED_NAMES:
        raise AccountError(
            "{name!r} cannot be a labeller's name. Use 1 to {longest} printable characters, not "
            "'import' or 'oracle'.",
            name=name[:LONGEST_NAME],
            longest=LONGEST_NAME,
        )
    return found


def person(session: Session, name: str) -> Labeller:
    """The person of that name, added where new. Raises AccountError for one that cannot be."""
    found = check_name(name)
    for spelling in _spellings(found):
        known = session.scalars(select(Labeller).where(Labeller.name == spelling)).one_or_none()
        if known is not None:
            return known
    return find_labeller(session, found)


def invite(session: Session, name: str, role: str) -> str:
    """Let a person, new or known, choose a password; returns the secret of their link.

    An earlier invitation ends; an earlier password holds until the new one is chosen.
    Raises AccountError.
    """
    who = person(session, name)
    if who.kind != "person":
        raise AccountError("{name!r} is no person. Choose another name.", name=who.name)
    secret = secrets.token_urlsafe(32)
    who.role, who.invitation = role, _fingerprint(secret)
    who.invited_until_ms = now_ms() + INVITED_MS
    return secret


def invited(session: Session, secret: str) -> Labeller | None:
    """Whom an invitation is for; None where it was used or has run out."""
    return session.scalars(
        select(Labeller).where(
            Labeller.invitation == _fingerprint(secret), Labeller.invited_until_ms >= now_ms()
        )
    ).one_or_none()


def accept_invitation(engine: Engine, secret: str, password: str) -> Labeller:
    """Set the password; every session of the person ends. Raises AccountError."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccountError(
            "The password has {length} characters. Use {shortest} to {longest}.",
            length=len(password),
            shortest=SHORTEST_PASSWORD,
            longest=LONGEST_PASSWORD,
        )
    with reading(engine) as session:
        if invited(session, secret) is None:
            raise AccountError("This invitation was used or has run out. Ask for a new one.")
    hashed = _hasher.hash(password)  # slow on purpose, so not for anybody, nor while others wait
    with writing(engine) as session:
        who = invited(session, secret)
        if who is None:
            raise AccountError("This invitation was used or has run out. Ask for a new one.")
        who.password, who.invitation, who.invited_until_ms = hashed, None, None
        who.sessions += 1
        return who


def sign_in(engine: Engine, name: str, password: str, address: str) -> Labeller | None:
    """The person of that name and password, else None.

    Raises TooManyFailures, without looking at the password, after FAILURES_OF_NAME wrong ones
    for the name or FAILURES_OF_ADDRESS from the address within FAILURE_MS.
    """
    name, password = _normalised(name)[:LONGEST_NAME], password[: LONGEST_PASSWORD + 1]
    with reading(engine) as session:
        _refuse_guessing(session, name, address)
        named = select(Labeller).where(Labeller.name.in_(_spellings(name)))
        people = session.scalars(named).all()
        session.expunge_all()
    for who in people:
        if who.password and _fits(who.password, password):
            return who
    if not any(who.password for who in people):
        _fits(_NOBODY, password)
    with writing(engine) as session:
        session.execute(delete(LoginFailure).where(LoginFailure.created_ms < _window()))
        session.add(LoginFailure(name=name, address=address, created_ms=now_ms()))
    return None


def has_owner(session: Session) -> bool:
    """Whether somebody could sign in, or was invited, who may decide things."""
    statement = select(Labeller.id).where(
        Labeller.role == "owner",
        or_(Labeller.password.is_not(None), Labeller.invitation.is_not(None)),
    )
    return session.scalar(statement.limit(1)) is not None


def accounts(session: Session) -> list[dict[str, Any]]:
    """{"name", "role", "state"} of every person; state is active, invited or none."""
    people = session.scalars(
        select(Labeller).where(Labeller.kind == "person").order_by(Labeller.name)
    )
    return [{"name": who.name, "role": who.role, "state": _state(who)} for who in people]


def _normalised(name: str) -> str:
    """One way of writing an accent, or two people could bear the same name."""
    return unicodedata.normalize("NFC", name).strip()


def _spellings(name: str) -> list[str]:
    """A normalised name, and with accents as signs of their own: so earlier versions kept some."""
    return list(dict.fromkeys((name, unicodedata.normalize("NFD", name))))


def _state(who: Labeller) -> str:
    if who.password:
        return "active"
    return "invited" if who.invitation and (who.invited_until_ms or 0) >= now_ms() else "none"


def _fits(hashed: str, password: str) -> bool:
    try:
        return bool(_hasher.verify(hashed, password))
    except (VerifyMismatchError, InvalidHashError):
        return False


def _refuse_guessing(session: Session, name: str, address: str) -> None:
    recent = select(func.count()).select_from(LoginFailure)
    recent = recent.where(LoginFailure.created_ms >= _window())
    of_name = session.scalar(recent.where(LoginFailure.name == name)) or 0
    of_address = session.scalar(recent.where(LoginFailure.address == address)) or 0
    if of_name >= FAILURES_OF_NAME or of_address >= FAILURES_OF_ADDRESS:
        raise TooManyFailures(
            "Too many wrong passwords. Wait {minutes} minutes, then try again.",
            minutes=FAILURE_MS // 60_000,
        )


def _window() -> int:
    return now_ms() - FAILURE_MS


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
