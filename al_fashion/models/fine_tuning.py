"""Fine-tuning of VGG16's last block, from cached features of the block before it.

The convolutions of block 5 and a classifier on its map are trained together, in the first epoch
the classifier alone, since the errors of one that knows nothing would only spoil the
convolutions. What is kept is the epoch with the least validation loss.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from al_fashion.files import replacing
from al_fashion.models.engines import quiet
from al_fashion.models.weights import SHAPES
from al_fashion.models.zoo import base_values

BLOCK = "block5"
INPUT_LAYER = "block4_pool"
_TRUNK = [name for name in SHAPES if name.startswith(BLOCK)]
_BATCH = 32
_CHUNK = 256
_DROPOUT = 0.5
_TRUNK_RATE = 5e-5
_CLASSIFIER_RATE = 2e-4
RECIPE = f"{_BATCH} {_DROPOUT} {_TRUNK_RATE} {_CLASSIFIER_RATE} scaled"
"""What a checkpoint must agree in, besides its data, to be taken up again."""


@dataclass(frozen=True)
class TuningData:
    """Signed square roots of block 4's maps, flat, float32 (n, side * side * 512), may be mapped.

    `train` and `validation` are row numbers, `labels` (n,) class numbers of every row used.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    classes: int

    @property
    def side(self) -> int:
        channels = SHAPES[f"{BLOCK}_conv1/kernel"][2]
        return round((self.features.shape[1] / channels) ** 0.5)


