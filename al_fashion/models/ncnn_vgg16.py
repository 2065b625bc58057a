"""VGG16's convolutions by ncnn, several photos at once.

ncnn takes one picture at a time, and its deep layers would spend their time fetching weights: 67 MB
for each convolution of 512 channels, whatever the size of the map. So the last blocks see a mosaic
of a batch's maps with zeros between them. After every layer the zeros are put back, which makes
the values those of single photos with a border of zeros.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.machine import usable_cores
from al_fashion.models.weights import SHAPES, Weights

_MEAN_BGR = [103.939, 116.779, 123.68]
_FORMAT = 7767517  # the first line of every ncnn network
_SMALL = 64
_CONVOLUTIONS = [name.removesuffix("/kernel") for name in SHAPES if name.endswith("/kernel")]

Named = dict[str, np.ndarray]
"""Maps, float32 (b, c, side, side), by layer."""


def ncnn_maps(
    weights: Weights, size: int, layers: Sequence[str]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """VGG16 from photos, uint8 RGB (b, size, size, 3), to maps (b, side, side, c) of `layers`.

    Raises WeightsError where ncnn does not take the network.
    """
    # Measured: at 48 px a mosaic from block 3 on is 1.25 times as fast as one from block 4 on, at
    # 96 and 224 px it is slower.
    first = max(2, min(3 if size < _SMALL else 4, max(map(_block, layers))))
    early = {layer for layer in layers if _block(layer) < first}
    late = {_convolution_of(layer) for layer in layers if _block(layer) >= first}
    entry = f"block{first - 1}_pool"
    front = _single_photos(weights, size, sorted({*early, entry}))
    back = _mosaic(weights, size, first, sorted(late)) if late else None

    def maps(photos: np.ndarray) -> list[np.ndarray]:
        found = front(photos)
        if back is not None:
            found |= back(found[entry])
        return [_output(found, layer).transpose(0, 2, 3, 1) for layer in layers]

    return maps


def _single_photos(
    weights: Weights, size: int, layers: Sequence[str]
) -> Callable[[np.ndarray], Named]:
    """The maps of some layers, in their order, one photo after the other."""
    import ncnn

    lines, before = ["Input photo 0 1 photo"], "photo"
    last = _block(layers[-1])
    names = [name for name in _CONVOLUTIONS if _block(name) <= last]
    for name in names:
        lines.append(_convolution(name, before))
        before = name
        if _ends_block(name):
            lines.append(_pooling(name))
            before = f"block{_block(name)}_pool"
    network = _load(weights, lines, names)

    def maps_of(photo: np.ndarray) -> list[np.ndarray]:
        pixels = np.ascontiguousarray(photo)
        inputs = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB2BGR, size, size)
        inputs.substract_mean_normalize(_MEAN_BGR, [])
        return _extract(network, {"photo": inputs}, layers)

    def maps(photos: np.ndarray) -> Named:
        found = [maps_of(photo) for photo in photos]
        return {
            layer: np.stack(each)
            for layer, each in zip(layers, zip(*found, strict=True), strict=True)
        }

    return maps


def _mosaic(
    weights: Weights, size: int, first: int, layers: Sequence[str]
) -> Callable[[np.ndarray], Named]:
    """The maps of some convolutions from those that enter block `first`, (b, c, side, side)."""
    import ncnn

    names = [name for name in _CONVOLUTIONS if first <= _block(name) <= _block(layers[-1])]
    names = names[: names.index(layers[-1]) + 1]
    lines, before = ["Input entry 0 1 entry"], "entry"
    for name in names:
        lines.append(_convolution(name, before))
        before = _masked(lines, name)
        if _ends_block(name) and name != names[-1]:
            lines.append(_pooling(name, before))
            before = _masked(lines, f"block{_block(name)}_pool")
    network = _load(weights, lines, names)
    masked = [line.split()[1].removesuffix("_mask") for line in lines if "_mask 0 1" in line]
    # Halves of a cell are whole numbers down to the last block, and at least one zero is left.
    unit = 2 ** (_block(layers[-1]) - first)
    cell = -(-(size // 2 ** (first - 1) + 1) // unit) * unit

    def place(row: int, side: int, cell: int) -> slice:
        return slice(row * cell, row * cell + side)

    def mask(layer: str, rows: int, columns: int) -> np.ndarray:
        side, width = _side(layer, size), cell >> (_depth(layer) - first)
        one = np.zeros((width, width), dtype=np.float32)
        one[:side, :side] = 1
        return np.tile(one, (rows, columns))[None]

    def maps(entered: np.ndarray) -> Named:
        columns = math.ceil(math.sqrt(len(entered)))
        rows = -(-len(entered) // columns)
        grid = [divmod(number, columns) for number in range(len(entered))]
        side = entered.shape[2]
        entry = np.zeros((entered.shape[1], rows * cell, columns * cell), dtype=np.float32)
        for (row, column), map_ in zip(grid, entered, strict=True):
            entry[:, place(row, side, cell), place(column, side, cell)] = map_
        # ncnn reads the arrays where they are, so they are kept until it is done.
        arrays = {"entry": entry} | {f"{x}_mask": mask(x, rows, columns) for x in masked}
        inputs = {name: ncnn.Mat(array) for name, array in arrays.items()}
        found = _extract(network, inputs, layers)
        return {layer: cut(layer, whole, grid) for layer, whole in zip(layers, found, strict=True)}

    def cut(layer: str, whole: np.ndarray, grid: Sequence[tuple[int, int]]) -> np.ndarray:
        side, width = _side(layer, size), cell >> (_depth(layer) - first)
        return np.stack(
            [whole[:, place(row, side, width), place(column, side, width)] for row, column in grid]
        )

    return maps


def _load(weights: Weights, lines: list[str], convolutions: Sequence[str]) -> Any:
    import ncnn

    network = ncnn.Net()
    # Half precision is faster on some processors, but no longer what Keras gives.
    network.opt.use_fp16_packed = False
    network.opt.use_fp16_storage = False
    network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    network.opt.num_threads = usable_cores()
    # By way of files: the binding takes no tensors from memory.
    with tempfile.TemporaryDirectory() as folder:
        graph, tensors = Path(folder, "vgg16.param"), Path(folder, "vgg16.bin")
        graph.write_text("\n".join([str(_FORMAT), f"{len(lines)} {len(lines)}", *lines, ""]))
        _write_tensors(tensors, weights, convolutions)
        if network.load_param(str(graph)) or network.load_model(str(tensors)):
            raise WeightsError(
                "ncnn cannot read the VGG16 written for it. Use the engine keras, or another ncnn."
            )
    return network


def _extract(network: Any, inputs: dict[str, Any], layers: Sequence[str]) -> list[np.ndarray]:
    """(c, h, w) float32 of each layer, which follow each other in the network."""
    extractor = network.create_extractor()
    for name, value in inputs.items():
        extractor.input(name, value)
    found = []
    for layer in layers:
        status, values = extractor.extract(layer)
        if status:
            raise MemoryError(f"ncnn could not compute {layer}: too little memory.")
        # What `extract` returns is freed with the extractor, so it is copied.
        found.append(np.array(values))
    return found


def _convolution(name: str, before: str) -> str:
    kernel = SHAPES[f"{name}/kernel"]
    # 3 x 3 kernels, a border of 1, a bias, and ReLU.
    values = f"0={kernel[3]} 1=3 4=1 5=1 6={int(np.prod(kernel))} 9=1"
    return f"Convolution {name} 1 1 {before} {name} {values}"


def _pooling(convolution: str, before: str | None = None) -> str:
    """The largest of 2 x 2; an odd last row or column is left out, as Keras does."""
    pool = f"block{_block(convolution)}_pool"
    return f"Pooling {pool} 1 1 {before or convolution} {pool} 0=0 1=2 2=2 5=1"


def _masked(lines: list[str], layer: str) -> str:
    """Multiply a layer by an input of its own; returns the product's name."""
    lines.append(f"Input {layer}_mask 0 1 {layer}_mask")
    lines.append(f"BinaryOp {layer}_kept 2 1 {layer} {layer}_mask {layer}_kept 0=2")
    return f"{layer}_kept"


