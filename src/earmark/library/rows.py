"""A row of the catalogue as plain data: what one track is, where its files lie, and what was heard in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FilePlace:
    """A file that holds a track's audio.

    Parameters
    ----------
    path : absolute, as the system gives it; bytes that are no text are surrogates (`os.fsdecode`)
    size : bytes
    mtime_ns : time of the last change, nanoseconds
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def raw(self) -> bytes:
        """The path as bytes, which is how the catalogue keeps it."""
        return os.fsencode(self.path)


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model, or a preset, heard in a track.

    Parameters
    ----------
    model : name of the model or preset
    scores : by tag, in [0, 1]
    peaks : by tag, the highest value along the track
    embedding : shape (D,); None where it was not read
    listened : how much was heard: "whole", or such as "3 of every 12 s"
    """

    model: str
    scores: Mapping[str, float]
    peaks: Mapping[str, float] = field(default_factory=dict)
    embedding: NDArray[np.float32] | None = None
    listened: str = "whole"

    def top(self, n: int | None = None, *, min_score: float = 0.0) -> list[tuple[str, float]]:
        """Return tags and scores, best first."""
        best = sorted(self.scores.items(), key=lambda item: -item[1])
        return [item for item in best if item[1] >= min_score][:n]


@dataclass(frozen=True, eq=False)
class LibraryTrack:
    """One track of the catalogue.

    Parameters
    ----------
    id : content identity, 32 hexadecimal digits; the same for all files with the same audio stream
    files : where its audio lies; empty if all of them were removed
    duration : seconds
    artist, title, album, album_artist : as in the file's tags, "" where there is none
    genres : as in the file's tags
    year, track_number : as in the file's tags
    isrc, mb_recording_id : identifiers of the recording, "" where there is none
    container, sample_rate, n_channels, bit_rate : of the file; Hz and bit/s
    bpm, bpm_confidence : tempo as heard, confidence in [0, 1]; None where none was found
    key, key_confidence : such as "F# minor"; None where none was found
    heard : by model or preset
    """

    id: str
    files: tuple[FilePlace, ...]
    duration: float
    artist: str = ""
    title: str = ""
    album: str = ""
    album_artist: str = ""
    genres: tuple[str, ...] = ()
    year: int | None = None
    track_number: int | None = None
    isrc: str = ""
    mb_recording_id: str = ""
    container: str = ""
    sample_rate: int = 0
    n_channels: int = 0
    bit_rate: int | None = None
    bpm: float | None = None
    bpm_confidence: float | None = None
    key: str | None = None
    key_confidence: float | None = None
    heard: Mapping[str, Heard] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The first file, or "" if there is none."""
        return self.files[0].path if self.files else ""

    @property
    def name(self) -> str:
        """Artist and title, or the file's name where they are not known."""
        if self.title:
            return f"{self.artist} – {self.title}" if self.artist else self.title
        return os.path.splitext(os.path.basename(self.path))[0] or self.id  # noqa: PTH119, PTH122 (may be no text)

    def to_dict(self, *, tags: int | None = None) -> dict[str, Any]:
        """Return plain data that JSON can hold; without embeddings.

        Parameters
        ----------
        tags : so many of each model, best first; all unless given
        """
        names = (
            "id", "duration", "artist", "title", "album", "album_artist", "genres", "year", "track_number", "isrc",
            "mb_recording_id", "container", "sample_rate", "n_channels", "bit_rate", "bpm", "bpm_confidence", "key",
            "key_confidence",
        )  # fmt: skip
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        plain["genres"] = list(self.genres)
        plain["paths"] = [file.path for file in self.files]
        plain["heard"] = {
            model: {"listened": heard.listened, "tags": dict(heard.top(tags))} for model, heard in self.heard.items()
        }
        return plain
