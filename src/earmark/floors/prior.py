"""The floor that does not listen: every track gets the share of training tracks that have each tag."""

import numpy as np

from earmark.floors.base import FLOORS, Features, Scores, Targets, Task, as_scores, checked_parts, not_fitted


@FLOORS.register("prior")
class Prior:
    """Score every tag by its prevalence in the training part: what a model knows before it has heard anything."""

    def __init__(self) -> None:
        self._prevalence: Scores | None = None

    @property
    def needs_features(self) -> bool:
        """See `Floor`."""
        return False

    @property
    def protocol(self) -> str:
        """See `Floor`."""
        return "the share of training tracks with each tag, whatever the track"

    def fit(
        self,
        features_train: Features,
        targets_train: Targets,
        features_validation: Features,
        targets_validation: Targets,
        task: Task,
    ) -> None:
        """Learn from the training part, see `Floor`."""
        parts = checked_parts(features_train, targets_train, features_validation, targets_validation, task)
        shares = parts.targets_train.mean(axis=0, keepdims=True)
        self._prevalence = as_scores(shares, is_single=parts.is_single)

    def scores(self, features: Features) -> Scores:
        """Return the same row for every track, see `Floor`."""
        if self._prevalence is None:
            raise not_fitted("prior")
        return np.repeat(self._prevalence, len(features), axis=0)
