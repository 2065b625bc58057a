"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 70,000 photos that have no files.

A photo's path is `fashion-mnist:train/123`; its content is its 784 pixel bytes.
"""

import gzip
import os
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import SourceError

PREFIX = "fashion-mnist:"
CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_FILES = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


def paths() -> list[str]:
    """The paths of all 70,000 photos, training part first."""
    return [f"{PREFIX}{part}/{row}" for part, (_, n) in _FILES.items() for row in range(n)]


def label(path: str) -> str:
    """The class name of the photo at a path."""
    part, row = _place(path)
    return CLASSES[int(_arrays(part)[1][row])]


def pixels(path: str) -> NDArray[np.uint8]:
    """(28, 28) uint8 grey values of the photo at a path. Raises SourceError."""
    part, row = _place(path)
    return _arrays(part)[0][row]


def _place(path: str) -> tuple[str, int]:
    part, _, row = path.removeprefix(PREFIX).partition("/")
    return part, int(row)


@cache
def _arrays(part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    stem, n = _FILES[part]
    folder = _folder()
    images = _read(folder / f"{stem}-images-idx3-ubyte.gz", 16, n * 784).reshape(n, 28, 28)
    return images, _read(folder / f"{stem}-labels-idx1-ubyte.gz", 8, n)


def _read(path: Path, header: int, size: int) -> NDArray[np.uint8]:
    try:
        values = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(f"Cannot read {path}: {error}. Fetch Fashion-MNIST anew.") from error
    if values.size != size:
        raise SourceError(
            f"{path} holds {values.size} values, expected {size}. Fetch Fashion-MNIST anew."
        )
    return values


def _folder() -> Path:
    """Debian's folder, else Keras's cache, else Keras's download. Raises DownloadError."""
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    cache = keras_home / "datasets" / "fashion-mnist"
    names = [
        f"{stem}-{kind}-ubyte.gz"
        for stem, _ in _FILES.values()
        for kind in ("images-idx3", "labels-idx1")
    ]
    for folder in (Path("/usr/share/datasets/fashion-mnist"), cache):
        if all((folder / name).exists() for name in names):
            return folder
    from al_fashion.models.download import download_fashion_mnist

    download_fashion_mnist(names)
    return cache
