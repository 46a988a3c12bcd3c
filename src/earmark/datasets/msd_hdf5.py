"""The HDF5 files of the Million Song Dataset: one song, several (aggregate files), or all of them (the summary).

A file has three groups, each with a table `songs`, one row per song: `metadata`, `analysis` and `musicbrainz`. Values
of any length per song, such as the start of every segment, lie in arrays beside the tables; columns `idx_...` say where
a song begins in them. The summary file has the tables alone. Texts are UTF-8.

What is unknown becomes None: ids of -1, years of 0, numbers that are NaN. `danceability` and `energy` are 0 throughout:
they were never computed.

References
----------
Bertin-Mahieux, T., Ellis, D. P. W., Whitman, B. and Lamere, P. "The Million Song Dataset", ISMIR 2011.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError

Floats = NDArray[np.float64]
Column = NDArray[Any] | list[str]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "metadata": (
        "analyzer_version", "artist_7digitalid", "artist_familiarity", "artist_hotttnesss", "artist_id",
        "artist_latitude", "artist_location", "artist_longitude", "artist_mbid", "artist_name", "artist_playmeid",
        "genre", "release", "release_7digitalid", "song_hotttnesss", "song_id", "title", "track_7digitalid",
    ),
    "analysis": (
        "analysis_sample_rate", "audio_md5", "danceability", "duration", "end_of_fade_in", "energy", "key",
        "key_confidence", "loudness", "mode", "mode_confidence", "start_of_fade_out", "tempo", "time_signature",
        "time_signature_confidence", "track_id",
    ),
    "musicbrainz": ("year",),
}  # fmt: skip
"""Group to the columns of its table `songs`."""

ARRAYS: Mapping[str, Mapping[str, str]] = {
    "metadata": {
        "artist_terms": "idx_artist_terms",
        "artist_terms_freq": "idx_artist_terms",
        "artist_terms_weight": "idx_artist_terms",
        "similar_artists": "idx_similar_artists",
    },
    "analysis": {
        name: f"idx_{name}"
        for name in (
            "bars_confidence", "bars_start", "beats_confidence", "beats_start", "sections_confidence",
            "sections_start", "segments_confidence", "segments_loudness_max", "segments_loudness_max_time",
            "segments_loudness_start", "segments_pitches", "segments_start", "segments_timbre", "tatums_confidence",
            "tatums_start",
        )
    },
    "musicbrainz": {"artist_mbtags": "idx_artist_mbtags", "artist_mbtags_count": "idx_artist_mbtags"},
}  # fmt: skip
"""Group to its arrays, and the column of the table that says where a song begins in each."""

_UNKNOWN = {
    "artist_7digitalid": -1, "artist_playmeid": -1, "release_7digitalid": -1, "track_7digitalid": -1, "year": 0,
}  # fmt: skip
_GROUP_OF = {column: group for group, columns in COLUMNS.items() for column in columns}
BLOCK = 20_000  # rows; of the widest table, 5 kB each, 100 MB pass through


@dataclass(frozen=True, eq=False)
class Song:
    """All that is published about one track, under the published names.

    Parameters
    ----------
    analyzer_version, genre : often empty
    artist_familiarity, artist_hotttnesss, song_hotttnesss : in [0, 1]
    artist_latitude, artist_longitude : degrees
    duration, end_of_fade_in, start_of_fade_out : seconds
    key : 0 (C) to 11 (B); mode : 0 minor, 1 major
    loudness : dB; tempo : beats per minute; time_signature : beats per bar
    *_confidence : in [0, 1]
    *_start : shape (n,), seconds; n bars, beats, sections, segments or tatums
    segments_loudness_max, segments_loudness_start : shape (n,), dB
    segments_loudness_max_time : shape (n,), seconds after the segment's start
    segments_pitches, segments_timbre : shape (n, 12)
    artist_terms : tags of the Echo Nest; artist_terms_freq, artist_terms_weight : shape (n,), in [0, 1]
    similar_artists : ids of the Echo Nest
    artist_mbtags : tags of MusicBrainz; artist_mbtags_count : shape (n,), whole numbers
    """

    analyzer_version: str
    artist_7digitalid: int | None
    artist_familiarity: float | None
    artist_hotttnesss: float | None
    artist_id: str
    artist_latitude: float | None
    artist_location: str
    artist_longitude: float | None
    artist_mbid: str
    artist_name: str
    artist_playmeid: int | None
    genre: str
    release: str
    release_7digitalid: int | None
    song_hotttnesss: float | None
    song_id: str
    title: str
    track_7digitalid: int | None
    analysis_sample_rate: int
    audio_md5: str
    danceability: float | None
    duration: float | None
    end_of_fade_in: float | None
    energy: float | None
    key: int
    key_confidence: float | None
    loudness: float | None
    mode: int
    mode_confidence: float | None
    start_of_fade_out: float | None
    tempo: float | None
    time_signature: int
    time_signature_confidence: float | None
    track_id: str
    year: int | None
    artist_terms: tuple[str, ...]
    artist_terms_freq: Floats
    artist_terms_weight: Floats
    similar_artists: tuple[str, ...]
    bars_confidence: Floats
    bars_start: Floats
    beats_confidence: Floats
    beats_start: Floats
    sections_confidence: Floats
    sections_start: Floats
    segments_confidence: Floats
    segments_loudness_max: Floats
    segments_loudness_max_time: Floats
    segments_loudness_start: Floats
    segments_pitches: Floats
    segments_start: Floats
    segments_timbre: Floats
    tatums_confidence: Floats
    tatums_start: Floats
    artist_mbtags: tuple[str, ...]
    artist_mbtags_count: NDArray[np.int32]


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    InputError
        If it is missing, no HDF5, or damaged; also when that shows only while reading.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except InputError as error:
        if error.message.startswith(str(path)):
            raise
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise InputError(f"{path}: no HDF5 file, or a damaged one: {error}", hint="get it again") from error


def read_song(file: h5py.File, index: int = 0) -> Song:
    """Read one song with all its arrays.

    Parameters
    ----------
    file : a song file or an aggregate file, open
    index : of the song in an aggregate file

    Raises
    ------
    InputError
        If a table, a column or an array is missing, or there is no such song.
    """
    values = _scalars(file, index)
    for group, arrays in ARRAYS.items():
        table = _table(file, group)
        for name, column in arrays.items():
            values[name] = _slice(file, table, index, group, name, column)
    return Song(**values)


class Summary:
    """The tables of a file of many songs, read in blocks: of a million songs, only what is asked for is in memory.

    Parameters
    ----------
    file : `msd_summary_file.h5`, an aggregate file or a song file, open

    Raises
    ------
    InputError
        If a table is missing, or they differ in length.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        lengths = {group: len(_table(file, group)) for group in COLUMNS}
        if len(set(lengths.values())) != 1:
            raise InputError(f"the tables differ in length: {lengths}")
        self._n = lengths["metadata"]

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Song:
        """Return a song without its arrays, which are empty."""
        empty = {name: _empty(name) for arrays in ARRAYS.values() for name in arrays}
        return Song(**_scalars(self._file, index), **empty)

    def blocks(self, columns: Sequence[str], *, block: int = BLOCK) -> Iterator[dict[str, Column]]:
        """Yield columns, some rows at a time, in order.

        Parameters
        ----------
        columns : names out of `COLUMNS`
        block : rows

        Yields
        ------
        name to its values: texts as a list, numbers as the file has them, -1 and NaN included; shape (n,), n <= block

        Raises
        ------
        UnknownNameError
            If there is no such column.
        """
        for column in columns:
            if column not in _GROUP_OF:
                raise UnknownNameError("column", column, _GROUP_OF)
        chosen = {g: [c for c in columns if _GROUP_OF[c] == g] for g in COLUMNS}
        tables = {group: _checked(self._file, group, names) for group, names in chosen.items() if names}
        for start in range(0, self._n, block):
            found: dict[str, Column] = {}
            for group, table in tables.items():
                rows = table.fields(chosen[group])[start : start + block]
                found |= {
                    name: _texts(rows[name]) if rows[name].dtype.kind == "S" else rows[name]
                    for name in rows.dtype.names
                }
            yield {name: found[name] for name in columns}

    def find(self, column: str, values: Iterable[str | int]) -> dict[str | int, int]:
        """Find the rows of songs by one column, such as "track_id", "song_id" or "track_7digitalid".

        Parameters
        ----------
        column : out of `COLUMNS`
        values : to look for

        Returns
        -------
        value to the index of the first song that has it; those that no song has are left out
        """
        wanted, found, start = set(values), dict[str | int, int](), 0
        for part in self.blocks([column]):
            listed = part[column] if isinstance(part[column], list) else part[column].tolist()  # type: ignore[union-attr]
            for i, value in enumerate(listed):
                if value in wanted:
                    found[value] = start + i
                    wanted.discard(value)
            if not wanted:
                break
            start += len(listed)
        return found


