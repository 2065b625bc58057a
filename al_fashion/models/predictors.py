"""What makes labels of features: a saved model, brought back to work."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from al_fashion.errors import ModelError
from al_fashion.models.backbones import BackboneSettings
from al_fashion.models.dense_head import DenseHead
from al_fashion.models.engines import quiet
from al_fashion.models.heads import Head, LinearHead
from al_fashion.models.saved import SavedModel
from al_fashion.models.training import Training, probabilities
from al_fashion.models.zoo import base_values, build_network, zoo_model

Predictions = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Probabilities (n, C) and chosen labels (n, C)."""
Predictor = Callable[[NDArray[np.float32]], Predictions]

HEADS: dict[str, type[Head]] = {"linear-head": LinearHead, "dense-head": DenseHead}


def head_model(
    head: Head,
    labels: list[str],
    backbone: BackboneSettings,
    features: str,
    training_set: str,
) -> SavedModel:
    """A head of the loop as a model to be saved."""
    return SavedModel(
        next(kind for kind, made in HEADS.items() if type(head) is made),
        labels,
        backbone,
        features,
        training_set,
        head.state(),
        settings=head.get_params(),
        calibration={"temperature": head.temperature_},
    )


def saved_head(model: SavedModel) -> Head:
    """The head of a saved model. Raises ModelError where it is none, or not whole."""
    if model.kind not in HEADS:
        raise ModelError(f"The saved model is a {model.kind}, expected a {' or '.join(HEADS)}.")
    try:
        return HEADS[model.kind](**model.settings).restore(model.tensors)
    except (KeyError, ValueError, TypeError) as error:
        raise _not_whole(model, error) from error


def predictor(model: SavedModel) -> Predictor:
    """From features (n, d) to predictions, for any saved model.

    Raises ModelError where the tensors are not those of the model.
    """
    if model.kind in HEADS:
        return saved_head(model).predictions
    try:
        return _zoo_predictor(model)
    except (KeyError, ValueError, TypeError) as error:
        raise _not_whole(model, error) from error


def _not_whole(model: SavedModel, error: Exception) -> ModelError:
    return ModelError(f"The saved {model.kind} is not whole: {error}. Train it anew.")


def network_tensors(trainings: list[Training]) -> dict[str, NDArray[np.float32]]:
    """The tensors of one or more networks, by network and place."""
    return {
        f"{number}/{place}": tensor
        for number, training in enumerate(trainings)
        for place, tensor in enumerate(training.tensors)
    }


def _zoo_predictor(model: SavedModel) -> Predictor:
    """The halves' two networks are averaged."""
    with quiet():
        import keras  # noqa: F401  (its loading is noisy)

    classes, networks = len(model.labels), []
    for number in range(int(model.settings["networks"])):
        inputs = int(model.settings["inputs"])
        network = build_network(zoo_model(model.kind), inputs, classes, seed=0)
        places = range(len(network.get_weights()))
        network.set_weights([model.tensors[f"{number}/{place}"] for place in places])
        networks.append(network)

    def predict(features: NDArray[np.float32]) -> Predictions:
        values = base_values(features)
        proba = np.mean([probabilities(network, values) for network in networks], axis=0)
        return proba, np.eye(classes, dtype=bool)[proba.argmax(axis=1)]

    return predict
