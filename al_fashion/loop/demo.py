"""The demonstration: Fashion-MNIST, an oracle that knows the labels, two strategies."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from al_fashion.data.fashion_mnist import CLASSES
from al_fashion.data.importing import import_photos
from al_fashion.errors import WorkspaceError
from al_fashion.files import write_text
from al_fashion.loop.features import FeatureOptions
from al_fashion.loop.round_plan import RoundOptions
from al_fashion.loop.rounds import run_round
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
    write_text(folder / _MARK, "Made by `al-fashion demo`, which may replace it.\n")
    workspace = create_workspace(folder, CLASSES, exclusive=True, seed=seed)
    import_photos(
        workspace, "fashion-mnist", labels_as="truth", limit=PHOTOS, progress=options.progress
    )
    rounds = RoundOptions(strategy="usdm", batch=BATCH, evaluated=0, features=options)
    run_round(workspace, rounds)
    first = answer_as_oracle(workspace)
    usdm: list[RoundResult] = []
    random: list[RoundResult] = []
    with tqdm(total=2 * ROUNDS, desc="rounds", unit="round", disable=not options.progress) as bar:
        for result in _rounds(workspace, rounds):
            usdm.append(result)
            bar.update()
        known = known_labels(workspace, options)
        for row in simulate(known, "random", first, batch=BATCH, rounds=ROUNDS):
            random.append(row.result)
            bar.update()
    return workspace, {"random": random, "usdm": usdm}


def _rounds(workspace: Workspace, options: RoundOptions) -> Iterator[RoundResult]:
    """The seed set is answered; the last batch is left queued."""
    for number in range(ROUNDS):
        if number:
            answer_as_oracle(workspace)
        yield run_round(workspace, options)


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
