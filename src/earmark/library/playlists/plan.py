"""What every slot of a playlist asks, what a track costs there, and the few thousand tracks that come near."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.library.playlists.candidates import Candidates, Mask, Rows
from earmark.library.playlists.moods import Trajectory

Array32 = NDArray[np.float32]

_BLOCK = 65536
_SAMPLE = 256
_ANCHORS = 12  # slots for which the catalogue is searched


@dataclass(frozen=True)
class Weights:
    """How much counts what: all parts are scaled so that 1 is a random track's cost.

    Parameters
    ----------
    near : closeness to the seeds
    smooth : small steps from song to song
    mood : the moods asked for
    liking : what speaks for a track apart from its sound
    artist : dislike of an artist that comes again within three songs, where no rule forbids it
    """

    near: float = 1.0
    smooth: float = 1.0
    mood: float = 3.0
    liking: float = 0.5
    artist: float = 0.6


@dataclass(frozen=True, eq=False)
class Slots:
    """What the slots of a list ask.

    Parameters
    ----------
    targets : shape (L, D) or (1, D), where each slot lies among the vectors; (0, D) where no seed says it
    moods : by tag, levels and weights of shape (L,)
    fixed : slot to the row of the track that stands there
    n : how many slots there are, L
    """

    targets: Array32
    moods: Mapping[str, tuple[Array32, Array32]]
    fixed: Mapping[int, int]
    n: int

    def some(self, which: Rows) -> "Slots":
        """Keep some slots."""
        places = {int(slot): i for i, slot in enumerate(which)}
        return Slots(
            self.targets[which] if len(self.targets) > 1 else self.targets,
            {tag: (level[which], weight[which]) for tag, (level, weight) in self.moods.items()},
            {places[slot]: row for slot, row in self.fixed.items() if slot in places},
            len(which),
        )


@dataclass(frozen=True, eq=False)
class Costs:
    """What tracks cost in slots.

    Parameters
    ----------
    candidates : all tracks
    levels : by tag, shape (n,): places in the catalogue
    weights : how much counts what
    noise : shape (n,), added to every slot's cost; None for none
    scale : the mean squared distance of two tracks
    """

    candidates: Candidates
    levels: Mapping[str, Array32]
    weights: Weights
    scale: float
    noise: Array32 | None = None

    def of(self, slots: Slots, rows: Rows | slice, vectors: Array32) -> Array32:
        """Compute the cost of tracks in slots.

        Parameters
        ----------
        rows : m of them, or a slice
        vectors : shape (m, D); theirs

        Returns
        -------
        shape (L, m), or (1, m) where all slots ask the same
        """
        costs = np.zeros((1, len(vectors)), np.float32)
        if self.noise is not None:
            costs = costs + self.noise[rows]
        if self.candidates.liking is not None:
            liking = np.nan_to_num(np.asarray(self.candidates.liking[rows], np.float32))
            costs = costs + self.weights.liking * (1 - liking)
        if len(slots.targets):
            squared = 2 - 2 * (slots.targets @ vectors.T)
            costs = costs + self.weights.near / self.scale * squared
        for tag, (level, weight) in slots.moods.items():
            off = np.nan_to_num(self.levels[tag][rows][None] - level[:, None], nan=1.0)
            costs = costs + 6 * self.weights.mood * weight[:, None] * off**2  # 1/6: two places drawn at random
        return np.asarray(costs, np.float32)


def line_through(vectors: Array32, places: Sequence[int], n: int) -> Array32:
    """Lay slots on the great circles from one vector to the next.

    Parameters
    ----------
    vectors : shape (S, D), each of length 1
    places : their slots, ascending
    n : how many slots there are

    Returns
    -------
    shape (n, D), each of length 1; beyond the first and the last place that vector stays
    """
    out = np.empty((n, vectors.shape[1]), np.float32)
    out[: places[0] + 1], out[places[-1] :] = vectors[0], vectors[-1]
    for i in range(len(places) - 1):
        begin, end = places[i], places[i + 1]
        share = np.linspace(0, 1, end - begin + 1)[:, None]
        out[begin : end + 1] = between(vectors[i], vectors[i + 1], share)
    return out


def between(start: Array32, end: Array32, share: NDArray[np.floating]) -> Array32:
    """Interpolate on the sphere (Shoemake's slerp); shares of shape (k, 1) give (k, D).

    References
    ----------
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, section 3.3.
    """
    angle = float(np.arccos(np.clip(np.dot(start, end), -1.0, 1.0)))
    if np.sin(angle) < 1e-4:  # nearly the same, or opposite, where there is no one great circle
        mixed = (1 - share) * start + share * end
        mixed = np.where(np.linalg.norm(mixed, axis=1, keepdims=True) < 1e-6, start, mixed)
    else:
        mixed = (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def mood_targets(moods: Sequence[Trajectory], n: int) -> dict[str, tuple[Array32, Array32]]:
    """Join the moods of a list: by tag, levels and weights of shape (n,); several that name one tag share it."""
    joined: dict[str, tuple[Array32, Array32]] = {}
    for mood in moods:
        for tag, (level, weight) in mood.targets(np.linspace(0, 1, n)).items():
            before, had = joined.get(tag, (np.zeros(n), np.zeros(n)))
            total = np.maximum(had + weight, 1e-9)
            joined[tag] = (
                np.asarray((before * had + level * weight) / total, np.float32),
                np.asarray(had + weight, np.float32),
            )
    return joined


def typical_squared_distance(candidates: Candidates, allowed: Rows) -> float:
    """Estimate the mean squared distance of two tracks from up to 256 of them, evenly picked."""
    picked = allowed[np.unique(np.linspace(0, len(allowed) - 1, _SAMPLE).astype(np.intp))]
    mean = np.asarray(candidates.vectors[picked], np.float64).mean(axis=0)
    return max(float(2 - 2 * mean @ mean), 1e-6)


@dataclass(frozen=True, eq=False)
class Pool:
    """Tracks that come near what a list asks.

    Parameters
    ----------
    rows : shape (m,), which they are; the fixed ones first, then best first
    vectors : shape (m, D)
    artists : shape (m,), numbers; negative and different where not known
    durations : shape (m,), seconds
    """

    rows: Rows
    vectors: Array32
    artists: Rows
    durations: NDArray[np.float64]
    places: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


def gather(costs: Costs, slots: Slots, allowed: Mask | None, *, size: int, per_artist: int | None) -> Pool:
    """Collect the tracks that come nearest to what the slots ask, no recording twice.

    Parameters
    ----------
    allowed : shape (n,); None for all. Fixed tracks are in the pool in any case
    size : about how many to collect
    per_artist : at most so many of one artist for each of the slots looked at; None for no limit
    """
    candidates = costs.candidates
    anchors = np.unique(np.linspace(0, slots.n - 1, _ANCHORS).astype(np.intp))
    table = _all_costs(costs, slots.some(anchors), allowed)
    share = -(-size // len(table))
    best: list[Rows] = []
    for line in table:
        n_seen = min(len(line), share if per_artist is None else 8 * share)
        nearest = np.argpartition(line, n_seen - 1)[:n_seen]
        nearest = nearest[np.lexsort((nearest, line[nearest]))]
        nearest = nearest[np.isfinite(line[nearest])]
        if per_artist is not None:
            nearest = nearest[_first_of_each(candidates.artist_codes(nearest), per_artist)]
        best.append(nearest[:share])
    fixed = np.array(list(dict.fromkeys(slots.fixed.values())), np.intp)
    others = np.setdiff1d(np.concatenate(best), fixed)
    lowest = table[:, others].min(axis=0)
    rows = np.concatenate([fixed, others[np.lexsort((others, lowest))]])
    vectors = candidates.take(rows)
    keep = candidates.distinct(rows, vectors)
    keep[: len(fixed)] = True
    rows, vectors = rows[keep], vectors[keep]
    places = {int(row): i for i, row in enumerate(rows.tolist())}
    return Pool(rows, vectors, candidates.artist_codes(rows), candidates.known_durations(rows), places)


def _all_costs(costs: Costs, slots: Slots, allowed: Mask | None) -> Array32:
    """Cost of the whole catalogue, shape (A, n); infinite for what is not allowed."""
    vectors = costs.candidates.vectors
    blocks = []
    for begin in range(0, len(vectors), _BLOCK):
        part = slice(begin, min(begin + _BLOCK, len(vectors)))
        blocks.append(costs.of(slots, part, np.asarray(vectors[part], np.float32)))
    table = np.concatenate(blocks, axis=1)
    if allowed is not None:
        table[:, ~allowed] = np.inf
    return table


def _first_of_each(codes: Rows, limit: int) -> Mask:
    """Mark the first `limit` of each code; those that are negative all."""
    order = np.argsort(codes, kind="stable")
    ranked = codes[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=ranked[:1] - 1))
    counts = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    marked = np.empty(len(codes), np.bool_)
    marked[order] = counts < limit
    return marked | (codes < 0)
