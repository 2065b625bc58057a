"""The report's numbers for other programs: everything as JSON, every round's as CSV."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from al_fashion.files import write_text
from al_fashion.reports.status import workspace_status
from al_fashion.store.database import reading
from al_fashion.store.rounds import rounds
from al_fashion.store.schema import Round
from al_fashion.workspace import Workspace

COLUMNS = ("round", "strategy", "labelled", "measure", "value", "low", "high", "confidence", "n")


def write_numbers(workspace: Workspace, report: Path) -> None:
    """Write the numbers beside a report, with the endings .json and .csv. Raises WorkspaceError."""
    with reading(workspace.engine) as session:
        done = rounds(session)
    everything = {
        "status": workspace_status(workspace),
        "rounds": [
            {
                "round": row.id,
                "strategy": row.strategy,
                "labelled": row.labelled,
                "queued": row.queued,
                "seconds": row.seconds,
                "evaluation": row.evaluation,
            }
            for row in done
        ],
    }
    write_text(report.with_suffix(".json"), json.dumps(everything, ensure_ascii=False) + "\n")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(line for row in done for line in _lines(row))
    write_text(report.with_suffix(".csv"), text.getvalue())


def _lines(done: Round) -> list[list[Any]]:
    """One line a number of a round, with its interval."""
    if done.evaluation is None:
        return []
    intervals = {
        "exact_match": done.evaluation["exact_match"],
        "top1_in_set": done.evaluation["top1_in_set"],
        **done.evaluation.get("measures", {}),
    }
    for row in done.evaluation["per_label"]:
        for name in ("precision", "recall"):
            intervals[f"{name} of {row['label']}"] = row.get(f"{name}_interval")
    numbers = ("value", "low", "high", "confidence", "n")
    return [
        [done.id, done.strategy, done.labelled, name, *(interval[key] for key in numbers)]
        for name, interval in intervals.items()
        if interval is not None
    ]
