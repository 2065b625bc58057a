"""What is decided of an audit's photos, on SQLite and PostgreSQL."""

from pathlib import Path

import pytest
from sqlalchemy import select
from workspaces import LABELS

from al_fashion.config import Config
from al_fashion.store.answers import add_answer, save_answer
from al_fashion.store.audit import (
    DrawnPhoto,
    decided,
    end_audit,
    fresh_groups,
    give_to_the_pool,
    open_audit,
    outcomes,
    record_audit,
)
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.queue import queue_counts
from al_fashion.store.rounds import record_round
from al_fashion.store.schema import Audit, Image, Query
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace

PHOTOS = 6


@pytest.fixture
def workspace(database: str, tmp_path: Path) -> Workspace:
    """An audit of six photos of six groups, three people asked; each group has a second photo."""
    made = create_workspace(tmp_path / "w", LABELS, seed=0, config=Config(database=database))
    ids = [f"{number:064x}" for number in range(2 * PHOTOS)]
    with writing(made.engine) as session:
        session.add_all(
            Image(
                id=image_id,
                width=8,
                height=8,
                mime="image/png",
                group=f"product {number % PHOTOS}",
                split="audit",
                position=number / 100,
            )
            for number, image_id in enumerate(ids)
        )
        session.flush()
        record_round(session, RoundResult(1, "random", 0, 0, None, 0.0), None, [], {})
        audit = Audit(
            id=1,
            state="open",
            round_id=1,
            model_file="round-1.npz",
            model_hash="0" * 64,
            overlap=3,
            created_ms=now_ms(),
        )
        photos = [DrawnPhoto(ids[k], f"product {k}", [1], 1) for k in range(PHOTOS)]
        record_audit(session, audit, photos)
    return made


def said(workspace: Workspace) -> list[tuple[str | None, list[int], bool]]:
    with reading(workspace.engine) as session:
        found = outcomes(session, open_audit(session))
        return [(row.kind, row.labels, row.disputed) for row in found]


def say(workspace: Workspace, place: int, who: str, *labels: str, kind: str = "labels") -> None:
    with writing(workspace.engine) as session:
        query = session.scalars(select(Query.id).where(Query.priority == place)).one()
        save_answer(
            session,
            query_id=query,
            labeller=who,
            kind=kind,  # type: ignore[arg-type]
            label_names=labels,
            client_id=f"{place} {who} {labels} {kind}",
        )


def test_a_majority_decides(workspace: Workspace) -> None:
    say(workspace, 0, "ann", "shirt")
    assert said(workspace)[0] == (None, [], False)
    say(workspace, 0, "bob", "shirt", "dress")
    say(workspace, 0, "cid", "dress", "shirt")
    assert said(workspace)[0] == ("labels", [1, 3], False)


def test_a_dispute_waits_for_a_verdict(workspace: Workspace) -> None:
    for who, label in zip(("ann", "bob", "cid"), LABELS, strict=True):
        say(workspace, 1, who, label)
    assert said(workspace)[1] == (None, [], True)
    with writing(workspace.engine) as session:
        add_answer(
            session,
            image_id=f"{1:064x}",
            query_id=None,
            labeller=labeller(session, "ann"),
            kind="labels",
            label_names=["pullover"],
            client_id="verdict",
            verdict=True,
        )
    assert said(workspace)[1] == ("labels", [2], False)
    say(workspace, 1, "ann", "shirt", "dress")
    assert said(workspace)[1] == ("labels", [2], False)


def test_cannot_tell_and_skips_are_decided_too(workspace: Workspace) -> None:
    for who in ("ann", "bob"):
        say(workspace, 2, who, kind="cannot_tell")
    for who in ("ann", "bob"):
        say(workspace, 3, who, kind="skip")
    assert said(workspace)[2][0] == said(workspace)[3][0] == "cannot_tell"


def test_what_is_taken_back_waits_again(workspace: Workspace) -> None:
    say(workspace, 0, "ann", "dress")
    say(workspace, 0, "bob", "dress")
    assert said(workspace)[0][0] == "labels"
    say(workspace, 0, "bob", kind="undo")
    assert said(workspace)[0][0] is None


def test_a_removed_photo_counts_as_wrong(workspace: Workspace) -> None:
    with writing(workspace.engine) as session:
        query = session.scalars(select(Query).where(Query.priority == 4)).one()
        query.state = "closed"
    assert said(workspace)[4][0] == "cannot_tell"


def test_only_what_stands_before_the_first_gap_is_counted(workspace: Workspace) -> None:
    for place in (0, 2):
        say(workspace, place, "ann", "dress")
        say(workspace, place, "bob", "dress")
    with reading(workspace.engine) as session:
        assert len(decided(outcomes(session, open_audit(session)))) == 1


def test_stopping_frees_whole_groups_and_empties_the_queue(workspace: Workspace) -> None:
    with reading(workspace.engine) as session:
        assert len(fresh_groups(session)) == PHOTOS
    say(workspace, 0, "ann", "dress")
    say(workspace, 0, "bob", "dress")
    with writing(workspace.engine) as session:
        audit = open_audit(session)
        end_audit(session, audit, "stopped")
        assert give_to_the_pool(session, audit) == 1
    with reading(workspace.engine) as session:
        moved = list(session.scalars(select(Image.group).where(Image.split == "pool")))
        assert moved == ["product 0", "product 0"]
        assert queue_counts(session)["open"] == 0
        assert sorted(fresh_groups(session)) == [f"product {k}" for k in range(1, PHOTOS)]
