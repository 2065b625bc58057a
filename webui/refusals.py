"""Errors as one line for the person, and a status for the page's script."""

from flask import Blueprint, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from al_fashion.errors import (
    AlFashionError,
    AnswerConflict,
    LabelError,
    MissingFeatures,
    NotSignedIn,
    NotYours,
    Refused,
    TooManyFailures,
    WorkspaceError,
)
from webui.settings import texts

refusals = Blueprint("refusals", __name__)

# A database that cannot be written may be later: the page keeps its answers and tries again.
STATUS: dict[type[AlFashionError], int] = {
    AnswerConflict: 409,
    NotYours: 404,
    MissingFeatures: 404,
    NotSignedIn: 401,
    Refused: 403,
    TooManyFailures: 429,
    LabelError: 400,
    WorkspaceError: 503,
}


@refusals.app_errorhandler(AlFashionError)
def refused(error: AlFashionError) -> ResponseReturnValue:
    """What could not be done, and why."""
    if isinstance(error, NotSignedIn) and not request.path.startswith("/api/"):
        return redirect("/login")
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)
    return _refusal(texts().refusal(error), status)


@refusals.app_errorhandler(CSRFError)
def not_from_here(_error: CSRFError) -> ResponseReturnValue:
    """The page is out of date, or not ours; the browser keeps its answers until a reload."""
    return _refusal(texts()("out of date"), 403)


@refusals.app_errorhandler(HTTPException)
def other(error: HTTPException) -> ResponseReturnValue:
    """No such page, too large a body, and the like."""
    known = {404: "not found", 413: "too large"}.get(error.code or 500)
    return _refusal(texts()(known) if known else str(error.description), error.code or 500)


def _refusal(message: str, status: int) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return jsonify({"error": message}), status
    return render_template("error.html", message=message), status
