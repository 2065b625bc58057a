"""The owner's gallery of the pool: filters, likeness, and photos sent to the queue."""

import json
import math
import re
from typing import Any, cast

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from al_fashion.errors import AnswerError, NotYours, QueueError
from al_fashion.search.neighbours import neighbours
from al_fashion.store.database import reading, writing
from al_fashion.store.gallery import (
    ORDERS,
    STATES,
    Filter,
    Place,
    count_photos_of,
    gallery_page,
    labels_named,
    photos_of,
    quarantined_page,
    send_to_queue,
)
from al_fashion.store.gallery_rows import refresh_gallery
from al_fashion.store.photos import label_ids, labels
from al_fashion.store.rounds import rounds
from webui import given
from webui.people import owner
from webui.settings import settings, texts

browse = Blueprint("browse", __name__)

PAGE, MOST_A_PAGE = 60, 200
SIMILAR = 60
MOST_SENT = 2_000
QUARANTINED = "quarantined"
_PLACE = re.compile(r"(-?[0-9.e+-]{1,30})~([0-9a-f]{64})")
_FILTERS = ("q", "answered", "predicted", "state", "order")


@browse.get("/browse")
def page() -> str:
    """The gallery; its script only adds to it."""
    owner()
    asked = {name: value for name, value in request.args.items() if value}
    like = asked.pop("like", None)
    found = _similar(like) if like else _found(asked)
    with reading(settings().workspace.engine) as session:
        return render_template(
            "browse.html",
            labels=[label.name for label in labels(session)],
            states=(*STATES, QUARANTINED),
            orders=ORDERS,
            asked=asked,
            like=like,
            queued=request.args.get("queued", type=int),
            found={"photos": [], "files": [], "after": None, **found},
            following={
                **{k: v for k, v in asked.items() if k in _FILTERS},
                "after": found.get("after"),
            },
            most=MOST_SENT,
        )


@browse.get("/api/browse")
def photos() -> Response:
    """A page of photos that a filter finds."""
    owner()
    return jsonify(_found(request.args.to_dict()))


@browse.get("/api/browse/similar")
def similar() -> Response:
    """The photos of the pool most like one of them."""
    owner()
    return jsonify(_similar(request.args.get("image_id", "")))


@browse.post("/api/browse/queue")
def send() -> Response:
    """Send photos to the queue."""
    owner()
    queued, waiting = _send(given.body().get("image_ids"))
    return jsonify(queued=queued, waiting=waiting)


@browse.post("/browse/queue")
def send_form() -> ResponseReturnValue:
    """The same from a form without JavaScript."""
    owner()
    queued, _ = _send(request.form.getlist("image_ids"))
    return redirect(f"/browse?queued={queued}", 303)


@browse.app_template_filter()
def plain_json(value: Any) -> str:
    """What the page's script reads from an attribute."""
    return json.dumps(value, ensure_ascii=False)


@browse.app_template_filter()
def caption(photo: dict[str, Any]) -> str:
    """What is known of a photo: its answered labels, else what is predicted."""
    if photo["labels"] is not None:
        return ", ".join(photo["labels"]) or texts()("none")
    if photo["predicted"] is not None:
        names = ", ".join(photo["predicted"]) or texts()("none")
        return f"{names}? {round(100 * photo['probability'])} %"
    return ""


def _found(asked: dict[str, str]) -> dict[str, Any]:
    """A page of what is asked for; the first one says how many there are. Raises AnswerError."""
    limit = _limit(asked.get("limit"))
    engine = settings().workspace.engine
    if asked.get("state") == QUARANTINED:
        _filter_names(asked)
        with reading(engine) as session:
            files, path = quarantined_page(session, after=_path(asked), limit=limit)
        return {"photos": [], "files": files, "after": path}
    if "after" not in asked:
        refresh_gallery(engine)
    with reading(engine) as session:
        wanted, unknown = _filter(session, asked)
        if unknown:
            return {"photos": [], "after": None, "count": 0, "unknown": unknown}
        after = _place(asked["after"]) if "after" in asked else None
        found, last = gallery_page(session, wanted, after=after, limit=limit)
        count = {} if after else {"count": count_photos_of(session, wanted)}
    return {"photos": found, "after": None if last is None else f"{last[0]!r}~{last[1]}", **count}


def _similar(image_id: str) -> dict[str, Any]:
    """Raises AnswerError, NotYours for photos that are not in the pool, MissingFeatures."""
    wanted = given.image_id({"image_id": image_id})
    engine = settings().workspace.engine
    refresh_gallery(engine)
    with reading(engine) as session:
        done = rounds(session)
        if not photos_of(session, [wanted]):
            raise NotYours("There is no such photo in the pool. Reload the page.")
        if not done:
            raise QueueError("There are no features yet. Run `al-fashion round` first.")
        folder = settings().workspace.features / done[-1].info["features"]
        # Photos of other splits are among the neighbours, and left out.
        found = [wanted, *neighbours(folder, wanted, 2 * SIMILAR)]
        return {"photos": photos_of(session, found)[: SIMILAR + 1], "after": None}


def _send(ids: Any) -> tuple[int, int]:
    if not isinstance(ids, list) or not 0 < len(ids) <= MOST_SENT:
        raise AnswerError("`image_ids` are 1 to {most} photos.", most=MOST_SENT)
    wanted = [given.image_id({"image_id": image_id}) for image_id in ids]
    workspace = settings().workspace
    refresh_gallery(workspace.engine)
    with writing(workspace.engine) as session:
        return send_to_queue(session, wanted, workspace.config.overlap)


def _filter(session: Session, asked: dict[str, str]) -> tuple[Filter, list[str]]:
    """(the filter, words of the search that are no label)."""
    _filter_names(asked)
    for name in ("answered", "predicted"):
        if name in asked:
            label_ids(session, [asked[name]])
    named, unknown = labels_named(session, asked.get("q", ""))
    wanted = Filter(
        labels=tuple(named),
        answered=asked.get("answered"),
        predicted=asked.get("predicted"),
        state=cast("Any", asked.get("state")),
        order=cast("Any", asked.get("order", "uncertain")),
    )
    return wanted, unknown


def _filter_names(asked: dict[str, str]) -> None:
    for name, known in (("state", (*STATES, QUARANTINED)), ("order", ORDERS)):
        if name in asked and asked[name] not in known:
            raise AnswerError("`{name}` is one of {known}.", name=name, known=", ".join(known))


def _limit(asked: str | None) -> int:
    if asked is None:
        return PAGE
    if not re.fullmatch(r"[0-9]{1,3}", asked) or not 0 < int(asked) <= MOST_A_PAGE:
        raise AnswerError("`limit` is a whole number from 1 to {most}.", most=MOST_A_PAGE)
    return int(asked)


def _path(asked: dict[str, str]) -> str | None:
    after = asked.get("after")
    if after is not None and "\0" in after:
        raise AnswerError("`after` is that of the page before.")
    return after


def _place(after: str) -> Place:
    found = _PLACE.fullmatch(after)
    try:
        place = (float(found[1]), found[2]) if found else None
    except ValueError:
        place = None
    if place is None or not math.isfinite(place[0]):
        raise AnswerError("`after` is that of the page before.")
    return place
