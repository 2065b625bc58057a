"""`labeller`: who may sign in."""

from pathlib import Path

import click

from al_fashion.cli.options import as_json, print_json
from al_fashion.workspace import Workspace


@click.group()
def labeller() -> None:
    """Who may sign in to the labelling page."""


@labeller.command("add")
@click.argument("name")
@click.option("--owner", is_flag=True, help="May settle disagreements and change the labels.")
@click.option("--url", default="", help="The page's address, to print a whole link.")
@click.pass_obj
def add(folder: Path, name: str, owner: bool, url: str) -> None:
    """Invite NAME: prints a link, good once and for seven days, to choose a password.

    For a name that is known it makes a new link, and with it a new password.
    """
    from al_fashion.store.accounts import invite
    from al_fashion.store.database import writing

    with writing(Workspace.open(folder).engine) as session:
        secret = invite(session, name, "owner" if owner else "labeller")
    click.echo(f"{url.rstrip('/')}/invitation/{secret}")
    click.echo(f"Give {name} this link; it can be used once, within seven days.", err=True)


@labeller.command("list")
@as_json
@click.pass_obj
def list_(folder: Path, as_json: bool) -> None:
    """List the people, their roles and whether they have a password."""
    from al_fashion.store.accounts import accounts
    from al_fashion.store.database import reading

    with reading(Workspace.open(folder).engine) as session:
        found = accounts(session)
    if as_json:
        print_json(found)
        return
    for row in found:
        click.echo(f"{row['name']}: {row['role']}, {row['state']}")
