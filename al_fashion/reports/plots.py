"""Pictures for the report, as SVG text."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text


def learning_curve(rounds: Sequence[tuple[int, dict[str, Any] | None]]) -> str | None:
    """Accuracy with its 95 % interval over (labels, headline accuracy); None without rounds."""
    points = [(labelled, accuracy) for labelled, accuracy in rounds if accuracy is not None]
    if not points:
        return None
    labelled = [count for count, _ in points]
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(
        labelled,
        [100 * accuracy["low"] for _, accuracy in points],
        [100 * accuracy["high"] for _, accuracy in points],
        alpha=0.2,
        label="95 % interval",
    )
    axes.plot(labelled, [100 * accuracy["value"] for _, accuracy in points], marker="o")
    axes.axhline(95, linestyle="--", linewidth=1, color="#777777", label="target 95 %")
    axes.set(xlabel="labelled photos", ylabel="accuracy on held-out photos (%)")
    axes.set_ylim(top=100.5)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return svg_text(figure)


def reliability_diagram(bins: Sequence[dict[str, Any]]) -> str | None:
    """Said probability against the share right, points as large as their counts."""
    if not bins:
        return None
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], linestyle="--", linewidth=1, color="#777777")
    most = max(row["count"] for row in bins)
    axes.plot([100 * row["said"] for row in bins], [100 * row["right"] for row in bins], alpha=0.5)
    axes.scatter(
        [100 * row["said"] for row in bins],
        [100 * row["right"] for row in bins],
        s=[10 + 140 * row["count"] / most for row in bins],
    )
    axes.set(xlabel="probability said (%)", ylabel="right (%)", xlim=(0, 102), ylim=(0, 102))
    axes.grid(alpha=0.3)
    return svg_text(figure)


def bound_curve(bounds: Sequence[float], target: float) -> str | None:
    """What an audit could vouch for after each of its answers; None before two of them."""
    if len(bounds) < 2:
        return None
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(bounds) + 1), [100 * bound for bound in bounds])
    axes.axhline(100 * target, linestyle="--", linewidth=1, color="#777777")
    axes.set(xlabel="audit answers", ylabel="we can vouch for (%)", ylim=(0, 101))
    axes.grid(alpha=0.3)
    return svg_text(figure)


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Photos by right label (rows) and predicted label (columns)."""
    side = max(4.0, 0.55 * len(labels) + 1.5)
    figure = Figure(figsize=(side, side), layout="constrained")
    draw_confusion(figure.subplots(), counts, labels)
    return svg_text(figure)


def draw_confusion(axes: Axes, counts: Sequence[Sequence[int]], labels: Sequence[str]) -> None:
    """One confusion matrix, shaded by its rows' shares."""
    values = np.asarray(counts)
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*values.shape):
        if values[row, column]:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(values[row, column]), ha="center", va="center", color=shade)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="right")


def svg_text(figure: Figure) -> str:
    """A figure as an SVG element."""
    text = io.StringIO()
    # Text stays text, in the browser's fonts, which know more scripts than Matplotlib's; and a
    # dollar sign in a label is no formula.
    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for written in figure.findobj(Text):
            written.set_parse_math(False)
        figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
