"""Agreement and the model of labellers, against published values."""

import numpy as np
import pytest

from al_fashion.stats.agreement import dawid_skene, krippendorff_alpha

N = float("nan")
# Krippendorff's example in Wikipedia: three coders, 15 units.
WIKIPEDIA = np.array(
    [
        [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
        [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
        [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
    ]
)
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, 12 units.
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)
BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], dtype=float)
SETS = {
    "a": ["shirt", "shirt", "shirt"],
    "b": ["shirt stripes", "shirt", "shirt stripes"],
    "c": ["dress", "dress floral", "floral"],
    "d": ["shoes", "shoes", "shoes"],
    "e": ["hat wool", "hat", "hat wool"],
    "f": ["dress", "shirt", "dress"],
}
SET_ANSWERS = [
    (who, photo, frozenset(said.split()))
    for photo, row in SETS.items()
    for who, said in enumerate(row)
]
# Dawid and Skene (1979), table 1: 45 patients, observer 1 three times, observers 2 to 5 once.
TABLE = (
    "1111111333433411221222223121222322222233221222111333343322222232322223"
    "4444444222334311111112223212121111111121111111111111111122222212221322"
    "2222222222222122232222212222111111111111112322222111111111111111121121"
    "1111111333323311111112222222222323243343432212232232323333334321111111"
    "11111111212111232222212111112222222"
)
PATIENTS = [TABLE[start : start + 7] for start in range(0, len(TABLE), 7)]
ANAESTHETICS = [
    (who, patient, int(value))
    for patient, row in enumerate(PATIENTS)
    for who, value in zip((1, 1, 1, 2, 3, 4, 5), row, strict=True)
]


@pytest.mark.parametrize(
    ("answers", "distance", "alpha"),
    [
        (WIKIPEDIA, "nominal", 0.691358),
        (WIKIPEDIA, "interval", 0.810845),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (FOUR, "ratio", 0.797),
        (BINARY, "nominal", 0.095),
        (SET_ANSWERS, "masi", 0.541131),
        (SET_ANSWERS, "jaccard", 0.598425),
        (SET_ANSWERS, "nominal", 0.433333),
    ],
)
def test_published_alphas(answers, distance: str, alpha: float) -> None:  # type: ignore[no-untyped-def]
    digits = 1e-6 if len(str(alpha)) > 5 else 1e-3
    assert krippendorff_alpha(answers, distance) == pytest.approx(alpha, abs=digits)


def test_masi_of_two_pairs() -> None:
    # With two coders and one unit alpha is 0; the distances show in a second, agreeing unit.
    def observed(one: set[int], other: set[int]) -> float:
        answers = [("a", 1, one), ("b", 1, other), ("a", 2, {9}), ("b", 2, {9})]
        masi = krippendorff_alpha(answers, "masi")
        # n = 4: D_o = 2d/4, D_e = (2d + 8)/12, as {9} is apart from both.
        return (8 * (1 - masi)) / (6 - 2 * (1 - masi))

    assert observed({1, 2}, {1, 2, 3, 4}) == pytest.approx(2 / 3)
    assert observed({1, 2}, {2, 3}) == pytest.approx(8 / 9)


def test_alpha_is_undefined_without_spread_or_shared_photos() -> None:
    assert np.isnan(krippendorff_alpha([("a", 1, "x"), ("b", 1, "x")]))
    assert np.isnan(krippendorff_alpha([("a", 1, "x"), ("b", 2, "y")]))
    assert np.isnan(krippendorff_alpha([]))
    assert krippendorff_alpha([("a", 1, set()), ("b", 1, {1})], "masi") == pytest.approx(0)
    with pytest.raises(ValueError, match="Unknown distance"):
        krippendorff_alpha([], "euclid")


def test_dawid_and_skene_s_anaesthetists() -> None:
    found = dawid_skene(ANAESTHETICS)
    assert found.prior == pytest.approx([0.3996, 0.4220, 0.1118, 0.0667], abs=1e-4)
    diagonal = np.diag(found.confusion[found.labellers.index(1)])
    assert diagonal == pytest.approx([0.8895, 0.8764, 0.6612, 0.4444], abs=1e-4)
    assert found.log_likelihood == pytest.approx(-192.8909, abs=1e-3)
    assert found.posterior.sum(axis=1) == pytest.approx(np.ones(45))


def test_a_labeller_model_sees_through_a_wrong_majority() -> None:
    """Two careful labellers against three who say the same wrong thing on one kind of photo."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    answers, majority = [], []
    for photo, right in enumerate(truth):
        said = [right if rng.random() < 0.97 else 1 - right for _ in range(2)]
        # The three others say "yes" to almost everything.
        said += [int(rng.random() < 0.9) if not right else 1 for _ in range(3)]
        answers += [(who, photo, int(value)) for who, value in enumerate(said)]
        majority.append(int(sum(said) >= 3))
    found = dawid_skene(answers, smoothing=1.0)
    by_model = found.posterior.argmax(axis=1)
    assert (np.array(majority) == truth).mean() < 0.65
    assert (by_model == truth).mean() > 0.95


def test_smoothing_keeps_one_labeller_from_a_veto() -> None:
    answers = [(who, photo, "yes") for photo in range(5) for who in "abc"]
    answers += [("a", 9, "no"), ("b", 9, "yes"), ("c", 9, "yes")]
    free = dawid_skene(answers, smoothing=1.0)
    assert 0.01 < free.posterior[free.photos.index(9)].min() < 0.5
    with pytest.raises(ValueError, match="No answers"):
        dawid_skene([])
