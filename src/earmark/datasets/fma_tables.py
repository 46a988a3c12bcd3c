"""Parsers of FMA's tables: tracks and features with their several rows of header, the tree of genres, and tags.

`tracks.csv` has two rows of header, `features.csv` and `echonest.csv` three; behind them stands a row that holds only
the name of the first column, `track_id`. Lists stand there as text: "[21, 103]".
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.cells import seconds
from earmark.datasets.reading import csv_rows, number, read_table, whole_number
from earmark.errors import InputError

SUBSETS = ("small", "medium", "large", "full")
"""Every subset holds the ones before it."""
PARTS = {"training": "train", "validation": "validation", "test": "test"}
NEEDED = (("set", "split"), ("set", "subset"), ("track", "genre_top"), ("track", "genres"), ("track", "genres_all"))
WANTED = (
    ("track", "title"),
    ("track", "duration"),
    ("artist", "name"),
    ("artist", "id"),
    ("album", "title"),
    ("album", "id"),
)
TEXT = "metadata"
"""Second row of the header of those columns of `echonest.csv` that hold names and places."""


class Row(NamedTuple):
    """A row of `tracks.csv`; genres are ids of the tree, `genre_top` is a title or empty, `duration` is in seconds."""

    id: int
    title: str
    artist: str
    artist_id: str
    album: str
    album_id: str
    duration: float | None
    subset: str
    part: str
    genre_top: str
    genres: tuple[int, ...]
    genres_all: tuple[int, ...]


class Features(NamedTuple):
    """Numbers per track.

    Parameters
    ----------
    ids : of tracks, n
    columns : D names, the rows of the header joined by dots, such as "mfcc.mean.01"
    values : shape (n, D), NaN where a cell is empty
    """

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Genre:
    """A genre of the tree; `parent` is None for a root."""

    id: int
    title: str
    parent: int | None = None


@dataclass(frozen=True)
class GenreTree:
    """The genres, each below its parent.

    Parameters
    ----------
    genres : id to genre, in the published order

    Raises
    ------
    InputError
        If a parent is missing, or a genre is below itself.
    """

    genres: Mapping[int, Genre]

    def __post_init__(self) -> None:
        for genre in self.genres.values():
            seen = {genre.id}
            while genre.parent is not None:
                if genre.parent not in self.genres:
                    raise InputError(f"genre {genre.id} {genre.title!r} is below {genre.parent}, which is not there")
                genre = self.genres[genre.parent]
                if genre.id in seen:
                    raise InputError(f"genre {genre.id} {genre.title!r} is below itself")
                seen.add(genre.id)

    def __contains__(self, id: object) -> bool:
        return id in self.genres

    def __len__(self) -> int:
        return len(self.genres)

    @cached_property
    def names(self) -> dict[int, str]:
        """Id to title, with the id behind a title that occurs twice."""
        titles = [genre.title for genre in self.genres.values()]
        twice = {title for title in titles if titles.count(title) > 1}
        return {g.id: f"{g.title} ({g.id})" if g.title in twice else g.title for g in self.genres.values()}

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The genres that are below no other."""
        return tuple(genre.id for genre in self.genres.values() if genre.parent is None)

    def ancestors(self, id: int) -> tuple[int, ...]:
        """Return what a genre is below, the parent first, the root last."""
        above = []
        parent = self.genres[id].parent
        while parent is not None:
            above.append(parent)
            parent = self.genres[parent].parent
        return tuple(above)

    def root(self, id: int) -> int:
        """Return the root that a genre is below, or itself."""
        return (id, *self.ancestors(id))[-1]

    def depth(self, id: int) -> int:
        """Return how many genres a genre is below: 0 for a root."""
        return len(self.ancestors(id))

    def children(self, id: int) -> tuple[int, ...]:
        """Return the genres right below one."""
        return tuple(genre.id for genre in self.genres.values() if genre.parent == id)


def read_tracks(file: TextIO) -> list[Row]:
    """Read `tracks.csv`; of its 52 columns only those of `Row`."""
    columns, rows = _multi_header(file, 2)
    places = {column: place for place, column in enumerate(columns, start=1)}
    missing = [".".join(column) for column in NEEDED if column not in places]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}", hint="is it FMA's tracks.csv?")
    split, subset, top, genres, genres_all = (places[column] for column in NEEDED)
    title, duration, artist, artist_id, album, album_id = (places.get(column) for column in WANTED)
    found = []
    for line, id, cells in rows:

        def cell(place: int | None, cells: list[str] = cells) -> str:
            return "" if place is None else cells[place].strip()

        if cells[subset] not in SUBSETS:
            raise InputError(f"line {line}: subset is {cells[subset]!r}, expected one of {', '.join(SUBSETS)}")
        found.append(
            Row(
                id,
                cell(title),
                cell(artist),
                cell(artist_id),
                cell(album),
                cell(album_id),
                seconds(cell(duration), f"line {line}: duration"),
                cells[subset],
                PARTS.get(cells[split], ""),
                cell(top),
                _ids(cells[genres], line),
                _ids(cells[genres_all], line),
            )
        )
    return found


