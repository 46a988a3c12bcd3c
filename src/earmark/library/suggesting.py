"""Which tracks to answer next: those that a tag is unsure of, and that differ from one another.

The most uncertain tracks alone are often ten variants of one song, or odd ones out. So the most uncertain are put into
groups by sound, the uncertain counting more, and the track in the middle of each group is asked about (Zhdanov 2019,
"Diverse mini-batch Active Learning").
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import UsageError
from earmark.library.heads import Head

CANDIDATES_EACH = 10  # tracks that are looked at for each that is asked about
_ROUNDS = 20

Array64 = NDArray[np.float64]


def suggest(head: Head, embeddings: ArrayLike, *, n: int = 10, exclude: Collection[int] = ()) -> list[int]:
    """Choose the tracks whose answer would help a tag most.

    Parameters
    ----------
    head : of the tag
    embeddings : shape (m, D), of the tracks to choose from
    n : how many
    exclude : rows that have an answer already

    Returns
    -------
    at most n rows, the most uncertain first

    Raises
    ------
    UsageError
        If `n` is below 1.
    InputError
        If the embeddings do not fit the tag.
    """
    if n < 1:
        raise UsageError(f"n is {n}, expected 1 or more")
    doubt = uncertainty(head.probabilities(embeddings))
    answered = np.zeros(len(doubt), np.bool_)
    answered[list(exclude)] = True
    rows = np.flatnonzero(~answered)
    rows = rows[np.argsort(-doubt[rows], kind="stable")][: n * CANDIDATES_EACH]
    if len(rows) <= n:
        return [int(row) for row in rows]
    points = head.scaling.apply(np.asarray(embeddings)[rows])
    chosen = _middles(points, doubt[rows], n)
    return [int(row) for row in rows[np.sort(chosen)]]  # rows are in the order of their doubt


def uncertainty(probabilities: Array64) -> Array64:
    """Return how much is not known of an answer, in bits: 1 at a probability of a half, 0 at none and certainty.

    Examples
    --------
    >>> uncertainty(np.array([0.5, 0.0, 0.9])).round(2).tolist()
    [1.0, 0.0, 0.47]
    """
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    bits: Array64 = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def _middles(points: Array64, weights: Array64, n: int) -> NDArray[np.intp]:
    """Group points, shape (m, D), by k-means with weights, and return the point nearest to the middle of each group."""
    weights = weights + 1e-9
    centres = points[_spread(points, weights, n)]
    for _ in range(_ROUNDS):
        labels = _distances(points, centres).argmin(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points * weights[:, None])
        totals = np.bincount(labels, weights, minlength=n)
        moved = np.where(totals[:, None] > 0, sums / np.maximum(totals, 1e-12)[:, None], centres)
        if np.allclose(moved, centres):
            break
        centres = moved
    distances = _distances(points, centres)
    chosen: list[int] = []
    for k in range(n):  # each group its own point, even where two middles are nearest to one
        order = np.argsort(distances[:, k], kind="stable")
        chosen.append(int(next(i for i in order if i not in chosen)))
    return np.array(chosen, np.intp)


def _spread(points: Array64, weights: Array64, n: int) -> list[int]:
    """Choose n points to begin with: the most uncertain, then always the one farthest from all so far, by weight."""
    chosen = [int(weights.argmax())]
    nearest = _distances(points, points[chosen])[:, 0]
    for _ in range(n - 1):
        worth = weights * nearest
        worth[chosen] = -1.0
        chosen.append(int(worth.argmax()))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1:]])[:, 0])
    return chosen


def _distances(points: Array64, centres: Array64) -> Array64:
    """Return squared distances, shape (m, k)."""
    squares: Array64 = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.asarray(np.maximum(squares, 0.0))
