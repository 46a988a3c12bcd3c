"""The nearest neighbours of every track among all others: exact, in blocks, with numpy alone."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UsageError

Metric = Literal["cosine", "euclidean"]
METRICS = ("cosine", "euclidean")

BLOCK = 512  # rows of the table of distances that are in memory at a time
GROUP = 16  # distances of which only the smallest is looked at first
SHORT_DIMENSIONS = 50  # of the principal axes that choose who is compared in full
SHORT_LIST = 4  # times as many as are asked for


def prepare(vectors: ArrayLike, *, metric: Metric = "cosine") -> NDArray[np.float32]:
    """Check vectors, and bring them to where plain distances are those of `metric`.

    Parameters
    ----------
    vectors : shape (n, D)
    metric : "cosine" gives every vector length 1 (zeros stay zeros); "euclidean" leaves them as they are

    Returns
    -------
    shape (n, D)

    Raises
    ------
    InputError
        If there are none, they are no table, or they hold NaN or infinity.
    UsageError
        If there is no such metric.
    """
    if metric not in METRICS:
        raise UsageError(f"there is no metric {metric!r}", hint=f"choose one of {', '.join(METRICS)}")
    table = np.asarray(vectors, dtype=np.float32)
    if table.ndim != 2 or 0 in table.shape:
        raise InputError(f"the vectors have shape {table.shape}, expected (tracks, dimensions), at least one of each")
    if not np.isfinite(table).all():
        bad = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise InputError(f"vector {bad} holds NaN or infinity", hint="leave tracks without an embedding out")
    if metric == "euclidean":
        return table
    lengths: NDArray[np.float32] = np.linalg.norm(table, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return table / lengths


def principal(table: NDArray[np.float32], n_dimensions: int) -> tuple[NDArray[np.float32], float]:
    """Turn vectors onto their principal axes and keep the first.

    Parameters
    ----------
    table : shape (n, D)
    n_dimensions : at most D

    Returns
    -------
    shape (n, n_dimensions), centred, the longest axis first, signs so that the longer tail is positive; and which part
    of the variance it holds, in [0, 1]
    """
    centred = table - table.mean(axis=0)
    values, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    values, axes = np.maximum(values[::-1], 0), axes[:, ::-1][:, :n_dimensions].astype(np.float32)
    turned = centred @ axes
    turned *= np.where((turned**3).sum(axis=0) < 0, -1, 1).astype(np.float32)
    total = float(values.sum())
    return turned, float(values[:n_dimensions].sum()) / total if total > 0 else 1.0


def nearest(table: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the nearest others of every vector.

    Parameters
    ----------
    table : shape (N, D), as `prepare` gives it
    n : how many of each; fewer where there are no more than `n` vectors

    Returns
    -------
    shape (N, n): which they are, the nearest first, never the vector itself; and how far they are

    Notes
    -----
    Of many dimensions, the first 50 principal axes choose four times `n` candidates, and the whole vectors decide among
    them. The time grows with the square of N.
    """
    n = min(n, len(table) - 1)
    if n < 1:
        empty = (len(table), 0)
        return np.zeros(empty, np.int32), np.zeros(empty, np.float32)
    shortened = table.shape[1] > 2 * SHORT_DIMENSIONS
    seen = principal(table, SHORT_DIMENSIONS)[0] if shortened else table
    n_candidates = min(SHORT_LIST * n, len(table) - 1) if shortened else n
    squares = np.einsum("ij,ij->i", seen, seen)
    which = np.empty((len(table), n), np.int32)
    far = np.empty((len(table), n), np.float32)
    for start in range(0, len(table), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(table)))
        distances = squares - 2 * (seen[rows] @ seen.T)  # (rows, N), less the square of each row
        distances[np.arange(len(rows)), rows] = np.inf
        candidates = _smallest(distances, n_candidates)
        exact = np.stack(
            [np.linalg.norm(table[others] - table[row], axis=1) for row, others in zip(rows, candidates, strict=True)]
        )
        order = np.lexsort((candidates, exact))[:, :n]  # equal distances: by number
        which[rows] = np.take_along_axis(candidates, order, axis=1)
        far[rows] = np.take_along_axis(exact, order, axis=1)
    return which, far


def _smallest(values: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Find the columns of the n smallest values of every row, in no order.

    Notes
    -----
    Columns are looked at in groups: the n smallest values lie in the n groups whose smallest value is smallest, which
    is one sixteenth of the sorting.
    """
    n_groups, rest = divmod(values.shape[1], GROUP)
    if n_groups <= 4 * n:
        return np.argpartition(values, n - 1, axis=1)[:, :n]
    heads = values[:, : n_groups * GROUP].reshape(len(values), GROUP, n_groups).min(axis=1)
    groups = np.argpartition(heads, n - 1, axis=1)[:, :n]
    columns = (groups[:, :, None] + n_groups * np.arange(GROUP)).reshape(len(values), -1)
    tail = np.broadcast_to(np.arange(values.shape[1] - rest, values.shape[1]), (len(values), rest))
    columns = np.concatenate([columns, tail], axis=1)
    best = np.argpartition(np.take_along_axis(values, columns, axis=1), n - 1, axis=1)[:, :n]
    return np.take_along_axis(columns, best, axis=1)


def mean_rank(
    table: NDArray[np.float32],
    points: NDArray[np.floating],
    *,
    n: int = 10,
    n_sample: int = 500,
    seed: int = 0,
) -> float | None:
    """Measure how far a map can be trusted: how near by sound the nearest dots of a track are.

    Parameters
    ----------
    table : shape (N, D), as `prepare` gives it
    points : shape (N, 2)
    n : dots of each track that are looked at
    n_sample : tracks that are looked at; drawn with `seed` where there are more

    Returns
    -------
    the mean rank by sound of the nearest dots, as a part of all others: near 0 where the map is true to the sound, 0.5
    where it was drawn blindly; None where there are not more than `n` others, all of which are the nearest
    """
    others = len(points) - 1
    if others <= n:
        return None
    rows = np.arange(len(points))
    if len(points) > n_sample:
        rows = np.sort(np.random.default_rng(seed).choice(len(points), n_sample, replace=False))
    squares = np.einsum("ij,ij->i", table, table)
    total = 0.0
    for row in rows:
        on_map = ((points - points[row]) ** 2).sum(axis=1)
        by_sound = squares - 2 * (table @ table[row])
        on_map[row] = by_sound[row] = np.inf
        dots = np.argpartition(on_map, n - 1)[:n]
        ranks = np.searchsorted(np.sort(by_sound), by_sound[dots])  # 0 for the nearest
        total += float(ranks.mean()) / others
    return total / len(rows)
