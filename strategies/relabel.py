"""Asking again: where a second opinion on an answered photo is worth more than a new photo.

ActiveLab (Goh and Mueller, ActiveLab: active learning with re-labeling by multiple annotators, ICLR
workshop 2023, arXiv 2301.11856) scores answered and new photos on one scale: how sure the consensus
of model and labellers would be if one more labeller, of average weight, answered at random.
Labellers weigh by how often they agree with others, the model by how often it agrees with the
consensus, both above the rate of the likeliest class (CROWDLAB; Goh, Tkachenko and Mueller 2022).
In a multi-label pool every label is scored as a question of its own, and a photo by their mean,
since one more answer answers them all.
"""

from __future__ import annotations

import numpy as np

from strategies.base import InvalidPool, NotEnoughCandidates, Pool, Selection, check_pool, top_k
from strategies.diversity import diverse_seed
from strategies.registry import strategy
from strategies.ridge import Ridge

LEAST = 1e-6
"""Least weight of a labeller or model, and least error rate of the likeliest class."""
TEMPERATURES = np.geomspace(0.1, 8.0, 45)


@strategy(
    "relabel",
    "A second opinion where it beats a new photo (ActiveLab; Goh and Mueller, ICLR workshop 2023).",
    uses_uncertainty=True,
    reasks=True,
)
def relabel(
    pool: Pool,
    k: int,
    *,
    rng: np.random.Generator,
    votes: np.ndarray | None = None,
    labelled_proba: np.ndarray | None = None,
) -> Selection:
    """The k photos, answered or not, whose consensus one more answer would help most.

    votes (l, J, C): labeller j's labels (0 or 1) for answered photo i, NaN where j did not answer;
    a photo without any vote is not asked about again. By default one labeller gave the targets.
    labelled_proba (l, C): probabilities for the answered photos by a model that did not learn from
    them; by default those of a leave-one-out ridge regression on `pool.features`.
    Scores are 1 - ActiveLab's quality; `info["asked_again"]` says how many were answered before.
    Before there is a model, a diverse seed. Raises InvalidPool for shapes that do not fit,
    NotEnoughCandidates, and what `base.check_pool` raises.
    """
    check_pool(pool, k)
    votes = _votes(pool, votes)
    asked = np.flatnonzero(~np.isnan(votes).all(axis=(1, 2)))
    available = len(pool.candidates) + len(asked)
    if k > available:
        raise NotEnoughCandidates(
            f"Cannot select {k} photos: {len(pool.candidates)} candidates and {len(asked)} "
            f"answered photos remain. Ask for {available} or fewer."
        )
    if pool.proba is None and len(pool.candidates) >= k:
        return diverse_seed(pool, k, rng)
    new = _unknown(pool, len(pool.candidates)) if pool.proba is None else pool.proba
    known = _labelled_proba(pool, labelled_proba)[asked]
    quality = np.concatenate(
        active_lab_multilabel(votes[asked], known, new)
        if pool.multilabel
        else active_lab(votes[asked], known, new)
    )
    rows = np.concatenate([pool.labelled[asked], pool.candidates])
    chosen = top_k(1.0 - quality, k, rng)
    again = int((chosen < len(asked)).sum())
    return Selection(rows[chosen], 1.0 - quality[chosen], {"asked_again": again})


