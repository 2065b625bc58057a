"""Seconds until `strategies` is imported, beside the libraries with the same strategies.

Prints one JSON object: `ours`, `skactiveml` and `modAL`, the median of nine fresh interpreters
each, taking turns, and `ratio`, the quicker peer's seconds over ours.

    python benchmarks/imports.py
"""

import json
import subprocess
import sys
from statistics import median

MODULES = {
    "ours": "strategies",
    "skactiveml": "skactiveml.pool",
    "modAL": "modAL.uncertainty, modAL.batch, modAL.density, modAL.disagreement, modAL.multilabel",
}
ROUNDS = 9


def seconds(modules: str) -> float:
    """In an interpreter of its own, whose start is not counted."""
    code = f"import time; s = time.perf_counter(); import {modules}; print(time.perf_counter() - s)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    found: dict[str, list[float]] = {name: [] for name in MODULES}
    for _ in range(ROUNDS):
        for name, modules in MODULES.items():
            found[name].append(seconds(modules))
    medians = {name: round(median(times), 3) for name, times in found.items()}
    peers = min(medians["skactiveml"], medians["modAL"])
    print(json.dumps({**medians, "ratio": round(peers / medians["ours"], 1)}))


if __name__ == "__main__":
    main()
