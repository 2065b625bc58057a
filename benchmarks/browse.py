"""The gallery at 100,000 photos, on SQLite.

`python benchmarks/browse.py [--photos N] [--queries Q]` prints one JSON object: for each filter the
95th percentile in milliseconds of a page and of the first page with its count, through the whole
request, by the clock and of the processor; that of the query alone, beside a naive OFFSET at the
same depth; what bringing the gallery up to date takes; how long photos like one take to find.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, select, tuple_

from al_fashion.models.cache import FeatureCache
from al_fashion.store.database import reading, writing
from al_fashion.store.gallery import Filter, _matching
from al_fashion.store.gallery_rows import refresh_gallery
from al_fashion.store.labellers import labeller
from al_fashion.store.rounds import record_round
from al_fashion.store.schema import Answer, Image, Prediction, Suspect
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace
from webui import create_app

LABELS = tuple(f"label {number}" for number in range(10))
DIMENSION = 2560
FILTERS: dict[str, dict[str, str]] = {
    "everything": {},
    "surest first": {"order": "certain"},
    "answered": {"answered": LABELS[0]},
    "predicted": {"predicted": LABELS[0]},
    "two labels": {"q": f"{LABELS[0]} {LABELS[1]}"},
    "asked": {"state": "asked"},
    "disputed": {"state": "disputed"},
    "suspected": {"state": "suspected"},
    "predicted and disputed": {"predicted": LABELS[0], "state": "disputed"},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=60, help="pages of each filter")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace, ids = fill(Path(folder) / "w", given.photos)
        first = timed(lambda: refresh_gallery(workspace.engine))
        app = create_app(workspace, "ann")
        found = {
            name: measure(app.test_client(), workspace, asked, given.queries)
            for name, asked in FILTERS.items()
        }
        print(
            json.dumps(
                {
                    "photos": given.photos,
                    "refresh_all_seconds": round(first / 1000, 2),
                    "refresh_nothing_ms": round(
                        timed(lambda: refresh_gallery(workspace.engine)), 2
                    ),
                    "filters": found,
                    "worst_p95_ms": worst(found, "p95_ms"),
                    "worst_cpu_p95_ms": worst(found, "cpu_p95_ms"),
                    "similar": similar(app.test_client(), workspace, ids),
                }
            )
        )


def worst(found: dict[str, dict[str, float]], name: str) -> float:
    return max(row[f"{page}_{name}"] for row in found.values() for page in ("page", "first_page"))


def fill(folder: Path, photos: int) -> tuple[Workspace, list[str]]:
    """Photos with predictions; a tenth answered by two people, some suspected, a batch waiting."""
    workspace = create_workspace(folder, LABELS, seed=0)
    rng = np.random.default_rng(0)
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(photos)]
    rows = [
        {"id": i, "width": 8, "height": 8, "mime": "image/png", "group": i, "split": "pool"}
        | {"position": place / photos}
        for place, i in enumerate(ids)
    ]
    answered = ids[: photos // 10]
    with writing(workspace.engine) as session:
        session.execute(insert(Image), rows)
        result = RoundResult(1, "random", 0, 200, None, 0.0)
        asked: Any = [(i, "train", None) for i in ids[-200:]]
        record_round(session, result, None, asked, {"features": "made-up"})
        session.execute(insert(Prediction), [prediction(i, rng) for i in ids])
        people = [labeller(session, name).id for name in ("ann", "bob")]
        session.execute(insert(Answer), [answer(i, who, rng) for i in answered for who in people])
        session.execute(
            insert(Suspect),
            [
                {"image_id": i, "suspicion": 0.9, "labels": [1], "created_ms": 1_000}
                for i in answered[::20]
            ],
        )
    return workspace, ids


def prediction(image_id: str, rng: np.random.Generator) -> dict[str, Any]:
    chosen = sorted({int(label) for label in rng.integers(1, 11, 2)})
    doubt = float(rng.random())
    row = {"image_id": image_id, "round_id": 1, "top": chosen[0], "labels": chosen}
    return {**row, "probability": 1 - doubt / 2, "uncertainty": doubt}


def answer(image_id: str, who: int, rng: np.random.Generator) -> dict[str, Any]:
    # Nine in ten photos get the same answer from everyone.
    shared = int(image_id[:6], 16) % 10 + 1
    label = shared if rng.random() < 0.95 else int(rng.integers(1, 11))
    row = {"image_id": image_id, "labeller_id": who, "kind": "labels", "labels": [label]}
    return {**row, "client_id": image_id, "created_ms": 500, "labels_shown": 10}


def measure(client: Any, workspace: Workspace, asked: dict[str, str], n: int) -> dict[str, float]:
    """Pages at depths spread over the filter's photos, by keyset as served and by OFFSET."""
    places, count = keys(workspace, asked, n)
    pages = [both(lambda after=after: get(client, asked | {"after": after})) for after in places]
    firsts = [both(lambda: get(client, asked)) for _ in range(n)]
    depths = np.linspace(0, max(count - 60, 0), n).astype(int)
    keyset = [timed(lambda a=a: page_only(workspace, asked, after=a)) for a in places]
    naive = [timed(lambda d=d: page_only(workspace, asked, offset=int(d))) for d in depths]
    return {
        "count": count,
        "page_p95_ms": p95([wall for wall, _ in pages]),
        "first_page_p95_ms": p95([wall for wall, _ in firsts]),
        "page_cpu_p95_ms": p95([cpu for _, cpu in pages]),
        "first_page_cpu_p95_ms": p95([cpu for _, cpu in firsts]),
        "keyset_query_p95_ms": p95(keyset),
        "offset_query_p95_ms": p95(naive),
        "offset_over_keyset": round(p95(naive) / max(p95(keyset), 1e-3), 1),
    }


