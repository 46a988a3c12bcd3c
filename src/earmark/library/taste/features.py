"""Numbers of tracks: how they sound, and what they are called; the dot product of two tells how alike they are."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.library.taste.listener import TasteTrack

Array64 = NDArray[np.float64]


def sound_points(tracks: Sequence[TasteTrack]) -> Array64:
    """Return the search vectors of tracks that were heard, shape (n, D)."""
    vectors = np.array([track.vector for track in tracks], np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


def tag_points(tracks: Sequence[TasteTrack], *, rarity: Mapping[str, float], names: Sequence[str]) -> Array64:
    """Return the tags of tracks as vectors of unit length.

    Parameters
    ----------
    tracks : of which some may have none
    rarity : by tag, see `rarities`
    names : the tags that count, in order

    Returns
    -------
    shape (n, K): the weight of every tag times its rarity, brought to length 1; zeros where a track has no such tag
    """
    places = {name: i for i, name in enumerate(names)}
    points = np.zeros((len(tracks), max(len(names), 1)))
    for row, track in zip(points, tracks, strict=True):
        for tag, weight in track.tags.items():
            place = places.get(tag)
            if place is not None:
                row[place] = weight * rarity[tag]
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, 1))


def rarities(tracks: Sequence[TasteTrack]) -> dict[str, float]:
    """Say how much a tag tells: the logarithm of how few tracks carry it.

    Returns
    -------
    ``ln((n + 1) / (n_with + 0.5))`` by tag, above 0; what every track carries tells next to nothing
    """
    counts: dict[str, int] = {}
    for track in tracks:
        for tag in track.tags:
            counts[tag] = counts.get(tag, 0) + 1
    return {tag: math.log((len(tracks) + 1) / (count + 0.5)) for tag, count in sorted(counts.items())}
