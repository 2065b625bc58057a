"""Saved models: whole or refused with one clear line."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from al_fashion.errors import ModelError
from al_fashion.models.backbones import BackboneSettings
from al_fashion.models.heads import LinearHead
from al_fashion.models.predictors import head_model, network_tensors, predictor
from al_fashion.models.saved import SavedModel, load_model, save_model, training_set_digest
from al_fashion.models.training import Rows, train_zoo_model
from al_fashion.models.zoo import zoo_model

LABELS = ["dress", "pullover", "shirt"]
BACKBONE = BackboneSettings("resnet50", 96, ("conv4_block6_out", "conv5_block3_out"), "mean")


def blobs(n: int, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    return (rng.normal(size=(n, d)) + 4 * np.eye(3, d)[kind]).astype(np.float32), kind


def saved_head(path: Path, exclusive: bool = True) -> LinearHead:
    features, kind = blobs(100)
    head = LinearHead(exclusive=exclusive).fit(features, np.eye(3)[kind])
    save_model(path, head_model(head, LABELS, BACKBONE, "key", "digest"))
    return head


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_saved_head_predicts_the_same(tmp_path: Path, exclusive: bool) -> None:
    head = saved_head(tmp_path / "head.npz", exclusive)
    model = load_model(tmp_path / "head.npz")
    assert (model.labels, model.features, model.backbone) == (LABELS, "key", BACKBONE)
    assert model.training_set == "digest"
    proba, chosen = predictor(model)(blobs(50)[0])
    np.testing.assert_allclose(proba, head.predict_proba(blobs(50)[0]), atol=1e-4)
    np.testing.assert_array_equal(chosen, head.predict(blobs(50)[0]))


def test_a_model_keeps_the_layers_it_was_trained_on(tmp_path: Path) -> None:
    features, kind = blobs(60)
    head = LinearHead(exclusive=True).fit(features, np.eye(3)[kind])
    key = "vgg16-0123456789ab-96px-draft-bicubic-block4_pool+block5_pool-5regions"
    chosen = BackboneSettings("vgg16", 96, decoding="draft")  # by the version that trains
    save_model(tmp_path / "head.npz", head_model(head, LABELS, chosen, key, "digest"))
    assert load_model(tmp_path / "head.npz").backbone.layers == ("block4_pool", "block5_pool")


def test_a_saved_network_predicts_the_same(tmp_path: Path) -> None:
    features, kind = blobs(90)
    roots = np.sign(features) * np.sqrt(np.abs(features))
    model = zoo_model("vgg16-v3")
    done = [
        train_zoo_model(
            model,
            Rows(features, kind),
            Rows(features, kind),
            3,
            np.random.default_rng(seed),
            epochs=1,
        )
        for seed in (0, 1)
    ]
    settings = {"networks": 2, "inputs": done[0].inputs}
    saved = SavedModel(
        "vgg16-v3", LABELS, BACKBONE, "key", "digest", network_tensors(done), settings
    )
    save_model(tmp_path / "v3.npz", saved)
    proba, chosen = predictor(load_model(tmp_path / "v3.npz"))(roots)
    np.testing.assert_allclose(proba, (done[0].proba + done[1].proba) / 2, atol=1e-5)
    assert (chosen.sum(axis=1) == 1).all()


def test_a_torn_file_is_refused_wherever_it_is_torn(tmp_path: Path) -> None:
    saved_head(tmp_path / "head.npz")
    content = (tmp_path / "head.npz").read_bytes()
    for length in (10, len(content) // 2, len(content) - 30):
        (tmp_path / "torn.npz").write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"torn\.npz is damaged"):
            load_model(tmp_path / "torn.npz")


def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """An archive's headers hold bytes that say nothing, such as the time of writing."""
    saved_head(tmp_path / "head.npz")
    whole, content = load_model(tmp_path / "head.npz"), (tmp_path / "head.npz").read_bytes()
    refused = 0
    for place in range(0, len(content), 29):
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        (tmp_path / "flipped.npz").write_bytes(flipped)
        try:
            read = load_model(tmp_path / "flipped.npz")
        except ModelError:
            refused += 1
            continue
        assert read.labels == whole.labels and read.settings == whole.settings
        for name, tensor in whole.tensors.items():
            np.testing.assert_array_equal(read.tensors[name], tensor)
    assert refused > len(content) / 29 / 2


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.npz"
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3))
    np.savez(archive, weights=np.zeros(3))
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"code": 1}]), allow_pickle=True)
    for content in (b"", b"no model", array.getvalue(), archive.getvalue(), pickled.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"foreign\.npz is (not a model|damaged)") as caught:
            load_model(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="No model at"):
        load_model(tmp_path / "absent.npz")
    with pytest.raises(ModelError, match="Cannot read the model"):
        load_model(tmp_path)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "newer.npz"
    text = json.dumps({"format": 99, "version": "7.0", "labels": LABELS})
    np.savez(path, al_fashion_model=np.array(text))
    with pytest.raises(ModelError, match=r"saved by al-fashion 7\.0 in format 99"):
        load_model(path)
    np.savez(path, al_fashion_model=np.array("{}"))
    with pytest.raises(ModelError, match="is not a model"):
        load_model(path)


def test_tensors_of_another_model_are_refused() -> None:
    wrong = SavedModel("linear-head", LABELS, BACKBONE, "key", "digest", {}, {"exclusive": True})
    with pytest.raises(ModelError, match="is not whole"):
        predictor(wrong)


def test_the_training_sets_digest_knows_photos_and_labels_not_their_order() -> None:
    targets = np.eye(3)[[0, 1, 2]]
    one = training_set_digest(["a", "b", "c"], targets)
    assert training_set_digest(["c", "a", "b"], targets[[2, 0, 1]]) == one
    assert training_set_digest(["a", "b", "c"], targets[[1, 0, 2]]) != one
    assert training_set_digest(["a", "b", "d"], targets) != one
