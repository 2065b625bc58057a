"""Saved models: one file with all that is needed to use a model away from its workspace."""

import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from al_fashion import __version__
from al_fashion.errors import ModelError
from al_fashion.files import replacing
from al_fashion.models.backbones import BackboneSettings, layers_in

FORMAT = 2
_DESCRIPTION = "al_fashion_model"


@dataclass(frozen=True)
class SavedModel:
    """`kind` says what makes a classifier of `tensors`: a model of the zoo or a head.

    `backbone` and `features` (the key of its weights and settings) say what feeds it,
    `training_set` is the digest of the photos and labels it learned from, `calibration` what its
    probabilities were corrected by, empty where they were not; `settings` is the kind's own.
    """

    kind: str
    labels: list[str]
    backbone: BackboneSettings
    features: str
    training_set: str
    tensors: Mapping[str, NDArray[Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, float] = field(default_factory=dict)


def training_set_digest(ids: Sequence[str], targets: NDArray[np.floating]) -> str:
    """SHA-256 of the photos trained on and their soft labels (n, C), whatever their order."""
    lines = sorted(
        f"{image_id} {' '.join(f'{share:.6f}' for share in row)}"
        for image_id, row in zip(ids, targets, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def save_model(path: Path, model: SavedModel) -> None:
    """Write a model whole or not at all. Raises WorkspaceError."""
    description = {name: value for name, value in vars(model).items() if name != "tensors"}
    description["backbone"] = asdict(model.backbone)
    about = {"format": FORMAT, "version": __version__, "digest": _digest(model.tensors)}
    text = json.dumps({**about, **description})
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{_DESCRIPTION: np.array(text)}, **model.tensors)
    with replacing(path) as file:
        file.write(content.getvalue())


def load_model(path: Path) -> SavedModel:
    """Read a saved model. Raises ModelError for anything else, and for a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            if _DESCRIPTION not in saved.files:
                raise _foreign(path)
            # Every tensor is read here, so that a torn one is known now.
            tensors = {name: saved[name] for name in saved.files if name != _DESCRIPTION}
            description = json.loads(str(saved[_DESCRIPTION]))
    except FileNotFoundError:
        raise ModelError(f"No model at {path}. Name a file that was saved.") from None
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror or error}.") from error
    except (ValueError, TypeError, AttributeError):  # a bare array is no context manager
        raise _foreign(path) from None
    # zipfile raises the last two for bits that stand for other ways of packing.
    except (BadZipFile, EOFError, KeyError, zlib.error, NotImplementedError, RuntimeError):
        raise _damaged(path) from None
    return _described(path, description, tensors)


def _described(path: Path, description: Any, tensors: dict[str, NDArray[Any]]) -> SavedModel:
    try:
        found, version = int(description.pop("format")), str(description.pop("version"))
        if found > FORMAT:
            raise ModelError(
                f"The model {path} was saved by al-fashion {version} in format {found}, this one "
                f"knows up to {FORMAT}. Install a newer al-fashion."
            )
        if found > 1 and description.pop("digest") != _digest(tensors):  # format 1 had none
            raise _damaged(path)
        backbone = description.pop("backbone")
        layers = tuple(backbone["layers"])
        if description["features"].startswith("vgg16-") and not layers:
            layers = layers_in(description["features"])  # later versions may choose others
        settings = BackboneSettings(**{**backbone, "layers": layers})
        return SavedModel(**description, backbone=settings, tensors=tensors)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _foreign(path) from None


def _digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the tensors with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"The model {path} is damaged: the file is torn. Copy it again, or train it anew."
    )


def _foreign(path: Path) -> ModelError:
    return ModelError(
        f"{path} is not a model of al-fashion. Name a file from a workspace's models folder."
    )
