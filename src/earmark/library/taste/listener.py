"""A listener as data: the tracks that he or she likes, with how they sound and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TasteTrack:
    """One track that somebody likes.

    Parameters
    ----------
    id : the same for the same track, whoever likes it: the content id, or artist and title where there is no audio
    name : artist and title, as it is shown
    artist, title : "" where they are not known
    vector : shape (D,), of unit length, how it sounds (`earmark.library.vectors.search_vector`); None without audio
    tags : what it is called, weights in (0, 1]; only what holds
    scores : what was heard in it, every tag of the model, in [0, 1]; empty without audio
    weight : how much it counts beside the listener's others; above 0
    duration : seconds, None where it is not known
    path : of a file, "" where there is none
    url : a page, "" where there is none
    licence : under which the audio may be heard, such as "CC BY 3.0", "" where it is not known
    """

    id: str
    name: str
    artist: str = ""
    title: str = ""
    vector: Vector | None = None
    tags: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    duration: float | None = None
    path: str = ""
    url: str = ""
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold; without the vector."""
        names = ("id", "name", "artist", "title", "duration", "path", "url", "licence")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Matched:
    """A like and the track of the catalogue that it was taken for.

    Parameters
    ----------
    like, track : names, as they are shown
    by : "isrc", "mbid", "name", or "similar name"
    similarity : of the names, in [0, 1]; 1 for identifiers
    """

    like: str
    track: str
    by: str
    similarity: float = 1.0


@dataclass(frozen=True, eq=False)
class Listener:
    """Somebody's taste.

    Parameters
    ----------
    name : as it is shown
    tracks : each id once
    source : where they are from, such as "folder" or "listenbrainz"
    url : the listener's page, "" where there is none
    attribution, notice : what has to be shown beside the result
    n_without : likes that have neither audio nor tags, and count for nothing
    matched : likes that were found in a catalogue
    model, version : whose ears heard the tracks with audio; "" if none
    """

    name: str
    tracks: tuple[TasteTrack, ...]
    source: str = ""
    url: str = ""
    attribution: str = ""
    notice: str = ""
    n_without: int = 0
    matched: tuple[Matched, ...] = ()
    model: str = ""
    version: str = ""

    @property
    def with_audio(self) -> tuple[TasteTrack, ...]:
        """The tracks that were heard."""
        return tuple(track for track in self.tracks if track.vector is not None)

    @property
    def with_tags(self) -> tuple[TasteTrack, ...]:
        """The tracks of which tags are known, heard or told."""
        return tuple(track for track in self.tracks if track.tags)


def listener_of(name: str, tracks: Sequence[TasteTrack], *, source: str = "") -> Listener:
    """Make a listener of tracks; those that come several times become one, with the sum of their weights."""
    return Listener(name, merged(tracks), source)


def merged(tracks: Sequence[TasteTrack]) -> tuple[TasteTrack, ...]:
    """Bring tracks of the same id together, in order of their ids, so that no order in which they came matters."""
    found: dict[str, TasteTrack] = {}
    for track in tracks:
        known = found.get(track.id)
        found[track.id] = track if known is None else replace(known, weight=known.weight + track.weight)
    return tuple(found[one] for one in sorted(found))


@dataclass(frozen=True)
class Coverage:
    """What is known of a listener's tracks.

    Parameters
    ----------
    n : tracks in all
    audio : of these, heard
    tags_alone : of these, not heard but with tags
    neither : of these, neither
    """

    n: int
    audio: int
    tags_alone: int
    neither: int

    def to_dict(self) -> dict[str, int]:
        """Return plain data."""
        return {"n": self.n, "audio": self.audio, "tags_alone": self.tags_alone, "neither": self.neither}


def coverage(listener: Listener) -> Coverage:
    """Count how many of a listener's tracks were heard, and of how many there are tags alone."""
    audio = len(listener.with_audio)
    tags = sum(1 for track in listener.tracks if track.vector is None and track.tags)
    neither = len(listener.tracks) - audio - tags + listener.n_without
    return Coverage(len(listener.tracks) + listener.n_without, audio, tags, neither)