def _write_tensors(path: Path, weights: Weights, convolutions: Sequence[str]) -> None:
    with path.open("wb") as file:
        for name in convolutions:
            kernel = weights.tensors[f"{name}/kernel"].transpose(3, 2, 0, 1)
            file.write(bytes(4))  # the mark of plain float32
            file.write(kernel.astype("<f4").tobytes())
            file.write(weights.tensors[f"{name}/bias"].astype("<f4").tobytes())


def _output(found: Named, layer: str) -> np.ndarray:
    """A layer's maps; a pooling layer of the mosaic is pooled here, photo by photo."""
    if layer in found:
        return found[layer]
    maps = found[_convolution_of(layer)]
    half = maps.shape[2] // 2
    pairs = maps[:, :, : 2 * half, : 2 * half].reshape(*maps.shape[:2], half, 2, half, 2)
    return np.asarray(pairs.max(axis=(3, 5)))


def _block(layer: str) -> int:
    return int(layer[len("block")])


def _depth(layer: str) -> int:
    """The block whose maps have this layer's side."""
    return _block(layer) + layer.endswith("_pool")


def _side(layer: str, size: int) -> int:
    return size >> (_depth(layer) - 1)


def _convolution_of(layer: str) -> str:
    """The layer itself, or the last convolution before a pooling layer."""
    if not layer.endswith("_pool"):
        return layer
    return max(name for name in _CONVOLUTIONS if _block(name) == _block(layer))


def _ends_block(name: str) -> bool:
    return name == _convolution_of(f"block{_block(name)}_pool")
