"""Photos that are the same picture but not the same file: resized, saved again, brightened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from sqlalchemy import select
from sqlalchemy.orm import Session

from al_fashion.store.schema import File

# Two photos are near duplicates if so few of the 64 bits differ and the thumbnails agree so well.
MOST_BITS = 8
LEAST_CORRELATION = 0.98
# In smaller photos there is too little to tell a copy from a likeness.
SMALL_SIDE = 64
_THUMBNAIL = 16
_BLOCK = 1024


@dataclass(frozen=True)
class Likeness:
    """What photos look like: `ids` (n,), `hashes` (n,) uint64, `thumbnails` (n, 256) float32,
    each of mean 0 and length 1."""

    ids: list[str]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]


def likeness(photo: Pillow.Image) -> tuple[str, bytes] | None:
    """(perceptual hash in hexadecimal, 16 x 16 grey values); None for photos too small to tell.

    The hash is that of `imagehash` (DCT of 32 x 32 pixels, 64 bits).
    """
    if max(photo.size) < SMALL_SIDE:
        return None
    grey = photo.convert("L")
    # The hash looks at 32 x 32 pixels: a box filter first is many times as fast and as good.
    grey = grey.reduce(max(1, min(grey.size) // 128))
    small = grey.resize((_THUMBNAIL, _THUMBNAIL), Pillow.Resampling.BOX)
    return str(imagehash.phash(grey)), small.tobytes()


def read_likeness(session: Session) -> Likeness:
    """What every photo looks like that is large enough."""
    rows = session.execute(
        select(File.image_id, File.phash, File.thumbnail)
        .where(File.image_id.is_not(None), File.phash.is_not(None))
        .order_by(File.image_id, File.path)
    )
    return likenesses(
        {str(i): (str(phash), bytes(small)) for i, phash, small in rows if small is not None}
    )


def likenesses(by_id: Mapping[str, tuple[str, bytes]]) -> Likeness:
    """What `likeness` said of photos, by image id, made ready to be compared."""
    values = [np.frombuffer(small, np.uint8).astype(np.float32) for _, small in by_id.values()]
    stacked = np.array(values, dtype=np.float32).reshape(len(by_id), _THUMBNAIL**2)
    stacked = stacked - stacked.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
    hashes = np.array([int(phash, 16) for phash, _ in by_id.values()], dtype=np.uint64)
    return Likeness(list(by_id), hashes, stacked / np.maximum(lengths, 1e-6))


def near_pairs(found: Likeness, among: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Pairs of near duplicates, of which one at least is `among` these (all, if not given)."""
    n = len(found.ids)
    wanted = set(found.ids if among is None else among)
    rows = np.array([row for row, i in enumerate(found.ids) if i in wanted], dtype=np.int64)
    is_wanted = np.zeros(n, dtype=bool)
    is_wanted[rows] = True
    pairs: list[tuple[str, str]] = []
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        bits = np.bitwise_count(found.hashes[part, None] ^ found.hashes[None, :])
        ones, others = np.nonzero(bits <= MOST_BITS)
        ones = part[ones]
        # Each pair once; with a photo that is not wanted, from the wanted one's side only.
        once = (ones < others) | ((ones > others) & ~is_wanted[others])
        ones, others = ones[once], others[once]
        agree = np.einsum("ij,ij->i", found.thumbnails[ones], found.thumbnails[others])
        close = agree >= LEAST_CORRELATION
        pairs += [
            (found.ids[one], found.ids[other])
            for one, other in zip(ones[close], others[close], strict=True)
        ]
    return pairs


def join_near(
    named: Mapping[str, set[str]], known: Mapping[str, str], pairs: Sequence[tuple[str, str]]
) -> dict[str, set[str]]:
    """The groups of each photo of `named`, with one that it shares with its near duplicates.

    `known` maps earlier photos to their groups.
    """
    joined = {photo: set(groups) for photo, groups in named.items()}
    for one, other in pairs:
        earlier = {known[photo] for photo in (one, other) if photo in known}
        given = named.get(one, set()) | named.get(other, set())
        shared = min(earlier or given or {one, other})
        for photo in (one, other):
            if photo in joined:
                joined[photo].add(shared)
    return joined
