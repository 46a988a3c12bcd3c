"""The songs of the catalogue that players see: read in one scan, with the names of their artists and albums."""

import datetime
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.library.folding import fold
from earmark.library.models import StoredModel
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store

NO_ARTIST, NO_ALBUM, SEVERAL = "[Unknown Artist]", "[Unknown Album]", "Various Artists"
_FACTS = (
    "id", "files", "duration", "artist", "title", "album", "album_artist", "genres", "year", "track_number", "isrc",
    "mb_recording_id", "sample_rate", "n_channels", "bit_rate", "bpm", "key", "file_tags", "added_at",
)  # fmt: skip
_HEARD_GENRES = 3  # that stand in for a genre where the file has none
_DISC = re.compile(r'"(?:TPOS|DISCNUMBER|disk|disc|WM/PartOfSet)"\s*:\s*\[\s*"\s*(\d{1,3})', re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Song:
    """A track as players see it.

    Parameters
    ----------
    id : content id, as in the catalogue
    title : of its tags, else the name of its file
    artist, album, album_artist : as they are shown; several artists are joined by "; "
    genres : of the file; what was heard where it has none
    moods : that were heard
    year, track, disc : as in the file's tags
    duration : seconds
    size : of the file, bytes
    bit_rate : bit/s
    sample_rate, n_channels, bpm, key : as in `LibraryTrack`
    isrc, mbid : identifiers of the recording, "" where there is none
    files : where its audio lies, at least one
    added : when it came into the catalogue
    """

    id: str
    title: str
    artist: str
    album: str
    album_artist: str
    genres: tuple[str, ...]
    moods: tuple[str, ...]
    year: int | None
    track: int | None
    disc: int | None
    duration: float
    size: int
    bit_rate: int | None
    sample_rate: int
    n_channels: int
    bpm: float | None
    key: str | None
    isrc: str
    mbid: str
    files: tuple[str, ...]
    added: datetime.datetime

    @property
    def artists(self) -> tuple[str, ...]:
        """The artists one by one."""
        return split_artists(self.artist)

    @property
    def suffix(self) -> str:
        """What the name of the file ends in, without the dot."""
        return os.path.splitext(self.files[0])[1].removeprefix(".").lower()  # noqa: PTH122 (may be no text)


def split_artists(text: str) -> tuple[str, ...]:
    """Take several artists apart, as the catalogue joins them.

    Examples
    --------
    >>> split_artists("Nina Simone; Hot Chip"), split_artists("Earth; Wind")
    (('Nina Simone', 'Hot Chip'), ('Earth', 'Wind'))
    """
    return tuple(part for part in (one.strip() for one in text.split("; ")) if part) or (text,)


class Places:
    """Tells which files may be given away: those in the folders of music, links resolved; all if there are no folders.

    Parameters
    ----------
    roots : folders of music, absolute and with links resolved
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [str(root) for root in roots]
        self._folders: dict[str, bool] = {}

    def holds(self, path: str) -> bool:
        """Tell whether the folder of a file lies in them; the file itself is looked at when it is asked for."""
        if not self._roots:
            return True
        folder = os.path.dirname(path)  # noqa: PTH120
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._is_inside(os.path.realpath(folder))
        return known

    def resolve(self, path: str) -> str | None:
        """Return a path with links resolved; None if it leads elsewhere, or to no file."""
        real = os.path.realpath(path)
        return real if self._is_inside(real) and os.path.isfile(real) else None  # noqa: PTH113

    def _is_inside(self, real: str) -> bool:
        return not self._roots or any(
            real == root or real.startswith(root.rstrip("/\\") + os.sep) for root in self._roots
        )


def read_songs(store: Store, places: Places) -> list[Song]:
    """Read the songs of a catalogue that have a file which may be given away.

    Parameters
    ----------
    store : the catalogue
    places : where files may lie
    """
    model = next((one for one in store.models() if one.n_features), None)
    rows = [row for row in _rows(store, model) if (row.update(files=_files(row, places)) or row["files"])]
    sole = _sole_artists(rows)
    return [_song(row, sole) for row in rows]


def _rows(store: Store, model: StoredModel | None) -> Iterator[dict[str, Any]]:
    """Yield rows with the moods and genres that were heard beside the facts."""
    wanted = [] if model is None else [i for i, kind in enumerate(model.categories) if kind in ("genre", "mood")]
    columns = [] if model is None else [model.score_columns[i] for i in wanted]
    for batch in store.scan(TRACKS, [*_FACTS, *columns]):
        rows = batch.select(list(_FACTS)).to_pylist()
        if model is not None and columns:
            scores = np.stack([batch.column(one).to_numpy(zero_copy_only=False) for one in columns], axis=1)  # (B, K)
            _hear(rows, model, wanted, scores)
        yield from rows


def _hear(rows: Sequence[dict[str, Any]], model: StoredModel, wanted: Sequence[int], scores: NDArray[Any]) -> None:
    """Add to rows which moods and genres reach their threshold, best first; `scores` has the shape (B, K)."""
    thresholds = np.array([model.thresholds[i] for i in wanted])
    holds = np.nan_to_num(scores, nan=-1.0) >= thresholds
    for row, has, score in zip(rows, holds, scores, strict=True):
        best = sorted(np.flatnonzero(has).tolist(), key=lambda k: -float(score[k]))
        for kind in ("genre", "mood"):
            row[f"heard_{kind}"] = tuple(model.tags[wanted[k]] for k in best if model.categories[wanted[k]] == kind)


def _files(row: Mapping[str, Any], places: Places) -> tuple[Any, ...]:
    return tuple(file for file in read_files(row["files"]) if places.holds(file.path))


def _folder_of(row: Mapping[str, Any]) -> tuple[str, str]:
    return fold(row["album"] or ""), os.path.dirname(row["files"][0].path)  # noqa: PTH120


def _sole_artists(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Return who an album in a folder is by, where its songs do not say: their one artist, or several."""
    artists: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        if row["album"] and not row["album_artist"]:
            name = row["artist"] or NO_ARTIST
            artists.setdefault(_folder_of(row), {}).setdefault(fold(name), name)
    return {place: next(iter(names.values())) if len(names) == 1 else SEVERAL for place, names in artists.items()}


def _song(row: Mapping[str, Any], sole: Mapping[tuple[str, str], str]) -> Song:
    first = row["files"][0]
    artist = row["artist"] or NO_ARTIST
    by = row["album_artist"] or (sole[_folder_of(row)] if row["album"] else artist)
    disc = _DISC.search(row["file_tags"] or "")
    genres = tuple(row["genres"] or ()) or tuple(row.get("heard_genre", ()))[:_HEARD_GENRES]
    return Song(
        id=row["id"],
        title=row["title"] or shown(os.path.splitext(os.path.basename(first.path))[0]) or row["id"],  # noqa: PTH119, PTH122
        artist=artist,
        album=row["album"] or NO_ALBUM,
        album_artist=by,
        genres=genres,
        moods=tuple(row.get("heard_mood", ())),
        year=row["year"],
        track=row["track_number"],
        disc=int(disc[1]) if disc else None,
        duration=row["duration"] or 0.0,
        size=first.size,
        bit_rate=row["bit_rate"],
        sample_rate=row["sample_rate"] or 0,
        n_channels=row["n_channels"] or 0,
        bpm=row["bpm"],
        key=row["key"],
        isrc=row["isrc"] or "",
        mbid=row["mb_recording_id"] or "",
        files=tuple(file.path for file in row["files"]),
        added=row["added_at"] or datetime.datetime.fromtimestamp(0, datetime.UTC),
    )


def shown(text: str) -> str:
    """Write a name of a file as text: bytes that are none become �."""
    return _SURROGATES.sub("\ufffd", text)
