"""An experiment as a TOML file describes it, and the hash that names its result."""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w

from al_fashion.comparison.code_digest import code_digest, libraries
from al_fashion.data.sources import FASHION_MNIST
from al_fashion.errors import ComparisonError
from al_fashion.files import write_text
from strategies.registry import suggestion

BASELINE = "random"


@dataclass(frozen=True)
class DataSet:
    """Photos whose labels are known, as `al-fashion import` takes them.

    Of their labels stay `classes` (all where none are named), less those of `leave_out`, only
    the `most_frequent` and those with `minimum_positives` photos; 0 is no limit. Where
    `exclusive`, photos that have none of them are left out, else they stay as photos without a
    label. None finds out whether any photo has several of them. `input_size` is in pixels, 0
    chooses by the photos' own size.
    `class_map` is a CSV file `folder,labels` of what the source's names mean, `format` one that
    `export` writes, where it does not show. `budget` is its own, where it has too few photos for
    the experiment's, which bounds it.
    """

    name: str
    source: str
    labels_from: str = ""
    image_column: str = "image"
    label_column: str = "labels"
    class_map: str = ""
    format: str = ""
    group_by: str = ""
    exclusive: bool | None = None
    classes: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    most_frequent: int = 0
    minimum_positives: int = 0
    backbone: str = "vgg16"
    input_size: int = 0
    budget: int = 0


@dataclass(frozen=True)
class Experiment:
    """Strategies side by side: what a TOML file says, in the same names.

    `seeds` is how many, or "FIRST-LAST"; `seeds_of` says otherwise for single strategies. A seed
    draws `test` (a share) of the photos for the test, whole groups, and leaves at most about
    `pool` to ask about. Every strategy begins with the same `initial` photos (0: `batch`) that
    the strategy `seed_set` selects; "own" lets each select its own. Then batches of `batch`
    follow up to `budget` labels, the seed set counted. `labellers` is clean or noisy:RATExNUMBER.
    `learner` names a Python file's or module's estimator that takes the head's place.
    An answer takes `seconds_a_key` for each label and for the key that ends it.
    """

    data: tuple[DataSet, ...] = ()
    strategies: tuple[str, ...] = ("auto", "usdm", "margin", BASELINE)
    seeds: int | str = 10
    seeds_of: Mapping[str, int | str] = field(default_factory=dict)
    budget: int = 1000
    batch: int = 50
    initial: int = 0
    seed_set: str = BASELINE
    labellers: str = "clean"
    pool: int = 10_000
    test: float = 0.25
    learner: str = ""
    # Keystroke-level model: 1.35 s to decide, 0.28 s to press (Card, Moran and Newell, 1980).
    seconds_a_key: float = 1.63

    @property
    def first(self) -> int:
        """Photos in the seed set."""
        return self.initial or self.batch

    def seeds_for(self, strategy: str) -> range:
        """The seeds of a strategy."""
        return seed_range(self.seeds_of.get(shown(strategy), self.seeds))

    def budget_for(self, data: str) -> int:
        """Labels at the end on the data set of that name."""
        own = {dataset.name: dataset.budget for dataset in self.data}
        return min(own.get(data) or self.budget, self.budget)

    def setting(self) -> dict[str, Any]:
        """All that a learning curve depends on besides the data, the strategy and the seed."""
        values = _plain(self)
        for name in ("data", "strategies", "seeds", "seeds_of"):
            values.pop(name, None)
        return {**values, "learner": shown(self.learner)}

    def save(self, path: Path, digest: str) -> None:
        """Write it as TOML below its hash and what ran it, whole or not at all.

        Sources and own files are written relative to the file's folder.
        """
        values = _plain(self)
        for dataset in values["data"]:
            if dataset["source"] != FASHION_MNIST:
                dataset["source"] = _relative(dataset["source"], path.parent)
            if "class_map" in dataset:
                dataset["class_map"] = _relative(dataset["class_map"], path.parent)
        values["strategies"] = [_own_relative(name, path.parent) for name in self.strategies]
        if self.learner:
            values["learner"] = _own_relative(self.learner, path.parent)
        made_with = f"# code {code_digest()}; {libraries()}"
        write_text(path, f"# experiment {digest}\n{made_with}\n{tomli_w.dumps(values)}")

    def digest(self, contents: Mapping[str, str]) -> str:
        """The hash that names the result: where photos and own files lie makes no difference, the
        code and the libraries that run it do.

        `contents` are digests of what they hold, by the data sets' names and as the experiment
        names own files.
        """
        values = _plain(self)
        for dataset in values["data"]:
            dataset["source"] = contents.get(dataset["name"], "")
            dataset.pop("class_map", None)  # what it says is among the contents
        values["strategies"] = {shown(name): contents.get(name) for name in self.strategies}
        values["seeds"] = list(seed_range(self.seeds))
        values["seeds_of"] = {n: list(self.seeds_for(n)) for n in self.seeds_of}
        values["learner"] = [shown(self.learner), contents.get(self.learner)]
        values["code"], values["libraries"] = code_digest(), libraries()
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def seed_range(seeds: int | str) -> range:
    """The seeds of a number of them, or of "FIRST-LAST". Raises ComparisonError."""
    first, dash, last = str(seeds).partition("-")
    try:
        found = range(int(first), int(last) + 1) if dash else range(int(first))
    except ValueError:
        found = range(0)
    if not len(found):
        raise ComparisonError(f"seeds = {seeds!r}: expected a number of 1 or more, or FIRST-LAST.")
    return found


