"""Labels for photos by a saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.data.images import UnreadablePhoto, decode
from al_fashion.errors import SourceError, WorkspaceError
from al_fashion.loop.features import FeatureOptions, features_of_pixels
from al_fashion.models.engines import Engine
from al_fashion.models.predictors import predictor
from al_fashion.models.saved import load_model
from al_fashion.workspace import Workspace


def newest_model(workspace: Workspace) -> Path:
    """The file of the newest round's model. Raises WorkspaceError where there is none."""
    found = sorted(
        workspace.models.glob("round-*.npz"), key=lambda path: int(path.stem.partition("-")[2])
    )
    if not found:
        raise WorkspaceError(
            "There is no model yet. Answer a batch, then train one with `al-fashion round`."
        )
    return found[-1]


def predict_files(
    model_file: Path, paths: Sequence[Path], options: FeatureOptions, engine: Engine = "auto"
) -> list[dict[str, Any]]:
    """For each photo: image, labels, and each label's probability; needs no workspace.

    Raises SourceError for a file that is not a photo, ModelError for one that is not a model.
    """
    model = load_model(model_file)
    predict = predictor(model)
    photos = (_pixels(path, model.backbone.least) for path in paths)
    features = features_of_pixels(photos, model.backbone, model.features, options, engine)
    proba, chosen = predict(features)
    return [
        {
            "image": str(path),
            "labels": [name for name, on in zip(model.labels, row, strict=True) if on],
            "probabilities": dict(zip(model.labels, map(float, shares), strict=True)),
        }
        for path, row, shares in zip(paths, chosen, proba, strict=True)
    ]


def _pixels(path: Path, least: int) -> NDArray[np.uint8]:
    try:
        return np.asarray(decode(path.read_bytes(), str(path), least)[0])
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror}. Name a photo.") from error
    except UnreadablePhoto as error:
        raise SourceError(f"{path} is not a photo: {error}. Name a photo.") from error
