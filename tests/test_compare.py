"""`compare` as a user sees it: real photos, real processes, real files; the photos' own pixels."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparisons import CLASSES, save_photos

from al_fashion.cli import main
from al_fashion.comparison.checks import check_experiment
from al_fashion.comparison.experiment import (
    DataSet,
    Experiment,
    load_experiment,
    name_of,
    seed_range,
)
from al_fashion.comparison.learning_curve import Job, run_job
from al_fashion.comparison.photos import open_photos
from al_fashion.comparison.preparation import prepare
from al_fashion.comparison.results import Outcome, Results
from al_fashion.errors import ComparisonError
from al_fashion.loop.features import FeatureOptions

Run = Callable[..., tuple[int, str, str]]
SMALL = ("--backbone", "pixels", "--input-size", "48", "--budget", "30", "--batch", "10")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("--data", SOURCE)` gives (exit status, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        words = ["al-fashion", "compare", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stopped:
            main()
        written = capsys.readouterr()
        return int(stopped.value.code or 0), written.out, written.err

    return call


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photos(tmp_path_factory.mktemp("shop"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("AL_FASHION_CACHE", str(folder))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def accuracies(folder: Path) -> list[tuple[str, ...]]:
    """All that does not depend on the machine's speed."""
    names = ("data", "strategy", "seed", "labels", "accuracy", "answers", "labelling_seconds")
    return [tuple(row[name] for name in names) for row in rows_of(folder)]


def by_arm(folder: Path, strategy: str) -> list[float]:
    """Accuracies of a strategy, seed after seed."""
    return [float(row["accuracy"]) for row in rows_of(folder) if row["strategy"] == strategy]


def expected(manifest: Path, strategy: str, seeds: int) -> list[float]:
    """The same of jobs run here, one after another."""
    asked = replace(Experiment(), budget=30, batch=10, data=(DataSet("shop", ""),))
    jobs = [Job("shop", strategy, seed) for seed in range(seeds)]
    curves = [run_job(job, asked, pixels(manifest)) for job in jobs]
    return [point["accuracy"] for curve in curves for point in curve]


def test_a_comparison_from_photos_to_the_report(manifest: Path, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "out"
    given = ("--data", manifest, "--group-by", "sender", *SMALL, "-o", folder)
    status, out, _ = run("--strategies", "margin", "--seeds", 2, "--jobs", 2, *given)
    assert status == 0, out
    assert out.splitlines()[0].split()[:3] == ["data", "strategy", "area"]
    header = (folder / "results.csv").read_text().splitlines()[0]
    assert header == (
        "strategy,seed,labels,accuracy,data,answers,labelling_seconds,selection_seconds,"
        "training_seconds,peak_mib,micro_f1,macro_f1,map"
    )
    rows = rows_of(folder)
    keys = [(row["strategy"], row["seed"], row["labels"]) for row in rows]
    names, seeds, labels = ("margin", "random"), ("0", "1"), ("10", "20", "30")
    assert keys == [(name, seed, n) for name in names for seed in seeds for n in labels]
    assert float(rows[-1]["accuracy"]) > 0.5
    assert (folder / "report.html").exists() and (folder / "summary.json").exists()
    described = tomllib.loads((folder / "experiment.toml").read_text())
    assert described["strategies"] == ["margin", "random"]
    source = described["data"][0]["source"]
    assert not Path(source).is_absolute() and (folder / source).samefile(manifest)
    assert str(manifest.parent) not in (folder / "summary.json").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert f"experiment {summary['experiment_hash']}: " in out
    assert summary["experiment_hash"] in (folder / "report.html").read_text()
    # What is done is not run again; more seeds and strategies join what is there.
    before = {tuple(row.values()) for row in rows}
    status, _, err = run(folder / "experiment.toml", "-o", folder)
    assert status == 0 and "seed" not in err and rows_of(folder) == rows
    status, _, _ = run("--strategies", "margin,entropy", "--seeds", 3, "--jobs", 1, *given)
    more = rows_of(folder)
    assert status == 0 and len(more) == 27
    assert before <= {tuple(row.values()) for row in more}
    # A smaller comparison loses none of them.
    status, _, err = run("--strategies", "random", "--seeds", 1, *given)
    assert status == 0 and "also hold 8 finished runs" in err
    assert {tuple(r.values()) for r in rows_of(folder)} == {tuple(r.values()) for r in more}


def test_the_number_of_jobs_changes_nothing(manifest: Path, tmp_path: Path, run: Run) -> None:
    """And neither does who else runs: an arm alone has the same curve."""
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "alone"]
    names = ("margin,typiclust,bandit", "margin,typiclust,bandit", "bandit")
    for folder, chosen, jobs in zip(folders, names, (1, 2, 1), strict=True):
        given = ("--data", manifest, *SMALL, "--seeds", 2, "--jobs", jobs, "-o", folder)
        assert run("--strategies", chosen, *given)[0] == 0
    one, two, alone = map(accuracies, folders)
    assert one == two and set(alone) < set(one)


