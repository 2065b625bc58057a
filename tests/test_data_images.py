"""Reading photos: what every kind of file turns into, or why it is refused."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from al_fashion.data.images import UnreadablePhoto, content_id, decode, picture, read_pixels
from al_fashion.errors import MissingPhotos

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def encode(photo: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_claimed_size(width: int, height: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def colour(photo: Pillow.Image, x: int, y: int) -> list[int]:
    value: list[int] = np.asarray(photo)[y, x].tolist()
    return value


def test_exif_rotation_is_applied() -> None:
    photo = Pillow.new("RGB", (40, 20), "blue")
    photo.paste("red", (0, 0, 10, 20))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: the left edge belongs on top
    upright, mime = decode(encode(photo, "JPEG", exif=exif, quality=95), "a.jpg")
    assert upright.size == (20, 40)
    assert mime == "image/jpeg"
    red, _, blue = colour(upright, 10, 2)
    assert red > 200 and blue < 60


def test_cmyk_becomes_rgb() -> None:
    photo, _ = decode(encode(Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), "a.jpg")
    assert photo.mode == "RGB"
    red, green, blue = colour(photo, 4, 4)
    assert red > 200 and green < 60 and blue < 60


def test_sixteen_bits_are_scaled() -> None:
    values = np.full((8, 8), 32768, np.uint16)
    photo, _ = decode(encode(Pillow.fromarray(values), "PNG"), "a.png")
    assert photo.mode == "RGB"
    assert colour(photo, 0, 0) == [127, 127, 127]


def test_dark_sixteen_bit_photos_stay_dark() -> None:
    values = np.full((8, 8), 200, dtype=np.uint16)
    photo, _ = decode(encode(Pillow.fromarray(values), "PNG"), "a.png")
    assert colour(photo, 0, 0) == [0, 0, 0]


def test_floats_up_to_one_are_scaled() -> None:
    values = np.full((8, 8), 0.5, dtype=np.float32)
    photo, _ = decode(encode(Pillow.fromarray(values), "TIFF"), "a.tif")
    assert colour(photo, 0, 0) == [127, 127, 127]


def test_transparent_palette_lies_on_white() -> None:
    palette = Pillow.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.paste(1, (0, 0, 4, 8))
    photo, _ = decode(encode(palette, "PNG", transparency=0), "a.png")
    assert colour(photo, 1, 1) == [255, 0, 0]
    assert colour(photo, 6, 6) == [255, 255, 255]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<!doctype html><title>404</title>", "not an image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "not an image"),
        (png_of_claimed_size(50_000, 50_000), "too large"),
        (png_of_claimed_size(12_000, 12_000), "too large: 12000 x 12000"),
    ],
    ids=["empty", "html", "svg", "eps", "bomb", "large"],
)
def test_what_is_no_photo_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePhoto, match=reason):
        decode(content, "a.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_truncated_photos_are_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Pillow.fromarray(noise), kind)
    decode(content, "whole")
    with pytest.raises(UnreadablePhoto):
        decode(content[: len(content) // 2], "half")


def test_a_jpeg_is_read_no_larger_than_needed_and_upright() -> None:
    """Stored on its side: 1,600 x 800 pixels, shown 800 x 1,600."""
    shades = np.linspace(0, 255, 1600, dtype=np.uint8)
    stored = Pillow.fromarray(np.tile(shades, (800, 1))).convert("RGB")
    exif = Pillow.Exif()
    exif[0x0112] = 6
    content = encode(stored, "JPEG", exif=exif)
    whole, part = decode(content, "whole")[0], decode(content, "part", 150)[0]
    assert (whole.size, part.size) == ((800, 1600), (200, 400))
    difference = np.asarray(whole.resize(part.size), float) - np.asarray(part, float)
    assert np.abs(difference).max() < 4
    png = encode(stored, "PNG")
    assert decode(png, "png", 150)[0].size == (1600, 800)


def test_a_photo_changed_since_its_import_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(Pillow.new("RGB", (8, 8), "red"), "PNG"))
    image_id = content_id(path.read_bytes())
    assert read_pixels(image_id, [str(path)]).shape == (8, 8, 3)
    path.write_bytes(encode(Pillow.new("RGB", (8, 8), "blue"), "PNG"))
    with pytest.raises(MissingPhotos, match="relocate"):
        read_pixels(image_id, [str(path)])


def test_a_large_photo_is_shown_smaller(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encode(Pillow.new("RGB", (3200, 800)), "TIFF"))
    shown, mime = picture(content_id(path.read_bytes()), [str(path)], 1600)
    assert mime == "image/jpeg"
    assert Pillow.open(io.BytesIO(shown)).size == (1600, 400)
