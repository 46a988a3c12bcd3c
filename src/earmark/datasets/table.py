r"""A table of your own, CSV, TSV or Parquet: a row per track, or per piece of one, with its path and tags.

Columns, by the names that the options give them; only tags, and one of path and id, must be there:

path                   of the audio, relative to the table or absolute; empty where there is none
tags                   separated by ";", or a list as JSON or as Python prints it; a list in Parquet. Several columns
                       may hold tags: `tags="genre,instruments,mood"`
id                     unique; the path unless given, with the segment behind it where there is one
split                  train, validation (also valid, val, dev) or test; empty: in no part
artist, album, title
duration               seconds, or as 2:07
start, end             of the piece of the audio that is meant, seconds

What `earmark.datasets.export` writes besides is read under fixed names: weights (one per tag), origin_start and
origin_end, and artist_group, album_group and track_group, the keys of what must not be torn apart by a split. In a
table without such a column these come from the names of artist and album, and from the path of pieces.

The separator of cells is found in the header: tab, comma, semicolon or bar.

Splits
------
published  the column of parts, where there is one
artist     earmark's, if artists are known; "track" if not, but pieces of recordings; else "random"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from earmark.datasets.base import GROUPS, Dataset, DatasetInfo, Track
from earmark.datasets.cells import interval, seconds, split_cell, text
from earmark.datasets.own import (
    find_file,
    groups_of,
    naming,
    part_called,
    split_makers,
    tag_tuple,
    task_of,
    vocabulary_of,
)
from earmark.datasets.reading import csv_rows, group_keys, how_to_get, number, open_text, read_table
from earmark.errors import InputError, MissingExtraError

SUFFIXES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
DELIMITERS = "\t,;|"
INFO = DatasetInfo(
    name="table",
    title="A table of tracks",
    description="Audio of your own, listed in a table with its tags.",
    n_tracks=0,
    hours=None,
    licence="that of your files",
    home="",
    how_to_get="write a table with the columns path and tags",
    citation="none: the files are yours",
    options={
        "path": "column of the paths",
        "tags": "column of the tags, or several: genre,instruments,mood",
        "id": "column of the ids",
        "split": "column of the parts",
        "artist": "column of the artists",
        "album": "column of the albums",
        "title": "column of the titles",
        "duration": "column of the durations",
        "start": "column of the starts of pieces",
        "end": "column of the ends of pieces",
        "separator": "between the tags of a cell; empty: a cell is one tag",
        "audio_root": "folder that paths are relative to, itself relative to the table's; the table's unless given",
        "vocabulary": "all, or a number of the most frequent tags",
    },
    layout=(
        "tracks.csv     or .tsv or .parquet, or the only table of any name; the root may be the table itself",
        "**/*.mp3       audio of every kind, where the table says (may be absent)",
    ),
    no_download="the files are yours",
)


@dataclass(frozen=True)
class Columns:
    """The names of the columns.

    Parameters
    ----------
    tags : of one column, or of several with "," between them
    path, id, split, artist, album, title, duration, start, end : of one each; empty if none is meant
    """

    path: str = "path"
    tags: str = "tags"
    id: str = "id"
    split: str = "split"
    artist: str = "artist"
    album: str = "album"
    title: str = "title"
    duration: str = "duration"
    start: str = "start"
    end: str = "end"

    def tag_columns(self, header: Iterable[str]) -> list[str]:
        """Return the columns that hold tags; one whose name holds a comma may stand alone."""
        return [self.tags] if self.tags in header else [name.strip() for name in self.tags.split(",")]

    def missing(self, header: Sequence[str]) -> list[str]:
        """Return the columns that a table lacks: those of tags, of path or id, and every other that was named."""
        named = [name for own, name in vars(self).items() if name and own not in (name, "tags")]
        lacking = [name for name in (*self.tag_columns(header), *named) if name not in header]
        if self.path not in header and self.id not in header:
            lacking.insert(0, self.path)
        return list(dict.fromkeys(lacking))


def load(
    root: Path,
    *,
    path: str = "path",
    tags: str = "tags",
    id: str = "id",
    split: str = "split",
    artist: str = "artist",
    album: str = "album",
    title: str = "title",
    duration: str = "duration",
    start: str = "start",
    end: str = "end",
    separator: str = ";",
    audio_root: str | None = None,
    vocabulary: str | int = "all",
) -> Dataset:
    """Read a table of tracks.

    Parameters
    ----------
    root : the table, or the folder that it lies in
    path, tags, id, split, artist, album, title, duration, start, end, separator, audio_root, vocabulary : see
        `INFO.options`

    Raises
    ------
    InputError
        If there is no table, a column is missing, an id stands there twice, or a cell cannot be understood.
    MissingExtraError
        If the table is Parquet, and pyarrow is not installed.
    """
    table = find_table(root)
    options = {key: value for key, value in locals().items() if key not in ("root", "table")}
    columns = Columns(path, tags, id, split, artist, album, title, duration, start, end)
    folder = table.parent if audio_root is None else table.parent / audio_root
    with naming(INFO, table):
        if table.suffix.lower() == ".parquet":
            with table.open("rb") as binary:
                rows = read_parquet(binary)
        else:
            with open_text(table) as file:
                rows = read_rows(file, columns)
        if rows:
            _check_header(list(rows[0]), columns)
        tracks = [track_of(row, columns, separator, folder) for row in rows]
        part_of = dict(_parts(rows, tracks, split))
        _check_ids(tracks)
        learned = vocabulary_of(INFO.name, tracks, vocabulary)
    made = split_makers(
        tracks, part_of, description=f"column {split!r} of the table", otherwise="the table gives it no part"
    )
    return Dataset(
        INFO, table.parent, options, tuple(tracks), learned, task=task_of(tracks, learned), split_makers=made
    )


def find_table(root: Path) -> Path:
    """Return the table that a path means: itself, `tracks` in the folder, or the only one there.

    Raises
    ------
    InputError
        If there is none, or several and none is called tracks.
    """
    if root.is_file():
        return root
    hint = how_to_get(INFO, root)
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder or table", hint=hint)
    with naming(INFO, root):
        entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    tables = [entry for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    best = [table for table in tables if table.name.lower().startswith("tracks.")] or tables
    if len(best) == 1:
        return best[0]
    if best:
        names = ", ".join(table.name for table in best[:5])
        raise InputError(f"{root}: there is more than one table: {names}", hint="name the one that is meant")
    raise InputError(f"{root}: no table is there (.csv, .tsv, .parquet)", hint=hint)


def read_rows(file: TextIO, columns: Columns | None = None) -> list[dict[str, str]]:
    """Read CSV or TSV; which of the two, the header tells.

    Parameters
    ----------
    file : text; a byte-order mark is no part of it
    columns : what they are called

    Returns
    -------
    the cells of every row by the names of their columns
    """
    columns = columns or Columns()
    first = file.readline()
    return read_table(chain([first], file), delimiter=_delimiter(first, columns))


def read_parquet(file: BinaryIO) -> list[dict[str, Any]]:
    """Read Parquet; cells keep their types.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    InputError
        If the file is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet files", "parquet") from error
    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"no Parquet file that can be read: {error}") from error
    return rows


