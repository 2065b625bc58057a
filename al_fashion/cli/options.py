"""Options that several commands share, and how results are printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from al_fashion.text import percent
from al_fashion.types import RoundResult

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def weights_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --weights and --weights-unverified."""
    command = click.option(
        "--weights-unverified",
        is_flag=True,
        help="Take weights that are not ImageNet's, such as your own fine-tuned ones.",
    )(command)
    return click.option(
        "--weights",
        type=click.Path(path_type=Path),
        help="VGG16's weights (.weights.h5, .h5, .npz or .onnx). [env: AL_FASHION_WEIGHTS]",
    )(command)


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False))


def accuracy_text(accuracy: dict[str, Any] | None) -> str:
    """The headline accuracy with its interval, in words where there is none yet."""
    if accuracy is None:
        return "accuracy not known yet"
    low, high = 100 * accuracy["low"], 100 * accuracy["high"]
    return (
        f"{accuracy['metric']} {percent(accuracy['value'])} "
        f"(95 % interval {low:.1f}–{high:.1f} %, n = {accuracy['n']})"
    )


def round_line(result: RoundResult) -> str:
    """One finished round in one line."""
    return (
        f"round {result.round}: {result.strategy}, {result.labelled} labelled, "
        f"{accuracy_text(result.accuracy)}, {result.queued} queued, {result.seconds:.1f} s"
    )
