"""`serve`."""

import getpass
import socket
from pathlib import Path

import click

from al_fashion.errors import AlFashionError
from al_fashion.store.accounts import check_name, has_owner
from al_fashion.store.database import reading
from al_fashion.workspace import Workspace
from webui import create_app

LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "localhost"})
# Each answers one request; the database is what limits.
THREADS = 16


class ServeError(AlFashionError):
    """The page cannot be served at that address."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--labeller", help="Your name beside your answers; else your user name.")
@click.option("--accounts", is_flag=True, help="Let people sign in even on this machine.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    help="A name under which the page is reached, such as labels.example.org.",
)
@click.pass_obj
def serve(
    folder: Path,
    host: str,
    port: int,
    labeller: str | None,
    accounts: bool,
    hosts: tuple[str, ...],
) -> None:
    """Open the labelling page; where others can reach it, people must sign in.

    That is on any address but this machine's own, and under any name given with --allow-host.
    """
    from waitress import create_server

    workspace = Workspace.open(folder)
    accounts = accounts or bool(hosts) or host not in LOOPBACK_ADDRESSES
    if accounts:
        _require_owner(workspace)
    app = create_app(
        workspace,
        check_name(labeller or getpass.getuser()),
        accounts=accounts,
        hosts={*hosts, *_own_names(host)},
    )
    workspace.engine.connect().close()
    listener = bind(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}/"
    click.echo(f"Labelling page at {url} (stop with Ctrl-C)", err=True)
    create_server(app, sockets=[listener], threads=THREADS).run()


def _require_owner(workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        if not has_owner(session):
            raise ServeError(
                "Nobody could sign in yet. Invite yourself with "
                "`al-fashion labeller add NAME --owner`, then serve again."
            )


def _own_names(host: str) -> set[str]:
    """The names under which this machine is known where it listens on all its addresses."""
    if host not in ("0.0.0.0", ""):  # nosec B104
        return {host}
    name = socket.gethostname()
    try:
        return {name, *socket.gethostbyname_ex(name)[2]}
    except OSError:
        return {name}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError for a port in use or a host that is not this one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"Cannot serve on {host}, port {port}: {error.strerror}. Choose another with --port, "
            "or an address of this machine with --host."
        ) from error
    return listener
