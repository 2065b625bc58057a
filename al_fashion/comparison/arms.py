"""The arms of an experiment: strategies by name, by pattern, or from a file of the user's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import strategies
from al_fashion.comparison.experiment import BASELINE, shown
from al_fashion.comparison.own_code import named, read_code
from al_fashion.errors import ComparisonError
from strategies import modal, skactiveml

EVERYTHING = "*"


@dataclass(frozen=True)
class Arm:
    """A strategy by its name in results and as it was given; `code` is its own file's text.

    `whole` is whether it selects whole batches of the experiment's size from new photos.
    """

    name: str
    given: str
    code: str
    multilabel_only: bool
    single_label_only: bool
    whole: bool

    def fits(self, exclusive: bool) -> bool:
        """Whether it takes photos whose labels exclude each other, or that may have several."""
        return not (self.multilabel_only if exclusive else self.single_label_only)


def find_arms(names: Sequence[str], batch: int) -> list[Arm]:
    """The arms that names and patterns stand for, `random` among them.

    `*` is all of ours, `modal:*` and `skactiveml:*` are all of these libraries'; of a pattern's,
    those that cannot select batches of this size are left out. Raises strategies.StrategyError
    and ComparisonError.
    """
    found: dict[str, Arm] = {}
    meant = [(name, each) for name in (*names, BASELINE) for each in _meant(name)]
    for given, each in meant:
        _check_name(each, found)
        arm = _arm(each, batch)
        if not arm.whole and given != each:
            continue
        if not arm.whole:
            raise ComparisonError(
                f"The strategy {each} does not select batches of {batch} new photos by itself. "
                "Leave it out."
            )
        found.setdefault(arm.name, arm)
    return list(found.values())


def _check_name(given: str, found: Mapping[str, Arm]) -> None:
    """Raises ComparisonError where another file's strategy has the name in results already."""
    if shown(given) in found and ".py:" in given:
        earlier = found[shown(given)].given
        if Path(earlier).resolve() != Path(given).resolve():
            raise ComparisonError(
                f"Two strategies have one name in results: {earlier} and {given}. Give one of the "
                "files or functions another name."
            )


def _meant(name: str) -> list[str]:
    patterns = {
        EVERYTHING: strategies.names,
        f"modal:{EVERYTHING}": modal.peer_names,
        f"skactiveml:{EVERYTHING}": skactiveml.peer_names,
    }
    return patterns[name]() if name in patterns else [name]


def _arm(name: str, batch: int) -> Arm:
    code = read_code(name)
    register(shown(name), code, name)
    entry = strategies.entry(shown(name))
    return Arm(
        name=shown(name),
        given=name,
        code=code,
        multilabel_only=entry.multilabel_only,
        single_label_only=name.startswith("skactiveml:"),
        whole=not entry.reasks and (entry.most is None or entry.most >= batch),
    )


def register(name: str, code: str, path: str = "") -> None:
    """Make a strategy of a file's text known under its name; without a text it is known already.

    Raises ComparisonError where the text cannot be run or has no such function.
    """
    if code:
        strategies.add(name, lambda: named(path or name, code))
