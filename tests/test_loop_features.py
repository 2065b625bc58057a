"""A workspace's features, whatever its backbone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from test_cli import save_photos

from al_fashion.checks import run_checks
from al_fashion.cli import main
from al_fashion.config import Config, load_config
from al_fashion.errors import WorkspaceError
from al_fashion.loop.features import FeatureOptions, configured_backbone
from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.queue import next_photos
from al_fashion.workspace import Workspace

SIDE = 20


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["al-fashion", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code


def own_network(path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, strides=2, name="maps"),
            keras.layers.Conv2D(3, 3, strides=2, name="small_maps"),
        ]
    ).save(path)


def answer_everything(workspace: Workspace) -> None:
    with writing(workspace.engine) as session:
        for place, photo in enumerate(next_photos(session, "ann", limit=1000)):
            save_answer(
                session,
                query_id=photo.query_id,
                labeller="ann",
                kind="labels",
                label_names=[("dress", "shirt")[place % 2]],
                client_id=str(photo.query_id),
            )


def test_an_own_backbone_from_init_to_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_network(tmp_path / "own.keras")
    save_photos(tmp_path / "photos", 40)
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "init", "w", "--labels", "dress,shirt", "--backbone", "own.keras")
    workspace = Workspace.open(tmp_path / "w")
    assert workspace.config.backbone == str(tmp_path / "own.keras")
    assert workspace.config.input_size == SIDE
    run(monkeypatch, "-w", "w", "import", "photos", "--labels-from", "none")
    run(monkeypatch, "-w", "w", "round", "-n", "10")
    answer_everything(workspace)

    # Other layers are another version of the features, beside the first.
    text = (tmp_path / "w/al_fashion.toml").read_text()
    changed = text.replace("layers = []", 'layers = ["maps", "small_maps"]')
    (tmp_path / "w/al_fashion.toml").write_text(changed)
    run(monkeypatch, "-w", "w", "round", "-n", "5")
    assert len([path for path in (tmp_path / "w/features").iterdir() if path.is_dir()]) == 2

    # A model is used with the layers that it was trained on.
    (tmp_path / "w/al_fashion.toml").write_text(text)
    capsys.readouterr()
    run(monkeypatch, "-w", "w", "predict", "photos/0.png")
    assert "0.png: " in capsys.readouterr().out
    weights = run_checks(tmp_path / "w", None, verify_weights=True)[2]
    assert weights["ok"] and weights["says"].endswith("own.keras")

    (tmp_path / "own.keras").unlink()
    weights = run_checks(tmp_path / "w", None, verify_weights=True)[2]
    assert not weights["ok"] and "own.keras" in weights["says"]


def test_a_backbone_that_is_none_makes_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["al-fashion", "init", "w", "--labels", "a,b", "--backbone", "vgg17"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "Unknown backbone 'vgg17'" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_named_networks_are_told_apart_without_loading_them(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"a")
    (tmp_path / "b.h5").write_bytes(b"b")
    plain = Config(backbone="resnet50", input_size=96)
    configurations = [
        plain,
        plain.with_values(layers=("conv4_block6_out",), pooling="mean"),
        plain.with_values(decoding="draft"),
    ]
    keys = {
        configured_backbone(config, FeatureOptions(weights)).key
        for config in configurations
        for weights in (None, tmp_path / "a.h5", tmp_path / "b.h5")
    }
    assert len(keys) == 9


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('pooling = "median"', "expected one of regions, mean, flat"),
        ("layers = [1]", "expected a list of names"),
        ('layers = "block5_pool"', "expected a list of names"),
        ("backbone = 3", "expected a str"),
        ('engine = "onnx"', "expected one of auto, keras, ncnn"),
        ('backbon = "vgg16"', "unknown setting 'backbon'"),
    ],
)
def test_wrong_settings_are_said(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "al_fashion.toml").write_text(line)
    with pytest.raises(WorkspaceError, match=says):
        load_config(tmp_path)


def test_a_configuration_of_the_first_version_is_read(tmp_path: Path) -> None:
    lines = 'database = ""\ninput_size = 48\nstrategy = "usdm"\nbatch = 20\n'
    (tmp_path / "al_fashion.toml").write_text(lines)
    assert load_config(tmp_path) == Config(input_size=48, strategy="usdm")
    changed = Config(layers=("a", "b"), pooling="flat")
    changed.save(tmp_path)
    assert load_config(tmp_path) == changed


def test_features_of_an_empty_cache_have_no_dimension_yet(tmp_path: Path) -> None:
    from al_fashion.models.cache import FeatureCache

    cache = FeatureCache(tmp_path / "features")
    assert cache.open().features.shape == (0, 0)
    cache.append(["ab" * 32], np.ones((1, 7), dtype=np.float32))
    assert cache.open().features.shape == (1, 7)
    assert FeatureCache(tmp_path / "features").dimension == 7
