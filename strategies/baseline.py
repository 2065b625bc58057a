"""The baseline that every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from strategies.base import Pool, Selection, check, top_k
from strategies.registry import strategy


@strategy("random", "Photos drawn uniformly; the baseline.")
def random(pool: Pool, k: int, *, rng: np.random.Generator) -> Selection:
    """k candidates drawn uniformly without replacement. Raises what `base.check` raises."""
    check(pool, k)
    scores = rng.random(len(pool.candidates))
    chosen = top_k(scores, k, rng)
    return Selection(pool.candidates[chosen], scores[chosen])
