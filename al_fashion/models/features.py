"""Computes the features that the cache lacks, a batch at a time."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from al_fashion.errors import WeightsError
from al_fashion.models.backbones import Backbone
from al_fashion.models.cache import FeatureCache

BATCH = 16
SMALL_BATCH = 64
"""Photos at once up to SMALL pixels a side, which is a tenth to a fifth faster there."""
SMALL = 64
_READERS = 2
_BATCHES_AHEAD = 2


def compute_features(
    ids: Sequence[str],
    read: Callable[[str], np.ndarray],
    cache: FeatureCache,
    backbone_factory: Callable[[], Backbone],
    *,
    size: int,
    batch_size: int | None = None,
    progress: bool = True,
) -> None:
    """Add to `cache` the features of those of `ids` (SHA-256, hexadecimal) that it lacks.

    `read` gives a photo's pixels, uint8 RGB (h, w, 3), and may be called from several threads;
    what it raises is raised here, with every batch before it cached. Every batch, by default of
    BATCH photos or SMALL_BATCH small ones, is on disk before the next is looked at. The backbone is
    built only if a photo is missing. Raises WeightsError for a backbone that gives NaN or infinity,
    which is not cached.
    """
    cached = set(cache.ids())
    missing = [image_id for image_id in dict.fromkeys(ids) if image_id not in cached]
    if not missing:
        return
    batch_size = batch_size or (SMALL_BATCH if size <= SMALL else BATCH)
    batches = [missing[start : start + batch_size] for start in range(0, len(missing), batch_size)]
    photos = _read_ahead(missing, lambda image_id: resize(read(image_id), size), batch_size)
    # Shown from the start, because loading TensorFlow alone takes seconds.
    with tqdm(total=len(missing), desc="features", unit="photo", disable=not progress) as bar:
        backbone = backbone_factory()
        for batch in batches:
            pixels = np.stack([next(photos) for _ in batch])
            cache.append(batch, finite(backbone, pixels))
            bar.update(len(batch))


def finite(backbone: Backbone, pixels: np.ndarray) -> np.ndarray:
    """The backbone's features of photos. Raises WeightsError where some are no numbers."""
    features = backbone(pixels)
    if not np.isfinite(features).all():
        raise WeightsError(
            f"The backbone {backbone.name} gives NaN or infinity. Use other weights, or another "
            "backbone (`al-fashion init --backbone`)."
        )
    return features


def resize(photo: np.ndarray, size: int) -> np.ndarray:
    """Bicubic, antialiased, to uint8 (size, size, 3) whatever the photo's proportions.

    Large photos are first reduced by a whole factor, to no less than twice the size.
    """
    resized = Image.fromarray(photo).resize(
        (size, size), Image.Resampling.BICUBIC, reducing_gap=2.0
    )
    return np.asarray(resized)


def _read_ahead(
    ids: Sequence[str], load: Callable[[str], np.ndarray], batch_size: int
) -> Iterator[np.ndarray]:
    """Yield the photos in order, at most a few batches being held."""
    waiting: deque[Future[np.ndarray]] = deque()
    readers = ThreadPoolExecutor(_READERS)
    try:
        for image_id in ids:
            waiting.append(readers.submit(load, image_id))
            if len(waiting) == _BATCHES_AHEAD * batch_size:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
