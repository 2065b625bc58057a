"""`monitor`."""

from dataclasses import asdict
from pathlib import Path

import click

from al_fashion.cli.options import as_json, print_json, weights_options
from al_fashion.text import percent, percents
from al_fashion.types import Interval
from al_fashion.workspace import Workspace


@click.group()
def monitor() -> None:
    """Watch the accuracy with few answers; a proof it is not."""


@monitor.command()
@click.option("-n", "budget", type=click.IntRange(1), required=True, help="Photos, on average.")
@weights_options
@click.pass_obj
def start(folder: Path, budget: int, weights: Path | None, weights_unverified: bool) -> None:
    """Queue photos of the pool by chance, most where the newest model is unsure."""
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.loop.monitor import start_monitor

    options = FeatureOptions(weights, not weights_unverified, progress=True)
    asked = start_monitor(Workspace.open(folder), budget, options)
    click.echo(f"{asked} photos queued. Answer them with `al-fashion serve`.")


@monitor.command("status")
@weights_options
@as_json
@click.pass_obj
def status(folder: Path, weights: Path | None, weights_unverified: bool, as_json: bool) -> None:
    """Say what the answers and the model's own guesses together tell."""
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.loop.monitor import watch_accuracy

    options = FeatureOptions(weights, not weights_unverified, progress=True)
    found = watch_accuracy(Workspace.open(folder), options)
    if as_json:
        print_json(asdict(found))
        return
    if found.asked:
        click.echo(
            f"pool, round {found.round}'s model: {found.answered} of {found.asked} asked photos "
            f"answered; {_share(found.pool)}"
        )
    click.echo(f"held-out photos, newest model, helped by its guesses: {_share(found.heldout)}")
    click.echo("To watch by only: these ranges are approximations. `al-fashion audit` proves.")


def _share(interval: Interval | None) -> str:
    if interval is None:
        return "not known yet"
    return f"{percent(interval.value)} right (range {percents(interval.low, interval.high)})"
