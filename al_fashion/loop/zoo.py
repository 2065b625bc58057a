"""Training the study's models on folds of a workspace's labelled photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from al_fashion.errors import WeightsError
from al_fashion.loop.zoo_data import Fold, LabelledPhotos, halves, holdout, labelled_photos
from al_fashion.loop.zoo_features import (
    ZooFold,
    copy_reader,
    fold_rows,
    with_copies,
    zoo_features,
)
from al_fashion.models.augment import TARGET, save_contact_sheet
from al_fashion.models.planned import PlannedBackbone, plan_backbone
from al_fashion.models.training import Training, train_zoo_model
from al_fashion.models.weight_files import network_of
from al_fashion.models.zoo import EPOCHS, RUNS, SMALLEST_SIZE, Base, ZooModel, base_settings
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class ZooOptions:
    """How the models are trained; the defaults are the study's.

    `weights` are files of VGG16's or ResNet50's weights, told apart by what is in them;
    `input_size` is in pixels, 0 for the workspace's own, made no smaller than 96; `per_class` is
    what augmentation fills every class up to; `epochs` are run twice.
    """

    weights: Sequence[Path] = ()
    verify_weights: bool = True
    input_size: int = 0
    per_class: int = TARGET
    epochs: int = EPOCHS
    progress: bool = False


@dataclass(frozen=True)
class Zoo:
    """One workspace's labelled photos and how models are trained on them."""

    workspace: Workspace
    photos: LabelledPhotos
    options: ZooOptions

    @classmethod
    def of(cls, workspace: Workspace, options: ZooOptions) -> "Zoo":
        """Raises ModelError where there are too few labelled photos."""
        return cls(workspace, labelled_photos(workspace), options)

    @property
    def size(self) -> int:
        """Pixels a side that the bases see."""
        size = self.options.input_size or self.workspace.config.input_size
        return max(size, SMALLEST_SIZE)

    @cached_property
    def weights(self) -> dict[str, Path]:
        """The files of weights that were given, by network. Raises WeightsError."""
        found: dict[str, Path] = {}
        for path in self.options.weights:
            network = network_of(path)
            if network in found:
                raise WeightsError(
                    f"{found[network]} and {path} both hold {network}'s weights. Give one of them."
                )
            found[network] = path
        return found

    def folds(self, model: ZooModel | None) -> list[Fold]:
        """The study's split of a model: two halves in turn, or all but the held-out photos."""
        return self.halves(0) if model and model.halves else [holdout(self.photos)]

    def halves(self, number: int) -> list[Fold]:
        """One of many ways to halve the photos."""
        return halves(self.photos, np.random.default_rng([self.photos.seed, number]))

    def planned(self, base: Base) -> PlannedBackbone:
        """What feeds a model. Raises WeightsError."""
        settings, weights = base_settings(base, self.size), self.weights.get(base)
        return plan_backbone(
            settings,
            weights,
            verify=self.options.verify_weights,
            engine=self.workspace.config.engine,
        )

    def filled(self, folds: Sequence[Fold]) -> list[ZooFold]:
        """The folds with copies of their training photos."""
        return with_copies(self.photos, folds, self.options.per_class)

    def trainings(
        self, model: ZooModel, planned: PlannedBackbone, folds: Sequence[Fold]
    ) -> list[Training]:
        """A network trained on every fold. Raises WeightsError and MissingPhotos."""
        filled, progress = self.filled(folds), self.options.progress
        sets = [fold.train for fold in filled]
        table = zoo_features(
            self.workspace, self.photos, planned, self.photos.ids, sets, progress=progress
        )
        epochs = RUNS * self.options.epochs
        total = epochs * len(filled)
        with tqdm(total=total, desc=model.title, unit="epoch", disable=not progress) as bar:
            return [
                train_zoo_model(
                    model,
                    *fold_rows(table, self.photos, fold),
                    len(self.photos.names),
                    np.random.default_rng([self.photos.seed, number]),
                    epochs=epochs,
                    after_epoch=bar.update,
                )
                for number, fold in enumerate(filled)
            ]

    def save_contact_sheet(self, path: Path) -> bool:
        """A picture of training photos and their altered copies; False, and none, without copies.

        Raises WorkspaceError.
        """
        (fold,) = self.filled(self.folds(None))
        if not fold.train.numbers.any():
            path.unlink(missing_ok=True)
            return False
        reader = copy_reader(self.photos, self.size, [fold.train])
        save_contact_sheet(path, fold.train, reader)
        return True
