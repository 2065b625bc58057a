"""`init` and `import`."""

from pathlib import Path

import click

from al_fashion.config import Config
from al_fashion.data.formats import NAMES
from al_fashion.workspace import Workspace, create_workspace


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--labels", required=True, help="The labels, separated by commas.")
@click.option("--exclusive", is_flag=True, help="A photo has one label at most.")
@click.option(
    "--metric",
    type=click.Choice(["accuracy", "top1_in_set"]),
    default="accuracy",
    help="What the headline accuracy counts: the exact label set, or the top label in the set.",
)
@click.option("--heldout", type=float, default=0.2, show_default=True, help="Share held out.")
@click.option("--audit", type=float, default=0.1, show_default=True, help="Share kept for audits.")
@click.option("--database", default="", help="An SQLAlchemy URL; else SQLite in the workspace.")
@click.option(
    "--backbone",
    default="vgg16",
    show_default=True,
    metavar="NAME|FILE.keras",
    help="A network of keras.applications, or a Keras file of your own.",
)
@click.option("--input-size", type=click.IntRange(32, 1024), help="Pixels the backbone sees.")
@click.option("--seed", type=click.IntRange(0), help="Makes all random choices repeatable.")
def init(
    folder: Path,
    labels: str,
    exclusive: bool,
    metric: str,
    heldout: float,
    audit: float,
    database: str,
    backbone: str,
    input_size: int | None,
    seed: int | None,
) -> None:
    """Make a workspace in FOLDER."""
    name, own_size = _checked_backbone(backbone)
    create_workspace(
        folder,
        labels.split(","),
        exclusive=exclusive,
        metric=metric,
        heldout=heldout,
        audit=audit,
        seed=seed,
        config=Config(database=database, backbone=name, input_size=input_size or own_size),
    )
    click.echo(f"Made a workspace in {folder}. Next: al-fashion -w {folder} import SOURCE")


def _checked_backbone(name: str) -> tuple[str, int]:
    """(the name as the configuration has it, its own input size or 0). Raises WeightsError."""
    if name == "vgg16":
        return name, 0
    from al_fashion.models.keras_backbones import check_backbone

    size = check_backbone(name)
    # The workspace may be used from any folder.
    return str(Path(name).absolute()) if name.endswith(".keras") else name.lower(), size or 0


@click.command()
@click.argument("source", required=False)
@click.option("--labels-from", type=click.Choice(["none", "folders", "csv"]))
@click.option(
    "--class-map",
    type=click.Path(path_type=Path),
    help="CSV `folder,labels`: what the source's names mean here; several labels with |.",
)
@click.option("--group-by", help="CSV column of what belongs together, such as the sender.")
@click.option("--image-column", default="image", show_default=True)
@click.option("--label-column", default="labels", show_default=True)
@click.option(
    "--labels-as",
    type=click.Choice(["answers", "truth"]),
    default="answers",
    show_default=True,
    help="`truth` keeps the pool's labels back, for simulations.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(NAMES),
    metavar="NAME",
    help=f"What SOURCE is, where it does not show: {', '.join(NAMES)}.",
)
@click.option("--draw-splits", is_flag=True, help="Draw splits anew, not as an export has them.")
@click.option("--limit", type=click.IntRange(1), help="Take a random part of this many photos.")
@click.option(
    "--relocate",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Find photos that were moved, by content, below this folder.",
)
@click.option(
    "--remove-missing",
    is_flag=True,
    help="Remove for good, answers included, the photos that are nowhere to be found.",
)
@click.pass_obj
def import_(
    folder: Path,
    source: str | None,
    labels_from: str | None,
    class_map: Path | None,
    group_by: str | None,
    image_column: str,
    label_column: str,
    labels_as: str,
    format_: str | None,
    draw_splits: bool,
    limit: int | None,
    relocate: Path | None,
    remove_missing: bool,
) -> None:
    """Bring photos in from SOURCE: a folder, a CSV manifest, `fashion-mnist`, or what `export`
    wrote, with its splits and answers."""
    workspace = Workspace.open(folder)
    if (source is not None) + (relocate is not None) + remove_missing != 1:
        raise click.UsageError("Give one of SOURCE, --relocate DIR and --remove-missing.")
    if relocate is not None:
        _relocate(workspace, relocate)
        return
    if remove_missing:
        _remove_missing(workspace)
        return
    from al_fashion.data.importing import import_photos

    report = import_photos(
        workspace,
        str(source),
        labels_from=labels_from,
        class_map=class_map,
        group_by=group_by,
        image_column=image_column,
        label_column=label_column,
        labels_as=labels_as,
        limit=limit,
        format_=format_,
        draw_splits=draw_splits,
        progress=True,
    )
    click.echo(report.text())


def _remove_missing(workspace: Workspace) -> None:
    from al_fashion.data.removal import remove_missing

    click.echo(f"{remove_missing(workspace)} photos removed for good.")


def _relocate(workspace: Workspace, folder: Path) -> None:
    from al_fashion.data.places import relocate

    found, still_missing = relocate(workspace, folder, progress=True)
    click.echo(f"{found} photos found again, {still_missing} still missing.")