def load_experiment(path: Path) -> Experiment:
    """Read a TOML file; paths in it are relative to its folder. Raises ComparisonError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ComparisonError(f"No experiment at {path}. Name a TOML file that exists.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ComparisonError(f"Cannot read {path}: {error}. Correct the file.") from error
    listed = values.pop("data", [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ComparisonError(f"{path}: data sets are tables. Write each below [[data]].")
    data = tuple(_dataset(path, given) for given in listed)
    given = _checked(path, Experiment, values)
    for name in ("strategies", "learner"):
        if name in given:
            given[name] = from_folder(given[name], path.parent)
    return Experiment(data=data, **given)


def shown(name: str) -> str:
    """A strategy's name in results: of an own file not its folder."""
    return Path(name).name if ".py:" in name else name


def name_of(source: str) -> tuple[str, str]:
    """(name, source) of what --data was given: NAME=SOURCE, or a source alone."""
    name, equals, rest = source.partition("=")
    if equals and name and "/" not in name:
        return name, rest
    path = Path(source)
    return (path.parent.name if path.suffix.lower() == ".csv" else path.name) or source, source


def _dataset(path: Path, given: dict[str, Any]) -> DataSet:
    values = _checked(path, DataSet, given)
    source = values.get("source", "")
    if source and source != FASHION_MNIST:
        values["source"] = str((path.parent / source).absolute())
    if values.get("class_map"):
        values["class_map"] = str((path.parent / values["class_map"]).absolute())
    if "name" not in values:
        values["name"] = name_of(source)[0]
    return DataSet(**{"source": "", **values})


def _checked(path: Path, kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the dataclass holds them. Raises ComparisonError."""
    defaults = {each.name: _default(each) for each in fields(kind)}
    for name, value in values.items():
        if name not in defaults:
            raise ComparisonError(
                f"{path}: unknown setting {name!r}. {suggestion(name, [*defaults])}"
            )
        expected = _expected(defaults[name], value)
        if expected and not (name == "seeds" and type(value) is str):
            raise ComparisonError(f"{path}: {name} = {value!r}, expected {expected}.")
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _default(each: Field[Any]) -> Any:
    """A value of the kind that a setting takes."""
    if each.default is None:
        return False
    if each.default is not MISSING:
        return each.default
    return "" if each.default_factory is MISSING else each.default_factory()


def _expected(default: Any, value: Any) -> str:
    """What a value should have been; nothing where it is right."""
    if isinstance(default, tuple):
        right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if right else "a list of names"
    if isinstance(default, dict):
        return "" if isinstance(value, dict) else "a table of seeds by strategy"
    if isinstance(default, float) and type(value) is int:
        return ""
    return "" if type(value) is type(default) else f"a {type(default).__name__}"


def from_folder(names: Any, folder: Path) -> Any:
    """A name, or names: own files by absolute paths from a folder, others as they are."""
    if not isinstance(names, str):
        return tuple(from_folder(name, folder) for name in names)
    return str((folder / names).absolute()) if ".py:" in names else names


def _own_relative(name: str, folder: Path) -> str:
    return _relative(name, folder) if ".py:" in name else name


def _relative(path: str, folder: Path) -> str:
    """A path as seen from a folder, links of the folder followed."""
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path


def _plain(experiment: Experiment) -> dict[str, Any]:
    """What a TOML file holds: no value that is not given."""
    values = asdict(experiment)
    data = values.pop("data")
    values["strategies"] = list(values["strategies"])
    values["initial"] = experiment.first
    values["data"] = [
        {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataset.items()
            if value not in (None, "", 0, ()) or value is False
        }
        for dataset in data
    ]
    return {name: value for name, value in values.items() if value not in ("", {})}
