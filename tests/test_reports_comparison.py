"""The report of a comparison of strategies, from made-up results."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from page import chromium
from scipy import stats

from al_fashion.comparison.learning_curve import Job
from al_fashion.comparison.results import Outcome, Results
from al_fashion.errors import ComparisonError
from al_fashion.reports import comparison_text as text
from al_fashion.reports.comparison import cases, write

COLUMNS = [
    *("strategy", "seed", "labels", "accuracy", "data", "answers", "labelling_seconds"),
    *("selection_seconds", "training_seconds", "peak_mib", "micro_f1", "macro_f1", "map"),
]
Row = Mapping[str, Any]


def curve(
    strategy: str,
    seed: int,
    accuracies: Sequence[float | str],
    labels: Sequence[int] = (50, 100, 150),
    data: str = "shop",
    **more: Any,
) -> list[Row]:
    """The rows of one run."""
    return [
        {"strategy": strategy, "seed": seed, "labels": n, "accuracy": a, "data": data, **more}
        for n, a in zip(labels, accuracies, strict=True)
    ]


def learnt(
    strategy: str, speed: float, seeds: Iterable[int], data: str = "shop", noise: float = 0.01
) -> list[Row]:
    """Runs that rise the faster the higher `speed`; a seed is as hard for every strategy."""
    labels = np.arange(50, 501, 50)
    rows: list[Row] = []
    for seed in seeds:
        hard = np.random.default_rng(seed).normal(0, 0.02)
        rng = np.random.default_rng([seed, *strategy.encode()])
        values = 0.8 - 0.4 * np.exp(-labels * speed / 200) + hard + rng.normal(0, noise, 10)
        rows += curve(strategy, seed, values.tolist(), labels.tolist(), data)
    return rows


def folder(path: Path, rows: Iterable[Row]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    with (path / "results.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def failed(path: Path, traces: Mapping[tuple[str, str, int], str]) -> None:
    """As `compare` leaves failed runs, by data set, strategy and seed, besides these results."""
    table = (path / "results.csv").read_bytes()
    results = Results(path)
    jobs = [Job(*run) for run in traces]
    for job, trace in zip(jobs, traces.values(), strict=True):
        results.record(job, Outcome(1.0, traceback=trace))
    results.write_tables(jobs)
    results.close()
    (path / "results.csv").write_bytes(table)


def three(data: str = "shop", seeds: int = 6) -> list[Row]:
    speeds = {"random": 1.0, "auto": 2.0, "margin": 1.3}
    return [
        row for name, speed in speeds.items() for row in learnt(name, speed, range(seeds), data)
    ]


def strategy(summary: Mapping[str, Any], name: str, data_set: int = 0) -> dict[str, Any]:
    rows = summary["data_sets"][data_set]["strategies"]
    return dict(next(row for row in rows if row["strategy"] == name))


def test_a_faster_strategy_is_found_faster(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, three()))
    assert [row["strategy"] for row in summary["data_sets"][0]["strategies"]] == [
        "auto",
        "margin",
        "random",
    ]
    auto = strategy(summary, "auto")
    assert auto["share_low"] < auto["share_of_random"] < auto["share_high"] < 1
    assert auto["deficiency"] < strategy(summary, "margin")["deficiency"] < 1
    assert auto["against_random"]["p_t_holm"] < 0.05
    assert auto["against_random"]["posterior"]["better"] > 0.9
    assert strategy(summary, "margin")["against_reference"]["difference"] < 0
    assert summary["headline"][0].startswith("On 1 data set and 6 seeds, auto needs ")
    assert "no other strategy is significantly better" in summary["headline"][0]


def test_numbers_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    random = [[0.4, 0.5, 0.6], [0.42, 0.5, 0.64], [0.41, 0.53, 0.62]]
    other = [[0.5, 0.6, 0.7], [0.5, 0.62, 0.7], [0.44, 0.6, 0.66]]
    rows = [r for seed in range(3) for r in curve("random", seed, random[seed])]
    rows += [r for seed in range(3) for r in curve("margin", seed, other[seed])]
    found = {case["strategy"]: case for case in cases(write(folder(tmp_path, rows)))}

    def area(runs: list[list[float]]) -> np.ndarray:
        return np.array([(a / 2 + b + c / 2) / 2 for a, b, c in runs])

    assert found["margin"]["aulc"] == pytest.approx(area(other).mean(), abs=1e-4)
    assert found["margin"]["aulc_sd"] == pytest.approx(area(other).std(ddof=1), abs=1e-4)
    p = stats.ttest_rel(area(other), area(random)).pvalue
    assert found["margin"]["p_random"] == pytest.approx(p, abs=1e-5)
    assert found["random"]["p_default"] == pytest.approx(p, abs=1e-5)
    assert found["margin"]["p_default"] is found["random"]["p_random"] is None
    # The mean curve is .48, .6067, …; random ends at .62, after 100 labels and a little.
    middle = np.mean(other, axis=0)
    needed = 100 + 50 * (0.62 - middle[1]) / (middle[2] - middle[1])
    assert found["margin"]["share_of_random"] == pytest.approx(needed / 150, abs=1e-3)
    assert found["margin"]["final"] == pytest.approx(0.6867, abs=1e-4)


def test_everything_is_written_and_the_same_again(tmp_path: Path) -> None:
    (folder(tmp_path, three()) / "experiment.toml").write_text(
        "# experiment 12ab34cd56ef\nbudget = 500\n[head]\nx = '<b>'\n"
    )
    write(tmp_path)
    first = (tmp_path / "summary.json").read_bytes()
    summary = json.loads(first)
    assert summary["data_sets"][0]["labels"][-1] == 500
    assert len(summary["data_sets"][0]["pairs"]) == 3
    plots = {path.name for path in (tmp_path / "plots").iterdir()}
    assert plots == {
        "curves-1-shop.svg",
        "differences-1-shop.svg",
        "profile.svg",
        "penalties.svg",
    }
    for path in (tmp_path / "plots").iterdir():
        ElementTree.fromstring(path.read_text(encoding="utf-8"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert summary["experiment_hash"] == "12ab34cd56ef" and "<td>12ab34cd56ef</td>" in page
    assert "x = &#39;&lt;b&gt;&#39;" in page
    assert "at least 6 independent data sets" in page
    write(tmp_path)
    assert (tmp_path / "summary.json").read_bytes() == first


def test_the_report_opens_from_disk_without_a_network(tmp_path: Path) -> None:
    write(folder(tmp_path, three()))
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: problems.append(line.text))
        page.goto((tmp_path / "report.html").as_uri())
        assert "auto needs" in page.inner_text(".headline")
        assert page.locator("svg").count() == 4
        assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
        page.get_by_text("Tests and effect sizes").click()
        assert page.get_by_text("seeds needed to tell").first.is_visible()
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert problems == []


def test_tests_of_all_pairs_are_folded_away(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, three()))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    _, _, after = page.partition("<details><summary>Tests of all pairs</summary>")
    table = ElementTree.fromstring(
        after[: after.index("</table>") + 8].split("\n", 1)[1] + "</div>"
    )
    rows = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")][1:]
    pairs = summary["data_sets"][0]["pairs"]
    assert [row[:3] for row in rows] == [[p["first"], p["second"], "6"] for p in pairs]
    assert [row[4] for row in rows] == [text.p_value(p["p_t_holm"]) for p in pairs]
    assert len(rows) == 3


def test_several_data_sets_have_a_table_together(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, [*three("shop"), *three("../street", 4)]))
    assert [row["strategy"] for row in summary["overall"]] == ["auto", "margin", "random"]
    auto = summary["overall"][0]
    assert len(auto["shares_of_random"]) == 2
    assert auto["against_random"]["seeds"] == 4
    assert summary["ranks"]["reason"].startswith("Ranks over data sets are not tested: 2 data sets")
    assert summary["headline"][0].startswith("On 2 data sets and 4 to 6 seeds, auto needs")
    assert (tmp_path / "plots" / "curves-2-street.svg").exists()
    assert summary["profile"]["problems"] == 10


def test_a_strategy_of_one_data_set_has_no_penalty_over_all(tmp_path: Path) -> None:
    """Not run is not unbeaten: the slow one would come before random that beats it."""
    rows = [*three("shop"), *three("street"), *learnt("slow", 0.6, range(6), "street")]
    summary = write(folder(tmp_path, rows))
    assert strategy(summary, "slow", 1)["penalty"] > 0
    assert summary["penalties"]["strategies"] == ["auto", "margin", "random"]
    on_shop, on_street = (each["penalties"] for each in summary["data_sets"])
    beaten = [
        table["matrix"][0][table["strategies"].index("random")] for table in (on_shop, on_street)
    ]
    assert summary["penalties"]["matrix"][0][2] == pytest.approx(sum(beaten))


def test_six_data_sets_have_ranks(tmp_path: Path) -> None:
    rows = [row for number in range(6) for row in three(f"set {number}", 3)]
    summary = write(folder(tmp_path, rows))
    assert summary["ranks"]["mean_ranks"] == [1, 2, 3]
    assert summary["ranks"]["p_value"] < 0.05
    assert summary["ranks"]["posterior"]["random"]["worse"] > 0.9
    assert (tmp_path / "plots" / "critical-differences.svg").exists()


def test_parts_of_one_data_set_are_not_independent(tmp_path: Path) -> None:
    rows = [row for number in range(6) for row in three(f"set {number}", 3)]
    folder(tmp_path, rows)
    listed = [f'[[data]]\nname = "set {n}"\nsource = "{max(n, 1)}.csv"\n' for n in range(6)]
    (tmp_path / "experiment.toml").write_text("# experiment 12ab\n" + "".join(listed))
    summary = write(tmp_path)
    assert "5 data sets with photos of their own" in summary["ranks"]["reason"]


def test_the_best_stands_in_for_a_default_that_was_not_run(tmp_path: Path) -> None:
    rows = [row for row in three() if row["strategy"] != "auto"]
    summary = write(folder(tmp_path, [*rows, *learnt("usdm", 1.6, range(6))]))
    assert summary["reference"] == "usdm"
    assert any("looks better than it is" in said for said in summary["headline"])


def test_a_strategy_that_beats_the_default_is_named(tmp_path: Path) -> None:
    rows = [*three(), *learnt("mine.py:mine", 4.0, range(6))]
    summary = write(folder(tmp_path, rows))
    assert "mine.py:mine is significantly better" in summary["headline"][0]


def test_too_few_seeds_are_said_with_how_many_it_takes(tmp_path: Path) -> None:
    rows = [*three(seeds=3), *learnt("usdm", 1.95, range(3), noise=0.02)]
    summary = write(folder(tmp_path, rows))
    test = strategy(summary, "usdm")["against_reference"]
    assert test["p_t_holm"] > 0.05
    assert test["seeds_needed"] > 3
    told = next(said for said in summary["headline"] if "cannot tell auto from" in said)
    assert f"usdm ({test['seeds_needed']:,} needed)" in told


def test_one_seed_is_no_test(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, three(seeds=1)))
    test = strategy(summary, "margin")["against_random"]
    assert test["p_t"] is test["posterior"] is test["low"] is None
    assert strategy(summary, "auto")["aulc_sd"] is None
    assert "whether another is better cannot be tested" in summary["headline"][0]
    assert any("One seed says nothing about chance" in said for said in summary["headline"])


def test_what_one_data_set_cannot_tell_is_said_of_it(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, [*three("shop"), *three("street", seeds=1)]))
    better = "no other strategy is significantly better, which cannot be tested on street."
    assert summary["headline"][0].endswith(better)
    assert any(said.startswith("One seed, as on street, says") for said in summary["headline"])


def test_seeds_to_tell_the_default_from_random_are_said(tmp_path: Path) -> None:
    rows = [*learnt("random", 1.0, range(4)), *learnt("auto", 1.05, range(4), noise=0.03)]
    summary = write(folder(tmp_path, rows))
    test = strategy(summary, "auto")["against_random"]
    assert test["p_t_holm"] > 0.05 and test["seeds_needed"] > 4
    assert f"{test['seeds_needed']:,} seeds needed)" in summary["headline"][1]
    assert any(said.startswith("So many seeds would find") for said in summary["headline"])


def test_random_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, learnt("random", 1.0, range(3))))
    assert summary["headline"] == [
        "On 1 data set and 3 seeds, only random was run: there is nothing to compare."
    ]
    assert cases(summary)[0]["share_of_random"] == 1


def test_empty_cells_and_measures(tmp_path: Path) -> None:
    measured = {"map": 0.5, "answers": 30, "labelling_seconds": 7200, "peak_mib": 512}
    rows = [
        *curve("random", 0, [0.4, 0.5, 0.6]),
        *curve("random", 1, [0.4, "", 0.6]),
        *curve("margin", 0, [0.5, 0.6, 0.7], selection_seconds=0.25, **measured),
        *curve("margin", 1, [0.5, 0.6, "nan"]),
    ]
    summary = write(folder(tmp_path, rows))
    # An accuracy that is missing is between its neighbours; at the end the run did not finish.
    assert strategy(summary, "random")["curve"] == pytest.approx([0.4, 0.5, 0.6])
    assert strategy(summary, "margin")["seeds"] == [0]
    assert strategy(summary, "margin")["cost"]["map"] == 0.5
    assert strategy(summary, "margin")["cost"]["selection_seconds"] == 0.25
    assert strategy(summary, "random")["cost"]["peak_mib"] is None
    assert summary["failures"][0]["reason"] == "ended at 100 of 150 labels"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "mean average precision" in page
    assert ">nan" not in page


def test_labelling_time_counts_beside_labels(tmp_path: Path) -> None:
    """Half the labels, each of which takes three times as long."""
    rows: list[Row] = []
    for name, accuracies, seconds in (
        ("random", [0.4, 0.5, 0.6], [100, 200, 300]),
        ("margin", [0.5, 0.7, 0.8], [300, 600, 900]),
    ):
        run = curve(name, 0, accuracies)
        rows += [{**r, "labelling_seconds": s} for r, s in zip(run, seconds, strict=True)]
    margin = strategy(write(folder(tmp_path, rows)), "margin")
    assert margin["share_of_random"] == pytest.approx(0.5)
    assert margin["share_of_seconds"] == pytest.approx(1.5)


def test_arms_with_missing_seeds_are_paired_over_common_ones(tmp_path: Path) -> None:
    rows = [r for r in three() if not (r["strategy"] == "margin" and r["seed"] in (2, 5))]
    trace = "Traceback (most recent call last):\n  …\nStrategyError: 3 of 50 indices\n"
    failed(folder(tmp_path, rows), {("shop", "margin", 2): trace, ("shop", "mine.py:gone", 0): ""})
    summary = write(tmp_path)
    margin = strategy(summary, "margin")
    assert margin["seeds"] == [0, 1, 3, 4]
    assert margin["against_random"]["seeds"] == margin["against_reference"]["seeds"] == 4
    both = [row for row in three() if row["seed"] in (0, 1, 3, 4)]
    expected = strategy(write(folder(tmp_path / "both", both)), "margin")
    assert margin["share_of_random"] == pytest.approx(expected["share_of_random"])
    assert [(f["strategy"], f["seed"], f["reason"]) for f in summary["failures"]] == [
        ("margin", "2", "StrategyError: 3 of 50 indices"),
        ("mine.py:gone", "0", "no traceback"),
    ]
    assert any("over the seeds that both have" in said for said in summary["headline"])
    assert "failures/margin-2.txt" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_more_seeds_of_some_arms_give_them_no_advantage(tmp_path: Path) -> None:
    """Areas, their order and the profile are over the seeds that all arms share."""
    few = [r for r in three() if r["seed"] < 3]
    more = [r for r in three() if r["seed"] >= 3 and r["strategy"] != "margin"]
    high = [{**r, "accuracy": r["accuracy"] + 0.3} for r in more]
    summary, alone = write(folder(tmp_path, [*few, *high])), write(folder(tmp_path / "few", few))
    assert summary["data_sets"][0]["shared_seeds"] == [0, 1, 2]
    for name in ("auto", "margin", "random"):
        for figure in ("aulc", "aulc_sd", "final", "curve"):
            assert strategy(summary, name)[figure] == strategy(alone, name)[figure]
    assert summary["profile"] == alone["profile"] and summary["profile"]["problems"] == 3
    assert strategy(summary, "auto")["against_random"]["seeds"] == 6


def test_half_of_randoms_seeds_may_leave_none_to_share(tmp_path: Path) -> None:
    first = [r for r in three() if r["seed"] < 3 or r["strategy"] != "margin"]
    apart = [r for r in first if r["seed"] >= 3 or r["strategy"] != "auto"]
    summary = write(folder(tmp_path, apart))
    assert summary["profile"]["problems"] == 0
    assert all(row["own_seeds"] for row in summary["data_sets"][0]["strategies"])


def test_a_strategy_with_few_seeds_takes_none_from_the_others(tmp_path: Path) -> None:
    """An arm of a grid that is not finished: the rest keep areas, bands, order and problems."""
    alone = write(folder(tmp_path / "alone", [*three("shop"), *three("street")]))
    new = learnt("new", 3.0, [4], "shop") + learnt("new", 3.0, range(6), "street")
    summary = write(folder(tmp_path, [*three("shop"), *three("street"), *new]))
    assert summary["data_sets"][0]["shared_seeds"] == [0, 1, 2, 3, 4, 5]
    for name in ("auto", "margin", "random"):
        for figure in ("aulc", "aulc_half", "final_half", "curve_half", "own_seeds"):
            assert strategy(summary, name)[figure] == strategy(alone, name)[figure]
    assert summary["profile"] == alone["profile"] and summary["profile"]["problems"] == 12
    assert summary["penalties"]["strategies"] == ["auto", "margin", "random"]
    ranks = {row["strategy"]: row["mean_rank"] for row in summary["overall"]}
    assert ranks == {"auto": 1, "margin": 2, "random": 3, "new": None}
    single = strategy(summary, "new")
    assert single["own_seeds"] and single["aulc_half"] is None and single["aulc"] > 0
    assert "new on shop, over 1 seed of its own" in summary["headline"][-1]
    assert "over 1 seed of its own" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_default_with_few_seeds_is_not_ranked_over_data_sets(tmp_path: Path) -> None:
    rows = [row for number in range(6) for row in three(f"set {number}", 4)]
    few = [row for row in rows if row["strategy"] != "auto" or row["seed"] == 0]
    summary = write(folder(tmp_path, few))
    assert summary["reference"] == "auto"
    assert "random and auto, are needed" in summary["ranks"]["reason"]


def test_what_stands_in_for_the_default_has_enough_seeds(tmp_path: Path) -> None:
    rows = [row for row in three() if row["strategy"] != "auto"]
    summary = write(folder(tmp_path, [*rows, *learnt("lucky", 5.0, [0])]))
    assert summary["reference"] == "margin"


def test_what_is_left_of_a_failed_run_is_left_out(tmp_path: Path) -> None:
    rows = [*three(), *curve("usdm", 0, [0.5] * 9, list(range(50, 451, 50)))]
    assert strategy(write(folder(tmp_path, rows)), "usdm")["seeds"] == [0]
    failed(tmp_path, {("street", "usdm", 0): "MemoryError\n"})
    assert strategy(write(tmp_path), "usdm")["seeds"] == [0], "it failed on another data set"
    failed(tmp_path, {("shop", "usdm", 0): "MemoryError\n"})
    summary = write(tmp_path)
    assert "usdm" not in {case["strategy"] for case in cases(summary)}
    assert summary["data_sets"][0]["labels"][-1] == 500


def test_failures_on_two_data_sets_are_two(tmp_path: Path) -> None:
    """They share a file, in which the strategy's name has lost what no file's name can have."""
    reasons = {"shop, new": "ValueError: dear", "street": "MemoryError"}
    traces = {(data, "a/b.py:c", 1): f"Trace\n\n  at x\n{why}\n" for data, why in reasons.items()}
    failed(folder(tmp_path, three()), traces)
    failures = write(tmp_path)["failures"]
    assert [(f["data"], f["strategy"], f["seed"]) for f in failures] == [
        ("shop, new", "a/b.py:c", "1"),
        ("street", "a/b.py:c", "1"),
    ]
    assert [f["reason"] for f in failures] == list(reasons.values())
    assert {f["file"] for f in failures} == {"failures/a_b.py_c-1.txt"}


def test_different_label_counts_meet_on_a_common_grid(tmp_path: Path) -> None:
    rows = [
        *curve("random", 0, [0.3, 0.5, 0.7], [50, 100, 150]),
        *curve("margin", 0, [0.4, 0.6, 0.8], [60, 100, 140]),
    ]
    summary = write(folder(tmp_path, rows))
    assert summary["data_sets"][0]["labels"] == [60, 100, 140]
    assert strategy(summary, "random")["curve"] == pytest.approx([0.34, 0.5, 0.66])


def test_ties_and_constant_curves(tmp_path: Path) -> None:
    rows = [
        row
        for name in ("random", "margin", "auto")
        for seed in range(4)
        for row in curve(name, seed, [0.5, 0.5, 0.5])
    ]
    summary = write(folder(tmp_path, rows))
    auto = strategy(summary, "auto")
    assert auto["deficiency"] is None
    assert auto["share_of_random"] == 1
    assert auto["against_random"]["p_t"] == auto["against_random"]["p_wilcoxon"] == 1
    assert np.sum(summary["penalties"]["matrix"]) == 0


def test_one_label_count(tmp_path: Path) -> None:
    rows = [r for s in range(3) for n in ("random", "auto") for r in curve(n, s, [0.5], [50])]
    assert strategy(write(folder(tmp_path, rows)), "auto")["aulc"] == 0.5


def test_names_are_no_markup(tmp_path: Path) -> None:
    rows = [*three(), *learnt("<script>x</script>$y_1$", 1.0, range(6), "shop")]
    write(folder(tmp_path, rows))
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_data_set_without_random_is_left_out(tmp_path: Path) -> None:
    summary = write(folder(tmp_path, [*three(), *learnt("auto", 1.0, range(3), "street")]))
    assert [each["data"] for each in summary["data_sets"]] == ["shop"]
    assert summary["failures"][0]["data"] == "street"


def test_plots_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    write(folder(tmp_path, three("before", 2)))
    write(folder(tmp_path, three("after", 2)))
    assert not list(tmp_path.glob("plots/*before*"))
    assert list(tmp_path.glob("plots/*after*"))


def test_results_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=r"Cannot read .*results\.csv"):
        write(tmp_path / "none")
    with pytest.raises(ComparisonError, match="no finished run of 'random'"):
        write(folder(tmp_path, learnt("auto", 1.0, range(2))))
    with pytest.raises(ComparisonError, match=r"Line 2 of results\.csv is not as expected"):
        write(folder(tmp_path, [{**three()[0], "seed": "first"}]))
    (tmp_path / "results.csv").write_text("strategy,seed\n")
    with pytest.raises(ComparisonError, match="lacks the columns accuracy, data, labels"):
        write(tmp_path)
