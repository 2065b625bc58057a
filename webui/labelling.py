"""The page, which works without JavaScript too, and the photos."""

import json
import secrets
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from flask import session as cookie
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from al_fashion.data.pictures import SIDES, kept_picture
from al_fashion.errors import MissingPhotos
from al_fashion.store.database import reading, writing
from al_fashion.store.history import previous_answers
from al_fashion.store.leases import claim, release
from al_fashion.store.photos import labels, rules
from al_fashion.store.queue import queue_counts
from al_fashion.store.rounds import headline, rounds
from al_fashion.store.schema import Image
from webui import given
from webui.api import save
from webui.curve import curve
from webui.language import LANGUAGES
from webui.people import check_share, person, take_name
from webui.settings import settings

labelling = Blueprint("labelling", __name__)

ROUNDS_SHOWN = 12


@labelling.get("/")
def page() -> str:
    """The photo that this labeller is to answer."""
    with writing(settings().workspace.engine) as session:
        held = claim(session, person().name, limit=1, check_share=check_share())
        return _render(session, photo=held[0] if held else None)


@labelling.get("/previous")
def previous() -> ResponseReturnValue:
    """An earlier photo with its answer, to correct; `before` names the answer one came from."""
    before = request.args.get("before", type=int)
    with reading(settings().workspace.engine) as session:
        answers = previous_answers(session, person().name)
        places = [place for place, row in enumerate(answers) if row.answer_id == before]
        place = places[0] + 1 if places else 0
        if place >= len(answers):
            return redirect("/")
        image = session.get_one(Image, answers[place].image_id)
        return _render(session, photo=image, answered=answers[place])


@labelling.get("/end")
def end() -> str:
    """What is shown when nothing waits for this labeller: what happens next."""
    with reading(settings().workspace.engine) as session:
        return render_template("end.html", **_next_steps(session))


@labelling.post("/answers")
def answer() -> ResponseReturnValue:
    """Save the form."""
    save(given.answer_from_form())
    return redirect("/", 303)


@labelling.post("/release")
def pause() -> ResponseReturnValue:
    """Give unanswered photos back."""
    with writing(settings().workspace.engine) as session:
        release(session, person().name)
    return render_template("paused.html")


@labelling.post("/labeller")
def rename() -> ResponseReturnValue:
    """Take another name."""
    take_name(request.form.get("name", ""))
    return redirect("/", 303)


@labelling.post("/language")
def language() -> ResponseReturnValue:
    """Show the page in another language."""
    if request.form.get("language") in LANGUAGES:
        cookie["language"] = request.form["language"]
    return redirect("/", 303)


@labelling.get("/photos/<image_id>")
def photo(image_id: str) -> ResponseReturnValue:
    """The picture of a photo, by its id only, at most `side` pixels a side."""
    side = request.args.get("side", 1280, type=int)
    workspace = settings().workspace
    try:
        content, mime = kept_picture(workspace, image_id, side)
    except MissingPhotos:
        return Response("No such photo, or it was moved or deleted.", 404, mimetype="text/plain")
    settings().ahead.prepare(workspace, person().name, side)
    response = Response(content, mimetype=mime)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return response


@labelling.app_template_filter()
def photo_json(shown: Any) -> str:
    """A photo or an answer as the page's script reads it."""
    return json.dumps(asdict(shown), ensure_ascii=False)


def _render(session: Session, **shown: Any) -> str:
    return render_template(
        "label.html",
        labels=[label.name for label in labels(session)],
        exclusive=rules(session).exclusive,
        client_id=secrets.token_hex(16),
        progress=settings().progress.get(session, person().name),
        sides=SIDES,
        languages=LANGUAGES,
        accounts=settings().accounts,
        show_guess=settings().workspace.config.show_guess,
        **(_next_steps(session) if shown["photo"] is None else {}),
        **shown,
    )


def _next_steps(session: Session) -> dict[str, Any]:
    done = [(row.labelled, headline(row)) for row in rounds(session)[-ROUNDS_SHOWN:]]
    return {"open": queue_counts(session)["open"], "curve": curve(done)}
