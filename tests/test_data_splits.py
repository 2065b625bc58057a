"""Splits: the shares are met, groups are never cut, and earlier splits stay."""

from collections import Counter

import numpy as np
import pytest

from al_fashion.data.splits import assign_splits, join_groups, name_groups
from al_fashion.types import Split


def shares(groups: dict[str, int], splits: dict[str, Split]) -> dict[str, float]:
    photos: Counter[str] = Counter()
    for group, split in splits.items():
        photos[split] += groups[group]
    return {split: n / sum(groups.values()) for split, n in photos.items()}


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_met_by_whole_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = {f"g{i}": int(size) for i, size in enumerate(rng.integers(1, 40, 300))}
    splits = assign_splits(groups, {}, 0.2, 0.1, rng)
    assert splits.keys() == groups.keys()
    found = shares(groups, splits)
    assert found["heldout"] == pytest.approx(0.2, abs=0.01)
    assert found["audit"] == pytest.approx(0.1, abs=0.01)


def test_a_group_far_beyond_the_share_stays_in_the_pool() -> None:
    groups = {"huge": 900} | {f"g{i:03}": 1 for i in range(100)}
    for seed in range(5):
        splits = assign_splits(groups, {}, 0.05, 0.02, np.random.default_rng(seed))
        assert splits["huge"] == "pool"
        assert Counter(splits.values()) == {"heldout": 50, "audit": 20, "pool": 31}


def test_ten_photos_hold_one_out_however_small_the_share() -> None:
    ten = {str(i): 1 for i in range(10)}
    splits = assign_splits(ten, {}, 0.01, 0.0, np.random.default_rng(0))
    assert Counter(splits.values()) == {"heldout": 1, "pool": 9}


def test_every_photo_is_held_out_equally_often() -> None:
    groups = {str(i): 1 for i in range(20)}
    held: Counter[str] = Counter()
    for seed in range(400):
        splits = assign_splits(groups, {}, 0.2, 0.1, np.random.default_rng(seed))
        held.update(name for name, split in splits.items() if split == "heldout")
    assert sum(held.values()) == 400 * 4
    assert all(45 <= held[name] <= 115 for name in groups)  # 80 expected, +- 4 sigma


def test_what_is_held_out_already_counts() -> None:
    new = {str(i): 1 for i in range(100)}
    existing: dict[Split, int] = {"pool": 60, "heldout": 40}
    splits = assign_splits(new, existing, 0.2, 0.1, np.random.default_rng(0))
    assert Counter(splits.values()) == {"audit": 20, "pool": 80}


def test_groups_that_share_photos_are_one() -> None:
    union = join_groups([["a", "b"], ["c"], ["b", "d"], ["e", "c"]])
    assert union == {"a": "a", "b": "a", "d": "a", "c": "c", "e": "c"}


def test_a_new_photo_of_an_earlier_group_joins_it() -> None:
    named = {"new": {"s=1"}, "copy": {"s=2"}, "friend": {"s=2"}, "single": set()}
    known = {"old": "s=1", "copy": "s=9"}
    assert name_groups(named, known) == {"new": "s=1", "friend": "s=9", "single": "single"}
