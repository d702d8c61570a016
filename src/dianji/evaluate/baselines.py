"""What a model has to beat: cheap classifiers that know nothing of the base, fitted in seconds with plain settings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from dianji.errors import RecipeError, did_you_mean

#: Texts, or (rows, features) uint8 of 0..255 or float in [0, 1].
Inputs = list[str] | np.ndarray
#: Inputs -> (rows, labels) float64 probabilities.
Predict = Callable[[Inputs], np.ndarray]

#: The logistic regression on pixels learns from at most so many rows, drawn by the seed: that takes seconds.
MOST_PICTURES = 20_000

_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana and Chinese characters


def fit_baseline(name: str, inputs: Inputs, targets: np.ndarray, labels: Sequence[str], seed: int) -> Predict:
    """The fitted baseline.

    Args:
        name: ``majority``, ``tfidf-logistic-regression`` (texts) or ``pixels-logistic-regression`` (arrays).
        inputs: of the training rows.
        targets: (rows,) int64 class numbers, or (rows, labels) bool where a row may have several.
        labels: names of the classes, by number.
        seed: for whatever is drawn.

    Raises:
        RecipeError: there is no baseline of that name.
    """
    if name not in BASELINES:
        raise RecipeError(f"there is no baseline '{name}'. {did_you_mean(name, BASELINES)}")
    return BASELINES[name](inputs, targets, len(labels), seed)


def _majority(inputs: Inputs, targets: np.ndarray, labels: int, seed: int) -> Predict:
    """The share of each label in training, whatever the input."""
    one = targets.ndim == 1
    shares = np.bincount(targets, minlength=labels) / len(targets) if one else targets.mean(axis=0)
    return lambda rows: np.tile(shares, (len(rows), 1))


def _tfidf(inputs: Inputs, targets: np.ndarray, labels: int, seed: int) -> Predict:
    """Words and word pairs with pieces of words; single to triple characters where words are not spaced."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    texts = list(inputs)
    spaceless = sum(bool(_NO_SPACES.search(text)) for text in texts) > len(texts) / 2
    common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
    parts = (
        [("characters", TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common))]
        if spaceless
        else [
            ("words", TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common)),
            ("pieces", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **common)),
        ]
    )
    features = FeatureUnion(parts)
    model = logistic(features.fit_transform(texts), targets, labels, strength=10.0)
    return lambda rows: model(features.transform(list(rows)))


def _pixels(inputs: Inputs, targets: np.ndarray, labels: int, seed: int) -> Predict:
    """Pixels in [0, 1], each centred by its mean over the training rows."""
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = np.sort(rng.permutation(len(inputs))[:MOST_PICTURES])
    pixels = _scaled(np.asarray(inputs)[chosen])
    mean = pixels.mean(axis=0)
    model = logistic(pixels - mean, targets[chosen], labels, strength=0.1)
    return lambda rows: model(_scaled(np.asarray(rows)) - mean)


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


def _scaled(pixels: np.ndarray) -> np.ndarray:
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    return flat / np.float32(255) if pixels.dtype == np.uint8 else flat


BASELINES: Mapping[str, Callable[[Inputs, np.ndarray, int, int], Predict]] = {
    "majority": _majority,
    "tfidf-logistic-regression": _tfidf,
    "pixels-logistic-regression": _pixels,
}
