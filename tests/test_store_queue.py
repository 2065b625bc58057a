"""The queue on both databases: nothing doubled, nothing lost, nobody starved."""

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from databases import Server
from sqlalchemy import func, select
from workspaces import queue_of

from al_fashion.errors import AnswerError, WorkspaceError
from al_fashion.store import leases
from al_fashion.store.answers import correct, save_answer, undo
from al_fashion.store.database import now_ms, open_database, reading, writing
from al_fashion.store.history import previous_answers
from al_fashion.store.leases import LEASE_MS, claim, heartbeat, release
from al_fashion.store.queue import next_photos, queue_counts
from al_fashion.store.schema import Answer, Query, Slot
from al_fashion.types import LeasedPhoto
from al_fashion.workspace import Workspace

Make = Callable[..., Workspace]


@pytest.fixture
def make(tmp_path: Path, database: str) -> Make:
    return lambda photos, **options: queue_of(tmp_path / "w", database, photos, **options)


def take(workspace: Workspace, labeller: str, limit: int = 1) -> list[LeasedPhoto]:
    with writing(workspace.engine) as session:
        return claim(session, labeller, limit=limit)


def say(workspace: Workspace, labeller: str, photo: LeasedPhoto, *labels: str, kind: str = ""):  # type: ignore[no-untyped-def]
    with writing(workspace.engine) as session:
        return save_answer(
            session,
            labeller=labeller,
            token=photo.token,
            kind=kind or ("labels" if labels else "none"),  # type: ignore[arg-type]
            label_names=labels,
            client_id=photo.token + kind + "".join(labels),
        )


def counted(workspace: Workspace) -> Counter[tuple[int, int]]:
    """How often each labeller's answer counts for each query."""
    with reading(workspace.engine) as session:
        newest = select(func.max(Answer.id)).group_by(Answer.query_id, Answer.labeller_id)
        rows = session.execute(
            select(Answer.query_id, Answer.labeller_id).where(
                Answer.id.in_(newest), Answer.kind.not_in(("skip", "undo")), ~Answer.late
            )
        )
        return Counter((int(query or 0), who) for query, who in rows)


def states(workspace: Workspace) -> dict[str, int]:
    with reading(workspace.engine) as session:
        return queue_counts(session)


def test_two_people_never_get_the_same_photo_and_order_is_strict(make: Make) -> None:
    workspace = make(6)
    with reading(workspace.engine) as session:
        order = [photo.image_id for photo in next_photos(session, "ann", 6)]
    ann, bob = take(workspace, "ann", 2), take(workspace, "bob", 2)
    assert [photo.image_id for photo in ann + bob] == order[:4]
    assert take(workspace, "ann", 2) == ann, "asking again gives the same"
    say(workspace, "ann", ann[0], "dress")
    assert [photo.image_id for photo in take(workspace, "ann", 2)] == [order[1], order[4]]


def test_eight_threads_keep_the_invariants(make: Make) -> None:
    workspace = make(40, overlap=3)
    failures: list[BaseException] = []

    def work(name: str, seed: int, skips: float = 0.05) -> None:
        rng = random.Random(seed)
        try:
            while held := take(workspace, name, 2):
                photo = held[0]
                labels = rng.choice([("dress",), ("shirt",), ("dress", "shirt"), ()])
                kind = "skip" if rng.random() < skips else ""
                for _ in range(rng.choice([1, 1, 3])):
                    say(workspace, name, photo, *(() if kind else labels), kind=kind)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"labeller {n}", n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for number in range(3):  # what was skipped when the others had gone waits for who comes next
        work(f"late {number}", number, skips=0)
    assert failures == []
    votes = counted(workspace)
    assert max(votes.values()) == 1, "no one counts twice for a query"
    per_query = Counter(query for query, _ in votes)
    assert max(per_query.values()) <= 3 and len(per_query) == 40
    assert states(workspace)["open"] == 0
    with reading(workspace.engine) as session:
        assert not session.scalar(select(Slot.id).where(Slot.state == "leased").limit(1))
        answers = session.execute(select(Answer.query_id, Answer.labeller_id)).all()
    assert len(answers) == len(set(answers)), "three posts are one answer"


ANSWERING = """
import sys
from pathlib import Path
from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.leases import claim
from al_fashion.workspace import Workspace
workspace = Workspace.open(Path(sys.argv[1]))
while True:
    with writing(workspace.engine) as session:
        held = claim(session, sys.argv[2], limit=1)
    if not held:
        break
    with writing(workspace.engine) as session:
        save_answer(session, labeller=sys.argv[2], token=held[0].token, kind="none",
                    label_names=[], client_id=held[0].token)
"""


