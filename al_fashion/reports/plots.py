"""Pictures for the report, as SVG text."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from al_fashion.reports.pool_map import PoolMap
from al_fashion.stats.intervals import clopper_pearson

BLUE, ORANGE, GREY = "#1f5fbf", "#d9480f", "#7a8594"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "al-fashion",
    "font.sans-serif": ["system-ui", "Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b8c0ca",
    "axes.labelcolor": "#3a4552",
    "xtick.color": "#3a4552",
    "ytick.color": "#3a4552",
    "grid.color": "#e3e7ec",
    "legend.frameon": False,
}


def learning_curves(points: Sequence[Mapping[str, Any]], target: float) -> str | None:
    """The headline accuracy and macro F1 with their bands over labels and over hours of work.

    The lighter band is the headline's for all looks together. Without hours (an oracle answered,
    or labels came with the photos) over labels alone; None without points.
    """
    if not points:
        return None
    axes_of = ["labelled", "hours"] if points[-1]["hours"] > 0 else ["labelled"]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.9), layout="constrained")
        grid = figure.subplots(1, len(axes_of), sharey=True, squeeze=False)[0]
        for axes, name in zip(grid, axes_of, strict=True):
            _draw_curve(axes, points, [point[name] for point in points], target)
        grid[0].set(xlabel="labelled photos", ylabel="on held-out photos (%)")
        if len(axes_of) > 1:
            grid[1].set(xlabel="hours of labelling, all people together")
        grid[0].set_ylim(top=100.8)
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        return svg_text(figure)


def _draw_curve(
    axes: Axes, points: Sequence[Mapping[str, Any]], x: Sequence[float], target: float
) -> None:
    every = [(at, point["all_looks"]) for at, point in zip(x, points, strict=True)]
    _band(axes, every, BLUE, 0.10, "all looks together")
    for name, colour, said in (("macro_f1", ORANGE, "macro F1"), ("accuracy", BLUE, "accuracy")):
        known = [(at, point[name]) for at, point in zip(x, points, strict=True)]
        _band(axes, known, colour, 0.18, None)
        line = [(at, 100 * interval["value"]) for at, interval in known if interval]
        if line:
            axes.plot(*zip(*line, strict=True), marker="o", markersize=4, color=colour, label=said)
    axes.axhline(100 * target, linestyle="--", linewidth=1, color=GREY, label="target")
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _band(
    axes: Axes,
    known: Sequence[tuple[float, Mapping[str, Any] | None]],
    colour: str,
    strength: float,
    said: str | None,
) -> None:
    some = [(at, 100 * each["low"], 100 * each["high"]) for at, each in known if each]
    if some:
        x, low, high = zip(*some, strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=strength, linewidth=0, label=said)


def reliability_diagram(bins: Sequence[Mapping[str, Any]]) -> str | None:
    """Said probability against the share right with its range; below, how often it was said."""
    if not bins:
        return None
    said = np.array([100 * row["said"] for row in bins])
    right = np.array([100 * row["right"] for row in bins])
    ranges = [clopper_pearson(round(row["right"] * row["count"]), row["count"]) for row in bins]
    errors = np.abs(np.array([[100 * each.low, 100 * each.high] for each in ranges]).T - right)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5, 5.2), layout="constrained")
        axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([0, 100], [0, 100], linestyle="--", linewidth=1, color=GREY)
        axes.errorbar(said, right, errors, color=BLUE, marker="o", markersize=5, elinewidth=1)
        axes.set(ylabel="right (%)", xlim=(0, 102), ylim=(0, 102))
        axes.grid(True)
        counts.bar(said, [row["count"] for row in bins], width=6, color=BLUE, alpha=0.5)
        counts.set(xlabel="probability said (%)", ylabel="count")
        return svg_text(figure)


def bound_curve(bounds: Sequence[float], target: float) -> str | None:
    """What an audit could vouch for after each of its answers; None before two of them."""
    if len(bounds) < 2:
        return None
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot(range(1, len(bounds) + 1), [100 * bound for bound in bounds], color=BLUE)
        axes.axhline(100 * target, linestyle="--", linewidth=1, color=GREY)
        axes.set(xlabel="audit answers", ylabel="we can vouch for (%)", ylim=(0, 101))
        axes.grid(True)
        return svg_text(figure)


def matrix_plot(matrix: Mapping[str, Any] | None, labels: Sequence[str]) -> str | None:
    """The confusion matrix, or which labels come together as answered and as said."""
    if matrix is None:
        return None
    if matrix["kind"] == "confusion":
        return confusion_matrix(matrix["counts"], labels)
    side = max(3.8, 0.45 * len(labels) + 1.3)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(2 * side, side), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, name, title in ((left, "right", "as answered"), (right, "said", "as predicted")):
            _draw_counts(axes, np.asarray(matrix[name]), _to_largest(matrix[name]), labels)
            axes.set(title=title)
        return svg_text(figure)


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Photos by right label (rows) and predicted label (columns)."""
    side = max(4.0, 0.55 * len(labels) + 1.5)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(side, side), layout="constrained")
        draw_confusion(figure.subplots(), counts, labels)
        return svg_text(figure)


