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

    `unfit` is why it selects no whole batches of the experiment's size from new photos, if so.
    """

    name: str
    given: str
    code: str
    multilabel_only: bool
    single_label_only: bool
    unfit: str

    def fits(self, exclusive: bool) -> bool:
        """Whether it takes photos whose labels exclude each other, or that may have several."""
        return not (self.multilabel_only if exclusive else self.single_label_only)


def find_arms(names: Sequence[str], batch: int) -> tuple[list[Arm], list[str]]:
    """(the arms that names and patterns stand for, `random` among them; remarks).

    `*` is all of ours, `modal:*` and `skactiveml:*` are all of these libraries'; of a pattern's,
    those that cannot select batches of this size are left out, of which the remarks tell. Raises
    strategies.StrategyError and ComparisonError.
    """
    found: dict[str, Arm] = {}
    left_out: dict[str, str] = {}
    meant = [(name, each) for name in (*names, BASELINE) for each in _meant(name)]
    for given, each in meant:
        _check_name(each, found)
        arm = _arm(each, batch)
        if arm.unfit and given == each:
            raise ComparisonError(f"The strategy {each} {arm.unfit}. Leave it out.")
        if arm.unfit:
            left_out[each] = f"{each} {arm.unfit}: not run."
        else:
            found.setdefault(arm.name, arm)
    return list(found.values()), list(left_out.values())


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
        unfit=_unfit(entry, batch),
    )


def _unfit(entry: strategies.Entry, batch: int) -> str:
    """Why a strategy selects no batches of so many new photos; nothing where it does."""
    does_not = f"does not select batches of {batch} new photos"
    if entry.reasks:
        return f"{does_not}, for it ranks answered ones beside them"
    if entry.most is not None and entry.most < batch:
        return f"{does_not}, but {entry.most} at most"
    return ""


def register(name: str, code: str, path: str = "") -> None:
    """Make a strategy of a file's text known under its name; without a text it is known already.

    Raises ComparisonError where the text cannot be run or has no such function.
    """
    if code:
        strategies.add(name, lambda: named(path or name, code))