def active_lab(
    votes: np.ndarray, proba: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """ActiveLab's quality (l,) of answered and (m,) of new photos, in [0, 1], lowest asked first.

    votes (l, J, C) one-hot, NaN where not answered, at least one each; proba (l, C), new (m, C).
    """
    classes = proba.shape[1]
    given = ~np.isnan(votes[:, :, 0])
    answers = given.sum(axis=1)
    if not len(votes) or (answers == 1).all():
        labellers, model, temperature = np.ones(votes.shape[1]), 1.0, 1.0
        consensus = _majority(votes, proba)
        quality = np.take_along_axis(proba, consensus[:, None], axis=1)[:, 0]
    else:
        temperature = _temperature(votes, proba)
        proba = _scaled(proba, temperature)
        consensus = _majority(votes, proba)
        posterior, *_ = _crowdlab(votes, proba, consensus)
        consensus = _likeliest(posterior, consensus)
        posterior, labellers, model = _crowdlab(votes, proba, consensus)
        quality = np.take_along_axis(posterior, consensus[:, None], axis=1)[:, 0]
    average = float(labellers.mean()) if len(labellers) else 1.0
    weight = given @ labellers + model
    answered = (weight * quality + average / classes) / (weight + average)
    sure = _scaled(new, temperature).max(axis=1) if len(new) else np.zeros(0)
    return answered, (model * sure + average / classes) / (model + average)


def active_lab_multilabel(
    votes: np.ndarray, proba: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over labels of `active_lab` on each label, on or off; shapes as there.

    Votes may be NaN for some labels only: a photo's mean is over the labels it has votes for, a new
    photo's over those that anybody answered (all, where nobody answered any).
    """

    def sides(p: np.ndarray) -> np.ndarray:
        return np.stack([1.0 - p, p], axis=-1)

    voted = ~np.isnan(votes).all(axis=1)
    used = np.flatnonzero(voted.any(axis=0)) if voted.any() else np.arange(votes.shape[2])
    answered, fresh = np.full((len(votes), len(used)), np.nan), np.empty((len(new), len(used)))
    for place, label in enumerate(used):
        some = voted[:, label]
        answered[some, place], fresh[:, place] = active_lab(
            sides(votes[some, :, label]), sides(proba[some, label]), sides(new[:, label])
        )
    return np.nanmean(answered, axis=1), fresh.mean(axis=1)


def _votes(pool: Pool, votes: np.ndarray | None) -> np.ndarray:
    """(l, J, C) checked votes; in a single-label pool one class each, or NaN."""
    if votes is None:
        votes = pool.targets[:, None, :]
        if pool.multilabel:
            return (votes >= 0.5).astype(np.float64)
    if votes.ndim != 3 or (len(votes), votes.shape[2]) != pool.targets.shape:
        raise InvalidPool(
            f"Votes of shape {votes.shape}: expected ({len(pool.targets)} answered photos, "
            f"labellers, {pool.targets.shape[1]} classes)."
        )
    if pool.multilabel:
        return votes
    none = np.nan_to_num(votes).max(axis=2, initial=0) <= 0
    likeliest = np.nan_to_num(votes).argmax(axis=2)
    hard = np.eye(votes.shape[2])[likeliest]
    hard[none] = np.nan
    return hard


def _labelled_proba(pool: Pool, given: np.ndarray | None) -> np.ndarray:
    if given is not None:
        if given.shape != pool.targets.shape or not np.isfinite(given).all():
            raise InvalidPool(
                f"Probabilities of answered photos of shape {given.shape}: expected finite numbers "
                f"of shape {pool.targets.shape}."
            )
        return given.astype(np.float64)
    if len(pool.labelled) < 2:
        return _unknown(pool, len(pool.labelled))
    features = np.asarray(pool.features[pool.labelled], dtype=np.float32)
    left_out = np.clip(Ridge(features, pool.targets.astype(np.float64)).left_out, 0.01, 0.99)
    return left_out if pool.multilabel else left_out / left_out.sum(axis=1, keepdims=True)


def _unknown(pool: Pool, photos: int) -> np.ndarray:
    """(photos, C) probabilities of photos of which nothing is known."""
    classes = pool.targets.shape[1]
    return np.full((photos, classes), 0.5 if pool.multilabel else 1 / classes)


def _majority(votes: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """The class (l,) with most votes; of equals the one that the model finds likelier."""
    counts = np.nansum(votes, axis=1)
    return np.asarray((counts + 0.5 * np.clip(proba, 0.0, 1.0)).argmax(axis=1))


def _likeliest(posterior: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """The class (l,) of highest posterior, `otherwise` where two are equally high."""
    highest = posterior.max(axis=1, keepdims=True)
    single = (posterior == highest).sum(axis=1) == 1
    return np.where(single, posterior.argmax(axis=1), otherwise)


def _scaled(proba: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities with their logarithms over `temperature`; rows sum to 1."""
    logs = np.log(np.maximum(proba, 1e-12)) / temperature
    scaled = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def _temperature(votes: np.ndarray, proba: np.ndarray) -> float:
    """The one of TEMPERATURES whose probabilities are nearest to the votes, by cross-entropy."""
    shares = np.nanmean(votes, axis=1)
    losses = [-(shares * np.log(_scaled(proba, t) + 1e-12)).sum() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _crowdlab(
    votes: np.ndarray, proba: np.ndarray, consensus: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """CROWDLAB's posterior (l, C), the weights of the labellers (J,) and of the model."""
    classes = proba.shape[1]
    given = ~np.isnan(votes[:, :, 0])
    answers = given.sum(axis=1)
    several = answers > 1
    filled = np.nan_to_num(votes)
    agreeing = np.take_along_axis(filled.sum(axis=1), consensus[:, None], axis=1)[:, 0] / answers
    likely = float(agreeing[several].mean())
    counts = np.bincount(consensus[several], minlength=classes)
    guessing = max(1.0 - counts.max() / counts.sum(), LEAST)
    labellers = np.maximum(1.0 - (1.0 - _agreement(filled, given)) / guessing, LEAST)
    error = float((proba[several].argmax(axis=1) != consensus[several]).mean())
    model = max(1.0 - error / guessing, LEAST) * float(np.sqrt(answers.mean()))
    believed = np.where(votes == 1.0, likely, (1.0 - likely) / (classes - 1))
    believed = np.where(given[:, :, None], believed, 0.0)
    total = model * proba + np.einsum("ijc,j->ic", believed, labellers)
    return total / (model + given @ labellers)[:, None], labellers, model


def _agreement(filled: np.ndarray, given: np.ndarray) -> np.ndarray:
    """How often each labeller (J,) agrees with the others on photos that others answered too.

    The mean over those pairs of answers; labellers without any get the mean of the rest.
    """
    same = np.einsum("ijc,ikc->jk", filled, filled)
    pairs = given.astype(np.float64).T @ given
    np.fill_diagonal(same, 0.0)
    np.fill_diagonal(pairs, 0.0)
    shared = pairs.sum(axis=1)
    agreement = same.sum(axis=1) / np.maximum(shared, 1.0)
    return np.where(shared > 0, agreement, agreement[shared > 0].mean())
