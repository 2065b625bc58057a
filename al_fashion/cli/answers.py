"""`answers import`, `export` and `predict`."""

import sys
from pathlib import Path
from typing import IO

import click

from al_fashion.cli.options import as_json, print_json, weights_options
from al_fashion.data.formats import FILES, FOLDERS, NAMES
from al_fashion.text import percent
from al_fashion.workspace import Workspace


@click.group()
def answers() -> None:
    """Take in answers from elsewhere."""


@answers.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--labeller", default="import", show_default=True, help="Who answered, if not said.")
@click.option(
    "--verdicts", is_flag=True, help="They decide; their photos may serve as checks of labellers."
)
@click.pass_obj
def import_(folder: Path, file: Path, labeller: str, verdicts: bool) -> None:
    """Take in JSONL lines with `image` (file name or id), `labels`, optionally `labeller`.

    An empty list of labels says 'none of these'.
    """
    from al_fashion.data.answers import import_answers

    new = import_answers(Workspace.open(folder), file, labeller, verdicts=verdicts)
    click.echo(f"{new} new answers.")


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(NAMES),
    default="csv",
    show_default=True,
    metavar="NAME",
    help=f"A file: {', '.join(FILES)}; a folder with the photos in it: {', '.join(FOLDERS)}.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Else standard output.")
@click.option("--answered", is_flag=True, help="Only photos whose labels are known.")
@click.option("--force", is_flag=True, help="Overwrite an earlier export.")
@click.pass_obj
def export(folder: Path, format_: str, output: Path | None, answered: bool, force: bool) -> None:
    """Write all photos with what was said of them; `import` brings it back."""
    from al_fashion.data.exporting import export_photos

    if output is None and format_ in FOLDERS:
        raise click.UsageError(f"{format_} is a folder. Name it with -o DIR.")
    where: Path | IO[str] = output or sys.stdout
    remarks = export_photos(Workspace.open(folder), format_, where, answered=answered, force=force)
    for remark in remarks:
        click.echo(remark, err=True)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A saved model; needs no workspace. Else the newest round's.",
)
@weights_options
@as_json
@click.pass_obj
def predict(
    folder: Path,
    images: tuple[Path, ...],
    model: Path | None,
    weights: Path | None,
    weights_unverified: bool,
    as_json: bool,
) -> None:
    """Label photos with the newest round's model, or with a saved one."""
    from al_fashion.loop.features import FeatureOptions, own_weights
    from al_fashion.loop.predict import newest_model, predict_files

    options = FeatureOptions(weights, not weights_unverified)
    if model is None:
        workspace = Workspace.open(folder)
        options = own_weights(workspace, options)
        predictions = predict_files(
            newest_model(workspace), images, options, workspace.config.engine
        )
    else:
        predictions = predict_files(model, images, options)
    if as_json:
        print_json({"predictions": predictions})
        return
    for row in predictions:
        best = sorted(row["probabilities"].items(), key=lambda item: -item[1])[:3]
        shown = ", ".join(f"{name} {percent(share)}" for name, share in best)
        click.echo(f"{row['image']}: {'|'.join(row['labels']) or 'none of these'} ({shown})")
