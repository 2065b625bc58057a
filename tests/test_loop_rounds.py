"""Rounds on a real workspace; only the backbone's features are made up."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from workspaces import LABELS, Known, make_workspace, use_features

import strategies
from al_fashion.errors import QueueError, Refused, WorkspaceError
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round, watch_rounds
from al_fashion.loop.simulate import answer_as_oracle, known_labels, simulate
from al_fashion.models.cache import FeatureTable
from al_fashion.models.predictors import saved_head
from al_fashion.models.saved import load_model
from al_fashion.reports.html import write_report
from al_fashion.reports.plots import confusion_matrix
from al_fashion.reports.status import workspace_status
from al_fashion.store.answers import save_answer
from al_fashion.store.database import reading, writing
from al_fashion.store.explanations import explain
from al_fashion.store.leases import claim
from al_fashion.store.queue import next_photos, queue_counts
from al_fashion.store.schema import Answer, Image, Lease, Query, Round


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    found = make_workspace(tmp_path / "w")
    use_features(monkeypatch, found)
    return found


def answer_all(known: Known, kind: str = "labels", labeller: str = "ann") -> None:
    """Answer the whole queue through the store, as the page does."""
    with writing(known.workspace.engine) as session:
        for photo in next_photos(session, labeller, limit=1000):
            names = [LABELS[known.truth[photo.image_id]]] if kind == "labels" else []
            save_answer(
                session,
                query_id=photo.query_id,
                labeller=labeller,
                kind=kind,  # type: ignore[arg-type]
                label_names=names,
                client_id=f"{kind}-{photo.query_id}",
            )


def test_rounds_from_seed_set_to_accuracy(known: Known) -> None:
    first = run_round(known.workspace, RoundOptions(batch=12))
    assert (first.round, first.labelled, first.queued, first.accuracy) == (1, 0, 12, None)
    answer_all(known)
    second = run_round(known.workspace, RoundOptions(batch=12, strategy="margin"))
    assert (second.labelled, second.strategy) == (12, "margin")
    assert second.accuracy is not None
    assert second.accuracy["low"] < second.accuracy["value"] < second.accuracy["high"]
    assert second.accuracy["n"] == 60 and second.accuracy["method"] == "clopper-pearson"
    assert second.accuracy["value"] > 0.6


def test_rounds_say_what_changed_and_how_often_was_looked(known: Known) -> None:
    results = []
    for _ in range(4):
        results.append(run_round(known.workspace, RoundOptions(batch=12)))
        answer_all(known)
    evaluations = [result.evaluation for result in results]
    assert evaluations[0] is None and results[0].sentences == []
    assert [found["look"] for found in evaluations[1:] if found] == [1, 2, 3]
    changes = [found["difference"] for found in evaluations[1:] if found]
    assert changes[0] is None and [change["before"] for change in changes[1:]] == [2, 3]
    shares = [result.accuracy["value"] for result in results[1:] if result.accuracy]
    assert changes[1]["interval"]["value"] == pytest.approx(shares[1] - shares[0])
    assert changes[1]["better"] - changes[1]["worse"] == round(60 * (shares[1] - shares[0]))
    assert f"Of 60 photos, {round(60 * shares[2])} were right" in results[-1].sentences[0]
    with reading(known.workspace.engine) as session:
        stored = session.scalars(select(Round.evaluation).order_by(Round.id)).all()
    assert stored == evaluations


def test_queued_photos_are_new_pool_photos_only(known: Known) -> None:
    seen: set[str] = set()
    for _ in range(4):
        run_round(known.workspace, RoundOptions(batch=20, evaluated=0))
        with reading(known.workspace.engine) as session:
            asked = session.execute(
                select(Query.image_id, Image.split).join(Image).where(Query.state == "open")
            ).all()
        assert {split for _, split in asked} == {"pool"}
        assert not seen & {image_id for image_id, _ in asked}
        seen |= {image_id for image_id, _ in asked}
        answer_all(known)


def test_grouped_heldout_photos_get_korn_graubard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = make_workspace(tmp_path / "grouped", groups=35)
    use_features(monkeypatch, grouped)
    run_round(grouped.workspace, RoundOptions(batch=20))
    answer_all(grouped)
    accuracy = run_round(grouped.workspace, RoundOptions(batch=20)).accuracy
    assert accuracy is not None and accuracy["method"] == "korn-graubard"


def test_accuracy_is_unknown_below_30_answers_and_heldout_photos_are_asked(
    known: Known,
) -> None:
    with writing(known.workspace.engine) as session:
        session.query(Answer).delete()
    first = run_round(known.workspace, RoundOptions(batch=10))
    assert first.queued == 40
    with reading(known.workspace.engine) as session:
        purposes = list(session.scalars(select(Query.purpose).order_by(Query.priority)))
    assert purposes.count("evaluate") == 30
    assert "evaluate" in purposes[:3] and "train" in purposes[:5]
    with writing(known.workspace.engine) as session:
        photos = next_photos(session, "ann", limit=20)
        for photo in photos:
            save_answer(
                session,
                query_id=photo.query_id,
                labeller="ann",
                kind="labels",
                label_names=[LABELS[known.truth[photo.image_id]]],
                client_id=str(photo.query_id),
            )
    early = run_round(known.workspace, RoundOptions(batch=1, evaluated=0, force=True))
    assert early.accuracy is None
    answer_all(known)
    late = run_round(known.workspace, RoundOptions(batch=1, evaluated=0))
    assert late.accuracy is not None and late.accuracy["n"] == 30


def test_open_queries_stop_a_round(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=5, evaluated=0))
    with pytest.raises(QueueError, match="5 queries are still open"):
        run_round(known.workspace, RoundOptions(batch=5))
    more = run_round(known.workspace, RoundOptions(batch=5, evaluated=0, force=True))
    assert more.queued == 5


def test_asking_for_too_many_changes_nothing(known: Known) -> None:
    with pytest.raises(QueueError, match="Cannot queue 1000 photos: 210 unlabelled remain"):
        run_round(known.workspace, RoundOptions(batch=1000))
    with reading(known.workspace.engine) as session:
        assert session.scalars(select(Round)).all() == []


def test_unknown_strategy_changes_nothing(known: Known) -> None:
    with pytest.raises(strategies.UnknownStrategy, match="margin"):
        run_round(known.workspace, RoundOptions(strategy="margins"))


def test_with_nothing_left_a_round_still_trains_and_evaluates(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=210))
    answer_all(known)
    last = run_round(known.workspace, RoundOptions(batch=20))
    assert (last.queued, last.labelled) == (0, 210)
    assert last.accuracy is not None


def test_watch_runs_rounds_as_batches_are_answered(known: Known) -> None:
    watched = watch_rounds(known.workspace, RoundOptions(batch=140), every=0.01)
    labelled = []
    for result in watched:
        labelled.append(result.labelled)
        answer_all(known)
    assert labelled == [0, 140, 210]


def test_skipped_by_the_only_labeller_closes_and_is_not_asked_again(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=8, evaluated=0))
    with reading(known.workspace.engine) as session:
        asked = set(session.scalars(select(Query.image_id)))
    answer_all(known, kind="skip")
    with reading(known.workspace.engine) as session:
        assert queue_counts(session) == {"open": 0, "answered": 0, "closed": 8}
    run_round(known.workspace, RoundOptions(batch=200, evaluated=0))
    with reading(known.workspace.engine) as session:
        again = set(session.scalars(select(Query.image_id).where(Query.state == "open")))
    assert not asked & again


def test_skip_leaves_the_query_to_another_active_person(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=4, evaluated=0))
    with writing(known.workspace.engine) as session:
        photo, other = next_photos(session, "bob", limit=2)
        save_answer(
            session,
            query_id=other.query_id,
            labeller="bob",
            kind="none",
            label_names=[],
            client_id="b",
        )
        save_answer(
            session,
            query_id=photo.query_id,
            labeller="ann",
            kind="skip",
            label_names=[],
            client_id="a",
        )
        assert photo.query_id not in {row.query_id for row in next_photos(session, "ann", 9)}
        assert photo.query_id in {row.query_id for row in next_photos(session, "bob", 9)}


def test_a_second_process_is_told_to_wait(known: Known) -> None:
    with known.workspace.lock("test"), pytest.raises(WorkspaceError, match="at work"):
        run_round(known.workspace, RoundOptions(batch=5))


@pytest.mark.parametrize("strategy", ["random", "usdm", "margin"])
def test_a_simulation_gives_the_rounds_of_a_workspace(known: Known, strategy: str) -> None:
    options = RoundOptions(strategy=strategy, batch=15, evaluated=0)
    run_round(known.workspace, options)
    first = answer_as_oracle(known.workspace)
    simulated = simulate(
        known_labels(known.workspace, options.features), strategy, first, batch=15, rounds=4
    )
    for row in simulated:
        real = run_round(known.workspace, options)
        assert real.accuracy == row.result.accuracy
        assert (real.round, real.labelled) == (row.result.round, row.result.labelled)
        asked = answer_as_oracle(known.workspace)
        assert list(known.table.rows(asked)) == list(row.selection.indices)


def test_same_seed_same_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("one", "two"):
        found = make_workspace(tmp_path / name, seed=3)
        use_features(monkeypatch, found)
        for _ in range(3):
            run_round(found.workspace, RoundOptions(batch=9))
            with reading(found.workspace.engine) as session:
                asked.append(
                    list(
                        session.scalars(
                            select(Query.image_id)
                            .where(Query.state == "open")
                            .order_by(Query.priority)
                        )
                    )
                )
            answer_all(found)
    assert asked[:3] == asked[3:]


def test_status_after_two_rounds(known: Known) -> None:
    before = workspace_status(known.workspace)
    assert "round" in before["next"]
    assert before["photos"] == {
        "pool": 210,
        "labelled": 0,
        "heldout": 60,
        "audit": 30,
        "quarantined": 0,
    }
    for _ in range(2):
        run_round(known.workspace, RoundOptions(batch=10, evaluated=0))
        answer_all(known)
    after = workspace_status(known.workspace)
    assert after["photos"]["labelled"] == 20 and after["photos"]["pool"] == 190
    assert after["queue"]["answered"] == 20


def test_the_report_shows_what_was_asked_last_however_it_was_answered(
    known: Known, tmp_path: Path
) -> None:
    run_round(known.workspace, RoundOptions(batch=6, evaluated=0))
    answer_as_oracle(known.workspace)
    write_report(known.workspace, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<figure class="asked">') == 6 and "round 1, auto" in text


def test_labels_with_signs_of_formulas_and_other_scripts_are_drawn() -> None:
    drawn = confusion_matrix([[3, 1], [0, 2]], ["$a^{$b", "\u670d"])
    assert "$a^{$b" in drawn and "\u670d" in drawn


def test_none_of_these_counts_as_labelled_and_trains_nothing(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=6, evaluated=0))
    answer_all(known, kind="none")
    result = run_round(known.workspace, RoundOptions(batch=6, evaluated=0))
    assert (result.labelled, result.accuracy) == (6, None)
    assert not np.isnan(result.seconds)


KILLED_AT = {
    "training": "al_fashion.loop.rounds.train = lambda *_: wait()",
    "selecting": "al_fashion.loop.rounds.select = lambda *_: wait()",
    "recording": "al_fashion.loop.rounds.record_round = lambda *_: wait()",
}
ROUND_SCRIPT = """
import os, sys, time
import subprocess
import sys
from pathlib import Path
import al_fashion.loop.rounds
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.models.cache import FeatureCache
from al_fashion.workspace import Workspace
def wait():
    os.write(1, b"ready\\n")
    time.sleep(60)
