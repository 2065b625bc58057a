"""Sources: what is found in folders and manifests, and what is refused in one clear line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from al_fashion.data.manifest import read_class_map
from al_fashion.data.sources import read_source
from al_fashion.errors import SourceError, UnknownLabel

KNOWN = ("dress", "red", "shirt")


def read(source: Path | str, **options: Any) -> dict[str, tuple[str, ...] | None]:
    photos, _ = read_all(source, **options)
    return {Path(photo.path).name: photo.labels for photo in photos}


def read_all(source: Path | str, **options: Any) -> Any:
    defaults: dict[str, Any] = {
        "labels_from": None,
        "class_map": None,
        "group_by": None,
        "image_column": "image",
        "label_column": "labels",
        "known": KNOWN,
        "exclusive": False,
    }
    return read_source(str(source), **(defaults | options))


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, content: str | bytes = b"photo") -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_tree_gives_its_first_folders_as_labels(put: Callable[..., Path]) -> None:
    put("dress/deep/er/1.jpg")
    put("shirt/2.jpg")
    put("3.jpg")
    for passed_by in ("shirt/Thumbs.db", ".hidden/4.jpg", "dress/.DS_Store", "__MACOSX/5.jpg"):
        put(passed_by)
    root = put("shirt/2.jpg").parent.parent
    assert read(root) == {"1.jpg": ("dress",), "2.jpg": ("shirt",), "3.jpg": None}
    assert set(read(root, labels_from="none").values()) == {None}


def test_folders_that_are_no_labels_are_no_labels(put: Callable[..., Path]) -> None:
    root = put("2023/1.jpg").parent.parent
    photos, remarks = read_all(root)
    assert [photo.labels for photo in photos] == [None]
    assert "2023" in remarks[0] and "--class-map" in remarks[0]
    with pytest.raises(UnknownLabel, match="'2023'"):
        read(root, labels_from="folders")


def test_decomposed_accents_are_the_same_label(put: Callable[..., Path]) -> None:
    root = put("robe e\u0301te\u0301/1.jpg").parent.parent
    assert read(root, known=("robe \u00e9t\u00e9", "x")) == {"1.jpg": ("robe \u00e9t\u00e9",)}


def test_links_in_a_circle_end(put: Callable[..., Path]) -> None:
    root = put("dress/1.jpg").parent.parent
    (root / "dress" / "again").symlink_to(root)
    assert read(root)["1.jpg"] is not None


def test_a_class_map_gives_several_labels_or_none(put: Callable[..., Path], tmp_path: Path) -> None:
    put("red dress/1.jpg")
    put("misc/2.jpg")
    root = put("shirt/3.jpg").parent.parent
    file = tmp_path / "map.csv"
    file.write_text("folder,labels\nred dress,red|dress\nmisc,\n", encoding="utf-8-sig")
    expected = {"1.jpg": ("dress", "red"), "2.jpg": None, "3.jpg": ("shirt",)}
    assert read(root, class_map=read_class_map(file)) == expected
    with pytest.raises(SourceError, match=r"1 photos have several labels.*1\.jpg"):
        read(root, class_map=read_class_map(file), exclusive=True)
    file.write_text("folder,labels\nred dress,rde\n")
    with pytest.raises(UnknownLabel, match="'misc', 'rde'"):
        read(root, class_map=read_class_map(file), labels_from="folders")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_manifest_gives_labels_and_groups(put: Callable[..., Path], encoding: str) -> None:
    put("photos/1.jpg")
    put("photos/2 b.jpg")
    text = 'image,labels,sender\r\nphotos/1.jpg,shirt| red ,7\r\n"photos/2 b.jpg",,\r\n\r\n'
    manifest = put("list.csv", text.encode(encoding))
    assert read(manifest) == {"1.jpg": ("red", "shirt"), "2 b.jpg": None}
    photos, _ = read_all(manifest, group_by="sender")
    assert [photo.group for photo in photos] == ["sender=7", None]
    assert photos[0].path == str(manifest.parent.resolve() / "photos" / "1.jpg")


def test_a_manifest_may_be_parted_by_semicolons(put: Callable[..., Path]) -> None:
    put("1.jpg")
    assert read(put("list.csv", "image;labels\n1.jpg;red|shirt\n")) == {"1.jpg": ("red", "shirt")}


def test_a_manifest_names_files_as_they_are(put: Callable[..., Path]) -> None:
    put("robe e\u0301.jpg")
    put(" 1.jpg")
    manifest = put("list.csv", "image,labels\nrobe e\u0301.jpg,red\n 1.jpg,shirt\n")
    assert read(manifest) == {"robe e\u0301.jpg": ("red",), " 1.jpg": ("shirt",)}


def test_a_photo_named_twice_is_in_both_groups(put: Callable[..., Path]) -> None:
    put("1.jpg")
    manifest = put("list.csv", "image,labels,sender\n1.jpg,red,7\n1.jpg,red,8\n1.jpg,red,7\n")
    photos, _ = read_all(manifest, group_by="sender")
    assert [photo.group for photo in photos] == ["sender=7", "sender=8"]


def test_columns_can_be_named_and_labels_left_unread(put: Callable[..., Path]) -> None:
    put("1.jpg")
    manifest = put("list.csv", "file,class\n1.jpg,coat\n")
    assert read(manifest, image_column="file", labels_from="none") == {"1.jpg": None}
    meaning = {"coat": ("red",)}
    columns = {"image_column": "file", "label_column": "class"}
    assert read(manifest, **columns, class_map=meaning) == {"1.jpg": ("red",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("image,labels\n", "no rows"),
        ("file,labels\n1.jpg,red\n", r"no column 'image', but 'file', 'labels'"),
        ("image labels\n1.jpg red\n", r"no column 'image', but 'image labels'"),
        ("image,labels\n1.jpg,red\n1.jpg,shirt\n", r"1 photos .* twice .* 1\.jpg"),
        ("image,labels\n1.jpg,red\n./1.jpg,\n", "twice"),
        ("image,labels\n,red\n", "1 rows .* line 2"),
        ("image,labels\n" + "".join(f"no{i}.jpg,\n" for i in range(5)), r"5 photos.*no2.jpg and 2"),
        ("image,labels\nbad\0name.jpg,\n", "do not exist"),
        ("image,labels\n1.jpg,red\n".encode("utf-16"), "not a CSV in UTF-8"),
        (b"\xff\xd8\xff\xe0 a photo", "not a CSV in UTF-8"),
    ],
)
def test_a_bad_manifest_is_refused(
    put: Callable[..., Path], content: str | bytes, message: str
) -> None:
    put("1.jpg")
    with pytest.raises(SourceError, match=message) as error:
        read(put("list.csv", content))
    assert "\n" not in str(error.value)


def test_all_unknown_labels_are_named_up_to_twenty(put: Callable[..., Path]) -> None:
    put("1.jpg")
    many = "|".join(f"label{i:02}" for i in range(25))
    with pytest.raises(UnknownLabel, match=r"^25 labels.*'label19' and 5 more.*--class-map"):
        read(put("list.csv", f"image,labels\n1.jpg,{many}\n"))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("in", {"labels_from": "csv"}, "is a folder"),
        ("in", {"labels_from": "folders"}, "no folders"),
        ("in", {"group_by": "sender"}, "--group-by sender"),
        ("in", {"labels_from": "none", "class_map": {}}, "--class-map"),
        ("in/list.csv", {"labels_from": "folders"}, "is a CSV manifest"),
        ("nowhere", {}, "does not exist"),
        ("empty", {}, "No photos in"),
    ],
)
def test_what_does_not_fit_is_refused(
    put: Callable[..., Path], tmp_path: Path, source: str, options: dict[str, Any], message: str
) -> None:
    put("1.jpg")
    put("list.csv", "image,labels\n1.jpg,\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        read(tmp_path / source, **options)


def test_fashion_mnist_refuses_labels_from_elsewhere() -> None:
    with pytest.raises(SourceError, match="fashion-mnist"):
        read("fashion-mnist", labels_from="csv")
