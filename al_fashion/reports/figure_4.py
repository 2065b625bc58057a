"""The study's Figure 4 of a workspace, as text and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from al_fashion.loop.fine_tuning import FineTuned
from al_fashion.loop.zoo_data import LabelledPhotos
from al_fashion.loop.zoo_pairs import PairResult
from al_fashion.loop.zoo_results import Result
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
    missing = [result.reason for result in results if result.reason]
    return "\n".join([*lines, "", *missing, why_they_differ(results)])


def why_they_differ(results: Sequence[Result]) -> str:
    """One line on the t-range and the interval; an example from the results where there is one."""
    shown = [
        (result.scored.accuracy, result.epoch_range, result.title)
        for result in results
        if result.scored and result.epoch_range
    ]
    if not shown:
        return ""
    interval, (low, high), title = max(shown, key=lambda row: row[0].value)
    return (
        "Why the two ranges differ: the t-range only says how much the accuracy wavered from epoch "
        "to epoch on the same test photos, and shrinks with every epoch; the interval "
        f"({_METHODS[interval.method]}) says what {interval.n} test photos can tell about others. "
        f"{title}: {_range(low, high)} against {_range(interval.low, interval.high)}."
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
        "models": [model_json(result, epochs) for result in results],
        "pairs": [asdict(pair) for pair in pairs],
        "note": why_they_differ(results),
    }


def result_line(result: Result) -> str:
    """One trained model in one line."""
    accuracy = "not tested" if result.scored is None else _accuracy(result.scored.accuracy)
    return (
        f"{result.title}: test accuracy {accuracy}, trained on {result.photos} photos, "
        f"{result.rows} with copies, {result.seconds:.0f} s"
    )


def fine_tuned_text(done: FineTuned) -> str:
    """How long it took to be best, and what the loop's model gains by it."""
    loss, accuracy = done.progress.history[done.progress.best_epoch]
    lines = [
        f"best after {done.progress.best_epoch + 1} of {done.progress.epochs} epochs on "
        f"{done.photos} photos ({done.rows} with copies): validation accuracy {percent(accuracy)}, "
        f"cross-entropy {loss:.3f}"
    ]
    for name, result in (("before", done.before), ("after", done.after)):
        if result.scored:
            lines.append(f"loop's default {name}: {_accuracy(result.scored.accuracy)}")
    return "\n".join(lines)


def fine_tuned_json(done: FineTuned) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "weights": str(done.weights),
        "photos": done.photos,
        "rows_with_copies": done.rows,
        "validation": [
            {"loss": loss, "accuracy": accuracy} for loss, accuracy in done.progress.history
        ],
        "best_epoch": done.progress.best_epoch + 1,
        "before": asdict(done.before.scored.accuracy) if done.before.scored else None,
        "after": asdict(done.after.scored.accuracy) if done.after.scored else None,
    }


def model_json(result: Result, epochs: int) -> dict[str, Any]:
    """One model's row of `as_json`."""
    if result.scored is None:
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
        "accuracy": asdict(result.scored.accuracy),
        "study_accuracy": model.study if model else None,
        "confusion": result.scored.confusion,
        "curves": [[asdict(epoch) for epoch in curve] for curve in result.curves],
        "seconds": round(result.seconds, 1),
    }


def _row(result: Result, epochs: int) -> tuple[str, ...]:
    model = result.model
    settings = (
        (f"{RUNS} × {epochs}", model.optimiser, f"{model.learning_rate:g}") if model else ("–",) * 3
    )
    study = percent(model.study) if model and model.study is not None else "–"
    if result.scored is None:
        return (result.title, result.split, *settings, "–", "–", result.missing, study)
    return (
        result.title,
        result.split,
        *settings,
        _range(*result.validation) if result.validation else "–",
        _range(*result.epoch_range) if result.epoch_range else "–",
        _accuracy(result.scored.accuracy),
        study,
    )


def _accuracy(interval: Interval) -> str:
    return f"{percent(interval.value)} ({_range(interval.low, interval.high)}), n = {interval.n}"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"