def test_several_processes_keep_the_invariants(make: Make) -> None:
    workspace = make(60, overlap=2)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ANSWERING, str(workspace.folder), f"labeller {number}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    assert [process.communicate(timeout=120)[1] for process in processes] == [""] * 3
    votes = counted(workspace)
    assert max(votes.values()) == 1
    assert set(Counter(query for query, _ in votes).values()) == {2}
    assert states(workspace) == {"open": 0, "answered": 60, "closed": 0}


def test_agreement_ends_a_query_early(make: Make) -> None:
    workspace = make(1, overlap=3)
    for name in ("ann", "bob"):
        say(workspace, name, take(workspace, name)[0], "shirt")
    assert states(workspace)["answered"] == 1 and take(workspace, "eve") == []


def test_disagreement_asks_all_and_then_ends(make: Make) -> None:
    workspace = make(1, overlap=3)
    for name, label in (("ann", "shirt"), ("bob", "dress")):
        say(workspace, name, take(workspace, name)[0], label)
    assert states(workspace)["open"] == 1
    assert take(workspace, "ann") == [], "nobody is asked twice"
    say(workspace, "eve", take(workspace, "eve")[0], "pullover")
    assert states(workspace)["answered"] == 1


def test_cannot_tell_is_an_answer(make: Make) -> None:
    workspace = make(1)
    say(workspace, "ann", take(workspace, "ann")[0], kind="cannot_tell")
    assert states(workspace)["answered"] == 1


def test_a_skip_goes_to_others_never_back(make: Make) -> None:
    workspace = make(2)
    skipped = take(workspace, "ann")[0]
    # Bob is about, so that the photo waits for him.
    bob = take(workspace, "bob")[0]
    say(workspace, "bob", bob, "dress")
    say(workspace, "ann", skipped, kind="skip")
    assert take(workspace, "ann") == []
    assert take(workspace, "bob")[0].image_id == skipped.image_id


def test_a_lease_that_ran_out_is_given_to_another_and_the_late_answer_is_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make(1)
    photo = take(workspace, "ann")[0]
    assert take(workspace, "bob") == []
    later = now_ms() + LEASE_MS + 1
    monkeypatch.setattr(leases, "now_ms", lambda: later)
    taken = take(workspace, "bob")[0]
    assert taken.image_id == photo.image_id and taken.token != photo.token
    say(workspace, "ann", photo, "dress")
    assert states(workspace)["open"] == 1, "a late answer does not count"
    say(workspace, "bob", taken, "shirt")
    assert states(workspace)["answered"] == 1
    with reading(workspace.engine) as session:
        assert list(session.scalars(select(Answer.late).order_by(Answer.id))) == [True, False]


def test_a_lease_that_ran_out_untaken_is_accepted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make(2)
    photo = take(workspace, "ann")[0]
    monkeypatch.setattr(leases, "now_ms", lambda: now_ms() + 2 * LEASE_MS)
    say(workspace, "ann", photo, "dress")
    assert sum(counted(workspace).values()) == 1