SLOW = """
import time
import strategies
def slow(pool, k, *, rng):
    time.sleep(0.4)
    return strategies.get("margin")(pool, k, rng=rng)
"""


def test_killed_and_started_again_it_goes_on(manifest: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    given = ("--data", str(manifest), *SMALL, "--strategies", f"{tmp_path}/slow.py:slow")
    given = (*given, "--seeds", "4", "--jobs", "2")
    killed = tmp_path / "killed"
    words = [sys.executable, "-m", "al_fashion", "compare", *given, "-o", str(killed)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)

    def finished() -> list[Any]:
        if not (killed / "results.sqlite").exists():
            return []
        with sqlite3.connect(killed / "results.sqlite", timeout=30) as connection:
            try:
                asked = "select strategy, seed, seconds from job where status = 'done'"
                return connection.execute(asked).fetchall()
            except sqlite3.OperationalError:
                return []  # not made yet

    waited = time.monotonic()
    while len(finished()) < 2 and time.monotonic() - waited < 60:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = finished()
    assert 2 <= len(done) < 8
    status, _, err = run(*given, "-o", killed)
    assert status == 0 and f"{len(done) + 1}/8" in err and f"{len(done)}/8" not in err
    assert set(done) <= set(finished()) and len(finished()) == 8
    assert by_arm(killed, "slow.py:slow") == expected(manifest, "margin", 4)


FAILING = """
import os
import strategies
def _margin(pool, k, rng):
    return strategies.get("margin")(pool, k, rng=rng)
def fails(pool, k, *, rng):
    if rng.bit_generator.seed_seq.entropy[0] == 1:
        raise RuntimeError("no photo pleases me")
    return _margin(pool, k, rng)
def dies(pool, k, *, rng):
    os._exit(7)
def rubbish(pool, k, *, rng):
    return pool.candidates[:k]
"""


def test_what_fails_fails_alone(manifest: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "bad.py").write_text(FAILING)
    names = ",".join(f"{tmp_path}/bad.py:{name}" for name in ("fails", "dies", "rubbish"))
    folder = tmp_path / "out"
    given = ("--data", manifest, *SMALL, "--seeds", 2, "-o", folder)
    status, out, err = run("--strategies", f"{names},margin", *given)
    assert status == 1 and "5 of 10 runs failed" in err and "failures" in err
    ran = {(row["strategy"], row["seed"]) for row in rows_of(folder)}
    assert ran == {("margin", "0"), ("margin", "1"), ("bad.py:fails", "0")} | {
        ("random", "0"),
        ("random", "1"),
    }
    assert "margin" in out
    written = {path.name: path.read_text() for path in (folder / "failures").iterdir()}
    assert set(written) == {"bad.py_fails-1.txt"} | {
        f"bad.py_{name}-{seed}.txt" for name in ("dies", "rubbish") for seed in (0, 1)
    }
    assert "RuntimeError: no photo pleases me" in written["bad.py_fails-1.txt"]
    assert "exit code 7" in written["bad.py_dies-0.txt"]
    assert "expected a Selection" in written["bad.py_rubbish-1.txt"]
    assert "seed 1 and 4 more: RuntimeError: no photo pleases me" in err
    # Mended, the arm runs again and its failures are gone.
    (tmp_path / "bad.py").write_text(FAILING.replace("== 1", "== 99"))
    status, _, _ = run("--strategies", f"{tmp_path}/bad.py:fails", *given)
    assert status == 0 and not list((folder / "failures").iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--strategies", "margn"), "Did you mean margin?"),
        (("--strategies", "modal:margin_samplin"), "Did you mean modal:margin_sampling?"),
        (("--strategies", "moda:margin_sampling"), "Did you mean modal:margin_sampling?"),
        (("--strategies", "MARGIN"), "Did you mean margin?"),
        (("--strategies", "{folder}/own.py:slaw"), "own.py has no slaw. Did you mean slow?"),
        (("--learner", "{folder}/own.py:Slowe"), "Did you mean slow?"),
        (("--classes", "dress,shrt"), "has no label 'shrt'. Did you mean shirt?"),
        (("--seed-set", "owm"), "Did you mean own?"),
        (("--data", "fashon-mnist"), "Did you mean fashion-mnist?"),
        (("--strategies", "relabel"), "does not select batches of 10 new photos"),
        (("--strategies", "binmin", "--seed-set", "rendom"), "Did you mean random?"),
        (("--strategies", "{folder}/none.py:x"), "Name a Python file"),
        (("--learner", "sklearn.svm:LinearSVC"), "no predict_proba"),
        (("--budget", 100), "Use --budget 9"),
        (("--budget", 1000), "larger than the data set shop, which has 120 photos"),
        (("--budget", 1000, "--pool", 20), "larger than the pool of 20 photos"),
        (("--budget", 5), "smaller than the seed set of 10"),
        (("--classes", "dress"), "has 1 classes (dress)"),
        (("--classes", "dress,hat"), "has no label 'hat'"),
        (("--labellers", "drunk"), "expected clean"),
        (("--seeds", "ten"), "expected a number"),
        (("--test", "1.5"), "between 0 and 1"),
        (("--data", "{folder}/nowhere"), "does not exist"),
        (("--data", "{folder}/shop/photos.csv"), "Two data sets have one name"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: tuple[Any, ...], expected: str, manifest: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "own.py").write_text(SLOW)
    given = [str(word).format(folder=tmp_path) for word in arguments]
    source = f"shop={manifest}"
    status, out, err = run("--data", source, *SMALL, "--seeds", 1, "-o", tmp_path / "o", *given)
    assert status == 1 and out == ""
    line = err.strip().splitlines()[-1]
    assert line.startswith("Error: ") and expected in line
    assert not (tmp_path / "o" / "results.csv").exists()


@pytest.mark.parametrize(("option", "value"), [("--backbone", "vgg61"), ("--budget", 1000)])
def test_what_cannot_be_is_refused_before_photos_are_looked_at(
    option: str, value: object, manifest: Path, tmp_path: Path, run: Run, monkeypatch: Any
) -> None:
    def looked(*_given: object) -> None:
        raise AssertionError("a photo was looked at")

    monkeypatch.setattr("al_fashion.comparison.preparation.inspect_files", looked)
    given = ("--data", f"shop={manifest}", *SMALL, "--seeds", 1, "-o", tmp_path / "o")
    status, _, err = run(*given, option, value)
    assert status == 1 and err.strip().splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"most_frequent": 1}, "most_frequent = 1: expected 2"),
        ({"minimum_positives": -1}, "minimum_positives = -1"),
        ({"input_size": 16}, "input_size = 16: expected 32 to 1024"),
        ({"input_size": 2000}, "input_size = 2000"),
        ({"budget": -5}, "budget = -5"),
        ({"seconds_a_key": 0.0}, "seconds_a_key = 0.0"),
        ({"seconds_a_key": float("nan")}, "seconds_a_key = nan"),
    ],
)
def test_numbers_that_cannot_be_are_refused(given: dict[str, Any], expected: str) -> None:
    of_all = {name: given[name] for name in given if name == "seconds_a_key"}
    own = {name: given[name] for name in given if name not in of_all}
    with pytest.raises(ComparisonError, match=expected):
        check_experiment(Experiment(data=(DataSet("shop", "shop", **own),), **of_all))


