"""The gallery of the pool: what it finds, in which order, and what it does not tell."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select, update
from workspaces import LABELS, Known, make_workspace, queue_of, use_features

from al_fashion.data.given_answers import add_given_answers
from al_fashion.data.removal import remove_photo
from al_fashion.errors import QueueError
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.predictions import uncertainty
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.loop.suspects import find_suspects
from al_fashion.reports.said import asked_last
from al_fashion.store.answers import save_answer, undo
from al_fashion.store.consensus import consensus
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.gallery import (
    STATES,
    Filter,
    count_photos_of,
    gallery_page,
    labels_named,
    photos_of,
    quarantined_page,
    send_to_queue,
)
from al_fashion.store.gallery_rows import Said, agreed, refresh_gallery
from al_fashion.store.queue import enqueue, next_photos
from al_fashion.store.schema import File, GalleryPhoto, Image, Prediction, Query
from al_fashion.types import GivenAnswer
from al_fashion.workspace import Workspace, create_workspace

OPTIONS = RoundOptions(strategy="margin", batch=20)


def everything(workspace: Workspace, wanted: Filter, limit: int = 7) -> list[dict[str, Any]]:
    """Every photo of a filter, page by page."""
    found: list[dict[str, Any]] = []
    refresh_gallery(workspace.engine)
    after = None
    with reading(workspace.engine) as session:
        while True:
            photos, after = gallery_page(session, wanted, after=after, limit=limit)
            found += photos
            if after is None:
                assert count_photos_of(session, wanted) == len(found)
                return found


def ids(photos: list[dict[str, Any]]) -> list[str]:
    return [photo["image_id"] for photo in photos]


def pool_of(workspace: Workspace) -> set[str]:
    with reading(workspace.engine) as session:
        return set(session.scalars(select(Image.id).where(Image.split == "pool")))


def say(workspace: Workspace, image_id: str, *answers: GivenAnswer) -> None:
    with writing(workspace.engine) as session:
        add_given_answers(session, {image_id: answers})


def one(labels: str, who: str = "ann", **more: Any) -> GivenAnswer:
    names = tuple(labels.split()) if labels else ()
    return GivenAnswer(who, "labels" if names else "none", names, **more)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    """A workspace after a round that learnt from sixty answers; twenty photos wait."""
    known = make_workspace(tmp_path / "w", 200)
    use_features(monkeypatch, known)
    pool = sorted(pool_of(known.workspace))
    with writing(known.workspace.engine) as session:
        said = {i: [one(LABELS[known.truth[i]], "import")] for i in pool[:60]}
        add_given_answers(session, said)
    run_round(known.workspace, OPTIONS)
    return known


def test_a_round_keeps_what_it_thinks_of_the_pool_alone(trained: Known) -> None:
    with reading(trained.workspace.engine) as session:
        found = {row.image_id: row for row in session.scalars(select(Prediction))}
    assert found.keys() == pool_of(trained.workspace)
    right = [row.top - 1 == trained.truth[i] for i, row in found.items()]
    assert np.mean(right) > 0.7
    assert all(0 <= row.uncertainty <= 1 and row.labels == [row.top] for row in found.values())
    with writing(trained.workspace.engine) as session:
        for photo in next_photos(session, "ann", limit=50):
            names = [LABELS[trained.truth[photo.image_id]]]
            save_answer(
                session,
                query_id=photo.query_id,
                labeller="ann",
                kind="labels",
                label_names=names,
                client_id=str(photo.query_id),
            )
    run_round(trained.workspace, OPTIONS)
    with reading(trained.workspace.engine) as session:
        rounds = set(session.scalars(select(Prediction.round_id)))
    assert rounds == {2}


def test_who_cannot_tell_is_more_uncertain() -> None:
    proba = np.array([[0.5, 0.5, 0.0], [0.9, 0.05, 0.05], [1 / 3, 1 / 3, 1 / 3]])
    doubt = uncertainty(proba, exclusive=True)
    assert doubt == pytest.approx([1, 0.15, 1])
    several = uncertainty(np.array([[0.99, 0.5], [0.9, 0.02], [0.0, 1.0]]), exclusive=False)
    assert several == pytest.approx([1, 0.2, 0])


def test_every_photo_of_the_pool_comes_once_in_order(trained: Known) -> None:
    found = everything(trained.workspace, Filter())
    assert len(found) == len(set(ids(found)))
    assert set(ids(found)) == pool_of(trained.workspace)
    doubts = [photo["uncertainty"] for photo in found]
    told = [doubt for doubt in doubts if doubt is not None]
    assert told == sorted(told, reverse=True) and doubts[: len(told)] == told
    surest = everything(trained.workspace, Filter(order="certain"))
    assert ids(surest) == ids(found)[: len(told)][::-1]


def test_filters_find_what_looking_at_all_finds(trained: Known) -> None:
    workspace = trained.workspace
    photos = everything(workspace, Filter())
    for image_id in ids(photos)[:6]:
        say(workspace, image_id, one("dress"), one("shirt", "bob"))
    photos = everything(workspace, Filter())
    for name in LABELS:
        assert ids(everything(workspace, Filter(answered=name))) == [
            p["image_id"] for p in photos if name in (p["labels"] or [])
        ]
        assert ids(everything(workspace, Filter(predicted=name))) == [
            p["image_id"] for p in photos if name in (p["predicted"] or [])
        ]
        assert ids(everything(workspace, Filter(labels=(name,)))) == [
            p["image_id"]
            for p in photos
            if name in (p["predicted"] or [] if p["labels"] is None else p["labels"])
        ]
        both = Filter(answered="dress", predicted=name, state="answered")
        assert ids(everything(workspace, both)) == [
            p["image_id"]
            for p in photos
            if "dress" in (p["labels"] or []) and name in (p["predicted"] or [])
        ]
    for state in STATES:
        wanted = [
            p["image_id"]
            for p in photos
            if ("answered" not in p["states"] if state == "unanswered" else state in p["states"])
        ]
        assert ids(everything(workspace, Filter(state=state))) == wanted
        assert wanted or state == "suspected"
    assert len(everything(workspace, Filter(state="disputed"))) == 6


def test_of_a_photo_that_waits_nothing_is_told(trained: Known) -> None:
    workspace = trained.workspace
    with reading(workspace.engine) as session:
        waiting = set(
            session.scalars(
                select(Query.image_id)
                .join(Image)
                .where(Query.state == "open", Image.split == "pool")
            )
        )
    assert len(waiting) == 20
    found = everything(workspace, Filter(state="waiting"))
    assert set(ids(found)) == waiting
    for photo in found:
        for name in ("labels", "predicted", "probability", "uncertainty"):
            assert photo[name] is None
    for name in LABELS:
        for wanted in (Filter(predicted=name), Filter(answered=name), Filter(labels=(name,))):
            assert not waiting & set(ids(everything(workspace, wanted)))
    # Nor does its place among the others tell anything.
    assert set(ids(everything(workspace, Filter()))[-20:]) == waiting
    with writing(workspace.engine) as session:
        asked = next_photos(session, "ann", limit=50)
        photo = next(row for row in asked if row.image_id in waiting)
        kept = save_answer(
            session,
            query_id=photo.query_id,
            labeller="ann",
            kind="labels",
            label_names=["dress"],
            client_id="x",
        )
    refresh_gallery(workspace.engine)
    with reading(workspace.engine) as session:
        (told,) = photos_of(session, [photo.image_id])
    assert told["labels"] == ["dress"] and told["predicted"] is not None
    with writing(workspace.engine) as session:
        undo(session, labeller="ann", answer_id=kept.answer_id, client_id="y")
    refresh_gallery(workspace.engine)
    with reading(workspace.engine) as session:
        (told,) = photos_of(session, [photo.image_id])
    assert told["labels"] is None and told["predicted"] is None


def test_other_splits_are_never_shown(trained: Known) -> None:
    workspace = trained.workspace
    with reading(workspace.engine) as session:
        others = list(session.scalars(select(Image.id).where(Image.split != "pool")))
        assert photos_of(session, others) == []
    with writing(workspace.engine) as session, pytest.raises(QueueError, match="pool"):
        send_to_queue(session, others[:3])
    # What is moved into the pool comes in.
    with writing(workspace.engine) as session:
        session.execute(update(Image).where(Image.id == others[0]).values(split="pool"))
    assert others[0] in ids(everything(workspace, Filter()))


def test_what_is_sent_waits_behind_the_others(trained: Known) -> None:
    workspace = trained.workspace
    answered = ids(everything(workspace, Filter(state="answered")))[:2]
    new = ids(everything(workspace, Filter(state="unanswered")))[:3]
    waiting = ids(everything(workspace, Filter(state="waiting")))[:1]
    with writing(workspace.engine) as session:
        assert send_to_queue(session, [*new, *answered, *waiting, new[0]], overlap=2) == (5, 1)
        rows = session.scalars(select(Query).where(Query.state == "open").order_by(Query.priority))
        last = [(row.image_id, row.purpose, row.overlap) for row in rows][-5:]
    expected = [(i, "train", 2) for i in new] + [(i, "recheck", 2) for i in answered]
    assert last == expected
    assert set(ids(everything(workspace, Filter(state="waiting")))) >= {*new, *answered}


def test_what_an_owner_sent_is_not_said_to_be_the_strategys(trained: Known) -> None:
    workspace = trained.workspace
    sent = ids(everything(workspace, Filter(state="unanswered")))[0]
    asked = ids(everything(workspace, Filter(state="waiting")))[0]
    with writing(workspace.engine) as session:
        send_to_queue(session, [sent])
    for image_id in (sent, asked):
        say(workspace, image_id, one("dress"))
    with reading(workspace.engine) as session:
        found = asked_last(session, {sent: ["dress"], asked: ["dress"]}, checks=False)
    assert len(found) == 1


def test_a_photo_that_was_queued_meanwhile_is_not_queued_twice(trained: Known) -> None:
    """A round chooses its photos, and computes; the owner sends one of them meanwhile."""
    workspace = trained.workspace
    chosen = ids(everything(workspace, Filter(state="unanswered")))[:3]
    with writing(workspace.engine) as session:
        assert send_to_queue(session, chosen[:1]) == (1, 0)
    with writing(workspace.engine) as session:
        enqueue(session, 1, [(image_id, "train", 0.5) for image_id in chosen])
    with reading(workspace.engine) as session:
        waiting = list(session.scalars(select(Query.image_id).where(Query.state == "open")))
        # The gallery has not been brought up to date, and still tells nothing.
        told = photos_of(session, chosen)
    assert sorted(i for i in waiting if i in chosen) == sorted(chosen)
    assert [photo["predicted"] for photo in told] == [None] * 3
    assert all("waiting" in photo["states"] for photo in told)


def test_suspects_are_kept_and_go_with_a_new_answer(trained: Known) -> None:
    workspace = trained.workspace
    pool = ids(everything(workspace, Filter(state="answered")))
    wrong = pool[:3]
    for image_id in wrong:
        other = LABELS[(trained.truth[image_id] + 1) % 3]
        say(workspace, image_id, one(other, "import"))
    found = find_suspects(workspace, FeatureOptions())
    suspected = ids(everything(workspace, Filter(state="suspected")))
    assert set(suspected) == {row.image_id for row in found} and set(suspected) & set(wrong)
    again = suspected[0]
    say(workspace, again, one("dress", "zoe", created_ms=now_ms() + 1000))
    assert again not in ids(everything(workspace, Filter(state="suspected")))
    find_suspects(workspace, FeatureOptions())
    assert len(everything(workspace, Filter())) == len(pool_of(workspace))


def test_a_removed_photo_is_gone(trained: Known) -> None:
    workspace = trained.workspace
    image_id = ids(everything(workspace, Filter(state="answered")))[0]
    remove_photo(workspace, image_id)
    assert image_id not in ids(everything(workspace, Filter()))


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_gallerys_labels_are_those_that_rounds_learn_from(
    tmp_path: Path, exclusive: bool
) -> None:
    workspace = queue_of(tmp_path / "w", "", 60, exclusive=exclusive)
    rng = np.random.default_rng(0)
    choices = [*LABELS, ""] if exclusive else ["", "dress", "dress shirt", "pullover shirt"]
    for image_id in sorted(pool_of(workspace)):
        said = [one(str(rng.choice(choices)), who) for who in ("ann", "bob")[: rng.integers(3)]]
        if rng.random() < 0.2:
            said.append(one(str(rng.choice(choices)), "owner", verdict=True))
        say(workspace, image_id, *said)
    found = {p["image_id"]: p["labels"] for p in everything(workspace, Filter())}
    with reading(workspace.engine) as session:
        known = consensus(session, "pool")
    names = np.array(LABELS)
    expected = {
        image_id: list(names[hard]) for image_id, hard in zip(known.ids, known.hard, strict=True)
    }
    assert {i: labels for i, labels in found.items() if labels is not None} == expected
    assert len(expected) > 30


def test_a_verdict_of_cannot_tell_leaves_nothing() -> None:
    said = [
        Said(1, "photo", 1, "labels", [1], False, 0),
        Said(2, "photo", 1, "cannot_tell", [], True, 0),
    ]
    assert agreed(said, exclusive=False) is None
    assert agreed(said[:1], exclusive=False) == [1]


def test_words_name_labels(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "w", ["red", "dress", "dress shirt", "Röckchen"])
    with reading(workspace.engine) as session:
        assert labels_named(session, "Red  DRESS") == (["dress", "red"], [])
        assert labels_named(session, "dress shirt red") == (["dress shirt", "red"], [])
        assert labels_named(session, "röckchen hat") == (["Röckchen"], ["hat"])
        assert labels_named(session, "reddress") == ([], ["reddress"])
        assert labels_named(session, "") == ([], [])


def test_red_dresses_are_photos_with_both(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 5)
    photos = sorted(pool_of(workspace))
    for image_id, said in zip(photos, ("dress shirt", "dress", "shirt", ""), strict=False):
        say(workspace, image_id, one(said))
    assert ids(everything(workspace, Filter(labels=("dress", "shirt")))) == photos[:1]


def test_the_gallery_works_on_both_databases(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 30)
    photos = sorted(pool_of(workspace))
    for place, image_id in enumerate(photos[:9]):
        say(workspace, image_id, one(LABELS[place % 3]), one("shirt", "bob"))
    assert len(everything(workspace, Filter(), limit=4)) == 30
    assert len(everything(workspace, Filter(answered="dress", state="disputed"), limit=2)) == 3
    assert len(everything(workspace, Filter(labels=("shirt", "pullover")))) == 3
    assert len(everything(workspace, Filter(state="waiting"))) == 21
    # Refreshing what is up to date writes nothing.
    with reading(workspace.engine) as session:
        before = session.execute(select(GalleryPhoto.image_id, GalleryPhoto.state)).all()
    refresh_gallery(workspace.engine)
    with reading(workspace.engine) as session:
        assert session.execute(select(GalleryPhoto.image_id, GalleryPhoto.state)).all() == before


def test_quarantined_files_page_by_page(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 1)
    with writing(workspace.engine) as session:
        session.execute(delete(File))
        for number in range(5):
            row = {"path": f"/{number}", "name": str(number), "size": 0, "modified_ns": 0}
            session.add(File(**row, reason="not an image"))
    with reading(workspace.engine) as session:
        first, after = quarantined_page(session, limit=3)
        second, end = quarantined_page(session, after=after, limit=3)
    assert [row["path"] for row in first + second] == [f"/{n}" for n in range(5)]
    assert end is None
