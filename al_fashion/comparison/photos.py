"""The photos of a data set as arrays on disk, which every job maps into its memory."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Photos:
    """features (n, d) float32, labels (n, C) bool, groups (n,) int64 that a split keeps whole.

    `remarks` say what of the source is not among them.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.bool_]
    groups: NDArray[np.int64]
    classes: tuple[str, ...]
    exclusive: bool
    remarks: tuple[str, ...] = ()


def open_photos(folder: Path) -> Photos:
    """The arrays of a folder that `prepare` made, mapped, not read."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    features, labels, groups = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("features", "labels", "groups")
    )
    remarks = tuple(about.get("remarks", ()))
    return Photos(features, labels, groups, tuple(about["classes"]), about["exclusive"], remarks)
