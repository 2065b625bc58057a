"""Hostile files: what is no photo never gets in, and nothing but pixels ever gets out."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from al_fashion.data.importing import import_photos
from al_fashion.data.pictures import kept_picture
from al_fashion.errors import SourceError
from al_fashion.store.database import reading
from al_fashion.store.photos import image_paths, quarantined
from al_fashion.store.schema import Image
from al_fashion.workspace import Workspace, create_workspace
from webui import create_app

SCRIPT = b"<script>alert(1)</script>"
NAMES = (
    '"><img src=x onerror=alert(1)>',
    "<script>alert(1)<script>",
    "{{7*7}}",
    "javascript:alert(1)",
    "a\u202egpj",
    "a\u200bb",
    "caf\u00e9",
    "cafe\u0301",
    "a\nb",
    "=HYPERLINK(1)",
    "%2e%2e%2f..%2fpasswd",
    "%00",
    "x" * 240,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "w", ("dress", "shirt"), seed=0)


def noise(seed: int) -> Pillow.Image:
    rng = np.random.default_rng(seed)
    return Pillow.fromarray(rng.integers(0, 255, (24, 16, 3), dtype=np.uint8))


def saved(photo: Pillow.Image, kind: str = "JPEG", **more: object) -> bytes:
    content = io.BytesIO()
    photo.save(content, kind, **more)
    return content.getvalue()


def with_script_in_exif() -> bytes:
    exif = Pillow.Exif()
    exif[0x010E] = SCRIPT.decode()
    exif[0x0112] = 6
    return saved(noise(2), exif=exif)


def bomb() -> bytes:
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


TAKEN = {
    "polyglot.jpg": lambda: saved(noise(1), comment=SCRIPT) + b"<html>" + SCRIPT,
    "exif.jpg": with_script_in_exif,
    "page.html": lambda: saved(noise(3)),
    "cmyk.jpg": lambda: saved(noise(4).convert("CMYK")),
    "deep.png": lambda: saved(
        Pillow.fromarray(np.arange(384, dtype=np.uint16).reshape(24, 16) * 170), "PNG"
    ),
    "moving.gif": lambda: saved(
        noise(5), "GIF", save_all=True, append_images=[noise(6)], comment=SCRIPT
    ),
}
REFUSED = {
    "drawing.svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "drawing.jpg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "page.jpg": lambda: b"<!doctype html>" + SCRIPT,
    "bomb.png": bomb,
    "cut.jpg": lambda: saved(noise(7))[:300],
    "empty.jpg": lambda: b"",
}


def test_only_pixels_reach_a_browser(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in {**TAKEN, **REFUSED}.items():
        (folder / name).write_bytes(content())
    report = import_photos(workspace, str(folder), labels_from="none")
    assert report.new == len(TAKEN)
    with reading(workspace.engine) as session:
        refused = {Path(path).name for path, _ in quarantined(session)}
        ids = [image.id for image in session.query(Image)]
        names = {Path(paths[0]).name: i for i, paths in image_paths(session, ids).items()}
    assert refused == set(REFUSED) and set(names) == set(TAKEN)
    client = create_app(workspace, "ann").test_client()
    for name, image_id in names.items():
        shown = client.get(f"/photos/{image_id}")
        assert shown.mimetype == "image/jpeg", name
        assert b"script" not in shown.data and b"<html" not in shown.data, name
        drawn = Pillow.open(io.BytesIO(shown.data))
        assert (drawn.format, drawn.mode, getattr(drawn, "n_frames", 1)) == ("JPEG", "RGB", 1)
        assert drawn.size == ((24, 16) if name == "exif.jpg" else (16, 24)), name
        assert not drawn.getexif()


def test_hostile_file_names_are_names(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / f"{name}.png").write_bytes(saved(noise(100 + number), "PNG"))
    (folder / '"><script>alert(1)<script>.jpg').write_bytes(b"no photo")
    report = import_photos(workspace, str(folder), labels_from="none")
    assert (report.new, len(report.quarantined)) == (len(NAMES), 1)
    client = create_app(workspace, "ann").test_client()
    with reading(workspace.engine) as session:
        ids = [image.id for image in session.query(Image)]
    for image_id in ids:
        assert kept_picture(workspace, image_id, 160)[1] == "image/jpeg"
        assert client.get(f"/photos/{image_id}").status_code == 200
    for path in ("/", "/review", "/end"):
        assert "onerror" not in client.get(path).text


@pytest.mark.parametrize("inside", ["../x.jpg", "/tmp/x.jpg", "..\\x.jpg"])
def test_archives_are_not_unpacked(workspace: Workspace, tmp_path: Path, inside: str) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(inside, saved(noise(1)))
    with pytest.raises(SourceError):
        import_photos(workspace, str(archive), labels_from="none")
    assert not (tmp_path / "x.jpg").exists() and not (tmp_path.parent / "x.jpg").exists()