workspace = Workspace.open(Path(sys.argv[1]))
table = FeatureCache(workspace.features / "made-up", 16).open()
al_fashion.loop.rounds.features_of = lambda *_: (table, "made-up")
{phase}
run_round(workspace, RoundOptions(batch=10, evaluated=0))
"""


@pytest.mark.parametrize("phase", KILLED_AT)
def test_a_killed_round_is_done_by_the_same_call(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    run_round(known.workspace, RoundOptions(batch=10, evaluated=0))
    answer_all(known)
    process = subprocess.Popen(
        [sys.executable, "-c", ROUND_SCRIPT.format(phase=KILLED_AT[phase]), known.workspace.folder],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    assert process.wait() == -9
    with reading(known.workspace.engine) as session:
        assert list(session.scalars(select(Round.id))) == [1]
        assert queue_counts(session)["open"] == 0
    again = run_round(known.workspace, RoundOptions(batch=10, evaluated=0))
    assert (again.round, again.labelled, again.queued) == (2, 10, 10)

    undisturbed = make_workspace(tmp_path / "undisturbed")
    use_features(monkeypatch, undisturbed)
    run_round(undisturbed.workspace, RoundOptions(batch=10, evaluated=0))
    answer_all(undisturbed)
    assert run_round(undisturbed.workspace, RoundOptions(batch=10, evaluated=0)).accuracy == (
        again.accuracy
    )


def test_a_strategy_that_needs_members_gets_them(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[strategies.Pool] = []

    def watching(pool: strategies.Pool, k: int, *, rng: np.random.Generator) -> object:
        pools.append(pool)
        return get("random")(pool, k, rng=rng)

    get = strategies.get
    monkeypatch.setattr(strategies, "get", lambda _: watching)
    monkeypatch.setattr(strategies, "needs_members", lambda _: True)
    for _ in range(2):
        run_round(known.workspace, RoundOptions(batch=30))
        answer_all(known)
    without, with_model = pools
    assert without.members is None
    assert with_model.members is not None and with_model.proba is not None
    assert with_model.members.shape == (10, *with_model.proba.shape)
    assert (with_model.members.argmax(axis=2) == with_model.proba.argmax(axis=1)).mean() > 0.7


def test_wide_features_are_projected_for_strategies_and_not_for_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = make_workspace(tmp_path / "wide")
    rng = np.random.default_rng(0)
    turned = known.table.features @ np.linalg.qr(rng.normal(size=(600, 16)))[0].T
    wide = Known(known.workspace, known.truth, FeatureTable(known.table.ids, turned))
    use_features(monkeypatch, wide)
    seen: list[int] = []
    get = strategies.get

    def watching(pool: strategies.Pool, k: int, *, rng: np.random.Generator) -> object:
        seen.append(pool.features.shape[1])
        return get("random")(pool, k, rng=rng)

    monkeypatch.setattr(strategies, "get", lambda _: watching)
    for _ in range(2):
        result = run_round(wide.workspace, RoundOptions(batch=40))
        answer_all(wide)
    assert set(seen) == {16}
    head = saved_head(load_model(wide.workspace.models / "round-2.npz"))
    assert head.weights_.shape == (600, 3)
    predicted = head.predict_proba(turned).argmax(axis=1)
    truth = [known.truth[image_id] for image_id in known.table.ids]
    assert result.accuracy is not None
    assert (predicted == truth).mean() == pytest.approx(result.accuracy["value"], abs=0.15)


def test_guesses_are_kept_of_training_photos_and_told_after_the_answer(known: Known) -> None:
    run_round(known.workspace, RoundOptions(batch=12))
    answer_all(known)
    run_round(known.workspace, RoundOptions(batch=6, strategy="margin"))
    with writing(known.workspace.engine) as session:
        photo = claim(session, "bob", limit=1)[0]
        with pytest.raises(Refused):
            explain(session, "bob", photo.token, before_answer=False)
        save_answer(
            session, labeller="bob", token=photo.token, kind="none", label_names=[], client_id="b"
        )
        told = explain(session, "bob", photo.token, before_answer=False)
        exposed = session.get_one(Lease, photo.token).exposed_ms
    assert told["strategy"] == "margin" and exposed is not None
    shares = [row["probability"] for row in told["guess"]]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert {row["label"] for row in told["guess"]} == set(LABELS)


def test_a_schedule_remembers_the_round_before(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its photos too, when features lie in another order than they did."""
    states = []
    for number in range(3):
        run_round(known.workspace, RoundOptions(batch=12, strategy="bandit"))
        answer_all(known)
        with reading(known.workspace.engine) as session:
            info = session.scalars(select(Round.info).order_by(Round.id.desc())).first()
            asked = session.scalars(select(Query.image_id).where(Query.round_id == number + 1))
            assert info is not None and set(info["state"]["rows"]) <= set(asked)
            states.append(info["state"])
        if number == 1:
            order = np.random.default_rng(0).permutation(len(known.table.ids))
            known.table = FeatureTable(
                [known.table.ids[row] for row in order], known.table.features[order]
            )
            use_features(monkeypatch, known)
    assert states[1]["weights"] == [1.0] * 4  # the seed set was asked without a model
    assert states[2]["weights"][states[1]["drawn"]] == max(states[2]["weights"]) > 1.0
    run_round(known.workspace, RoundOptions(batch=12, strategy="margin"))
    with reading(known.workspace.engine) as session:
        newest = session.scalars(select(Round.info).order_by(Round.id.desc())).first()
    assert newest is not None and "state" not in newest


def test_relabel_stops_asking_about_what_people_agree_on(known: Known) -> None:
    """Agreeing second opinions settle a photo, so that others come."""
    run_round(known.workspace, RoundOptions(batch=20, strategy="random", evaluated=0))
    answer_all(known)
    batches = []
    for number in range(6):
        options = RoundOptions(batch=6, strategy="relabel", evaluated=0)
        batches.append(_queued(known, run_round(known.workspace, options).round))
        answer_all(known, labeller=f"person {number}")
    assert all(len(batch) == 6 for batch in batches)
    for before, after in pairwise(batches):
        assert len(before & after) < 6
    asked = [photo for batch in batches for photo in batch]
    assert max(asked.count(photo) for photo in asked) <= 3


def _queued(known: Known, round_id: int) -> set[str]:
    with reading(known.workspace.engine) as session:
        return set(session.scalars(select(Query.image_id).where(Query.round_id == round_id)))
