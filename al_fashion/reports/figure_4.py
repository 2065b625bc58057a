"""The study's Figure 4 of a workspace, as text and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from al_fashion.loop.zoo import PairResult, Result
from al_fashion.loop.zoo_data import LabelledPhotos
from al_fashion.models.zoo import RUNS
from al_fashion.text import percent
from al_fashion.types import Interval

_HEADER = (
    "model",
    "split",
    "epochs",
    "optimiser",
    "rate",
    "validation range",
    "t-range over epochs",
    "test accuracy (95 % interval)",
    "study",
)
_METHODS = {"clopper-pearson": "Clopper–Pearson's", "korn-graubard": "Korn–Graubard's, by groups"}


def figure_4(results: Sequence[Result], epochs: int) -> str:
    """The table as Markdown, the notes on how to read it below."""
    rows = [_HEADER, *(_row(result, epochs) for result in results)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADER))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    missing = [f"{result.title}: {result.reason}" for result in results if result.reason]
    return "\n".join([*lines, "", *missing, why_they_differ(results)])


def why_they_differ(results: Sequence[Result]) -> str:
    """One line on the t-range and the interval; an example from the results where there is one."""
    shown = [result for result in results if result.epoch_range and result.accuracy]
    if not shown:
        return ""
    best = max(shown, key=lambda result: result.accuracy.value if result.accuracy else 0)
    low, high = best.epoch_range or (0.0, 0.0)
    interval = best.accuracy or Interval(0, 0, 0, "", 0, 0)
    return (
        "Why the two ranges differ: the t-range only says how much the accuracy wavered from epoch "
        "to epoch on the same test photos, and shrinks with every epoch; the interval "
        f"({_METHODS[interval.method]}) says what {interval.n} test photos can tell about others. "
        f"{best.title}: {_range(low, high)} against {_range(interval.low, interval.high)}."
    )


def pair_lines(pair: PairResult) -> str:
    """Both paired tests of two models."""
    first, second = pair.means
    t, f = pair.tests
    return (
        f"{pair.first} {percent(first)} against {pair.second} {percent(second)} (5×2cv): "
        f"Dietterich t = {t.statistic:.2f}, p = {t.p_value:.3f}; "
        f"Alpaydin F = {f.statistic:.2f}, p = {f.p_value:.3f}"
    )


def as_json(
    photos: LabelledPhotos, results: Sequence[Result], pairs: Sequence[PairResult], epochs: int
) -> dict[str, Any]:
    """Everything that the table and the pictures show."""
    return {
        "labels": photos.names,
        "photos": {
            "train": int((~photos.heldout).sum()),
            "test": int(photos.heldout.sum()),
            "left_out": photos.left_out,
        },
        "models": [_model_json(result, epochs) for result in results],
        "pairs": [asdict(pair) for pair in pairs],
        "note": why_they_differ(results),
    }


def _model_json(result: Result, epochs: int) -> dict[str, Any]:
    if result.reason:
        return {"name": result.name, "available": False, "reason": result.reason}
    model = result.model
    return {
        "name": result.name,
        "available": True,
        "split": result.split,
        "photos": result.photos,
        "rows_with_copies": result.rows,
        "epochs": [epochs] * RUNS if model else None,
        "optimiser": model.optimiser if model else None,
        "learning_rate": model.learning_rate if model else None,
        "validation": result.validation,
        "epoch_range": result.epoch_range,
        "accuracy": asdict(result.accuracy) if result.accuracy else None,
        "study_accuracy": model.study if model else None,
        "confusion": result.confusion,
        "curves": [[asdict(epoch) for epoch in curve] for curve in result.curves],
        "seconds": round(result.seconds, 1),
    }


def _row(result: Result, epochs: int) -> tuple[str, ...]:
    model, interval = result.model, result.accuracy
    settings = (
        (f"{RUNS} × {epochs}", model.optimiser, f"{model.learning_rate:g}") if model else ("–",) * 3
    )
    split = model.split if model else result.split
    study = percent(model.study) if model and model.study is not None else "–"
    if interval is None:
        return (result.title, split, *settings, "–", "–", "weights not available", study)
    return (
        result.title,
        split,
        *settings,
        _range(*result.validation) if result.validation else "–",
        _range(*result.epoch_range) if result.epoch_range else "–",
        f"{percent(interval.value)} ({_range(interval.low, interval.high)}), n = {interval.n}",
        study,
    )


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"
