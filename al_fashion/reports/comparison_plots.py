"""Pictures of a comparison of strategies, as SVG text."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from al_fashion.reports.comparison_results import RANDOM
from al_fashion.reports.plots import svg_text

# More curves than these in colour cannot be told apart; the others are grey.
COLOURED = 8
_COLOURS = matplotlib.color_sequences["tab10"]
_PLAIN: dict[str, Any] = {"color": "#c3c9d1", "linewidth": 0.8, "zorder": 1}
Styles = dict[str, dict[str, Any]]


def styles(summary: Mapping[str, Any]) -> Styles:
    """One look a strategy, the same in every picture: random, the reference, then by area."""
    rows = [row["strategy"] for found in summary["data_sets"] for row in found["strategies"]]
    names = list(dict.fromkeys(rows))
    first = [RANDOM, *([summary["reference"]] if summary["reference"] else [])]
    shown = [*first, *(name for name in names if name not in first)][:COLOURED]
    colours = [colour for colour in _COLOURS if colour != _COLOURS[7]]
    found: Styles = {name: dict(_PLAIN) for name in names}
    for place, name in enumerate(shown):
        found[name] = {"color": colours[(place - 1) % len(colours)], "linewidth": 1.4, "zorder": 3}
    found[RANDOM] |= {"color": "#333333", "linestyle": "--", "zorder": 4}
    if summary["reference"]:
        found[summary["reference"]] |= {"linewidth": 2.4, "zorder": 5}
    return found


def learning_curves(data_set: Mapping[str, Any], looks: Styles) -> str:
    """Mean accuracy over labels with its 95 % interval over seeds."""
    axes = _axes(4.8)
    _bands(axes, data_set, looks, "curve")
    axes.set(xlabel="labels", ylabel="accuracy on test photos (%)")
    return _with_legend(axes)


def differences(data_set: Mapping[str, Any], looks: Styles) -> str | None:
    """Mean paired difference to random with its 95 % interval; None where there is no other."""
    if len(data_set["strategies"]) < 2:
        return None
    axes = _axes(4.0)
    axes.axhline(0, color="#333333", linestyle="--", linewidth=1)
    _bands(axes, data_set, looks, "difference", without=RANDOM)
    axes.set(xlabel="labels", ylabel="points of accuracy over random")
    return _with_legend(axes)


def _bands(
    axes: Axes, data_set: Mapping[str, Any], looks: Styles, name: str, without: str = ""
) -> None:
    labels = data_set["labels"]
    marker = "o" if len(labels) == 1 else None
    for row in data_set["strategies"]:
        values, look = _floats(row[name]), looks[row["strategy"]]
        if row["strategy"] == without or not len(values):
            continue
        shown = look["zorder"] > 1
        text = row["strategy"] if shown else None
        axes.plot(labels, 100 * values, marker=marker, label=text, **look)
        half = _floats(row[f"{name}_half"])
        if shown and np.isfinite(half).all():
            low, high = 100 * (values - half), 100 * (values + half)
            axes.fill_between(labels, low, high, color=look["color"], alpha=0.09, linewidth=0)


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def performance_profile(profile: Mapping[str, Any], looks: Styles) -> str | None:
    """Share of problems in which a strategy is within so many points of the best."""
    if len(profile["shares"]) < 2:
        return None
    axes = _axes(4.0)
    for name, shares in profile["shares"].items():
        look = looks[name]
        text = name if look["zorder"] > 1 else None
        axes.plot(100 * _floats(profile["within"]), 100 * _floats(shares), label=text, **look)
    axes.set(xlabel="points of area behind the best", ylabel="problems (%)", ylim=(-2, 102))
    axes.set_xlim(left=0)
    return _with_legend(axes)


def penalty_matrix(penalties: Mapping[str, Any]) -> str | None:
    """BADGE's matrix: how often the row's strategy beats the column's; below, column means."""
    names = penalties["strategies"]
    if len(names) < 2:
        return None
    values = np.array(penalties["matrix"])
    table = np.vstack([values, values.mean(axis=0)])
    side = max(4.0, 0.5 * len(names) + 1.8)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table, cmap="Blues", vmin=0, vmax=max(values.max(), 1e-9))
    axes.axhline(len(names) - 0.5, color="white", linewidth=6)
    dark = 0.55 * values.max()
    for row, column in np.ndindex(*table.shape):
        if row != column and (table[row, column] > 0 or row == len(names)):
            shade = "white" if table[row, column] > dark > 0 else "black"
            text = f"{table[row, column]:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=shade)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names) + 1), [*names, "penalty"])
    axes.set(xlabel="is beaten", ylabel="beats")
    return svg_text(figure)


def critical_differences(ranks: Mapping[str, Any]) -> str | None:
    """Demšar's diagram: mean ranks on a line; a bar joins those that do not differ."""
    if "reason" in ranks:
        return None
    ordered = sorted(zip(ranks["mean_ranks"], ranks["strategies"], strict=True))
    k, apart = len(ordered), ranks["critical_difference"]
    rows = (k + 1) // 2
    bars = _groups([rank for rank, _ in ordered], apart)
    figure = Figure(figsize=(7.5, 1.4 + 0.28 * rows + 0.12 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.plot([1, k], [0, 0], color="#333333", linewidth=1)
    for rank in range(1, k + 1):
        axes.plot([rank, rank], [0, 0.15], color="#333333", linewidth=1)
        axes.text(rank, 0.25, str(rank), ha="center", va="bottom", fontsize=8)
    below = 0.3 * len(bars) + 0.5
    for place, (rank, name) in enumerate(ordered):
        left = place < rows
        level = -below - 0.7 * (place if left else k - 1 - place)
        edge = 1 - 0.04 * k if left else k + 0.04 * k
        axes.plot([rank, rank, edge], [0, level, level], color="#777777", linewidth=0.8)
        text = f"{name} ({rank:.2f})"
        axes.text(edge, level, text, ha="right" if left else "left", va="center", fontsize=9)
    for number, (low, high) in enumerate(bars, 1):
        axes.plot([low - 0.03, high + 0.03], [-0.3 * number] * 2, color="#1f77b4", linewidth=3)
    axes.plot([1, 1 + apart], [1.1, 1.1], color="#333333", linewidth=2)
    axes.text(1 + apart / 2, 1.2, f"critical difference {apart:.2f}", ha="center", fontsize=8)
    axes.set_xlim(1 - 0.45 * k, k + 0.45 * k)
    axes.set_axis_off()
    return svg_text(figure)


def _groups(ranks: Sequence[float], apart: float) -> list[tuple[float, float]]:
    """The longest runs of rising mean ranks whose ends are less than `apart` from each other."""
    found: list[tuple[float, float]] = []
    for low in ranks:
        high = max(rank for rank in ranks if rank - low < apart)
        if high > low and not (found and high <= found[-1][1]):
            found.append((low, high))
    return found


def _axes(height: float) -> Axes:
    axes = Figure(figsize=(11.4, height), layout="constrained").subplots()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _with_legend(axes: Axes) -> str:
    grey = sum(line.get_color() == _PLAIN["color"] for line in axes.lines)
    if grey:
        axes.plot([], [], label=f"{grey} others", **_PLAIN)
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.legend(loc="outside right upper", frameon=False, fontsize="medium")
    return svg_text(figure)
