"""`leaks` and `suspects`: is what the numbers rest on sound?"""

from dataclasses import asdict
from pathlib import Path

import click

from al_fashion.cli.options import as_json, print_json, weights_options
from al_fashion.workspace import Workspace

SHOWN = 20


@click.command()
@click.option("--join", is_flag=True, help="Give them one group and one split.")
@weights_options
@as_json
@click.pass_obj
def leaks(
    folder: Path, join: bool, weights: Path | None, weights_unverified: bool, as_json: bool
) -> None:
    """Find near duplicates and groups that lie in several splits."""
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.loop.leaks import find_leaks, join_leaks, paths_of

    workspace = Workspace.open(folder)
    options = FeatureOptions(weights, not weights_unverified, progress=True)
    found = find_leaks(workspace, options)
    moved = join_leaks(workspace, found) if join else 0
    if as_json:
        print_json({"leaks": [asdict(leak) for leak in found], "moved": moved})
        return
    paths = paths_of(workspace, found)
    for leak in found[:SHOWN]:
        one, other = (paths.get(photo, photo) for photo in (leak.one, leak.other))
        click.echo(f"{one} ({leak.splits[0]}) = {other} ({leak.splits[1]}), by {leak.reason}")
    click.echo(f"{len(found)} pairs of photos lie across splits.")
    if join:
        click.echo(f"Joined: {moved} photos changed their split.")
    elif found:
        click.echo("Join them with `al-fashion leaks --join`.")


@click.command()
@click.option("--send", is_flag=True, help="Queue them to be answered once more.")
@click.option("-n", "most", type=click.IntRange(1), help="The most suspect ones only.")
@weights_options
@as_json
@click.pass_obj
def suspects(
    folder: Path,
    send: bool,
    most: int | None,
    weights: Path | None,
    weights_unverified: bool,
    as_json: bool,
) -> None:
    """List answers that look wrong to models that have not seen them."""
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.loop.suspects import find_suspects, send_back

    workspace = Workspace.open(folder)
    options = FeatureOptions(weights, not weights_unverified, progress=True)
    found = find_suspects(workspace, options)[:most]
    sent = send_back(workspace, [row.image_id for row in found]) if send else 0
    if as_json:
        print_json({"suspects": [asdict(row) for row in found], "sent": sent})
        return
    for row in found[:SHOWN]:
        said = "|".join(row.answered) or "none of these"
        click.echo(f"{row.path}: {said}; look again at {', '.join(row.labels)}")
    click.echo(f"{len(found)} answers look wrong." + (f" {sent} photos queued." if send else ""))
