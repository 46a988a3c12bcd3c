"""What a distance is held against: pairs of listeners made of a pool of music, and random halves of what two like.

A made listener has some interests: tracks of the pool, drawn at random, each with a share of his or her liking. Tracks
are the likelier to be liked the nearer they are to one of these. How many interests there are, and how steeply liking
falls off, is set so that a made listener's tracks are as alike, and lie as close together, as the real listener's.
So somebody with one passion is held against others with one passion, and an omnivore against omnivores: what is left to
tell is whether the two passions are near.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.library.taste.distance import Array64, Rows

INTERESTS = (1, 2, 3, 5, 8)
STEEPNESS = (0.0, 2.0, 4.0, 7.0, 12.0, 20.0, 35.0, 60.0)
N_TRIED = 10  # made listeners of each kind, to learn how alike their tracks are
MOST_LOOKED_AT = 80  # tracks of a listener, for how alike they are
EVENNESS = 1.5  # of the shares of interests; 1 draws any shares alike
DECIMALS = 12  # of distances; what is behind them depends on the order in which sums are taken
MOST_OF_POOL = 0.5  # of the pool that a made listener may like


@dataclass(frozen=True)
class Habit:
    """How a made listener chooses.

    Parameters
    ----------
    interests : how many
    steepness : how much likelier near tracks are: one of similarity s to an interest has the weight
        ``exp(steepness * s)``
    """

    interests: int
    steepness: float


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


def made_listeners(pool: Pool, n_tracks: int, habit: Habit, count: int, rng: np.random.Generator) -> Array64:
    """Make listeners.

    Parameters
    ----------
    pool : what they choose from
    n_tracks : that each likes, all different
    habit : how they choose
    count : how many listeners

    Returns
    -------
    shape (count, pool.n), 1 for a track that is liked, else 0
    """
    interests = rng.integers(pool.n, size=(count, habit.interests))
    shares = rng.dirichlet(np.full(habit.interests, EVENNESS), size=count)
    weights = np.zeros((count, pool.n))
    for k in range(habit.interests):
        liking = np.exp(habit.steepness * (pool.kernel[interests[:, k]] - 1))  # (count, n)
        weights += shares[:, k : k + 1] * liking / liking.sum(axis=1, keepdims=True)
    keys = np.log(np.maximum(weights, 1e-300)) + rng.gumbel(size=weights.shape)  # the largest: without replacement
    chosen = np.argpartition(-keys, n_tracks - 1, axis=1)[:, :n_tracks]
    liked = np.zeros((count, pool.n))
    np.put_along_axis(liked, chosen, 1.0, axis=1)
    return liked


def closeness(kernel: Array64, members: Rows) -> Array64:
    """Say how alike some tracks are: the mean similarity of their pairs, and that of each to its nearest other.

    Parameters
    ----------
    members : shape (..., n), rows of n tracks

    Returns
    -------
    shape (..., 2)
    """
    block = kernel[members[..., :, None], members[..., None, :]]
    n = members.shape[-1]
    own = np.arange(n)
    mean = (block.sum(axis=(-2, -1)) - block[..., own, own].sum(axis=-1)) / (n * (n - 1))
    block[..., own, own] = -1.0
    return np.stack([mean, block.max(axis=-1).mean(axis=-1)], axis=-1)


def habit_for(pool: Pool, n_tracks: int, wanted: Array64, rng: np.random.Generator) -> Habit:
    """Find the habit with which made listeners' tracks are as alike as wanted.

    Parameters
    ----------
    n_tracks : that each likes
    wanted : see `closeness`
    """
    best, least = Habit(1, 0.0), np.inf
    for n_interests in INTERESTS:
        found = np.array([_closeness_of(pool, n_tracks, Habit(n_interests, one), rng) for one in STEEPNESS])
        fine = np.linspace(0, len(STEEPNESS) - 1, 57)
        between = np.stack([np.interp(fine, np.arange(len(STEEPNESS)), column) for column in found.T], axis=1)
        off = np.abs(between - wanted).sum(axis=1)
        at = int(off.argmin())
        if off[at] < least:
            least = float(off[at])
            best = Habit(n_interests, float(np.interp(fine[at], np.arange(len(STEEPNESS)), STEEPNESS)))
    return best


def _closeness_of(pool: Pool, n_tracks: int, habit: Habit, rng: np.random.Generator) -> Array64:
    made = made_listeners(pool, n_tracks, habit, N_TRIED, rng)
    return np.asarray(closeness(pool.kernel, np.nonzero(made)[1].reshape(N_TRIED, n_tracks)).mean(axis=0))


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
    both = (a > 0) & (b > 0)
    only = np.flatnonzero((a > 0) ^ (b > 0))
    weights = (a + b)[only]
    n_a = int(np.count_nonzero(a[only]))
    first, second = (np.tile(np.where(both, one, 0.0), (count, 1)) for one in (a, b))
    for one, other in zip(first, second, strict=True):
        order = rng.permutation(len(only))
        one[only[order[:n_a]]] = weights[order[:n_a]]
        other[only[order[n_a:]]] = weights[order[n_a:]]
    return first, second


def share_above(reference: Array64, values: Array64) -> Array64:
    """Return which share of a reference lies above each value; half of those that equal it, but for rounding, count.

    Parameters
    ----------
    reference : shape (R,), without NaN
    values : shape (n,)

    Returns
    -------
    shape (n,), in (0, 1): never 0 or 1, of which no sample of R can tell
    """
    ordered = np.sort(reference.round(DECIMALS))
    up_to, below = (np.searchsorted(ordered, values.round(DECIMALS), side=side) for side in ("right", "left"))
    above, equal = len(ordered) - up_to, up_to - below
    return np.asarray((above + 0.5 * equal + 0.5) / (len(ordered) + 1))
