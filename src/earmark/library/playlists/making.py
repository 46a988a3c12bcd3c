"""`make_playlist`: songs that sound like one or several, in an order that flows, with moods that move along it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.playlists.candidates import Candidates, Mask, check_rows
from earmark.library.playlists.moods import Trajectory, percentiles
from earmark.library.playlists.ordering import SOFT_GAP, Problem, solve
from earmark.library.playlists.plan import (
    Array32,
    Costs,
    Slots,
    Weights,
    gather,
    line_through,
    mood_targets,
    typical_squared_distance,
)

Route = Literal["around", "through"]

DEFAULT_LENGTH = 25
MAX_LENGTH = 5000
_POOL, _POOL_PER_SLOT, _WIDER = 2000, 6, (8, 64)
_TRIES = 6  # lengths tried until the minutes are met


@dataclass(frozen=True, eq=False)
class _Wish:
    """What was asked for, in `make_playlist`'s words."""

    candidates: Candidates
    seeds: tuple[int, ...]
    seed_weights: tuple[float, ...] | None
    route: Route
    length: int | None
    minutes: float | None
    moods: tuple[Trajectory, ...]
    no_repeat_artist: int | None
    allowed: Mask | None

    @property
    def weight_of(self) -> dict[int, float]:
        """The seeds, each once, and how much they count."""
        return dict(zip(self.seeds, self.seed_weights or [1.0] * len(self.seeds), strict=True))

    @property
    def members(self) -> list[int]:
        """Seeds that are in the list."""
        return [seed for seed, weight in self.weight_of.items() if weight >= 0]


def make_playlist(
    candidates: Candidates,
    seeds: Sequence[int] = (),
    *,
    seed_weights: Sequence[float] | None = None,
    route: Route = "around",
    length: int | None = None,
    minutes: float | None = None,
    moods: Sequence[Trajectory] = (),
    no_repeat_artist: int | None = None,
    allowed: Mask | None = None,
    weights: Weights | None = None,
    variety: float = 0.0,
    random_seed: int = 0,
) -> list[int]:
    """Make a playlist.

    Parameters
    ----------
    candidates : the catalogue
    seeds : rows of tracks to start from; the list begins with the first. None are needed where moods are given
    seed_weights : how much each seed counts, 1 unless given; only where the route is "around". A track with a negative
        weight is not in the list and pushes it away
    route : "around": all songs are near the (weighted) mean of the seeds, which are spread over the list in their
        order. "through": the list goes from each seed to the next in even steps and ends with the last one
    length : how many songs; 25 unless `minutes` is given
    minutes : how long the list lasts, met within half a song where the catalogue has songs for it; tracks whose
        duration is not known are left out
    moods : levels of tags from the first song to the last, as places in the catalogue (0.8: higher than 80 % of it)
    no_repeat_artist : an artist does not come again within so many songs, such as 3; 0 does not mind. Unless given, an
        artist that comes again within three songs is avoided where others are nearly as good
    allowed : shape (n,); what a filter leaves. Seeds need not be among it
    weights : how much counts what
    variety : how much chance counts; 0 always gives the same list, 0.3 another one for each `random_seed`
    random_seed : what chance draws from

    Returns
    -------
    rows, in order, no recording twice. Fewer than asked for where the catalogue or the rules leave no more.

    Raises
    ------
    UsageError
        If options do not go together.
    InputError
        If a row does not exist or a vector is not of length 1.
    UnknownNameError
        If a mood names a tag that has no scores.

    Examples
    --------
    >>> angle = np.linspace(0, 3, 9)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    >>> make_playlist(Candidates(circle), [0, 8], route="through", length=5)
    [0, 2, 4, 6, 8]
    """
    wish = _Wish(
        candidates, tuple(seeds), None if seed_weights is None else tuple(seed_weights), route, length, minutes,
        tuple(moods), no_repeat_artist, allowed,
    )  # fmt: skip
    _check(wish)
    if not 0 <= variety < np.inf:
        raise UsageError(f"variety is {variety}, expected 0 or more")
    mask = _allowed(wish)
    rows = np.arange(len(candidates)) if mask is None else np.flatnonzero(mask)
    if not (len(rows) or wish.members):
        return []
    noise = None
    if variety > 0:
        noise = variety * np.random.default_rng(random_seed).gumbel(size=len(candidates)).astype(np.float32)
    costs = Costs(
        candidates,
        levels={tag: percentiles(candidates.scores[tag]) for mood in moods for tag in mood.tags},
        weights=Weights() if weights is None else weights,
        scale=typical_squared_distance(candidates, rows if len(rows) else np.array(wish.members)),
        noise=noise,
    )
    if minutes is not None:
        return _list_that_lasts(costs, wish, mask, 60 * minutes)
    return _list_of(costs, wish, mask, DEFAULT_LENGTH if length is None else length)


def _list_that_lasts(costs: Costs, wish: _Wish, mask: Mask | None, seconds: float) -> list[int]:
    """Try lengths until the list lasts long enough."""
    durations = costs.candidates.known_durations(slice(None))
    known = durations if mask is None or not mask.any() else durations[mask]
    each = float(np.median(known))
    best: list[int] = []
    off, tried = np.inf, set[int]()
    for _ in range(_TRIES):
        n = int(np.clip(round(seconds / max(each, 1.0)), max(1, len(wish.members)), MAX_LENGTH))
        if n in tried:
            break
        tried.add(n)
        order = _list_of(costs, wish, mask, n)
        lasts = float(durations[order].sum())
        each = lasts / len(order)
        if abs(lasts - seconds) < off:
            best, off = order, abs(lasts - seconds)
        if off <= each / 2:
            break
    return best


