"""The learner: modAL's ActiveLearner, mended for current scikit-learn."""

from typing import Any

import numpy as np
from modAL.models import ActiveLearner
from modAL.utils.data import data_vstack, retrieve_rows
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length


class Learner(ActiveLearner):
    """modAL 0.4.2 calls scikit-learn with `force_all_finite`, which 1.8 removed.

    Its `query` also hides a strategy's exceptions and runs it again; this one does not.
    """

    X_training: Any
    y_training: Any

    def _add_training_data(self, X: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        _check(X, y)
        if self.X_training is not None:
            X, y = data_vstack((self.X_training, X)), data_vstack((self.y_training, y))
        self.X_training, self.y_training = X, y

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.floating],
        bootstrap: bool = False,
        **fit_kwargs: Any,
    ) -> "Learner":
        """Forget what was taught and fit the estimator to X (n, d) and y."""
        _check(X, y)
        self.X_training, self.y_training = X, y
        self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)
        return self

    def query(
        self, X_pool: Any, *query_args: Any, return_metrics: bool = False, **query_kwargs: Any
    ) -> tuple[Any, ...]:
        """(indices, rows of the pool), and the metrics too where asked for."""
        indices, metrics = self.query_strategy(self, X_pool, *query_args, **query_kwargs)
        found = (indices, retrieve_rows(X_pool, indices))
        return (*found, metrics) if return_metrics else found


def _check(X: NDArray[np.floating], y: NDArray[np.floating]) -> None:
    check_array(X, accept_sparse=True, ensure_2d=False, allow_nd=True, dtype=None)
    # Labels may lack: a photo need not have been asked about all of them.
    check_array(y, ensure_2d=False, ensure_all_finite="allow-nan", dtype=None)
    check_consistent_length(X, y)
