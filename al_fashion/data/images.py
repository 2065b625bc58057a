"""Pixels: reading a photo, upright and in RGB, and the picture a labeller sees."""

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from al_fashion.data import fashion_mnist
from al_fashion.errors import MissingPhotos

MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA")
"""What is taken for a photo. Pillow would hand others, such as EPS, to programs of their own."""

# Damaged photos are refused with a reason; Pillow's warnings would only add noise. Set once,
# because `warnings.catch_warnings` must not be used by several threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


class UnreadablePhoto(Exception):
    """Why a file is not a photo; the message is the reason shown to the user."""


def content_id(content: bytes) -> str:
    """The identity of a photo: SHA-256 of its content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_content(path: str) -> bytes:
    """The bytes of a photo at a path, or the pixel bytes of a Fashion-MNIST photo.

    Raises OSError where it is not there.
    """
    if path.startswith(fashion_mnist.PREFIX):
        return fashion_mnist.pixels(path).tobytes()
    return Path(path).read_bytes()


def decode(content: bytes, path: str, least: int = 0) -> tuple[Pillow.Image, str]:
    """(upright RGB photo, MIME type). Raises UnreadablePhoto with the reason.

    With `least` a JPEG may come out smaller, by a half, a quarter or an eighth, with no side
    below that many pixels: several times as fast.
    """
    if path.startswith(fashion_mnist.PREFIX):
        return Pillow.fromarray(fashion_mnist.pixels(path)).convert("RGB"), "image/png"
    if not content:
        raise UnreadablePhoto("empty file")
    try:
        photo = Pillow.open(io.BytesIO(content), formats=FORMATS)
        if photo.width * photo.height > MAX_PIXELS:
            raise UnreadablePhoto(
                f"too large: {photo.width} x {photo.height} pixels, "
                f"at most {MAX_PIXELS // 1_000_000} million are taken"
            )
        mime = Pillow.MIME.get(photo.format or "", "")
        if least and photo.mode in ("RGB", "L"):
            photo.draft(photo.mode, (least, least))
        photo.load()
        return _to_rgb(ImageOps.exif_transpose(photo)), mime
    except UnreadablePhoto:
        raise
    except Pillow.UnidentifiedImageError:
        raise UnreadablePhoto("not an image") from None
    except Pillow.DecompressionBombError:
        raise UnreadablePhoto("too large: decompression bomb") from None
    except Exception as error:
        # Pillow's plugins raise anything from OSError to struct.error on damaged files.
        raise UnreadablePhoto(f"damaged: {error}".strip().splitlines()[0]) from None


def _to_rgb(photo: Pillow.Image) -> Pillow.Image:
    """RGB from any mode: deeper than 8 bits scaled to 8, transparency laid on white."""
    if photo.mode.startswith("I;16") or photo.mode in ("I", "F"):
        values = np.asarray(photo, dtype=np.float64)
        scaled = np.clip(values / _white(photo.mode, values) * 255.0, 0, 255).astype(np.uint8)
        return Pillow.fromarray(scaled).convert("RGB")
    if "transparency" in photo.info or photo.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        photo = photo.convert("RGBA")
        white = Pillow.new("RGBA", photo.size, "white")
        return Pillow.alpha_composite(white, photo).convert("RGB")
    return photo.convert("RGB")


def _white(mode: str, values: NDArray[np.float64]) -> float:
    """The value of white: known in 16 bits, the smallest usual one that fits in 32."""
    if mode.startswith("I;16"):
        return 65535.0
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    highest = values.max(initial=0)
    return next((white for white in usual if highest <= white), highest)


def read_verified(image_id: str, paths: Sequence[str]) -> tuple[bytes, str]:
    """(content, path) of a photo that is still what it was when imported.

    Raises MissingPhotos where none of its paths holds that content any more.
    """
    for path in paths:
        try:
            content = read_content(path)
        except OSError:
            continue
        if content_id(content) == image_id:
            return content, path
    shown = paths[0] if paths else f"{image_id[:12]}… (another file has its name now)"
    raise MissingPhotos(
        f"The photo {shown} was moved, changed or deleted since its import. "
        "Put it back, find it again with `al-fashion import --relocate DIR`, or do without it: "
        "`al-fashion import --remove-missing`."
    )


def read_pixels(image_id: str, paths: Sequence[str], least: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 pixels of a photo, `least` as in `decode`. Raises MissingPhotos."""
    content, path = read_verified(image_id, paths)
    return np.asarray(decode(content, path, least)[0])


def picture(image_id: str, paths: Sequence[str], side: int) -> tuple[bytes, str]:
    """(bytes, MIME type) of the picture a browser shows, at most `side` pixels a side.

    Always encoded anew: nothing that a file carries beside its pixels reaches a browser.
    Raises MissingPhotos.
    """
    content, path = read_verified(image_id, paths)
    drawn = path.startswith(fashion_mnist.PREFIX)
    photo, _ = decode(content, path, side)
    photo.thumbnail((side, side))
    photo.info.clear()  # Pillow would copy a comment that came with the file
    small = io.BytesIO()
    if drawn:
        photo.save(small, "PNG")
        return small.getvalue(), "image/png"
    photo.save(small, "JPEG", quality=88)
    return small.getvalue(), "image/jpeg"
