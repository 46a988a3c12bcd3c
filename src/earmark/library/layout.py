"""UMAP in numpy: from the nearest neighbours of every track to a place for it on a plane.

What it does is McInnes, Healy & Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction", 2018: neighbours become a graph whose edges say how surely two tracks belong together (section 3.1), and
points are moved until near and far agree with it (section 3.2). Two things differ from the authors' program:

* It begins with the principal axes, not with the eigenvectors of the graph, which keeps the large shapes apart (Kobak &
  Linderman, "Initialization is critical for preserving global data structure in both t-SNE and UMAP", 2021).
* All points move at once. The program draws edges one by one as often as their weight says; here every edge pulls in
  every round with its weight, and 20 random others push. The sum is divided by 1 + the weight of the edges of a point,
  so that a point with many neighbours does not overshoot.

So there is nothing to compile, one seed gives one map, and time is spent in few large steps.
"""

import numpy as np
from numpy.typing import NDArray

CURVE_A, CURVE_B = 1.5769434603, 0.8950608780  # of 1 / (1 + a d^2b) for min_dist 0.1 and spread 1, as the program fits
PUSHES = 20  # random others per point and round
PUSH_WEIGHT = 5.0  # pushes per pull, as in the program
FARTHEST_PULL = 4.0  # no single force is stronger, as in the program
EXTENT = 10.0  # the beginning reaches from -10 to 10, as in the program
FEW = 10_000  # tracks: 500 rounds up to here, 200 beyond, as in the program

Floats = NDArray[np.float32]


class Graph:
    """Who belongs together, and how surely.

    Parameters
    ----------
    starts : shape (n,), where the edges of each track begin
    heads, tails : shape (n_edges,), tracks; every edge stands there in both directions, sorted by head
    weights : shape (n_edges,), in (0, 1]
    """

    def __init__(
        self, starts: NDArray[np.intp], heads: NDArray[np.int64], tails: NDArray[np.int64], weights: Floats
    ) -> None:
        self.starts, self.heads, self.tails, self.weights = starts, heads, tails, weights


def belonging(distances: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn the distances to the nearest neighbours into how surely each belongs to the track.

    Parameters
    ----------
    distances : shape (n, k), the nearest first, the track itself not among them

    Returns
    -------
    shape (n, k), in (0, 1]: 1 for the nearest, and falling so that the sum is log2(k + 1) where it can be

    Notes
    -----
    ``exp(-(d - nearest) / sigma)`` with sigma found by bisection; sigma is at least 1/1000 of the mean distance.
    """
    far = np.asarray(distances, np.float64)
    nearest = np.where(far > 0, far, np.inf).min(axis=1)
    beyond = np.maximum(far - np.where(np.isfinite(nearest), nearest, 0)[:, None], 0)
    target = np.log2(far.shape[1] + 1)
    low, high = np.zeros(len(far)), np.full(len(far), np.inf)
    sigma = np.maximum(far.mean(axis=1), 1e-12)
    for _ in range(64):
        over = np.exp(-beyond / sigma[:, None]).sum(axis=1) > target
        low, high = np.where(over, low, sigma), np.where(over, sigma, high)
        sigma = np.where(np.isinf(high), sigma * 2, (low + high) / 2)
        sigma = np.minimum(sigma, 1e12)
    sigma = np.maximum(sigma, np.maximum(1e-3 * far.mean(axis=1), 1e-12))
    return np.asarray(np.exp(-beyond / sigma[:, None]))


def join(neighbours: NDArray[np.integer], belongs: NDArray[np.float64]) -> Graph:
    """Make one graph of what every track says of its neighbours.

    Parameters
    ----------
    neighbours, belongs : shape (n, k)

    Notes
    -----
    Two tracks that say a and b of each other belong together with ``a + b - a b``.
    """
    n, k = neighbours.shape
    heads = np.repeat(np.arange(n, dtype=np.int64), k)
    tails = neighbours.ravel().astype(np.int64)
    said = belongs.ravel()
    nothing = np.zeros_like(said)
    keys = np.concatenate([heads * n + tails, tails * n + heads])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    there = np.add.reduceat(np.concatenate([said, nothing])[order], firsts)
    back = np.add.reduceat(np.concatenate([nothing, said])[order], firsts)
    heads, tails = np.divmod(keys[firsts], n)
    weights = (there + back - there * back).astype(np.float32)
    return Graph(np.searchsorted(heads, np.arange(n)), heads, tails, weights)


def place(graph: Graph, start: Floats, *, seed: int = 0, n_rounds: int | None = None) -> Floats:
    """Move points until near and far agree with a graph.

    Parameters
    ----------
    graph : of n tracks, each with an edge
    start : shape (n, 2), such as the principal axes
    seed : of the random others
    n_rounds : 500 up to 10,000 tracks and 200 beyond unless given

    Returns
    -------
    shape (n, 2)
    """
    n = len(start)
    rounds = n_rounds or (500 if n <= FEW else 200)
    random = np.random.default_rng(seed)
    points = (start * (EXTENT / max(float(np.abs(start).max()), 1e-12))).T.astype(np.float32)  # (2, n)
    points += random.normal(0, 1e-3 * EXTENT, points.shape).astype(np.float32)  # equal tracks come apart
    graph = _without_faint(graph, graph.weights.max() / rounds)
    counts = np.diff(np.append(graph.starts, len(graph.heads)))
    degrees = np.add.reduceat(graph.weights, graph.starts)
    pull, push = 2 * graph.weights, degrees * np.float32(PUSH_WEIGHT / PUSHES)
    for i in range(rounds):
        apart = [np.repeat(axis, counts) - axis[graph.tails] for axis in points]
        square = apart[0] ** 2 + apart[1] ** 2 + 1e-12
        curve = CURVE_A * np.exp(CURVE_B * np.log(square))
        strength = -2 * CURVE_B * curve / (square * (1 + curve))
        forces = [np.add.reduceat(_bounded(strength * axis) * pull, graph.starts) for axis in apart]
        for _ in range(PUSHES):
            others = random.integers(0, n, n, dtype=np.int32)
            apart = [axis - axis[others] for axis in points]  # zero where the other is the track itself
            square = apart[0] ** 2 + apart[1] ** 2
            curve = CURVE_A * np.exp(CURVE_B * np.log(square + 1e-12))
            strength = 2 * CURVE_B / ((0.001 + square) * (1 + curve))
            for force, axis in zip(forces, apart, strict=True):
                force += _bounded(strength * axis) * push
        step = np.float32(1 - i / rounds) / (1 + degrees)
        points += np.stack(forces) * step
    return np.ascontiguousarray(points.T)


def _without_faint(graph: Graph, least: float) -> Graph:
    """Leave out edges so weak that the program would not draw them once; every track keeps its nearest."""
    kept = graph.weights >= least
    heads = graph.heads[kept]
    starts = np.searchsorted(heads, np.arange(len(graph.starts)))
    return Graph(starts, heads, graph.tails[kept], graph.weights[kept])


def _bounded(forces: Floats) -> Floats:
    return np.asarray(np.clip(forces, -FARTHEST_PULL, FARTHEST_PULL))
