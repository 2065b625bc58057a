"""Workspaces for tests: real folders and databases, features that need no network."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from al_fashion.config import Config
from al_fashion.models.cache import FeatureCache, FeatureTable
from al_fashion.store.answers import add_answer
from al_fashion.store.database import writing
from al_fashion.store.labellers import labeller
from al_fashion.store.rounds import record_round
from al_fashion.store.schema import File, Image, Truth
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace

LABELS = ("dress", "pullover", "shirt")


@dataclass
class Known:
    """A workspace and what is right about its photos, by image id."""

    workspace: Workspace
    truth: dict[str, int]
    table: FeatureTable


def make_workspace(
    folder: Path,
    n: int = 300,
    *,
    seed: int = 0,
    groups: int | None = None,
    separation: float = 2.0,
) -> Known:
    """An exclusive workspace of n photos with separable features, held-out ones answered."""
    workspace = create_workspace(folder, LABELS, exclusive=True, seed=seed)
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    features = (rng.normal(size=(n, 16)) + separation * np.eye(3, 16)[kind]).astype(np.float32)
    ids = sorted(hashlib.sha256(f"{seed}/{row}".encode()).hexdigest() for row in range(n))
    cache = FeatureCache(workspace.features / "made-up", 16)
    cache.append(ids, features)
    with writing(workspace.engine) as session:
        for row, image_id in enumerate(ids):
            split = "heldout" if row % 5 == 0 else "audit" if row % 10 == 1 else "pool"
            group = image_id if groups is None else f"sender {row % groups}"
            session.add(
                Image(
                    id=image_id,
                    width=8,
                    height=8,
                    mime="image/png",
                    group=group,
                    split=split,
                    position=float(rng.random()),
                )
            )
            session.add(
                File(
                    path=f"/photos/{row}.png",
                    name=f"{row}.png",
                    size=1,
                    modified_ns=0,
                    image_id=image_id,
                    width=8,
                    height=8,
                    mime="image/png",
                )
            )
        session.flush()
        who = labeller(session, "import", "import")
        for row, image_id in enumerate(ids):
            if row % 5 == 0:
                add_answer(
                    session,
                    image_id=image_id,
                    query_id=None,
                    labeller=who,
                    kind="labels",
                    label_names=[LABELS[kind[row]]],
                    client_id=image_id,
                )
            else:
                session.add(Truth(image_id=image_id, labels=[int(kind[row]) + 1]))
    return Known(workspace, dict(zip(ids, map(int, kind), strict=True)), cache.open())


def use_features(monkeypatch: pytest.MonkeyPatch, known: Known) -> None:
    """Let rounds and simulations work on the made-up features."""
    for module in ("rounds", "simulate", "audit", "monitor", "leaks", "suspects"):
        monkeypatch.setattr(
            f"al_fashion.loop.{module}.features_of", lambda *_: (known.table, "made-up")
        )


def queue_of(
    folder: Path, database: str, photos: int, *, overlap: int = 1, exclusive: bool = False
) -> Workspace:
    """A workspace with `photos` queries in its queue; there are no files behind them."""
    config = Config(database=database)
    workspace = create_workspace(folder, LABELS, exclusive=exclusive, seed=0, config=config)
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(photos)]
    with writing(workspace.engine) as session:
        session.add_all(
            Image(
                id=image_id,
                width=8,
                height=8,
                mime="image/png",
                group=image_id,
                split="pool",
                position=place / photos,
            )
            for place, image_id in enumerate(ids)
        )
        session.flush()
        result = RoundResult(1, "random", 0, photos, None, 0.0)
        asked = [(image_id, "train", None) for image_id in ids]
        record_round(session, result, None, asked, {}, overlap)  # type: ignore[arg-type]
    return workspace
