"""How sure a score is, and whether one model is better than another: the bootstrap over tracks or artists.

Groups are drawn with replacement, as many as there are, and the metric is computed on what was drawn. Chunks of one
track are not independent, nor are tracks of one artist: drawing them one by one makes intervals too narrow. Items here
are tracks, and `groups` says which of them belong together.

The average precision of a resample lies above that of all items on average, because items that were drawn twice stand
next to each other in the ranking. That of all items lies above the whole world's too: the fewer items, the more is luck
among the best. The percentile interval adds the one error to the other. "basic", which reflects the resamples about
the score, and "bca", bias-corrected and accelerated, take it off. Share of 95 % intervals that missed the truth in
simulations of ten tags, where 5 % is right (%, of means over tags / of single tags):

| drawn            | score   | basic      | bca        | percentile |
| ---------------- | ------- | ---------- | ---------- | ---------- |
| 300 tracks       | PR-AUC  | 7.3 / 14.6 | 12.3 / 8.1 | 32.7 / 8.2 |
| 1000 tracks      | PR-AUC  | 4.7 / 10.7 | 8.0 / 7.3  | 19.3 / 6.9 |
| 300 tracks       | ROC-AUC | 7.0 / 11.5 | 7.7 / 8.4  | 7.7 / 9.9  |
| 100 artists      | PR-AUC  | 7.0 / 13.3 | 8.3 / 8.4  | 9.3 / 7.9  |

So means get "basic" and single tags "bca" unless told otherwise; tests/metrics/test_coverage.py has the simulations.

A tag that a resample has lost, because no item that has it was drawn, counts in that resample with its score on all
items: the mean is always over the same tags. How many resamples lost one is in the result; an interval of a tag is
taken from those that did not.

References
----------
Efron, B. and Tibshirani, R. "An introduction to the bootstrap", 1993, chapters 13, 14 (BCa) and 16 (tests).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UsageError
from earmark.metrics.checks import Array64, Average, Bools, Floats, check_average, validate
from earmark.metrics.intervals import Bootstrap, Method, acceleration, interval_of
from earmark.metrics.ranking import Area, Ints, pr_auc, rank, roc_auc

Groups = Sequence[Hashable] | NDArray[Any]
Metric = Area | Callable[[Bools, Floats], float]
AREAS: dict[Any, Area] = {"roc_auc": "roc_auc", "pr_auc": "pr_auc", roc_auc: "roc_auc", pr_auc: "pr_auc"}
MOST_BLOCKS = 200  # of a jackknife


def bootstrap(
    metric: Metric,
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    groups: Groups | None = None,
    average: Average = "macro",
    n_resamples: int = 1000,
    level: float = 0.95,
    method: Method = "basic",
    tag_method: Method = "bca",
    seed: int = 0,
) -> Bootstrap:
    """Compute a score and its interval.

    Parameters
    ----------
    metric : "roc_auc" or "pr_auc", which are fast and also give every tag's interval; or a function of targets and
        scores that returns one number
    targets : shape (n_items, n_tags), each 0 or 1; items are tracks, never chunks
    scores : shape (n_items, n_tags)
    groups : shape (n_items,), such as the artist of each; an item whose group is None is one of its own. Without groups
        every item is
    average : of "roc_auc" and "pr_auc"
    n_resamples : more make the ends of the interval steadier
    level : share of intervals that hold the true value
    method, tag_method : "basic", "bca" or "percentile", of the whole and of single tags; the module says which
        is best
    seed : another one gives other draws

    Raises
    ------
    InputError
        If the arrays cannot be compared, no tag is left, or there are fewer than two groups.
    UsageError
        If an option has a value that it does not take.
    """
    sample = _Sample(metric, targets, (scores,), groups, average)
    return sample.estimate(n_resamples, level, (method, tag_method), seed)


def paired_bootstrap(
    metric: Metric,
    targets: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    groups: Groups | None = None,
    average: Average = "macro",
    n_resamples: int = 1000,
    level: float = 0.95,
    method: Method = "basic",
    tag_method: Method = "bca",
    seed: int = 0,
) -> Bootstrap:
    """Compute by how much the score of a is above that of b, on the same draws of items.

    What is hard for both falls out of the difference: it may be sure where the intervals of the two overlap.

    Parameters
    ----------
    metric, targets, groups, average, n_resamples, level, method, tag_method, seed : as of `bootstrap`
    scores_a, scores_b : shape (n_items, n_tags), of the two models

    Returns
    -------
    the difference a - b; its p is the share of resamples whose difference is as far from it as it is from zero, and no
    less than 1 / (n_resamples + 1)
    """
    sample = _Sample(metric, targets, (scores_a, scores_b), groups, average)
    return sample.estimate(n_resamples, level, (method, tag_method), seed)


class _Sample:
    """Items with one or two sets of scores: the score or difference on all, and on any draw of groups.

    Scores stand in rows: first the mean over tags or the whole score, then every tag.
    """

    def __init__(
        self,
        metric: Metric,
        targets: ArrayLike,
        scores: Sequence[ArrayLike],
        groups: Groups | None,
        average: Average,
    ) -> None:
        pairs = [validate(targets, one) for one in scores]
        self.targets, self.scores = pairs[0][0], [values for _, values in pairs]
        self.groups, self.n_groups = group_indices(groups, len(self.targets))
        self.is_plain = groups is None
        check_average(average)
        self.area = AREAS.get(metric) if isinstance(metric, Hashable) else None
        self.name = self.area or str(getattr(metric, "__name__", type(metric).__name__))
        self.metric = metric
        self.has_tags = self.area is not None and average == "macro"
        if self.area is None:
            if not callable(metric):
                raise UsageError(f"metric is {metric!r}, expected 'roc_auc', 'pr_auc' or a function")
            if average != "macro":
                raise UsageError("average is for 'roc_auc' and 'pr_auc' only; a function has to do it itself")
            self.whole = self._by_function(np.arange(len(self.targets)))
            if np.isnan(self.whole).any():
                raise InputError(f"{self.name} of all items is NaN, expected a number")
            return
        self.ranked = [rank(self.targets, values, average=average) for values in self.scores]
        self.whole = self._areas(None)
        if np.isnan(self.whole).all():
            raise InputError("no tag is left to score: none has both items with it and items without it")

    def estimate(self, n_resamples: int, level: float, methods: tuple[Method, Method], seed: int) -> Bootstrap:
        """Draw, and make intervals of what was drawn."""
        _check_options(n_resamples, level, methods, seed)
        draws = np.array([self.draw(counts) for counts in self._counts(n_resamples, seed)])
        defined = ~np.isnan(self.whole)
        lost = np.isnan(draws[:, defined]).any(axis=1)
        whole = self.whole
        if self.area is not None:
            means = np.where(np.isnan(draws), whole, draws)[:, defined].mean(axis=1)
            draws = np.column_stack([means, draws]) if self.has_tags else means[:, None]
            whole = np.append(whole[defined].mean(), whole) if self.has_tags else whole
        accelerations = self.accelerations() if "bca" in methods else np.zeros(len(whole))
        is_paired = len(self.scores) == 2
        lowest, highest = (-1.0 if is_paired else 0.0, 1.0) if self.area is not None else (-np.inf, np.inf)
        intervals = [
            interval_of(
                draws[:, i],
                value,
                accelerations[i],
                level,
                methods[int(i > 0)],
                (lowest, highest),
                is_paired=is_paired,
            )
            for i, value in enumerate(whole)
        ]
        n_lost = int(np.count_nonzero(lost))
        if np.isnan(intervals[0].low):
            raise InputError(f"{self.name} has no value on any of {n_resamples} resamples")
        return Bootstrap(
            self.name, intervals[0], tuple(intervals[1:]), level, *methods, self.n_groups, n_resamples, n_lost, seed
        )

    def draw(self, counts: Ints) -> Array64:
        """Compute the score, or the difference, where each item counts so often."""
        if self.area is not None:
            return self._areas(counts)
        return self._of_rows(np.repeat(np.arange(len(counts)), counts))

    def accelerations(self) -> Array64:
        """Compute how skewed the score's dependence on single groups is, row by row."""
        if self.area is None:
            return acceleration(self._jackknife())
        each = [ranked.influence(self.area) for ranked in self.ranked]
        influence = each[0] - each[1] if len(each) == 2 else each[0]
        if not self.is_plain:
            influence = np.array([np.bincount(self.groups, row, minlength=self.n_groups) for row in influence])
        if self.has_tags:
            influence = np.vstack([influence[~np.isnan(self.whole)].mean(axis=0), influence])
        return acceleration(influence)

    def _jackknife(self) -> Array64:
        """Leave out one block of groups after another: shape (1, n_blocks), how far the score falls."""
        n_blocks = min(self.n_groups, MOST_BLOCKS)
        block = np.random.default_rng(0).permutation(self.n_groups)[self.groups] % n_blocks
        without = np.array([self._of_rows(np.flatnonzero(block != i))[0] for i in range(n_blocks)])
        without = without[~np.isnan(without)]
        return np.asarray(without.mean() - without)[None] if len(without) else np.zeros((1, 1))

    def _counts(self, n_resamples: int, seed: int) -> Iterator[Ints]:
        rng = np.random.default_rng(seed)
        for _ in range(n_resamples):
            drawn = np.bincount(rng.integers(0, self.n_groups, self.n_groups), minlength=self.n_groups)
            yield drawn if self.is_plain else drawn[self.groups]

    def _areas(self, counts: Ints | None) -> Array64:
        assert self.area is not None
        each = [ranked.area(self.area, counts) for ranked in self.ranked]
        return each[0] - each[1] if len(each) == 2 else each[0]

    def _of_rows(self, rows: NDArray[np.intp]) -> Array64:
        """Compute the score by the function; shape (1,), NaN if it has none on these items."""
        try:
            return self._by_function(rows)
        except InputError:
            return np.array([np.nan])

    def _by_function(self, rows: NDArray[np.intp]) -> Array64:
        assert callable(self.metric)
        each = [float(self.metric(self.targets[rows], values[rows])) for values in self.scores]
        return np.array([each[0] - each[1] if len(each) == 2 else each[0]])


