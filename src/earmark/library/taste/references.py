"""What a distance is held against: pairs of listeners made of a pool of music, and random halves of what two like.

A made listener has one to three interests: tracks of the pool, drawn at random. Tracks are the likelier to be liked the
nearer they are to one of these; how steeply, is set so that a made listener's tracks are as alike, on average, as the
real listener's are. So somebody with one passion is held against others with one passion, and an omnivore against
omnivores: what is left to tell is whether the two passions are near.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.library.taste.distance import Array64, within

STEEPNESS = (0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 19.0, 28.0, 40.0, 60.0, 90.0)
N_TRIED = 24  # made listeners per steepness, to learn how alike their tracks are
MOST_INTERESTS = 3
MOST_OF_POOL = 0.5  # of the pool that a made listener may like


@dataclass(frozen=True)
class Pool:
    """Tracks that made listeners choose from.

    Parameters
    ----------
    kernel : shape (n, n), how alike they are, in (0, 1]
    """

    kernel: Array64

    @property
    def n(self) -> int:
        """How many tracks."""
        return len(self.kernel)

    def size_for(self, n: int) -> int:
        """Return how many tracks a made listener likes who stands for one with `n`."""
        return max(2, min(n, int(self.n * MOST_OF_POOL)))


def made_listeners(pool: Pool, n_tracks: int, steepness: float, count: int, rng: np.random.Generator) -> Array64:
    """Make listeners.

    Parameters
    ----------
    pool : what they choose from
    n_tracks : that each likes, all different
    steepness : how much likelier near tracks are: a track of similarity s to an interest has the weight
        ``exp(steepness * s)``
    count : how many listeners

    Returns
    -------
    shape (count, pool.n), 1 for a track that is liked, else 0
    """
    numbers = rng.integers(1, MOST_INTERESTS + 1, size=count)
    interests = rng.integers(pool.n, size=(count, MOST_INTERESTS))
    likings = np.exp(steepness * (pool.kernel[interests] - 1))  # (count, MOST_INTERESTS, n)
    likings *= (np.arange(MOST_INTERESTS) < numbers[:, None])[:, :, None]
    weights = likings.sum(axis=1)
    keys = np.log(weights) + rng.gumbel(size=weights.shape)  # the largest keys are a draw without replacement
    chosen = np.argpartition(-keys, n_tracks - 1, axis=1)[:, :n_tracks]
    liked = np.zeros((count, pool.n))
    np.put_along_axis(liked, chosen, 1.0, axis=1)
    return liked


def steepness_for(pool: Pool, n_tracks: int, alike: float, rng: np.random.Generator) -> float:
    """Find the steepness with which made listeners' tracks are as alike as wanted.

    Parameters
    ----------
    alike : mean similarity of pairs of different tracks

    Returns
    -------
    between the lowest and the highest of `STEEPNESS`, which it is where no listener of this pool is so
    """
    means = np.array(
        [
            np.mean([within(pool.kernel, one) for one in made_listeners(pool, n_tracks, steep, N_TRIED, rng)])
            for steep in STEEPNESS
        ]
    )
    rising = np.maximum.accumulate(means) + 1e-12 * np.arange(len(means))
    return float(np.interp(alike, rising, STEEPNESS))


def split_pairs(
    a: Array64, b: Array64, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deal the tracks of two listeners anew, at random, into two sets of the sizes that theirs have.

    Parameters
    ----------
    a, b : shape (n,), weights; a track that both like is dealt to both

    Returns
    -------
    two arrays of shape (count, n)
    """
    only = np.flatnonzero((a > 0) ^ (b > 0))
    weights = (a + b)[only]
    n_a = int(np.count_nonzero(a[only]))
    first, second = (
        np.tile(np.where((a > 0) & (b > 0), a, 0.0), (count, 1)),
        np.tile(np.where((a > 0) & (b > 0), b, 0.0), (count, 1)),
    )
    for one, other in zip(first, second, strict=True):
        order = rng.permutation(len(only))
        one[only[order[:n_a]]] = weights[order[:n_a]]
        other[only[order[n_a:]]] = weights[order[n_a:]]
    return first, second


def share_above(reference: Array64, values: Array64) -> Array64:
    """Return which share of a reference lies above each value; half of those that equal it count.

    Parameters
    ----------
    reference : shape (R,), without NaN
    values : shape (n,)

    Returns
    -------
    shape (n,), in (0, 1): never 0 or 1, of which no sample of R can tell
    """
    ordered = np.sort(reference)
    above = len(ordered) - np.searchsorted(ordered, values, side="right")
    equal = np.searchsorted(ordered, values, side="right") - np.searchsorted(ordered, values, side="left")
    return np.asarray((above + 0.5 * equal + 0.5) / (len(ordered) + 1))
