"""Several people: united answers, checks, disagreements, proposed labels; on both databases."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from workspaces import queue_of

from al_fashion.data.removal import remove_photo
from al_fashion.errors import AnswerError, QueueError, WorkspaceError
from al_fashion.store.answers import save_answer
from al_fashion.store.consensus import consensus
from al_fashion.store.database import reading, writing
from al_fashion.store.leases import claim
from al_fashion.store.photos import labels
from al_fashion.store.quality import agreement, labellers_on_checks
from al_fashion.store.queue import queue_counts
from al_fashion.store.review import accept_label, decide, disagreements, proposals
from al_fashion.store.schema import Image, Lease, Round
from al_fashion.workspace import Workspace


def answer(
    workspace: Workspace, who: str, said: Sequence[str] | str, *, proposal: str | None = None
) -> str:
    """Answer the next photo with label names, or with a kind; returns its id."""
    kind = said if isinstance(said, str) else "labels"
    with writing(workspace.engine) as session:
        photo = claim(session, who, limit=1)[0]
        save_answer(
            session,
            labeller=who,
            token=photo.token,
            kind=kind,  # type: ignore[arg-type]
            label_names=() if isinstance(said, str) else said,
            client_id=photo.token,
            reason="not_in_list" if proposal else None,
            proposal=proposal,
        )
    return photo.image_id


def settle(workspace: Workspace, image_id: str, said: Sequence[str], kind: str = "labels") -> None:
    with writing(workspace.engine) as session:
        decide(
            session,
            owner="olga",
            image_id=image_id,
            kind=kind,  # type: ignore[arg-type]
            label_names=said,
            client_id=f"{image_id}{kind}",
        )


def test_cannot_tell_trains_nothing_and_none_is_an_answer(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 3)
    answer(workspace, "ann", "cannot_tell")
    none, dress = answer(workspace, "ann", "none"), answer(workspace, "ann", ["dress"])
    with reading(workspace.engine) as session:
        found = consensus(session, "pool")
        assert queue_counts(session)["answered"] == 3
    assert dict(zip(found.ids, found.soft.tolist(), strict=True)) == {
        none: [0, 0, 0],
        dress: [1, 0, 0],
    }


def test_a_wrong_majority_is_seen_through_in_the_consensus(tmp_path: Path) -> None:
    """Three people call every second pullover a shirt too; two careful ones do not."""
    workspace = queue_of(tmp_path / "w", "", 60, overlap=5)
    rng = np.random.default_rng(1)
    with reading(workspace.engine) as session:
        truth = {image_id: place % 2 for place, image_id in enumerate(session.scalars(_order()))}
    for _ in truth:
        for who in ("ann", "bob", "cat", "dan", "eve"):
            with writing(workspace.engine) as session:
                photo = claim(session, who, limit=1)[0]
                is_shirt = bool(truth[photo.image_id])
                careless = who in ("cat", "dan", "eve") and rng.random() < 0.85
                # Each also names a different second label, so that nobody agrees early.
                extra = "dress" if who in ("ann", "cat") else "pullover"
                names = [extra, "shirt"] if is_shirt or careless else [extra]
                save_answer(
                    session,
                    labeller=who,
                    token=photo.token,
                    kind="labels",
                    label_names=names,
                    client_id=photo.token,
                )
            if _enough(workspace, photo.image_id):
                break
    with reading(workspace.engine) as session:
        found = consensus(session, "pool")
        shirt = [label.name for label in labels(session)].index("shirt")
    right = np.array([truth[image_id] for image_id in found.ids], dtype=bool)
    assert (found.hard[:, shirt] == right).mean() > 0.95
    assert ((found.soft >= 0) & (found.soft <= 1)).all()


def _order():  # type: ignore[no-untyped-def]
    return select(Image.id).order_by(Image.position)


def _enough(workspace: Workspace, image_id: str) -> bool:
    from al_fashion.store.schema import Query

    with reading(workspace.engine) as session:
        return session.scalars(select(Query.state).where(Query.image_id == image_id)).one() != (
            "open"
        )


def test_disagreements_are_settled_by_a_verdict(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 2, overlap=2)
    debated = answer(workspace, "ann", ["dress"])
    with reading(workspace.engine) as session:
        assert disagreements(session) == [], "nothing is shown while it is still asked"
    answer(workspace, "bob", ["shirt"])
    for who in ("ann", "bob"):
        answer(workspace, who, ["shirt"])
    with reading(workspace.engine) as session:
        found = disagreements(session)
        assert [row["image_id"] for row in found] == [debated]
        assert [row["labels"] for row in found[0]["answers"]] == [["dress"], ["shirt"]]
        quality = agreement(session)
        assert quality["photos"] == 2 and quality["alpha"] is not None
        assert {row["label"] for row in quality["labels"]} == {"dress", "pullover", "shirt"}
    settle(workspace, debated, ["pullover"])
    with reading(workspace.engine) as session:
        assert disagreements(session) == []
        united = consensus(session, "pool")
        assert united.hard[united.ids.index(debated)].tolist() == [False, True, False]
    settle(workspace, debated, [], "cannot_tell")
    with reading(workspace.engine) as session:
        assert debated not in consensus(session, "pool").ids
    with pytest.raises(AnswerError, match="no such photo"):
        settle(workspace, "0" * 64, ["shirt"])


def test_checks_are_mixed_in_once_each_and_counted(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 40)
    decided = [answer(workspace, "olga", ["dress"]) for _ in range(6)]
    for image_id in decided:
        settle(workspace, image_id, ["dress"])
    seen = []
    for turn in range(40):
        with writing(workspace.engine) as session:
            held = claim(session, "ann", limit=1, check_share=0.5)
            assert claim(session, "ann", limit=1, check_share=0.5) == held, "a check stays"
            if not held:
                break
            photo = held[0]
            seen.append(photo.image_id)
            save_answer(
                session,
                labeller="ann",
                token=photo.token,
                kind="labels",
                label_names=["shirt" if turn < 4 else "dress"],
                client_id=photo.token,
            )
    assert len(seen) == len(set(seen)) == 40, "34 photos and 6 checks"
    with reading(workspace.engine) as session:
        rows = {row["labeller"]: row for row in labellers_on_checks(session)}
        checks = session.scalars(select(Lease.image_id).where(Lease.query_id.is_(None))).all()
    assert set(checks) == set(decided)
    wrong = len(set(seen[:4]) & set(decided))
    assert (rows["ann"]["checks"], rows["ann"]["right"]) == (6, 6 - wrong)
    low, high = rows["ann"]["interval"]
    assert 0 <= low < high <= 1
    assert rows["olga"]["interval"] is None


def test_a_proposed_label_is_accepted_and_asked_again_where_it_matters(
    tmp_path: Path, database: str
) -> None:
    workspace = queue_of(tmp_path / "w", database, 4)
    answer(workspace, "bob", ["dress"])
    missing = answer(workspace, "ann", "skip", proposal="Trousers")
    none = answer(workspace, "ann", "none")
    with reading(workspace.engine) as session:
        assert proposals(session) == [{"name": "Trousers", "people": 1, "photos": 1}]
    with writing(workspace.engine) as session:
        assert accept_label(session, " trousers ") == 1, "the skipped photo is still open"
    with reading(workspace.engine) as session:
        assert proposals(session) == []
        assert [label.name for label in labels(session)][-1] == "trousers"
        assert queue_counts(session)["open"] >= 1
        before = consensus(session, "pool")
        assert before.soft.shape[1] == 4 and not before.soft[:, 3].any()
        assert np.isnan(before.targets[:, 3]).all() and not np.isnan(before.targets[:, :3]).any()
    asked = [answer(workspace, "bob", ["trousers"]) for _ in range(3)]
    assert asked[0] == missing and asked[2] == none
    with reading(workspace.engine) as session:
        after = consensus(session, "pool")
    place = after.ids.index(none)
    assert after.soft[place].tolist() == [0, 0, 0, 1], "who could not choose it has no say in it"
    assert after.targets[place].tolist() == [0, 0, 0, 1]
    assert np.isnan(after.targets[:, 3]).sum() == 1, "the dress was not asked about again"


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_label_added_later_is_unknown_of_what_was_answered_before(
    tmp_path: Path, exclusive: bool
) -> None:
    workspace = queue_of(tmp_path / "w", "", 4, exclusive=exclusive)
    dress, none = answer(workspace, "ann", ["dress"]), answer(workspace, "ann", "none")
    early, late = answer(workspace, "ann", ["dress"]), answer(workspace, "ann", ["shirt"])
    settle(workspace, early, [], "none")
    with writing(workspace.engine) as session:
        accept_label(session, "trousers")
    settle(workspace, late, ["dress"])
    with reading(workspace.engine) as session:
        found = consensus(session, "pool")
    unknown = dict(zip(found.ids, np.isnan(found.targets)[:, 3], strict=True))
    # Who chose the one label that a photo has said no to any other.
    assert unknown == {dress: not exclusive, none: True, early: True, late: False}


@pytest.mark.parametrize(
    "name",
    [
        *("dress", "", " ", "a|b", "a,b", "=HYPERLINK(", "+1", "@x", "-1"),
        *("a\u202eb", "a\u200bb", "a\nb", "a\x00b", "\ud800", "x" * 81, "x" * 1_000_000),
    ],
)
def test_labels_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    workspace = queue_of(tmp_path / "w", "", 1)
    with pytest.raises(WorkspaceError), writing(workspace.engine) as session:
        accept_label(session, name)


def test_before_the_first_round_no_label_is_asked(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 0)
    with writing(workspace.engine) as session:
        session.query(Round).delete()
    with pytest.raises(QueueError, match="round"), writing(workspace.engine) as session:
        accept_label(session, "trousers")


def test_a_photo_with_a_history_can_be_removed(tmp_path: Path, database: str) -> None:
    workspace = queue_of(tmp_path / "w", database, 2, overlap=2)
    removed = answer(workspace, "ann", ["dress"])
    answer(workspace, "bob", ["shirt"])
    settle(workspace, removed, ["pullover"])
    remove_photo(workspace, removed)
    with reading(workspace.engine) as session:
        assert removed not in consensus(session, "pool").ids
        assert queue_counts(session)["open"] == 1
