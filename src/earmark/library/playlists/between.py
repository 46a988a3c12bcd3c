"""`path_between`: from one song to another in even steps."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError
from earmark.library.playlists.candidates import SAME_RECORDING, Candidates, Mask, Rows, Vectors, check_rows
from earmark.library.playlists.plan import Array32, between

MAX_SONGS = 500
_POOL, _BLOCK = 1200, 65536
_EVEN = 0.25  # how much even progress counts against short steps


def path_between(
    vectors: Vectors,
    a: int,
    b: int,
    n: int = 25,
    *,
    allowed: Mask | None = None,
    recordings: Sequence[Hashable | None] | None = None,
    same_below: float = SAME_RECORDING,
) -> list[int]:
    """Find songs that lead from one to another.

    Parameters
    ----------
    vectors : shape (N, D), each of length 1
    a, b : rows of the first and the last song
    n : how many songs, both ends counted
    allowed : shape (N,); which rows may stand between the ends; None for all
    recordings : N keys, equal for the same recording, None where nothing is known
    same_below : distance of two vectors from which on they are two recordings

    Returns
    -------
    rows, `a` first and `b` last, none twice; fewer than `n` where there are no more recordings

    Raises
    ------
    UsageError
        If the ends are one song, or `n` is below 2 or above 500.
    InputError
        If a row does not exist or a vector is not of length 1.

    Notes
    -----
    Songs are put in order of how far they have come from `a` to `b`: their place along the straight line. Of all
    lists of n songs that only go forward, those with the smallest largest step are kept, and of them the one with the
    least sum of squared steps and of squared deviations from even progress. Both are found exactly, by dynamic
    programming over the songs nearest to the arc between the ends. Since any two songs may follow each other, a
    catalogue with gaps has a path as well.

    Examples
    --------
    >>> angle = np.linspace(0, 3, 9)
    >>> path_between(np.column_stack([np.cos(angle), np.sin(angle)]), 0, 8, 5)
    [0, 2, 4, 6, 8]
    """
    _check(vectors, a, b, n, allowed)
    candidates = Candidates(vectors, recordings=recordings, same_below=same_below)
    ends = candidates.take(np.array([a, b], np.intp))
    rows = _near_arc(vectors, ends, a, b, n, allowed)
    found = candidates.take(rows)
    keep = candidates.distinct(np.concatenate([[a, b], rows]), np.concatenate([ends, found]))
    rows, found = rows[keep[2:]], found[keep[2:]]
    if len(rows) <= n - 2:
        rows, found = rows[: n - 2], found[: n - 2]
    progress = _progress(found, ends)
    order = np.lexsort((rows, progress))
    rows = np.concatenate([[a], rows[order], [b]])
    points = np.concatenate([ends[:1], found[order], ends[1:]])
    progress = np.concatenate([[0.0], progress[order], [1.0]])
    chosen = _best_chain(points, progress, min(n, len(rows)))
    return [int(row) for row in rows[chosen]]


def _near_arc(vectors: Vectors, ends: Array32, a: int, b: int, n: int, allowed: Mask | None) -> Rows:
    """Find the rows nearest to points on the arc between the ends, nearest first."""
    points = between(ends[0], ends[1], np.linspace(0, 1, min(n, 16) + 2)[1:-1, None])
    blocks = [
        points @ np.asarray(vectors[begin : begin + _BLOCK], np.float32).T for begin in range(0, len(vectors), _BLOCK)
    ]
    similar = np.concatenate(blocks, axis=1)  # (P, N)
    similar[:, [a, b]] = -np.inf
    if allowed is not None:
        similar[:, ~allowed] = -np.inf
    share = min(similar.shape[1], -(-(_POOL + 6 * n) // len(points)))
    near = [np.argpartition(-line, share - 1)[:share] for line in similar]
    rows: Rows = np.unique(np.concatenate(near))
    best = similar[:, rows].max(axis=0)
    order = np.lexsort((rows, -best))
    return np.asarray(rows[order][np.isfinite(best[order])], np.intp)


def _progress(points: Array32, ends: Array32) -> NDArray[np.float64]:
    """Say how far songs have come, 0 at the first end and 1 at the second, shape (m,)."""
    way = ends[1] - ends[0]
    return np.asarray((points - ends[0]) @ way / max(float(way @ way), 1e-12), np.float64)


def _best_chain(points: Array32, progress: NDArray[np.float64], n: int) -> list[int]:
    """Choose n points in ascending order, the first and the last among them."""
    squared = np.maximum(2 - 2 * (points @ points.T), 0)
    squared[np.tril_indices(len(points))] = np.inf
    _, limit = _cheapest(squared, n, np.maximum)
    whole = float(squared[0, -1])
    uneven = np.asarray(progress[None] - progress[:, None] - 1 / (n - 1), np.float32) ** 2
    costs = np.where(squared <= limit * (1 + 1e-6), squared + _EVEN * whole * uneven, np.inf)
    return _cheapest(costs, n, np.add)[0]


def _cheapest(costs: Array32, n: int, join: np.ufunc) -> tuple[list[int], float]:
    """Find the chain of n points from the first to the last with the least cost.

    Parameters
    ----------
    costs : shape (m, m), of the step from i to j; infinite unless i < j
    join : what makes one number of the steps' costs, `np.add` or `np.maximum`
    """
    least = np.full(len(costs), np.inf, costs.dtype)
    least[0] = 0
    came_from = []
    for _ in range(n - 1):
        total = join(least[:, None], costs)
        came_from.append(np.argmin(total, axis=0))
        least = total.min(axis=0)
    chain = [len(costs) - 1]
    for before in reversed(came_from):
        chain.append(int(before[chain[-1]]))
    return chain[::-1], float(least[-1])


def _check(vectors: Vectors, a: int, b: int, n: int, allowed: Mask | None) -> None:
    check_rows([a, b], len(vectors), "track")
    if a == b:
        raise UsageError("a path needs two different tracks", hint="for songs like one, make a playlist")
    if not 2 <= n <= MAX_SONGS:
        raise UsageError(f"a path of {n} songs, expected 2 to {MAX_SONGS}")
    if allowed is not None and np.shape(allowed) != (len(vectors),):
        raise InputError(f"allowed has the shape {np.shape(allowed)}, expected ({len(vectors)},)")
