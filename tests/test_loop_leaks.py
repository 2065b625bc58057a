"""Leaks across splits and wrong answers, planted and found."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import select, update
from workspaces import LABELS, Known, make_workspace, use_features

from al_fashion.cli import cli
from al_fashion.errors import AuditError, QueueError
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.leaks import find_leaks, join_leaks
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.loop.suspects import find_suspects, send_back
from al_fashion.models.cache import FeatureTable
from al_fashion.stats.label_errors import suspected_errors
from al_fashion.store.answers import save_answer
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.photos import check_groups
from al_fashion.store.queue import next_photos
from al_fashion.store.schema import Audit, Image, Query

OPTIONS = FeatureOptions()


def split_of(known: Known) -> dict[str, str]:
    with reading(known.workspace.engine) as session:
        return dict(session.execute(select(Image.id, Image.split)).tuples().all())


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Known, dict[str, str]]:
    """Held-out photos 0, 5 and 10 have a copy in the pool, 15 one in the audit split."""
    known = make_workspace(tmp_path / "w", 200)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 64)).astype(np.float32)
    ids = known.table.ids
    copies = {0: 2, 5: 7, 10: 12, 15: 11}
    for one, other in copies.items():
        features[other] = 3 * features[one] + 0.1 * rng.normal(size=64)
    table = FeatureTable(ids, features)
    leaky = Known(known.workspace, known.truth, table)
    use_features(monkeypatch, leaky)
    return leaky, {ids[one]: ids[other] for one, other in copies.items()}


def test_planted_copies_across_splits_are_found_and_joined(
    leaky: tuple[Known, dict[str, str]],
) -> None:
    known, copies = leaky
    found = find_leaks(known.workspace, OPTIONS)
    pairs = {frozenset((leak.one, leak.other)) for leak in found}
    assert pairs == {frozenset(pair) for pair in copies.items()}
    assert {leak.reason for leak in found} == {"features"}
    assert join_leaks(known.workspace, found) == 4
    after = split_of(known)
    assert [after[photo] for pair in list(copies.items())[:3] for photo in pair] == ["pool"] * 6
    assert {after[photo] for photo in list(copies.items())[3]} == {"heldout"}
    assert find_leaks(known.workspace, OPTIONS) == []


def test_groups_that_are_cut_are_leaks(leaky: tuple[Known, dict[str, str]]) -> None:
    known, _ = leaky
    with writing(known.workspace.engine) as session:
        session.execute(update(Image).where(Image.id.in_(known.table.ids[20:26])).values(group="g"))
    found = find_leaks(known.workspace, OPTIONS)
    assert [leak.reason for leak in found].count("group") == 2
    join_leaks(known.workspace, found)
    with reading(known.workspace.engine) as session:
        check_groups(session)


def test_nothing_is_moved_under_an_audit(leaky: tuple[Known, dict[str, str]]) -> None:
    known, _ = leaky
    run_round(known.workspace, RoundOptions(batch=5))
    with writing(known.workspace.engine) as session:
        session.add(
            Audit(
                id=1,
                state="open",
                round_id=1,
                model_file="m",
                model_hash="h",
                overlap=1,
                created_ms=now_ms(),
            )
        )
    with pytest.raises(AuditError, match="under way"):
        join_leaks(known.workspace, find_leaks(known.workspace, OPTIONS))


def test_suspicion_by_hand() -> None:
    given = np.array([[1], [1], [0], [0], [1]], dtype=bool)
    proba = np.array([[0.9], [0.8], [0.1], [0.9], [0.05]])
    suspect = suspected_errors(given, proba)
    assert list(np.flatnonzero(suspect)) == [3, 4]
    assert suspect[4, 0] == pytest.approx(0.95)
    assert not suspected_errors(np.ones((3, 1), dtype=bool), np.full((3, 1), 0.1)).any()


def test_it_finds_what_cleanlab_finds() -> None:
    filters = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed")
    rng = np.random.default_rng(0)
    truth = rng.random(1000) < 0.4
    given = truth ^ (rng.random(1000) < 0.05)
    proba = np.clip(np.where(truth, 0.8, 0.2) + 0.15 * rng.normal(size=1000), 0.01, 0.99)
    ours = suspected_errors(given[:, None], proba[:, None])[:, 0] > 0
    theirs = filters.find_label_issues(
        given.astype(int), np.column_stack([1 - proba, proba]), filter_by="confident_learning"
    )
    wrong = truth != given
    assert (ours & wrong).sum() >= 0.95 * (theirs & wrong).sum()
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.8


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Known, set[str]]:
    """100 answered photos, five of them wrong."""
    known = make_workspace(tmp_path / "w", 400, separation=4.0)
    use_features(monkeypatch, known)
    run_round(known.workspace, RoundOptions(strategy="random", batch=100, evaluated=0))
    wrong = set()
    with writing(known.workspace.engine) as session:
        for place, photo in enumerate(next_photos(session, "ann", limit=100)):
            mistaken = place % 20 == 0
            wrong |= {photo.image_id} if mistaken else set()
            save_answer(
                session,
                query_id=photo.query_id,
                labeller="ann",
                kind="labels",
                label_names=[LABELS[(known.truth[photo.image_id] + mistaken) % 3]],
                client_id=photo.image_id,
            )
    return known, wrong


def test_planted_errors_are_suspected_and_sent_back(answered: tuple[Known, set[str]]) -> None:
    known, wrong = answered
    found = find_suspects(known.workspace, OPTIONS)
    ids = [row.image_id for row in found]
    assert wrong <= set(ids) and len(ids) <= 15
    assert len(wrong & set(ids[:6])) >= 4
    right = LABELS[known.truth[found[0].image_id]]
    assert right in found[0].labels and found[0].answered != [right]
    splits = split_of(known)
    assert {splits[image_id] for image_id in ids} == {"pool"}
    assert send_back(known.workspace, ids) == len(ids)
    assert send_back(known.workspace, ids) == 0
    with reading(known.workspace.engine) as session:
        again = session.scalars(select(Query.image_id).where(Query.purpose == "recheck")).all()
        offered = {photo.image_id for photo in next_photos(session, "ann", limit=100)}
    assert set(again) == set(ids) == offered


def test_with_few_answers_nothing_is_suspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = make_workspace(tmp_path / "w", 100)
    use_features(monkeypatch, known)
    with pytest.raises(QueueError, match="needed to judge"):
        find_suspects(known.workspace, OPTIONS)
    with pytest.raises(QueueError, match="no round"):
        send_back(known.workspace, known.table.ids[:1])


def test_on_the_command_line(answered: tuple[Known, set[str]]) -> None:
    known, _ = answered
    folder = str(known.workspace.folder)
    sent = CliRunner().invoke(cli, ["-w", folder, "suspects", "--send", "-n", "3", "--json"])
    assert json.loads(sent.stdout)["sent"] == 3
    found = CliRunner().invoke(cli, ["-w", folder, "leaks", "--json"])
    assert json.loads(found.stdout) == {"leaks": [], "moved": 0}
