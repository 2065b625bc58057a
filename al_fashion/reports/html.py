"""The report: one HTML file with everything in it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from al_fashion.files import write_text
from al_fashion.reports.content import report_content, why_asked
from al_fashion.reports.numbers import write_numbers
from al_fashion.reports.pictures import pictures
from al_fashion.reports.plots import (
    bound_curve,
    learning_curves,
    map_plot,
    matrix_plot,
    reliability_diagram,
)
from al_fashion.reports.pool_map import pool_map
from al_fashion.reports.trained import newest_trained
from al_fashion.stats.planning import TARGET
from al_fashion.store.database import reading
from al_fashion.store.photos import rules
from al_fashion.text import percent, percents
from al_fashion.workspace import Workspace

# Keeps the map's random numbers apart from those of rounds, audits and the monitor.
_MAP = 0x3A9


def write_report(workspace: Workspace, path: Path) -> None:
    """Write the report; beside it its numbers (.json, .csv) and a folder with its plots as SVG.

    No photo is shown that someone may yet be asked about. Raises WorkspaceError where a file
    cannot be written.
    """
    trained = newest_trained(workspace)
    content = report_content(workspace, trained)
    with reading(workspace.engine) as session:
        rng = np.random.default_rng([rules(session).seed, _MAP])
        found = None if trained is None else pool_map(session, trained, rng)
        shown = pictures(session, _shown(content))
    content["why"] = why_asked(found, int(found.asked.max()) if found else 0)
    plots = {
        "learning-curves": learning_curves(content["curve"], TARGET),
        "proof": bound_curve(content["proof"]["bounds"], TARGET),
        "matrix": matrix_plot(content["matrix"], content["labels"]),
        "reliability": reliability_diagram((content["newest"] or {}).get("reliability", [])),
        "map": map_plot(found, content["labels"]),
    }
    folder = plots_folder(path)
    page = _template().render(
        **content,
        plots=plots,
        pictures=shown,
        files=(path.with_suffix(".json").name, path.with_suffix(".csv").name, folder.name),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    for name, plot in plots.items():
        if plot is not None:
            write_text(folder / f"{name}.svg", plot)
    write_numbers(content, path)
    write_text(path, page)


def plots_folder(report: Path) -> Path:
    """Where a report's plots lie."""
    return report.with_name(f"{report.stem}-plots")


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("al_fashion", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["code"] = _code
    environment.globals["percents"] = percents
    return environment.get_template("report.html")


def _code(text: str) -> Markup:
    """Text with what stands between backticks set as code."""
    # All that is not ours in it is escaped.
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # nosec B704


def _shown(content: Mapping[str, Any]) -> Iterator[str]:
    """The photos that the report shows."""
    quality = content["quality"]
    for rows in (
        content["debated"]["shown"],
        content["surprises"],
        content["asked"],
        quality["suspects"]["shown"],
    ):
        yield from (row["image"] for row in rows)
    yield from (photo for pair in quality["near_duplicates_shown"] for photo in pair)