def read_genres(file: TextIO) -> GenreTree:
    """Read `genres.csv`: genre_id, parent (0 for a root), title."""
    genres: dict[int, Genre] = {}
    for row in read_table(file, columns=("genre_id", "parent", "title"), delimiter=",", key="genre_id"):
        id, parent = whole_number(row["genre_id"], "genre_id"), whole_number(row["parent"] or "0", "parent")
        genres[id] = Genre(id, row["title"].strip() or f"genre {id}", parent or None)
    return GenreTree(genres)


def read_features(file: TextIO) -> Features:
    """Read `features.csv`: 518 statistics of librosa's features for every track."""
    return _numbers(file)


def read_echonest(file: TextIO) -> Features:
    """Read the numbers of `echonest.csv`: audio, social and temporal features and ranks, without the metadata."""
    return _numbers(file, leave=TEXT)


def read_lastfm(file: TextIO) -> dict[int, dict[str, float]]:
    """Read a table of tags: track_id, tag, count (or weight), as CSV, separated by tabs, or JSON lines.

    Returns
    -------
    track to tag to weight, the heaviest first; of a tag that stands there twice the heavier
    """
    found: dict[int, dict[str, float]] = {}
    for what, row in _tag_rows(file):
        weight = number(str(row.get("count") or row.get("weight") or ""), f"{what}: count")
        tag = str(row.get("tag") or "").strip()
        if tag and weight is not None and weight > 0:
            tags = found.setdefault(whole_number(str(row.get("track_id") or ""), f"{what}: track_id"), {})
            tags[tag] = max(weight, tags.get(tag, 0.0))
    return {id: dict(sorted(tags.items(), key=lambda item: -item[1])) for id, tags in found.items()}


def _tag_rows(file: TextIO) -> Iterator[tuple[str, Mapping[str, object]]]:
    import json

    first = next((line for line in file if line.strip()), "")
    lines = chain([first], file)
    if first.lstrip().startswith("{"):
        for place, line in enumerate(lines, start=1):
            try:
                row = json.loads(line) if line.strip() else {}
            except json.JSONDecodeError as error:
                raise InputError(f"row {place} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise InputError(f"row {place} is no JSON object")
            yield f"row {place}", row
        return
    delimiter = "\t" if "\t" in first else ","
    for place, row in enumerate(read_table(lines, columns=("track_id", "tag"), delimiter=delimiter), start=1):
        if "count" not in row and "weight" not in row:
            raise InputError("the table has no column 'count'", hint="columns track_id, tag, count")
        yield f"row {place}", row


def _multi_header(file: TextIO, depth: int) -> tuple[list[tuple[str, ...]], Iterator[tuple[int, int, list[str]]]]:
    """Read several rows of header; return the columns but the first, and line number, id and cells of each row."""
    rows = csv_rows(file, ",")
    header = [cells for _, (_, cells) in zip(range(depth), rows, strict=False)]
    if len(header) < depth or len(set(map(len, header))) != 1:
        raise InputError(f"the table does not begin with {depth} rows of header", hint="get it again")
    columns = list(zip(*(cells[1:] for cells in header), strict=True))
    if len(set(columns)) != len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise InputError(f"two columns are called {'.'.join(twice)}")
    return columns, _body(rows, 1 + len(columns))


def _body(rows: Iterable[tuple[int, list[str]]], n_cells: int) -> Iterator[tuple[int, int, list[str]]]:
    lines: dict[int, int] = {}
    for line, cells in rows:
        if not lines and cells[0] == "track_id":
            continue
        if len(cells) != n_cells:
            raise InputError(f"line {line}: {len(cells)} cells, the header has {n_cells}", hint="get it again")
        id = whole_number(cells[0], f"line {line}: track_id")
        if id in lines:
            raise InputError(f"line {line}: track {id} stands in line {lines[id]} already")
        lines[id] = line
        yield line, id, cells


def _numbers(file: TextIO, *, leave: str = "") -> Features:
    columns, rows = _multi_header(file, 3)
    kept = [place for place, column in enumerate(columns, start=1) if column[1] != leave]
    names = tuple(".".join(columns[place - 1]) for place in kept)
    every = len(kept) == len(columns)
    ids: list[str] = []
    values = array("f")
    for line, id, cells in rows:
        chosen = cells[1:] if every else [cells[place] for place in kept]
        try:
            values.extend(map(float, chosen))
        except ValueError:  # an empty cell, or no number: the row again, slowly
            del values[len(ids) * len(kept) :]
            values.extend(_or_nan(cell, f"line {line}: {name}") for cell, name in zip(chosen, names, strict=True))
        ids.append(str(id))
    return Features(tuple(ids), names, np.frombuffer(values, np.float32).reshape(len(ids), len(kept)))


def _or_nan(cell: str, what: str) -> float:
    value = None if cell.strip().lower() == "nan" else number(cell, what)
    return math.nan if value is None else value


@lru_cache(maxsize=1 << 16)
def _listed(text: str) -> tuple[int, ...] | None:
    inner = text.strip()
    if not inner:
        return ()
    if not (inner.startswith("[") and inner.endswith("]")):
        return None
    cells = [cell.strip() for cell in inner[1:-1].split(",")] if inner[1:-1].strip() else []
    return tuple(int(cell) for cell in cells) if all(map(_is_id, cells)) else None


def _ids(text: str, line: int) -> tuple[int, ...]:
    """Read a list of ids that stands in a cell as text."""
    ids = _listed(text)
    if ids is None:
        raise InputError(f"line {line}: genres are {text!r}, expected a list such as '[21, 103]'")
    return ids


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
