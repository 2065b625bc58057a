"""The workspace's configuration file: what a user may change at any time."""

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w

from al_fashion.errors import WorkspaceError
from al_fashion.files import write_text

FILE_NAME = "al_fashion.toml"


@dataclass(frozen=True)
class Config:
    """`database` is an SQLAlchemy URL; "" is the SQLite file inside the workspace.

    `backbone` is vgg16, a network of keras.applications or the path of a .keras file; `layers`
    are joined to the features, none leaving the choice to the backbone; `pooling` says what
    becomes of a layer's map: regions, mean or flat. `input_size` is in pixels; 0 lets the first
    import choose by the photos' own size. With `decoding` = "draft" large JPEG files are read no
    larger than that needs, which is faster and changes features a little. `weights`, for vgg16
    alone, is a fine-tuned file below the workspace's folder; "" takes ImageNet's. `engine`, for
    vgg16 alone, is auto, keras or ncnn.
    `overlap` people at most answer each photo. A share `check_share` of the photos a labeller
    sees are checks, whose right answer an owner has given; owners with accounts, who may look
    it up, get none. With `show_guess` the page tells what the model thinks before the answer,
    else after it.
    """

    database: str = ""
    backbone: str = "vgg16"
    layers: tuple[str, ...] = ()
    pooling: Literal["regions", "mean", "flat"] = "regions"
    input_size: int = 0
    decoding: Literal["full", "draft"] = "full"
    weights: str = ""
    engine: Literal["auto", "keras", "ncnn"] = "auto"
    strategy: str = "auto"
    batch: int = 20
    overlap: int = 1
    check_share: float = 0.0
    show_guess: bool = False

    def save(self, folder: Path) -> None:
        """Write the file whole or not at all."""
        write_text(folder / FILE_NAME, self.text())

    def text(self) -> str:
        """The file's content."""
        return tomli_w.dumps(asdict(self))

    def with_values(self, **values: Any) -> "Config":
        """The same configuration with some values changed."""
        return replace(self, **values)


def load_config(folder: Path) -> Config:
    """Read a workspace's configuration. Raises WorkspaceError."""
    path = folder / FILE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkspaceError(
            f"No workspace at {folder}: {FILE_NAME} is missing. Make one with `al-fashion init "
            "DIR --labels …`, or name it with -w DIR."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorkspaceError(f"Cannot read {path}: {error}. Correct the file.") from error
    return _checked(path, values)


def _checked(path: Path, values: dict[str, Any]) -> Config:
    kinds = get_type_hints(Config)
    for name, value in values.items():
        if name not in kinds:
            raise WorkspaceError(f"{path}: unknown setting {name!r}. Known: {', '.join(kinds)}.")
        expected = _expected(kinds[name], value)
        if expected:
            raise WorkspaceError(f"{path}: {name} = {value!r}, expected {expected}.")
    if values.get("input_size"):
        # VGG16's five halvings leave nothing of fewer pixels; other networks may.
        smallest = 32 if values.get("backbone", "vgg16") == "vgg16" else 1
        _check_range(path, "input_size", values, smallest, 1024)
    _check_range(path, "batch", values, 1, 100_000)
    _check_range(path, "overlap", values, 1, 25)
    _check_range(path, "check_share", values, 0.0, 0.5)
    layers = {"layers": tuple(values["layers"])} if "layers" in values else {}
    return Config(**{**values, **layers})


def _expected(kind: Any, value: Any) -> str:
    """What a value should have been; nothing where it is right."""
    if get_origin(kind) is Literal:
        return "" if value in get_args(kind) else f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if right else "a list of names"
    return "" if type(value) is kind else f"a {kind.__name__}"


def _check_range(path: Path, name: str, values: dict[str, Any], low: float, high: float) -> None:
    if name in values and not low <= values[name] <= high:
        raise WorkspaceError(f"{path}: {name} = {values[name]}, expected {low} to {high}.")
