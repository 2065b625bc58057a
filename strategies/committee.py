"""Committee sampling: photos that the members of a committee disagree about.

All read `Pool.members` (T, m, C), the probabilities of T members (a bootstrap committee, or T
passes with dropout) for the m candidates. A photo is seen as questions with mutually exclusive
outcomes: one question of C outcomes in a single-label pool, C questions of two outcomes in a
multi-label one; scores are means over the questions. Before there is a model, all give a diverse
seed set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from strategies.base import (
    PIECE_VALUES,
    InvalidPool,
    Pool,
    Selection,
    StrategyError,
    check,
    highest,
    top_k,
)
from strategies.diversity import diverse_seed
from strategies.greedy import WIDTH, lazy_argmax
from strategies.registry import strategy

CHUNK_CANDIDATES = 2_048
"""Photos whose members are looked at together, so that they stay in the processor's cache."""
BATCHBALD_LARGEST = 10
"""Most photos of a BatchBALD batch: the outcomes of a batch multiply with every photo."""
BATCHBALD_STATES = 2_000
"""Joint outcomes of a batch that BatchBALD keeps; where there are more, so many are drawn."""
BATCHBALD_CANDIDATES = 1_000
"""Candidates that BatchBALD looks at: those that tell most each for itself."""

NOTHING = 1e-12
"""Information lost in rounding, as a share of the entropies that it is the difference of."""


