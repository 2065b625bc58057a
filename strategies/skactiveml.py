"""scikit-activeml's pool strategies through our registry, as `skactiveml:<name>`.

They see the candidates in random order, then the labelled photos with their likeliest class, and
the pool's own probabilities; those that ask a model about other photos too (dropout, the labelled)
get its logistic regression, fitted to the labelled photos. Single-label pools only. The library is
an extra, imported on use alone.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategies.base import Pool, Selection, StrategyError, UnknownStrategy, check
from strategies.diversity import diverse_seed
from strategies.registry import Entry, seeded, suggestion


@dataclass(frozen=True)
class _Peer:
    """A class of scikit-activeml: what it asks ("", "given", "fitted" or "members"), its options.

    clusters: it runs a k-means that its own random_state does not reach (1.0.1).
    """

    about: str
    asks: str = ""
    argument: str = "clf"
    options: dict[str, Any] = field(default_factory=dict)
    cls: str = ""
    clusters: bool = False


_UNCERTAINTY = "UncertaintySampling"
_PEERS = {
    "RandomSampling": _Peer("random"),
    "CoreSet": _Peer("k-center (Sener and Savarese 2018)"),
    "TypiClust": _Peer("typicality (Hacohen et al. 2022)", clusters=True),
    "ProbCover": _Peer("coverage (Yehuda et al. 2022)", clusters=True),
    "MaxHerding": _Peer("smooth coverage (Bae et al. 2024)"),
    "LeastConfident": _Peer("least confidence", "given", cls=_UNCERTAINTY),
    "Margin": _Peer(
        "smallest margin", "given", options={"method": "margin_sampling"}, cls=_UNCERTAINTY
    ),
    "Entropy": _Peer("highest entropy", "given", options={"method": "entropy"}, cls=_UNCERTAINTY),
    "Badge": _Peer("gradient embeddings (Ash et al. 2020)", "given"),
    "Clue": _Peer(
        "uncertainty-weighted clusters (Prabhu et al. 2021)", "given", "estimator", clusters=True
    ),
    "Falcun": _Peer("contrast of probabilities (Gilhuber et al. 2024)", "given"),
    "DropQuery": _Peer(
        "dropout disagreement, clustered (Gupte et al. 2024)", "fitted", clusters=True
    ),
    "ContrastiveAL": _Peer("neighbours that disagree (Margatina et al. 2021)", "fitted"),
    "QueryByCommittee": _Peer("committee divergence", "members", "ensemble"),
    "GreedyBALD": _Peer("committee information (Houlsby et al. 2011)", "members", "ensemble"),
    "BatchBALD": _Peer("joint information (Kirsch et al. 2019)", "members", "ensemble"),
}


def peer_names() -> list[str]:
    """The names that `strategies.get` takes for scikit-activeml's strategies, sorted."""
    return sorted(f"skactiveml:{name}" for name in _PEERS)


def adapted(name: str) -> Entry:
    """scikit-activeml's strategy of that name as an entry of the registry.

    Before there is a model, those that ask one give our diverse seed; so do all without a label.
    Raises UnknownStrategy, and StrategyError where scikit-activeml is not installed.
    """
    if name not in _PEERS:
        raise UnknownStrategy(
            f"scikit-activeml has no strategy {name!r} here. "
            f"{suggestion(f'skactiveml:{name}', peer_names())}"
        )
    try:
        module = importlib.import_module("skactiveml.pool")
    except ImportError as error:
        raise StrategyError(
            "scikit-activeml is not installed. Install it, or al-fashion[peers]."
        ) from error
    peer = _PEERS[name]
    cls = getattr(module, peer.cls or name)

    def run(pool: Pool, k: int, *, rng: np.random.Generator, **params: Any) -> Selection:
        check(pool, k)
        if pool.multilabel:
            raise StrategyError(
                f"scikit-activeml's {name} takes single-label pools alone. Use one of ours."
            )
        asks_cold = peer.asks and pool.proba is None
        if asks_cold or (peer.asks == "fitted" and len(_classes(pool)) < 2):
            return diverse_seed(pool, k, rng)
        if peer.asks == "members" and pool.members is None:
            raise StrategyError(
                f"scikit-activeml's {name} needs a committee. Give Pool.members, or use Margin."
            )
        order = rng.permutation(len(pool.candidates))
        rows = np.concatenate([pool.candidates[order], pool.labelled])
        X = np.asarray(pool.features[rows], dtype=np.float32)
        y = np.concatenate([np.full(len(order), np.nan), _hard(pool)])
        seed = int(rng.integers(2**31))
        options = {"cluster_algo_dict": {"random_state": seed}} if peer.clusters else {}
        strategy = cls(random_state=seed, **{**peer.options, **options, **params})
        chosen = strategy.query(X, y, batch_size=k, **_models(peer, pool, order))
        return Selection(pool.candidates[order[chosen]], -np.arange(k, dtype=np.float64))

    return Entry(
        seeded(run),
        f"scikit-activeml's {name}: {peer.about}.",
        needs_members=peer.asks == "members",
    )


def _hard(pool: Pool) -> np.ndarray:
    return pool.targets.argmax(axis=1) if len(pool.labelled) else np.zeros(0)


def _classes(pool: Pool) -> np.ndarray:
    return np.unique(_hard(pool))


def _models(peer: _Peer, pool: Pool, order: np.ndarray) -> dict[str, Any]:
    """The keyword arguments of `query` that carry a model."""
    if not peer.asks:
        return {}
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    assert pool.proba is not None
    classes = np.arange(pool.proba.shape[1])
    if peer.asks == "fitted":
        model = SklearnClassifier(LogisticRegression(max_iter=1000), classes=classes)
        return {peer.argument: model}
    given = _given_class()
    fit = "fit_estimator" if peer.argument == "estimator" else f"fit_{peer.argument}"
    if peer.asks == "given":
        return {peer.argument: given(classes, pool.proba[order]), fit: False}
    assert pool.members is not None
    committee = [given(classes, member[order]) for member in pool.members]
    return {peer.argument: committee, fit: False}


def _given_class() -> Any:
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):
        """A classifier that answers with the candidates' probabilities, whatever it is asked."""

        def __init__(self, classes: np.ndarray, proba: np.ndarray) -> None:
            super().__init__(classes=classes)
            self.proba = proba
            self.classes_ = classes

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Given:
            return self

        def predict_proba(self, X: Any) -> np.ndarray:
            return np.asarray(self.proba, dtype=np.float64)

        def predict(self, X: Any) -> np.ndarray:
            return self.proba.argmax(axis=1)

    return Given
