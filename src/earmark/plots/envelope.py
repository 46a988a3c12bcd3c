"""The outline of a waveform: the lowest and highest sample of each column of a picture."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array32 = NDArray[np.float32]

FINE = 8  # keep so many bins per column while streaming, so that columns end where they should


def waveform_envelope(blocks: Iterable[NDArray[np.floating]], *, columns: int = 1200) -> Array32:
    """Find the outline of a waveform that comes in blocks; memory does not grow with its length.

    Parameters
    ----------
    blocks : each of shape (n_samples,)
    columns : of the picture

    Returns
    -------
    shape (2, n), the minimum and the maximum over n equal stretches of the whole; n is `columns`, or fewer where the
    waveform is shorter than that many samples

    Examples
    --------
    >>> waveform_envelope([np.array([0.0, 0.5]), np.array([-1.0, 0.25])], columns=2).tolist()
    [[0.0, -1.0], [0.5, 0.25]]
    """
    bins: list[Array32] = []  # each (2, some bins), all of `step` samples
    rest = np.zeros(0, np.float32)
    step, n_bins, n_samples = 1, 0, 0
    for block in blocks:
        n_samples += len(block)
        rest = np.concatenate([rest, np.asarray(block, np.float32)])
        whole = len(rest) // step * step
        bins.append(_outline(np.stack([rest[:whole], rest[:whole]]), step))
        n_bins += bins[-1].shape[1]
        rest = rest[whole:]
        while n_bins >= 2 * FINE * columns:
            joined = np.concatenate(bins, axis=1)
            if n_bins % 2:  # an odd bin goes back to what is not binned yet, as its two extremes and enough silence
                rest = np.concatenate([_spread(joined[:, -1], step), rest])
                joined = joined[:, :-1]
            bins, step = [_outline(joined, 2)], step * 2
            n_bins = bins[0].shape[1]
    if len(rest):
        bins.append(np.array([[rest.min()], [rest.max()]], np.float32))
    if not bins or not n_samples:
        return np.zeros((2, 0), np.float32)
    return _columns(np.concatenate(bins, axis=1), n_samples / step, columns)


def _outline(pairs: Array32, step: int) -> Array32:
    """Reduce (2, n * step) minima and maxima to (2, n)."""
    low, high = pairs.reshape(2, -1, step)
    return np.stack([low.min(axis=1), high.max(axis=1)])


def _spread(extremes: Array32, step: int) -> Array32:
    """Stand in for `step` samples of which only the extremes are known."""
    samples = np.full(step, extremes[0], np.float32)
    samples[-1] = extremes[1]
    return samples


def _columns(bins: Array32, n_bins: float, columns: int) -> Array32:
    """Reduce bins, the last of which may be a fraction, to equal columns."""
    n = min(columns, bins.shape[1])
    starts = np.minimum((np.arange(n) * n_bins / n).astype(int), bins.shape[1] - 1)
    return np.stack([np.minimum.reduceat(bins[0], starts), np.maximum.reduceat(bins[1], starts)])
