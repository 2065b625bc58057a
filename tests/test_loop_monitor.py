"""The monitor on a real workspace: what is asked, what it says, and that it claims nothing."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from workspaces import Known, make_workspace, use_features

from al_fashion.errors import QueueError
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.monitor import start_monitor, watch_accuracy
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.loop.simulate import answer_as_oracle
from al_fashion.models.predictors import saved_head
from al_fashion.models.saved import load_model
from al_fashion.reports.content import report_content
from al_fashion.store.database import reading
from al_fashion.store.rounds import candidates
from al_fashion.store.schema import Query

OPTIONS = FeatureOptions()


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    found = make_workspace(tmp_path / "w", 600)
    use_features(monkeypatch, found)
    for _ in range(2):
        run_round(found.workspace, RoundOptions(batch=15, evaluated=0))
        answer_as_oracle(found.workspace)
    return found


def test_the_pools_accuracy_is_estimated_from_few_answers(known: Known) -> None:
    with reading(known.workspace.engine) as session:
        pool = candidates(session)
    head = saved_head(load_model(known.workspace.models / "round-2.npz"))
    said = head.predict_proba(known.table.features[known.table.rows(pool)]).argmax(axis=1)
    truth = np.mean(said == [known.truth[image_id] for image_id in pool])
    asked = start_monitor(known.workspace, 150, OPTIONS)
    assert 110 < asked < 190
    with reading(known.workspace.engine) as session:
        queries = session.execute(
            select(Query.image_id, Query.purpose).where(Query.state == "open")
        )
        assert {(i in pool, purpose) for i, purpose in queries} == {(True, "monitor")}
    waiting = watch_accuracy(known.workspace, OPTIONS)
    assert (waiting.asked, waiting.answered, waiting.pool) == (asked, 0, None)
    answer_as_oracle(known.workspace)
    found = watch_accuracy(known.workspace, OPTIONS)
    assert found.answered == asked and found.pool is not None
    assert found.pool.low < truth < found.pool.high and found.pool.n == asked
    told = report_content(known.workspace, None)["monitor"]
    assert told["pool"] == asdict(found.pool) and told["asked"] == asked
    assert run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).labelled == 30 + asked


def test_held_out_photos_without_any_left_give_the_plain_share(known: Known) -> None:
    accuracy = run_round(known.workspace, RoundOptions(batch=5, evaluated=0)).accuracy
    found = watch_accuracy(known.workspace, OPTIONS)
    assert found.heldout is not None and accuracy is not None and found.pool is None
    assert found.heldout.method == "ppi++" and found.heldout.n == 120
    assert found.heldout.value == pytest.approx(accuracy["value"])


def test_a_budget_beyond_the_pool_is_refused(known: Known) -> None:
    with pytest.raises(QueueError, match="unlabelled remain"):
        start_monitor(known.workspace, 10_000, OPTIONS)
