"""When does a track have a tag? Thresholds for models whose cards give none, as those of the published models do.

A network's score follows how often a tag was given in its training data: with a threshold of 0.5 the macro F1 is half
of what it could be, and one number for all tags is too high for the rare ones. For scores that are probabilities, the
threshold with the best F1 is half of that F1 (Lipton et al. 2014): it is never above 0.5, and lower the harder a tag is
to hear. Rare tags are harder, so the rate of the tag in the training data tells something of it. The rule here is ``0.7
* sqrt(rate)``, at most 0.5.

How good that is stands in ``docs/concepts/finding-music.md``, measured against fixed thresholds and against those that
only the answers could tell.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from earmark.errors import InputError

FACTOR = 0.7
HIGHEST = 0.5  # of probabilities, no threshold above has the best F1
UNKNOWN = 0.2  # the best single threshold for all tags of the measurement
N_ENOUGH = 200  # tracks; scores of fewer say too little


def default_threshold(base_rate: float | None) -> float:
    """Choose the score from which on a track has a tag, by how often the tag was given in the training data.

    Parameters
    ----------
    base_rate : in [0, 1]; None, NaN or 0 where it is not known

    Returns
    -------
    in (0, 0.5]

    Raises
    ------
    InputError
        If `base_rate` is no share.

    Notes
    -----
    The factor and the root were chosen on stored predictions of musicnn on the test split of MagnaTagATune (Won et al.
    2020), by macro F1; factors from 0.65 to 0.9 are within 0.005 there. 0.7 is at the low end because moods are harder
    to hear than what that data set holds: on the moods of MTG-Jamendo, lower factors do better.

    References
    ----------
    Lipton, Z. C., Elkan, C. and Narayanaswamy, B. Thresholding classifiers to maximize F1 score. 2014,
    arXiv:1402.1892.

    Examples
    --------
    >>> round(default_threshold(0.197), 3), round(default_threshold(0.0035), 3), default_threshold(None)
    (0.311, 0.041, 0.2)
    """
    if base_rate is None or math.isnan(base_rate) or base_rate == 0:
        return UNKNOWN
    if not 0 < base_rate <= 1:
        raise InputError(f"base rate is {base_rate}, expected a share from 0 to 1")
    return min(HIGHEST, FACTOR * math.sqrt(base_rate))


def threshold_from_scores(scores: ArrayLike, *, base_rate: float | None = None) -> float:
    """Choose the threshold of a tag by its scores in many tracks; nobody has to say which of them have it.

    Where scores are probabilities, they tell how many right tags a threshold is expected to give, and with them its
    F1. The threshold with the best expected F1 is averaged, as a geometric mean, with `default_threshold`: where hardly
    any track has the tag, the scores alone put the threshold too low.

    Parameters
    ----------
    scores : shape (n,), in [0, 1], of one tag; NaN where a track was not heard
    base_rate : in [0, 1]; None where it is not known

    Returns
    -------
    in (0, 1]; `default_threshold` if fewer than 200 tracks were heard

    Raises
    ------
    InputError
        If scores are not in [0, 1], or `base_rate` is no share.

    Examples
    --------
    >>> heard = np.concatenate([np.full(900, 0.02), np.full(100, 0.8)])
    >>> round(threshold_from_scores(heard, base_rate=0.1), 2)
    0.42
    """
    values = np.asarray(scores, np.float64).ravel()
    values = values[~np.isnan(values)]
    prior = default_threshold(base_rate)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("scores are below 0 or above 1")
    if len(values) < N_ENOUGH or not values.any():
        return prior
    ranked = np.sort(values)[::-1]
    right = np.cumsum(ranked)
    expected = 2 * right / (np.arange(1, len(ranked) + 1) + right[-1])  # F1 when all up to this one get the tag
    return float(np.sqrt(prior * ranked[int(expected.argmax())]))
