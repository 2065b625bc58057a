"""One round on arrays."""

import numpy as np

from al_fashion.loop.step import RoundData, evaluate, train

LABELS = ["dress", "shirt", "striped"]


def photos(*, striped_is_answered: bool) -> RoundData:
    """60 photos that train and 60 that test, of two kinds; all are striped, which most were
    answered without a chance to say."""
    rng = np.random.default_rng(0)
    kind = np.arange(120) % 2
    features = (4 * np.eye(2)[kind] + 0.1 * rng.normal(size=(120, 2))).astype(np.float32)
    targets = np.column_stack([np.eye(2)[kind], np.ones(120)])
    truth, answered = targets > 0, np.ones((120, 3), dtype=bool)
    if not striped_is_answered:
        answered[6:, 2], truth[6:, 2] = False, False
    return RoundData(
        features=features,
        labelled=np.arange(60),
        targets=np.where(answered, targets, np.nan)[:60],
        candidates=np.empty(0, dtype=np.int64),
        heldout=np.arange(60, 120),
        truth=truth[60:],
        groups=[str(row) for row in range(60)],
        labels=LABELS,
        exclusive=False,
        metric="accuracy",
        answered=answered[60:],
    )


def test_a_label_that_was_not_answered_is_no_no() -> None:
    data = photos(striped_is_answered=False)
    learner = train(data)
    assert learner is not None
    said = learner.predict_proba(data.features[data.heldout])
    assert (said[:, 2] > 0.5).all(), "all who were asked said striped"


def test_what_was_not_answered_counts_neither_way_in_the_accuracy() -> None:
    for answered in (True, False):
        data = photos(striped_is_answered=answered)
        evaluation = evaluate(train(data), data)
        assert evaluation is not None
        assert evaluation.accuracy.value == 1.0
        assert evaluation.measures["jaccard"].value == 1.0