def draw_confusion(axes: Axes, counts: Sequence[Sequence[int]], labels: Sequence[str]) -> None:
    """One confusion matrix, shaded by its rows' shares."""
    values = np.asarray(counts)
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    _draw_counts(axes, values, shares, labels)
    axes.set(xlabel="predicted", ylabel="right")


def _draw_counts(axes: Axes, values: np.ndarray, shades: np.ndarray, labels: Sequence[str]) -> None:
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*values.shape):
        if values[row, column]:
            shade = "white" if shades[row, column] > 0.5 else "black"
            axes.text(column, row, str(values[row, column]), ha="center", va="center", color=shade)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.spines[:].set_visible(False)


def _to_largest(counts: Sequence[Sequence[int]]) -> np.ndarray:
    values = np.asarray(counts, dtype=float)
    return np.asarray(values / max(values.max(), 1))


def map_plot(found: PoolMap | None, labels: Sequence[str]) -> str | None:
    """The pool by its two principal components, the photos asked about upon it."""
    if found is None:
        return None
    newest = int(found.asked.max())
    never, batch = found.asked == 0, (found.asked == newest) & (newest > 0)
    before = ~never & ~batch
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 5.4), layout="constrained")
        axes = figure.subplots()
        _draw_pool(axes, found.points[never], found.likely[never], labels)
        for chosen, size, colour, said in (
            (before, 16, "none", "asked before"),
            (batch, 34, "#ffd43b", f"asked in round {newest}"),
        ):
            if chosen.any():
                x, y = found.points[chosen].T
                axes.scatter(x, y, size, colour, edgecolor="#2b3440", linewidth=0.9, label=said)
        axes.set(xlabel="first component", ylabel="second component", xticks=[], yticks=[])
        figure.legend(loc="outside right upper", markerscale=1.3)
        return svg_text(figure)


def _draw_pool(axes: Axes, points: np.ndarray, likely: np.ndarray, labels: Sequence[str]) -> None:
    """Points by the most probable label, as one picture: thousands of them stay small."""
    colours = matplotlib.colormaps["tab20" if len(labels) > 10 else "tab10"]
    for place, name in enumerate(labels):
        own = likely == place
        if own.any():
            colour = [colours(place % colours.N)]
            x, y = points[own].T
            axes.scatter(x, y, 9, colour, alpha=0.45, linewidth=0, rasterized=True)
            axes.scatter([], [], 18, colour, label=name)


def svg_text(figure: Figure) -> str:
    """A figure as an SVG element."""
    text = io.StringIO()
    # Text stays text, in the browser's fonts, which know more scripts than Matplotlib's; and a
    # dollar sign in a label is no formula.
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for written in figure.findobj(Text):
            written.set_parse_math(False)
        figure.savefig(text, format="svg", dpi=110, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
