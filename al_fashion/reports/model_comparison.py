"""`models compare` from end to end: train, test, compare, save."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from al_fashion.files import check_writable, write_text
from al_fashion.loop.zoo import Zoo, ZooOptions
from al_fashion.loop.zoo_own import LOOP
from al_fashion.loop.zoo_pairs import compare_pair, paired_folds
from al_fashion.loop.zoo_results import result_of
from al_fashion.models.zoo import zoo_model, zoo_models
from al_fashion.reports.figure_4 import as_json, figure_4, pair_lines
from al_fashion.reports.model_plots import save_confusions, save_curves
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class Comparison:
    """What was found as text and as plain data, and the files that hold it."""

    text: str
    values: dict[str, Any]
    files: list[Path]


def compare_models(
    workspace: Workspace,
    options: ZooOptions,
    names: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Train and test models, all and the loop's own where none is named; save in the reports.

    Raises ModelError for unknown names or too few photos, WeightsError for files that are no
    weights, MissingPhotos, WorkspaceError where the reports cannot be written.
    """
    chosen = list(dict.fromkeys(names)) or [*(model.name for model in zoo_models()), LOOP]
    for name in chosen:
        if name != LOOP:
            zoo_model(name, also=[LOOP])
    zoo = Zoo.of(workspace, options)
    for pair in pairs:
        paired_folds(zoo, *pair)
    photos, folder = zoo.photos, workspace.reports
    check_writable(folder)
    sheet = folder / "augmentation.png"
    has_copies = zoo.save_contact_sheet(sheet)
    results = [result_of(zoo, name) for name in chosen]
    tested = [compare_pair(zoo, *pair) for pair in pairs]
    text = "\n".join(
        [
            _heading(photos.names, int((~photos.heldout).sum()), int(photos.heldout.sum())),
            *_left_out(photos.left_out),
            "",
            figure_4(results, options.epochs),
            *(["", *map(pair_lines, tested)] if tested else []),
        ]
    )
    values = as_json(photos, results, tested, options.epochs)
    table, data = folder / "models.md", folder / "models.json"
    write_text(table, text + "\n")
    write_text(data, json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    files = [
        table,
        data,
        *save_curves(folder, results),
        *save_confusions(folder, results, photos.names),
        *([sheet] if has_copies else []),
    ]
    return Comparison(text, {**values, "files": [str(path) for path in files]}, files)


def _heading(names: Sequence[str], train: int, test: int) -> str:
    return f"{len(names)} labels, {train} photos to train on, {test} held out to test with"


def _left_out(count: int) -> list[str]:
    return [f"{count} photos left out: they have several labels or none"] if count else []
