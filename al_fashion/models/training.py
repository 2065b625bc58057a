"""Training one network on features in memory, epoch by epoch."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_fashion.models.engines import quiet
from al_fashion.models.zoo import BATCH, ZooModel, build_network

_CHUNK = 512


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed: on the training photos while training, on the test photos after."""

    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Rows:
    """Features float32 (n, d) and class numbers int64 (n,)."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """A trained network's tensors in Keras's order, its epochs, and what it says of the test.

    `inputs` is the number of values it takes a photo.
    """

    inputs: int
    tensors: list[NDArray[np.float32]]
    epochs: list[Epoch]
    proba: NDArray[np.float64]


def train_zoo_model(
    model: ZooModel,
    train: Rows,
    test: Rows,
    classes: int,
    rng: np.random.Generator,
    *,
    epochs: int,
    after_epoch: Callable[[], object] = lambda: None,
) -> Training:
    """Train for `epochs` epochs; nothing is chosen by the test photos, the last epoch counts."""
    with quiet():
        import keras
    # It warns of every new network after the fifth, as if one were made again by mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.backend.clear_session()
    network = build_network(model, train.features.shape[1], classes, int(rng.integers(2**31)))
    done = []
    for _ in range(epochs):
        loss, accuracy = train_epoch(network, train, rng)
        proba = probabilities(network, test.features)
        done.append(Epoch(loss, accuracy, *_score(proba, test.labels)))
        after_epoch()
    return Training(train.features.shape[1], network.get_weights(), done, proba)


def train_epoch(network: Any, rows: Rows, rng: np.random.Generator) -> tuple[float, float]:
    """One pass over the rows in a random order: (loss, accuracy)."""
    order = rng.permutation(len(rows.labels))
    loss = accuracy = 0.0
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        logs = network.train_on_batch(rows.features[batch], rows.labels[batch], return_dict=True)
        loss += len(batch) * float(logs["loss"])
        accuracy += len(batch) * float(logs["accuracy"])
    return loss / len(order), accuracy / len(order)


def probabilities(network: Any, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, C) float64 probabilities of features (n, d)."""
    parts = [
        np.asarray(network(np.asarray(features[start : start + _CHUNK]), training=False))
        for start in range(0, len(features), _CHUNK)
    ]
    return np.concatenate(parts).astype(np.float64)


def _score(proba: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """(cross-entropy, accuracy)."""
    likely = proba[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(likely, 1e-12)).mean()
    return float(loss), float((proba.argmax(axis=1) == labels).mean())