@dataclass
class Progress:
    """Where a fine-tuning stands: validation (loss, accuracy) of every epoch, the best so far."""

    history: list[tuple[float, float]] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def epochs(self) -> int:
        return len(self.history)

    def ended(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or none of the last `patience` was better."""
        return self.epochs >= epochs or self.epochs - 1 - self.best_epoch >= patience


def fine_tune(
    data: TuningData,
    tensors: dict[str, NDArray[np.float32]],
    checkpoint: Path,
    identity: str,
    seed: int,
    *,
    epochs: int,
    patience: int,
    after_epoch: Callable[[Progress], object] = lambda _: None,
) -> tuple[dict[str, NDArray[np.float32]], Progress]:
    """(block 5's tensors at the best epoch by name, all epochs).

    `tensors` are VGG16's by name. After every epoch all is in `checkpoint`; a later call with the
    same `identity` goes on from there and ends as if it had never stopped. The checkpoint is
    left to the caller to remove. Raises WorkspaceError where it cannot be written.
    """
    tuner = _Tuner(data, tensors, seed)
    progress = _resume(checkpoint, identity, tuner)
    while not progress.ended(epochs, patience):
        number = progress.epochs
        tuner.train(np.random.default_rng([seed, number]), trunk=number > 0)
        progress.history.append(tuner.validate())
        # The first epoch leaves the convolutions as they were: it is best only while alone.
        if number == 0 or progress.history[number][0] <= min(progress.history[1:])[0]:
            progress.best_epoch = number
            tuner.best = [np.asarray(value) for value in tuner.trunk.get_weights()]
        _save(checkpoint, identity, tuner, progress)
        after_epoch(progress)
    return dict(zip(_TRUNK, tuner.best, strict=True)), progress


class _Tuner:
    """The network, its two optimisers and the data."""

    def __init__(
        self, data: TuningData, tensors: dict[str, NDArray[np.float32]], seed: int
    ) -> None:
        with quiet():
            import keras
        self.data = data
        self.trunk = _trunk(data.side)
        self.trunk.set_weights([tensors[name] for name in _TRUNK])
        self.best = self.trunk.get_weights()
        self.classifier = _classifier(data.classes, 1 / self._size(), seed)
        self.classifier.build(self.trunk.output_shape)
        rates = (_TRUNK_RATE, _CLASSIFIER_RATE)
        self.optimisers = [keras.optimizers.Adam(rate) for rate in rates]
        for optimiser, part in zip(self.optimisers, self._parts, strict=True):
            optimiser.build(part.trainable_variables)
        self._step = self._compiled_step()

    def _compiled_step(self) -> Any:
        """One step on (maps, labels, whether the trunk takes part)."""
        import keras
        import tensorflow as tf

        loss = keras.losses.SparseCategoricalCrossentropy()

        def step(values: Any, labels: Any, with_trunk: Any) -> None:
            with tf.GradientTape() as tape:
                proba = self.classifier(self.trunk(values, training=True), training=True)
                cost = loss(labels, proba)
            trunk, classifier = (part.trainable_variables for part in self._parts)
            found = tape.gradient(cost, [*trunk, *classifier])
            if with_trunk:
                self.optimisers[0].apply(found[: len(trunk)], trunk)
            self.optimisers[1].apply(found[len(trunk) :], classifier)

        return tf.function(step, reduce_retracing=True)

    @property
    def _parts(self) -> tuple[Any, Any]:
        return self.trunk, self.classifier

    @property
    def variables(self) -> list[Any]:
        """All that changes while training, the dropout's random state included."""
        return [
            variable for part in (*self._parts, *self.optimisers) for variable in part.variables
        ]

    def train(self, rng: np.random.Generator, *, trunk: bool) -> None:
        """One epoch in a random order."""
        order = rng.permutation(self.data.train)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            self._step(self._maps(rows), self.data.labels[rows], trunk)

    def validate(self) -> tuple[float, float]:
        """(cross-entropy, accuracy) on the validation rows."""
        rows = self.data.validation
        proba = np.concatenate(
            [
                np.asarray(self.classifier(self.trunk(self._maps(part), training=False)))
                for part in np.split(rows, range(_CHUNK, len(rows), _CHUNK))
            ]
        )
        labels = self.data.labels[rows]
        likely = np.maximum(proba[np.arange(len(rows)), labels], 1e-12)
        return float(-np.log(likely).mean()), float((proba.argmax(axis=1) == labels).mean())

    def _size(self) -> float:
        """The root mean square of the block's values: one learning rate then fits any."""
        values = np.asarray(self.trunk(self._maps(self.data.train[:_CHUNK]), training=False))
        return max(float(np.sqrt((values**2).mean())), 1e-6)

    def _maps(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        side = self.data.side
        return base_values(np.asarray(self.data.features[rows])).reshape(len(rows), side, side, -1)


def _trunk(side: int) -> Any:
    """The convolutions of block 5 on maps of `side`, and its pooling."""
    import keras
    from keras import layers

    maps = output = keras.Input((side, side, SHAPES[_TRUNK[0]][2]))
    for name in _TRUNK[::2]:
        output = layers.Conv2D(SHAPES[name][3], 3, padding="same", activation="relu")(output)
    return keras.Model(maps, layers.MaxPooling2D()(output))


def _classifier(classes: int, scale: float, seed: int) -> Any:
    import keras
    from keras import layers

    start = keras.initializers.GlorotUniform(seed)
    return keras.Sequential(
        [
            layers.Rescaling(scale),
            layers.Flatten(),
            layers.Dropout(_DROPOUT, seed=seed),
            layers.Dense(classes, activation="softmax", kernel_initializer=start),
        ]
    )


def _save(path: Path, identity: str, tuner: _Tuner, progress: Progress) -> None:
    state = {f"v{place}": np.asarray(value) for place, value in enumerate(tuner.variables)}
    best = {f"b{place}": value for place, value in enumerate(tuner.best)}
    text = json.dumps({"identity": identity, **asdict(progress)})
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, progress=np.array(text), **state, **best)


def _resume(path: Path, identity: str, tuner: _Tuner) -> Progress:
    """Take up a checkpoint of the same training; any other is left to be overwritten."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            found = json.loads(str(saved["progress"]))
            if found["identity"] != identity:
                return Progress()
            state = [saved[f"v{place}"] for place in range(len(tuner.variables))]
            best = [saved[f"b{place}"] for place in range(len(_TRUNK))]
    except (OSError, ValueError, KeyError, TypeError, BadZipFile):
        return Progress()
    for variable, value in zip(tuner.variables, state, strict=True):
        variable.assign(value)
    tuner.best = best
    return Progress([(loss, share) for loss, share in found["history"]], found["best_epoch"])
