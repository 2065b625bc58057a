"""The prototype that `auto` has to beat, for `al-fashion compare`: its classifier, its strategy.

    al-fashion compare benchmarks/experiments/prototype.toml --data fashion-mnist \\
        --data clothing=DIR/labels.csv -o DIR

What it gave: docs/benchmarks.md, a prototype to beat.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

import strategies


def logistic() -> Pipeline:
    """Logistic regression on features of length 1, its penalty fixed, not calibrated."""
    return make_pipeline(Normalizer(), LogisticRegression(C=10.0, max_iter=200))


def typiclust_uherding(
    pool: strategies.Pool, k: int, *, rng: np.random.Generator
) -> strategies.Selection:
    """A `typiclust` seed set, then `uherding`."""
    name = "typiclust" if pool.proba is None else "uherding"
    return strategies.get(name)(pool, k, rng=rng)
