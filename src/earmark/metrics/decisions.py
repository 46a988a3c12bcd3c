"""Yes or no: thresholds, and precision, recall and F1 at them; and the share of right tags among an item's best k."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from earmark.errors import InputError
from earmark.metrics.checks import (
    Array64,
    Average,
    Bools,
    Floats,
    check_average,
    mean_over_tags,
    one_per_tag,
    validate,
)
from earmark.metrics.ranking import NO_POSITIVES, divide

Thresholds = ArrayLike | Sequence[float | None]
NEVER = float("inf")  # a threshold that no score reaches


@dataclass(frozen=True)
class Decisions:
    """How decisions compare with targets.

    Parameters
    ----------
    true_positives, false_positives, false_negatives : shape (n_tags,), items
    """

    true_positives: Array64
    false_positives: Array64
    false_negatives: Array64

    def precision(self) -> Array64:
        """Of the items that got the tag, the share that has it: (n_tags,), 0 if none got it, NaN if none has it."""
        given = self.true_positives + self.false_positives
        return self._defined(np.nan_to_num(divide(self.true_positives, given)))

    def recall(self) -> Array64:
        """Of the items that have the tag, the share that got it: (n_tags,), NaN if none has it."""
        return self._defined(divide(self.true_positives, self.true_positives + self.false_negatives))

    def f1(self) -> Array64:
        """Harmonic mean of precision and recall: (n_tags,), NaN if no item has the tag."""
        errors = self.false_positives + self.false_negatives
        return self._defined(divide(2 * self.true_positives, 2 * self.true_positives + errors))

    def pooled(self) -> "Decisions":
        """All tags taken as one, for micro averages."""
        counts = (self.true_positives, self.false_positives, self.false_negatives)
        return Decisions(*(count.sum(keepdims=True) for count in counts))

    def _defined(self, values: Array64) -> Array64:
        return np.where(self.true_positives + self.false_negatives > 0, values, np.nan)


def decide(scores: Floats, thresholds: Thresholds) -> Bools:
    """Give a tag to every item whose score reaches the tag's threshold.

    Parameters
    ----------
    scores : shape (n_items, n_tags)
    thresholds : shape (n_tags,), or one number for all; None, as JSON has for infinity, is never reached

    Returns
    -------
    shape (n_items, n_tags)
    """
    limits = as_thresholds(thresholds, scores.shape[1])
    return np.asarray(scores.astype(np.float64, copy=False) >= limits)


def as_thresholds(thresholds: Thresholds, n_tags: int) -> Array64:
    """Check thresholds: one per tag, or one for all. None, as JSON has for infinity, becomes that."""
    if isinstance(thresholds, list | tuple):
        thresholds = [NEVER if one is None else one for one in thresholds]
    return one_per_tag(thresholds, n_tags, "thresholds")  # type: ignore[arg-type]


def compare(targets: ArrayLike, scores: ArrayLike, thresholds: Thresholds) -> Decisions:
    """Count right and wrong decisions, tag by tag.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags)
    thresholds : shape (n_tags,), or one number for all; an item gets a tag whose threshold its score reaches
    """
    answers, values = validate(targets, scores)
    given = decide(values, thresholds)
    right = np.count_nonzero(given & answers, axis=0).astype(np.float64)
    return Decisions(right, np.count_nonzero(given, axis=0) - right, np.count_nonzero(answers, axis=0) - right)


def f1(targets: ArrayLike, scores: ArrayLike, thresholds: Thresholds, *, average: Average = "macro") -> float:
    """Compute the harmonic mean of precision and recall.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags)
    thresholds : shape (n_tags,), or one number for all, chosen on other items (see `best_thresholds`)
    average : "macro", the mean over tags without those that no item has; "micro", over all decisions together

    Returns
    -------
    in [0, 1]
    """
    return _average(compare(targets, scores, thresholds), "f1", average)


def precision(targets: ArrayLike, scores: ArrayLike, thresholds: Thresholds, *, average: Average = "macro") -> float:
    """Compute the share of given tags that are right; parameters as of `f1`.

    A tag that some item has and none was given counts as 0, as in scikit-learn.
    """
    return _average(compare(targets, scores, thresholds), "precision", average)


def recall(targets: ArrayLike, scores: ArrayLike, thresholds: Thresholds, *, average: Average = "macro") -> float:
    """Compute the share of right tags that were given; parameters as of `f1`."""
    return _average(compare(targets, scores, thresholds), "recall", average)


def _average(decisions: Decisions, name: str, average: Average) -> float:
    check_average(average)
    counted = decisions.pooled() if average == "micro" else decisions
    return mean_over_tags(getattr(counted, name)(), NO_POSITIVES)


def best_thresholds(targets: ArrayLike, scores: ArrayLike) -> Array64:
    """Find the threshold of every tag at which its F1 is highest.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1; of the validation part: thresholds that are chosen on the items that
        are then scored flatter the score
    scores : shape (n_items, n_tags)

    Returns
    -------
    shape (n_tags,), each one of the tag's scores, the lowest one if several are as good; infinity, which no score
    reaches, for tags that no item has
    """
    answers, values = validate(targets, scores)
    order = np.argsort(values, axis=0)[::-1]
    ranked = np.take_along_axis(values, order, axis=0)
    found = np.cumsum(np.take_along_axis(answers, order, axis=0), axis=0)
    f1s = 2 * found / (np.arange(1, len(ranked) + 1)[:, None] + found[-1])
    f1s[:-1][ranked[1:] == ranked[:-1]] = -1  # equal scores are decided alike
    best = len(ranked) - 1 - np.argmax(f1s[::-1], axis=0)
    return np.where(found[-1] > 0, ranked[best, np.arange(ranked.shape[1])].astype(np.float64), NEVER)


def precision_at_k(targets: ArrayLike, scores: ArrayLike, k: int) -> float:
    """Compute the share of right tags among the k best of an item, and average over items.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags)
    k : tags

    Returns
    -------
    in [0, 1]. Items that have no tag are left out. Of tags with equal scores, of which only some are among the best k,
    each counts in part: the result is the mean over all orders, and constant scores get no more than chance.

    Raises
    ------
    InputError
        If there are fewer than k tags, or no item has a tag.
    """
    answers, values = validate(targets, scores)
    n_tags = values.shape[1]
    if not 1 <= k <= n_tags:
        raise InputError(f"k is {k}, expected 1 to {n_tags}, the number of tags")
    has_tag = answers.any(axis=1)
    if not has_tag.any():
        raise InputError("no item has a tag: there is nothing to find")
    answers, values = answers[has_tag], values[has_tag]
    limit = np.partition(values, n_tags - k, axis=1)[:, n_tags - k, None]
    above, tied = values > limit, values == limit
    places = k - np.count_nonzero(above, axis=1)
    chance = np.count_nonzero(tied & answers, axis=1) / np.count_nonzero(tied, axis=1)
    return float(np.mean(np.count_nonzero(above & answers, axis=1) + places * chance) / k)
