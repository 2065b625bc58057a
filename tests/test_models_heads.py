import numpy as np
import pytest

from al_fashion.loop.learner import Learner
from al_fashion.models.committee import committee_of
from al_fashion.models.heads import LinearHead
from al_fashion.models.projection import fit_projection
from al_fashion.models.propagation import propagate, spread_out
from al_fashion.models.selection import walk
from al_fashion.stats.metrics import calibration_error


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


def test_a_label_that_was_not_answered_is_no_answer() -> None:
    features, targets = blobs(6)
    asked = np.arange(300) < 60  # about label 1; about the others always
    partly = np.where(asked[:, None] | (np.arange(3) != 1), targets, np.nan)
    head = LinearHead(penalty=0.1).fit(features, partly)
    as_no = LinearHead(penalty=0.1).fit(features, np.nan_to_num(partly))
    fresh, truth = blobs(7)
    right = truth[:, 1] > 0
    assert head.predict_proba(fresh)[right, 1].mean() > 0.8
    assert as_no.predict_proba(fresh)[right, 1].mean() < 0.6
    # The column alone, from the photos asked about it: the same, centre and scale aside.
    alone = LinearHead(penalty=0.1).fit(features[asked], targets[asked][:, 1:2])
    near = np.abs(head.predict_proba(fresh)[:, 1] - alone.predict_proba(fresh)[:, 0])
    assert np.median(near) < 0.03


def test_in_exclusive_use_a_photo_without_a_known_label_teaches_nothing() -> None:
    features, targets = blobs(6)
    unknown = np.vstack([targets, np.full((5, 3), np.nan), np.zeros((5, 3))])
    more = np.vstack([features, 100 + features[:10]])
    one = LinearHead(exclusive=True).fit(features, targets)
    other = LinearHead(exclusive=True).fit(more, unknown)
    np.testing.assert_allclose(one.predict_proba(features), other.predict_proba(features))


