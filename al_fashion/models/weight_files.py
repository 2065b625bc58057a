"""Reads the convolutions of a weights file, whatever its format, in the order of the network."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from al_fashion.errors import WeightsError

Convolution = tuple[np.ndarray, np.ndarray]
"""A kernel, (height, width, inputs, outputs), and a bias, (outputs,)."""

_CONVOLUTIONS = {13: "vgg16", 53: "resnet50"}


def read_convolutions(path: Path) -> list[Convolution]:
    """Return every convolution of a `.h5`, `.npz` or `.onnx` file, first layer first.

    Raises WeightsError if the file is missing, of another kind, or cannot be read.
    """
    if not path.is_file():
        raise WeightsError(f"No weights file at {path}. Give an existing .h5, .npz or .onnx file.")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            f"Cannot read weights from {path}: its name ends in '{path.suffix}'. "
            "Give a .h5, .npz or .onnx file."
        )
    try:
        return reader(path)
    except WeightsError:
        raise
    except Exception as error:  # every format's library has its own exceptions for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"Cannot read weights from {path}: {reason}. The file is damaged or not readable: "
            "give another, or fetch it again."
        ) from error


def network_of(path: Path) -> str:
    """`vgg16` or `resnet50`, by a file's number of convolutions. Raises WeightsError."""
    count = len(read_convolutions(path))
    if count not in _CONVOLUTIONS:
        raise WeightsError(
            f"{path} has {count} convolutions: VGG16 has 13, ResNet50 has 53. "
            "Give the weights of one of these."
        )
    return _CONVOLUTIONS[count]


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts `conv2d_2` before `conv2d_10`."""
    return [(int(digits or -1), text) for digits, text in re.findall(r"(\d+)|(\D+)", name)]


def _read_h5(path: Path) -> list[Convolution]:
    """Keras 3 (`layers/conv2d_1/vars/0`) and older (`block1_conv1/block1_conv1_W_1:0`) files.

    In both a convolution is a group that holds one array of rank 4 and one of rank 1, and the
    natural order of the groups' names is that of the network.
    """
    import h5py

    groups: dict[str, list[Any]] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            groups.setdefault(name.rpartition("/")[0], []).append(item)

    with h5py.File(path, "r") as file:
        file.visititems(collect)
        return [
            (np.asarray(kernel), np.asarray(bias))
            for _, (bias, kernel) in sorted(
                (
                    (name, sorted(items, key=lambda item: item.ndim))
                    for name, items in groups.items()
                    if sorted(item.ndim for item in items) == [1, 4]
                ),
                key=lambda entry: _natural(entry[0]),
            )
        ]


def _read_npz(path: Path) -> list[Convolution]:
    """Arrays named `block1_conv1/kernel`, `block1_conv1/bias`, …, or `arr_0`, `arr_1`, … ."""
    with np.load(path, allow_pickle=False) as file:
        names = sorted(file.files, key=_natural)
        if any(name.endswith("/kernel") for name in names):
            layers = [name.removesuffix("/kernel") for name in names if name.endswith("/kernel")]
            return [(file[f"{layer}/kernel"], file[f"{layer}/bias"]) for layer in layers]
        return [
            (file[kernel], file[bias]) for kernel, bias in zip(names[::2], names[1::2], strict=True)
        ]


def _read_onnx(path: Path) -> list[Convolution]:
    """The `Conv` nodes in the graph's order; their kernels are stored (outputs, inputs, h, w)."""
    try:
        import onnx
    except ImportError as error:
        raise WeightsError(
            f"Cannot read weights from {path}: the package onnx is not installed. "
            'Run `pip install "al-fashion[weights]"`.'
        ) from error

    graph = onnx.load(path).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    additions = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}

    def bias_of(node: Any) -> str:
        # Some exporters leave the bias outside the convolution, as an addition to its output.
        inputs = node.input[2:] or additions[node.output[0]].input
        return next(name for name in inputs if name in constants)

    return [
        (
            onnx.numpy_helper.to_array(constants[node.input[1]]).transpose(2, 3, 1, 0),
            onnx.numpy_helper.to_array(constants[bias_of(node)]).ravel(),
        )
        for node in graph.node
        if node.op_type == "Conv"
    ]


_READERS: dict[str, Callable[[Path], list[Convolution]]] = {
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".npz": _read_npz,
    ".onnx": _read_onnx,
}
