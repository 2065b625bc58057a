"""`models` as a user sees it: real photos, whole networks, weights from files of random numbers."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from test_cli import LABELS, Run, run, save_photos  # noqa: F401  (`run` is a fixture)

from al_fashion.models import keras_backbones
from al_fashion.models.weights import SHAPES

PHOTOS = 72
FAST = ("--epochs", 1, "--per-class", 20)


@pytest.fixture(scope="module")
def random_vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg16.npz"
    rng = np.random.default_rng(0)
    np.savez(
        path,
        **{
            name: np.zeros(shape, np.float32)
            if name.endswith("bias")
            else rng.standard_normal(shape, np.float32)
            * np.float32(np.sqrt(2 / np.prod(shape[:3])))
            for name, shape in SHAPES.items()
        },
    )
    return path


@pytest.fixture(scope="module")
def random_resnet50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    keras.applications.ResNet50(weights=None, include_top=False).save_weights(path)
    return path


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights in Keras's cache, no internet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(keras_backbones, "answers", lambda _: False)


@pytest.fixture
def labelled(tmp_path: Path, run: Run) -> Path:  # noqa: F811
    """A workspace at 96 px of photos whose pattern tells their label, in groups of three."""
    save_photos(tmp_path / "photos", PHOTOS)
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "labels", "sender"])
        for number in range(PHOTOS):
            rows.writerow([f"photos/{number}.png", LABELS[number % 3], f"sender {number // 3}"])
    folder = tmp_path / "w"
    options = ("--exclusive", "--heldout", 0.5, "--audit", 0, "--input-size", 96, "--seed", 1)
    assert run("init", folder, "--labels", ",".join(LABELS), *options)[0] == 0
    source = (tmp_path / "photos.csv", "--labels-from", "csv", "--group-by", "sender")
    assert run("-w", folder, "import", *source)[0] == 0
    return folder


def test_all_models_are_compared_and_saved(
    labelled: Path,
    run: Run,  # noqa: F811
    random_vgg16: Path,
    random_resnet50: Path,
) -> None:
    weights = ("--weights", random_resnet50, "--weights", random_vgg16, "--weights-unverified")
    before = run("-w", labelled, "status", "--json")[1]
    status, out, err = run("-w", labelled, "models", "compare", *weights, *FAST, "--json")
    assert status == 0, err
    # No copy became a photo, and none waits for a labeller.
    assert run("-w", labelled, "status", "--json")[1] == before
    found = json.loads(out)
    rows = {row["name"]: row for row in found["models"]}
    names = ["basic-cnn", "vgg16-v1", "vgg16-v2", "vgg16-v3", "resnet50", "loop"]
    assert list(rows) == names
    assert all(row["available"] for row in rows.values())
    assert found["photos"] == {"train": 36, "test": 36, "left_out": 0}
    for name, row in rows.items():
        interval = row["accuracy"]
        assert interval["method"] == "korn-graubard"
        assert interval["n"] == (PHOTOS if name == "vgg16-v3" else 36)
        assert interval["low"] <= interval["value"] <= interval["high"]
        assert sum(map(sum, row["confusion"])) == interval["n"]
    assert rows["loop"]["accuracy"]["value"] > 0.9
    assert rows["vgg16-v2"]["epochs"] == [1, 1]
    assert rows["vgg16-v2"]["rows_with_copies"] == 60
    assert len(rows["vgg16-v3"]["curves"]) == 2
    low, high = rows["vgg16-v1"]["validation"]
    assert low <= rows["vgg16-v1"]["accuracy"]["value"] <= high

    reports = labelled / "reports"
    assert "t-range only says" in (reports / "models.md").read_text()
    for name in ("models-curves", "models-confusion"):
        assert Pillow.open(reports / f"{name}.png").width > 300
        assert "</svg>" in (reports / f"{name}.svg").read_text()
    assert Pillow.open(reports / "augmentation.png").width >= 2 * 96


@pytest.mark.usefixtures("nowhere")
def test_without_resnets_weights_its_row_says_so(
    labelled: Path,
    run: Run,  # noqa: F811
    random_vgg16: Path,
) -> None:
    weights = ("--weights", random_vgg16, "--weights-unverified")
    status, out, _ = run("-w", labelled, "models", "compare", "resnet50", "loop", *weights, *FAST)
    assert status == 0
    row = next(line for line in out.splitlines() if line.startswith("| ResNet50"))
    assert "weights not available" in row
    assert "--weights FILE" in out
    assert "augmentation.png" in out
    without = run("-w", labelled, "models", "compare", "loop", *weights, *FAST, "--per-class", "0")
    assert "models.md" in without[1]
    assert "augmentation.png" not in without[1]
    assert not (labelled / "reports" / "augmentation.png").exists()
    status, _, err = run("-w", labelled, "models", "train", "resnet50", *FAST)
    assert status == 1
    assert "weights not available" in err
    assert not (labelled / "models" / "resnet50.npz").exists()


def test_a_trained_model_predicts_outside_any_workspace(
    labelled: Path,
    run: Run,  # noqa: F811
    random_vgg16: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = ("--weights", random_vgg16, "--weights-unverified")
    saved = tmp_path / "away" / "vgg16-v2.npz"
    saved.parent.mkdir()
    status, out, err = run(
        "-w",
        labelled,
        "models",
        "train",
        "vgg16-v2",
        *weights,
        *FAST[2:],
        "--epochs",
        4,
        "-o",
        saved.parent,
    )
    assert status == 0, err
    assert "VGG16 v2: test accuracy" in out
    monkeypatch.chdir(tmp_path / "away")
    photos = [tmp_path / "photos" / f"{number}.png" for number in range(6)]
    status, out, err = run("predict", *photos, "--model", saved, *weights, "--json")
    assert status == 0, err
    rows = json.loads(out)["predictions"]
    right = [row["labels"] == [LABELS[number % 3]] for number, row in enumerate(rows)]
    assert sum(right) >= 4
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1)

    saved.write_bytes(saved.read_bytes()[:5000])
    status, _, err = run("predict", photos[0], "--model", saved, *weights)
    assert (status, err.count("\n")) == (1, 1)
    assert "is damaged" in err


def test_a_fine_tuned_backbone_is_a_new_version_beside_the_old(
    labelled: Path,
    run: Run,  # noqa: F811
    random_vgg16: Path,
) -> None:
    weights = ("--weights", random_vgg16, "--weights-unverified")
    arguments = ("models", "train", "--fine-tune", "block5", "--per-class", 0, "--epochs", 2)
    status, out, err = run("-w", labelled, *arguments, *weights, "--json")
    assert status == 0, err
    found = json.loads(out)
    tuned = Path(found["weights"])
    assert tuned.parent == labelled / "models"
    assert 0 < found["photos"] < 36
    assert len(found["validation"]) == 2
    assert found["before"]["n"] == found["after"]["n"] == 36
    assert not list((labelled / "models").glob(".fine*"))
    folders = [path.name for path in (labelled / "features").glob("*5regions")]
    assert len(folders) == 2

    # Set in the configuration, every round uses them.
    config = labelled / "al_fashion.toml"
    text = config.read_text().replace('weights = ""', f'weights = "models/{tuned.name}"')
    config.write_text(text)
    status, out, err = run("-w", labelled, "round", "--json")
    assert status == 0, err
    assert json.loads(out)["accuracy"]["value"] == pytest.approx(found["after"]["value"])
    status, out, _ = run("-w", labelled, "doctor")
    assert tuned.name in out


def test_wrong_use_is_one_line(
    labelled: Path,
    run: Run,  # noqa: F811
    tmp_path: Path,
    random_vgg16: Path,
) -> None:
    def error(*arguments: object, status: int = 1) -> str:
        done, out, err = run("-w", labelled, "models", *arguments)
        assert (done, out) == (status, "")
        assert status == 2 or err.count("\n") == 1
        return err

    assert "Unknown model 'vgg17'" in error("train", "vgg17")
    assert "Unknown model 'vgg17'" in error("compare", "vgg17")
    assert "resnet50, loop." in error("compare", "vgg17")
    assert "same model" in error("compare", "--pair", "vgg16-v2", "vgg16-v3")
    assert "Give either NAME" in error("train", status=2)
    (tmp_path / "odd.npz").write_bytes(b"no weights")
    assert "odd.npz" in error("compare", "--weights", tmp_path / "odd.npz")
    twice = ("--weights", random_vgg16, "--weights", random_vgg16)
    assert "both hold vgg16's weights" in error("compare", *twice)


def test_the_list_says_what_the_study_found(run: Run) -> None:  # noqa: F811
    status, out, _ = run("models", "list")
    assert status == 0
    assert len(out.splitlines()) == 5
    assert "rmsprop 0.0002, 50/50, both halves in turn; the study found 85.0 %" in out
    status, out, _ = run("models", "list", "--json")
    assert json.loads(out)["models"][0]["learning_rate"] == 0.1
