import numpy as np
import pytest

from al_fashion.loop.learner import Learner
from al_fashion.models.heads import LinearHead


def blobs(seed: int, n: int = 300, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    features = rng.normal(size=(n, d)) + 4 * np.eye(3, d)[kind]
    return features.astype(np.float32), np.eye(3)[kind]


@pytest.mark.parametrize("exclusive", [True, False])
def test_learns_separable_labels(exclusive: bool) -> None:
    features, targets = blobs(0)
    head = LinearHead(exclusive=exclusive).fit(features[:200], targets[:200])
    right = (head.predict(features[200:]) == targets[200:].astype(bool)).all(axis=1)
    assert right.mean() > 0.9


@pytest.mark.parametrize("exclusive", [True, False])
def test_agrees_with_scikit_learn(exclusive: bool) -> None:
    """With whole labels the minimum is that of scikit-learn's penalised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    features, targets = blobs(1, n=120)
    penalty = 0.5
    head = LinearHead(exclusive=exclusive, penalty=penalty).fit(features, targets)
    scaled = (features - head.centre_) / head.scale_
    if exclusive:
        peer = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=2000)
        expected = peer.fit(scaled, targets.argmax(axis=1)).predict_proba(scaled)
    else:
        peers = [
            LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=2000).fit(scaled, column)
            for column in targets.T
        ]
        expected = np.stack([peer.predict_proba(scaled)[:, 1] for peer in peers], axis=1)
    assert head.predict_proba(features) == pytest.approx(expected, abs=2e-3)


def test_fewer_photos_than_features_is_solved_exactly() -> None:
    """The short cut through the span of the rows finds the same minimum as the long way."""
    features, targets = blobs(2, n=30, d=40)
    short = LinearHead(exclusive=True, penalty=0.1).fit(features, targets)
    long = LinearHead(exclusive=True, penalty=0.1)
    padded = np.vstack([features] * 2)
    long.penalty = 0.2
    long.fit(padded, np.vstack([targets] * 2))
    assert short.predict_proba(features) == pytest.approx(long.predict_proba(features), abs=1e-3)


def test_soft_label_lies_between() -> None:
    features = np.zeros((4, 2), dtype=np.float32)
    head = LinearHead().fit(features, np.array([[1, 0], [0, 0], [1, 0], [0, 0]], dtype=float))
    assert head.predict_proba(features)[0, 0] == pytest.approx(0.5, abs=0.01)
    assert head.predict_proba(features)[0, 1] < 0.2


def test_learner_teaches_and_queries_as_modal_does() -> None:
    """modAL 0.4.2's own ActiveLearner fails here on scikit-learn 1.8 and newer."""
    from modAL.uncertainty import margin_sampling

    features, targets = blobs(4)
    learner = Learner(estimator=LinearHead(exclusive=True), query_strategy=margin_sampling)
    learner.fit(features[:20], targets[:20])
    learner.teach(features[20:40], targets[20:40])
    assert len(learner.X_training) == 40
    indices, rows = learner.query(features[40:], n_instances=5)
    assert rows.shape == (5, 20)
    proba = np.sort(learner.predict_proba(features[40:]), axis=1)
    margins = proba[:, -1] - proba[:, -2]
    assert set(indices) == set(np.argsort(margins)[:5])


def test_learner_lets_a_strategys_error_through() -> None:
    calls = []

    def broken(_learner: Learner, _pool: np.ndarray) -> None:
        calls.append(1)
        raise RuntimeError("broken strategy")

    learner = Learner(estimator=LinearHead(), query_strategy=broken)
    with pytest.raises(RuntimeError, match="broken strategy"):
        learner.query(np.zeros((3, 2)))
    assert len(calls) == 1


def test_none_of_these_is_predicted_where_it_was_answered_and_nowhere_else() -> None:
    features, targets = blobs(5)
    nothing = targets[:, 2] > 0
    with_none = np.where(nothing[:, None], 0, targets)[:, :2]
    head = LinearHead().fit(features[:200], with_none[:200])
    assert (head.predict(features[200:]).any(axis=1) == ~nothing[200:]).mean() > 0.9

    # Twelve labels and thirty photos: no label is sure, but every photo had one.
    rng = np.random.default_rng(0)
    many = np.eye(12)[rng.integers(0, 12, 30)]
    unsure = LinearHead(penalty=10.0).fit(rng.normal(size=(30, 5)), many)
    fresh = rng.normal(size=(50, 5))
    assert (unsure.predict_proba(fresh) < 0.5).any(axis=1).all()
    assert unsure.predict(fresh).any(axis=1).all()
