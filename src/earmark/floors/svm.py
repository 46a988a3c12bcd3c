"""Support vector machines with an RBF kernel on statistics of MFCC and spectral contrast.

References
----------
Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017, section 5: the same features and kernel. Platt, J.
"Probabilistic outputs for support vector machines", 1999.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

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
    quality,
    sklearn_module,
)
from earmark.metrics import fit_calibration
from earmark.parallel import cpu_count, map_ordered

Array = NDArray[np.float64]
C_GRID = (0.1, 1.0, 10.0, 100.0)
GAMMA_GRID = (0.25, 1.0, 4.0)
SLOPES = np.geomspace(0.1, 30.0, 100)  # of the softmax
CACHE_MB = 200


@FLOORS.register("mfcc_svm")
class Svm:
    """Standardise, then a kernel machine: of all pairs of classes if one tag is true, else one per tag.

    Parameters
    ----------
    c_grid, gamma_grid : prices of an error and widths of the kernel to choose from, ascending; gamma is in units of
        1 / D. The validation part decides by accuracy if one tag is true, else by macro PR-AUC, and of equal ones takes
        the smallest C, then the smallest gamma
    n_search : most training tracks that C and gamma are tried on
    n_tracks : most training tracks that it learns from at last; the time grows faster than their square: on one core a
        tag takes 1 s with 4,000, and 90 s with 15,000

    Notes
    -----
    Decision values become probabilities on the validation part. If one tag is true, by a softmax whose slope makes the
    right classes likeliest; its values are votes of the pairs, as scikit-learn joins them. Else tag by tag by Platt's
    sigmoid, never a falling one; where the validation part has no track with the tag, or ranks it no better than
    chance, by that of the training part. So no ranking of tracks is changed. Where there are more training tracks than
    are used, they are taken evenly from their order, and ten of every tag that this leaves without any.
    """

    def __init__(
        self,
        *,
        c_grid: tuple[float, ...] = C_GRID,
        gamma_grid: tuple[float, ...] = GAMMA_GRID,
        n_search: int = 2000,
        n_tracks: int = 10000,
    ) -> None:
        for name, grid in (("c_grid", c_grid), ("gamma_grid", gamma_grid)):
            if not grid or min(grid) <= 0 or list(grid) != sorted(grid):
                raise UsageError(f"{name}={grid}, expected positive numbers, ascending")
        if n_search < 2 or n_tracks < 2:
            raise UsageError(f"n_search={n_search}, n_tracks={n_tracks}, expected 2 or more")
        self.c_grid, self.gamma_grid = tuple(c_grid), tuple(gamma_grid)
        self.n_search, self.n_tracks = n_search, n_tracks
        self._fitted: _Fitted | None = None

    @property
    def needs_features(self) -> bool:
        """See `Floor`."""
        return True

    @property
    def protocol(self) -> str:
        """See `Floor`."""
        chosen = "" if self._fitted is None else f", C = {self._fitted.c:g}, gamma = {self._fitted.gamma:g} / D"
        return f"statistics of MFCC and spectral contrast over the track, SVM with RBF kernel{chosen}"

    def fit(
        self,
        features_train: Features,
        targets_train: Targets,
        features_validation: Features,
        targets_validation: Targets,
        task: Task,
    ) -> None:
        """Learn with every C and gamma, keep those that the validation part likes, see `Floor`."""
        parts = checked_parts(features_train, targets_train, features_validation, targets_validation, task)
        standardise = Standardiser(parts.features_train)
        validation = standardise(parts.features_validation)
        few = _fewer(parts, self.n_search)
        x_few = standardise(few.features_train)
        settings = list(product(self.c_grid, self.gamma_grid))

        def judge(setting: tuple[float, float]) -> float:
            values = _machine(x_few, few, *setting)(validation)
            return quality(parts.targets_validation, values, task)

        jobs = cpu_count() if parts.is_single else 1  # several tags have threads of their own
        qualities = list(map_ordered(judge, settings, jobs=jobs))
        c, gamma = settings[best(qualities)]
        most = _fewer(parts, self.n_tracks)
        x = standardise(most.features_train)
        machine = _machine(x, most, c, gamma)
        heard = machine(validation)
        probabilities = _softmax(heard, most) if most.is_single else _platt(heard, machine(x), most)
        self._fitted = _Fitted(standardise, machine, probabilities, most.targets_train.shape[1], c, gamma)

    def scores(self, features: Features) -> Scores:
        """Return probabilities, see `Floor`."""
        if self._fitted is None:
            raise not_fitted("mfcc_svm")
        x = self._fitted.standardise(features)
        values = self._fitted.machine(x) if len(x) else np.zeros((0, self._fitted.n_tags))
        return self._fitted.probabilities(values)


def _fewer(parts: Parts, n: int) -> Parts:
    """Leave about `n` training tracks, of every tag some."""
    y = parts.targets_train
    if len(y) <= n:
        return parts
    rows = np.linspace(0, len(y) - 1, n).round().astype(int)
    lost = np.flatnonzero(y.any(axis=0) & ~y[rows].any(axis=0))
    rows = np.unique(np.concatenate([rows, *(np.flatnonzero(y[:, tag])[:10] for tag in lost)]))
    return parts._replace(features_train=parts.features_train[rows], targets_train=y[rows])


class _Fitted(NamedTuple):
    standardise: Standardiser
    machine: Callable[[Array], Array]  # (n, D) -> decision values (n, K)
    probabilities: Callable[[Array], Scores]  # decision values -> scores
    n_tags: int
    c: float
    gamma: float


def _machine(x: Array, parts: Parts, c: float, gamma: float) -> Callable[[Array], Array]:
    """Learn from standardised features; return what gives decision values, (n, K)."""
    y = parts.targets_train
    width = gamma / x.shape[1]
    return _of_pairs(x, y, c, width) if parts.is_single else _per_tag(x, y, c, width)


def _of_pairs(x: Array, y: Targets, c: float, gamma: float) -> Callable[[Array], Array]:
    present = np.flatnonzero(y.any(axis=0))
    model = _learn(x, y.argmax(axis=1), c, gamma) if len(present) > 1 else None

    def decide(features: Array) -> Array:
        values = np.full((len(features), y.shape[1]), -1.0)  # a class without tracks: less than no vote
        if model is None:
            values[:, present] = 1.0
        elif len(present) == 2:  # one value, positive for the later class
            found = model.decision_function(features)
            values[:, present] = 0.5 + np.stack([-found, found], axis=1) / (2.0 * (1.0 + np.abs(found)))[:, None]
        else:
            values[:, present] = model.decision_function(features)
        return values

    return decide


def _per_tag(x: Array, y: Targets, c: float, gamma: float) -> Callable[[Array], Array]:
    tags = np.flatnonzero(is_learnable(y))
    models = list(map_ordered(lambda tag: _learn(x, y[:, tag].astype(int), c, gamma), list(tags), jobs=cpu_count()))

    def decide(features: Array) -> Array:
        values = np.zeros((len(features), y.shape[1]))
        found = map_ordered(lambda model: model.decision_function(features), models, jobs=cpu_count())
        for tag, column in zip(tags, found, strict=True):
            values[:, tag] = column
        return values

    return decide


def _learn(x: Array, labels: NDArray[Any], c: float, gamma: float) -> Any:
    return sklearn_module("svm", "mfcc_svm").SVC(C=c, gamma=gamma, cache_size=CACHE_MB).fit(x, labels)


def _softmax(values: Array, parts: Parts) -> Callable[[Array], Scores]:
    """Find the slope of a softmax that makes the right classes of the validation part likeliest."""
    absent = np.logical_not(parts.targets_train.any(axis=0))  # (K,)

    def probabilities(decisions: Array, slope: float) -> Array:
        logits = np.where(absent, -np.inf, slope * decisions)
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Array = likely / likely.sum(axis=1, keepdims=True)
        return found

    told = ~absent[parts.targets_validation.argmax(axis=1)]  # of the others no slope is right
    right = parts.targets_validation[told]
    losses = [-np.log(probabilities(values[told], slope)[right] + 1e-12).sum() for slope in SLOPES]
    slope = float(SLOPES[int(np.argmin(losses))])
    return lambda decisions: as_scores(probabilities(decisions, slope), is_single=True)


def _platt(values: Array, values_train: Array, parts: Parts) -> Callable[[Array], Scores]:
    """Fit Platt's sigmoid of every tag; a tag of which nothing can be learned gets its prevalence."""
    learned = is_learnable(parts.targets_train)
    own = fit_calibration(parts.targets_train, _squashed(values_train))
    heard = fit_calibration(parts.targets_validation, _squashed(values))
    usable = is_learnable(parts.targets_validation) & (heard.scale > 0)
    scale = np.where(usable, heard.scale, own.scale)
    offset = np.where(usable, heard.offset, own.offset)
    shares = parts.targets_train.mean(axis=0)

    def probabilities(decisions: Array) -> Scores:
        return as_scores(np.where(learned, _squashed(scale * decisions + offset), shares), is_single=False)

    return probabilities


def _squashed(values: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * values))
