"""Schedules: which strategy asks in which round.

A schedule calls strategies of the registry by name. What it has to remember from round to round it
gives out as `info["state"]`, plain numbers and lists that fit into JSON, and takes back as `state`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from strategies.base import Pool, Selection, StrategyError, check
from strategies.design import LARGEST
from strategies.points import spread
from strategies.registry import entry, strategy

LABELS_PER_CLASS = 5
"""Labels a class, on average, up to which `tcm` asks for typical photos."""
MANY_LABELS = 2000
"""Labels from which `auto` asks by margin alone."""
COVERED_LABELS = 500
"""Labels below which `auto` covers photos that vary in few directions."""
FEW_DIRECTIONS = 30.0
"""`points.spread` of such photos: 10 to 21 of VGG16's features of Fashion-MNIST, 44 to 97 of real
photos (docs/benchmarks.md)."""


@strategy(
    "auto",
    "The default: coverage or transductive design, from 2,000 labels on the smallest margins.",
    uses_uncertainty=True,
    diverse=True,
)
def auto(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """Coverage, design or uncertainty, by how many labels there are and how the photos vary.

    Photos that vary in few directions (`points.spread`) lie close enough for a neighbour's answer
    to hold: `typiclust` before there is a model, then `uherding` below COVERED_LABELS labelled
    photos. `transductive` asks afterwards, and from the beginning where photos vary in many. From
    MANY_LABELS on, and for batches beyond what `transductive` selects, it is `margin`: uncertainty
    alone is as good then (Bahri et al., Is margin all you need?, 2022) and costs next to nothing.
    `info["strategy"]` says which of them asked. How the rule was found, and what it gives:
    docs/benchmarks.md, a prototype to beat. Raises what `base.check` raises.
    """
    return _by(_best(pool, k), pool, k, rng)


def _best(pool: Pool, k: int) -> str:
    """The name of the strategy that `auto` asks by."""
    if len(pool.labelled) >= MANY_LABELS or k > LARGEST:
        return "margin"
    check(pool, k)
    photos = np.concatenate([pool.candidates, pool.labelled])
    if len(pool.labelled) >= COVERED_LABELS or spread(pool.features, photos) > FEW_DIRECTIONS:
        return "transductive"
    return "typiclust" if pool.proba is None else "uherding"


@strategy(
    "tcm",
    "Typical photos first, then the smallest margins (TCM; Doucet et al., ICLR workshop 2024).",
)
def tcm(pool: Pool, k: int, *, rng: np.random.Generator, switch: int | None = None) -> Selection:
    """`typiclust` while there are fewer labelled photos than `switch` or no model, then `margin`.

    switch: by default LABELS_PER_CLASS for every class of the targets. `info["strategy"]` says
    which of the two asked. Source: Doucet et al., Bridging diversity and uncertainty in active
    learning with self-supervised pre-training, ICLR 2024 workshop.
    Raises what `base.check` raises.
    """
    if switch is None:
        switch = LABELS_PER_CLASS * pool.targets.shape[1]
    early = pool.proba is None or len(pool.labelled) < switch
    return _by("typiclust" if early else "margin", pool, k, rng)


@strategy(
    "mixture",
    "A batch shared out among several strategies (mixture of samplers; google/active-learning).",
)
def mixture(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    shares: Mapping[str, float] | None = None,
) -> Selection:
    """Each strategy of `shares` selects its share of the batch, from what the others left.

    shares: weights by name, by default as many by `margin` as by `typiclust`; parts of photos that
    do not divide go to the largest remainders. The scores are ranks: photos take turns, a
    strategy's best first. `info["shares"]` says how many each selected. Raises UnknownStrategy,
    StrategyError for weights that are not positive or strategies that ask again, and what the
    strategies raise.
    """
    check(pool, k)
    shares = {"margin": 0.5, "typiclust": 0.5} if shares is None else shares
    counts = _share_out(shares, k)
    _refuse_reasking(shares)
    left, turns = pool, []
    for name, count in counts.items():
        if count:
            rows = _by(name, left, count, rng).indices
            turns += [((place + 0.5) / count, row) for place, row in enumerate(rows)]
            left = _without(left, rows)
    turns.sort(key=lambda turn: turn[0])
    rows = np.array([row for _, row in turns], dtype=np.int64)
    return Selection(rows, np.arange(k, 0, -1) / k, {"shares": counts})


@strategy(
    "bandit",
    "Strategies drawn by what their answers taught before (EXP3; Hsu and Lin, AAAI 2015).",
)
def bandit(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    arms: Sequence[str] = ("margin", "typiclust", "uherding", "random"),
    explore: float = 0.3,
    state: Mapping[str, Any] | None = None,
    reward: float | None = None,
) -> Selection:
    """Draws one of `arms` for the whole batch; arms that were rewarded more are drawn more often.

    The reward in [0, 1] of the batch before comes from its own answers: by default how much they
    surprised the model that asked, the mean of |label - probability| over its labels (single-label:
    1 - the probability of the answer); or pass `reward`. It never comes from held-out photos, which
    the loop must not learn from.

    explore: share of draws that are uniform. state: `info["state"]` of the round before, None in
    the first. `info["strategy"]` is the arm drawn. Source: EXP3 (Auer, Cesa-Bianchi, Freund and
    Schapire, SIAM Journal on Computing 2002); as Hsu and Lin, Active learning by learning, AAAI
    2015. Raises StrategyError for arms that ask again, arms or a state that do not fit, and what
    the arms raise.
    """
    check(pool, k)
    if not arms or not 0 < explore <= 1:
        raise StrategyError(f"{len(arms)} arms, explore {explore}: expected 1 or more, 0 to 1.")
    _refuse_reasking(arms)
    state = {"arms": list(arms), "weights": [1.0] * len(arms)} if state is None else state
    _check_state(state, arms)
    if reward is not None and not 0 <= reward <= 1:
        raise StrategyError(f"The reward is {reward}: expected a number from 0 to 1.")
    weights = _rewarded(state, _reward(pool, state) if reward is None else reward, explore)
    chances = (1.0 - explore) * weights / weights.sum() + explore / len(arms)
    drawn = int(rng.choice(len(arms), p=chances))
    selection = _by(arms[drawn], pool, k, rng)
    found = np.searchsorted(pool.candidates, selection.indices, sorter=np.argsort(pool.candidates))
    position = np.argsort(pool.candidates)[found]
    following = {
        "arms": list(arms),
        "weights": weights.tolist(),
        "drawn": drawn,
        "chance": float(chances[drawn]),
        "rows": selection.indices.tolist(),
        "proba": None if pool.proba is None else pool.proba[position].tolist(),
    }
    info = {**selection.info, "strategy": arms[drawn], "state": following}
    return dataclasses.replace(selection, info=info)


def _check_state(state: Mapping[str, Any], arms: Sequence[str]) -> None:
    """Raises StrategyError for a state that is not of those arms."""
    if len(state.get("weights", ())) != len(state.get("arms", ())) or "arms" not in state:
        raise StrategyError(
            f"The state has {', '.join(state) or 'nothing'}: expected arms and as many weights. "
            "Pass info['state'] of the round before, or begin without a state."
        )
    if list(arms) != list(state["arms"]):
        raise StrategyError(
            f"The state is of the arms {', '.join(state['arms'])}, not {', '.join(arms)}. "
            "Keep the arms, or begin without a state."
        )


def _by(name: str, pool: Pool, k: int, rng: np.random.Generator) -> Selection:
    selection = entry(name).function(pool, k, rng=rng)
    return dataclasses.replace(selection, info={**selection.info, "strategy": name})


def _refuse_reasking(names: Iterable[str]) -> None:
    """Raises StrategyError where a strategy may return labelled photos, UnknownStrategy."""
    reasking = [name for name in names if entry(name).reasks]
    if reasking:
        raise StrategyError(
            f"{', '.join(reasking)} would ask about labelled photos again: expected strategies "
            "that select candidates alone. Take others here, or use it by itself."
        )


def _share_out(shares: Mapping[str, float], k: int) -> dict[str, int]:
    """How many of k each strategy selects: proportional, by largest remainder."""
    weights = np.array(list(shares.values()), dtype=np.float64)
    if not len(weights) or not np.isfinite(weights).all() or (weights <= 0).any():
        raise StrategyError(f"Shares {dict(shares)}: expected strategies with weights above 0.")
    exact = k * weights / weights.sum()
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: k - counts.sum()]] += 1
    return dict(zip(shares, counts.tolist(), strict=True))


def _without(pool: Pool, rows: np.ndarray) -> Pool:
    """The pool without some of its candidates."""
    kept = ~np.isin(pool.candidates, rows)
    return dataclasses.replace(
        pool,
        candidates=pool.candidates[kept],
        proba=None if pool.proba is None else pool.proba[kept],
        members=None if pool.members is None else pool.members[:, kept],
    )


def _rewarded(state: Mapping[str, Any], reward: float | None, explore: float) -> np.ndarray:
    """The arms' weights (a,) after the reward of the one drawn last; they sum to their number."""
    weights = np.array(state["weights"], dtype=np.float64)
    if reward is not None and "drawn" in state:
        gain = reward / state["chance"]
        weights[state["drawn"]] *= np.exp(explore * gain / len(weights))
    return weights * len(weights) / weights.sum()


def _reward(pool: Pool, state: Mapping[str, Any]) -> float | None:
    """How much the answers to the last batch surprised the model that asked; None if unknown."""
    if state.get("proba") is None:
        return None
    asked = {row: place for place, row in enumerate(state["rows"])}
    pairs = [
        (target, state["proba"][asked[row]])
        for row, target in zip(pool.labelled.tolist(), pool.targets, strict=True)
        if row in asked
    ]
    if not pairs:
        return None
    targets, proba = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    if targets.shape != proba.shape:  # there is a class that the model did not know
        return None
    if pool.multilabel:
        return float(np.abs(targets - proba).mean())
    return float(1.0 - (targets * proba).sum(axis=1).mean())
