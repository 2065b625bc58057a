"""The views: read the request, call the store once, answer."""

import secrets
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, request
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from al_fashion.data.images import display
from al_fashion.errors import AlFashionError, AnswerError, MissingPhotos
from al_fashion.store.answers import save_answer
from al_fashion.store.database import reading, writing
from al_fashion.store.history import previous_answers
from al_fashion.store.photos import image_paths, labels, rules
from al_fashion.store.queue import batch_progress, next_photos
from al_fashion.store.schema import Image
from al_fashion.types import QueuedPhoto, SavedAnswer
from al_fashion.workspace import Workspace

labelling = Blueprint("labelling", __name__)

RESERVED_NAMES = frozenset({"import", "oracle"})


def workspace() -> Workspace:
    """The workspace that is served."""
    found: Workspace = current_app.config["WORKSPACE"]
    return found


def labeller() -> str:
    """Who is labelling: the name in the signed cookie, else the one given to `serve`."""
    return str(cookie.get("labeller") or current_app.config["LABELLER"])


@labelling.get("/")
def page() -> str:
    """The next photo that waits for this labeller."""
    with reading(workspace().engine) as session:
        return _render(session, next_photos(session, labeller(), limit=1), None)


@labelling.get("/previous")
def previous() -> ResponseReturnValue:
    """An earlier photo with its answer, to correct; `before` names the query one came from."""
    before = request.args.get("before", type=int)
    with reading(workspace().engine) as session:
        answers = previous_answers(session, labeller())
        places = [place for place, row in enumerate(answers) if row.query_id == before]
        place = places[0] + 1 if places else 0
        if place >= len(answers):
            return redirect("/")
        found = answers[place]
        image = session.get_one(Image, found.image_id)
        photo = QueuedPhoto(found.query_id or 0, image.id, image.width, image.height)
        return _render(session, [photo], found)


@labelling.get("/next")
def following() -> Response:
    """The next photos as JSON, `without` the one on the screen."""
    without = request.args.get("without", type=int)
    with reading(workspace().engine) as session:
        return jsonify(_queue_state(session, without))


@labelling.post("/answers")
def answer() -> ResponseReturnValue:
    """Save one answer, from the form or as JSON."""
    given = request.get_json() if request.is_json else _form()
    query_id, kind, names, client_id = _checked(given)
    with writing(workspace().engine) as session:
        saved = save_answer(
            session,
            query_id=query_id,
            labeller=labeller(),
            kind=kind,
            label_names=names,
            client_id=client_id,
        )
    if not request.is_json:
        return redirect("/", 303)
    with reading(workspace().engine) as session:
        return jsonify({"saved": saved, **_queue_state(session, None)})


@labelling.post("/labeller")
def rename() -> ResponseReturnValue:
    """Take another name."""
    name = request.form.get("name", "").strip()
    if not name or len(name) > 80 or not name.isprintable() or name.lower() in RESERVED_NAMES:
        raise AnswerError(
            f"{name[:80]!r} cannot be a labeller's name. Use 1 to 80 printable characters, "
            "not 'import' or 'oracle'."
        )
    cookie["labeller"] = name
    cookie.permanent = True
    return redirect("/", 303)


@labelling.get("/photos/<image_id>")
def photo(image_id: str) -> ResponseReturnValue:
    """The picture of a photo, by its id only."""
    with reading(workspace().engine) as session:
        image = session.get(Image, image_id)
        paths = image_paths(session, [image_id]).get(image_id, [])
    if image is None:
        return Response("No such photo.", 404, mimetype="text/plain")
    try:
        content, mime = display(image_id, paths, image.mime)
    except MissingPhotos:
        return Response("The photo was moved or deleted.", 404, mimetype="text/plain")
    response = Response(content, mimetype=mime)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@labelling.app_errorhandler(AlFashionError)
def refused(error: AlFashionError) -> ResponseReturnValue:
    """One line for the labeller."""
    return _refusal(str(error), 400)


@labelling.app_errorhandler(CSRFError)
def not_from_here(_error: CSRFError) -> ResponseReturnValue:
    """The page is out of date, or not ours; the browser keeps its answers until a reload."""
    return _refusal("This page is out of date. Reload it; no answer is lost.", 403)


def _refusal(message: str, status: int) -> ResponseReturnValue:
    if request.is_json:
        return jsonify({"error": message}), status
    return render_template("error.html", message=message), status


def _render(session: Any, photos: list[QueuedPhoto], answered: SavedAnswer | None) -> str:
    done, everything = batch_progress(session)
    return render_template(
        "label.html",
        photo=photos[0] if photos else None,
        answered=answered,
        labels=[label.name for label in labels(session)],
        exclusive=rules(session).exclusive,
        labeller=labeller(),
        client_id=secrets.token_hex(16),
        done=done,
        everything=everything,
    )


def _queue_state(session: Any, without: int | None) -> dict[str, Any]:
    done, everything = batch_progress(session)
    photos = [row for row in next_photos(session, labeller(), 3) if row.query_id != without][:2]
    return {"next": photos, "progress": {"done": done, "all": everything}}


def _form() -> dict[str, Any]:
    kind = request.form.get("kind", "labels")
    return {
        "query_id": request.form.get("query_id", type=int),
        "kind": kind,
        # The boxes are sent with every button; only Save means them.
        "labels": request.form.getlist("labels") if kind == "labels" else [],
        "client_id": request.form.get("client_id", ""),
    }


def _checked(given: Any) -> tuple[int, Any, list[str], str]:
    """The parts of an answer, each of the right type. Raises AnswerError."""
    if not isinstance(given, dict):
        raise AnswerError("An answer is an object with query_id, kind, labels and client_id.")
    query_id, names = given.get("query_id"), given.get("labels")
    client_id = given.get("client_id")
    fits = (
        isinstance(query_id, int)
        and not isinstance(query_id, bool)
        and 0 < query_id < 2**31
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and isinstance(client_id, str)
        and 0 < len(client_id) <= 64
    )
    if not fits:
        raise AnswerError(
            "An answer needs query_id (a number), kind, labels (a list of names) and client_id "
            "(1 to 64 characters). Reload the page."
        )
    return query_id, given.get("kind"), names, client_id  # type: ignore[return-value]
