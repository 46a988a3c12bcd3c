"""How far two sets of tracks are apart: the squared maximum mean discrepancy, without bias, for weighted samples.

With a kernel k that is 1 for the same and falls with the distance, the squared maximum mean discrepancy of two
distributions P and Q is

    MMD²(P, Q) = E k(x, x') + E k(y, y') - 2 E k(x, y),    x, x' from P, y, y' from Q

which is 0 only if P = Q, for kernels such as the Gaussian one. It is estimated from pairs of different tracks alone: a
track beside itself says nothing of the distribution, whether both stand in one set or one in each. So the expectation
does not depend on how many tracks there are, two samples of one distribution are at 0 on average (a little above or
below it), and two equal lists are at exactly 0.

References
----------
Gretton et al. 2012, A kernel two-sample test, JMLR 13, equation 3 and lemma 6 (equal weights there).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Means:
    """Mean similarity of pairs of different tracks: within one set, within the other, and across; shape (...)."""

    within_a: Array64
    within_b: Array64
    across: Array64

    @property
    def distance(self) -> Array64:
        """The squared maximum mean discrepancy; may be a little below 0."""
        return np.asarray(self.within_a + self.within_b - 2 * self.across)


def similarities(points: Array64) -> Array64:
    """Compute the Gaussian kernel of width 1 between points of unit length, or zeros.

    Parameters
    ----------
    points : shape (n, D); rows of length 1, or of zeros where nothing is known

    Returns
    -------
    shape (n, n), ``exp(-|x - y|² / 2)`` in (0, 1]; a row of zeros counts as at right angles to all others
    """
    products = points @ points.T
    return np.asarray(np.exp(np.minimum(products, 1.0) - 1.0))


def mean_similarities(kernel: Array64, a: Array64, b: Array64) -> Means:
    """Compute the mean similarities that the distance of two samples, or of many pairs of samples, consists of.

    Parameters
    ----------
    kernel : shape (n, n)
    a, b : shape (..., n), how much each of the n tracks counts in the two samples of a pair; 0 where it is not in it
    """
    products_a, products_b, own = a @ kernel, b @ kernel, np.diag(kernel)
    return Means(
        _pair_mean(products_a, a, a, own), _pair_mean(products_b, b, b, own), _pair_mean(products_a, a, b, own)
    )


def weighted_distance(kernel: Array64, a: Array64, b: Array64) -> Array64:
    """Compute distances; see `mean_similarities`.

    Returns
    -------
    shape (...); NaN where a sample has less than two tracks
    """
    return mean_similarities(kernel, a, b).distance


def within(kernel: Array64, a: Array64) -> float:
    """Compute the mean similarity of pairs of different tracks of one sample; NaN if it has less than two."""
    return float(_pair_mean(a @ kernel, a, a, np.diag(kernel)))


def _pair_mean(products: Array64, a: Array64, b: Array64, own: Array64) -> Array64:
    """Average over the pairs of a track of `a` and another track of `b`; NaN where there is none.

    Parameters
    ----------
    products : shape (..., n), `a` times the kernel
    own : shape (n,), the diagonal of the kernel
    """
    sums = (products * b).sum(axis=-1) - (a * b) @ own
    weights = a.sum(axis=-1) * b.sum(axis=-1) - (a * b).sum(axis=-1)
    return np.asarray(np.divide(sums, weights, out=np.full(np.shape(sums), np.nan), where=weights > 1e-12))


def resampled(weights: Array64, n: int, rng: np.random.Generator) -> Array64:
    """Draw samples with replacement of as many tracks as there are (the bootstrap), as weights.

    Parameters
    ----------
    weights : shape (m,), 0 where a track is not in the sample
    n : how many samples

    Returns
    -------
    shape (n, m)

    Notes
    -----
    A track that is drawn twice counts twice, but not as a pair with itself.
    """
    members = np.flatnonzero(weights)
    counts = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n)
    out = np.zeros((n, len(weights)))
    out[:, members] = counts * weights[members]
    return out
