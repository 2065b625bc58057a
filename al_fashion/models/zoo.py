"""The five models of the study, with its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ModelError
from al_fashion.models.backbones import Backbone, BackboneSettings, signed_roots

Base = Literal["pixels", "vgg16", "resnet50"]

EPOCHS = 20
RUNS = 2
"""Every training runs its epochs twice, the second time from where the first ended."""
BATCH = 32
SMALLEST_SIZE = 96
"""Pixels; below it the last map of VGG16 is smaller than 3 x 3 and knows no places any more."""
PIXELS_SIZE = 48
"""Pixels a side that the basic CNN sees."""
_UNITS = 256
_FILTERS = 32


@dataclass(frozen=True)
class ZooModel:
    """How one of the study's models is made and trained; `base` is what feeds its classifier.

    `halves` trains on each half of the photos and tests on the other, in place of one training on
    all but the held-out photos. `study` is the accuracy that the study found, None where it gives
    none.
    """

    name: str
    title: str
    base: Base
    optimiser: Literal["adam", "rmsprop"]
    learning_rate: float
    dropout: float
    study: float | None
    halves: bool = False

    @property
    def split(self) -> str:
        return "50/50" if self.halves else "80/20"

    @property
    def about(self) -> str:
        """Base, classifier and training in one line."""
        base = {"pixels": "one convolution", "vgg16": "frozen VGG16"}.get(
            self.base, "frozen ResNet50"
        )
        dropout = f"dropout {self.dropout:g}" if self.dropout else "no dropout"
        turns = ", both halves in turn" if self.halves else ""
        return f"{base}, {dropout}, {self.optimiser} {self.learning_rate:g}, {self.split}{turns}"


_MODELS = (
    ZooModel("basic-cnn", "basic CNN", "pixels", "adam", 0.1, 0.0, 0.30),
    ZooModel("vgg16-v1", "VGG16 v1", "vgg16", "adam", 0.005, 0.0, 0.76),
    ZooModel("vgg16-v2", "VGG16 v2", "vgg16", "rmsprop", 2e-4, 0.5, 0.95),
    ZooModel("vgg16-v3", "VGG16 v3", "vgg16", "rmsprop", 2e-4, 0.5, 0.85, halves=True),
    ZooModel("resnet50", "ResNet50", "resnet50", "rmsprop", 2e-4, 0.5, None),
)


def zoo_models() -> tuple[ZooModel, ...]:
    """The five, in the study's order."""
    return _MODELS


def zoo_model(name: str, also: Sequence[str] = ()) -> ZooModel:
    """The model of a name. Raises ModelError, which names `also` among what there is."""
    for model in _MODELS:
        if model.name == name:
            return model
    known = [*(model.name for model in _MODELS), *also]
    raise ModelError(f"Unknown model {name!r}. Use one of: {', '.join(known)}.")


def base_settings(base: Base, size: int) -> BackboneSettings:
    """What feeds the classifier: all values of the last map, or small pixels."""
    if base == "pixels":
        return BackboneSettings("pixels", PIXELS_SIZE, (), "flat")
    layers = ("block5_pool",) if base == "vgg16" else ()
    return BackboneSettings(base, size, layers, "flat")


def base_values(roots: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the base gave: features are its signed square roots, the classifiers take itself."""
    return np.asarray(roots * np.abs(roots), dtype=np.float32)


def build_network(model: ZooModel, inputs: int, classes: int, seed: int) -> Any:
    """The classifier, compiled, on rows of `inputs` values; softmax over `classes`.

    On a frozen base it is the study's: one dense layer, dropout or none, softmax. The basic CNN
    has one convolution in place of the dense layer.
    """
    import keras
    from keras import layers

    def started(number: int) -> Any:
        return keras.initializers.GlorotUniform(seed + number)

    if model.base == "pixels":
        hidden = [
            layers.Reshape((PIXELS_SIZE, PIXELS_SIZE, 3)),
            layers.Conv2D(_FILTERS, 3, activation="relu", kernel_initializer=started(0)),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    else:
        hidden = [layers.Dense(_UNITS, activation="relu", kernel_initializer=started(0))]
    if model.dropout:
        hidden.append(layers.Dropout(model.dropout, seed=seed))
    network = keras.Sequential(
        [
            keras.Input((inputs,)),
            *hidden,
            layers.Dense(classes, activation="softmax", kernel_initializer=started(1)),
        ]
    )
    optimisers = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    network.compile(
        optimizer=optimisers[model.optimiser](model.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def pixels_backbone(size: int) -> Backbone:
    """The basic CNN's base: the pixels themselves from 0 to 1, as signed square roots."""

    def features(photos: np.ndarray) -> np.ndarray:
        return signed_roots(photos.reshape(len(photos), -1).astype(np.float32) / 255)

    return Backbone("pixels", size, 3 * size**2, f"pixels-{size}px-bicubic-flat", features)
