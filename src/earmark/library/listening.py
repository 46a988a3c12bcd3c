"""What is learned of one file: who it is, what its tags say, what is heard. Runs in the processes that add files."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fingerprint import Fingerprinter
from earmark.audio.identity import content_id
from earmark.audio.io import AudioInfo, probe
from earmark.audio.key import estimate_key
from earmark.audio.tempo import estimate_tempo
from earmark.errors import InputError
from earmark.library.rows import FilePlace
from earmark.library.schema import text_columns
from earmark.library.vectors import search_vector
from earmark.models.paths import ModelName
from earmark.tables import storable
from earmark.tagfile.reading import FileTags, read_tags
from earmark.tagger import Tagger
from earmark.track_tags import TrackTags

FAST_HOP_SECONDS = 12.0  # benchmarks/library_add.py: what it costs, and how near it comes to the whole
WINDOW_SECONDS = 90.0  # in the middle of a track, for tempo and key

Samples = NDArray[np.float32]


class FileChangedError(InputError):
    """A file was written to while it was read."""


@dataclass(frozen=True)
class Setup:
    """How files are heard.

    Parameters
    ----------
    model, preset, engine, device : as `Tagger` takes them
    whole : every chunk; else one of every `FAST_HOP_SECONDS`
    """

    model: ModelName | None = None
    preset: str = "standard"
    engine: str = "auto"
    device: str = "auto"
    whole: bool = False

    @property
    def listened(self) -> str:
        """How much is heard, in words."""
        return "whole" if self.whole else f"a chunk of every {FAST_HOP_SECONDS:g} s"


@dataclass(frozen=True)
class Identity:
    """Who a file is, and what it says about itself.

    Parameters
    ----------
    id : content identity
    place : the file
    facts : columns of the catalogue
    """

    id: str
    place: FilePlace
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Hearing:
    """What was heard in a file.

    Parameters
    ----------
    tags : of the model
    vector : shape (D,), the embedding as search compares it
    bpm, bpm_confidence, key, key_confidence : as in `LibraryTrack`
    fingerprint : shape (n_frames,), uint32
    """

    tags: TrackTags
    vector: NDArray[np.float32]
    bpm: float | None
    bpm_confidence: float | None
    key: str | None
    key_confidence: float | None
    fingerprint: NDArray[np.uint32]


Request = str | Identity
"""A path, to be identified; or an identified file, to be heard."""


def place_of(path: str) -> FilePlace:
    """Look at a file.

    Raises
    ------
    InputError
        If it is gone, or may not be looked at.
    """
    try:
        entry = os.stat(path)  # noqa: PTH116 (a str may hold what Path cannot)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    return FilePlace(path, entry.st_size, entry.st_mtime_ns)


def listener(setup: Setup) -> Callable[[Request], Identity | Hearing]:
    """Return what answers requests; the models are loaded with the first file that is heard."""
    taggers: list[Tagger] = []

    def answer(request: Request) -> Identity | Hearing:
        if isinstance(request, str):
            return identify(request)
        if not taggers:
            hop = None if setup.whole else FAST_HOP_SECONDS
            taggers.append(
                Tagger(
                    setup.model, preset=setup.preset, engine=setup.engine, device=setup.device, hop_seconds=hop,
                    threads=1,
                )
            )  # fmt: skip
        return hear(taggers[0], request.place)

    return answer


def identify(path: str) -> Identity:
    """Find out who a file is, and what it says about itself.

    Raises
    ------
    InputError
        If it is gone, or no audio.
    FileChangedError
        If it was written to meanwhile.
    """
    place = place_of(path)
    identity = content_id(path)
    info, tags = probe(path), read_tags(path)
    _check_unchanged(place)
    return Identity(identity, place, facts_of(info, tags, place))


def facts_of(info: AudioInfo, tags: FileTags, place: FilePlace) -> dict[str, Any]:
    """Return the columns that a file itself fills."""
    names = ("artist", "title", "album", "album_artist", "isrc", "mb_recording_id")
    texts = text_columns(
        {name: storable(getattr(tags, name)) for name in names} | {"genres": [storable(genre) for genre in tags.genres]}
    )
    duration = info.duration or 0.0
    return texts | {
        "year": _small(tags.year),
        "track_number": _small(tags.track_number),
        "file_tags": json.dumps({name: list(values) for name, values in tags.fields.items()}),
        "duration": duration,
        "container": info.container,
        "sample_rate": info.sample_rate,
        "n_channels": info.n_channels,
        "bit_rate": _small(round(place.size * 8 / duration)) if duration else None,
    }


def hear(tagger: Tagger, place: FilePlace) -> Hearing:
    """Listen to a file: tags, tempo, key and fingerprint in one decode.

    Raises
    ------
    InputError
        If it is damaged throughout, silent, or too short.
    FileChangedError
        If it is not the file that was looked at, or was written to meanwhile.
    """
    _check_unchanged(place)
    middle = Middle(tagger.sample_rate)
    prints = Fingerprinter(tagger.sample_rate)

    def take(info: AudioInfo, block: Samples) -> None:
        middle.push(info, block)
        prints.push(block)

    tags = tagger.tag(place.path, on_block=take)
    window = middle.samples()
    tempo, key = estimate_tempo(window, tagger.sample_rate), estimate_key(window, tagger.sample_rate)
    _check_unchanged(place)
    return Hearing(
        tags=tags,
        vector=search_vector(tags.embedding, [(card.name, card.n_features) for card in tagger.cards]),
        bpm=tempo.bpm,
        bpm_confidence=None if tempo.bpm is None else tempo.confidence,
        key=None if key.key is None else key.key.name,
        key_confidence=None if key.key is None else key.confidence,
        fingerprint=prints.finish(),
    )


class Middle:
    """Keeps the middle of a track while it goes by; memory does not grow with the track.

    Parameters
    ----------
    sample_rate : Hz
    seconds : to keep; where the file does not say how long it is, from its beginning
    """

    def __init__(self, sample_rate: int, *, seconds: float = WINDOW_SECONDS) -> None:
        self._rate, self._wanted = sample_rate, round(seconds * sample_rate)
        self._blocks: list[Samples] = []
        self._start: int | None = None
        self._n_seen = 0

    def push(self, info: AudioInfo, block: Samples) -> None:
        """Take the next block, shape (n,)."""
        if self._start is None:
            length = round((info.duration or 0.0) * self._rate)
            self._start = max(0, (length - self._wanted) // 2)
        first = max(0, self._start - self._n_seen)
        last = min(block.size, self._start + self._wanted - self._n_seen)
        if first < last:
            self._blocks.append(block[first:last].copy())
        self._n_seen += block.size

    def samples(self) -> Samples:
        """Return what was kept, shape (n,)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)


def _check_unchanged(place: FilePlace) -> None:
    if place_of(place.path) != place:
        raise FileChangedError(f"{place.path}: it was written to while it was read", hint="add it again when it rests")


def _small(value: int | None) -> int | None:
    """Leave out numbers that are no sensible ones, and would not fit."""
    return value if value is not None and 0 <= value < 2**31 else None
