"""Strategies by name: each module registers its own with `strategy`, callers look them up here."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from strategies.base import Selection, Strategy, StrategyError, UnknownStrategy

Function = TypeVar("Function", bound=Callable[..., Selection])


@dataclass(frozen=True)
class Entry:
    """A strategy and what a caller has to know of it.

    about: what it does, in one line, with its source.
    uses_uncertainty: with probabilities, an ambiguous photo outranks a certain one.
    diverse: of near copies it takes one, as long as there are other photos (`auto` while there
        are few labels).
    needs_members: reads `Pool.members`; without them it cannot run on a pool with probabilities.
    multilabel_only: refuses single-label pools.
    reasks: ranks answered photos beside new ones, so that its contract is its own.
    most: the largest batch it can select, where it has such a limit.
    """

    function: Strategy
    about: str
    uses_uncertainty: bool = False
    diverse: bool = False
    needs_members: bool = False
    multilabel_only: bool = False
    reasks: bool = False
    most: int | None = None


ADAPTERS = {"modal": "strategies.modal", "skactiveml": "strategies.skactiveml"}
"""Other libraries' strategies: `get("modal:x")` is this module's `adapted("x") -> Entry`."""

_ENTRIES: dict[str, Entry] = {}
_ADDED: dict[str, Entry] = {}


def strategy(
    name: str,
    about: str,
    *,
    uses_uncertainty: bool = False,
    diverse: bool = False,
    needs_members: bool = False,
    multilabel_only: bool = False,
    reasks: bool = False,
    most: int | None = None,
) -> Callable[[Function], Function]:
    """Registers the decorated function under `name`; see `Entry` for the rest.

    The function then raises StrategyError for an `rng` that is no generator.
    """

    def register(function: Function) -> Function:
        checked = seeded(function)
        _ENTRIES[name] = Entry(
            checked,
            about,
            uses_uncertainty,
            diverse,
            needs_members,
            multilabel_only,
            reasks,
            most,
        )
        return checked

    return register


def seeded(function: Function) -> Function:
    """The function, which now raises StrategyError for an `rng` that is no generator."""

    @functools.wraps(function)
    def select(*given: Any, **named: Any) -> Selection:
        if "rng" in named and not isinstance(named["rng"], np.random.Generator):
            raise StrategyError(
                f"rng is {named['rng']!r}: expected a numpy.random.Generator. "
                "Pass numpy.random.default_rng(0)."
            )
        return function(*given, **named)

    return cast(Function, select)


def names() -> list[str]:
    """The names of all strategies of this package, sorted; none that were added from elsewhere."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """What is registered under that name, or adapted from another library. Raises UnknownStrategy.

    An adapter raises StrategyError where its library is not installed.
    """
    library, colon, its_name = name.partition(":")
    if colon and library in ADAPTERS:
        adapted: Entry = importlib.import_module(ADAPTERS[library]).adapted(its_name)
        return adapted
    found = _ENTRIES.get(name) or _ADDED.get(name)
    if found is None:
        known = [*names(), *_adapted_names()] if colon else names()
        raise UnknownStrategy(f"No strategy is named {name!r}. {suggestion(name, known)}")
    return found


def suggestion(name: str, known: Sequence[str]) -> str:
    """What to use instead of a name that is not among the known ones."""
    return f"{nearest(name, known)}Use one of: {', '.join(known)}."


def nearest(name: str, known: Sequence[str]) -> str:
    """The question whether the known name that is most like a name was meant, if any is like it.

    Large and small letters are alike.
    """
    written = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), written, n=1)
    return f"Did you mean {written[near[0]]}? " if near else ""


def _adapted_names() -> list[str]:
    """What `entry` takes for other libraries' strategies, whether they are installed or not."""
    modules = [importlib.import_module(module) for module in ADAPTERS.values()]
    return [name for module in modules for name in module.peer_names()]


def get(name: str) -> Strategy:
    """The strategy of that name. Raises UnknownStrategy."""
    return entry(name).function


def describe(name: str) -> str:
    """What the strategy of that name does and its source, in one line. Raises UnknownStrategy."""
    return entry(name).about


def needs_members(name: str) -> bool:
    """Whether the strategy of that name reads a committee's probabilities. Raises as `get`."""
    return entry(name).needs_members


def takes_state(name: str) -> bool:
    """Whether the strategy of that name takes back the `info["state"]` of the round before."""
    return "state" in inspect.signature(entry(name).function).parameters


def add(name: str, load: Callable[[], Strategy]) -> None:
    """Registers the function that `load` gives, with what `strategy` said of it where it was used.

    Nothing else that `strategy` registers meanwhile stays: whatever names a file of the user's
    takes, ours mean what they meant.
    """
    before = dict(_ENTRIES)
    try:
        function = load()
        known = [found for found in _ENTRIES.values() if _same(found.function, function)]
    finally:
        _ENTRIES.clear()
        _ENTRIES.update(before)
    _ADDED[name] = known[-1] if known else Entry(function, "A strategy of your own.")


def _same(one: Callable[..., Selection], other: Callable[..., Selection]) -> bool:
    """Whether both are one function, registered or not."""
    return inspect.unwrap(one) is inspect.unwrap(other)
