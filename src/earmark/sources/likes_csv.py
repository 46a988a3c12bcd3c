"""Likes out of a table, CSV or TSV: one's own, or what Exportify, TuneMyMusic, Soundiiz and the like export.

The first line names the columns, in any order and any case; spaces and signs make no difference. What is known by what:

artist     artist, artists, artist name, artist name(s), creator, performer, album artist
title      title, track name, song, song name, track title, track, name
album      album, album name, album title, release, release name
isrc       isrc
mbid       mbid, mb_recording_id, recording_mbid, musicbrainz recording id, musicbrainz_recordingid
weight     weight, plays, playcount, play count, count, listen count, scrobbles: above 0; 1 unless given
url        url, link, permalink, track url
id         id, track id, spotify id, track uri, uri
duration   duration, length: seconds, or as 3:25; duration (ms), track duration (ms), duration ms, length ms
tags       tags: separated by ";"; genres, genre: by ";", "," or "|"
weights    weights: one per tag, separated by ";", as `earmark datasets fetch-tags` writes them

There has to be a column of titles, ISRCs or MusicBrainz identifiers. Tables may be UTF-8, UTF-16 or, else, the Western
code page of Windows; cells are separated by commas, semicolons or tabs.
"""

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import InputError
from earmark.sources.answers import as_isrc, as_mbid, as_number, as_text, as_url, tag_weights, united
from earmark.sources.likes import Like, Likes

SERVICE = "csv"
DELIMITERS = ",;\t"
MOST_BYTES = 1 << 28
NAMES: Mapping[str, tuple[str, ...]] = {
    "artist": ("artist", "artistname", "artists", "artistnames", "creator", "performer", "albumartist"),
    "title": ("title", "trackname", "song", "songname", "tracktitle", "songtitle", "recordingname", "track", "name"),
    "album": ("album", "albumname", "albumtitle", "release", "releasename"),
    "isrc": ("isrc",),
    "mbid": ("mbid", "mbrecordingid", "recordingmbid", "musicbrainzrecordingid", "mbrecording"),
    "weight": ("weight", "plays", "playcount", "count", "listencount", "listens", "scrobbles"),
    "url": ("url", "link", "permalink", "permalinkurl", "trackurl"),
    "id": ("id", "trackid", "spotifyid", "trackuri", "spotifyuri", "uri"),
    "duration": ("duration", "length", "durationseconds", "durations"),
    "milliseconds": ("durationms", "trackdurationms", "lengthms"),
    "tags": ("tags",),
    "genres": ("genres", "genre"),
    "weights": ("weights", "tagweights"),
    "path": ("path",),
}
"""What a column holds, and what it may be called: small letters and digits only, the surest name first."""
_SEP_LINE = re.compile(r"sep=([,;\t|])(?:[\r\n]|$)", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{2}(?:\.\d+)?)")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class Cells:
    """A table as it stands in a file.

    Parameters
    ----------
    header : names of the columns, as they are written
    rows : cells in the order of the header; a row may have fewer, or more, where it is damaged
    places : what a column holds (see `NAMES`) to where it stands
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    places: Mapping[str, int]

    def cell(self, row: Sequence[str], name: str) -> str:
        """Return a cell by what its column holds; empty where there is none."""
        place = self.places.get(name)
        return as_text(row[place]) if place is not None and place < len(row) else ""


def read_likes(path: str | os.PathLike[str]) -> Likes:
    """Read likes out of a table.

    Parameters
    ----------
    path : of a CSV or TSV; see the top of this page for its columns

    Returns
    -------
    the likes, those of the largest weight first where there are weights, else in the order of the table. A recording
    that stands there several times is one like, its weights added up. Rows that name no track, whose weight is no
    number above 0, or that have more cells than the header are counted as unusable

    Raises
    ------
    InputError
        If the file cannot be read, is no such table, or has no header.
    """
    table = read_cells(Path(path))
    likes: list[Like] = []
    n_unusable = 0
    for row in table.rows:
        like = _like(table, row)
        likes += [like] if like else []
        n_unusable += like is None
    found = united(likes)
    if "weight" in table.places:
        found.sort(key=lambda like: -like.weight)
    return Likes(Path(path).stem, SERVICE, tuple(found), n_unusable=n_unusable)


def read_cells(path: Path) -> Cells:
    """Read a table of tracks, whatever its encoding and its delimiter, and find out what its columns hold.

    Raises
    ------
    InputError
        See `read_likes`.
    """
    text = io.StringIO(_decoded(path), newline=None).read()  # whatever lines end with
    marked = _SEP_LINE.match(text)  # of Excel
    lines = text[marked.end() :] if marked else text
    first = next((line for line in io.StringIO(lines) if line.strip()), "")
    delimiter = marked[1] if marked else max(DELIMITERS, key=lambda sign: _quality(first, sign))
    try:
        rows = list(_rows(lines, delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: is no table of text: {error}") from error
    if not rows:
        raise InputError(f"{path}: the table is empty")
    header = tuple(as_text(name) for name in rows[0])
    places = columns_of(header)
    if not {"title", "isrc", "mbid"} & places.keys():
        shown = ", ".join(map(repr, header[:8])) + (", ..." if len(header) > 8 else "")
        raise InputError(
            f"{path}: no column of titles, ISRCs or MusicBrainz identifiers; the first line is {shown}",
            hint="the first line has to name the columns, such as artist,title,album,isrc,mbid,plays",
        )
    return Cells(header, tuple(rows[1:]), places)


def columns_of(header: Sequence[str]) -> dict[str, int]:
    """Find out what the columns of a table hold.

    Examples
    --------
    >>> columns_of(["Track Name", "Artist Name(s)", "ISRC", "Added At"])
    {'artist': 1, 'title': 0, 'isrc': 2}
    """
    plain = [re.sub(r"[\W_]", "", name).casefold() for name in header]
    found = {}
    for what, names in NAMES.items():
        place = next((plain.index(name) for name in names if name in plain), None)
        if place is not None:
            found[what] = place
    return found


def _decoded(path: Path) -> str:
    """Return the text of a file, in whatever encoding it is."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, which no table of likes is")
        content = path.read_bytes()
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(f"{path}: is a workbook, no table of text", hint="save it as CSV (UTF-8) first")
    for encoding in _encodings(content):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: is no table of text", hint="save it as CSV (UTF-8) first")


