"""Logistic regression on statistics of MFCC and spectral contrast."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import UsageError
from earmark.floors.base import (
    FLOORS,
    Features,
    Parts,
    Scores,
    Standardiser,
    Targets,
    Task,
    as_scores,
    best,
    checked_parts,
    is_learnable,
    not_fitted,
    quality_of_probabilities,
    sklearn_module,
)
from earmark.parallel import cpu_count, map_ordered, one_blas_thread

C_GRID = (0.001, 0.01, 0.1, 1.0, 10.0)
MAX_STEPS = 5000


@FLOORS.register("mfcc_logistic")
class Logistic:
    """Standardise, then one linear model: multinomial if one tag is true, else one per tag.

    Parameters
    ----------
    c_grid : strengths to choose from, of the fit against the L2 penalty, ascending; the validation part decides by
        accuracy if one tag is true, else by macro PR-AUC, and among equal ones by log loss
    """

    def __init__(self, *, c_grid: tuple[float, ...] = C_GRID) -> None:
        if not c_grid or min(c_grid) <= 0 or list(c_grid) != sorted(c_grid):
            raise UsageError(f"c_grid={c_grid}, expected positive numbers, ascending")
        self.c_grid = tuple(c_grid)
        self._fitted: tuple[Standardiser, _Linear, float] | None = None

    @property
    def needs_features(self) -> bool:
        """See `Floor`."""
        return True

    @property
    def protocol(self) -> str:
        """See `Floor`."""
        chosen = "" if self._fitted is None else f", C = {self._fitted[2]:g}"
        return f"statistics of MFCC and spectral contrast over the track, logistic regression{chosen}"

    def fit(
        self,
        features_train: Features,
        targets_train: Targets,
        features_validation: Features,
        targets_validation: Targets,
        task: Task,
    ) -> None:
        """Learn from the training part with every strength, keep that which the validation part likes, see `Floor`."""
        parts = checked_parts(features_train, targets_train, features_validation, targets_validation, task)
        standardise = Standardiser(parts.features_train)
        x, y = standardise(parts.features_train), parts.targets_train
        with one_blas_thread():
            models = [_fit(x, y, c, parts) for c in self.c_grid]
        validation = standardise(parts.features_validation)
        y = parts.targets_validation
        number = best([quality_of_probabilities(y, model.scores(validation), task) for model in models])
        self._fitted = standardise, models[number], self.c_grid[number]

    def scores(self, features: Features) -> Scores:
        """Return probabilities, see `Floor`."""
        if self._fitted is None:
            raise not_fitted("mfcc_logistic")
        standardise, model, _ = self._fitted
        return model.scores(standardise(features))


class _Linear:
    """K linear functions and how they become probabilities.

    Parameters
    ----------
    weights, offsets : shapes (K, D), (K,); -infinity is the offset of a class that has no training track
    is_single : whether they compete
    """

    def __init__(self, weights: NDArray[np.float64], offsets: NDArray[np.float64], *, is_single: bool) -> None:
        self._weights, self._offsets, self._is_single = weights, offsets, is_single

    def scores(self, x: NDArray[np.float64]) -> Scores:
        logits = x @ self._weights.T + self._offsets  # (n, K)
        if self._is_single:
            logits -= logits.max(axis=1, keepdims=True)
            return as_scores(np.exp(logits), is_single=True)
        return as_scores(0.5 * (1.0 + np.tanh(0.5 * logits)), is_single=False)


def _fit(x: NDArray[np.float64], y: Targets, c: float, parts: Parts) -> _Linear:
    weights = np.zeros((y.shape[1], x.shape[1]))
    offsets = _constant(y, is_single=parts.is_single)
    if parts.is_single:
        present = np.flatnonzero(y.any(axis=0))
        if len(present) > 1:
            rows, biases = _solve(x, y.argmax(axis=1), c)
            shared = present[-len(rows) :]  # of two classes, the first keeps zeros
            offsets[present[: -len(rows)]] = 0.0
            weights[shared], offsets[shared] = rows, biases
    else:
        tags = np.flatnonzero(is_learnable(y))
        solved = map_ordered(lambda tag: _solve(x, y[:, tag].astype(int), c), list(tags), jobs=cpu_count())
        for tag, (row, offset) in zip(tags, solved, strict=True):
            weights[tag], offsets[tag] = row[0], offset[0]
    return _Linear(weights, offsets, is_single=parts.is_single)


def _constant(y: Targets, *, is_single: bool) -> NDArray[np.float64]:
    """Return the offsets of tags of which nothing can be learned: all or none of the training tracks have them."""
    with np.errstate(divide="ignore"):
        if is_single:
            return np.asarray(np.log(y.mean(axis=0)))
        share = (y.sum(axis=0) + 0.5) / (len(y) + 1.0)  # half a track with, half a track without
        return np.asarray(np.log(share / (1.0 - share)))


def _solve(x: NDArray[np.float64], labels: NDArray[Any], c: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (k, D) and offsets (k,) of k classes; of two classes only those of the later one."""
    model = sklearn_module("linear_model", "mfcc_logistic").LogisticRegression(C=c, max_iter=MAX_STEPS)
    model.fit(x, labels)
    return model.coef_, model.intercept_
