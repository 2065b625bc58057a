"""The report: what it says, in which order, and what it must not show."""

import base64
import csv
import io
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from page import chromium
from PIL import Image as Pillow
from sqlalchemy import select, update
from workspaces import LABELS, Known, make_workspace, use_features

from al_fashion.cli import cli
from al_fashion.data.importing import import_photos
from al_fashion.loop.audit import AuditOptions, start_audit
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.reports.content import report_content
from al_fashion.reports.html import plots_folder, write_report
from al_fashion.reports.pictures import pictures
from al_fashion.reports.plots import learning_curves, matrix_plot
from al_fashion.reports.pool_map import two_components
from al_fashion.reports.trained import newest_trained
from al_fashion.store.answers import save_answer
from al_fashion.store.database import reading, writing
from al_fashion.store.queue import enqueue, next_photos
from al_fashion.store.review import decide
from al_fashion.store.schema import Answer, AuditPhoto, Image, Query
from al_fashion.store.shown import showable
from al_fashion.workspace import Workspace, create_workspace

SECTIONS = [
    "Progress to the proof",
    "Learning curves",
    "Labels",
    "Confusion matrix",
    "Reliability",
    "The most debated photos",
    "The most surprising errors",
    "What was asked, and why",
    "Labellers",
    "Data quality",
    "How it was computed",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Three rounds, answered by two people who differ now and then; the last one is open."""
    folder = tmp_path_factory.mktemp("reports") / "w"
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = make_workspace(folder, 400, separation=3.0)
        use_features(monkeypatch, found)
        found.workspace.config.with_values(overlap=2).save(folder)
        found = Known(Workspace.open(folder), found.truth, found.table)
        for number in range(3):
            run_round(found.workspace, RoundOptions(strategy="margin", batch=30, evaluated=0))
            if number < 2:
                answer(found, "Ann Example", wrong_every=10)
                answer(found, "Bob Example", wrong_every=1000)
    space_answers_out(found)
    return found


@pytest.fixture
def known(made: Known, tmp_path: Path) -> Known:
    made.workspace.engine.dispose()
    shutil.copytree(made.workspace.folder, tmp_path / "w")
    return Known(Workspace.open(tmp_path / "w"), made.truth, made.table)


def answer(known: Known, who: str, wrong_every: int) -> None:
    with writing(known.workspace.engine) as session:
        for place, photo in enumerate(next_photos(session, who, limit=1000)):
            label = LABELS[
                (known.truth[photo.image_id] + (place % wrong_every == wrong_every - 1)) % 3
            ]
            save_answer(
                session,
                query_id=photo.query_id,
                labeller=who,
                kind="labels",
                label_names=[label],
                client_id=f"{who}{photo.query_id}",
            )


def space_answers_out(known: Known) -> None:
    """Four seconds an answer, with an hour's pause before each person's last one."""
    with writing(known.workspace.engine) as session:
        for who in ("Ann Example", "Bob Example"):
            rows = list(
                session.scalars(
                    select(Answer).where(Answer.client_id.startswith(who)).order_by(Answer.id)
                )
            )
            for place, row in enumerate(rows):
                pause = 3_600_000 if row is rows[-1] else 0
                row.created_ms = 1_000_000 + 4_000 * place + pause


def written(known: Known, folder: Path) -> str:
    write_report(known.workspace, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def content(known: Known) -> dict:
    return report_content(known.workspace, newest_trained(known.workspace))


def test_the_sections_come_in_their_order_and_each_says_something(
    known: Known, tmp_path: Path
) -> None:
    page = written(known, tmp_path)
    assert re.findall(r"<h2 [^>]*>([^<]+)</h2>", page) == SECTIONS
    first = page.index("How good is it, and how sure are we?")
    assert first < page.index("of 80 held") < page.index("<h2")
    assert "Not known yet" not in page and "None: every" not in page
    for kind in ("debated", "surprise", "asked"):
        assert f'<figure class="{kind}">' in page
    assert page.count("<svg") == 4
    assert "Of 80 photos, " in page and "photos are kept for an audit" not in page
    assert "40 groups are left, at least 105 are needed" in page


def test_it_needs_no_network_and_no_script(known: Known, tmp_path: Path) -> None:
    page = written(known, tmp_path)
    assert "<script" not in page and "http-equiv" not in page and "@import" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", page)
    assert not re.findall(r"url\((?![#'\"]?#)", page)
    assert "@media print" in page and "@page" in page


def test_its_numbers_and_plots_lie_beside_it(known: Known, tmp_path: Path) -> None:
    page = written(known, tmp_path)
    assert all(name in page for name in ("report.json", "report.csv", "report-plots"))
    numbers = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    accuracy = numbers["rounds"][-1]["evaluation"]["accuracy"]
    assert f"{100 * accuracy['value']:.1f} %" in page
    assert numbers["rounds"][-1]["seed"] == [0, 3] and numbers["computed"]["seed"] == "0"
    assert numbers["computed"]["model"].startswith("round-3.npz (round 3), SHA-256 ")
    rows = list(csv.DictReader((tmp_path / "report.csv").open(encoding="utf-8")))
    measures = {row["measure"] for row in rows if row["round"] == "3"}
    assert {"exact_match", "macro_f1", "log_loss", "recall of shirt"} <= measures
    assert {"headline, all looks", "headline minus round 2's"} <= measures
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    plots = sorted(path.name for path in plots_folder(tmp_path / "report.html").iterdir())
    assert plots == ["learning-curves.svg", "map.svg", "matrix.svg", "reliability.svg"]
    for name in plots:
        root = ElementTree.parse(tmp_path / "report-plots" / name).getroot()
        assert root.tag.endswith("svg")


def test_what_is_no_number_is_null(known: Known, tmp_path: Path) -> None:
    with writing(known.workspace.engine) as session:
        session.execute(update(Query).where(Query.purpose == "train").values(score=float("-inf")))
    written(known, tmp_path)
    asked = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["asked"]
    assert asked and all(row["score"] is None for row in asked)


def test_people_are_letters(known: Known, tmp_path: Path) -> None:
    page = written(known, tmp_path)
    every = page + (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "Example" not in every
    assert "labeller A" in page and "labeller B" in page
    debated = content(known)["debated"]
    assert debated["photos"] == 6 and len(debated["shown"]) == 6
    for row in debated["shown"]:
        assert [said["labeller"] for said in row["answers"]] == ["labeller A", "labeller B"]
        assert row["answers"][0]["said"] != row["answers"][1]["said"]


def test_hours_leave_pauses_out(known: Known) -> None:
    found = content(known)
    assert [row["answers"] for row in found["labellers"]] == [60, 60]
    for row in found["labellers"]:
        assert row["seconds"] == pytest.approx(4.0)
        assert row["hours"] == pytest.approx(60 * 4 / 3600)
    assert found["curve"][-1]["hours"] == pytest.approx(120 * 4 / 3600)


def test_surprises_are_sure_and_wrong(known: Known) -> None:
    found = content(known)["surprises"]
    assert found and all(row["said"] != row["right"] for row in found)
    sure = [row["sure"] for row in found]
    assert sure == sorted(sure, reverse=True)
    assert all(row["right"] == [LABELS[known.truth[row["image"]]]] for row in found)
    with reading(known.workspace.engine) as session:
        home = {session.get_one(Image, row["image"]).split for row in found}
    assert home == {"heldout"}


def told(known: Known) -> set[str]:
    """Every photo that a report names."""
    return set(re.findall(r"[0-9a-f]{64}", json.dumps(content(known)))) & known.truth.keys()


def test_an_audit_is_never_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = make_workspace(tmp_path / "w", 1060, separation=3.0)
    use_features(monkeypatch, known)
    run_round(known.workspace, RoundOptions(strategy="margin", batch=30, evaluated=0))
    answer(known, "Ann", wrong_every=5)
    run_round(known.workspace, RoundOptions(strategy="margin", batch=5, evaluated=0))
    start_audit(known.workspace, AuditOptions(overlap=2))
    answer(known, "Bob", wrong_every=7)
    answer(known, "Ann", wrong_every=5)
    with reading(known.workspace.engine) as session:
        audited = set(session.scalars(select(AuditPhoto.image_id)))
        assert len(audited) == 106
    assert told(known) and not told(known) & audited


def test_what_may_yet_be_asked_is_not_told(known: Known) -> None:
    debated = [row["image"] for row in content(known)["debated"]["shown"]]
    with writing(known.workspace.engine) as session:
        enqueue(session, 3, [(debated[0], "recheck", None)])
        decide(
            session,
            owner="Eve",
            image_id=debated[1],
            kind="labels",
            label_names=["dress"],
            client_id="verdict",
        )
        waiting = set(session.scalars(select(Query.image_id).where(Query.state == "open")))
    assert not told(known) & waiting
    assert debated[1] in told(known)
    known.workspace.config.with_values(check_share=0.1).save(known.workspace.folder)
    mixed = Known(Workspace.open(known.workspace.folder), known.truth, known.table)
    assert debated[1] not in told(mixed)
    with reading(known.workspace.engine) as session:
        assert showable(session, debated[:3], checks=True) == {debated[2]}


def test_a_report_before_anything_was_answered(tmp_path: Path) -> None:
    empty = make_workspace(tmp_path / "empty", 60)
    page = written(empty, tmp_path)
    assert "not known yet" in page and "<svg" not in page
    assert not plots_folder(tmp_path / "report.html").exists()


def test_the_command_says_where_everything_lies(known: Known) -> None:
    done = CliRunner().invoke(cli, ["-w", str(known.workspace.folder), "report"])
    assert done.exit_code == 0, done.output
    assert Path(done.stdout.strip()) == known.workspace.reports / "report.html"
    assert "report-plots" in done.stderr and "report.csv" in done.stderr


def test_the_same_workspace_gives_the_same_plots(known: Known, tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(known, tmp_path / name)
    for path in (tmp_path / "one" / "report-plots").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "report-plots" / path.name).read_bytes()


def test_curves_have_hours_only_where_somebody_worked() -> None:
    interval = {"value": 0.9, "low": 0.85, "high": 0.94}
    point = {"labelled": 10, "hours": 0.0, "accuracy": interval, "all_looks": interval}
    points = [point | {"macro_f1": None}, point | {"labelled": 20, "macro_f1": interval}]
    without = learning_curves(points, 0.95)
    assert without is not None and "hours of labelling" not in without
    worked = learning_curves([row | {"hours": row["labelled"] / 10} for row in points], 0.95)
    assert worked is not None and "hours of labelling" in worked
    assert learning_curves([], 0.95) is None


def test_labels_that_come_together_are_counted() -> None:
    drawn = matrix_plot(
        {"kind": "co-occurrence", "right": [[7, 3], [3, 9]], "said": [[6, 2], [2, 8]]}, ["a", "b"]
    )
    assert drawn is not None and all(f">{n}<" in drawn for n in (7, 3, 9, 6, 2, 8))
    assert "as answered" in drawn and "as predicted" in drawn


def test_the_map_is_the_principal_components() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 20)).astype(np.float32)
    features[:, 4] *= 6
    features[:, 11] *= 3
    points = two_components(features, rng)
    assert abs(np.corrcoef(points[:, 0], features[:, 4])[0, 1]) > 0.98
    assert abs(np.corrcoef(points[:, 1], features[:, 11])[0, 1]) > 0.95


def test_pictures_are_small_and_carry_nothing_else(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "w", LABELS, exclusive=True, seed=0)
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    exif = Pillow.Exif()
    exif[0x010E] = "taken at home"
    Pillow.fromarray(noise).save(tmp_path / "in" / "one.jpg", exif=exif)
    import_photos(workspace, str(tmp_path / "in"))
    with reading(workspace.engine) as session:
        image_id = session.scalars(select(Image.id)).one()
        found = pictures(session, [image_id, "0" * 64])
    assert set(found) == {image_id}
    content = base64.b64decode(found[image_id].partition("base64,")[2])
    assert Pillow.open(io.BytesIO(content)).size == (192, 144)
    assert len(content) < 40_000 and b"taken at home" not in content


def test_it_opens_offline_fits_a_phone_and_prints(known: Known, tmp_path: Path) -> None:
    written(known, tmp_path)
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator("svg").count() == 4
        assert [url for url in asked if not url.startswith("data:")] == [page.url] and said == []
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        printed = page.pdf(prefer_css_page_size=True)
    assert 2 <= printed.count(b"/Type /Page\n") <= 15