def test_seeds_of_strategies_that_are_left_out_are_no_error(
    manifest: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "a.toml").write_text('seeds = 1\n[seeds_of]\n"my.py:f" = 2\nmargin = 3\n')
    given = ("--data", manifest, *SMALL, "--strategies", "random", "-o", tmp_path / "o")
    assert run(tmp_path / "a.toml", *given)[0] == 0
    assert {row["seed"] for row in rows_of(tmp_path / "o")} == {"0"}
    (tmp_path / "a.toml").write_text("seeds = 1\n[seeds_of]\nmargn = 3\n")
    status, _, err = run(tmp_path / "a.toml", *given)
    assert status == 1 and "Did you mean margin?" in err


def test_a_source_is_read_as_import_reads_it(manifest: Path, tmp_path: Path, run: Run) -> None:
    for number, row in enumerate(csv.DictReader(manifest.open(newline=""))):
        photo = tmp_path / "shop" / f"folder {number % 3}" / f"{number}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(manifest.parent / row["image"], photo)
    (tmp_path / "map.csv").write_text("folder,labels\nfolder 0,a\nfolder 1,b\nfolder 2,\n")
    given = ("--data", tmp_path / "shop", *SMALL, "--seeds", 1, "--strategies", "random")
    mapped = ("--class-map", tmp_path / "map.csv", "--exclusive")
    status, _, err = run(*given, *mapped, "-o", tmp_path / "out")
    assert status == 0, err
    written = load_experiment(tmp_path / "out" / "experiment.toml")
    assert Path(written.data[0].class_map).resolve() == (tmp_path / "map.csv").resolve()
    assert rows_of(tmp_path / "out")[-1]["labels"] == "30"
    status, _, err = run(*given, "--class-map", tmp_path / "none.csv", "-o", tmp_path / "no")
    assert status == 1 and "none.csv" in err
    status, _, err = run(*given, "--format", "coko", "-o", tmp_path / "no")
    assert status == 1 and "coco" in err
    status, _, err = run(*given, "--backbone", "vgg61", "-o", tmp_path / "no")
    assert status == 1 and "Did you mean vgg" in err


