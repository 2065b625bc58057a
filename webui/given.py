"""What a request brings, each part of the right type or refused."""

import re
from typing import Any, get_args

from flask import request

from al_fashion.errors import AnswerError
from al_fashion.types import AnswerKind, SkipReason

MOST_LABELS = 500
LONGEST_NAME = 80
_TOKEN = re.compile(r"[0-9a-f]{32}")
_IMAGE = re.compile(r"[0-9a-f]{64}")
_KINDS = frozenset(get_args(AnswerKind)) - {"undo"}


def body() -> dict[str, Any]:
    """The request's JSON object. Raises AnswerError for anything else."""
    try:
        found = request.get_json(silent=True)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise AnswerError("Expected a JSON object with the type application/json.")
    return found


def answer_from_form() -> dict[str, Any]:
    """An answer as a form without JavaScript sends it."""
    kind = request.form.get("kind", "labels")
    skips = kind == "skip"
    return checked_answer(
        {
            "token": request.form.get("token") or None,
            "corrects": request.form.get("corrects", type=int),
            "kind": kind,
            # The boxes are sent with every button; only Save means them.
            "labels": request.form.getlist("labels") if kind == "labels" else [],
            "client_id": request.form.get("client_id", ""),
            "reason": request.form.get("reason", "") or None if skips else None,
            "proposal": request.form.get("proposal", "") or None if skips else None,
        }
    )


def checked_answer(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `save_answer` or `correct`. Raises AnswerError."""
    kind, names = given.get("kind"), given.get("labels", [])
    if not isinstance(kind, str) or kind not in _KINDS:
        raise AnswerError(
            "Unknown kind of answer. Use one of {kinds}.", kinds=", ".join(sorted(_KINDS))
        )
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise AnswerError("`labels` must be a list of names.")
    if len(names) > MOST_LABELS or len(set(names)) < len(names):
        raise AnswerError("`labels` names each label once, at most {most}.", most=MOST_LABELS)
    reason, proposal = given.get("reason"), given.get("proposal")
    if kind == "skip" and reason not in get_args(SkipReason):
        raise AnswerError(
            "A photo is skipped for a reason: one of {reasons}.",
            reasons=", ".join(get_args(SkipReason)),
        )
    if proposal is not None:
        proposal = _proposal(proposal)
    found = {
        "kind": kind,
        "label_names": names,
        "client_id": client_id(given),
        "reason": reason,
        "proposal": proposal,
    }
    if given.get("corrects") is not None:
        return {**found, "answer_id": whole_number(given, "corrects")}
    return {**found, "token": token(given)}


def verdict_from_form() -> dict[str, Any]:
    """A verdict as the review page's form sends it."""
    kind = request.form.get("kind", "labels")
    return checked_verdict(
        {
            "image_id": request.form.get("image_id"),
            "kind": kind,
            "labels": request.form.getlist("labels") if kind == "labels" else [],
            "client_id": request.form.get("client_id"),
        }
    )


def checked_verdict(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `decide`. Raises AnswerError."""
    found = checked_answer({**given, "corrects": None, "token": "0" * 32})
    if found["kind"] == "skip":
        raise AnswerError("A verdict is labels, none or cannot_tell.")
    wanted = {name: found[name] for name in ("kind", "label_names", "client_id")}
    return {**wanted, "image_id": image_id(given)}


def image_id(given: dict[str, Any]) -> str:
    """The id of a photo. Raises AnswerError."""
    found = given.get("image_id")
    if not isinstance(found, str) or not _IMAGE.fullmatch(found):
        raise AnswerError("`image_id` must be that of a photo.")
    return found


def client_id(given: dict[str, Any]) -> str:
    """The id under which a request may be sent again. Raises AnswerError."""
    found = given.get("client_id")
    if not isinstance(found, str) or not 0 < len(found) <= 64 or not found.isprintable():
        raise AnswerError("`client_id` must be 1 to 64 printable characters, new for each answer.")
    return found


def token(given: dict[str, Any]) -> str:
    """The token of a photo that was given out. Raises AnswerError."""
    found = given.get("token")
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise AnswerError("`token` must be that of a photo you were given. Reload the page.")
    return found


def tokens(given: dict[str, Any]) -> list[str]:
    """A few tokens. Raises AnswerError."""
    found = given.get("tokens")
    if not isinstance(found, list) or len(found) > 10:
        raise AnswerError("`tokens` must be a list of at most 10 tokens.")
    return [token({"token": row}) for row in found]


def whole_number(given: dict[str, Any], name: str) -> int:
    """A positive whole number that a database can hold. Raises AnswerError."""
    found = given.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 2**31:
        raise AnswerError("`{name}` must be a whole number above 0.", name=name)
    return found


def _proposal(proposal: Any) -> str:
    fits = isinstance(proposal, str) and 0 < len(proposal.strip()) <= LONGEST_NAME
    if not fits or not proposal.isprintable():
        raise AnswerError(
            "A proposed label is 1 to {longest} printable characters.", longest=LONGEST_NAME
        )
    return str(proposal).strip()
