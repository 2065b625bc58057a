"""The newest round's model and the features it learned from, without a backbone or its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import FeatureCacheError, ModelError, WorkspaceError
from al_fashion.loop.predict import newest_model
from al_fashion.models.cache import FeatureCache, FeatureTable
from al_fashion.models.heads import Head
from al_fashion.models.predictors import saved_head
from al_fashion.models.saved import SavedModel, load_model
from al_fashion.stats.metrics import Predictions
from al_fashion.workspace import Workspace


@dataclass(frozen=True)
class Trained:
    """The model of `round`, saved in the file `name`, and the features there are of its kind."""

    round: int
    name: str
    saved: SavedModel
    head: Head
    table: FeatureTable

    def known(self, ids: Sequence[str]) -> list[str]:
        """Those of these photos that have features, in the same order."""
        there = set(self.table.ids)
        return [image_id for image_id in ids if image_id in there]

    def features(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """(len(ids), d) features. Raises MissingFeatures."""
        return np.asarray(self.table.features[self.table.rows(ids)])

    def predict(self, ids: Sequence[str], labels: int) -> Predictions:
        """What the model says of these photos; labels added since it was trained are unlikely."""
        features = self.features(ids)
        proba = np.zeros((len(ids), labels))
        chosen = np.zeros((len(ids), labels), dtype=bool)
        known = len(self.saved.labels)
        proba[:, :known], chosen[:, :known] = self.head.predictions(features)
        return Predictions(proba, chosen)


def newest_trained(workspace: Workspace) -> Trained | None:
    """None where there is no model yet, or its file or features cannot be read any more."""
    try:
        path = newest_model(workspace)
        saved = load_model(path)
        table = FeatureCache(workspace.features / saved.features).open()
        number = int(path.stem.partition("-")[2])
        return Trained(number, path.name, saved, saved_head(saved), table)
    except (WorkspaceError, ModelError, FeatureCacheError):
        return None
