"""Last.fm tags of the Million Song Dataset, from the SQLite file or from the JSON archives, read as a stream.

Both hold the same: track id to (tag, weight) pairs, weights from 0 to 100, the heaviest first. `lastfm_tags.db` has the
tables `tids(tid)`, `tags(tag)` and `tid_tag(tid, tag, val)`, the last one with the row numbers of the others. The
archives `lastfm_train.zip` and `lastfm_test.zip` (and `lastfm_subset.zip`) have one JSON file per track,
`lastfm_train/A/B/C/TRABC....json`; they also know tracks without tags, and are read zipped or unpacked.

Tags are stripped; empty ones are left out; of one that stands there twice the heaviest counts.
"""

import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from earmark.datasets.reading import naming
from earmark.errors import InputError

Tags = tuple[tuple[str, float], ...]
ARCHIVES = ("lastfm_train", "lastfm_test", "lastfm_subset")


class TaggedTrack(NamedTuple):
    """The tags of one track; artist and title are empty in the SQLite file."""

    track: str
    tags: Tags
    artist: str = ""
    title: str = ""


def stream_tags(path: Path) -> Iterator[TaggedTrack]:
    """Yield the tracks of `lastfm_tags.db`, of a zipped JSON archive, or of the folder of an unpacked one.

    Raises
    ------
    InputError
        If the file is damaged or something else.
    """
    if path.is_dir():
        yield from stream_folder(path)
    elif path.suffix == ".zip":
        with naming(path), path.open("rb") as file:
            yield from read_archive(file)
    else:
        yield from stream_database(path)


def stream_database(path: Path) -> Iterator[TaggedTrack]:
    """Yield the tracks of the SQLite file that have tags, in the order of its table of tracks."""
    with _open_database(path) as connection:
        tracks = dict(connection.execute("SELECT ROWID, tid FROM tids"))
        names = dict(connection.execute("SELECT ROWID, tag FROM tags"))
        rows = connection.execute("SELECT tid, tag, val FROM tid_tag ORDER BY tid, ROWID")
        for number, group in groupby(rows, key=itemgetter(0)):
            pairs = [(names.get(tag), weight) for _, tag, weight in group]
            track = tracks.get(number)
            if not isinstance(track, str) or any(tag is None for tag, _ in pairs):
                raise InputError(f"{path}: tid_tag names row {number} of tids, or one of tags, that is not there")
            yield TaggedTrack(track, clean_tags(pairs, f"{path}: {track}"))


def tags_in_database(path: Path, track: str) -> Tags:
    """Look up the tags of one track in the SQLite file; none for a track that it does not know."""
    query = (
        "SELECT tags.tag, tid_tag.val FROM tids JOIN tid_tag ON tid_tag.tid = tids.ROWID"
        " JOIN tags ON tags.ROWID = tid_tag.tag WHERE tids.tid = ? ORDER BY tid_tag.ROWID"
    )
    with _open_database(path) as connection:
        return clean_tags(connection.execute(query, (track,)), f"{path}: {track}")


def stream_folder(root: Path) -> Iterator[TaggedTrack]:
    """Yield the tracks of an unpacked JSON archive, in the order of their ids."""
    for path in sorted(root.rglob("*.json")):
        with naming(path):
            yield parse_json(path.read_bytes())


def read_archive(file: BinaryIO) -> Iterator[TaggedTrack]:
    """Yield the tracks of a zipped JSON archive, in the order of its members."""
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".json") and not member.filename.startswith("__MACOSX"):
                    content = archive.read(member)
                    with naming(Path(member.filename)):
                        yield parse_json(content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"no zip archive, or a damaged one: {error}", hint="get it again") from error


def parse_json(content: bytes) -> TaggedTrack:
    """Read the JSON of one track."""
    try:
        entry = json.loads(content)
        track, pairs = entry["track_id"], [(tag, weight) for tag, weight in entry["tags"]]
        artist, title = str(entry.get("artist") or ""), str(entry.get("title") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"no JSON of a track with its tags: {type(error).__name__} {error}") from error
    if not isinstance(track, str) or not track:
        raise InputError(f"track_id is {track!r}, expected a text")
    return TaggedTrack(track, clean_tags(pairs, track), artist, title)


def clean_tags(pairs: Iterable[tuple[Any, Any]], where: str) -> Tags:
    """Strip tags, leave out empty ones, keep each once with its largest weight, the heaviest first.

    Examples
    --------
    >>> clean_tags([("rock", "40"), (" pop ", "100"), ("pop", 3), ("", 7)], "a track")
    (('pop', 100.0), ('rock', 40.0))
    """
    found: dict[str, float] = {}
    for tag, value in pairs:
        try:
            weight = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{where}: the weight of tag {tag!r} is {value!r:.80}, expected a number") from error
        if not 0 <= weight <= 100:
            raise InputError(f"{where}: the weight of tag {tag!r} is {value!r}, expected 0 to 100")
        name = str(tag).strip()
        if name and found.get(name, -1.0) < weight:
            found[name] = weight
    return tuple(sorted(found.items(), key=itemgetter(1), reverse=True))


@contextmanager
def _open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the SQLite file for reading only."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)) as opened:
            opened.text_factory = lambda raw: raw.decode("utf-8", "replace")
            yield opened
    except sqlite3.Error as error:
        message = f"{path}: no SQLite file with Last.fm tags, or a damaged one: {error}"
        raise InputError(message, hint="it has the tables tids, tags and tid_tag; get it again") from error
