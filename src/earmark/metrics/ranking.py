"""Areas under curves: how well scores rank the items that have a tag above those that have not.

Both areas are sums over the positives, each with the places of its run of equal scores in the order of all scores. That
order does not change when items are counted several times or not at all, so `Ranked` keeps it, and every resample of a
bootstrap is one cumulative sum.
"""

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.metrics.checks import Array64, Average, Bools, Floats, check_average, mean_over_tags, validate

Area = Literal["roc_auc", "pr_auc"]
Number = TypeVar("Number", np.int64, np.float64)
Ints = NDArray[np.int64]
NO_BOTH = "none has both items with it and items without it"
NO_POSITIVES = "no item has any of them"


def roc_auc(targets: ArrayLike, scores: ArrayLike, *, average: Average = "macro") -> float:
    """Compute the area under the receiver operating characteristic.

    It is the chance that an item with a tag scores above one without it; equal scores count half.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), the higher the surer
    average : "macro", the mean over tags; tags that no item or every item has are left out (`roc_auc_per_tag` has NaN
        for them, `evaluate` names them). "micro", one ranking of all pairs of item and tag,
        those tags included

    Returns
    -------
    in [0, 1]; 0.5 is chance

    Raises
    ------
    InputError
        If the arrays cannot be compared (see `validate`), or no tag is left.

    Examples
    --------
    >>> roc_auc([[1, 0], [0, 1], [0, 1]], [[0.9, 0.2], [0.4, 0.1], [0.1, 0.7]])
    0.75
    """
    check_average(average)
    ranked = rank(*validate(targets, scores), average=average)
    return mean_over_tags(ranked.area("roc_auc"), NO_BOTH)


def pr_auc(targets: ArrayLike, scores: ArrayLike, *, average: Average = "macro") -> float:
    """Compute the area under the curve of precision over recall, as average precision.

    It is the mean, over the items with a tag, of the precision among all items that score at least as high. No line
    is drawn between the points of the curve.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), the higher the surer
    average : "macro", the mean over tags; tags that no item has are left out (`pr_auc_per_tag` has NaN for them,
        `evaluate` names them). "micro", one ranking of all pairs of item and tag,
        those tags included

    Returns
    -------
    in [0, 1]; chance is the share of items that have the tag, so values of different data cannot be compared

    Raises
    ------
    InputError
        If the arrays cannot be compared (see `validate`), or no tag is left.

    Examples
    --------
    >>> pr_auc([[1, 0], [0, 1], [0, 1]], [[0.9, 0.2], [0.4, 0.1], [0.1, 0.7]])
    0.9166666666666666
    """
    check_average(average)
    ranked = rank(*validate(targets, scores), average=average)
    return mean_over_tags(ranked.area("pr_auc"), NO_POSITIVES)


def roc_auc_per_tag(targets: ArrayLike, scores: ArrayLike) -> Array64:
    """Compute `roc_auc` of every tag: shape (n_tags,), NaN where no item or every item has the tag."""
    return rank(*validate(targets, scores)).area("roc_auc")


def pr_auc_per_tag(targets: ArrayLike, scores: ArrayLike) -> Array64:
    """Compute `pr_auc` of every tag: shape (n_tags,), NaN where no item has the tag."""
    return rank(*validate(targets, scores)).area("pr_auc")