def test_an_export_with_peoples_answers_is_compared(
    manifest: Path, tmp_path: Path, run: Run
) -> None:
    shop, written = str(tmp_path / "shop"), str(tmp_path / "photos.jsonl")
    for words in (
        ["init", shop, "--labels", ",".join(CLASSES), "--exclusive"],
        ["-w", shop, "import", str(manifest)],
        ["-w", shop, "export", "--format", "jsonl", "-o", written],
    ):
        subprocess.run([sys.executable, "-m", "al_fashion", *words], check=True)
    given = (*SMALL, "--seeds", 1, "--strategies", "random", "-o", tmp_path / "out")
    status, _, err = run("--data", written, *given)
    assert status == 0, err
    assert rows_of(tmp_path / "out")[-1]["labels"] == "30"


def test_where_every_run_fails_the_reason_is_told_first(
    manifest: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "bad.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n"
        "class Bad(GaussianNB):\n"
        "    def fit(self, X, y):\n"
        "        raise RuntimeError('I do not learn')\n"
    )
    given = ("--data", manifest, *SMALL, "--strategies", "random", "--seeds", 2, "-o", tmp_path)
    status, _, err = run("--learner", f"{tmp_path}/bad.py:Bad", *given)
    assert status == 1
    failed, _, nothing = err.partition("no finished run of 'random'")
    assert "2 of 2 runs failed" in failed and "RuntimeError: I do not learn" in failed
    assert f"{tmp_path / 'failures'}" in failed and nothing


def test_a_folder_holds_one_experiment(manifest: Path, tmp_path: Path, run: Run) -> None:
    given = ("--data", manifest, *SMALL, "--strategies", "random", "--seeds", 1, "-o", tmp_path)
    assert run(*given)[0] == 0
    for option, value, name in (
        ("--budget", 20, "budget = 30, not 20"),
        ("--labellers", "noisy:0.1x3", "labellers"),
        ("--input-size", 32, "data"),
        ("--learner", "sklearn.naive_bayes:GaussianNB", "learner"),
    ):
        status, _, err = run(*given, option, value)
        assert status == 1 and name in err and "-o DIR" in err
    (tmp_path / "moved.csv").write_text(
        manifest.read_text().replace("photos/", f"{manifest.parent}/photos/")
    )
    assert run(f"--data={manifest.parent.name}={tmp_path}/moved.csv", *given[2:])[0] == 0
    one, other = Results(tmp_path), Results(tmp_path)
    refused = pytest.raises(ComparisonError, match="at work")
    with one.alone(), refused, other.alone():
        pass


