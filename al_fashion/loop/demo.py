"""The demonstration: Fashion-MNIST, an oracle that knows the labels, two strategies."""

from pathlib import Path

from al_fashion.data.fashion_mnist import CLASSES
from al_fashion.data.importing import import_photos
from al_fashion.errors import WorkspaceError
from al_fashion.files import write_text
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.rounds import RoundOptions, run_round
from al_fashion.loop.simulate import answer_as_oracle, known_labels, simulate
from al_fashion.types import RoundResult
from al_fashion.workspace import Workspace, create_workspace

PHOTOS = 3000
BATCH = 50
ROUNDS = 7
_MARK = ".demo"


def run_demo(
    folder: Path, seed: int, options: FeatureOptions
) -> tuple[Workspace, dict[str, list[RoundResult]]]:
    """The rounds of `random` and `usdm` from one seed set; usdm's are left in the workspace.

    Raises WorkspaceError where `folder` is somebody's own workspace.
    """
    _clear(folder)
    # The mark first: a demonstration that was killed can be started again.
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / _MARK, "Made by `al-fashion demo`, which may replace it.\n")
    workspace = create_workspace(folder, CLASSES, exclusive=True, seed=seed)
    import_photos(
        workspace, "fashion-mnist", labels_as="truth", limit=PHOTOS, progress=options.progress
    )
    rounds = RoundOptions(strategy="usdm", batch=BATCH, evaluated=0, features=options)
    run_round(workspace, rounds)
    first = answer_as_oracle(workspace)
    usdm: list[RoundResult] = []
    while len(usdm) < ROUNDS:
        if usdm:
            answer_as_oracle(workspace)
        usdm.append(run_round(workspace, rounds))
    known = known_labels(workspace, options)
    random = simulate(known, "random", first, batch=BATCH, rounds=ROUNDS)
    return workspace, {"random": [row.result for row in random], "usdm": usdm}


def _clear(folder: Path) -> None:
    """Remove an earlier demonstration's rounds; its features stay, they are the same."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / _MARK).exists():
        raise WorkspaceError(
            f"{folder} is not a demonstration's folder. Name another one with -w DIR."
        )
    for path in (*folder.glob("al_fashion.*"), *folder.glob("models/*.npz")):
        path.unlink()