def _encodings(content: bytes) -> tuple[str, ...]:
    """Return the encodings that a text may be in, the likeliest first."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if b"\0" in content[:4]:  # no mark, and the first letters are those of a name
        return ("utf-16-be",) if content[:1] == b"\0" else ("utf-16-le",)
    return ("utf-8-sig", "cp1252", "latin-1")


def _quality(first: str, delimiter: str) -> tuple[int, int]:
    """Say how well a delimiter fits the header: how many columns are known, and how many there are."""
    header = next(csv.reader([first], delimiter=delimiter), [])
    return len(columns_of(header)), len(header)


def _rows(text: str, delimiter: str) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 24))
    for cells in csv.reader(io.StringIO(text), delimiter=delimiter):
        if any(cell.strip() for cell in cells):
            yield tuple(cells)


def _like(table: Cells, row: Sequence[str]) -> Like | None:
    title, isrc = table.cell(row, "title"), as_isrc(table.cell(row, "isrc"))
    mbid = as_mbid(table.cell(row, "mbid"))
    weight = _weight(table.cell(row, "weight"))
    if not (title or isrc or mbid) or weight is None or any(cell.strip() for cell in row[len(table.header) :]):
        return None
    milliseconds = _number(table.cell(row, "milliseconds"))
    return Like(
        table.cell(row, "artist"),
        title,
        album=table.cell(row, "album"),
        duration=_seconds(table.cell(row, "duration")) or (milliseconds / 1000 if milliseconds else None),
        isrc=isrc,
        mb_recording_id=mbid,
        tags=_tags(table, row),
        weight=weight,
        url=as_url(table.cell(row, "url")),
        source_id=table.cell(row, "id"),
    )


def _weight(cell: str) -> float | None:
    """Read a weight; 1 where there is none, None if it is no number above 0."""
    if not cell:
        return 1.0
    number = _number(cell)
    return number if number is not None and number > 0 else None


def _number(cell: str) -> float | None:
    r"""Read a number as people write it.

    Examples
    --------
    >>> _number("1,234"), _number("2,5"), _number("3.5"), _number("many")
    (1234.0, 2.5, 3.5, None)
    """
    plain = cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell.replace(",", ".", 1)
    return as_number(plain)


def _seconds(cell: str) -> float | None:
    """Read a duration, as seconds or as 3:25; None where there is none."""
    clock = _CLOCK.fullmatch(cell)
    if clock:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3]) or None
    number = _number(cell)
    return number if number is not None and number > 0 else None


def _tags(table: Cells, row: Sequence[str]) -> dict[str, float]:
    names = _listed(table.cell(row, "tags"), ";")
    weights = _listed(table.cell(row, "weights"), ";")
    if names and len(weights) == len(names):
        numbers = [as_number(weight) for weight in weights]
        top = max((number for number in numbers if number is not None), default=1.0)
        return tag_weights(zip(names, numbers, strict=True), most=1.0 if top <= 1 else max(top, 100.0))
    genres = re.split(r"[;,|]", table.cell(row, "genres"))
    return tag_weights((name, 1.0) for name in (*names, *genres))


def _listed(cell: str, separator: str) -> list[str]:
    """Return what a cell lists: a list of JSON, or entries with a separator between them."""
    if cell.startswith("[") and cell.endswith("]"):
        try:
            entries = json.loads(cell)
        except (ValueError, RecursionError):
            entries = None
        if isinstance(entries, list):
            return [as_text(entry) for entry in entries if as_text(entry)]
    return [entry for entry in map(as_text, cell.split(separator)) if entry]
