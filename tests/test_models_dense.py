"""The head for many labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from al_fashion.loop.step import RoundData, train
from al_fashion.models.backbones import BackboneSettings
from al_fashion.models.committee import committee_of
from al_fashion.models.dense import DROPOUT, gradients
from al_fashion.models.dense_head import FEWEST_LABELLED, DenseHead
from al_fashion.models.heads import LinearHead
from al_fashion.models.predictors import head_model, predictor, saved_head
from al_fashion.models.projection import fit_projection
from al_fashion.models.saved import load_model, save_model
from al_fashion.stats.metrics import calibration_error


def crossed(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in opposite corners each: no line parts them. A tenth is labelled wrongly."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 16)).astype(np.float32)
    kind = (features[:, 0] * features[:, 1] > 0).astype(int)
    features[:, :2] += 1.5 * np.sign(features[:, :2])
    kind = np.where(rng.random(n) < 0.1, 1 - kind, kind)
    return features, np.eye(2)[kind]


@pytest.mark.parametrize("exclusive", [True, False])
def test_gradients_are_those_of_the_cross_entropy(exclusive: bool) -> None:
    rng = np.random.default_rng(0)
    parameters = [rng.normal(size=shape) for shape in [(5, 4), (4,), (4, 3), (3,)]]
    inputs, kept = rng.normal(size=(7, 5)), rng.random((7, 4)) < 0.5
    targets = rng.dirichlet(np.ones(3), 7)
    if not exclusive:
        targets[0, 1] = np.nan

    def loss() -> float:
        hidden, hidden_bias, output, output_bias = parameters
        units = np.maximum(inputs @ hidden + hidden_bias, 0) * kept / (1 - DROPOUT)
        values = units @ output + output_bias
        if exclusive:
            return float(-(targets * log_softmax(values, axis=1)).sum() / 7)
        each = targets * np.log(expit(values)) + (1 - targets) * np.log(expit(-values))
        return float(-np.nansum(each) / 7)

    found = gradients(parameters, inputs, targets, kept, exclusive)
    for parameter, gradient in zip(parameters, found, strict=True):
        for place in np.ndindex(parameter.shape):
            middle = parameter[place]
            parameter[place] = middle + 1e-6
            above = loss()
            parameter[place] = middle - 1e-6
            slope = (above - loss()) / 2e-6
            parameter[place] = middle
            np.testing.assert_allclose(gradient[place], slope, atol=1e-6)


def test_it_learns_what_no_line_parts_and_knows_how_sure_it_may_be() -> None:
    features, targets = crossed(0, 1500)
    fresh, truth = crossed(1, 1500)
    linear = LinearHead(exclusive=True).fit(features, targets)
    dense = DenseHead(exclusive=True).fit(features, targets)
    right = [
        float((head.predict(fresh) & (truth > 0)).any(axis=1).mean()) for head in (linear, dense)
    ]
    assert right[0] < 0.6 and right[1] > 0.85
    proba = dense.predict_proba(fresh)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert calibration_error(proba, truth > 0, exclusive=True) < 0.08


def test_the_same_seed_teaches_the_same_and_another_another() -> None:
    features, targets = crossed(2, 300)
    one, same, other = (
        DenseHead(exclusive=True, seed=seed).fit(features, targets).predict_proba(features)
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_labels_not_answered_teach_nothing_and_soft_ones_lie_between() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(600, 8)).astype(np.float32)
    targets = np.column_stack([features[:, 0] > 0, features[:, 1] > 0]).astype(float)
    targets[:300, 1] = np.nan
    head = DenseHead().fit(features, targets)
    fresh = rng.normal(size=(500, 8)).astype(np.float32)
    right = head.predict(fresh) == np.column_stack([fresh[:, 0] > 0, fresh[:, 1] > 0])
    assert right[:, 0].mean() > 0.85 and right[:, 1].mean() > 0.8
    torn = np.tile([0.7, 0.3], (600, 1))
    proba = DenseHead(exclusive=True).fit(features, torn).predict_proba(fresh)
    assert abs(proba[:, 0].mean() - 0.7) < 0.05


def test_it_is_saved_for_features_before_projection(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    kind = rng.integers(0, 3, 700)
    features = (rng.normal(size=(700, 600)) + 4 * np.eye(3, 600)[kind]).astype(np.float32)
    projection = fit_projection(features, np.arange(700), rng)
    assert projection is not None
    head = DenseHead(exclusive=True).fit(projection(features)[:600], np.eye(3)[kind[:600]])
    expected = head.predict_proba(projection(features))
    path = tmp_path / "head.npz"
    names = ["dress", "pullover", "shirt"]
    whole = head.before(projection)
    save_model(path, head_model(whole, names, BackboneSettings(), "key", "digest"))
    proba, _ = predictor(load_model(path))(features)
    np.testing.assert_allclose(proba, expected, atol=1e-3)
    assert isinstance(saved_head(load_model(path)), DenseHead)


def test_its_committee_agrees_where_photos_are_clear() -> None:
    features, targets = crossed(6, 1000)
    head = DenseHead(exclusive=True).fit(features, targets)
    members = committee_of(head, features, targets, np.random.default_rng(0))
    corner, between = np.zeros((1, 16), np.float32), np.zeros((1, 16), np.float32)
    corner[0, :2], between[0, :2] = (3, 3), (3, 0)
    clear, unclear = (
        np.array([member.predict_proba(photo)[0, 1] for member in members])
        for photo in (corner, between)
    )
    assert len(members) == 10 and clear.min() > 0.5
    assert unclear.std() > clear.std()


def round_data(labelled: int) -> RoundData:
    features, targets = crossed(7, FEWEST_LABELLED + 200)
    rows = np.arange(len(features))
    return RoundData(
        features=features,
        labelled=rows[:labelled],
        targets=targets[:labelled],
        candidates=rows[labelled:],
        heldout=np.empty(0, dtype=np.int64),
        truth=np.empty((0, 2), dtype=bool),
        groups=[],
        labels=["dress", "shirt"],
        exclusive=True,
        metric="accuracy",
    )


def test_a_round_with_many_labels_trains_it_and_one_with_few_the_linear_head() -> None:
    few, many = round_data(FEWEST_LABELLED - 1), round_data(FEWEST_LABELLED)
    first = train(few)
    assert first is not None and isinstance(first.estimator, LinearHead)
    second = train(many, first.estimator)
    assert second is not None and isinstance(second.estimator, DenseHead)
    fewer_again = train(few, second.estimator)
    assert fewer_again is not None and isinstance(fewer_again.estimator, LinearHead)
    several = train(replace(many, exclusive=False))
    assert several is not None and isinstance(several.estimator, LinearHead)