def wanted_of(asked: dict[str, str]) -> Filter:
    words = asked.get("q", "")
    named = tuple(name for name in LABELS if name in words)
    rest: Any = {name: value for name, value in asked.items() if name != "q"}
    return Filter(labels=named, **rest)


def statement_of(session: Any, asked: dict[str, str], after: bool = False) -> tuple[Any, Any]:
    wanted = wanted_of(asked)
    table, conditions = _matching(session, wanted)
    if wanted.order == "certain" and not after:
        conditions = [*conditions, table.uncertainty >= 0]
    order = [table.uncertainty, table.image_id]
    if wanted.order == "uncertain":
        order = [column.desc() for column in order]
    return table, select(table.uncertainty, table.image_id).where(*conditions).order_by(*order)


def keys(workspace: Workspace, asked: dict[str, str], n: int) -> tuple[list[str], int]:
    with reading(workspace.engine) as session:
        _, statement = statement_of(session, asked)
        rows = session.execute(statement).all()
    spread = np.linspace(0, max(len(rows) - 61, 0), n).astype(int)
    return [f"{rows[place][0]!r}~{rows[place][1]}" for place in spread], len(rows)


def page_only(
    workspace: Workspace, asked: dict[str, str], after: str | None = None, offset: int = 0
) -> None:
    """The query of a page alone, the one way or the other."""
    with reading(workspace.engine) as session:
        table, statement = statement_of(session, asked, after is not None)
        if after is None:
            session.execute(statement.limit(61).offset(offset)).all()
            return
        uncertainty, image_id = after.split("~")
        place, key = tuple_(table.uncertainty, table.image_id), (float(uncertainty), image_id)
        behind = place > key if asked.get("order") == "certain" else place < key
        session.execute(statement.where(behind).limit(61)).all()


def get(client: Any, asked: dict[str, str]) -> None:
    answer_ = client.get("/api/browse", query_string=asked)
    assert answer_.status_code == 200, answer_.text


def similar(client: Any, workspace: Workspace, ids: list[str]) -> dict[str, float]:
    """Photos like one, features in clusters: the first search, which makes the index; others."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, DIMENSION)).astype(np.float32)
    cache = FeatureCache(workspace.features / "made-up", DIMENSION)
    for start in range(0, len(ids), 5_000):
        part = ids[start : start + 5_000]
        noise = rng.normal(size=(len(part), DIMENSION)).astype(np.float32)
        cache.append(part, centres[rng.integers(0, 50, len(part))] + 0.5 * noise)

    def search(image_id: str) -> None:
        found = client.get("/api/browse/similar", query_string={"image_id": image_id})
        assert found.status_code == 200 and len(found.json["photos"]) > 50

    first = timed(lambda: search(ids[0]))
    times = [timed(lambda i=i: search(i)) for i in ids[1 : len(ids) : max(1, len(ids) // 40)]]
    return {"first_seconds": round(first / 1000, 2), "p95_ms": p95(times)}


def timed(run: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def both(run: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock and of this process, which a busy machine does not stretch."""
    began = time.process_time()
    wall = timed(run)
    return wall, 1000 * (time.process_time() - began)


def p95(times: list[float]) -> float:
    return round(float(np.percentile(times, 95)), 1)


if __name__ == "__main__":
    main()