def test_a_toml_file_describes_an_experiment_completely(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(SLOW)
    written = Experiment(
        data=(
            DataSet("shop", str(tmp_path / "shop.csv"), group_by="sender", exclusive=False),
            DataSet("three", "fashion-mnist", classes=("dress", "shirt"), budget=100),
        ),
        strategies=("auto", f"{tmp_path}/own.py:slow"),
        seeds="100-104",
        seeds_of={"auto": 30},
        initial=20,
        labellers="noisy:0.1x3",
    )
    written.save(tmp_path / "a.toml", "12ab")
    assert (tmp_path / "a.toml").read_text().startswith("# experiment 12ab\n")
    assert str(tmp_path) not in (tmp_path / "a.toml").read_text()
    assert load_experiment(tmp_path / "a.toml") == written
    assert written.seeds_for("auto") == range(30) and written.budget_for("three") == 100
    assert replace(written, budget=60).budget_for("three") == 60
    contents = {"shop": "1", "three": "2"}
    digest = written.digest(contents)
    moved = replace(written, data=(replace(written.data[0], source="else"), written.data[1]))
    assert moved.digest(contents) == digest
    assert replace(written, strategies=("auto", "/else/own.py:slow")).digest(contents) == digest
    assert written.digest({**contents, "shop": "3"}) != digest
    assert written.digest({**contents, written.strategies[1]: "code"}) != digest
    assert replace(written, batch=10).digest(contents) != digest


def test_other_code_or_libraries_make_another_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Experiment(data=(), strategies=("auto",))
    digest = written.digest({})
    monkeypatch.setattr("al_fashion.comparison.experiment.libraries", lambda: "numpy 0.1")
    assert written.digest({}) != digest
    monkeypatch.undo()
    monkeypatch.setattr("al_fashion.comparison.experiment.code_digest", lambda: "12ab")
    assert written.digest({}) != digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budgt = 3", "unknown setting 'budgt'. Did you mean budget?"),
        ("budget = 'many'", "expected a int"),
        ("strategies = 'auto'", "expected a list of names"),
        ("data = 'fashion-mnist'", "[[data]]"),
        ("[[data]]\nsource = 'x'\nexclusive = 1", "expected a bool"),
        ("[[data]]\nsource = 'x'\nmost = 1", "unknown setting 'most'"),
        ("budget = ", "Correct the file"),
    ],
)
def test_files_that_describe_none_are_refused(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ComparisonError) as raised:
        load_experiment(tmp_path / "a.toml")
    assert expected in str(raised.value)


def test_the_experiments_of_the_benchmark_are_well_formed() -> None:
    folder = Path(__file__).parent.parent / "benchmarks" / "experiments"
    found = [load_experiment(path) for path in sorted(folder.glob("*.toml"))]
    assert len(found) >= 2
    headline = load_experiment(folder / "headline.toml")
    assert len(headline.seeds_for("auto")) >= 30 and len(headline.seeds_for("usdm")) >= 10
    assert {"auto", "usdm", "margin", "random"} <= set(headline.strategies)


def test_sources_have_names_and_seeds_are_numbers() -> None:
    assert name_of("a=b/c.csv") == ("a", "b/c.csv")
    assert name_of("x/clothing/labels.csv") == ("clothing", "x/clothing/labels.csv")
    assert name_of("fashion-mnist") == ("fashion-mnist", "fashion-mnist")
    assert name_of("x/a=b/photos") == ("photos", "x/a=b/photos")
    assert seed_range(3) == range(3) and seed_range("10-12") == range(10, 13)


def pixels(manifest: Path, most: int = 1000, **options: Any) -> Any:
    dataset = DataSet("shop", str(manifest), backbone="pixels", input_size=48, **options)
    return open_photos(prepare(dataset, most, FeatureOptions()))


def test_damaged_photos_are_told_of_again_and_again(tmp_path: Path, run: Run) -> None:
    manifest = save_photos(tmp_path / "shop")
    for number in range(4):
        (tmp_path / "shop" / "photos" / f"{number}.png").write_bytes(b"no photo")
    given = ("--data", manifest, *SMALL, "--strategies", "random", "--seeds", 1, "-o")
    for folder in ("a", "a", "b"):
        status, _, err = run(*given, tmp_path / folder)
        assert status == 0 and "shop: 4 of 120 files are no photos and were left out: 0.png" in err
    rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([rows[0], *rows[5:]]))
    status, _, err = run(*given, tmp_path / "c")
    assert status == 0 and "left out" not in err