def overconfident(seed: int, n: int = 240) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ten photos of one sender look alike and share a label that says little about others."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(rng.integers(0, 3, n // 10), 10)
    sender = np.repeat(rng.normal(size=(n // 10, 40)), 10, axis=0)
    features = 0.9 * np.eye(3, 40)[kind] + sender + 0.1 * rng.normal(size=(n, 40))
    return features.astype(np.float32), np.eye(3)[kind], [f"sender {row // 10}" for row in range(n)]


def test_groups_make_the_choice_careful() -> None:
    features, targets, groups = overconfident(0)
    careless = LinearHead(exclusive=True).fit(features, targets)
    careful = LinearHead(exclusive=True).fit(features, targets, groups=groups)
    assert careful.penalty_ > careless.penalty_ or careful.temperature_ > careless.temperature_
    fresh, truth, _ = overconfident(1)
    errors = [
        calibration_error(head.predict_proba(fresh), truth > 0, exclusive=True)
        for head in (careful, careless)
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("valley", range(6))
def test_the_search_for_a_penalty_ends_in_the_valley_wherever_it_is(valley: int) -> None:
    looked_at = []

    def loss(place: int) -> float:
        looked_at.append(place)
        return float(abs(place - valley))

    assert walk(loss, 2, 6) == valley
    assert len(set(looked_at)) <= abs(valley - 2) + 3


def test_the_same_seed_chooses_the_same() -> None:
    features, targets, groups = overconfident(2)
    one, other = (
        LinearHead(exclusive=True, seed=3).fit(features, targets, groups=groups) for _ in range(2)
    )
    assert (one.penalty_, one.temperature_) == (other.penalty_, other.temperature_)
    np.testing.assert_array_equal(one.weights_, other.weights_)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_head_to_start_from_changes_nothing_but_the_time(exclusive: bool) -> None:
    features, targets = blobs(8)
    first = LinearHead(exclusive=exclusive, penalty=0.1).fit(features[:100] * 3 + 1, targets[:100])
    cold = LinearHead(exclusive=exclusive, penalty=0.1).fit(features, targets)
    warm = LinearHead(exclusive=exclusive, penalty=0.1).fit(features, targets, start=first)
    expected = cold.predict_proba(features)
    assert warm.predict_proba(features) == pytest.approx(expected, abs=2e-3)


def test_a_head_of_projected_features_is_one_of_the_features() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 600)).astype(np.float32)
    targets = np.eye(3)[rng.integers(0, 3, 80)]
    projection = fit_projection(features, np.arange(60), rng)
    assert projection is not None
    projected = projection(features)
    assert projected.shape == (80, 59)
    inner = LinearHead(exclusive=True).fit(projected, targets)
    outer = inner.before(projection)
    expected = inner.predict_proba(projected)
    assert outer.predict_proba(features) == pytest.approx(expected, abs=1e-4)
    assert outer.after(projection).decision(projected) == pytest.approx(
        inner.decision(projected), abs=1e-3
    )


def test_a_projection_keeps_the_distances_of_the_pool() -> None:
    rng = np.random.default_rng(1)
    features = (rng.normal(size=(900, 20)) @ rng.normal(size=(20, 700)) + 5).astype(np.float32)
    projection = fit_projection(features, np.arange(700), np.random.default_rng(0))
    assert projection is not None
    projected = projection(features)
    assert projected.shape[1] == 20
    before = np.linalg.norm(features[:50] - features[850:], axis=1)
    after = np.linalg.norm(projected[:50] - projected[850:], axis=1)
    np.testing.assert_allclose(after, before, rtol=1e-3)
    assert fit_projection(features[:, :512], np.arange(700), rng) is None
    many = rng.normal(size=(900, 700)).astype(np.float32)
    wide = fit_projection(many, np.arange(900), rng)
    assert wide is not None and wide.components.shape == (700, 512)


def test_a_committee_agrees_where_photos_are_clear() -> None:
    features, targets = blobs(9)
    head = LinearHead(exclusive=True).fit(features[:60], targets[:60])
    committees = [
        committee_of(head, features[:60], targets[:60], np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    clear = 4 * np.eye(3, 20)
    between = 2 * (np.eye(3, 20) + np.eye(3, 20)[[1, 2, 0]])
    first, same, other = (
        [np.stack([member.predict_proba(x) for member in each]) for x in (clear, between)]
        for each in committees
    )
    assert first[0].shape == (10, 3, 3)
    assert first[1].std(axis=0).mean() > 2 * first[0].std(axis=0).mean()
    np.testing.assert_array_equal(first[1], same[1])
    assert (first[1] != other[1]).any()


def test_calibration_error_by_hand() -> None:
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])
    truth = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], dtype=bool)
    # 0.9 said and half right, 0.7 said and all right: (2 * 0.4 + 2 * 0.3) / 4.
    assert calibration_error(proba, truth, exclusive=True) == pytest.approx(0.35)
    several = np.array([[0.9, 0.9], [0.1, 0.1]])
    assert calibration_error(several, several > 0.5, exclusive=False) == pytest.approx(0.1)


def test_unlabelled_neighbours_help_after_few_answers() -> None:
    """Two long clusters, answered at one end each: the other ends follow their neighbours."""
    rng = np.random.default_rng(0)
    along = np.linspace(0, 2.4, 200)
    arcs = [np.column_stack([np.cos(along + turn), np.sin(along + turn)]) for turn in (0, np.pi)]
    features = np.vstack(arcs).astype(np.float32) + 0.02 * rng.normal(size=(400, 2)).astype("f4")
    labelled = np.array([0, 1, 2, 200, 201, 202])
    targets = np.repeat(np.eye(2), 3, axis=0)
    rest = np.setdiff1d(np.arange(400), labelled)
    background = propagate(features[labelled], targets, features[rest])
    truth = (rest >= 200).astype(int)
    assert (background.targets.argmax(axis=1) == truth).mean() > 0.95
    assert background.weights.max() < 0.1
    alone = LinearHead(exclusive=True).fit(features[labelled], targets)
    helped = LinearHead(exclusive=True).fit(features[labelled], targets, background=background)
    right = [
        (head.predict(features[rest]).argmax(axis=1) == truth).mean() for head in (alone, helped)
    ]
    assert right[1] > right[0]


def test_unlabelled_photos_are_spread_over_the_pool() -> None:
    rows = np.arange(10, 20_010)
    chosen = spread_out(rows)
    assert 1000 < len(chosen) <= 1500
    assert chosen[0] == 10 and chosen[-1] > 19_900
    np.testing.assert_array_equal(spread_out(rows[:50]), rows[:50])
