"""`demo`."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from al_fashion.cli.options import as_json, print_json, weights_options
from al_fashion.text import percent
from al_fashion.types import RoundResult


@click.command()
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@weights_options
@as_json
@click.pass_context
def demo(
    ctx: click.Context, seed: int, weights: Path | None, weights_unverified: bool, as_json: bool
) -> None:
    """Run the whole loop on Fashion-MNIST: an oracle answers, usdm beside random.

    The workspace is left in ./demo-workspace (or -w DIR) with a batch queued.
    """
    from al_fashion.loop.demo import run_demo
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.reports.html import write_report

    folder = ctx.obj if ctx.meta["al_fashion.workspace_given"] else Path("demo-workspace")
    options = FeatureOptions(weights, not weights_unverified, progress=True)
    workspace, results = run_demo(folder, seed, options)
    report = workspace.reports / "report.html"
    write_report(workspace, report)
    if as_json:
        rounds = {name: [asdict(row) for row in rows] for name, rows in results.items()}
        print_json({"workspace": str(workspace.folder), "seed": seed, "rounds": rounds})
        return
    _print_table(list(results.values()))
    click.echo(f"\nreport: {report}")
    serve = f"{_command()} -w {folder} serve"
    click.echo(f"A batch is queued. Label it in the browser: {serve}")


def _command() -> str:
    """How this program is called from here: by name where it is on the path."""
    if shutil.which("al-fashion"):
        return "al-fashion"
    script = Path(".venv/bin/al-fashion")
    return str(script) if script.exists() else "python -m al_fashion"


def _print_table(curves: list[list[RoundResult]]) -> None:
    click.echo("labels" + "".join(f"  {curve[0].strategy:>8} (95 % interval)" for curve in curves))
    for rows in zip(*curves, strict=True):
        click.echo(f"{rows[0].labelled:6d}" + "".join(f"  {_cell(row.accuracy)}" for row in rows))


def _cell(accuracy: dict[str, Any] | None) -> str:
    if accuracy is None:
        return f"{'–':>24}"
    low, high = 100 * accuracy["low"], 100 * accuracy["high"]
    return f"{percent(accuracy['value']):>9} ({low:4.1f}–{high:4.1f} %)"