def test_a_data_set_keeps_the_labels_that_it_names(manifest: Path, tmp_path: Path) -> None:
    everything = pixels(manifest)
    assert everything.classes == ("dress", "pullover", "shirt") and everything.exclusive
    assert len(everything.labels) == 120 and everything.labels.sum(axis=0).tolist() == [40] * 3
    assert isinstance(everything.features, type(open_photos)) is False
    assert not everything.features.flags.writeable and everything.features.base is not None
    two = pixels(manifest, leave_out=("shirt",))
    assert two.classes == ("dress", "pullover") and len(two.labels) == 80
    assert pixels(manifest, most_frequent=2).classes == ("dress", "pullover")
    grouped = pixels(manifest, group_by="sender")
    assert len(set(grouped.groups.tolist())) == 30
    assert len(pixels(manifest, most=60).labels) == 60
    rows = list(csv.DictReader(manifest.open(newline="")))
    for number, row in enumerate(rows):
        row["image"] = str(manifest.parent / row["image"])
        row["labels"] += "|hat" if number < 30 else ""
    several = tmp_path / "several.csv"
    with several.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = pixels(several)
    assert not found.exclusive and found.labels.sum() == 150
    without = pixels(several, minimum_positives=35)
    assert without.classes == everything.classes and without.exclusive
    assert pixels(several, leave_out=("hat",), exclusive=True).exclusive
    # Without their only label photos stay, as 'none of these', where labels are not exclusive.
    assert len(pixels(several, leave_out=("dress",)).labels) == 120
    with pytest.raises(ComparisonError, match="several labels"):
        pixels(several, exclusive=True)


def test_results_are_replaced_and_told_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    jobs = [Job("a", "x", 0), Job("a", "x", 1), Job("a", "y", 0)]
    results = Results(tmp_path)
    results.record(jobs[2], Outcome(1.0, []))
    results.record(jobs[0], None)
    results.record(jobs[1], Outcome(2.0, None, "oh"))
    assert results.done(jobs) == {jobs[2]}
    assert list(results.outcomes(jobs)) == [jobs[1], jobs[2]]
    changed = replace(jobs[2], code="changed")
    assert results.done([changed]) == set() and not results.outcomes([changed])
    assert results.others(jobs[:2]) == [jobs[2]] and results.others([changed]) == []
    results.record(Job("b", "own.py:z", 0, "old"), Outcome(1.0, []))
    results.record(Job("b", "own.py:z", 1, "new"), Outcome(1.0, []))
    assert results.others(jobs) == [Job("b", "own.py:z", 1, "new")]
    results.close()
    # Before its first job, a folder has no results that another setting would not fit.
    results = Results(tmp_path / "empty")
    results.keep_setting({"budget": 1})
    results.keep_setting({"budget": 2})
    results.record(jobs[0], None)
    with pytest.raises(ComparisonError, match="budget = 2, not 3"):
        results.keep_setting({"budget": 3})
    # Written before a folder said which code its results are of.
    with pytest.raises(ComparisonError, match='code = "unknown", not "12ab"'):
        results.keep_setting({"budget": 2, "code": "12ab"})
    results.close()
    (tmp_path / "results.sqlite").write_text("no database" * 100)
    with pytest.raises(ComparisonError, match="-o DIR"):
        Results(tmp_path)


def test_ray_gives_the_same(manifest: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("ray")
    (tmp_path / "bad.py").write_text(FAILING)
    folder = tmp_path / "out"
    names = f"margin,{tmp_path}/bad.py:fails,{tmp_path}/bad.py:dies"
    given = ("--data", manifest, *SMALL, "--seeds", 2, "--jobs", 2, "-o", folder)
    status, _, err = run("--strategies", names, "--engine", "ray", *given)
    assert status == 1 and "3 of 8 runs failed" in err
    for name in ("margin", "random"):
        assert by_arm(folder, name) == expected(manifest, name, 2)
    assert json.loads((folder / "summary.json").read_text())["data_sets"]