class Ranked:
    """Items in the order of their scores, best first: one row per tag, or one for all pairs of item and tag.

    Parameters
    ----------
    items : shape (n_rows, row length), the item at each place
    is_positive : same shape, whether that item has the tag
    values : same shape, its score
    n_items : how many there are
    """

    def __init__(self, items: Ints, is_positive: Bools, values: Floats, *, n_items: int) -> None:
        n_rows, length = items.shape
        n_places = n_rows * length
        differs = np.ones((n_rows, length + 1), bool)  # from the place before; runs of equal scores end with their row
        differs[:, 1:-1] = values[:, 1:] != values[:, :-1]
        bounds = np.append(np.flatnonzero(differs[:, :-1]), n_places)  # of the runs, through all rows
        run = np.cumsum(differs[:, :-1]) - 1  # of each place
        self.n_items, self.n_rows = n_items, n_rows
        self._items = items.ravel()
        self._is_positive = is_positive.ravel()
        self._starts, self._ends = bounds[run], bounds[run + 1]
        self._rows = np.arange(n_rows + 1) * length
        self._before = cumulated(self._is_positive, np.int64)  # positives before each place
        places = np.flatnonzero(self._is_positive)
        self._positive_items = self._items[places]
        self._positive_starts, self._positive_ends = self._starts[places], self._ends[places]
        self._positive_rows = places // length
        self._taken = np.empty(n_places, np.int64)
        self._counted = np.zeros(n_places + 1, np.int64)

    def area(self, area: Area, counts: Ints | None = None) -> Array64:
        """Compute the area of every row.

        Parameters
        ----------
        area : "roc_auc" or "pr_auc"
        counts : shape (n_items,), how often each item counts; once unless given

        Returns
        -------
        shape (n_rows,), NaN where it is not defined
        """
        counts = np.ones(self.n_items, np.int64) if counts is None else counts
        np.take(counts, self._items, out=self._taken, mode="clip")
        np.cumsum(self._taken, out=self._counted[1:])  # items before each place
        weights = counts[self._positive_items]
        found = cumulated(weights, np.int64)  # positives before each positive
        bounds = self._before[self._rows]
        positives = np.diff(found[bounds])
        n_above, n_found_above = self._until(self._positive_ends, found)
        if area == "pr_auc":
            sums = self._sum(weights * (n_found_above / np.maximum(n_above, 1)))
            return divide(sums, positives)
        negatives = np.diff(self._counted[self._rows]) - positives
        n_over, n_found_over = self._until(self._positive_starts, found)
        above, with_ties = n_over - n_found_over, n_above - n_found_above  # negatives
        sums = self._sum(weights * (negatives[self._positive_rows] - (above + with_ties) / 2))
        return divide(sums, positives * negatives)

    def _until(self, places: Ints, found: Ints) -> tuple[Ints, Ints]:
        """Count the items, and the positives among them, from the start of the row to each place."""
        starts = self._rows[self._positive_rows]
        items = self._counted[places] - self._counted[starts]
        return items, found[self._before[places]] - found[self._before[starts]]

    def _sum(self, values: Array64) -> Array64:
        return np.bincount(self._positive_rows, values, minlength=self.n_rows).astype(np.float64, copy=False)

    def influence(self, area: Area) -> Array64:
        """Compute how the area of every row changes with the weight of each item.

        Parameters
        ----------
        area : "roc_auc" or "pr_auc"

        Returns
        -------
        shape (n_rows, n_items), the derivative by the item's weight where all weigh one. A row sums to zero; one whose
        area is not defined is zero.
        """
        length = self._rows[1]
        first, last = self._before[self._rows[:-1]][:, None], self._before[self._rows[1:]][:, None]
        start, end = self._before[self._starts].reshape(-1, length), self._before[self._ends].reshape(-1, length)
        n = self._ends.reshape(-1, length) - self._rows[:-1, None]  # items until the end of the run
        found = end - first  # positives among them
        positives = last - first
        negatives = length - positives
        is_positive = self._is_positive.reshape(-1, length)
        value = self.area(area)[:, None]
        if area == "roc_auc":
            above = self._starts.reshape(-1, length) - self._rows[:-1, None] - (start - first)
            beaten = negatives - (above + n - found) / 2  # negatives below, ties half
            beating = (start + end) / 2 - first  # positives above, ties half
            change = np.where(
                is_positive, divide(beaten, positives * negatives), divide(beating, positives * negatives)
            ) - value / np.where(is_positive, positives, np.maximum(negatives, 1))
        else:
            precision = (found / n)[is_positive]
            per_item = 1 / n[is_positive]
            gain, loss = cumulated(per_item, np.float64), cumulated(per_item * precision, np.float64)
            change = is_positive * (found / n - value + gain[last] - gain[start]) - (loss[last] - loss[start])
            change = divide(change, positives)
        out = np.zeros((self.n_rows, self.n_items))
        at = np.repeat(np.arange(self.n_rows), length) * self.n_items + self._items
        sums = np.bincount(at, np.nan_to_num(change).ravel(), minlength=out.size)
        return sums.reshape(out.shape).astype(np.float64, copy=False)


def rank(targets: Bools, scores: Floats, *, average: Average = "macro") -> Ranked:
    """Put items into the order of their scores, tag by tag, or for "micro" all pairs of item and tag together."""
    n_items = len(targets)
    if average == "micro":
        answers, values = targets.reshape(1, -1), scores.reshape(1, -1)
    else:
        answers, values = targets.T, np.ascontiguousarray(scores.T)
    order = np.argsort(values, axis=1)[:, ::-1]
    items = order // targets.shape[1] if average == "micro" else order
    is_positive = np.take_along_axis(answers, order, axis=1)
    return Ranked(items, is_positive, np.take_along_axis(values, order, axis=1), n_items=n_items)


def cumulated(values: NDArray[Any], dtype: type[Number]) -> NDArray[Number]:
    """Return the sums of all values before each place, and of all: one more than there are values."""
    out = np.zeros(len(values) + 1, dtype)
    np.cumsum(values, out=out[1:])
    return out


def divide(above: ArrayLike, below: ArrayLike) -> Array64:
    """Divide, with NaN where `below` is zero."""
    over, under = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.asarray(np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0))
