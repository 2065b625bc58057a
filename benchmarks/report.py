"""How long a report takes and how large it is: `python benchmarks/report.py [--photos 10000]`.

Makes JPEG files, imports them (a fifth held out and answered), gives them made-up features of 2,560
dimensions, lets three people who err now and then answer `--labelled` photos in five rounds, and
writes the report. Prints one JSON object: `seconds` of `write_report`, imports of libraries left
out, `command_seconds` of `al-fashion report` as typed, `processor_seconds` of that (a busy machine
lengthens the clock's), `bytes` of the HTML file, and the clock's and the size's share of what is
allowed: 10 s and 5 MB.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from sqlalchemy import insert, select

import al_fashion.loop.rounds
from al_fashion.data.importing import import_photos
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
from al_fashion.models.cache import FeatureCache
from al_fashion.reports.html import write_report
from al_fashion.store.answers import close_answered
from al_fashion.store.database import now_ms, reading, writing
from al_fashion.store.labellers import labeller
from al_fashion.store.photos import truths
from al_fashion.store.queue import open_images
from al_fashion.store.schema import Answer, Image
from al_fashion.workspace import Workspace, create_workspace

CLASSES, DIMENSION, ROUNDS = 10, 2560, 5
KEY = "made-up"
PEOPLE = {"ann": 0.02, "bob": 0.05, "cho": 0.2}
SECONDS, BYTES = 10, 5_000_000


def save_photos(folder: Path, photos: int, rng: np.random.Generator) -> Path:
    """Photos as varied as real ones, by a CSV manifest with labels."""
    folder.mkdir()
    kind = rng.integers(0, CLASSES, photos)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "labels"])
        for number in range(photos):
            coarse = Pillow.fromarray(rng.integers(0, 256, (16, 12, 3), dtype=np.uint8))
            fine = rng.normal(scale=8, size=(256, 192, 3))
            pixels = np.asarray(coarse.resize((192, 256))) + fine
            photo = Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            photo.save(folder / f"{number}.jpg", quality=85)
            writer.writerow([f"{number}.jpg", f"label {kind[number]}"])
    return folder / "labels.csv"


def make_features(workspace: Workspace, rng: np.random.Generator) -> None:
    """Overlapping classes, like features of real photos."""
    centres = rng.normal(size=(CLASSES + 1, DIMENSION)) * 0.12
    with reading(workspace.engine) as session:
        ids = list(session.scalars(select(Image.id).order_by(Image.id)))
        known = truths(session, "pool") | truths(session, "audit")
        said = {
            image_id: labels
            for image_id, labels in session.execute(select(Answer.image_id, Answer.labels))
        }
    kind = np.array([(known | said)[image_id][0] for image_id in ids])
    features = rng.normal(size=(len(ids), DIMENSION)) + centres[kind]
    FeatureCache(workspace.features / KEY, DIMENSION).append(ids, features.astype(np.float32))


def answer_batch(workspace: Workspace, rng: np.random.Generator) -> None:
    """Everyone answers every open photo, four seconds each."""
    with writing(workspace.engine) as session:
        asked, known = open_images(session), truths(session, "pool")
        start = now_ms()
        for name, error in PEOPLE.items():
            who = labeller(session, name)
            session.flush()
            rows = [
                {
                    "image_id": image_id,
                    "labeller_id": who.id,
                    "kind": "labels",
                    "labels": (
                        known[image_id]
                        if rng.random() > error
                        else [int(rng.integers(1, CLASSES + 1))]
                    ),
                    "client_id": image_id,
                    "created_ms": start - 4000 * (len(asked) - place),
                }
                for place, image_id in enumerate(asked)
            ]
            session.execute(insert(Answer), rows)
        close_answered(session, asked)


def make_workspace(folder: Path, photos: int, labelled: int) -> Workspace:
    rng = np.random.default_rng(0)
    manifest = save_photos(folder / "photos", photos, rng)
    names = [f"label {number}" for number in range(CLASSES)]
    workspace = create_workspace(folder / "w", names, exclusive=True, seed=0)
    import_photos(workspace, str(manifest), labels_from="csv", labels_as="truth")
    make_features(workspace, rng)
    cache = FeatureCache(workspace.features / KEY, DIMENSION)
    al_fashion.loop.rounds.features_of = lambda *_: (cache.open(), KEY)
    for number in range(ROUNDS + 1):
        run_round(workspace, RoundOptions(batch=labelled // ROUNDS, evaluated=0))
        if number < ROUNDS:
            answer_batch(workspace, rng)
    return workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--labelled", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("making the workspace …", file=sys.stderr)
        workspace = make_workspace(Path(folder), given.photos, given.labelled)
        path = workspace.reports / "report.html"
        started = time.perf_counter()
        write_report(workspace, path)
        seconds = time.perf_counter() - started
        command = [sys.executable, "-m", "al_fashion", "-w", str(workspace.folder), "report"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        typed = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = path.stat().st_size
    print(
        json.dumps(
            {
                "photos": given.photos,
                "labelled": given.labelled,
                "seconds": round(seconds, 2),
                "command_seconds": round(typed, 2),
                "processor_seconds": round(used.ru_utime + used.ru_stime, 2),
                "bytes": size,
                "share_of_10_s": round(typed / SECONDS, 2),
                "share_of_5_mb": round(size / BYTES, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