def group_indices(groups: Groups | None, n_items: int) -> tuple[NDArray[np.intp], int]:
    """Number the groups: the number of each item's, and how many there are.

    Raises
    ------
    InputError
        If there is not one for every item, or fewer than two different ones.
    """
    if groups is None:
        indices = np.arange(n_items)
    else:
        if len(groups) != n_items:
            raise InputError(f"there are {len(groups)} groups for {n_items} items, expected one for each")
        listed = groups.tolist() if isinstance(groups, np.ndarray) else groups
        known: dict[Hashable, int] = {}
        keys = ((None, i) if group is None else group for i, group in enumerate(listed))
        indices = np.array([known.setdefault(key, len(known)) for key in keys])
    n_groups = int(indices.max()) + 1
    if n_groups < 2:
        raise InputError(
            "all items are of one group, expected at least two to draw from",
            hint="without several artists, draw tracks: leave groups out",
        )
    return indices, n_groups


def _check_options(n_resamples: int, level: float, methods: tuple[Method, Method], seed: int) -> None:
    if n_resamples < 2:
        raise UsageError(f"n_resamples is {n_resamples}, expected at least 2", hint="1000 is usual")
    if not 0 < level < 1:
        raise UsageError(f"level is {level:g}, expected more than 0 and less than 1, such as 0.95")
    for name, method in zip(("method", "tag_method"), methods, strict=True):
        if method not in get_args(Method):
            raise UsageError(f"{name} is {method!r}, expected 'basic', 'bca' or 'percentile'")
    if seed < 0:
        raise UsageError(f"seed is {seed}, expected 0 or more")
