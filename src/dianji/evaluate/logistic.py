"""Logistic regression with plain settings, for baselines and for labels out of fold."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix


def logistic(features: Any, targets: np.ndarray, labels: int, strength: float) -> Callable[[Any], np.ndarray]:
    """Multinomial regression over the labels that occur; one yes-or-no regression per label where rows have several."""
    if targets.ndim == 2:
        columns = [logistic(features, column.astype(np.int64), 2, strength) for column in targets.T]
        return lambda rows: np.stack([column(rows)[:, 1] for column in columns], axis=1)
    present = np.unique(targets)
    if len(present) == 1:
        return lambda rows: np.tile(np.eye(labels)[present[0]], (rows.shape[0], 1))

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        # A baseline that has come to within 200 iterations of its optimum is the baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, targets)

    def predict(rows: csr_matrix | np.ndarray) -> np.ndarray:
        probabilities = np.zeros((rows.shape[0], labels))
        probabilities[:, present] = model.predict_proba(rows)
        return probabilities

    return predict
