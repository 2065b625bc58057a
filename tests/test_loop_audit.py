"""The proof, from the frozen model to a record that anyone can recompute."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import select
from workspaces import LABELS, Known, make_workspace, use_features

from al_fashion.cli import cli
from al_fashion.errors import AuditError, QueueError
from al_fashion.loop.audit import AuditOptions, claim_audit, start_audit, stop_audit
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round, watch_rounds
from al_fashion.loop.simulate import answer_as_oracle
from al_fashion.reports.audit import audit_status, audit_text
from al_fashion.reports.status import workspace_status
from al_fashion.stats.audit_record import digest, verify_record
from al_fashion.store.answers import save_answer
from al_fashion.store.audit import fresh_groups
from al_fashion.store.database import reading, writing
from al_fashion.store.queue import next_photos
from al_fashion.store.rounds import candidates
from al_fashion.store.schema import AuditPhoto, Image, Query
from al_fashion.workspace import Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Known:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return trained(tmp_path_factory.mktemp("audit") / "w", monkeypatch, n=1500)


@pytest.fixture
def known(made: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    """Two rounds done; 150 photos for the audit, on which the model makes no error."""
    made.workspace.engine.dispose()
    shutil.copytree(made.workspace.folder, tmp_path / "w")
    copy = Known(Workspace.open(tmp_path / "w"), made.truth, made.table)
    use_features(monkeypatch, copy)
    return copy


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch, n: int, **options: Any) -> Known:
    found = make_workspace(folder, n, separation=8.0, **options)
    use_features(monkeypatch, found)
    run_round(found.workspace, RoundOptions(batch=30, evaluated=0))
    answer_as_oracle(found.workspace)
    run_round(found.workspace, RoundOptions(batch=5, evaluated=0))
    answer_as_oracle(found.workspace)
    return found


def drawn(known: Known) -> list[Query]:
    """The audit's open queries, in the queue's order."""
    with reading(known.workspace.engine) as session:
        return list(
            session.scalars(
                select(Query)
                .where(Query.purpose == "audit", Query.state == "open")
                .order_by(Query.round_id, Query.priority)
            )
        )


def answer(known: Known, query: Query, kind: str = "labels", wrong: bool = False) -> None:
    label = LABELS[(known.truth[query.image_id] + wrong) % 3]
    with writing(known.workspace.engine) as session:
        save_answer(
            session,
            query_id=query.id,
            labeller="ann",
            kind=kind,  # type: ignore[arg-type]
            label_names=[label] if kind == "labels" else [],
            client_id=f"{query.id}",
        )


def status(known: Known) -> dict[str, Any]:
    found = audit_status(known.workspace)
    assert found is not None
    return found


def test_from_a_frozen_model_to_a_claim(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    queries = drawn(known)
    assert len(queries) == 150 and all(query.guess is None for query in queries)
    before = status(known)
    assert (before["answers"], before["errors"], before["lower_bound"]) == (0, 0, 0.0)
    assert (before["target"], before["claimed"], before["e_value"]) == (0.95, False, 1.0)
    assert before["at_least_more"] == before["probably_more"] == 105
    for query in queries[:104]:
        answer(known, query)
    almost = status(known)
    assert (almost["answers"], almost["at_least_more"], almost["proven"]) == (104, 1, False)
    with pytest.raises(AuditError, match="e-value is"):
        claim_audit(known.workspace, "ann")
    answer(known, queries[104])
    proven = status(known)
    assert proven["proven"] and not proven["claimed"] and proven["e_value"] >= 40
    assert proven["lower_bound"] > 0.95
    record = claim_audit(known.workspace, "ann")
    assert (record["answers"], record["errors"], record["signed_by"]) == (105, 0, "ann")
    assert verify_record(json.loads(json.dumps(record))) == record
    assert status(known)["claimed"] and drawn(known) == []
    assert claim_audit(known.workspace, "bob") == record


def test_the_order_is_random_and_each_group_gives_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = trained(tmp_path / "grouped", monkeypatch, n=3000, groups=1500)
    start_audit(grouped.workspace, AuditOptions())
    with reading(grouped.workspace.engine) as session:
        rows = list(session.scalars(select(AuditPhoto).order_by(AuditPhoto.place)))
        splits = dict(session.execute(select(Image.id, Image.split)).tuples().all())
        groups = dict(session.execute(select(Image.id, Image.group)).tuples().all())
    assert len({groups[row.image_id] for row in rows}) == len(rows) == 150
    assert {splits[row.image_id] for row in rows} == {"audit"}
    assert [row.image_id for row in rows] == [query.image_id for query in drawn(grouped)]
    places = [int(groups[row.image_id].split()[1]) for row in rows]
    assert abs(np.corrcoef(places, range(len(rows)))[0, 1]) < 0.3


def test_only_answers_without_a_gap_count(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    first, second, third = drawn(known)[:3]
    answer(known, second)
    answer(known, third, wrong=True)
    found = status(known)
    assert (found["answers"], found["errors"], found["waiting"]) == (0, 0, 2)
    assert "do not count yet" in " ".join(audit_text(found))
    answer(known, first)
    found = status(known)
    assert (found["answers"], found["errors"], found["waiting"]) == (3, 1, 0)


@pytest.mark.parametrize("kind", ["skip", "cannot_tell", "none"])
def test_a_photo_that_nobody_can_tell_counts_as_wrong(known: Known, kind: str) -> None:
    start_audit(known.workspace, AuditOptions())
    answer(known, drawn(known)[0], kind=kind)
    found = status(known)
    assert (found["answers"], found["errors"]) == (1, 1)


def test_an_audit_that_cannot_succeed_costs_nobody_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = trained(tmp_path / "small", monkeypatch, n=310)
    with pytest.raises(AuditError, match="31 groups are left, at least 105 are needed"):
        start_audit(small.workspace, AuditOptions())
    assert drawn(small) == [] and audit_status(small.workspace) is None


def test_a_draw_too_small_is_refused(known: Known) -> None:
    with pytest.raises(AuditError, match="104 groups are left, at least 105"):
        start_audit(known.workspace, AuditOptions(photos=104))
    start_audit(known.workspace, AuditOptions(photos=110))
    assert len(drawn(known)) == 110


def test_a_hopeless_audit_says_so(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    for query in drawn(known)[:2]:
        answer(known, query, wrong=True)
    found = status(known)
    assert found["at_least_more"] is None and not found["proven"]
    assert "audit stop" in workspace_status(known.workspace)["next"]


def test_after_giving_up_photos_may_train_and_others_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = trained(tmp_path / "w", monkeypatch, n=2500)
    start_audit(known.workspace, AuditOptions())
    asked = drawn(known)
    for query in asked[:60]:
        answer(known, query)
    answered = {query.image_id for query in asked[:60]}
    with reading(known.workspace.engine) as session:
        assert not answered & set(candidates(session))
    before = run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).labelled
    answer_as_oracle_but_the_audit(known)
    assert stop_audit(known.workspace) == (1, 60)
    after = run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).labelled
    assert after == before + 5 + 60
    start_audit(known.workspace, AuditOptions())
    again = drawn(known)
    assert not answered & {query.image_id for query in again} and len(again) == 190
    found = status(known)
    assert (found["attempt"], found["at_least_more"]) == (2, 131)
    assert found["alpha"] == pytest.approx(0.05 / 6) and found["e_value_needed"] == 120


def answer_as_oracle_but_the_audit(known: Known) -> None:
    with reading(known.workspace.engine) as session:
        queries = list(
            session.scalars(select(Query).where(Query.purpose == "train", Query.state == "open"))
        )
    for query in queries:
        answer(known, query)


def test_two_attempts_at_once_are_refused(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    with pytest.raises(AuditError, match="under way"):
        start_audit(known.workspace, AuditOptions())


def test_groups_that_were_asked_about_are_not_fresh(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    answer(known, drawn(known)[0])
    with reading(known.workspace.engine) as session:
        assert len(fresh_groups(session)) == 149


def test_a_changed_model_is_not_claimed(known: Known) -> None:
    start_audit(known.workspace, AuditOptions(round=2))
    answer_as_oracle(known.workspace)
    path = known.workspace.models / "round-2.npz"
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(AuditError, match="not the model that was frozen"):
        claim_audit(known.workspace, "ann")
    path.write_bytes(content)
    assert claim_audit(known.workspace, "ann")["answers"] == 105


def test_a_claim_ends_the_loop_and_no_round_does(known: Known) -> None:
    rounds = watch_rounds(known.workspace, RoundOptions(batch=5, evaluated=0), every=0.01)
    for _ in range(2):
        result = next(rounds)
        assert result.accuracy is not None and result.accuracy["low"] > 0.95
        answer_as_oracle(known.workspace)
    start_audit(known.workspace, AuditOptions())
    answer_as_oracle(known.workspace)
    claim_audit(known.workspace, "ann")
    assert list(rounds) == []
    assert "proven" in workspace_status(known.workspace)["next"]


def test_an_open_audit_blocks_no_round_and_keeps_its_place(known: Known) -> None:
    start_audit(known.workspace, AuditOptions())
    asked = [query.id for query in drawn(known)]
    assert run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).queued == 5
    with pytest.raises(QueueError, match="5 queries are still open"):
        run_round(known.workspace, RoundOptions(batch=5, evaluated=0))
    answer_as_oracle_but_the_audit(known)
    assert run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).round == 4
    with reading(known.workspace.engine) as session:
        given = [photo.query_id for photo in next_photos(session, "ann", limit=200)]
    assert given[:150] == asked and len(given) == 155
    assert workspace_status(known.workspace)["queue"]["open_audit"] == 150


def proof(known: Known) -> dict[str, Any]:
    start_audit(known.workspace, AuditOptions())
    answer_as_oracle(known.workspace)
    return claim_audit(known.workspace, "ann")


def test_whatever_is_changed_in_a_record_is_found(known: Known) -> None:
    record = proof(known)
    changes: list[dict[str, Any]] = [
        {"e_value": record["e_value"] * 2},
        {"lower_bound": 0.99},
        {"alpha": 0.05, "budget_spent": 0.05},
        {"attempt": 2},
        {"errors": 1},
        {"answers": 104},
        {"photos": record["photos"][:-1], "answers": 104},
        {"photos": [*record["photos"][:-1], record["photos"][0]]},
        {"photos": [{**record["photos"][0], "answer": ["dress", "shirt"]}, *record["photos"][1:]]},
        {"target": 0.9},
    ]
    for change in changes:
        changed = {**record, **change}
        with pytest.raises(AuditError, match="does not hold"):
            verify_record({**changed, "digest": digest(changed)})
    with pytest.raises(AuditError, match="digest"):
        verify_record({**record, "signed_by": "eve"})
    for broken in ({}, [], {"kind": record["kind"], "version": 1}):
        with pytest.raises(AuditError):
            verify_record(broken)


def test_on_the_command_line(known: Known, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(cli, ["-w", str(known.workspace.folder), *map(str, arguments)])

    assert isinstance(run("audit", "status").exception, AuditError)
    started = json.loads(run("audit", "start", "--json").stdout)
    assert started.keys() >= {"answers", "errors", "lower_bound", "e_value", "target", "claimed"}
    answer_as_oracle(known.workspace)
    assert "audit claim" in run("audit", "status").stdout
    path = tmp_path / "proof.json"
    claimed = run("audit", "claim", "--signed-by", "Ann", "-o", path)
    assert "At least 95 % accurate, with 95 % confidence" in claimed.stdout
    model = known.workspace.models / "round-2.npz"
    checked = run("audit", "verify", path, "--model", model, "--json")
    assert json.loads(checked.stdout)["holds"] is True
    other = run("audit", "verify", path, "--model", known.workspace.folder / "al_fashion.toml")
    assert isinstance(other.exception, AuditError) and "another model" in str(other.exception)
    assert "PROVEN" in run("status").stdout
    report = tmp_path / "report.html"
    run("report", "-o", report)
    text = report.read_text(encoding="utf-8")
    assert "PROVEN" in text and "audit answers" in text
