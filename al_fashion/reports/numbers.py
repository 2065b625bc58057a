"""The report's numbers for other programs: everything as JSON, every round's as CSV."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from al_fashion.files import write_text

COLUMNS = ("round", "strategy", "labelled", "measure", "value", "low", "high", "confidence", "n")


def write_numbers(content: Mapping[str, Any], report: Path) -> None:
    """Write a report's numbers beside it, as .json and .csv. Raises WorkspaceError."""
    text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False)
    write_text(report.with_suffix(".json"), text + "\n")
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    writer.writerows(line for row in content["rounds"] for line in _lines(row))
    write_text(report.with_suffix(".csv"), table.getvalue())


def _finite(value: Any) -> Any:
    """The same with None for what is no number: JSON has no word for it."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(done: Mapping[str, Any]) -> Iterator[list[Any]]:
    """One line a number of a round, with its interval."""
    evaluation = done["evaluation"]
    if evaluation is None:
        return
    intervals = {
        "exact_match": evaluation["exact_match"],
        "top1_in_set": evaluation["top1_in_set"],
        "headline, all looks": evaluation.get("all_looks"),
        **evaluation.get("measures", {}),
    }
    if evaluation.get("difference"):
        before = f"headline minus round {evaluation['difference']['before']}'s"
        intervals[before] = evaluation["difference"]["interval"]
    for row in evaluation["per_label"]:
        for name in ("precision", "recall"):
            intervals[f"{name} of {row['label']}"] = row.get(f"{name}_interval")
    numbers = ("value", "low", "high", "confidence", "n")
    for name, interval in intervals.items():
        if interval is not None:
            values = [interval[key] for key in numbers]
            yield [done["round"], done["strategy"], done["labelled"], name, *values]
