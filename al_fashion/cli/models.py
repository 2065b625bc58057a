"""`models list`, `models train` and `models compare`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from al_fashion.cli.options import as_json, print_json
from al_fashion.text import percent
from al_fashion.workspace import Workspace


@click.group()
def models() -> None:
    """The study's five models: list, train, compare."""


@models.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """List the models with their settings."""
    from dataclasses import asdict

    from al_fashion.models.zoo import zoo_models

    if as_json:
        print_json([{**asdict(model), "split": model.split} for model in zoo_models()])
        return
    for model in zoo_models():
        study = "" if model.study is None else f"; the study found {percent(model.study)}"
        click.echo(f"{model.name:10} {model.about}{study}")


def zoo_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every training."""
    for option in (
        click.option(
            "--weights-unverified",
            is_flag=True,
            help="Take VGG16 weights that are not ImageNet's, such as your own fine-tuned ones.",
        ),
        click.option(
            "--weights",
            multiple=True,
            type=click.Path(path_type=Path),
            help="A file of VGG16's or ResNet50's weights; give it twice for both.",
        ),
        click.option(
            "--input-size",
            type=click.IntRange(96, 1024),
            help="Pixels the bases see; else the workspace's size, 96 at least.",
        ),
        click.option(
            "--per-class",
            type=click.IntRange(0),
            default=1000,
            show_default=True,
            help="Fill every class up to this with altered copies; 0 makes none.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(1, 1000),
            default=20,
            show_default=True,
            help="Epochs, run twice.",
        ),
    ):
        command = option(command)
    return command


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--pair",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="A B",
    help="Also test by 5×2cv whether two models differ (ten trainings of each).",
)
@zoo_options
@as_json
@click.pass_obj
def compare(
    folder: Path,
    names: tuple[str, ...],
    pairs: tuple[tuple[str, str], ...],
    weights: tuple[Path, ...],
    weights_unverified: bool,
    input_size: int | None,
    per_class: int,
    epochs: int,
    as_json: bool,
) -> None:
    """Compare the models NAMES, all where none is named, and the loop's own (`loop`).

    Prints the study's Figure 4 and saves it with pictures in the workspace's reports. Photos with
    exactly one label take part; the held-out ones test.
    """
    from al_fashion.loop.zoo import ZooOptions
    from al_fashion.reports.model_comparison import compare_models

    options = ZooOptions(
        weights, not weights_unverified, input_size or 0, per_class, epochs, progress=True
    )
    comparison = compare_models(Workspace.open(folder), options, names, pairs)
    if as_json:
        print_json(comparison.values)
        return
    click.echo(comparison.text)
    click.echo("\n".join(["", "saved:", *(f"  {path}" for path in comparison.files)]))