@strategy(
    "vote_entropy",
    "Highest entropy of a committee's votes (Dagan and Engelson, ICML 1995).",
    uses_uncertainty=True,
    needs_members=True,
)
def vote_entropy(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest entropy of the members' votes, over log(min(T, outcomes)).

    Source: Dagan and Engelson, Committee-based sampling for training probabilistic classifiers,
    ICML 1995. Raises StrategyError without members, and what `base.check` raises.
    """

    def score(outcomes: np.ndarray) -> np.ndarray:
        votes = np.argmax(outcomes, axis=-1)[..., None] == np.arange(outcomes.shape[-1])
        most = np.log(min(len(outcomes), outcomes.shape[-1]))
        return _entropy(votes.mean(axis=0)) / max(most, 1e-12)

    return _most_disputed(pool, k, score, rng)


@strategy(
    "consensus_entropy",
    "Highest entropy of a committee's mean probabilities (Settles 2009, section 3.2).",
    uses_uncertainty=True,
    needs_members=True,
)
def consensus_entropy(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates with the highest entropy of the members' mean probabilities, over its most.

    Source: as "soft voting" in Settles, Active learning literature survey, 2009, section 3.2.
    Raises StrategyError without members, and what `base.check` raises.
    """
    return _most_disputed(pool, k, lambda o: _entropy(o.mean(axis=0)) / np.log(o.shape[-1]), rng)


@strategy(
    "kl_disagreement",
    "Largest divergence of a member from its committee (McCallum and Nigam, ICML 1998).",
    uses_uncertainty=True,
    needs_members=True,
)
def kl_disagreement(
    pool: Pool, k: int, *, rng: np.random.Generator, over: str = "max"
) -> Selection:
    """The k candidates with the largest Kullback-Leibler divergence of a member from the mean.

    over: "max" over members (modAL's max disagreement), or "mean" (McCallum and Nigam, Employing EM
    and pool-based active learning for text classification, ICML 1998), which ranks exactly as
    `bald`. In nats. Raises StrategyError without members, and what `base.check` raises.
    """
    if over not in ("max", "mean"):
        raise StrategyError(f"Divergence over {over!r}: expected max or mean.")
    reduce = np.max if over == "max" else np.mean

    def score(outcomes: np.ndarray) -> np.ndarray:
        apart = _log(outcomes) - _log(outcomes.mean(axis=0))
        return np.asarray(reduce((outcomes * apart).sum(axis=-1).mean(axis=-1), axis=0))[:, None]

    return _most_disputed(pool, k, score, rng)


@strategy(
    "bald",
    "Most information about which member is right (BALD; Houlsby et al. 2011).",
    uses_uncertainty=True,
    needs_members=True,
)
def bald(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """The k candidates whose answer tells most about which member is right, in nats.

    The mutual information: entropy of the mean minus the mean of the entropies. Source: Houlsby et
    al., Bayesian active learning for classification and preference learning, 2011; Gal et al., ICML
    2017. Raises StrategyError without members, and what `base.check` raises.
    """
    return _most_disputed(pool, k, _mutual_information, rng)


@strategy(
    "batchbald",
    "Most joint information of a small batch (BatchBALD; Kirsch et al., NeurIPS 2019).",
    uses_uncertainty=True,
    needs_members=True,
    most=BATCHBALD_LARGEST,
)
def batchbald(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """k <= 10 candidates whose answers together tell most about which member is right.

    Greedy in the mutual information of the batch's joint answer and the member, in nats; the score
    is a photo's gain. Gains only shrink (the information is submodular), so only photos whose last
    gains may still win are looked at again, a block at a time: exact among the BATCHBALD_CANDIDATES
    best of `bald`, as long as the batch has at most BATCHBALD_STATES joint outcomes; beyond, so
    many are drawn (`info["states"]`). The labels of a multi-label photo count as independent of
    each other given the batch so far.
    Source: Kirsch, van Amersfoort and Gal, BatchBALD, NeurIPS 2019.
    Raises StrategyError for more than 10 photos or without members, and what `base.check` raises.
    """
    check(pool, k)
    if k > BATCHBALD_LARGEST:
        raise StrategyError(
            f"BatchBALD selects at most {BATCHBALD_LARGEST} photos, not {k}: the outcomes of a "
            "batch multiply with every photo. Ask for less, or use bald."
        )
    if _cold(pool):
        return diverse_seed(pool, k, rng)
    alone = _scores(pool, _mutual_information) * _questions(pool)
    order = top_k(alone, min(len(alone), BATCHBALD_CANDIDATES), rng)
    bounds = alone[order]
    states = np.full((1, len(_members(pool))), 1.0 / len(_members(pool)))
    chosen: list[int] = []
    gains: list[float] = []
    for _ in range(k):
        evaluate = partial(_gains, pool, alone, order, states)
        place = lazy_argmax(bounds, evaluate, _width(pool, states))
        chosen.append(order[place])
        gains.append(bounds[place])
        states = _extend(states, _outcomes(pool, order[place : place + 1])[:, 0], rng)
        order, bounds = np.delete(order, place), np.delete(bounds, place)
    scores = np.minimum.accumulate(np.array(gains))
    return Selection(pool.candidates[chosen], scores, {"states": len(states)})


def _cold(pool: Pool) -> bool:
    return pool.members is None and pool.proba is None


def _members(pool: Pool) -> np.ndarray:
    """The members (T, m, C), checked. Raises StrategyError where there are none."""
    members = pool.members
    if members is None:
        raise StrategyError(
            "A committee strategy needs the probabilities of a committee's members, and the pool "
            "has one model's alone. Give Pool.members, or use a strategy that needs no committee."
        )
    if members.ndim != 3 or len(members) < 2 or members.shape[1] != len(pool.candidates):
        raise InvalidPool(
            f"Members of shape {members.shape}: expected (2 or more members, "
            f"{len(pool.candidates)} candidates, classes)."
        )
    return members


def _questions(pool: Pool) -> int:
    return _members(pool).shape[2] if pool.multilabel else 1


def _outcomes(pool: Pool, positions: np.ndarray | slice) -> np.ndarray:
    """(T, photos, questions, outcomes) float64 probabilities of some candidates."""
    part = np.clip(np.asarray(_members(pool)[:, positions], dtype=np.float64), 0.0, 1.0)
    return np.stack([1.0 - part, part], axis=-1) if pool.multilabel else part[:, :, None]


def _scores(pool: Pool, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`score` maps outcomes to (photos, questions); this is its mean over questions (m,)."""
    parts = [
        score(_outcomes(pool, slice(start, start + CHUNK_CANDIDATES))).mean(axis=1)
        for start in range(0, len(pool.candidates), CHUNK_CANDIDATES)
    ]
    return np.concatenate(parts)


def _most_disputed(
    pool: Pool, k: int, score: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator
) -> Selection:
    check(pool, k)
    if _cold(pool):
        return diverse_seed(pool, k, rng)
    scores = _scores(pool, score)
    return highest(pool, k, scores, rng)


def _log(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(p, np.finfo(np.float64).tiny))


def _entropy(p: np.ndarray) -> np.ndarray:
    """Entropy over the last axis, in nats."""
    return -(p * _log(p)).sum(axis=-1)


def _mutual_information(outcomes: np.ndarray) -> np.ndarray:
    return _entropy(outcomes.mean(axis=0)) - _entropy(outcomes).mean(axis=0)


def _width(pool: Pool, states: np.ndarray) -> int:
    """How many photos BatchBALD looks at together, so that they stay in the processor's cache."""
    answers = _members(pool).shape[2] * (2 if pool.multilabel else 1)
    return max(1, min(WIDTH, PIECE_VALUES // (len(states) * answers)))


def _gains(
    pool: Pool, alone: np.ndarray, order: np.ndarray, states: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """What the answers at `places` of `order` tell about the member beyond the batch so far.

    states (S, T): the joint probability of a batch's answers (one row each) and the member. The
    entropy of each photo's answer given the batch, less what is left of it given the member too.
    Where that is lost in rounding, next to nothing, in the order of what they tell `alone` (m,).
    """
    outcomes = _outcomes(pool, order[places])
    likely = states.sum(axis=1)
    posterior = states / np.maximum(likely[:, None], np.finfo(np.float64).tiny)
    expected = posterior @ outcomes.reshape(len(outcomes), -1)
    unknown = likely @ (expected * _log(expected))
    known = states.sum(axis=0) @ _entropy(outcomes).sum(axis=2)
    gains = -unknown.reshape(len(places), -1).sum(axis=1) - known
    return np.where(gains > NOTHING * (1.0 + known), gains, NOTHING * alone[order[places]])


def _extend(states: np.ndarray, outcomes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The joint of the batch's answers and the member with one more photo answered.

    Where that makes more than BATCHBALD_STATES rows, as many are drawn by their probability, evenly
    spread (systematic resampling, Kitagawa 1996), and count as often as they were drawn.
    """
    for question in range(outcomes.shape[1]):
        states = (states[:, None, :] * outcomes[:, question].T[None]).reshape(-1, states.shape[1])
        likely = states.sum(axis=1)
        states, likely = states[likely > 0], likely[likely > 0]
        if len(states) > BATCHBALD_STATES:
            places = (np.arange(BATCHBALD_STATES) + rng.random()) / BATCHBALD_STATES
            drawn = np.searchsorted(np.cumsum(likely) / likely.sum(), places)
            drawn, times = np.unique(np.minimum(drawn, len(states) - 1), return_counts=True)
            states = states[drawn] * (times / likely[drawn] / BATCHBALD_STATES)[:, None]
    return states
