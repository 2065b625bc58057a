"""Pictures of trained models: curves by epoch, confusion matrices; each as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from al_fashion.files import replacing
from al_fashion.loop.zoo_results import Result
from al_fashion.reports.plots import draw_confusion

_WIDE = 10.0


def save_curves(folder: Path, results: Sequence[Result], name: str = "models-curves") -> list[Path]:
    """Accuracy and loss by epoch of every model with epochs, as PNG and SVG."""
    shown = [result for result in results if result.curves]
    if not shown:
        return []
    figure = Figure(figsize=(9, 2.6 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False, sharex="row")
    for axes, result in zip(grid, shown, strict=True):
        for number, curve in enumerate(result.curves):
            half = f", half {number + 1}" if len(result.curves) > 1 else ""
            _draw(axes[0], [100 * epoch.accuracy for epoch in curve], f"training{half}", number, 0)
            _draw(axes[0], [100 * epoch.test_accuracy for epoch in curve], f"test{half}", number, 1)
            _draw(axes[1], [epoch.loss for epoch in curve], f"training{half}", number, 0)
            _draw(axes[1], [epoch.test_loss for epoch in curve], f"test{half}", number, 1)
        axes[0].set(title=result.title, xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 101))
        axes[1].set(title=result.title, xlabel="epoch", ylabel="cross-entropy")
        # A rate too high makes losses of thousands beside losses of one.
        if axes[1].get_ylim()[1] > _WIDE:
            axes[1].set_yscale("log")
        axes[0].legend(loc="lower right", fontsize="small")
        for each in axes:
            each.grid(alpha=0.3)
    return _save(figure, folder, name)


def _draw(axes: Axes, values: Sequence[float], label: str, number: int, kind: int) -> None:
    style = ("-", "--")[number % 2]
    axes.plot(np.arange(1, len(values) + 1), values, style, color=f"C{kind}", label=label)


def save_confusions(
    folder: Path, results: Sequence[Result], labels: Sequence[str], name: str = "models-confusion"
) -> list[Path]:
    """Every model's confusion matrix beside each other, as PNG and SVG."""
    shown = [(result.title, result.scored) for result in results if result.scored]
    if not shown:
        return []
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    side = max(3.4, 0.55 * len(labels) + 1.5)
    figure = Figure(figsize=(side * columns, side * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, scored) in zip(grid, shown, strict=False):
        draw_confusion(axes, scored.confusion, labels)
        axes.set_title(title)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    return _save(figure, folder, name)


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    for path in paths:
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix[1:], dpi=120)
    return paths
