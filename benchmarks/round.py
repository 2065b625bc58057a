"""A round over 60,000 photos with cached features, beside a bare modAL loop on the same arrays.

Prints one JSON object: `ours` (seconds of a whole round: answers and features read from disk,
training, evaluation, selection, queue), `modal` (seconds of `ActiveLearner` with scikit-learn's
logistic regression and margin sampling, arrays already in memory), their `ratio`, and
`open_seconds` to have all rows as one array on disk, `copy_seconds` as one in memory.

    python benchmarks/round.py [--photos 60000] [--labelled 1000] [--strategy usdm]
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from modAL.models import ActiveLearner
from modAL.uncertainty import margin_sampling
from sklearn.linear_model import LogisticRegression
from sqlalchemy import insert

import al_fashion.loop.rounds
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.models.cache import FeatureCache
from al_fashion.store.database import writing
from al_fashion.store.labellers import labeller
from al_fashion.store.schema import Answer, Image
from al_fashion.workspace import Workspace, create_workspace

CLASSES, DIMENSION, BATCH = 10, 2560, 50
KEY = "synthetic"


def make_features(rng: np.random.Generator, kind: np.ndarray) -> np.ndarray:
    """Overlapping classes, like features of real photos."""
    centres = rng.normal(size=(CLASSES, DIMENSION)) * 0.12
    return (rng.normal(size=(len(kind), DIMENSION)) + centres[kind]).astype(np.float32)


def make_workspace(folder: Path, photos: int, labelled: int) -> tuple[Workspace, np.ndarray]:
    """`photos` with features, a fifth held out; the held-out ones and `labelled` answered."""
    rng = np.random.default_rng(0)
    names = [f"label {number}" for number in range(CLASSES)]
    workspace = create_workspace(folder, names, exclusive=True, seed=0)
    kind = rng.integers(0, CLASSES, photos)
    ids = [f"{number:064x}" for number in range(photos)]
    cache = FeatureCache(workspace.features / KEY, DIMENSION)
    for start in range(0, photos, 5000):
        cache.append(ids[start : start + 5000], make_features(rng, kind[start : start + 5000]))
    split = np.where(np.arange(photos) % 5 == 0, "heldout", "pool")
    answered = [*np.flatnonzero(split == "heldout"), *np.flatnonzero(split == "pool")[:labelled]]
    with writing(workspace.engine) as session:
        session.execute(insert(Image), [_image(ids[row], str(split[row])) for row in range(photos)])
        who = labeller(session, "import", "import")
        session.flush()
        session.execute(
            insert(Answer), [_answer(ids[row], int(kind[row]), who.id) for row in answered]
        )
    return workspace, kind


def _image(image_id: str, split: str) -> dict[str, Any]:
    return {
        "id": image_id,
        "width": 28,
        "height": 28,
        "mime": "image/png",
        "group": image_id,
        "split": split,
        "position": int(image_id, 16) * 0.6180339887 % 1,
    }


def _answer(image_id: str, kind: int, labeller_id: int) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "labeller_id": labeller_id,
        "kind": "labels",
        "labels": [kind + 1],
        "client_id": image_id,
        "created_ms": 0,
    }


def modal_seconds(features: np.ndarray, kind: np.ndarray, labelled: int) -> float:
    """Train on the labelled, score the held-out, select a batch from the rest."""
    heldout = np.arange(len(kind)) % 5 == 0
    pool = np.flatnonzero(~heldout)
    started = time.perf_counter()
    learner = ActiveLearner(
        LogisticRegression(max_iter=1000),
        query_strategy=margin_sampling,
        X_training=features[pool[:labelled]],
        y_training=kind[pool[:labelled]],
    )
    learner.score(features[heldout], kind[heldout])
    learner.query(features[pool[labelled:]], n_instances=BATCH)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=60_000)
    parser.add_argument("--labelled", type=int, default=1000)
    parser.add_argument("--strategy", default="usdm")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("making the workspace …", file=sys.stderr)
        workspace, kind = make_workspace(Path(folder) / "w", given.photos, given.labelled)
        started = time.perf_counter()
        table = FeatureCache(workspace.features / KEY, DIMENSION).open()
        open_seconds = time.perf_counter() - started
        features = np.array(table.features)
        copy_seconds = time.perf_counter() - started
        # The photos themselves do not exist: everything after the backbone is measured.
        al_fashion.loop.rounds.features_of = lambda *_: (
            FeatureCache(workspace.features / KEY, DIMENSION).open(),
            KEY,
        )
        result = run_round(
            workspace, RoundOptions(strategy=given.strategy, batch=BATCH, evaluated=0)
        )
        peer = modal_seconds(features, kind, given.labelled)
    print(
        json.dumps(
            {
                "photos": given.photos,
                "labelled": result.labelled,
                "heldout": result.accuracy["n"] if result.accuracy else 0,
                "dimension": DIMENSION,
                "strategy": given.strategy,
                "ours": round(result.seconds, 2),
                "modal": round(peer, 2),
                "ratio": round(peer / result.seconds, 2),
                "open_seconds": round(open_seconds, 3),
                "copy_seconds": round(copy_seconds, 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
