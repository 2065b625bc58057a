"""Photos per second of our features beside Keras's usual pipeline, whole pass against whole pass.

A whole pass reads JPEG files, decodes and resizes them, runs VGG16 and keeps the result.
`python benchmarks/features.py [--size PX] [--photos DIR] [--count N] [--decoding draft]` prints
one JSON object. Without `--photos` they are made up, `--width` pixels wide.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from al_fashion.data.images import decode
from al_fashion.models.backbones import BackboneSettings, feature_layers, joined, vgg16
from al_fashion.models.cache import FeatureCache
from al_fashion.models.engines import choose_engine, quiet, vgg16_maps
from al_fashion.models.features import compute_features
from al_fashion.models.weights import find_weights

BATCH = 32
REPEATS = 2


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos", "all")
        photos.mkdir(parents=True)
        _collect(arguments, photos)
        if arguments.only_ours:  # a process of its own, so that its memory is ours alone
            print(json.dumps(_ours(photos, arguments)))
            return
        ours = _ours_apart(arguments)
        report = _report(arguments.size, photos, ours)
        print(json.dumps({"decoding": arguments.decoding, **report}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224, metavar="PX")
    parser.add_argument("--photos", type=Path, help="a folder of .jpg files; else made-up ones")
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--width", type=int, default=400, help="of made-up photos")
    parser.add_argument("--decoding", choices=["full", "draft"], default="full")
    parser.add_argument("--only-ours", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _collect(given: argparse.Namespace, target: Path) -> None:
    """Links to real photos, or made-up ones with grain, three quarters as high as wide."""
    if given.photos is not None:
        for path in sorted(given.photos.rglob("*.jpg"))[: given.count]:
            (target / path.name).symlink_to(path.absolute())
        return
    rng = np.random.default_rng(0)
    shape = (given.width * 3 // 4, given.width, 3)
    for number in range(given.count):
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(shape[1::-1], Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-12, 13, shape, dtype=np.int16)
        photo = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
        photo.save(target / f"{number:05}.jpg")


def _ours_apart(arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--only-ours", "--size", str(arguments.size)]
    command += ["--count", str(arguments.count), "--width", str(arguments.width)]
    command += ["--decoding", arguments.decoding]
    if arguments.photos is not None:
        command += ["--photos", str(arguments.photos)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _ours(photos: Path, given: argparse.Namespace) -> dict[str, float]:
    weights, size = find_weights(), given.size
    settings = BackboneSettings(size=size, decoding=given.decoding)
    paths = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in photos.iterdir()}
    backbone = vgg16(weights, settings)
    backbone(np.zeros((1, size, size, 3), dtype=np.uint8))

    def whole_pass() -> None:
        with tempfile.TemporaryDirectory() as folder:
            compute_features(
                list(paths),
                lambda image_id: np.asarray(
                    decode(paths[image_id].read_bytes(), "", settings.least)[0]
                ),
                FeatureCache(Path(folder)),
                lambda: backbone,
                size=size,
                progress=False,
            )

    speed = _speed(whole_pass, len(paths))
    return {"ours": speed, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _report(size: int, photos: Path, ours: dict[str, float]) -> dict[str, float | str | int]:
    count = len(list(photos.iterdir()))
    with quiet():
        import keras
        import tensorflow as tf
    weights = find_weights()
    reference = vgg16_maps(weights, size, feature_layers(size), "keras")
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(size, size, 3))
    network.set_weights(list(weights.tensors.values()))
    layer = network.get_layer(feature_layers(size)[-1]).output
    pooled = keras.Model(network.input, keras.layers.GlobalAveragePooling2D()(layer))

    def usual_pipeline(run: Callable[[tf.data.Dataset], object]) -> Callable[[], None]:
        def whole_pass() -> None:
            data = keras.utils.image_dataset_from_directory(
                photos.parent, labels=None, image_size=(size, size), batch_size=BATCH,
                shuffle=False, verbose=False,
            )  # fmt: skip
            run(data.map(keras.applications.vgg16.preprocess_input).prefetch(tf.data.AUTOTUNE))

        return whole_pass

    compiled = tf.function(lambda batch: pooled(batch, training=False), reduce_retracing=True)
    predict = _speed(usual_pipeline(lambda data: pooled.predict(data, verbose=0)), count)
    function = _speed(usual_pipeline(lambda data: [compiled(b).numpy() for b in data]), count)
    multiply = _multiplications_per_second()
    return {
        "size": size,
        "photos": count,
        "engine": choose_engine("auto", size),
        "ours": round(ours["ours"], 2),
        "keras_predict": round(predict, 2),
        "tf_function": round(function, 2),
        "ratio": round(ours["ours"] / predict, 2),
        "max_relative_error": _error(reference, photos, size),
        "peak_mib": round(ours["peak_mib"]),
        "share_of_matrix_multiply": round(_multiplications(pooled) * ours["ours"] / multiply, 2),
    }


def _speed(whole_pass: Callable[[], None], count: int) -> float:
    """Photos per second, the best of a few passes after one that warms up."""
    whole_pass()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        whole_pass()
        seconds.append(time.perf_counter() - started)
        print(f"{count / seconds[-1]:.1f} photos/s", file=sys.stderr)
    return count / min(seconds)


def _error(reference: Callable[[np.ndarray], list[np.ndarray]], photos: Path, size: int) -> float:
    """max|ours - Keras's| / max|Keras's| of features of identical pixels."""
    files = sorted(photos.iterdir())[:16]
    pixels = np.stack(
        [np.asarray(Image.open(f).convert("RGB").resize((size, size))) for f in files]
    )
    expected = joined(reference(pixels), "regions")
    ours = vgg16(find_weights(), BackboneSettings(size=size))(pixels)
    return float(np.abs(ours - expected).max() / expected.max())


def _multiplications(model: object) -> float:
    """Multiply-adds of one photo's convolutions."""
    return float(
        sum(
            np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
            for layer in model.layers  # type: ignore[attr-defined]
            if hasattr(layer, "kernel")
        )
    )


def _multiplications_per_second(side: int = 2048) -> float:
    """Multiply-adds a second of NumPy's float32 matrix product."""
    matrix = np.ones((side, side), dtype=np.float32)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return 3 * side**3 / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
