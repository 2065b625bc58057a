"""`serve`."""

import getpass
import socket
from pathlib import Path

import click

from al_fashion.errors import AlFashionError
from al_fashion.store.labellers import check_name
from al_fashion.workspace import Workspace
from webui import create_app


class ServeError(AlFashionError):
    """The page cannot be served at that address."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--labeller", help="Your name beside your answers; else your user name.")
@click.pass_obj
def serve(folder: Path, host: str, port: int, labeller: str | None) -> None:
    """Open the labelling page."""
    from waitress import create_server

    workspace = Workspace.open(folder)
    app = create_app(workspace, check_name(labeller or getpass.getuser(), person=True))
    workspace.engine.connect().close()
    listener = bind(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}/"
    click.echo(f"Labelling page at {url} (stop with Ctrl-C)", err=True)
    create_server(app, sockets=[listener], threads=8).run()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError for a port in use or a host that is not this one."""
    if host not in ("127.0.0.1", "localhost"):
        raise ServeError(
            f"Cannot serve on {host}: without sign-in the page is for this machine only. "
            "Use --host 127.0.0.1, and a tunnel from elsewhere."
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    return listener
