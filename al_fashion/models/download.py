"""Keras's downloads, given up within seconds where there is no internet."""

import contextlib
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from al_fashion.errors import DownloadError

PATIENCE = 5.0
"""Seconds without an answer after which a download is given up."""

_FASHION_MNIST = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def answers(url: str) -> bool:
    """Whether the server answers in time; the thread is for name look-ups, which know no limit."""
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(request, timeout=PATIENCE),  # nosec B310
        ):
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answered.is_set()


def download(url: str, folder: str, md5: str | None = None) -> Path:
    """Let Keras fetch a file into a folder of its cache; progress goes to standard error.

    Raises DownloadError.
    """
    import keras

    try:
        with impatience():
            return Path(keras.utils.get_file(origin=url, cache_subdir=folder, file_hash=md5))
    except Exception as error:  # Keras raises a bare Exception for most failures
        raise DownloadError(f"Cannot download {url}: {error}. Try again later.") from error


@contextlib.contextmanager
def impatience() -> Iterator[None]:
    """Inside, Keras gives up a silent server in time and shows progress on standard error."""
    limit = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(limit)


def download_fashion_mnist(names: list[str]) -> None:
    """Fetch Fashion-MNIST's files into Keras's cache. Raises DownloadError."""
    if not answers(_FASHION_MNIST + names[0]):
        raise DownloadError(
            "Fashion-MNIST is not here and cannot be fetched: no internet. Install Debian's "
            "package dataset-fashion-mnist (`make setup` does where it may)."
        )
    for name in names:
        download(_FASHION_MNIST + name, "datasets/fashion-mnist")
