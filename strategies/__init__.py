"""Which photos next? Sampling strategies over arrays, by name: `names()`, `get(name)`."""

from __future__ import annotations

from collections.abc import Callable

from strategies import baseline, diversity, uncertainty, usdm
from strategies.base import (
    InvalidPool,
    NotEnoughCandidates,
    Pool,
    Selection,
    Strategy,
    StrategyError,
    UnknownStrategy,
)

__all__ = [
    "InvalidPool",
    "NotEnoughCandidates",
    "Pool",
    "Selection",
    "Strategy",
    "StrategyError",
    "UnknownStrategy",
    "describe",
    "get",
    "names",
    "needs_members",
]

_REGISTRY: dict[str, tuple[Callable[..., Selection], str]] = {
    "random": (baseline.random, "Photos drawn uniformly; the baseline."),
    "margin": (
        uncertainty.margin,
        "Smallest gap between the two likeliest classes (Scheffer et al., IDA 2001).",
    ),
    "entropy": (
        uncertainty.entropy,
        "Highest entropy of the model's probabilities (Shannon 1948).",
    ),
    "kcenter": (
        diversity.kcenter,
        "Farthest from all photos labelled (greedy k-center; Sener and Savarese, ICLR 2018).",
    ),
    "kmeans": (
        diversity.kmeans,
        "Nearest to each k-means centroid, a diverse seed set (mini-batch; Sculley, WWW 2010).",
    ),
    "usdm": (
        usdm.usdm,
        "Uncertain photos, no two alike, by one programme (USDM; Yang et al., IJCV 2015).",
    ),
}

_NEED_MEMBERS: frozenset[str] = frozenset()


def names() -> list[str]:
    """The names of all strategies, sorted."""
    return sorted(_REGISTRY)


def get(name: str) -> Strategy:
    """The strategy of that name. Raises UnknownStrategy."""
    return _entry(name)[0]


def describe(name: str) -> str:
    """What the strategy of that name does and its source, in one line. Raises UnknownStrategy."""
    return _entry(name)[1]


def needs_members(name: str) -> bool:
    """Whether that strategy reads a committee's probabilities. Raises UnknownStrategy."""
    _entry(name)
    return name in _NEED_MEMBERS


def _entry(name: str) -> tuple[Callable[..., Selection], str]:
    if name not in _REGISTRY:
        raise UnknownStrategy(f"No strategy is named {name!r}. Use one of: {', '.join(names())}.")
    return _REGISTRY[name]
