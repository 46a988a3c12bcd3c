"""Compare two listeners: the distance of their music, and how many pairs of listeners are further apart.

The result depends on what they like alone: neither on the order of tracks, nor on who is named first, nor, beyond the
interval that is given, on how many tracks there are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.taste.distance import (
    Array64,
    resampled,
    similarities,
    weighted_distance,
)
from earmark.library.taste.explaining import Explanation, explain
from earmark.library.taste.features import rarities, sound_points, tag_points
from earmark.library.taste.listener import Coverage, Listener, TasteTrack, coverage, merged
from earmark.library.taste.references import (
    MOST_LOOKED_AT,
    Pool,
    closeness,
    habit_for,
    made_listeners,
    share_above,
    split_pairs,
)
from earmark.vocabulary import category

Way = Literal["audio", "tags"]
WAYS = ("auto", "audio", "tags")
MIN_TRACKS = 8  # of each listener; with fewer the interval would span nearly everything
MOST_TRACKS, MOST_POOL, MOST_TAGS = 2000, 1500, 1000  # beyond these a part stands for the whole
SMALL_POOL = 60
TAG_SHARE = 0.5  # of the similarity of two tracks that were heard; the rest is how they sound
LEAST_AUDIO = 0.2  # of a listener's tracks that have to be heard for sound to count
N_PAIRS, N_RESAMPLES = 500, 300
INTERVAL = 0.9
APART = ("genre", "mood")  # categories that are compared by themselves

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """How near two listeners are.

    Parameters
    ----------
    score : of 100 made pairs of listeners, how many are further apart
    low, high : the score would lie between, in nine of ten cases, with other tracks of the same taste
    distance : squared maximum mean discrepancy; 0 for the same taste, may be a little below
    n_a, n_b : tracks that it rests on
    """

    score: float
    low: float
    high: float
    distance: float
    n_a: int
    n_b: int

    def to_dict(self) -> dict[str, float]:
        """Return plain data."""
        names = ("score", "low", "high", "distance", "n_a", "n_b")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Compatibility:
    """How well two listeners' taste agrees, and why.

    Parameters
    ----------
    a, b : the listeners
    way : what was compared: "audio" (how tracks sound, and the tags that were heard), or "tags" (the tags alone)
    agreement : over all
    by_category : over genre and mood apart; without those for which too little is known
    as_one : of 100 random deals of all their tracks into two such sets, how many are at least that far apart; a few
        mean that these are two tastes, 50 is what halves of one taste have on average
    coverage_a, coverage_b : what is known of their tracks
    explanation : what it rests on
    n_pool : tracks that the made pairs of listeners choose from
    notes : what the reader has to know
    """

    a: Listener
    b: Listener
    way: Way
    agreement: Agreement
    by_category: Mapping[str, Agreement]
    as_one: float
    coverage_a: Coverage
    coverage_b: Coverage
    explanation: Explanation
    n_pool: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {
            "a": _listener_dict(self.a, self.coverage_a),
            "b": _listener_dict(self.b, self.coverage_b),
            "way": self.way,
            **self.agreement.to_dict(),
            "by_category": {name: one.to_dict() for name, one in self.by_category.items()},
            "as_one": self.as_one,
            "n_pool": self.n_pool,
            **self.explanation.to_dict(),
            "notes": list(self.notes),
        }


def _listener_dict(listener: Listener, covered: Coverage) -> dict[str, Any]:
    names = ("name", "source", "url", "attribution", "notice")
    matched = [{"like": m.like, "track": m.track, "by": m.by, "similarity": m.similarity} for m in listener.matched]
    return {**{name: getattr(listener, name) for name in names}, "tracks": covered.to_dict(), "matched": matched}


def compare(
    a: Listener,
    b: Listener,
    *,
    pool: Sequence[TasteTrack] = (),
    by: str = "auto",
    usual: Mapping[str, float] | None = None,
    n_pairs: int = N_PAIRS,
    seed: int = 0,
) -> Compatibility:
    """Tell how well two listeners' taste agrees, and why.

    Parameters
    ----------
    a, b : the listeners
    pool : other music, from which listeners are made that the two are held against; what the two like belongs to it
    by : "audio" compares how tracks sound and what was heard in them; "tags" compares tags alone, which also tracks
        without audio have; "auto" is "audio" if enough tracks of both were heard
    usual : by tag, the share of music that has it, against which shared ground is told; the pool's unless given
    n_pairs : made pairs of listeners, and random deals
    seed : the same seed gives the same numbers

    Raises
    ------
    InputError
        If too little is known of a listener, or the two were heard by different models.
    UnknownNameError
        If there is no such way.
    UsageError
        If `n_pairs` is below 50.
    """
    if by not in WAYS:
        raise UnknownNameError("way to compare", by, WAYS)
    if n_pairs < 50:
        raise UsageError(f"n_pairs is {n_pairs}, expected 50 or more")
    first, second = merged(a.tracks), merged(b.tracks)
    swapped = _key(first) > _key(second)
    left, right = (second, first) if swapped else (first, second)
    way = _way(a, b, by)
    rng = np.random.default_rng(seed)
    chosen = [_usable(tracks, way, MOST_TRACKS) for tracks in (left, right)]
    others = _usable(merged(pool), way, MOST_POOL)
    ground = Ground(chosen[0], chosen[1], others, way)
    whole = ground.kernel()
    agreement = _agreement(ground, whole, np.ones(len(ground.tracks), bool), n_pairs, rng, swapped=swapped)
    if agreement is None:
        raise InputError("too few different tracks to compare")
    apart = {}
    for kind in APART:
        kernel, known = ground.tag_kernel(kind)
        one = _agreement(ground, kernel, known, n_pairs, rng, swapped=swapped)
        if one is not None:
            apart[kind] = one
    liked = np.flatnonzero(ground.weights_a + ground.weights_b)
    halves = split_pairs(ground.weights_a[liked], ground.weights_b[liked], n_pairs, rng)
    dealt = weighted_distance(whole[np.ix_(liked, liked)], *halves)
    as_one = 100 * float(share_above(dealt, np.array([agreement.distance]))[0])
    sides = (ground.weights_b, ground.weights_a) if swapped else (ground.weights_a, ground.weights_b)
    explained = explain(*sides, tracks=ground.tracks, kernel=whole, heard=way == "audio", usual=usual)
    return Compatibility(
        a, b, way, agreement, apart, as_one, coverage(a), coverage(b), explained, len(ground.pool),
        tuple(_notes(a, b, way, ground, len(first), len(second))),
    )  # fmt: skip


class Ground:
    """All tracks that a comparison looks at, each once, with how much they count for either listener.

    Parameters
    ----------
    a, b, others : tracks of the two, and of nobody
    way : what is compared
    """

    def __init__(self, a: Sequence[TasteTrack], b: Sequence[TasteTrack], others: Sequence[TasteTrack], way: Way):
        self.tracks = merged([*a, *b, *others])
        self.way = way
        places = {track.id: i for i, track in enumerate(self.tracks)}
        self.weights_a, self.weights_b = (self._weights(one, places) for one in (a, b))
        self.rarity = rarities(self.tracks)
        self.names = sorted(sorted(self.rarity, key=lambda tag: (self.rarity[tag], tag))[:MOST_TAGS])
        liked = (self.weights_a > 0) | (self.weights_b > 0)
        mine = [self.tracks[i] for i in np.flatnonzero(liked)]
        kept = some(mine, max(MOST_POOL - int((~liked).sum()), MOST_POOL // 3))
        self.pool = np.sort(np.append(np.flatnonzero(~liked), [places[track.id] for track in kept]).astype(np.intp))

    def _weights(self, tracks: Sequence[TasteTrack], places: Mapping[str, int]) -> Array64:
        weights = np.zeros(len(places))
        for track in tracks:
            weights[places[track.id]] = track.weight
        return np.asarray(weights / weights.sum())

    def kernel(self) -> Array64:
        """Return how alike all tracks are, shape (n, n)."""
        tags = similarities(tag_points(self.tracks, rarity=self.rarity, names=self.names))
        if self.way == "tags":
            return tags
        return np.asarray((1 - TAG_SHARE) * similarities(sound_points(self.tracks)) + TAG_SHARE * tags)

    def tag_kernel(self, kind: str) -> tuple[Array64, Bools]:
        """Return how alike tracks are in the tags of a category, and which have such a tag, shapes (n, n), (n,)."""
        names = [name for name in self.names if category(name, default="other") == kind]
        points = tag_points(self.tracks, rarity=self.rarity, names=names)
        return similarities(points), np.asarray(points.any(axis=1), np.bool_)


def _key(tracks: Sequence[TasteTrack]) -> tuple[Any, ...]:
    return tuple((track.id, track.weight) for track in tracks)


def _way(a: Listener, b: Listener, by: str) -> Way:
    """Choose what to compare, and see whether there is enough of it."""
    heard = [len(one.with_audio) for one in (a, b)]
    told = [len(one.with_tags) for one in (a, b)]
    if by == "auto":
        much = all(
            n >= max(MIN_TRACKS, LEAST_AUDIO * max(len(one.tracks), 1)) for n, one in zip(heard, (a, b), strict=True)
        )
        by = "audio" if much or min(told) < MIN_TRACKS <= min(heard) else "tags"
    found, what = (heard, "audio that was heard") if by == "audio" else (told, "tags")
    for n, one in zip(found, (a, b), strict=True):
        if n < MIN_TRACKS:
            raise InputError(
                f"{one.name}: {n} of {coverage(one).n} tracks have {what}, expected {MIN_TRACKS} or more: there is not "
                "enough data in common",
                hint="give more likes, or a catalogue that holds more of them (earmark library add FOLDER)",
            )
    if by == "audio" and (a.model, a.version) != (b.model, b.version):
        raise InputError(
            f"{a.name} was heard by {a.model} {a.version}, {b.name} by {b.model} {b.version}: they cannot be compared",
            hint="earmark library add hears again what another model has heard",
        )
    return "audio" if by == "audio" else "tags"


def _usable(tracks: Sequence[TasteTrack], way: Way, most: int) -> tuple[TasteTrack, ...]:
    """Return the tracks that can be compared, or so many of them."""
    return some([track for track in tracks if (track.vector is not None if way == "audio" else track.tags)], most)


def some(tracks: Sequence[TasteTrack], most: int) -> tuple[TasteTrack, ...]:
    """Choose tracks as if at random, the same whichever others are there: those whose ids have the lowest hashes."""
    if len(tracks) <= most:
        return tuple(tracks)
    return tuple(sorted(tracks, key=lambda track: hashlib.sha256(track.id.encode("utf-8", "replace")).digest())[:most])


def _agreement(
    ground: Ground, kernel: Array64, known: Bools, n_pairs: int, rng: np.random.Generator, *, swapped: bool
) -> Agreement | None:
    """Compare the two listeners over the tracks that are `known`; None if there are too few."""
    a, b = (np.where(known, one, 0.0) for one in (ground.weights_a, ground.weights_b))
    n_a, n_b = int(np.count_nonzero(a)), int(np.count_nonzero(b))
    members = ground.pool[known[ground.pool]]
    if min(n_a, n_b) < MIN_TRACKS or len(members) < MIN_TRACKS:
        return None
    pool = Pool(kernel[np.ix_(members, members)])
    distance = float(weighted_distance(kernel, a, b))
    made = []
    for n, weights in ((n_a, a), (n_b, b)):
        size = pool.size_for(n)
        few = rng.permutation(np.flatnonzero(weights))[: min(size, MOST_LOOKED_AT)]
        habit = habit_for(pool, len(few), closeness(kernel, few), rng)
        made.append(made_listeners(pool, size, habit, n_pairs, rng))
    reference = weighted_distance(pool.kernel, made[0], made[1])
    reference = reference[np.isfinite(reference)]
    liked = np.flatnonzero(a + b)
    theirs = kernel[np.ix_(liked, liked)]
    drawn = weighted_distance(theirs, resampled(a[liked], N_RESAMPLES, rng), resampled(b[liked], N_RESAMPLES, rng))
    far, near = np.quantile(drawn[np.isfinite(drawn)], [(1 + INTERVAL) / 2, (1 - INTERVAL) / 2])
    score, low, high = 100 * share_above(reference, np.array([distance, far, near]))
    counts = (n_b, n_a) if swapped else (n_a, n_b)
    return Agreement(float(score), float(min(low, score)), float(max(high, score)), distance, *counts)


def _notes(a: Listener, b: Listener, way: Way, ground: Ground, n_a: int, n_b: int) -> list[str]:
    notes = list(dict.fromkeys(one.notice for one in (a, b) if one.notice))
    if len(ground.pool) < SMALL_POOL:
        notes.append(
            f"The pairs of listeners that these two are held against choose from {len(ground.pool)} tracks only; a "
            "catalogue with other music makes the score say more."
        )
    for one, n in ((a, n_a), (b, n_b)):
        covered = coverage(one)
        usable = len(one.with_audio) if way == "audio" else len(one.with_tags)
        if usable < 0.5 * covered.n:
            notes.append(f"{one.name}: {usable} of {covered.n} tracks could be compared.")
        if usable > MOST_TRACKS:
            notes.append(f"{one.name}: {MOST_TRACKS} of {n} tracks, chosen at random, stand for all.")
    return notes
