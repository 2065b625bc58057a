"""Fine-tuning: it learns, stops, and goes on after a kill as if nothing had happened."""

from pathlib import Path

import numpy as np
import pytest

from al_fashion.models.fine_tuning import Progress, TuningData, fine_tune
from al_fashion.models.weights import SHAPES

EPOCHS = 4


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """Block 5 of made-up weights of a size that keeps values in bounds."""
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
        if name.endswith("kernel")
        else np.zeros(shape, np.float32)
        for name, shape in SHAPES.items()
        if name.startswith("block5")
    }


@pytest.fixture(scope="module")
def data() -> TuningData:
    """Maps of 2 x 2 whose classes differ in a few channels."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 90)
    maps = np.abs(rng.normal(size=(90, 2, 2, 512)))
    for label in range(3):
        maps[labels == label, :, :, label * 20 : label * 20 + 20] += 2
    roots = np.sqrt(maps.reshape(90, -1)).astype(np.float32)
    return TuningData(roots, labels, np.arange(60), np.arange(60, 90), 3)


class Killed(Exception):
    """In place of a signal."""


def run(
    data: TuningData, tensors: dict[str, np.ndarray], path: Path, *, kill_after: int = 99
) -> tuple[dict[str, np.ndarray], Progress, list[int]]:
    seen: list[int] = []

    def after(progress: Progress) -> None:
        seen.append(progress.epochs)
        if len(seen) == kill_after:
            raise Killed

    tuned, progress = fine_tune(
        data, tensors, path, "this", 0, epochs=EPOCHS, patience=9, after_epoch=after
    )
    return tuned, progress, seen


def test_learns_and_resumes_exactly(
    tmp_path: Path, data: TuningData, tensors: dict[str, np.ndarray]
) -> None:
    whole, progress, seen = run(data, tensors, tmp_path / "whole.npz")
    assert seen == [1, 2, 3, 4]
    assert progress.history[progress.best_epoch][1] > 0.8
    assert set(whole) == set(tensors)
    assert all(whole[name].shape == SHAPES[name] for name in whole)
    assert not np.array_equal(whole["block5_conv1/kernel"], tensors["block5_conv1/kernel"])

    with pytest.raises(Killed):
        run(data, tensors, tmp_path / "killed.npz", kill_after=2)
    resumed, again, seen = run(data, tensors, tmp_path / "killed.npz")
    assert seen == [3, 4]
    np.testing.assert_allclose(again.history, progress.history, rtol=1e-5)
    for name, tensor in whole.items():
        np.testing.assert_allclose(resumed[name], tensor, atol=1e-6)


def test_a_checkpoint_of_something_else_is_not_taken_up(
    tmp_path: Path, data: TuningData, tensors: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "checkpoint.npz"
    fine_tune(data, tensors, path, "other", 0, epochs=1, patience=9)
    seen: list[int] = []
    fine_tune(
        data,
        tensors,
        path,
        "this",
        0,
        epochs=1,
        patience=9,
        after_epoch=lambda progress: seen.append(progress.epochs),
    )
    assert seen == [1]
    path.write_bytes(path.read_bytes()[:1000])
    fine_tune(
        data,
        tensors,
        path,
        "this",
        0,
        epochs=1,
        patience=9,
        after_epoch=lambda progress: seen.append(progress.epochs),
    )
    assert seen == [1, 1]


def test_stops_where_nothing_is_gained() -> None:
    assert not Progress([(1.0, 0.5), (0.9, 0.6)], 1).ended(10, 2)
    assert Progress([(0.9, 0.6), (1.0, 0.5), (1.1, 0.5)], 0).ended(10, 2)
    assert Progress([(1.0, 0.5)] * 3, 0).ended(3, 9)
    assert not Progress().ended(1, 1)
