"""What runs VGG16's convolutions: Keras, or on a CPU ncnn, whose convolutions take half the time.

Both give layers' maps, each float32 (b, side, side, channels), of photos, uint8 RGB (b, size,
size, 3), and differ by a few millionths of the largest value.
"""

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from al_fashion.errors import WeightsError
from al_fashion.models.weights import SHAPES, Weights

Engine = Literal["auto", "keras", "ncnn"]
Maps = Callable[[np.ndarray], list[np.ndarray]]

_GRAPHICS_CARD = Path("/dev/nvidia0")
_NCNN_FROM = 64
_MEAN_BGR = [103.939, 116.779, 123.68]
_FORMAT = 7767517  # the first line of every ncnn network


def choose_engine(asked: Engine, size: int) -> Engine:
    """`keras` or `ncnn` for photos of `size` pixels a side.

    Auto is ncnn on a CPU where it is installed and the photos are large enough to gain by it:
    whole passes took 0.44 of Keras's time at 224 px, 0.68 at 96 px, 1.3 at 48 px. Loads neither.

    Raises WeightsError where ncnn is asked for and not installed.
    """
    installed = importlib.util.find_spec("ncnn") is not None
    if asked == "ncnn" and not installed:
        raise WeightsError(
            "The engine ncnn was asked for, but the package ncnn is not installed. "
            "Run `pip install ncnn`, or use the engine keras."
        )
    if asked != "auto":
        return asked
    gains = size >= _NCNN_FROM and not _GRAPHICS_CARD.exists()
    return "ncnn" if installed and gains else "keras"


def vgg16_maps(weights: Weights, size: int, layers: Sequence[str], engine: Engine = "auto") -> Maps:
    """VGG16 from photos to the maps of `layers`, in their order, such as block5_pool alone.

    Raises WeightsError where weights lack a layer or the engine is not installed.
    """
    if set(weights.tensors) != set(SHAPES):
        raise WeightsError(
            f"The weights from {weights.source} are for {len(weights.tensors) // 2} layers, "
            f"expected VGG16's {len(SHAPES) // 2}. Use find_weights."
        )
    build = _keras_maps if choose_engine(engine, size) == "keras" else _ncnn_maps
    return build(weights, size, layers)


def _keras_maps(weights: Weights, size: int, layers: Sequence[str]) -> Maps:
    with quiet():
        import keras
        import tensorflow as tf

    shape = (size, size, 3)
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=shape)
    network.set_weights([weights.tensors[name] for name in SHAPES])
    trunk = keras.Model(network.input, [network.get_layer(layer).output for layer in layers])

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8)])
    def forward(photos: Any) -> Any:
        inputs = keras.applications.vgg16.preprocess_input(tf.cast(photos, tf.float32))
        return trunk(inputs, training=False)

    def maps(photos: np.ndarray) -> list[np.ndarray]:
        # Keras gives a lone output bare.
        return [np.asarray(output) for output in tf.nest.flatten(forward(photos))]

    return maps


def _ncnn_maps(weights: Weights, size: int, layers: Sequence[str]) -> Maps:
    import ncnn

    convolutions, text = _ncnn_network(layers)
    network = ncnn.Net()
    # Half precision is faster on some processors, but no longer what Keras gives.
    network.opt.use_fp16_packed = False
    network.opt.use_fp16_storage = False
    network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    network.opt.num_threads = os.cpu_count() or 1
    # By way of files: the binding takes no tensors from memory.
    with tempfile.TemporaryDirectory() as folder:
        graph, tensors = Path(folder, "vgg16.param"), Path(folder, "vgg16.bin")
        graph.write_text(text)
        _write_tensors(tensors, weights, convolutions)
        if network.load_param(str(graph)) or network.load_model(str(tensors)):
            raise WeightsError(
                "ncnn cannot read the VGG16 written for it. Use the engine keras, or another ncnn."
            )

    ordered = sorted(set(layers))  # VGG16's names sort as its layers follow each other

    def maps_of(photo: np.ndarray) -> dict[str, np.ndarray]:
        pixels = np.ascontiguousarray(photo)
        inputs = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB2BGR, size, size)
        inputs.substract_mean_normalize(_MEAN_BGR, [])
        extractor = network.create_extractor()
        extractor.input("photo", inputs)
        found = {}
        for layer in ordered:  # ncnn frees what lies before the layer it has given
            status, values = extractor.extract(layer)
            if status:
                raise MemoryError(f"ncnn could not compute {layer} of a photo of {size} px.")
            # What `extract` returns is freed with the extractor, so it is copied.
            found[layer] = np.array(values).transpose(1, 2, 0)
        return found

    def maps(photos: np.ndarray) -> list[np.ndarray]:
        found = [maps_of(photo) for photo in photos]
        return [np.stack([each[layer] for each in found]) for layer in layers]

    return maps


def _ncnn_network(layers: Sequence[str]) -> tuple[list[str], str]:
    """(convolutions up to the last of `layers`, the network in ncnn's text format)."""
    last = max(layers)
    lines, convolutions, before = ["Input photo 0 1 photo"], [], "photo"
    names = [name.removesuffix("/kernel") for name in SHAPES if name.endswith("/kernel")]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        kernel = SHAPES[f"{name}/kernel"]
        # 3 x 3 kernels, a border of 1, a bias, and ReLU.
        values = f"0={kernel[3]} 1=3 4=1 5=1 6={int(np.prod(kernel))} 9=1"
        lines.append(f"Convolution {name} 1 1 {before} {name} {values}")
        convolutions.append(name)
        before = name
        if name == last:
            break
        block = name.partition("_")[0]
        if following.startswith(block):
            continue
        # The largest of 2 x 2; an odd last row or column is left out, as Keras does.
        before = f"{block}_pool"
        lines.append(f"Pooling {before} 1 1 {name} {before} 0=0 1=2 2=2 5=1")
        if before == last:
            break
    return convolutions, "\n".join([str(_FORMAT), f"{len(lines)} {len(lines)}", *lines, ""])


def _write_tensors(path: Path, weights: Weights, convolutions: list[str]) -> None:
    with path.open("wb") as file:
        for name in convolutions:
            kernel = weights.tensors[f"{name}/kernel"].transpose(3, 2, 0, 1)
            file.write(bytes(4))  # the mark of plain float32
            file.write(kernel.astype("<f4").tobytes())
            file.write(weights.tensors[f"{name}/bias"].astype("<f4").tobytes())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what TensorFlow's libraries write to descriptor 2 while loading; no setting stops it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
