"""From resamples to an interval: basic, BCa or percentile.

References
----------
Efron, B. and Tibshirani, R. "An introduction to the bootstrap", 1993, chapters 13, 14 (BCa) and 16 (tests).
"""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from earmark.metrics.checks import Array64

Method = Literal["basic", "bca", "percentile"]
NORMAL = NormalDist()


@dataclass(frozen=True)
class Interval:
    """A score, or the difference of two, and where it may lie.

    Parameters
    ----------
    value : on all items; NaN if a tag has none
    low, high : ends of the interval
    standard_error : standard deviation over resamples
    bias : mean over resamples, minus `value`
    p : of a difference: how probable one as large is if there is none, two-sided; not corrected for several tags
    """

    value: float
    low: float
    high: float
    standard_error: float
    bias: float
    p: float | None = None


@dataclass(frozen=True)
class Bootstrap:
    """What resampling told.

    Parameters
    ----------
    metric : name
    interval : of the score, or of the difference of two
    per_tag : of every tag; empty if the metric has none
    level : share of intervals that hold the true value, such as 0.95
    method, tag_method : "basic", "bca" or "percentile", of the whole and of single tags
    n_groups : that were drawn from
    n_resamples : that were drawn
    n_incomplete : of them had lost a tag, or had no score
    seed : of the draws
    """

    metric: str
    interval: Interval
    per_tag: tuple[Interval, ...]
    level: float
    method: Method
    tag_method: Method
    n_groups: int
    n_resamples: int
    n_incomplete: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; what is not defined is None."""
        return {**asdict(self), "interval": _plain(self.interval), "per_tag": [_plain(one) for one in self.per_tag]}


def _plain(interval: Interval) -> dict[str, float | None]:
    return {key: None if value is None or np.isnan(value) else value for key, value in asdict(interval).items()}


def acceleration(influence: Array64) -> Array64:
    """Compute it from the influence of each group: shape (n_rows, n_groups) to (n_rows,)."""
    cubes, squares = (influence**3).sum(axis=1), (influence**2).sum(axis=1)
    below = 6 * squares**1.5
    return np.asarray(np.divide(cubes, below, out=np.zeros_like(cubes), where=below > 0))


def interval_of(
    draws: Array64,
    value: float,
    skew: float,
    level: float,
    method: Method,
    bounds: tuple[float, float],
    *,
    is_paired: bool,
) -> Interval:
    """Make an interval.

    Parameters
    ----------
    draws : shape (n_resamples,), the score of each; NaN are left out
    value : the score of all items
    skew : acceleration, for "bca"
    level : share of intervals that hold the true value
    method : "basic", "bca" or "percentile"
    bounds : between which a score can be, for "basic"
    is_paired : it is a difference, and gets a p
    """
    draws = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(draws):
        return Interval(float(value), np.nan, np.nan, np.nan, np.nan, np.nan if is_paired else None)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        tails = _corrected(tails, draws, value, skew)
    low, high = np.quantile(draws, tails)
    if method == "basic":
        low, high = np.clip([2 * value - high, 2 * value - low], *bounds)
    as_far = np.count_nonzero(np.abs(draws - value) >= abs(value))
    p = float((1 + as_far) / (1 + len(draws))) if is_paired else None
    error = float(draws.std(ddof=1)) if len(draws) > 1 else np.nan
    return Interval(float(value), float(low), float(high), error, float(draws.mean() - value), p)


def _corrected(tails: Array64, draws: Array64, value: float, skew: float) -> Array64:
    """Move the tails of an interval by the bias of the median and by the acceleration, as BCa does."""
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws <= value)) / (2 * len(draws))
    half = 1 / (2 * len(draws))
    bias = NORMAL.inv_cdf(float(np.clip(below, half, 1 - half)))
    moved = []
    for tail in tails:
        z = bias + NORMAL.inv_cdf(float(tail))
        moved.append(NORMAL.cdf(bias + z / max(1 - skew * z, 1e-3)))
    return np.array(moved)
