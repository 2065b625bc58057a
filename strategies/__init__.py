"""Which photos next? Sampling strategies over arrays, by name: `names()`, `get(name)`."""

from __future__ import annotations

import importlib

from strategies.base import (
    InvalidPool,
    NotEnoughCandidates,
    Pool,
    Selection,
    Strategy,
    StrategyError,
    UnknownStrategy,
    check_selection,
)
from strategies.registry import Entry, add, describe, entry, get, names, needs_members, takes_state

__all__ = [
    "Entry",
    "InvalidPool",
    "NotEnoughCandidates",
    "Pool",
    "Selection",
    "Strategy",
    "StrategyError",
    "UnknownStrategy",
    "add",
    "check_selection",
    "describe",
    "entry",
    "get",
    "names",
    "needs_members",
    "takes_state",
]

MODULES = (
    "baseline",
    "committee",
    "coverage",
    "density",
    "design",
    "diversity",
    "dropout",
    "gradients",
    "hierarchical",
    "hybrid",
    "label_counts",
    "multilabel",
    "relabel",
    "schedule",
    "sequential",
    "typical",
    "uncertainty",
    "usdm",
)
"""The modules whose strategies are registered."""

for _module in MODULES:
    importlib.import_module(f"strategies.{_module}")
