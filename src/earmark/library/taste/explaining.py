"""What an agreement rests on: shared ground and differences by tag, bridges, what each could play to the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.library.folding import fold
from earmark.library.taste.distance import Array64
from earmark.library.taste.listener import TasteTrack
from earmark.vocabulary import category

Rows = NDArray[np.intp]
N_TAGS, N_BRIDGES, N_GIFTS, N_PLAYLIST = 8, 5, 5, 20
CERTAIN = 2.0  # standard errors that a difference has to have
LEAST_SHARE = 0.05  # of the tracks of a listener that have a tag which is told of
PER_ARTIST = 2  # tracks of an artist in a list


@dataclass(frozen=True)
class TagFact:
    """How much of a tag two listeners like.

    Parameters
    ----------
    tag, category : such as "jazz" and "genre"
    a, b : mean over the listener's tracks, of scores where music was heard, of the weights of tags elsewhere
    usual : the same of music in general; None where nothing but the music of the two is known
    error : standard error of ``a - b``
    """

    tag: str
    category: str
    a: float
    b: float
    usual: float | None
    error: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        names = ("tag", "category", "a", "b", "usual", "error")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Bridge:
    """A track of one listener and a track of the other that are much alike.

    Parameters
    ----------
    a, b : the tracks
    similarity : mean of sound and tags where both were heard; at most 1, for the same
    tags : what both are called
    """

    a: TasteTrack
    b: TasteTrack
    similarity: float
    tags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "a": self.a.to_dict(), "b": self.b.to_dict(), "similarity": self.similarity, "tags": list(self.tags)
        }  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """Why two listeners are near, or far.

    Parameters
    ----------
    shared : tags that both like more than is usual, the most telling first
    differences : tags that one likes more than the other, beyond chance, the largest first
    bridges : pairs of tracks that are most alike, no track twice
    for_b, for_a : tracks of the one that come nearest to what the other likes
    same_tracks, same_artists : that both like
    playlist : tracks of both that both are near to, in an order that flows
    """

    shared: tuple[TagFact, ...]
    differences: tuple[TagFact, ...]
    bridges: tuple[Bridge, ...]
    for_b: tuple[TasteTrack, ...]
    for_a: tuple[TasteTrack, ...]
    same_tracks: tuple[str, ...]
    same_artists: tuple[str, ...]
    playlist: tuple[TasteTrack, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {
            "shared": [fact.to_dict() for fact in self.shared],
            "differences": [fact.to_dict() for fact in self.differences],
            "bridges": [bridge.to_dict() for bridge in self.bridges],
            "for_b": [track.to_dict() for track in self.for_b],
            "for_a": [track.to_dict() for track in self.for_a],
            "same_tracks": list(self.same_tracks),
            "same_artists": list(self.same_artists),
            "playlist": [track.to_dict() for track in self.playlist],
        }


def explain(
    weights_a: Array64,
    weights_b: Array64,
    *,
    tracks: Sequence[TasteTrack],
    kernel: Array64,
    heard: bool,
    usual: Mapping[str, float] | None = None,
) -> Explanation:
    """Say what brings two listeners together and what keeps them apart.

    Parameters
    ----------
    weights_a, weights_b : shape (n,), how much each track counts for either; 0 where it is not liked; the sum is 1
    tracks : n tracks, theirs and those of the pool
    kernel : shape (n, n), how alike tracks are
    heard : whether the tags are those that were heard, with scores, or those that were told
    usual : by tag, how much of it music has in general; where that is not given the mean over `tracks`, if there are
        any that neither of the two likes
    """
    facts = tag_facts(weights_a, weights_b, tracks, heard=heard, usual=usual)
    a, b = np.flatnonzero(weights_a), np.flatnonzero(weights_b)
    both = np.intersect1d(a, b)
    only_a, only_b = np.setdiff1d(a, b), np.setdiff1d(b, a)
    return Explanation(
        shared=tuple(_shared(facts)),
        differences=tuple(_different(facts)),
        bridges=tuple(_bridges(only_a, only_b, tracks, kernel)),
        for_b=tuple(tracks[i] for i in _nearest(only_a, weights_b, tracks, kernel)),
        for_a=tuple(tracks[i] for i in _nearest(only_b, weights_a, tracks, kernel)),
        same_tracks=tuple(tracks[i].name for i in both),
        same_artists=tuple(_same_artists(a, b, tracks)),
        playlist=tuple(tracks[i] for i in _for_two(a, b, tracks, kernel)),
    )


def tag_facts(
    weights_a: Array64,
    weights_b: Array64,
    tracks: Sequence[TasteTrack],
    *,
    heard: bool,
    usual: Mapping[str, float] | None,
) -> list[TagFact]:
    """Compare how much of every tag two listeners like; see `explain`."""
    values = [track.scores if heard else track.tags for track in tracks]
    names = sorted({tag for i in np.flatnonzero(weights_a + weights_b) for tag in values[i]})
    table = np.array([[one.get(tag, 0.0) for tag in names] for one in values]).reshape(len(values), len(names))
    mean_a, mean_b, mean_all = weights_a @ table, weights_b @ table, table.mean(axis=0)
    errors = np.sqrt(_squared_error(table, weights_a, mean_a) + _squared_error(table, weights_b, mean_b))
    known = usual or {}
    is_theirs_alone = bool(np.all(weights_a + weights_b > 0))

    def usually(tag: str, mean: float) -> float | None:
        return known.get(tag, None if is_theirs_alone else mean)

    return [
        TagFact(
            tag, category(tag, default="other"), float(mean_a[k]), float(mean_b[k]),
            usually(tag, float(mean_all[k])), float(errors[k]),
        )
        for k, tag in enumerate(names)
    ]  # fmt: skip


def _squared_error(table: Array64, weights: Array64, mean: Array64) -> Array64:
    """Return the squared standard error of weighted means, shape (K,), with the effective number of tracks."""
    share = float((weights**2).sum())  # 1 over the effective number
    return np.asarray(weights @ (table - mean) ** 2 * share / max(1 - share, 1e-9))


def _shared(facts: Sequence[TagFact]) -> list[TagFact]:
    """Choose what both like more than is usual, by how much it tells: the share times the logarithm of the excess.

    Where nothing but their own music is known, an average tag of theirs is what is usual.
    """
    average = float(np.mean([(fact.a + fact.b) / 2 for fact in facts])) if facts else 0.0

    def telling(fact: TagFact) -> float:
        least, usual = min(fact.a, fact.b), average if fact.usual is None else fact.usual
        return least * float(np.log2(max(least, 1e-9) / max(usual, 1e-3)))

    found = [fact for fact in facts if min(fact.a, fact.b) >= LEAST_SHARE and telling(fact) > 0]
    return sorted(found, key=lambda fact: (-telling(fact), fact.tag))[:N_TAGS]


def _different(facts: Sequence[TagFact]) -> list[TagFact]:
    """Choose what one likes more, beyond chance, by how large the difference is beside what is usual."""

    def size(fact: TagFact) -> float:
        rate = min(max((fact.a + fact.b) / 2 if fact.usual is None else fact.usual, 0.01), 0.99)
        return abs(fact.a - fact.b) / float(np.sqrt(rate * (1 - rate)))

    found = [
        fact
        for fact in facts
        if abs(fact.a - fact.b) > CERTAIN * fact.error and max(fact.a, fact.b) >= LEAST_SHARE and fact.a != fact.b
    ]
    return sorted(found, key=lambda fact: (-size(fact), fact.tag))[:N_TAGS]


def _bridges(a: Rows, b: Rows, tracks: Sequence[TasteTrack], kernel: Array64) -> list[Bridge]:
    """Choose the most alike pairs, no track twice."""
    if not len(a) or not len(b):
        return []
    across = kernel[np.ix_(a, b)].copy()
    found = []
    for _ in range(min(N_BRIDGES, len(a), len(b))):
        i, j = np.unravel_index(int(across.argmax()), across.shape)
        one, other = tracks[a[i]], tracks[b[j]]
        similarity = 1 + float(np.log(across[i, j]))  # the cosine of points whose kernel is this
        found.append(Bridge(one, other, similarity, _common_tags(one, other)))
        across[i, :] = across[:, j] = -1.0
    return found


def _common_tags(one: TasteTrack, other: TasteTrack, n: int = 3) -> tuple[str, ...]:
    common = {tag: min(weight, other.tags[tag]) for tag, weight in one.tags.items() if tag in other.tags}
    return tuple(sorted(common, key=lambda tag: (-common[tag], tag))[:n])


def _nearest(candidates: Rows, weights: Array64, tracks: Sequence[TasteTrack], kernel: Array64) -> list[int]:
    """Choose the candidates that are most alike, on average, to what a listener likes."""
    near = kernel[candidates] @ weights
    order = [int(candidates[i]) for i in np.argsort(-near, kind="stable")]
    return _spread(order, tracks, N_GIFTS)


def _spread(order: Sequence[int], tracks: Sequence[TasteTrack], n: int) -> list[int]:
    """Take the first `n`, not more than `PER_ARTIST` of an artist while there are others."""
    counts: dict[str, int] = {}
    chosen, left = [], []
    for i in order:
        artist = fold(tracks[i].artist)
        if artist and counts.get(artist, 0) >= PER_ARTIST:
            left.append(i)
            continue
        counts[artist] = counts.get(artist, 0) + 1
        chosen.append(i)
    return [*chosen, *left][:n]


def _same_artists(a: Rows, b: Rows, tracks: Sequence[TasteTrack]) -> list[str]:
    names = [{fold(tracks[i].artist): tracks[i].artist for i in rows if tracks[i].artist} for rows in (a, b)]
    return sorted(names[0][key] for key in names[0].keys() & names[1].keys())


def _for_two(a: Rows, b: Rows, tracks: Sequence[TasteTrack], kernel: Array64) -> list[int]:
    """Choose the tracks of both whose lesser nearness, to the one or the other, is highest; then let them flow."""
    rows = np.union1d(a, b)
    nearness = []
    for members in (a, b):
        block = kernel[np.ix_(rows, members)].copy()
        own = rows[:, None] == members[None, :]
        block[own] = 0.0
        means = block.sum(axis=1) / np.maximum((~own).sum(axis=1), 1)
        nearness.append(means.argsort(kind="stable").argsort(kind="stable") / max(len(rows) - 1, 1))
    order = np.argsort(-np.minimum(*nearness), kind="stable")
    chosen = _spread([int(rows[i]) for i in order], tracks, N_PLAYLIST)
    return _flowing(chosen, kernel)


def _flowing(chosen: list[int], kernel: Array64) -> list[int]:
    """Order tracks so that neighbours are alike: from the one that is least like the others, always to the nearest."""
    if len(chosen) < 3:
        return chosen
    block = kernel[np.ix_(chosen, chosen)].copy()
    np.fill_diagonal(block, -1.0)
    at = int(block.sum(axis=1).argmin())
    order = [at]
    while len(order) < len(chosen):
        block[:, at] = -2.0
        at = int(block[at].argmax())
        order.append(at)
    return [chosen[i] for i in order]
