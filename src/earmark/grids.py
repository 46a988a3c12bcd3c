"""Chunks in time: where their centres are, and how values on some chunks come onto others."""

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]


def chunk_centres(times: NDArray[np.floating], duration: float) -> Array64:
    """Find the centre of each chunk, as far as it lies within the track.

    Parameters
    ----------
    times : shape (n_chunks, 2), seconds
    duration : seconds; a chunk that was padded counts only up to here

    Returns
    -------
    shape (n_chunks,), seconds
    """
    starts, ends = np.asarray(times, np.float64).T
    return np.asarray((starts + np.maximum(np.minimum(ends, duration), starts)) / 2)


def onto_grid(
    taggram: NDArray[np.floating], times: NDArray[np.floating], target: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Bring a taggram onto other chunks.

    Parameters
    ----------
    taggram : shape (n_chunks, K)
    times : shape (n_chunks, 2), seconds
    target : shape (n_target, 2), seconds

    Returns
    -------
    shape (n_target, K). A target chunk gets the mean of the source chunks that it overlaps, weighted by the length of
    the overlap; one that overlaps none gets the source chunk whose centre is nearest. Equal chunks keep their values.

    Notes
    -----
    The overlap with all source chunks is the difference of an integral over time at the ends of the target chunk. The
    integral is linear between the ends of source chunks, so the cost grows with n log n and not with n squared.
    """
    if times.shape == target.shape and np.allclose(times, target, rtol=0, atol=1e-6):
        return taggram
    source = np.asarray(times, np.float64)
    wanted = np.asarray(target, np.float64)
    knots = source.T.ravel()  # all starts, then all ends
    order = np.argsort(knots, kind="stable")
    weighted = np.column_stack([taggram, np.ones(len(taggram))])  # the last column integrates to the overlap itself
    slopes = np.cumsum(np.concatenate([weighted, -weighted])[order], axis=0)  # (2 * n_chunks, K + 1)
    knots = knots[order]
    heights = np.zeros_like(slopes)
    np.cumsum(slopes[:-1] * np.diff(knots)[:, None], axis=0, out=heights[1:])

    def integral(at: Array64) -> Array64:
        before = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, None)
        return np.asarray(heights[before] + slopes[before] * np.maximum(at - knots[before], 0)[:, None], np.float64)

    sums = integral(wanted[:, 1]) - integral(wanted[:, 0])
    overlap = sums[:, -1:]
    touching = overlap[:, 0] > 1e-6
    out = np.empty((len(target), taggram.shape[1]), taggram.dtype)
    out[touching] = np.clip(sums[touching, :-1] / overlap[touching], taggram.min(axis=0), taggram.max(axis=0))
    out[~touching] = taggram[_nearest(source.mean(axis=1), wanted[~touching].mean(axis=1))]
    return out


def _nearest(values: Array64, wanted: Array64) -> NDArray[np.intp]:
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    right = np.clip(np.searchsorted(ranked, wanted), 0, len(ranked) - 1)
    left = np.maximum(right - 1, 0)
    return order[np.where(np.abs(ranked[left] - wanted) <= np.abs(ranked[right] - wanted), left, right)]
