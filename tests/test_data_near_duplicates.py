"""Copies of a photo that are other files: found, joined, and never on both sides of a split."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw
from sqlalchemy import select, update

from al_fashion.data.importing import import_photos
from al_fashion.data.near_duplicates import (
    Likeness,
    join_near,
    likeness,
    near_pairs,
    read_likeness,
)
from al_fashion.errors import WorkspaceError
from al_fashion.store.database import reading, writing
from al_fashion.store.photos import check_groups
from al_fashion.store.schema import File, Image
from al_fashion.workspace import Workspace, create_workspace


def photo(seed: int, side: int = 240) -> Pillow.Image:
    """A picture unlike that of any other seed: coloured shapes."""
    rng = np.random.default_rng(seed)
    made = Pillow.new("RGB", (side, side * 4 // 3), tuple(rng.integers(0, 255, 3)))
    draw = ImageDraw.Draw(made)
    for _ in range(12):
        x, y = rng.integers(0, side, 2)
        w, h = rng.integers(side // 8, side // 2, 2)
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        draw.ellipse((int(x), int(y), int(x + w), int(y + h)), fill=colour)
    return made


def imported(folder: Path, source: Path) -> Workspace:
    if not (folder / "al_fashion.toml").exists():
        create_workspace(folder, ["a", "b"], heldout=0.3, audit=0.3, seed=1)
    workspace = Workspace.open(folder)
    import_photos(workspace, str(source), labels_from="none")
    return workspace


def by_stem(workspace: Workspace) -> dict[str, list[tuple[str, str]]]:
    """(group, split) of the files whose names begin alike."""
    found = defaultdict(list)
    with reading(workspace.engine) as session:
        rows = session.execute(
            select(File.name, Image.group, Image.split).join(Image, Image.id == File.image_id)
        )
        for name, group, split in rows:
            found[name.split("-")[0]].append((group, split))
    return found


def save_copies(folder: Path, number: int) -> None:
    made = photo(number)
    folder.mkdir(exist_ok=True)
    made.save(folder / f"{number}-original.png")
    made.save(folder / f"{number}-again.jpg", quality=60)
    made.resize((120, 160)).save(folder / f"{number}-small.jpg", quality=90)
    made.point(lambda value: min(255, value * 1.1)).save(folder / f"{number}-bright.png")


def test_planted_copies_share_a_group_and_a_split(tmp_path: Path) -> None:
    for number in range(20):
        save_copies(tmp_path / "photos", number)
    workspace = imported(tmp_path / "w", tmp_path / "photos")
    found = by_stem(workspace)
    assert len(found) == 20 and all(len(rows) == 4 for rows in found.values())
    assert all(len(set(rows)) == 1 for rows in found.values())
    assert len({group for rows in found.values() for group, _ in rows}) == 20
    assert len({split for rows in found.values() for _, split in rows}) == 3


def test_a_copy_that_comes_later_joins_the_earlier_photo(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "first").mkdir(exist_ok=True)
        photo(number).save(tmp_path / "first" / f"{number}-original.png")
        (tmp_path / "later").mkdir(exist_ok=True)
        photo(number).save(tmp_path / "later" / f"{number}-again.jpg", quality=70)
    imported(tmp_path / "w", tmp_path / "first")
    found = by_stem(imported(tmp_path / "w", tmp_path / "later"))
    assert all(len(rows) == 2 and len(set(rows)) == 1 for rows in found.values())


def test_small_photos_are_too_small_to_tell() -> None:
    assert likeness(photo(0, side=40)) is None
    found = likeness(photo(0))
    assert found is not None and len(found[0]) == 16 and len(found[1]) == 256


def test_only_pairs_with_one_among_the_wanted() -> None:
    hashes = np.array([0, 1, 2**40 - 1, 3], dtype=np.uint64)
    flat = np.zeros((4, 256), dtype=np.float32)
    flat[:, 0] = 1
    found = Likeness(["a", "b", "c", "d"], hashes, flat)
    assert near_pairs(found) == [("a", "b"), ("a", "d"), ("b", "d")]
    assert near_pairs(found, ["d"]) == [("d", "a"), ("d", "b")]
    other = Likeness(found.ids, hashes, np.eye(4, 256, dtype=np.float32))
    assert near_pairs(other) == []


def test_groups_given_by_the_user_name_the_joined_ones() -> None:
    named: dict[str, set[str]] = {"p": {"sender"}, "q": set(), "r": set()}
    assert join_near(named, {}, [("p", "q")])["q"] == {"sender"}
    assert join_near(named, {"k": "earlier"}, [("r", "k")])["r"] == {"earlier"}


def test_a_cut_group_is_refused(tmp_path: Path) -> None:
    for number in range(12):
        save_copies(tmp_path / "photos", number)
    workspace = imported(tmp_path / "w", tmp_path / "photos")
    with writing(workspace.engine) as session:
        check_groups(session)
        some = session.scalars(select(Image).where(Image.split == "pool").limit(1)).one()
        session.execute(update(Image).where(Image.id == some.id).values(split="audit"))
        with pytest.raises(WorkspaceError, match="1 groups lie in several splits"):
            check_groups(session)


def test_what_photos_look_like_is_read_back(tmp_path: Path) -> None:
    save_copies(tmp_path / "photos", 1)
    workspace = imported(tmp_path / "w", tmp_path / "photos")
    with reading(workspace.engine) as session:
        found = read_likeness(session)
    assert len(found.ids) == 4 and len(near_pairs(found)) == 6
    assert np.linalg.norm(found.thumbnails, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
