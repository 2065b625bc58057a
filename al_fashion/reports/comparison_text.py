"""A comparison of strategies in plain sentences, and how its numbers are written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from al_fashion.reports.comparison_results import RANDOM
from al_fashion.stats.strategy_tests import MOST_SEEDS, SIGNIFICANT

NOTHING = "–"
# More data sets or strategies than these are counted, not named.
NAMED = 3


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """What was found, the headline first; what these runs cannot tell is said."""
    reference = summary["reference"]
    if reference is None:
        return [f"On {_where(summary)}, only {RANDOM} was run: there is nothing to compare."]
    return [
        _headline(summary),
        _against_random(summary),
        *_stand_in(summary),
        *_seeds(summary),
        *_failed(summary["failures"]),
        *_uneven(summary),
    ]


def _headline(summary: Mapping[str, Any]) -> str:
    reference = summary["reference"]
    rows = {each["data"]: _row(each, reference) for each in summary["data_sets"]}
    reached = {data: row for data, row in rows.items() if row["share_of_random"] is not None}
    never = [data for data in rows if data not in reached]
    said = []
    if reached:
        shares = _shares(reached, of=len(rows))
        said.append(f"needs {shares} of the labels that random needs for its final accuracy")
    if never:
        on = f" on {listed(never)}" if len(rows) > 1 else ""
        said.append(f"does not reach random's final accuracy{on}")
    return f"On {_where(summary)}, {reference} {' and '.join(said)}; {_better(summary)}."


def _shares(rows: Mapping[str, Mapping[str, Any]], of: int) -> str:
    if len(rows) > NAMED:
        shares = sorted(row["share_of_random"] for row in rows.values())
        return f"{100 * shares[0]:.0f} to {100 * shares[-1]:.0f} %"
    found = []
    for data, row in rows.items():
        remarks = [data] if of > 1 else []
        if row["share_low"] is not None:
            remarks.append(f"range {share_range(row)}")
        remark = f" ({', '.join(remarks)})" if remarks else ""
        found.append(f"{whole_percent(row['share_of_random'])}{remark}")
    return listed(found)


def share_range(row: Mapping[str, Any]) -> str:
    """The range of a share of labels; its upper end may be never."""
    if row["share_high"] is None:
        return f"{whole_percent(row['share_low'])} to never"
    return f"{100 * row['share_low']:.0f} to {whole_percent(row['share_high'])}"


def _where(summary: Mapping[str, Any]) -> str:
    found = summary["data_sets"]
    strategy = summary["reference"] or RANDOM
    counts = sorted({_row(each, strategy)["seeds_with_random"] for each in found})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{count(len(found), 'data set')} and {seeds} seed{'' if counts == [1] else 's'}"


def _better(summary: Mapping[str, Any]) -> str:
    several = len(summary["data_sets"]) > 1
    rows = [
        (row, f" ({each['data']})" if several else "")
        for each in summary["data_sets"]
        for row in each["strategies"]
        if _tested(row["against_reference"])
    ]
    better = [
        f"{row['strategy']}{on}"
        for row, on in rows
        if told(row["against_reference"]) and row["against_reference"]["difference"] > 0
    ]
    if not rows:
        return "whether another is better cannot be tested"
    if better:
        said = f"{listed(better)} {'is' if len(better) == 1 else 'are'} significantly better"
    else:
        said = "no other strategy is significantly better"
    return said + _untested(summary)


def _untested(summary: Mapping[str, Any]) -> str:
    """Where nothing was found better for want of a test."""
    found = [
        each["data"]
        for each in summary["data_sets"]
        if not any(_tested(row["against_reference"]) for row in each["strategies"])
    ]
    return f", which cannot be tested on {_named(found)}" if found else ""


def _against_random(summary: Mapping[str, Any]) -> str:
    """Grouped by what was found, so that many data sets make no long sentence."""
    groups: dict[str, list[str]] = defaultdict(list)
    for each in summary["data_sets"]:
        test = _row(each, summary["reference"])["against_random"]
        remark = each["data"]
        if not _tested(test):
            found = "cannot be tested against random's, for want of seeds that differ,"
        elif told(test):
            found = f"is significantly {'above' if test['difference'] > 0 else 'below'} random's"
            remark += f" ({signed_points(test['difference'])} points, {p_value(test['p_t_holm'])})"
        else:
            found = "cannot be told from random's"
            remark += f" ({p_value(test['p_t_holm'])}{_more_seeds(test)})"
        groups[found].append(remark)
    parts = [f"{found} on {_named(remarks)}" for found, remarks in groups.items()]
    return f"Its area under the learning curve, the mean accuracy, {listed(parts)}."


def _more_seeds(test: Mapping[str, Any]) -> str:
    seeds = needed(test)
    return "" if seeds == NOTHING else f", {seeds} seeds needed"


def _named(data_sets: Sequence[str]) -> str:
    return listed(data_sets) if len(data_sets) <= NAMED else count(len(data_sets), "data set")


def _stand_in(summary: Mapping[str, Any]) -> list[str]:
    if summary["reference_is_default"]:
        return []
    return [
        "The default strategy was not run on every data set. Others are compared with "
        f"{summary['reference']}, the best of these runs; chosen by the same runs, it looks better "
        "than it is."
    ]


def _seeds(summary: Mapping[str, Any]) -> list[str]:
    """Where the seeds are too few to tell, and how many would tell the closest rivals."""
    reference = summary["reference"]
    rivals = {each["data"]: _rivals(each) for each in summary["data_sets"]}
    unsure = [
        each["data"]
        for each in summary["data_sets"]
        if rivals[each["data"]] or _open(_row(each, reference)["against_random"])
    ]
    if not unsure:
        return _single(summary)
    if len(unsure) > NAMED:
        said = [
            f"On {count(len(unsure), 'data set')} the seeds are too few to tell {reference} from "
            "some others; the tables of tests say how many it takes."
        ]
    else:
        said = [_too_few(data, reference, rows) for data, rows in rivals.items() if rows]
        said.append(
            "So many seeds would find a true difference of the size observed 4 times out of 5."
        )
    return _single(summary) + said


def _rivals(data_set: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Who cannot be told from the reference, but random, with whose test it is said."""
    return [
        row
        for row in data_set["strategies"]
        if row["strategy"] != RANDOM and _open(row["against_reference"])
    ]


