"""Ridge regression: a model fitted in closed form, with what it says of each row it left out."""

from __future__ import annotations

import numpy as np

PENALTIES = 10.0 ** np.arange(-3, 3)


class Ridge:
    """Ridge regression with an intercept; its penalty has the smallest leave-one-out error.

    Fitted to features (n, d) and targets (n, C); `left_out` (n, C) are the predictions for each row
    by a fit to the others. The penalties tried are PENALTIES of the mean squared singular value.
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray) -> None:
        self.centre, self.mean = features.mean(axis=0), targets.mean(axis=0)
        U, s, directions = np.linalg.svd(features - self.centre, full_matrices=False)
        projected = U.T @ (targets - self.mean)
        scale = max(float((s**2).mean()), 1e-12)
        error = np.inf
        for penalty in PENALTIES * scale:
            shrunk = s**2 / (s**2 + penalty)
            fitted = self.mean + U @ (shrunk[:, None] * projected)
            leverage = 1.0 / len(U) + (U**2) @ shrunk
            left_out = targets - (targets - fitted) / np.maximum(1.0 - leverage, 1e-6)[:, None]
            if (squared := float(((left_out - targets) ** 2).sum())) < error:
                error, self.left_out = squared, left_out
                self.weights = directions.T @ ((s / (s**2 + penalty))[:, None] * projected)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores (m, C) of features (m, d)."""
        return np.asarray(self.mean + (features - self.centre) @ self.weights)
