"""Which photos the study's models train on and which test them."""

from pathlib import Path

import numpy as np
import pytest
from workspaces import LABELS, Known, make_workspace

from al_fashion.errors import ModelError
from al_fashion.loop.zoo import Zoo, ZooOptions
from al_fashion.loop.zoo_data import halves, holdout, labelled_photos
from al_fashion.loop.zoo_features import with_copies
from al_fashion.loop.zoo_pairs import check_pair, paired_folds
from al_fashion.loop.zoo_results import result_of
from al_fashion.store.answers import add_answer
from al_fashion.store.database import reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import truths
from al_fashion.store.queue import enqueue
from al_fashion.store.schema import Image, Round
from al_fashion.workspace import Workspace, create_workspace


def answer(workspace: Workspace, said: dict[str, list[str]]) -> None:
    with writing(workspace.engine) as session:
        who = labeller(session, "import", "import")
        for image_id, names in said.items():
            add_answer(
                session,
                image_id=image_id,
                query_id=None,
                labeller=who,
                kind="labels" if names else "none",
                label_names=names,
                client_id=f"zoo {image_id}",
            )


def answered(folder: Path, *, groups: int | None = None) -> Known:
    """Every photo of the pool answered."""
    known = make_workspace(folder, groups=groups)
    with reading(known.workspace.engine) as session:
        pool = truths(session, "pool")
    answer(known.workspace, {image_id: [LABELS[known.truth[image_id]]] for image_id in pool})
    return known


def audit(workspace: Workspace) -> set[str]:
    with reading(workspace.engine) as session:
        return {image.id for image in session.query(Image) if image.split == "audit"}


def test_the_held_out_photos_test_and_the_audits_are_never_touched(tmp_path: Path) -> None:
    known = answered(tmp_path / "w")
    photos = labelled_photos(known.workspace)
    fold = holdout(photos)
    assert len(fold.test) == 60
    assert photos.heldout[fold.test].all() and not photos.heldout[fold.train].any()
    assert not set(photos.ids) & audit(known.workspace)
    assert photos.labels.tolist() == [known.truth[image_id] for image_id in photos.ids]


def test_halves_test_every_photo_once_and_never_cut_a_group(tmp_path: Path) -> None:
    photos = labelled_photos(answered(tmp_path / "w", groups=23).workspace)
    one, other = halves(photos, np.random.default_rng(0))
    assert sorted([*one.test, *other.test]) == list(range(len(photos.ids)))
    assert abs(len(one.train) - len(other.train)) < 0.2 * len(photos.ids)
    for fold in (one, other):
        assert not set(photos.groups_of(fold.train)) & set(photos.groups_of(fold.test))


def test_photos_that_a_strategy_picked_train_but_test_nothing(tmp_path: Path) -> None:
    known = answered(tmp_path / "w")
    picked = labelled_photos(known.workspace).ids[:40]
    with writing(known.workspace.engine) as session:
        session.add(
            Round(id=1, strategy="usdm", labelled=0, queued=40, seconds=0, created_ms=0, info={})
        )
        session.flush()
        enqueue(session, 1, [(image_id, "train", None) for image_id in picked])
    photos = labelled_photos(known.workspace)
    folds = halves(photos, np.random.default_rng(0))
    tested = {photos.ids[row] for fold in folds for row in fold.test}
    trained = {photos.ids[row] for fold in folds for row in fold.train}
    assert tested == set(photos.ids) - set(picked)
    assert trained == set(photos.ids)


def test_halves_without_photos_to_test_with_are_refused_before_any_training(
    tmp_path: Path,
) -> None:
    known = answered(tmp_path / "w", groups=4)
    picked = labelled_photos(known.workspace).ids
    with writing(known.workspace.engine) as session:
        session.add(
            Round(id=1, strategy="usdm", labelled=0, queued=40, seconds=0, created_ms=0, info={})
        )
        session.flush()
        enqueue(session, 1, [(image_id, "train", None) for image_id in picked])
        session.query(Image).filter(Image.split == "heldout").update({"group": "one"})
    zoo = Zoo.of(known.workspace, ZooOptions())
    with pytest.raises(ModelError, match="0 photos to test with"):
        paired_folds(zoo, "loop", "vgg16-v2")
    result = result_of(zoo, "vgg16-v3")
    assert (result.scored, result.missing) == (None, "too few photos")
    assert "--evaluate" in result.reason


def test_copies_stay_on_their_side_of_every_split(tmp_path: Path) -> None:
    photos = labelled_photos(answered(tmp_path / "w", groups=23).workspace)
    folds = [holdout(photos), *halves(photos, np.random.default_rng(0))]
    for fold, filled in zip(folds, with_copies(photos, folds, 150), strict=True):
        assert set(filled.train.sources) == set(photos.ids_of(fold.train))
        assert not set(filled.train.keys) & set(photos.ids_of(fold.test))
        assert np.bincount(filled.train.labels).tolist() == [150, 150, 150]


def test_in_an_exclusive_workspace_none_of_these_tests_but_does_not_train(tmp_path: Path) -> None:
    known = make_workspace(tmp_path / "w")
    with reading(known.workspace.engine) as session:
        pool = sorted(truths(session, "pool"))
    said = {image_id: [LABELS[known.truth[image_id]]] for image_id in pool}
    heldout = [image_id for image_id in known.truth if image_id not in pool][:3]
    answer(known.workspace, {**said, pool[0]: [], **{key: [] for key in heldout}})
    photos = labelled_photos(known.workspace)
    assert pool[0] not in photos.ids
    assert photos.left_out == 1


def test_photos_with_several_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    known = answered(tmp_path / "w")
    several = create_workspace(tmp_path / "several", LABELS, seed=0)
    with reading(known.workspace.engine) as source, writing(several.engine) as target:
        for image in source.query(Image):
            columns = {name: value for name, value in vars(image).items() if name[0] != "_"}
            target.add(Image(**columns))
    said = {image_id: [LABELS[kind]] for image_id, kind in known.truth.items()}
    first = sorted(set(known.truth) - audit(known.workspace))[:25]
    answer(several, {**said, **{key: ["dress", "shirt"] for key in first}})
    photos = labelled_photos(several)
    assert photos.left_out == 25
    assert not set(first) & set(photos.ids)


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    known = make_workspace(tmp_path / "w")
    with pytest.raises(ModelError, match="no label has answered photos to train on"):
        labelled_photos(known.workspace)
    dresses = [i for i in labelled_pool(known) if known.truth[i] == 0]
    answer(known.workspace, {image_id: ["dress"] for image_id in dresses[:5]})
    with pytest.raises(ModelError, match="only 'dress' has answered photos"):
        labelled_photos(known.workspace)

    small = answered_small(tmp_path / "small")
    with pytest.raises(ModelError, match=r"20 held-out photos with one label are answered, .* 30"):
        labelled_photos(small.workspace)


def labelled_pool(known: Known) -> list[str]:
    with reading(known.workspace.engine) as session:
        return sorted(truths(session, "pool"))


def answered_small(folder: Path) -> Known:
    known = make_workspace(folder, n=100)
    answer(known.workspace, {i: [LABELS[known.truth[i]]] for i in labelled_pool(known)})
    return known


def test_a_model_is_not_compared_with_itself() -> None:
    check_pair("vgg16-v1", "vgg16-v2")
    check_pair("loop", "vgg16-v3")
    with pytest.raises(ModelError, match="vgg16-v2 and vgg16-v3 are the same model"):
        check_pair("vgg16-v2", "vgg16-v3")
    with pytest.raises(ModelError, match="Unknown model 'best'"):
        check_pair("best", "loop")
