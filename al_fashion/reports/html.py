"""The report: one HTML file with everything in it."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image as Pillow
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_fashion import __version__
from al_fashion.data.images import read_pixels
from al_fashion.errors import MissingPhotos
from al_fashion.files import write_text
from al_fashion.reports.audit import audit_bounds, audit_text
from al_fashion.reports.numbers import write_numbers
from al_fashion.reports.plots import (
    bound_curve,
    confusion_matrix,
    learning_curve,
    reliability_diagram,
)
from al_fashion.reports.status import workspace_status
from al_fashion.stats.planning import TARGET
from al_fashion.stats.sentences import sentences
from al_fashion.store.database import reading
from al_fashion.store.photos import image_paths, labels, rules
from al_fashion.store.quality import agreement, labellers_on_checks
from al_fashion.store.rounds import headline, rounds
from al_fashion.store.schema import Answer, Labeller, Query, Round
from al_fashion.text import percent, percents
from al_fashion.workspace import Workspace

PHOTOS_SHOWN = 48
THUMBNAIL_SIDE = 160
PLOTS = ("curve", "bounds", "reliability", "confusion")


def write_report(workspace: Workspace, path: Path) -> None:
    """Write the report; beside it its numbers as JSON and CSV and its plots as SVG.

    Raises WorkspaceError where a file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("al_fashion", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals["percents"] = percents
    template = environment.get_template("report.html")
    content = _content(workspace)
    write_text(path, template.render(**content))
    for name in PLOTS:
        if content[name] is not None:
            write_text(path.with_name(f"{path.stem}-{name}.svg"), content[name])
    write_numbers(workspace, path)


def _content(workspace: Workspace) -> dict[str, Any]:
    status = workspace_status(workspace)
    with reading(workspace.engine) as session:
        done = rounds(session)
        names = [label.name for label in labels(session)]
        evaluated = [row for row in done if row.evaluation is not None]
        newest: dict[str, Any] | None = evaluated[-1].evaluation if evaluated else None
        return {
            "name": workspace.folder.name,
            "status": status,
            "rules": rules(session),
            "rounds": [(row, headline(row)) for row in done],
            "newest": newest,
            "sentences": [] if newest is None else sentences(newest),
            "curve": learning_curve([(row.labelled, headline(row)) for row in evaluated]),
            "audit": [] if status["audit"] is None else audit_text(status["audit"]),
            "bounds": bound_curve(audit_bounds(workspace), TARGET),
            "reliability": reliability_diagram((newest or {}).get("reliability", [])),
            "confusion": _confusion(newest, names),
            "photos": _asked_last(session),
            "agreement": agreement(session),
            "people": labellers_on_checks(session),
            "computed": _computed(workspace, session, done),
        }


def _computed(workspace: Workspace, session: Session, done: list[Round]) -> list[tuple[str, str]]:
    """What it takes to compute all of this again."""
    fixed, config = rules(session), workspace.config
    features = str(done[-1].info.get("features", "")) if done else ""
    return [
        ("al-fashion", __version__),
        ("seed", str(fixed.seed)),
        ("a photo counts as right by", fixed.metric),
        ("held out, kept for audits", f"{fixed.heldout_share:g}, {fixed.audit_share:g} of photos"),
        ("backbone and weights (features)", features or "none yet"),
        ("strategy, photos a round", f"{config.strategy}, {config.batch}"),
        ("people asked about each photo", str(config.overlap)),
        (
            "random numbers",
            "NumPy's default generator of (seed, round); audits' draws (seed, 0xA0D17, attempt)",
        ),
        (
            "intervals",
            "95 %: Clopper-Pearson for shares, Korn-Graubard for groups, the delta method for F1 "
            "and Jaccard, cluster-t for the log loss; each number's method is in the JSON file",
        ),
    ]


def _confusion(newest: dict[str, Any] | None, names: list[str]) -> str | None:
    if newest is None or newest["confusion"] is None:
        return None
    return confusion_matrix(newest["confusion"], names)


def _asked_last(session: Session) -> list[dict[str, Any]]:
    """The photos asked last that were answered, newest first, each labeller's last word.

    An answer that came another way than the page (`answers import`, the oracle) counts too.
    """
    names = {label.id: label.name for label in labels(session)}
    corrected = select(Answer.supersedes).where(Answer.supersedes.is_not(None))
    newest_query = select(func.max(Query.id)).group_by(Query.image_id)
    rows = session.execute(
        select(Answer, Labeller.name, Round.strategy, Query.purpose)
        .join(Labeller)
        .join(Query, Query.image_id == Answer.image_id)
        .join(Round, Round.id == Query.round_id)
        .where(Answer.id.not_in(corrected), Query.id.in_(newest_query))
        .order_by(Answer.id.desc())
        .limit(PHOTOS_SHOWN)
    ).all()
    paths = image_paths(session, [answer.image_id for answer, *_ in rows])
    return [
        {
            "picture": _thumbnail(answer.image_id, paths.get(answer.image_id, [])),
            "said": _said(answer, names),
            "labeller": who,
            "why": strategy if purpose == "train" else f"{purpose}, at random",
        }
        for answer, who, strategy, purpose in rows
    ]


def _said(answer: Answer, names: dict[int, str]) -> str:
    if answer.kind == "labels":
        return ", ".join(names[label] for label in answer.labels)
    return "none of these" if answer.kind == "none" else "skipped"


def _thumbnail(image_id: str, paths: list[str]) -> str | None:
    """A data URI, or None where the photo is gone."""
    try:
        photo = Pillow.fromarray(read_pixels(image_id, paths))
    except MissingPhotos:
        return None
    photo.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    content = io.BytesIO()
    photo.save(content, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
