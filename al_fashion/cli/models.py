"""`models list`, `models train` and `models compare`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from al_fashion.cli.options import as_json, print_json
from al_fashion.text import percent
from al_fashion.workspace import Workspace

if TYPE_CHECKING:
    from al_fashion.loop.zoo import Zoo, ZooOptions


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
        rows = [{**asdict(model), "split": model.split} for model in zoo_models()]
        print_json({"models": rows})
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


@models.command()
@click.argument("name", required=False)
@click.option(
    "--fine-tune",
    type=click.Choice(["block5"]),
    help="Train the last block of the workspace's VGG16 instead, for better features.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file to save to, or a folder; by default the workspace's models.",
)
@zoo_options
@as_json
@click.pass_obj
def train(
    folder: Path,
    name: str | None,
    fine_tune: str | None,
    output: Path | None,
    weights: tuple[Path, ...],
    weights_unverified: bool,
    input_size: int | None,
    per_class: int,
    epochs: int,
    as_json: bool,
) -> None:
    """Train the model NAME, test it on the held-out photos, save it for `predict --model`.

    With --fine-tune there is no NAME: the backbone learns from the labelled photos, at most
    --epochs epochs, and is saved as a weights file. A killed fine-tuning goes on where it was.
    """
    from al_fashion.loop.zoo import Zoo, ZooOptions

    if (name is None) == (fine_tune is None):
        raise click.UsageError("Give either NAME (see `al-fashion models list`) or --fine-tune.")
    if fine_tune and epochs < 2:
        raise click.UsageError("--fine-tune takes --epochs 2 or more.")
    if fine_tune and input_size:
        raise click.UsageError("--fine-tune takes the workspace's own input size.")
    workspace = Workspace.open(folder)
    options = ZooOptions(
        weights, not weights_unverified, input_size or 0, per_class, epochs, progress=True
    )
    if name is None:
        _fine_tune(Zoo.of(workspace, options), output or workspace.models, as_json)
    else:
        path = output or workspace.models / f"{name}.npz"
        if path.is_dir():
            path /= f"{name}.npz"
        _train_model(workspace, name, path, options, as_json)


def _train_model(
    workspace: Workspace, name: str, path: Path, options: "ZooOptions", as_json: bool
) -> None:
    from al_fashion.loop.zoo import Zoo
    from al_fashion.loop.zoo_results import train_and_save
    from al_fashion.models.zoo import zoo_model
    from al_fashion.reports.figure_4 import model_json, result_line

    model = zoo_model(name)
    result = train_and_save(Zoo.of(workspace, options), model, path)
    if as_json:
        print_json({**model_json(result, options.epochs), "model": str(path)})
        return
    click.echo(result_line(result))
    click.echo(f"saved: {path}")


def _fine_tune(zoo: "Zoo", folder: Path, as_json: bool) -> None:
    from al_fashion.loop.fine_tuning import fine_tune_backbone
    from al_fashion.reports.figure_4 import fine_tuned_json, fine_tuned_text

    done = fine_tune_backbone(zoo, folder)
    if as_json:
        print_json(fine_tuned_json(done))
        return
    click.echo(fine_tuned_text(done))
    click.echo(f"saved: {done.weights}")
    config = zoo.workspace.folder / "al_fashion.toml"
    click.echo(
        f'To use it in every round, write weights = "{_named(zoo, done.weights)}" in {config}'
    )


def _named(zoo: "Zoo", weights: Path) -> str:
    """As the configuration names it: from the workspace's folder where it lies below that."""
    path = weights.absolute()
    inside = path.is_relative_to(zoo.workspace.folder)
    return str(path.relative_to(zoo.workspace.folder) if inside else path)
