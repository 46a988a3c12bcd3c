"""Judge a taught tag by examples that it has not learned from: folds that keep albums whole, scores with intervals.

Intervals
---------
Of few examples, resampling says too little: where four of four pairs are in the right order, so they are in every
resample. The intervals here are those of a share, drawn in from the ends, and count albums, not tracks: two tracks of
one album say little more than one.

- ROC-AUC: Newcombe's fifth method, with the variance of Hanley and McNeil;
- shares: Wilson's; their mean, the balanced accuracy: from both by the squares of their half widths (MOVER).

References
----------
Hanley, J. A. and McNeil, B. J. "The meaning and use of the area under a ROC curve". Radiology 143, 1982.
Newcombe, R. G. "Confidence intervals for an effect size measure based on the Mann-Whitney statistic", part 2.
Statistics in Medicine 25, 2006.
Wilson, E. B. "Probable inference, the law of succession, and statistical inference". JASA 22, 1927.
Zou, G. Y. and Donner, A. "Construction of confidence limits about effect measures". Statistics in Medicine 27, 2008.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.library.fitting import Array64, Bools
from earmark.library.heads import Measured
from earmark.metrics import roc_auc

Indices = NDArray[np.intp]
Z = 1.959964  # of 95 %
N_FOLDS = 5
N_FITS, N_REPEATS = 40, 10  # most fits and repeats, with other folds, that a cross-validation takes


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was said about every example by models that had not learned from its album.

    Parameters
    ----------
    values : shape (n,), the mean over repeats
    folds : shape (n,), the fold of each in the first repeat
    auc : share of pairs of "yes" and "no" in the right order, over pairs that one model had held out
    """

    values: Array64
    folds: Indices
    auc: float


def group_numbers(groups: Sequence[str]) -> Indices:
    """Number the groups in the order in which they come."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(group, len(known)) for group in groups], dtype=np.intp)


def n_folds(answers: Bools, groups: Indices) -> int:
    """Return in how many folds examples can be held out so that each has both answers; less than 2 says it cannot be.

    Parameters
    ----------
    answers, groups : shape (n,)
    """
    return min(N_FOLDS, *(len(np.unique(groups[answers == answer])) for answer in (True, False)))


def hold_out(
    fit: Callable[[Indices], Callable[[Indices], Array64]], answers: Bools, groups: Indices, *, seed: int
) -> HeldOut | None:
    """Cross-validate, several times with other folds.

    Parameters
    ----------
    fit : learns from the examples with these numbers, and returns what says values of others
    answers, groups : shape (n,)
    seed : of the folds

    Returns
    -------
    None if the examples of an answer come from one group: then nothing can be held out
    """
    k = n_folds(answers, groups)
    if k < 2:
        return None
    rng = np.random.default_rng(seed)
    sums, counts = np.zeros(len(answers)), np.zeros(len(answers))
    won, n_pairs = 0.0, 0
    first: Indices | None = None
    for _ in range(min(N_REPEATS, N_FITS // k)):
        folds = deal(answers, groups, k, rng)
        first = folds if first is None else first
        for train, test in _parts(folds, k):
            if answers[train].all() or not answers[train].any():
                continue
            values = fit(train)(test)
            sums[test] += values
            counts[test] += 1
            here = answers[test]
            pairs = int(np.count_nonzero(here) * np.count_nonzero(~here))
            if pairs:
                won += pairs * roc_auc(here[:, None], values[:, None])
                n_pairs += pairs
    if first is None or not n_pairs or not counts.all():
        return None
    return HeldOut(sums / counts, first, won / n_pairs)


def deal(answers: Bools, groups: Indices, k: int, rng: np.random.Generator) -> Indices:
    """Deal groups to folds, whole, so that every fold gets about as many of both answers.

    Parameters
    ----------
    answers, groups : shape (n,)
    k : folds
    rng : shuffles

    Returns
    -------
    shape (n,), the fold of each example
    """
    n_groups = int(groups.max()) + 1
    of_yes = np.bincount(groups, answers, minlength=n_groups)
    of_no = np.bincount(groups, ~answers, minlength=n_groups)
    order = sorted(range(n_groups), key=lambda group: (of_yes[group] == 0, -of_yes[group], -of_no[group], rng.random()))
    yes, no, dealt = np.zeros(k), np.zeros(k), np.zeros(n_groups, dtype=np.intp)
    for group in order:
        among = yes if of_yes[group] else no
        least = np.flatnonzero(among == among.min())
        other = no[least] if of_yes[group] else yes[least]
        fold = int(rng.choice(least[other == other.min()]))
        yes[fold] += of_yes[group]
        no[fold] += of_no[group]
        dealt[group] = fold
    return np.asarray(dealt[groups])


def _parts(folds: Indices, k: int) -> Iterator[tuple[Indices, Indices]]:
    for fold in range(k):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def auc_interval(auc: float, n_yes: int, n_no: int) -> Measured:
    """Put an interval around a ROC-AUC.

    Parameters
    ----------
    auc : share of pairs in the right order
    n_yes, n_no : independent examples

    Examples
    --------
    >>> few, many = auc_interval(1.0, 3, 3), auc_interval(1.0, 50, 50)
    >>> round(few.low, 2), round(many.low, 2)
    (0.5, 0.96)
    """
    mean = (n_yes + n_no) / 2

    def distance(a: float) -> float:
        q = (1 - a) / (2 - a) + a / (1 + a)
        return abs(auc - a) - Z * math.sqrt(a * (1 - a) * (1 + (mean - 1) * q) / (n_yes * n_no))

    return Measured(auc, _edge(distance, auc, 0.0), _edge(distance, auc, 1.0))


def _edge(distance: Callable[[float], float], inside: float, outside: float) -> float:
    """Find where `distance` becomes positive on the way out, by halving."""
    for _ in range(60):
        middle = (inside + outside) / 2
        if distance(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside


def share_interval(share: float, n: float) -> Measured:
    """Put Wilson's interval around a share of n.

    Examples
    --------
    >>> found = share_interval(1.0, 4)
    >>> round(found.low, 2), round(found.high, 2)
    (0.51, 1.0)
    """
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Measured(share, max(0.0, centre - half), min(1.0, centre + half))


def balanced_accuracy(answers: Bools, given: Bools, groups: Indices) -> Measured:
    """Compute the mean of the shares of either side that were answered right, with its interval.

    Parameters
    ----------
    answers, given : shape (n,), what is true and what was said
    groups : shape (n,)
    """
    sides = []
    for answer in (True, False):
        mine = answers == answer
        sides.append(share_interval(float((given[mine] == answer).mean()), len(np.unique(groups[mine]))))
    a, b = sides
    value = (a.value + b.value) / 2
    below = math.hypot(a.value - a.low, b.value - b.low) / 2
    above = math.hypot(a.high - a.value, b.high - b.value) / 2
    return Measured(value, max(0.0, value - below), min(1.0, value + above))