def _list_of(costs: Costs, wish: _Wish, mask: Mask | None, n: int) -> list[int]:
    """Find a list of n songs, or as many as there are."""
    slots = _slots(wish, n)
    gap = SOFT_GAP if wish.no_repeat_artist is None else wish.no_repeat_artist
    per_artist = None if gap == 0 or costs.candidates.artists is None else -(-n // (gap + 1)) + 1
    pool = gather(costs, slots, mask, size=_POOL + _POOL_PER_SLOT * n, per_artist=per_artist)
    for wider in _WIDER:
        if len(pool) >= min(2 * n, len(costs.candidates)):
            break  # else many copies of the same recordings stood in the way
        pool = gather(costs, slots, mask, size=wider * (_POOL + _POOL_PER_SLOT * n), per_artist=per_artist)
    if len(pool) < n:
        n = len(pool)
        slots = _slots(wish, n)
    problem = Problem(
        costs=np.ascontiguousarray(np.broadcast_to(costs.of(slots, pool.rows, pool.vectors), (n, len(pool)))),
        vectors=pool.vectors,
        smooth=costs.weights.smooth / costs.scale,
        artists=pool.artists,
        gap=gap,
        artist_cost=costs.weights.artist if wish.no_repeat_artist is None else np.inf,
        fixed={slot: pool.places[row] for slot, row in slots.fixed.items()},
        durations=pool.durations,
        seconds=None if wish.minutes is None else 60 * wish.minutes,
    )
    return [int(row) for row in pool.rows[solve(problem)]]


def _slots(wish: _Wish, n: int) -> Slots:
    """Say what each of n slots asks."""
    seeds = wish.members
    if wish.route == "through" and len(seeds) > 1:
        places = np.round(np.linspace(0, n - 1, len(seeds))).astype(int).tolist()
        targets = line_through(wish.candidates.take(np.array(seeds)), places, n)
    else:
        places = [i * n // len(seeds) for i in range(len(seeds))]
        targets = _centre(wish)
    return Slots(targets, mood_targets(wish.moods, n), dict(zip(places, seeds, strict=True)), n)


def _centre(wish: _Wish) -> Array32:
    """Find where all songs should be near, shape (1, D); (0, D) where there is no seed."""
    weights = np.array(list(wish.weight_of.values()), np.float32)
    vectors = wish.candidates.take(np.array(list(wish.weight_of), np.intp))
    if not len(vectors):
        return vectors
    mean = weights @ vectors
    length = float(np.linalg.norm(mean))
    return np.asarray(mean[None] / length if length > 1e-6 else vectors[:1], np.float32)


def _allowed(wish: _Wish) -> Mask | None:
    """Mark what the list is chosen from; None for everything."""
    away = [seed for seed, weight in wish.weight_of.items() if weight < 0]
    if wish.allowed is None and not away and wish.minutes is None:
        return None
    mask = np.ones(len(wish.candidates), np.bool_) if wish.allowed is None else np.array(wish.allowed, np.bool_)
    mask[away] = False
    if wish.minutes is not None:
        mask &= wish.candidates.known_durations(slice(None)) > 0
    return mask


def _check(wish: _Wish) -> None:
    n = len(wish.candidates)
    if not wish.seeds and not wish.moods:
        raise UsageError("a playlist needs a track to start from, or a mood", hint="--seed TRACK, or --mood calm:0.9")
    check_rows(wish.seeds, n, "seed")
    if wish.route not in ("around", "through"):
        raise UnknownNameError("route", wish.route, ("around", "through"))
    if wish.allowed is not None and np.shape(wish.allowed) != (n,):
        raise InputError(f"allowed has the shape {np.shape(wish.allowed)}, expected ({n},)")
    if wish.no_repeat_artist is not None and wish.no_repeat_artist < 0:
        raise UsageError(f"no_repeat_artist is {wish.no_repeat_artist}, expected 0 or more songs")
    for tag in (tag for mood in wish.moods for tag in mood.tags):
        if tag not in wish.candidates.scores:
            raise UnknownNameError("tag", tag, wish.candidates.scores)
    _check_weights(wish)
    _check_length(wish)


def _check_weights(wish: _Wish) -> None:
    if wish.seed_weights is None:
        return
    if len(wish.seed_weights) != len(wish.seeds):
        raise UsageError(f"{len(wish.seed_weights)} weights for {len(wish.seeds)} seeds")
    if wish.route == "through":
        raise UsageError("seeds have weights only around their mean", hint="leave out the weights or 'through'")
    if not all(np.isfinite(wish.seed_weights)) or not max(wish.seed_weights, default=1.0) > 0:
        hint = "name a track that the list should be near to"
        raise UsageError("at least one seed needs a weight above 0, and all of them numbers", hint=hint)


def _check_length(wish: _Wish) -> None:
    if wish.length is not None and wish.minutes is not None:
        raise UsageError("length and minutes exclude each other", hint="give one of them")
    if wish.length is not None:
        if not 1 <= wish.length <= MAX_LENGTH:
            raise UsageError(f"length is {wish.length}, expected 1 to {MAX_LENGTH} songs")
        if wish.length < len(wish.members):
            raise UsageError(f"{len(wish.members)} seeds do not fit into {wish.length} songs", hint="a longer list")
    if wish.minutes is not None:
        if not 0 < wish.minutes < np.inf:
            raise UsageError(f"minutes is {wish.minutes}, expected more than 0")
        if wish.candidates.durations is None:
            raise UsageError("minutes need the durations of the tracks")