def _single(summary: Mapping[str, Any]) -> list[str]:
    found = summary["data_sets"]
    single = [
        each["data"] for each in found if _row(each, summary["reference"])["seeds_with_random"] == 1
    ]
    if not single:
        return []
    on = "" if len(single) == len(found) else f", as on {_named(single)},"
    return [f"One seed{on} says nothing about chance: use 10 or more, and 30 for a headline."]


def _too_few(data: str, reference: str, rows: Sequence[Mapping[str, Any]]) -> str:
    closest = sorted(rows, key=lambda row: -row["against_reference"]["difference"])[:2]
    seeds = max(row["against_reference"]["seeds"] for row in rows)
    parts = [f"{row['strategy']} ({needed(row['against_reference'])} needed)" for row in closest]
    if len(rows) > len(closest):
        parts.append(count(len(rows) - len(closest), "other"))
    return f"{count(seeds, 'seed')} on {data} cannot tell {reference} from {listed(parts)}."


def _failed(failures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not failures:
        return []
    arms = list(dict.fromkeys(each["strategy"] for each in failures))
    shown = [*arms[:NAMED], *([count(len(arms) - NAMED, "other")] if len(arms) > NAMED else [])]
    return [f"Runs of {listed(shown)} failed or did not end, and are left out."]


def _uneven(summary: Mapping[str, Any]) -> list[str]:
    arms = [row["seeds"] for each in summary["data_sets"] for row in each["strategies"]]
    if all(seeds == arms[0] for seeds in arms):
        return []
    return [
        "Not all have the same seeds: areas, accuracies and ranks are over the seeds that all of a "
        "data set's strategies share, two are compared over the seeds that both have.",
        *_apart(summary),
    ]


def _apart(summary: Mapping[str, Any]) -> list[str]:
    """Who has means over other seeds than the rest, as the tables mark them."""
    found = [
        f"{row['strategy']} on {each['data']}, {of_its_own(row)}"
        for each in summary["data_sets"]
        for row in each["strategies"]
        if row["own_seeds"] and each["shared_seeds"]
    ]
    if not found:
        return []
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    return [
        "Not comparable with the rest, nor ranked, are those with fewer than half of random's "
        f"seeds: {'; '.join([*found[:NAMED], *more])}."
    ]


def of_its_own(row: Mapping[str, Any]) -> str:
    """How many seeds the means of a strategy are over that does not share the others' seeds."""
    return f"over {count(len(row['seeds']), 'seed')} of its own"


def _tested(test: Mapping[str, Any] | None) -> bool:
    return test is not None and test["p_t_holm"] is not None


def _open(test: Mapping[str, Any] | None) -> bool:
    return _tested(test) and not told(test)


def _row(data_set: Mapping[str, Any], strategy: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        row for row in data_set["strategies"] if row["strategy"] == strategy
    )
    return found


def told(test: Mapping[str, Any] | None) -> bool:
    """Whether a difference is significant after Holm's adjustment of the t tests."""
    return test is not None and test["p_t_holm"] is not None and test["p_t_holm"] < SIGNIFICANT


def needed(test: Mapping[str, Any] | None) -> str:
    """How many seeds a test would need; of one that told a difference, nothing."""
    if test is None or not _open(test) or not test["effect"]:
        return NOTHING
    if test["seeds_needed"] is None:
        return f"more than {MOST_SEEDS:,}"
    return f"{test['seeds_needed']:,}"


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), parts[-1]])


def count(number: int, name: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number} {name}" + ("" if number == 1 else "s")


def p_value(p: float | None) -> str:
    """A p-value with three digits."""
    if p is None:
        return NOTHING
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash."""
    return NOTHING if value is None else f"{value:,.{digits}f}".replace("-", "−")


def signed_points(value: float | None) -> str:
    """A difference of shares in points."""
    return NOTHING if value is None else f"{100 * value:+.1f}".replace("-", "−")


def whole_percent(share: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return NOTHING if share is None else f"{100 * share:.0f} %"


def plus_minus(value: float | None, half: float | None) -> str:
    """A share in per cent with half its interval."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f}" + ("" if half is None else f" ± {100 * half:.1f}")