def track_of(row: Mapping[str, Any], columns: Columns, separator: str, folder: Path) -> Track:
    """Make a track of a row.

    Parameters
    ----------
    row : cells by the names of their columns
    columns : what they are called
    separator : between the tags of a cell
    folder : that the paths are relative to
    """
    cell = {own: text(row.get(name)) for own, name in vars(columns).items()}
    what = cell["id"] or cell["path"]
    segment = interval(cell["start"], cell["end"], seconds(cell["duration"], f"{what}: duration"), what)
    tags, weights = _tags(row, columns.tag_columns(row), separator, what)
    if not what:
        raise InputError("a row has neither id nor path")
    piece = "" if segment is None or cell["id"] else f"@{segment[0]:.10g}-{segment[1]:.10g}"
    groups = groups_of(cell["artist"], cell["album"], cell["path"] if segment else "")
    if any(f"{group}_group" in row for group in GROUPS):
        groups = group_keys(**{group: text(row.get(f"{group}_group")) for group in GROUPS})
    length = None if segment is None else segment[1] - segment[0]
    return Track(
        what + piece,
        find_file(folder, cell["path"]) if cell["path"] else None,
        tags,
        artist=cell["artist"],
        album=cell["album"],
        title=cell["title"],
        groups=groups,
        segment=segment,
        origin=interval(text(row.get("origin_start")), text(row.get("origin_end")), None, f"{what}: origin"),
        duration=seconds(cell["duration"], f"{what}: duration") or length,
        tag_weights=weights,
    )


def _tags(
    row: Mapping[str, Any], names: Sequence[str], separator: str, what: str
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the tags of a row, each once, and their weights; a tag that stands there twice keeps the first."""
    found = [tag for name in names for tag in split_cell(row[name], separator)]
    given = split_cell(row.get("weights"), ";")
    if not given:
        return tag_tuple(found), ()
    if len(given) != len(found):
        raise InputError(f"{what}: {len(given)} weights for {len(found)} tags")
    weights = [number(weight, f"{what}: a weight") or 0.0 for weight in given]
    pairs = dict(zip(reversed(found), reversed(weights), strict=True))
    tags = tag_tuple(found)
    return tags, tuple(pairs[tag] for tag in tags)


def _parts(rows: Sequence[Mapping[str, Any]], tracks: Sequence[Track], column: str) -> Iterator[tuple[str, str]]:
    for row, track in zip(rows, tracks, strict=True):
        name = text(row.get(column)).strip()
        part = part_called(name)
        if part is not None:
            yield track.id, part
        elif name:
            hint = "train, validation or test; empty for a track in no part; split=COLUMN names another column"
            raise InputError(f"{track.id}: {column} is {name!r}, which is no part", hint=hint)


def _check_ids(tracks: Iterable[Track]) -> None:
    places: dict[str, int] = {}
    for place, track in enumerate(tracks, start=1):
        if track.id in places:
            raise InputError(
                f"row {place}: id {track.id!r} stands in row {places[track.id]} already",
                hint="give every row an id of its own, or id=COLUMN if a column has them",
            )
        places[track.id] = place


def _check_header(header: Sequence[str], columns: Columns) -> None:
    missing = columns.missing(header)
    if missing:
        shown = ", ".join(map(repr, header[:12])) + (", ..." if len(header) > 12 else "")
        raise InputError(
            f"the table has no column {', '.join(map(repr, missing))}; it has {shown}",
            hint="say which they are: path=COLUMN tags=COLUMN,COLUMN, on the command line each behind --set",
        )


def _delimiter(first: str, columns: Columns) -> str:
    """Return what separates the cells of a header: what yields most of the columns asked for, then most cells."""

    def quality(delimiter: str) -> tuple[int, int]:
        _, cells = next(csv_rows([first], delimiter), (0, []))
        header = [cell.strip() for cell in cells]
        return -len(columns.missing(header)), len(header)

    return max(DELIMITERS, key=quality)
