"""The HTTP API that the page uses; described in docs/openapi.yaml."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify
from flask_wtf.csrf import generate_csrf
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from al_fashion.errors import WorkspaceError
from al_fashion.store.answers import correct, save_answer, undo
from al_fashion.store.database import reading, writing
from al_fashion.store.explanations import explain
from al_fashion.store.history import previous_answers
from al_fashion.store.leases import claim, heartbeat, release
from al_fashion.store.photos import labels, rules
from al_fashion.types import SavedAnswer
from webui import given
from webui.people import check_share, person
from webui.settings import settings

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/session")
def session_() -> Response:
    """Who asks, the labels, and the token that every write must bring."""
    who = person()
    with reading(settings().workspace.engine) as session:
        return jsonify(
            labeller=who.name,
            role=who.role,
            labels=[label.name for label in labels(session)],
            exclusive=rules(session).exclusive,
            csrf_token=generate_csrf(),
        )


@api.get("/health")
def health() -> Response:
    """Whether the database answers; 503 where it does not."""
    try:
        with reading(settings().workspace.engine) as session:
            rules(session)
    except DatabaseError as error:
        raise WorkspaceError("The database does not answer.") from error
    return jsonify(ok=True)


@api.post("/claim")
def claim_() -> Response:
    """The photo to answer now and the one after it."""
    given.body()
    with writing(settings().workspace.engine) as session:
        return _photos(session)


@api.post("/answers")
def answer() -> Response:
    """Save an answer, or correct one; gives the next photos."""
    return _saved(given.checked_answer(given.body()))


@api.post("/skip")
def skip() -> Response:
    """Leave a photo to others, with the reason; gives the next photos."""
    wanted = {**given.body(), "kind": "skip", "labels": []}
    return _saved(given.checked_answer(wanted))


@api.post("/undo")
def undo_() -> Response:
    """Take an answer back; the photo is among the next ones."""
    sent = given.body()
    with writing(settings().workspace.engine) as session:
        undo(
            session,
            labeller=person().name,
            answer_id=given.whole_number(sent, "answer_id"),
            client_id=given.client_id(sent),
        )
        return _photos(session)


@api.post("/heartbeat")
def heartbeat_() -> Response:
    """Keep the photos on the screen for longer."""
    wanted = given.tokens(given.body())
    with writing(settings().workspace.engine) as session:
        return jsonify(held=heartbeat(session, person().name, wanted))


@api.post("/release")
def release_() -> Response:
    """Give unanswered photos back."""
    given.body()
    with writing(settings().workspace.engine) as session:
        release(session, person().name)
    return jsonify({})


@api.get("/progress")
def progress() -> Response:
    """How far the batch is."""
    with reading(settings().workspace.engine) as session:
        return jsonify(settings().progress.get(session, person().name))


@api.get("/history")
def history() -> Response:
    """The labeller's own last answers, newest first."""
    with reading(settings().workspace.engine) as session:
        return jsonify(answers=[asdict(row) for row in previous_answers(session, person().name)])


@api.post("/explain")
def explain_() -> Response:
    """Why a photo was asked about; after its answer, unless the workspace says otherwise."""
    wanted = given.token(given.body())
    before = settings().workspace.config.show_guess
    with writing(settings().workspace.engine) as session:
        return jsonify(explain(session, person().name, wanted, before_answer=before))


def save(wanted: dict[str, Any]) -> SavedAnswer:
    """Save what `given.checked_answer` found."""
    with writing(settings().workspace.engine) as session:
        return _save(session, wanted)


def _save(session: Session, wanted: dict[str, Any]) -> SavedAnswer:
    keep = correct if "answer_id" in wanted else save_answer
    return keep(session, labeller=person().name, **wanted)


def _saved(wanted: dict[str, Any]) -> Response:
    with writing(settings().workspace.engine) as session:
        kept = _save(session, wanted)
        return _photos(session, saved=asdict(kept))


def _photos(session: Session, **more: Any) -> Response:
    """The photos that the labeller now holds, and how far the batch is."""
    name = person().name
    photos = [asdict(photo) for photo in claim(session, name, check_share=check_share())]
    return jsonify(photos=photos, progress=settings().progress.get(session, name), **more)
