"""Time and memory of every sampling strategy, beside the peers that implement the same.

Prints one JSON object: `cases`, each with `strategy`, `n` photos, wall-clock `seconds`,
`cpu_seconds`, `warm_cpu_seconds`, `peak_mib` of the whole process, and where scikit-activeml, modAL
or cleanlab has the same strategy `peer`, `peer_seconds`, `peer_peak_mib` and `ratio` (peer_seconds
/ seconds), with `peer_n` where the peer manages only fewer photos within 150 s and 8 GiB (its
seconds are compared with ours for as many). Each case runs in a process of its own, after a
selection from a small pool that imports what it needs.

Times are the quickest of up to three after a first, before each of which other memory is written
to, so that pools of all sizes come from memory, small ones not from the processor's cache; of
selections over five seconds the first counts. Those that take less than one are also timed one
right after the other (`warm_cpu_seconds`).

The pool: 512 made-up features like those of real photos (40 clusters of 32 dimensions, noise in
all), 10 classes, 1,000 labelled, a batch of 100, the probabilities of a logistic regression and of
a bootstrap committee of ten. Features are float32 in memory; from 500,000 photos on, and for
--scaling at every size, they are a float16 memory map.

    python benchmarks/selection.py [--n 60000] [--strategies a,b] [--no-peers]
    python benchmarks/selection.py --scaling docs/images/selection.svg
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from selection_peers import (
    BATCH,
    CLASSES,
    MEMBERS,
    PEERS,
    bootstrap_samples,
    made_up_votes,
    peer_selection,
)

import strategies

DIMENSION, LABELLED = 512, 1000
PEER_SECONDS, PEER_BYTES = 150, 8 * 2**30
FEWER = [10_000, 2_000]
REPEATS = 4
CACHE_BYTES = 2**30
"""More than a processor's cache holds."""
BIG = 500_000
LINES = ["-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1))]
SCALES = [10_000, 100_000, 1_000_000]


def make_pool(folder: Path, n: int, dtype: type) -> None:
    """Writes features of that dtype, classes, probabilities and members' of `n` photos."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    kind = rng.integers(40, size=n)
    classes = kind % CLASSES
    centres = 1.5 * rng.standard_normal((40, 32), dtype=np.float32)
    spread = rng.standard_normal((32, DIMENSION), dtype=np.float32) / np.sqrt(32)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", dtype, (n, DIMENSION))
    proba, members = np.empty((n, CLASSES)), np.empty((MEMBERS, n, CLASSES))
    models = [LogisticRegression(max_iter=200) for _ in range(MEMBERS + 1)]
    samples = [np.arange(LABELLED), *bootstrap_samples(LABELLED)]
    for start in range(0, n, 20_000):
        part = slice(start, min(start + 20_000, n))
        size = part.stop - part.start
        inner = centres[kind[part]] + rng.standard_normal((size, 32), dtype=np.float32)
        noise = 0.3 * rng.standard_normal((size, DIMENSION), dtype=np.float32)
        features[part] = inner @ spread + noise
        block = features[part].astype(np.float32)
        if start == 0:
            for model, sample in zip(models, samples, strict=True):
                model.fit(block[sample], classes[sample])
        proba[part], *members[:, part] = (model.predict_proba(block) for model in models)
    features.flush()
    np.save(folder / "proba.npy", proba)
    np.save(folder / "members.npy", members)
    np.save(folder / "classes.npy", classes)


def read_pool(folder: Path, n: int | None) -> strategies.Pool:
    """The first n photos; the first LABELLED of them are labelled. Float16 stays on disk."""
    features = np.load(folder / "features.npy", mmap_mode="r")[:n]
    if features.dtype == np.float32:
        features = np.array(features)
    else:
        features.view(np.int16).max()  # so that no selection waits for the disk
    labelled, candidates = np.arange(LABELLED), np.arange(LABELLED, len(features))
    targets = np.eye(CLASSES)[np.load(folder / "classes.npy")[:LABELLED]]
    proba = np.load(folder / "proba.npy")[LABELLED : len(features)]
    members = np.load(folder / "members.npy", mmap_mode="r")[:, LABELLED : len(features)]
    return strategies.Pool(features, candidates, labelled, targets, proba, members=members)


def small(pool: strategies.Pool) -> strategies.Pool:
    """200 candidates of the pool."""
    return strategies.Pool(
        np.asarray(pool.features[: LABELLED + 200]),
        pool.candidates[:200],
        pool.labelled,
        pool.targets,
        pool.proba[:200],
        members=pool.members[:, :200],
    )


def our_selection(name: str, pool: strategies.Pool) -> Callable[[], Any]:
    if not strategies.needs_members(name):
        pool = strategies.Pool(**{**vars(pool), "members": None})
    if strategies.entry(name).multilabel_only:
        pool = strategies.Pool(**{**vars(pool), "multilabel": True})
    k = min(BATCH, strategies.entry(name).most or BATCH)
    given = {}
    if strategies.entry(name).reasks:
        votes, labelled_proba = made_up_votes(pool)
        one_hot = np.where(np.isnan(votes)[..., None], np.nan, votes[..., None] == range(CLASSES))
        given = {"votes": one_hot, "labelled_proba": labelled_proba}
    return lambda: strategies.get(name)(pool, k, rng=np.random.default_rng(0), **given)


def run_case(folder: Path, name: str, side: str, n: int | None) -> dict[str, float]:
    """In a process of its own: seconds of the quickest selection, and the most memory of the first.

    The first does not count where there are others.
    """
    if side == "peer":
        resource.setrlimit(resource.RLIMIT_AS, (PEER_BYTES, PEER_BYTES))
    pool = read_pool(folder, n)
    selection_of = our_selection if side == "ours" else peer_selection
    selection_of(name, small(pool))()
    select = selection_of(name, pool)
    runs = [timed(select)]
    peak = highest_mib()
    while len(runs) < REPEATS and sum(wall for wall, _ in runs) < 5:
        np.ones(CACHE_BYTES, dtype=np.int8)
        runs.append(timed(select))
    wall, cpu = (min(times) for times in zip(*runs[1:] or runs, strict=True))
    case = {"seconds": wall, "cpu_seconds": cpu, "peak_mib": peak}
    if wall < 1:
        case["warm_cpu_seconds"] = min(timed(select)[1] for _ in range(REPEATS))
    return case


def timed(select: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    started, worked = time.perf_counter(), time.process_time()
    select()
    return time.perf_counter() - started, time.process_time() - worked


def highest_mib() -> int:
    """The most memory this program held; Linux's ru_maxrss begins with what its parent held."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(held.split()[1]) // 1024


def in_process(
    folder: Path, name: str, side: str, n: int | None = None, limit: float | None = None
) -> dict[str, float] | None:
    """A case in a process of its own; None where it takes too long or too much memory."""
    command = [sys.executable, __file__, "--case", str(folder), name, side, str(n or 0)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        if side == "ours":
            raise RuntimeError(f"{name}: {done.stderr}")
        print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(folder: Path, name: str, n: int, peers: bool) -> dict[str, Any]:
    print(f"{name}, {n} photos …", file=sys.stderr)
    ours = in_process(folder, name, "ours")
    assert ours is not None
    case: dict[str, Any] = {"strategy": name, "n": n, **rounded(ours)}
    if not peers or name not in PEERS:
        return case
    case["peer"] = PEERS[name]
    for fewer in [n, *(size for size in FEWER if size < n)]:
        # Imports, reading and a small selection come on top of what is timed.
        peer = in_process(folder, name, "peer", fewer, PEER_SECONDS + 30)
        if peer is None or peer["seconds"] > PEER_SECONDS:
            continue
        if fewer < n:
            ours = in_process(folder, name, "ours", fewer) or ours
            case["peer_n"] = fewer
        case["peer_seconds"] = round(peer["seconds"], 4)
        case["peer_peak_mib"] = peer["peak_mib"]
        case["ratio"] = round(peer["seconds"] / ours["seconds"], 1)
        break
    return case


def rounded(case: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in case.items()}


def measure_all(n: int, names: list[str], peers: bool, dtype: type) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        print(f"making {n} photos …", file=sys.stderr)
        make_pool(Path(folder), n, dtype)
        return [measure(Path(folder), name, n, peers) for name in names]


def plot_scaling(cases: list[dict[str, Any]], path: Path) -> None:
    """Processor time against photos, and how many times as much as linear cost from the fewest."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, (time_axes, growth_axes) = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
    for number, name in enumerate(dict.fromkeys(case["strategy"] for case in cases)):
        own = [case for case in cases if case["strategy"] == name]
        photos = np.array([case["n"] for case in own])
        seconds = np.array([case["cpu_seconds"] for case in own])
        style = {"linestyle": LINES[number // 10 % len(LINES)], "marker": "."}
        time_axes.loglog(photos, seconds, label=name, **style)
        growth_axes.loglog(photos, seconds / seconds[0] * photos[0] / photos, **style)
    time_axes.loglog(SCALES, [n / 1e5 for n in SCALES], color="0.8", linewidth=5, zorder=0)
    growth_axes.axhline(1.0, color="0.8", linewidth=5, zorder=0)
    time_axes.set(xlabel="photos", ylabel="seconds of processor time", title="A batch of 100")
    growth_axes.set(
        xlabel="photos",
        ylabel="seconds per photo, relative to 10,000 photos",
        title="Grey: linear cost",
    )
    figure.legend(fontsize=7, ncols=2, loc="outside right center")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60_000)
    parser.add_argument("--strategies", help="Names, comma-separated; by default all.")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--scaling", type=Path, help="Measure at 1e4, 1e5, 1e6 and plot here.")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        folder, name, side, n = given.case
        print(json.dumps(run_case(Path(folder), name, side, int(n) or None)))
        return
    names = given.strategies.split(",") if given.strategies else strategies.names()
    if given.scaling:
        cases = []
        for n in SCALES:
            cases += measure_all(n, names, peers=False, dtype=np.float16)
        plot_scaling(cases, given.scaling)
    else:
        dtype = np.float16 if given.n >= BIG else np.float32
        cases = measure_all(given.n, names, not given.no_peers, dtype)
    print(json.dumps({"cases": cases}))


if __name__ == "__main__":
    main()
