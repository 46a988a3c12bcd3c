"""The nearest training tracks, by statistics of MFCC and spectral contrast."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.errors import UsageError
from earmark.floors.base import (
    FLOORS,
    Features,
    Scores,
    Standardiser,
    Targets,
    Task,
    as_scores,
    best,
    checked_parts,
    not_fitted,
    quality_of_probabilities,
)

Array = NDArray[np.float64]
K_GRID = (1, 3, 5, 10, 20, 50, 100, 200)
_BLOCK_VALUES = 1 << 24  # distances that are in memory at a time


@FLOORS.register("mfcc_knn")
class Neighbours:
    """Standardise, then ask the k nearest training tracks; the nearer one is, the more it counts (1 / distance).

    Parameters
    ----------
    k_grid : numbers of neighbours to choose from, ascending; the validation part decides by accuracy if one tag is
        true, else by macro PR-AUC, and among equal ones by log loss
    """

    def __init__(self, *, k_grid: tuple[int, ...] = K_GRID) -> None:
        if not k_grid or min(k_grid) < 1 or list(k_grid) != sorted(k_grid):
            raise UsageError(f"k_grid={k_grid}, expected positive whole numbers, ascending")
        self.k_grid = tuple(k_grid)
        self._fitted: _Fitted | None = None

    @property
    def needs_features(self) -> bool:
        """See `Floor`."""
        return True

    @property
    def protocol(self) -> str:
        """See `Floor`."""
        chosen = "" if self._fitted is None else f", k = {self._fitted.k}"
        return f"statistics of MFCC and spectral contrast over the track, nearest neighbours{chosen}"

    def fit(
        self,
        features_train: Features,
        targets_train: Targets,
        features_validation: Features,
        targets_validation: Targets,
        task: Task,
    ) -> None:
        """Keep the training part, choose k on the validation part, see `Floor`."""
        parts = checked_parts(features_train, targets_train, features_validation, targets_validation, task)
        standardise = Standardiser(parts.features_train)
        known = _Fitted(standardise, standardise(parts.features_train), parts.targets_train, 1, parts.is_single)
        possible = [k for k in self.k_grid if k <= len(known.x)] or [len(known.x)]
        found = known.ask(standardise(parts.features_validation), possible)
        number = best([quality_of_probabilities(parts.targets_validation, scores, task) for scores in found])
        self._fitted = known._replace(k=possible[number])

    def scores(self, features: Features) -> Scores:
        """Return the weighted share of neighbours with each tag, see `Floor`."""
        if self._fitted is None:
            raise not_fitted("mfcc_knn")
        return self._fitted.ask(self._fitted.standardise(features), [self._fitted.k])[0]


class _Fitted(NamedTuple):
    standardise: Standardiser
    x: Array  # (n, D), of the training part
    y: Targets
    k: int
    is_single: bool

    def ask(self, x: Array, ks: list[int]) -> list[Scores]:
        """Return the scores of tracks, (m, K), for several numbers of neighbours."""
        found = [np.zeros((len(x), self.y.shape[1]), np.float32) for _ in ks]
        norms = (self.x**2).sum(axis=1)
        step = max(1, _BLOCK_VALUES // len(self.x))
        for first in range(0, len(x), step):
            block = x[first : first + step]
            squares = np.maximum(norms - 2.0 * block @ self.x.T + (block**2).sum(axis=1, keepdims=True), 0.0)
            nearest = np.argsort(squares, axis=1, kind="stable")[:, : ks[-1]]  # (b, k)
            weights = 1.0 / np.maximum(np.sqrt(np.take_along_axis(squares, nearest, axis=1)), 1e-6)
            for scores, k in zip(found, ks, strict=True):
                votes = np.einsum("bk,bkt->bt", weights[:, :k], self.y[nearest[:, :k]].astype(np.float64))
                shares = votes / weights[:, :k].sum(axis=1, keepdims=True)
                scores[first : first + step] = as_scores(shares, is_single=self.is_single)
        return found
