"""The same selections by scikit-activeml, modAL and cleanlab, for `selection.py`.

Theirs ask fitted classifiers for probabilities, which ours are given.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import strategies

CLASSES, BATCH, MEMBERS = 10, 100, 10

SKACTIVEML: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("RandomSampling", {}),
    "least_confidence": ("UncertaintySampling", {"method": "least_confident"}),
    "margin": ("UncertaintySampling", {"method": "margin_sampling"}),
    "entropy": ("UncertaintySampling", {"method": "entropy"}),
    "kcenter": ("CoreSet", {}),
    "typiclust": ("TypiClust", {}),
    "probcover": ("ProbCover", {}),
    "maxherding": ("MaxHerding", {}),
    "badge": ("Badge", {}),
    "clue": ("Clue", {}),
    "dropquery": ("DropQuery", {}),
    "falcun": ("Falcun", {}),
    "vote_entropy": ("QueryByCommittee", {"method": "vote_entropy"}),
    "kl_disagreement": ("QueryByCommittee", {"method": "KL_divergence"}),
    "bald": ("GreedyBALD", {}),
    "batchbald": ("BatchBALD", {}),
}
MODAL = {
    "ranked_batch": "uncertainty_batch_sampling",
    "information_density": "information_density",
    "consensus_entropy": "consensus_entropy_sampling",
}
CLEANLAB = {"relabel": "get_active_learning_scores"}
PEERS = {
    **dict.fromkeys(SKACTIVEML, "scikit-activeml"),
    **dict.fromkeys(MODAL, "modAL"),
    **dict.fromkeys(CLEANLAB, "cleanlab"),
}


def bootstrap_samples(labelled: int) -> np.ndarray:
    """Positions (MEMBERS, labelled) of what each member of the committee is trained on."""
    return np.random.default_rng(1).integers(labelled, size=(MEMBERS, labelled))


def made_up_votes(pool: strategies.Pool) -> tuple[np.ndarray, np.ndarray]:
    """Classes (l, 5) given by five labellers, two in five of the photos each, one in ten wrong.

    NaN where one did not answer, and a model's probabilities (l, C) for the answered photos.
    """
    rng = np.random.default_rng(0)
    truth = pool.targets.argmax(axis=1)
    wrong = rng.random((len(truth), 5)) < 0.1
    votes = np.where(wrong, rng.integers(CLASSES, size=wrong.shape), truth[:, None]).astype(float)
    absent = rng.random(votes.shape) < 0.6
    absent[:, 0] &= ~absent.all(axis=1)
    votes[absent] = np.nan
    return votes, 0.4 * pool.targets + 0.6 * rng.dirichlet(np.ones(CLASSES), size=len(truth))


def peer_selection(name: str, pool: strategies.Pool) -> Callable[[], Any]:
    if name in SKACTIVEML:
        return skactiveml_selection(name, pool)
    if name in CLEANLAB:
        return cleanlab_selection(pool)
    return modal_selection(name, pool)


def cleanlab_selection(pool: strategies.Pool) -> Callable[[], Any]:
    from cleanlab.multiannotator import get_active_learning_scores

    votes, labelled_proba = made_up_votes(pool)

    def selection() -> Any:
        scores = get_active_learning_scores(votes, labelled_proba.copy(), pool.proba.copy())
        return np.argsort(np.concatenate(scores))[:BATCH]

    return selection


def skactiveml_selection(name: str, pool: strategies.Pool) -> Callable[[], Any]:
    import inspect

    from skactiveml import pool as peers
    from skactiveml.classifier import SklearnClassifier
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    kind, given = SKACTIVEML[name]
    strategy = getattr(peers, kind)(random_state=0, **given)
    X = pool.features.astype(np.float32)
    y = np.full(len(X), np.nan)
    y[pool.labelled] = pool.targets.argmax(axis=1)
    classifier = SklearnClassifier(LogisticRegression(max_iter=200), classes=range(CLASSES))
    classifier.fit(X[pool.labelled], y[pool.labelled])
    asked = inspect.signature(strategy.query).parameters
    samples = pool.labelled[bootstrap_samples(len(pool.labelled))] if "ensemble" in asked else []
    extra = {
        "clf": classifier,
        "fit_clf": False,
        "estimator": classifier,
        "fit_estimator": False,
        "ensemble": [clone(classifier).fit(X[rows], y[rows]) for rows in samples],
        "fit_ensemble": False,
    }
    extra = {key: value for key, value in extra.items() if key in asked}
    k = min(BATCH, strategies.entry(name).most or BATCH)
    return lambda: strategy.query(X, y, batch_size=k, **extra)


def modal_selection(name: str, pool: strategies.Pool) -> Callable[[], Any]:
    from modAL.batch import uncertainty_batch_sampling
    from modAL.density import information_density
    from modAL.disagreement import consensus_entropy_sampling
    from modAL.models import ActiveLearner, Committee
    from modAL.uncertainty import classifier_entropy
    from sklearn.linear_model import LogisticRegression

    X = pool.features.astype(np.float32)
    learner = ActiveLearner(
        LogisticRegression(max_iter=200),
        X_training=X[pool.labelled],
        y_training=pool.targets.argmax(axis=1),
    )
    candidates = X[pool.candidates]
    if name == "ranked_batch":
        return lambda: uncertainty_batch_sampling(learner, candidates, n_instances=BATCH)
    if name == "consensus_entropy":
        committee = Committee(
            [
                ActiveLearner(
                    LogisticRegression(max_iter=200),
                    X_training=X[pool.labelled[sample]],
                    y_training=pool.targets[sample].argmax(axis=1),
                )
                for sample in bootstrap_samples(len(pool.labelled))
            ]
        )
        return lambda: consensus_entropy_sampling(committee, candidates, n_instances=BATCH)

    def density() -> Any:
        scores = classifier_entropy(learner, candidates)
        return np.argsort(-scores * information_density(candidates, "cosine"))[:BATCH]

    return density
