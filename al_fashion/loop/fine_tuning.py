"""Fine-tuning of a workspace's backbone; the result is a weights file beside the old features."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from al_fashion.data.splits import assign_splits
from al_fashion.errors import ModelError
from al_fashion.files import check_writable, replacing
from al_fashion.loop.zoo import Zoo
from al_fashion.loop.zoo_data import Fold, LabelledPhotos, holdout
from al_fashion.loop.zoo_features import zoo_features
from al_fashion.loop.zoo_own import LOOP
from al_fashion.loop.zoo_results import Result, result_of
from al_fashion.models.augment import TrainingSet, fill_classes
from al_fashion.models.backbones import BackboneSettings, feature_layers
from al_fashion.models.fine_tuning import (
    BLOCK,
    INPUT_LAYER,
    RECIPE,
    Progress,
    TuningData,
    fine_tune,
)
from al_fashion.models.planned import plan_backbone
from al_fashion.models.weights import Weights, find_weights, weights_digest

VALIDATION_SHARE = 0.15
PATIENCE = 4


@dataclass(frozen=True)
class FineTuned:
    """The new weights, and the loop's default model on the held-out photos before and after."""

    weights: Path
    progress: Progress
    photos: int
    rows: int
    before: Result
    after: Result


def fine_tune_backbone(zoo: Zoo, folder: Path) -> FineTuned:
    """Fine-tune block 5 of VGG16 on the pool's labelled photos and save it in `folder`.

    `zoo.options.epochs` are the most that are run; training stops where the validation photos, a
    part of the training photos by group, gain no more. A killed one goes on where it was. Raises
    ModelError where the workspace's features do not come from VGG16's block 5, WeightsError,
    MissingPhotos, WorkspaceError.
    """
    _check_backbone(zoo)
    check_writable(folder)
    given = find_weights(zoo.weights.get("vgg16"), verify=zoo.options.verify_weights)
    fold = _validated(zoo.photos)
    rows = _training_set(zoo, fold)
    data = _tuning_data(zoo, fold, rows)
    checkpoint = folder / f".fine-tuning-{_size(zoo)}px.npz"
    options = zoo.options
    with tqdm(total=options.epochs, desc=BLOCK, unit="epoch", disable=not options.progress) as bar:
        tuned, progress = fine_tune(
            data,
            given.tensors,
            checkpoint,
            _identity(zoo, fold, rows, given),
            zoo.photos.seed,
            epochs=options.epochs,
            patience=PATIENCE,
            after_epoch=lambda done: _show(bar, done),
        )
    path = _save_weights(folder, {**given.tensors, **tuned})
    tuned_zoo = replace(zoo, options=replace(options, weights=[path], verify_weights=False))
    before, after = result_of(zoo, LOOP), result_of(tuned_zoo, LOOP)
    checkpoint.unlink(missing_ok=True)  # kept until here, so that a kill costs no training
    return FineTuned(path, progress, len(fold.train), len(rows.labels), before, after)


def _size(zoo: Zoo) -> int:
    return zoo.workspace.config.input_size


def _check_backbone(zoo: Zoo) -> None:
    config = zoo.workspace.config
    if config.backbone != "vgg16":
        raise ModelError(
            f"Cannot fine-tune {config.backbone}: only vgg16 can be. Make a workspace with "
            "`al-fashion init --backbone vgg16`."
        )
    layers = config.layers or feature_layers(config.input_size)
    if not any(layer.startswith(BLOCK) for layer in layers):
        raise ModelError(
            f"Cannot fine-tune {BLOCK}: the workspace's features of {config.input_size} px come "
            f"from {', '.join(layers)}. Use 96 px or more (`al-fashion init --input-size 96`)."
        )


def _validated(photos: LabelledPhotos) -> Fold:
    """The pool's photos without some whole groups, and these, to stop by."""
    pool = holdout(photos).train
    sizes = Counter(photos.groups_of(pool))
    rng = np.random.default_rng([photos.seed, 0])
    splits = assign_splits(sizes, {}, VALIDATION_SHARE, 0.0, rng)
    apart = np.array([splits[group] == "heldout" for group in photos.groups_of(pool)])
    if not apart.any() or apart.all():
        raise ModelError(
            f"Cannot fine-tune: {len(pool)} labelled photos in {len(sizes)} groups leave none to "
            "stop by. Answer more photos."
        )
    return Fold(pool[~apart], pool[apart])


def _training_set(zoo: Zoo, fold: Fold) -> TrainingSet:
    photos = zoo.photos
    return fill_classes(
        photos.ids_of(fold.train),
        photos.labels[fold.train],
        np.random.default_rng(photos.seed),
        target=zoo.options.per_class,
        evaluated=photos.ids_of(np.concatenate([fold.test, np.flatnonzero(photos.heldout)])),
    )


def _tuning_data(zoo: Zoo, fold: Fold, rows: TrainingSet) -> TuningData:
    photos, options = zoo.photos, zoo.options
    planned = plan_backbone(
        BackboneSettings("vgg16", _size(zoo), (INPUT_LAYER,), "flat"),
        zoo.weights.get("vgg16"),
        verify=options.verify_weights,
        engine=zoo.workspace.config.engine,
    )
    tested = photos.ids_of(fold.test)
    ids = [*photos.ids_of(fold.train), *tested]
    table = zoo_features(zoo.workspace, photos, planned, ids, [rows], progress=options.progress)
    train, validation = table.rows(rows.keys), table.rows(tested)
    labels = np.zeros(len(table.ids), dtype=np.int64)
    labels[train], labels[validation] = rows.labels, photos.labels[fold.test]
    return TuningData(table.features, labels, train, validation, len(photos.names))


def _identity(zoo: Zoo, fold: Fold, rows: TrainingSet, weights: Weights) -> str:
    """What a checkpoint must have been made with to be taken up again."""
    parts = [
        RECIPE,
        weights.digest,
        _size(zoo),
        zoo.photos.seed,
        zoo.photos.names,
        list(zip(rows.keys, rows.labels.tolist(), strict=True)),
        list(zip(zoo.photos.ids_of(fold.test), zoo.photos.labels[fold.test].tolist(), strict=True)),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _show(bar: tqdm, done: Progress) -> None:
    """Epochs of an earlier run count as done, not as time spent."""
    loss, accuracy = done.history[-1]
    if bar.n == 0:
        bar.n = bar.initial = done.epochs - 1
    bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.3f}", refresh=False)
    bar.update(done.epochs - bar.n)


def _save_weights(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> Path:
    path = folder / f"vgg16-{weights_digest(tensors)}.npz"
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **tensors)
    return path
