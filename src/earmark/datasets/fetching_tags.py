"""Fill a table of tracks with the tags that listeners give them: of the track, else of its album, else of its artist.

The table is read as `earmark.sources.likes_csv` reads tables: CSV or TSV, in any usual encoding, its columns under any
of their usual names. It needs titles and artists; albums help.

What is written is a table that `earmark.datasets.table` reads as it is. It has the columns of the table that was read,
those of artist, title and album under these names, and behind them

tags       separated by ";", the heaviest first
weights    one per tag, 0 to 100, as Last.fm gives them
tags_from  whose tags they are: track, album or artist; empty where none were found; failed where nothing was answered

A table with neither id nor path gets the column id, with the numbers of its rows. Paths that are relative lead from the
new table to where they led from the old one.

Beside the new table lies a journal while it is not finished, NAME.journal: a line per track that was asked about. The
same call goes on with it, and asks about none of them again.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from earmark.datasets.cells import join_cell
from earmark.datasets.journal import LineJournal, open_journal
from earmark.errors import InputError, SourceError, UnknownNameError, UsageError
from earmark.files import disk_errors, replacing
from earmark.sources.answers import Progress, tell
from earmark.sources.http import Api
from earmark.sources.lastfm import LEVELS, LastFm, Tags
from earmark.sources.likes_csv import Cells, read_cells

SOURCES = ("lastfm",)
SUFFIXES = {".csv": ",", ".tsv": "\t"}
ADDED = ("tags", "weights", "tags_from")
FAILED = "failed"
MOST_FAILURES = 5  # in a row: then it is no track's fault
KEPT = ("artist", "title", "album", "id", "path")  # columns that are written under these names
IDS = ("id", "track_id", "track id")  # what a column of ids is called; numbers of other services need not be unique
_HEADER = {"earmark": "fetched tags", "source": "lastfm"}
_REFUSED = ("not a journal of tags", "remove it, or write to another table")
Key = tuple[str, str, str]


class Finder(Protocol):
    """Who knows tags."""

    def best_tags(self, artist: str, title: str, album: str = "") -> Tags:
        """See `earmark.sources.lastfm.LastFm.best_tags`."""
        ...


@dataclass(frozen=True)
class Fetched:
    """What came of it.

    Parameters
    ----------
    n_tracks : rows of the table
    n_asked : tracks that were asked about this time; a track that stands there twice is asked about once
    n_found : level to number of rows with tags of it
    n_not_found : rows without tags
    n_unnamed : those of them without an artist, which nobody can be asked about
    n_failed : rows of tracks that nothing was answered about
    failures : name of a track to why nothing was answered about it
    output : the new table
    """

    n_tracks: int
    n_asked: int
    n_found: Mapping[str, int]
    n_not_found: int
    n_unnamed: int
    n_failed: int
    failures: Mapping[str, str] = field(default_factory=dict)
    output: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {**vars(self), "n_found": dict(self.n_found), "failures": dict(self.failures)}


def fetch_tags(
    table: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    source: str = "lastfm",
    force: bool = False,
    api: Api | None = None,
    on_progress: Progress | None = None,
) -> Fetched:
    """Write a table of tracks with tags.

    Parameters
    ----------
    table : CSV or TSV with artists and titles
    output : .csv or .tsv
    source : who is asked; "lastfm" takes a key
    force : replace a finished table
    api : the way there; the service's own unless given
    on_progress : takes how many tracks are done, and of how many

    Returns
    -------
    the counts; where something failed, the table is written, and the same call asks about what failed

    Raises
    ------
    InputError
        If the table cannot be read, has no artists, or has a column called like one that is added.
    UsageError
        If `output` is there already, or there is no key, or none that is accepted.
    UnknownNameError
        If there is no such source.
    SourceError
        If nothing was answered about five tracks in a row.
    """
    if source not in SOURCES:
        raise UnknownNameError("source of tags", source, SOURCES)
    old, new = Path(table), Path(output)
    cells = _read(old)
    _check(old, new, cells, force)
    finder = LastFm(api=api, keep_tracks=False)
    journal_path = new.with_name(f"{new.name}.journal")
    with open_journal(journal_path, _HEADER, refused=_REFUSED) as lines:
        journal = _Answers(lines)
        failures, n_asked = _ask(cells, finder, journal, on_progress)
        _write(old, new, cells, journal, failures)
        found = _counted(cells, journal, failures, n_asked, new)
    if not failures:
        with disk_errors(journal_path):
            journal_path.unlink()
    return found


def _read(path: Path) -> Cells:
    cells = read_cells(path)
    places = dict(cells.places)
    if "id" in places and cells.header[places["id"]].casefold() not in IDS:
        del places["id"]
    return replace(cells, places=places)


def _check(old: Path, new: Path, cells: Cells, force: bool) -> None:
    """Find out what cannot work before anybody is asked."""
    if "artist" not in cells.places or "title" not in cells.places:
        lacking = "artists" if "artist" not in cells.places else "titles"
        shown = ", ".join(map(repr, cells.header[:8]))
        raise InputError(f"{old}: no column of {lacking}; it has {shown}", hint="it needs the columns artist and title")
    taken = [name for name in new_header(cells) if new_header(cells).count(name) > 1 or name in ADDED]
    if taken:
        raise InputError(
            f"{old}: the column {taken[0]!r} is in the way of one that is written", hint="rename it, or take it out"
        )
    if new.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{new}: {new.suffix or 'no suffix'}, expected {' or '.join(SUFFIXES)}")
    if not new.parent.is_dir():
        raise InputError(f"{new}: cannot be written: there is no folder {new.parent}", hint="create it first")
    if new.exists():
        if old.samefile(new):
            raise UsageError(f"{new}: is what would be read", hint="write to another file")
        if not force and not new.with_name(f"{new.name}.journal").exists():
            raise UsageError(f"{new}: there is such a file already", hint="--force replaces it")
    name = "id" if "id" in cells.places else "path"
    if name in cells.places:
        known: dict[str, int] = {}
        for place, row in enumerate(cells.rows, start=1):
            value = cells.cell(row, name)
            if not value or value in known:
                what = "is empty" if not value else f"{value!r} stands in row {known[value]} already"
                raise InputError(
                    f"{old}: row {place}: {name} {what}", hint=f"rename the column {name}: rows get numbers"
                )
            known[value] = place


def new_header(cells: Cells) -> list[str]:
    """Return the names of the columns that are taken over."""
    names = list(cells.header)
    for name in KEPT:
        if name in cells.places:
            names[cells.places[name]] = name
    return names


def _key(cells: Cells, row: Sequence[str]) -> Key:
    return (cells.cell(row, "artist"), cells.cell(row, "title"), cells.cell(row, "album"))


def _ask(cells: Cells, finder: Finder, journal: "_Answers", on_progress: Progress | None) -> tuple[dict[Key, str], int]:
    """Ask about every track that the journal does not know; return what failed, and how many were asked about."""
    keys = list(dict.fromkeys(_key(cells, row) for row in cells.rows))
    failures: dict[Key, str] = {}
    n_asked = n_in_a_row = 0
    for done, key in enumerate(keys, start=1):
        artist, title, album = key
        if key not in journal.known and artist:
            n_asked += 1
            try:
                journal.add(key, finder.best_tags(artist, title, album))
                n_in_a_row = 0
            except SourceError as error:
                failures[key] = error.message
                n_in_a_row += 1
                if n_in_a_row == MOST_FAILURES:
                    hint = "try again later: the same command goes on, and asks about no track again"
                    raise SourceError(error.message, hint=hint) from error
        tell(on_progress, done, len(keys))
    return failures, n_asked


def _write(old: Path, new: Path, cells: Cells, journal: "_Answers", failures: Mapping[Key, str]) -> None:
    header = new_header(cells)
    needs_id = not {"id", "path"} & cells.places.keys()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=SUFFIXES[new.suffix.lower()], lineterminator="\n")
    writer.writerow([*(["id"] if needs_id else []), *header, *ADDED])
    for number, row in enumerate(cells.rows, start=1):
        own = [row[i] if i < len(row) else "" for i in range(len(header))]
        if "path" in cells.places:
            own[cells.places["path"]] = _path(old, new, own[cells.places["path"]])
        key = _key(cells, row)
        tags = journal.known.get(key, Tags())
        weights = ";".join(f"{100 * weight:.4g}" for weight in tags.weights.values())
        level = FAILED if key in failures else tags.level
        writer.writerow([*([str(number)] if needs_id else []), *own, join_cell(list(tags.weights)), weights, level])
    with replacing(new) as file:
        file.write(text.getvalue().encode("utf-8", "replace"))


def _path(old: Path, new: Path, cell: str) -> str:
    """Return a path of the old table as the new one has to say it."""
    name = cell.strip()
    if not name or Path(name).is_absolute() or old.parent.resolve() == new.parent.resolve():
        return name
    return os.path.relpath(old.parent.resolve() / name, new.parent.resolve())


def _counted(cells: Cells, journal: "_Answers", failures: Mapping[Key, str], n_asked: int, new: Path) -> Fetched:
    keys = [_key(cells, row) for row in cells.rows]
    levels = Counter(journal.known[key].level if key in journal.known else FAILED * (key in failures) for key in keys)
    return Fetched(
        len(keys),
        n_asked,
        {level: levels[level] for level in LEVELS},
        levels[""],
        sum(not artist for artist, _, _ in keys),
        levels[FAILED],
        {" – ".join(key[:2]): reason for key, reason in failures.items()},
        os.fspath(new),
    )


class _Answers:
    """What was answered, kept line by line."""

    def __init__(self, lines: LineJournal) -> None:
        self._lines = lines
        self.known: dict[Key, Tags] = {}
        for entry in lines.entries:
            match entry:
                case {"track": [str(artist), str(title), str(album)], "level": str(level), "tags": dict(tags)} if (
                    level in ("", *LEVELS) and all(isinstance(weight, int | float) for weight in tags.values())
                ):
                    self.known[artist, title, album] = Tags(tags, level)  # type: ignore[arg-type]

    def add(self, key: Key, tags: Tags) -> None:
        """Keep an answer."""
        self._lines.add({"track": key, "level": tags.level, "tags": dict(tags.weights)})
        self.known[key] = tags
