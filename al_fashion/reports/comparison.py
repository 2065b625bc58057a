"""The report of a comparison of strategies: learning curves, labels needed, tests, costs."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from al_fashion import __version__
from al_fashion.files import write_text
from al_fashion.reports import comparison_plots as plots
from al_fashion.reports import comparison_text as text
from al_fashion.reports.comparison_results import read_results
from al_fashion.reports.comparison_summary import summarise
from al_fashion.stats.learning_curves import LEVELS

# How the page writes numbers.
TEXTS = (
    *("needed", "number", "of_its_own", "p_value", "plus_minus"),
    *("share_range", "signed_points", "told"),
)


def write(directory: Path) -> dict[str, Any]:
    """Write `summary.json`, `report.html` and `plots/*.svg` beside the `results.csv` of a folder.

    Returns the summary: `headline` (sentences), `data_sets` (each with `strategies` by area, best
    first, `pairs` and `penalties`), `overall`, `profile`, `ranks`, `failures`. Plots of an earlier
    report that this one lacks are removed. Raises ComparisonError where the results cannot be
    read, WorkspaceError where a file cannot be written.
    """
    summary = summarise(read_results(directory))
    summary = {"headline": text.sentences(summary), **summary}
    pictures = _pictures(summary)
    for path in (directory / "plots").glob("*.svg"):
        if path.stem not in pictures:
            path.unlink()
    for name, picture in pictures.items():
        write_text(directory / "plots" / f"{name}.svg", picture)
    write_text(directory / "report.html", _page(directory, summary, pictures))
    content = json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=1)
    write_text(directory / "summary.json", content + "\n")
    return summary


def cases(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a summary, one row a data set and strategy, the largest area first: what one would print.

    `aulc` and its standard deviation over seeds `aulc_sd`, the accuracy at the end `final`,
    `share_of_random` (labels to random's final accuracy over random's), and Holm's p-values of
    paired t tests against random (`p_random`) and the default, or the best where the default was
    not run (`p_default`). None where the runs cannot tell.
    """
    found = []
    for data_set in summary["data_sets"]:
        for row in data_set["strategies"]:
            case = {"data": data_set["data"], "strategy": row["strategy"]}
            for name, digits in (
                ("aulc", 4),
                ("aulc_sd", 4),
                ("final", 4),
                ("share_of_random", 3),
            ):
                case[name] = None if row[name] is None else round(row[name], digits)
            for name in ("random", "default"):
                test = row["against_random" if name == "random" else "against_reference"]
                p = None if test is None else test["p_t_holm"]
                case[f"p_{name}"] = None if p is None else round(p, 5)
            found.append(case)
    return found


def _pictures(summary: Mapping[str, Any]) -> dict[str, str]:
    """SVG text by name; those of a data set are `curves-1-its-name` and `differences-1-…`."""
    looks = plots.styles(summary)
    found: dict[str, str | None] = {}
    for number, data_set in enumerate(summary["data_sets"], 1):
        name = _file_name(number, data_set)
        found[f"curves-{name}"] = plots.learning_curves(data_set, looks)
        found[f"differences-{name}"] = plots.differences(data_set, looks)
    found["profile"] = plots.performance_profile(summary["profile"], looks)
    found["penalties"] = plots.penalty_matrix(summary["penalties"])
    found["critical-differences"] = plots.critical_differences(summary["ranks"])
    return {name: picture for name, picture in found.items() if picture is not None}


def _file_name(number: int, data_set: Mapping[str, Any]) -> str:
    words = re.findall(r"\w+", data_set["data"])
    return "-".join([str(number), *words])[:60]


def _page(directory: Path, summary: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    environment = Environment(
        loader=PackageLoader("al_fashion", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in TEXTS:
        environment.globals[name] = getattr(text, name)
    environment.filters["whole_percent"] = text.whole_percent
    names = [_file_name(number, each) for number, each in enumerate(summary["data_sets"], 1)]
    return environment.get_template("comparison.html").render(
        name=directory.resolve().name,
        summary=summary,
        pictures=pictures,
        data_sets=list(zip(names, summary["data_sets"], strict=True)),
        levels=[str(level) for level in (*LEVELS, 1.0)],
        computed=_computed(summary),
    )


def _computed(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it takes to compute all of this again, and what each number is."""
    found = [("al-fashion", __version__)]
    for each in summary["data_sets"]:
        labels = each["labels"]
        span = f"{labels[0]:g} to {labels[-1]:g} labels, mostly {each['batch']:g} apart"
        seeds = ", ".join(str(seed) for seed in each["shared_seeds"]) or "none"
        found.append((each["data"], f"{span}; seeds shared: {seeds}"))
    return [
        *found,
        ("experiment", summary["experiment_hash"] or "not known"),
        ("SHA-256 of results.csv", summary["sha256_of_results"]),
        (
            "area",
            "under the accuracy, by trapezoids over the label counts all curves cover, divided by "
            "their span; counts between two batches by a line; means are over the seeds that all "
            "strategies with at least half of random's seeds share; over a strategy's own where it "
            "has fewer, or where they share none",
        ),
        (
            "labels needed",
            "where the mean curve first reaches a share of random's mean final accuracy; ranges by "
            "resampling seeds, 95 %",
        ),
        ("other ranges", "95 %, Student's t over seeds"),
        (
            "tests",
            "paired over the seeds that both sides have: t and Wilcoxon's signed rank test, both "
            "two-sided and adjusted by Holm over a table's column; Cohen's dz with its exact range",
        ),
        (
            "chances",
            "Bayesian signed rank test over seeds; equal is within one point of area",
        ),
        (
            "penalties",
            "Ash and others (2020) at the first labels and 1, 2, 4, … batches more, before random "
            "has 99 % of its final accuracy; over all common seeds where they had five",
        ),
        ("deficiency", "Baram, El-Yaniv and Luz (2004) over the label counts; below 1 is better"),
    ]
