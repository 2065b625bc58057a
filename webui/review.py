"""The owner's page: disagreements to settle, labels that people miss, how well people agree."""

import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from al_fashion.data.removal import remove_photo
from al_fashion.errors import AnswerError
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import find_image, labels, rules
from al_fashion.store.review import accept_label, decide, disagreements, proposals, reported
from webui import given
from webui.people import owner
from webui.settings import settings

review = Blueprint("review", __name__)


@review.get("/review")
def page() -> str:
    """Everything an owner settles, as forms."""
    owner()
    with reading(settings().workspace.engine) as session:
        return render_template(
            "review.html",
            labels=[label.name for label in labels(session)],
            exclusive=rules(session).exclusive,
            new_id=lambda: secrets.token_hex(16),
            **_to_review(session),
        )


@review.get("/api/review")
def to_review() -> Response:
    """The same as JSON."""
    owner()
    with reading(settings().workspace.engine) as session:
        return jsonify(_to_review(session))


@review.post("/review")
def decide_() -> ResponseReturnValue:
    """Save a verdict from the form."""
    _decide(given.verdict_from_form())
    return redirect("/review", 303)


@review.post("/api/review")
def decide_json() -> Response:
    """Save a verdict."""
    _decide(given.checked_verdict(given.body()))
    return jsonify({})


@review.post("/labels")
def accept() -> ResponseReturnValue:
    """Take a proposed label in, and ask again where it matters."""
    owner()
    overlap = settings().workspace.config.overlap
    with writing(settings().workspace.engine) as session:
        accept_label(session, request.form.get("name", ""), overlap)
    return redirect("/review", 303)


@review.post("/remove")
def remove() -> ResponseReturnValue:
    """Remove a photo for good, because someone asks for it; it is named by its id or its file."""
    owner()
    if request.form.get("sure") != "yes":
        raise AnswerError("Tick the box beside the button: a removed photo cannot come back.")
    if name := request.form.get("name"):
        with reading(settings().workspace.engine) as session:
            image_id = find_image(session, name)
    else:
        image_id = given.image_id({"image_id": request.form.get("image_id")})
    remove_photo(settings().workspace, image_id)
    return redirect("/review", 303)


def _decide(wanted: dict[str, Any]) -> None:
    who = owner()
    with writing(settings().workspace.engine) as session:
        decide(session, owner=who.name, **wanted)


def _to_review(session: Session) -> dict[str, Any]:
    # Statistics load SciPy, which the labelling page never waits for.
    from al_fashion.store.quality import agreement, labellers_on_checks

    return {
        "disagreements": disagreements(session),
        "reported": reported(session),
        "proposals": proposals(session),
        "agreement": agreement(session),
        "labellers": labellers_on_checks(session),
    }
