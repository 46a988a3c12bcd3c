"""What every floor is: features of tracks go in, scores come out; and what floors share."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.metrics import accuracy, log_loss, pr_auc
from earmark.registry import Registry

Task = Literal["multi_label", "single_label"]
Features = NDArray[np.float32]  # (n, D)
Targets = NDArray[np.bool_]  # (n, K)
Scores = NDArray[np.float32]  # (n, K)


class Floor(Protocol):
    """A classic classifier, cheap to train, that a network has to beat.

    What it learns is a function of the arguments of `fit` alone: no chance is involved, and it may be called again.
    """

    @property
    def needs_features(self) -> bool:
        """Whether it looks at the audio at all; one that does not takes features of no column."""

    @property
    def protocol(self) -> str:
        """How a track becomes scores, in words, with what was chosen on the validation part."""

    def fit(
        self,
        features_train: Features,
        targets_train: Targets,
        features_validation: Features,
        targets_validation: Targets,
        task: Task,
    ) -> None:
        """Learn from the training part; choose what cannot be learned on the validation part.

        Parameters
        ----------
        features_train : shape (n, D), finite
        targets_train : shape (n, K); a tag may have one track, or none
        features_validation, targets_validation : shapes (m, D), (m, K)
        task : "multi_label", or "single_label" where every track has exactly one tag

        Raises
        ------
        InputError
            If shapes do not fit, a feature is not finite, or a track of a single-label task has not one tag.
        MissingExtraError
            If it needs scikit-learn, which is not installed.
        """

    def scores(self, features: Features) -> Scores:
        """Say how likely each tag is.

        Parameters
        ----------
        features : shape (n, D)

        Returns
        -------
        shape (n, K), in [0, 1]; rows sum to 1 if the task is single-label

        Raises
        ------
        UsageError
            If there was no `fit`.
        InputError
            If D is not that of `fit`, or a feature is not finite.
        """


FLOORS: Registry[Floor] = Registry("floor")


class Standardiser:
    """Brings every feature to mean 0 and deviation 1 over the training part; one that is constant there to 0.

    Parameters
    ----------
    features : shape (n, D), of the training part
    """

    def __init__(self, features: Features) -> None:
        wide = features.astype(np.float64)
        self._mean = wide.mean(axis=0)
        deviation = wide.std(axis=0)
        # What rounding leaves of a constant is no deviation.
        varies = deviation > 1e-6 * np.maximum(np.abs(self._mean), 1e-6)
        self._gain = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)

    def __call__(self, features: Features) -> NDArray[np.float64]:
        """Return the standardised features, (n, D)."""
        found = as_features(features)
        if found.shape[1] != len(self._mean):
            raise InputError(f"{found.shape[1]} features, fitted to {len(self._mean)}")
        return np.asarray((found - self._mean) * self._gain)


class Parts(NamedTuple):
    """The arguments of `Floor.fit`, checked."""

    features_train: Features
    targets_train: Targets
    features_validation: Features
    targets_validation: Targets
    task: Task

    @property
    def is_single(self) -> bool:
        """Whether every track has exactly one tag."""
        return self.task == "single_label"


def checked_parts(
    features_train: ArrayLike,
    targets_train: ArrayLike,
    features_validation: ArrayLike,
    targets_validation: ArrayLike,
    task: Task,
) -> Parts:
    """Check what `Floor.fit` was given.

    Raises
    ------
    UsageError
        If there is no such task.
    InputError
        If shapes do not fit, a part is empty, a feature is not finite, or a track of a single-label task has not
        exactly one tag.
    """
    if task not in ("multi_label", "single_label"):
        raise UsageError(f"task {task!r}, expected multi_label or single_label")
    parts = Parts(
        as_features(features_train),
        np.asarray(targets_train, dtype=np.bool_),
        as_features(features_validation),
        np.asarray(targets_validation, dtype=np.bool_),
        task,
    )
    for name, features, targets in (("training", *parts[:2]), ("validation", *parts[2:4])):
        if targets.ndim != 2 or len(targets) != len(features):
            raise InputError(f"{name} part: features {features.shape} and targets {targets.shape} do not fit")
        if not len(targets):
            raise InputError(f"the {name} part is empty", hint="hold more tracks back, or choose another split")
        if parts.is_single and not np.all(targets.sum(axis=1) == 1):
            raise InputError(f"{name} part: a track of a single-label task has not exactly one tag")
    if parts.features_train.shape[1] != parts.features_validation.shape[1]:
        raise InputError("training and validation part have different features")
    if parts.targets_train.shape[1] != parts.targets_validation.shape[1]:
        raise InputError("training and validation part have different tags")
    return parts


def as_features(features: ArrayLike) -> Features:
    """Return features as an array, or raise `InputError` if they are not (n, D) and finite."""
    found = np.asarray(features, dtype=np.float32)
    if found.ndim != 2:
        raise InputError(f"features of shape {found.shape}, expected (n, D)")
    if not np.isfinite(found).all():
        raise InputError("a feature is not finite")
    return found


def as_scores(values: ArrayLike, *, is_single: bool) -> Scores:
    """Return probabilities as scores: float32, in [0, 1], rows that sum to 1 if one tag is true."""
    found = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    if is_single:
        found /= found.sum(axis=1, keepdims=True)
    return found.astype(np.float32)


def quality(targets: Targets, scores: ArrayLike, task: Task) -> float:
    """Judge scores on the validation part: accuracy if one tag is true, else macro PR-AUC.

    Parameters
    ----------
    targets : shape (n, K)
    scores : shape (n, K), any real numbers

    Returns
    -------
    the higher, the better; 0 if no tag has a track
    """
    if task == "single_label":
        return accuracy(targets, scores)
    present = targets.any(axis=0)
    return pr_auc(targets[:, present], np.asarray(scores)[:, present]) if present.any() else 0.0


def quality_of_probabilities(targets: Targets, scores: Scores, task: Task) -> tuple[float, float]:
    """Judge probabilities as `quality` does; those that are equal there, by their log loss."""
    return quality(targets, scores, task), -log_loss(targets, scores)


def best(qualities: Sequence[Any]) -> int:
    """Return the number of the highest quality, of equal ones the first.

    Examples
    --------
    >>> best((0.5, 0.7, 0.7))
    1
    """
    return max(range(len(qualities)), key=lambda number: (qualities[number], -number))


def is_learnable(targets: Targets) -> NDArray[np.bool_]:
    """Say of which tags there are tracks with and tracks without them, shape (K,)."""
    return np.asarray(targets.any(axis=0) & ~targets.all(axis=0))


def sklearn_module(name: str, floor: str) -> Any:
    """Import a module of scikit-learn, such as "svm".

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(f"sklearn.{name}")
    except ImportError as error:
        raise MissingExtraError(f"the floor {floor!r}", "train") from error


def not_fitted(name: str) -> UsageError:
    """Make the error of scores that are asked for too early."""
    return UsageError(f"the floor {name!r} has learned nothing yet", hint="call fit first")
