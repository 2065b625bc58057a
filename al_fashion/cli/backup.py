"""`backup` and `restore`."""

from pathlib import Path

import click

from al_fashion.workspace import Workspace


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def backup(folder: Path, file: Path) -> None:
    """Write answers and settings into FILE, a ZIP, while people go on labelling.

    Photos, features and models are not in it.
    """
    from al_fashion.store.backup import back_up

    rows = back_up(Workspace.open(folder), file)
    click.echo(f"{file}: {_said(rows)}.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Only check that FILE is whole.")
def restore(file: Path, folder: Path | None, verify: bool) -> None:
    """Make the workspace FOLDER anew from a backup, or --verify that FILE is one."""
    from al_fashion.store import backup as backups

    if verify == (folder is not None):
        raise click.UsageError("Name a new FOLDER to restore into, or --verify the file.")
    rows = backups.check_backup(file) if folder is None else backups.restore(file, folder)
    done = "is whole" if folder is None else f"restored to {folder}"
    click.echo(f"{file} {done}: {_said(rows)}.")


def _said(rows: dict[str, int]) -> str:
    return f"{rows['image']} photos, {rows['answer']} answers, {rows['round']} rounds"