def _table(file: h5py.File, group: str) -> h5py.Dataset:
    table = file.get(f"{group}/songs")
    if not isinstance(table, h5py.Dataset) or table.dtype.names is None or table.ndim != 1:
        raise InputError(f"no table {group}/songs", hint="is it a file of the Million Song Dataset?")
    return table


def _checked(file: h5py.File, group: str, columns: Iterable[str]) -> h5py.Dataset:
    table = _table(file, group)
    missing = [column for column in columns if column not in table.dtype.names]
    if missing:
        raise InputError(f"the table {group}/songs has no column {', '.join(map(repr, missing))}")
    return table


def _scalars(file: h5py.File, index: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for group, columns in COLUMNS.items():
        table = _checked(file, group, columns)
        if not 0 <= index < len(table):
            raise InputError(f"there is no song {index} among {len(table)} of {group}/songs")
        row = table[index]
        values |= {column: _value(column, row[column]) for column in columns}
    return values


def _value(column: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    plain = value.item()
    if isinstance(plain, float):
        return None if np.isnan(plain) else plain
    return None if plain == _UNKNOWN.get(column) else plain


def _slice(file: h5py.File, table: h5py.Dataset, index: int, group: str, name: str, column: str) -> Any:
    array = file.get(f"{group}/{name}")
    if not isinstance(array, h5py.Dataset):
        raise InputError(f"no array {group}/{name}")
    if column not in table.dtype.names:
        raise InputError(f"the table {group}/songs has no column {column!r}")
    start = int(table[index][column])
    end = int(table[index + 1][column]) if index + 1 < len(table) else len(array)
    if not 0 <= start <= end <= len(array):
        raise InputError(f"song {index} stands at {start} to {end} of {len(array)} values in {group}/{name}")
    values = array[start:end]
    return tuple(_texts(values)) if values.dtype.kind == "S" else values


def _empty(name: str) -> Any:
    if name in ("artist_terms", "similar_artists", "artist_mbtags"):
        return ()
    if name in ("segments_pitches", "segments_timbre"):
        return np.empty((0, 12))
    return np.empty(0, np.int32 if name == "artist_mbtags_count" else np.float64)


def _texts(values: NDArray[Any]) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values.tolist()]
