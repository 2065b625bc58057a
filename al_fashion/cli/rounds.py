"""`round`, `status`, `report` and `strategies`."""

from dataclasses import asdict
from pathlib import Path

import click

from al_fashion.cli.options import (
    accuracy_text,
    as_json,
    print_json,
    round_line,
    weights_options,
)
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace


@click.command("round")
@click.option("--strategy", help="A sampling strategy; see `al-fashion strategies`.")
@click.option("-n", "batch", type=click.IntRange(1), help="How many photos to queue.")
@click.option(
    "--evaluate", "evaluated", type=click.IntRange(0), help="Held-out photos to queue beside them."
)
@click.option("--force", is_flag=True, help="Queue more although queries are still open.")
@click.option("--watch", is_flag=True, help="Run a round whenever the batch is answered.")
@weights_options
@as_json
@click.pass_obj
def round_(
    folder: Path,
    strategy: str | None,
    batch: int | None,
    evaluated: int | None,
    force: bool,
    watch: bool,
    weights: Path | None,
    weights_unverified: bool,
    as_json: bool,
) -> None:
    """Train on all answers, evaluate, select the next batch and queue it."""
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.loop.round_plan import RoundOptions
    from al_fashion.loop.rounds import run_round, watch_rounds

    workspace = Workspace.open(folder)
    options = RoundOptions(
        strategy=strategy,
        batch=batch,
        evaluated=evaluated,
        force=force,
        features=FeatureOptions(weights, not weights_unverified, progress=True),
    )
    if not watch:
        _print_round(run_round(workspace, options), as_json)
        return
    for result in watch_rounds(workspace, options):
        _print_round(result, as_json)
    click.echo("The target is proven and claimed, or nothing is left to ask; see status.", err=True)


def _print_round(result: RoundResult, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
    else:
        click.echo(round_line(result))
        for sentence in result.sentences:  # beside the one line that a script may read
            click.echo(f"  {sentence}", err=True)


@click.command()
@as_json
@click.pass_obj
def status(folder: Path, as_json: bool) -> None:
    """Say where the workspace stands and what to do next."""
    from al_fashion.reports.audit import audit_text
    from al_fashion.reports.status import workspace_status

    found = workspace_status(Workspace.open(folder))
    if as_json:
        print_json(found)
        return
    photos, queue = found["photos"], found["queue"]
    click.echo(
        f"photos: {photos['pool']} in the pool, {photos['labelled']} labelled, "
        f"{photos['heldout']} held out ({found['heldout_answered']} answered), "
        f"{photos['audit']} kept for the audit, {photos['quarantined']} quarantined"
    )
    for path, reason in found["quarantined"]:
        click.echo(f"  quarantined: {path}: {reason}")
    audit = f" ({queue['open_audit']} of them the audit's)" if queue["open_audit"] else ""
    click.echo(f"queue: {queue['open']} open{audit}, {queue['answered']} answered")
    click.echo(f"round {found['round']}: {accuracy_text(found['accuracy'])}")
    if found["audit"] is not None:
        for line in audit_text(found["audit"]):
            click.echo(f"  {line}")
    click.echo(f"next: {found['next']}")


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def report(folder: Path, output: Path | None) -> None:
    """Write the report as one HTML file, its numbers and plots beside it."""
    from al_fashion.reports.html import plots_folder, write_report

    workspace = Workspace.open(folder)
    path = output or workspace.reports / "report.html"
    write_report(workspace, path)
    click.echo(
        f"Numbers: {path.with_suffix('.json').name} and {path.with_suffix('.csv').name} beside it; "
        f"plots as SVG: {plots_folder(path).name}",
        err=True,
    )
    click.echo(str(path))


@click.command("strategies")
@as_json
def list_strategies(as_json: bool) -> None:
    """List the sampling strategies."""
    import strategies

    found = [{"name": name, "about": strategies.describe(name)} for name in strategies.names()]
    if as_json:
        print_json(found)
        return
    width = max(len(row["name"]) for row in found)
    for row in found:
        click.echo(f"{row['name']:{width}} {row['about']}")