def test_a_heartbeat_keeps_a_lease(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make(1)
    token = take(workspace, "ann")[0].token
    start = now_ms()
    for minutes in (5, 12, 19):
        monkeypatch.setattr(leases, "now_ms", lambda: start + minutes * 60_000)  # noqa: B023
        with writing(workspace.engine) as session:
            assert heartbeat(session, "ann", [token, "0" * 32]) == [token]
        assert take(workspace, "bob") == []
    with writing(workspace.engine) as session:
        assert heartbeat(session, "bob", [token]) == []


@pytest.mark.parametrize("jump", [-365 * 86_400_000, 365 * 86_400_000])
def test_a_clock_jump_loses_and_doubles_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    workspace = make(3)
    photo = take(workspace, "ann")[0]
    monkeypatch.setattr(leases, "now_ms", lambda: now_ms() + jump)
    other = take(workspace, "bob")[0]
    assert other.image_id == photo.image_id, "no lease outlives the jump"
    say(workspace, "bob", other, "shirt")
    say(workspace, "ann", photo, "dress")
    assert len(counted(workspace)) == 1
    with reading(workspace.engine) as session:
        assert session.scalar(select(func.count()).select_from(Answer)) == 2


def test_released_photos_go_to_others(make: Make) -> None:
    workspace = make(2)
    held = take(workspace, "ann", 2)
    with writing(workspace.engine) as session:
        release(session, "ann")
    assert [p.image_id for p in take(workspace, "bob", 2)] == [p.image_id for p in held]


def test_a_token_is_good_for_its_person_only(make: Make) -> None:
    workspace = make(2)
    photo = take(workspace, "ann")[0]
    with pytest.raises(AnswerError, match="not given to you"):
        say(workspace, "bob", photo, "dress")
    with pytest.raises(AnswerError, match="used for another"), writing(workspace.engine) as session:
        for labels in (["dress"], ["shirt"]):
            save_answer(
                session,
                labeller="ann",
                token=photo.token,
                kind="labels",
                label_names=labels,
                client_id="same",
            )
    assert sum(counted(workspace).values()) == 0, "refused whole"


def test_a_correction_supersedes_and_undo_asks_again(make: Make) -> None:
    workspace = make(2)
    photo = take(workspace, "ann")[0]
    first = say(workspace, "ann", photo, "dress")
    with writing(workspace.engine) as session:
        second = correct(
            session,
            labeller="ann",
            answer_id=first.answer_id,
            kind="labels",
            label_names=["shirt"],
            client_id="correction",
        )
    with reading(workspace.engine) as session:
        assert [row.labels for row in previous_answers(session, "ann")] == [("shirt",)]
        assert session.get_one(Answer, second.answer_id).supersedes == first.answer_id
    assert sum(counted(workspace).values()) == 1
    with pytest.raises(AnswerError, match="no answer"), writing(workspace.engine) as session:
        undo(session, labeller="bob", answer_id=second.answer_id, client_id="not mine")
    with writing(workspace.engine) as session:
        undo(session, labeller="ann", answer_id=second.answer_id, client_id="undone")
    assert states(workspace) == {"open": 2, "answered": 0, "closed": 0}
    assert photo.image_id in {held.image_id for held in take(workspace, "ann", 2)}
    with reading(workspace.engine) as session:
        assert previous_answers(session, "ann") == []


KILLED = """
import sys, time
from pathlib import Path
from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.leases import claim
from al_fashion.workspace import Workspace
workspace = Workspace.open(Path(sys.argv[1]))
with writing(workspace.engine) as session:
    photo = claim(session, "ann", limit=1)[0]
if sys.argv[2] == "write":
    with writing(workspace.engine) as session:
        save_answer(session, labeller="ann", token=photo.token, kind="labels",
                    label_names=["dress"], client_id="killed")
        print(photo.token, flush=True)
        time.sleep(60)
print(photo.token, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["lease", "write"])
def test_kill_9_loses_and_doubles_nothing(make: Make, moment: str) -> None:
    workspace = make(1)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(workspace.folder), moment],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    token = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sum(counted(workspace).values()) == 0
    again = take(workspace, "ann")[0]
    assert again.token == token, "the lease outlives the process"
    for _ in range(3):
        say(workspace, "ann", again, "dress")
    assert sum(counted(workspace).values()) == 1


def test_kill_9_of_the_database(postgres_server: Server, tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", postgres_server.new_database(), 3)
    said = [say(workspace, "ann", take(workspace, "ann")[0], "dress")]
    held = take(workspace, "ann")[0]
    postgres_server.kill()
    with pytest.raises(WorkspaceError):
        say(workspace, "ann", held, "shirt")
    postgres_server.start()
    said += [say(workspace, "ann", held, "shirt") for _ in range(3)]
    with reading(workspace.engine) as session:
        kept = list(session.scalars(select(Answer.id).order_by(Answer.id)))
    assert kept == sorted({answer.answer_id for answer in said})


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", "", 200)
    say(workspace, "ann", take(workspace, "ann")[0], "dress")
    engine = open_database(f"sqlite:///{workspace.folder / 'al_fashion.db'}")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _limit(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engine.dispose()
    full = Workspace(workspace.folder, workspace.config)
    full.__dict__["engine"] = engine
    saved = 0
    with pytest.raises(WorkspaceError, match="full"):
        for _ in range(190):
            say(full, "ann", take(full, "ann")[0], "dress")
            saved += 1
    assert sum(counted(workspace).values()) == saved + 1
    say(workspace, "ann", take(workspace, "ann")[0], "shirt")
    assert sum(counted(workspace).values()) == saved + 2


def test_the_newest_round_waits_behind_the_older(make: Make) -> None:
    workspace = make(3)
    with reading(workspace.engine) as session:
        queries = list(session.scalars(select(Query.id).order_by(Query.priority)))
        assert [photo.query_id for photo in next_photos(session, "ann", 9)] == queries
