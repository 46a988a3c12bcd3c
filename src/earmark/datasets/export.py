"""Write a dataset as a table or as JAMS files, for other programs and for `open_dataset("table" or "jams", ...)`.

What is read back has the same ids, tags and weights, names, groups, segments, durations, and audio; the split that was
written is its split "published". Tags are those of the tracks, also where the vocabulary is shorter. Paths are relative
to the table or the folder if the audio lies below it, else absolute. Nothing appears under the target's name before all
of it is written. JAMS wants the length of the file: where the dataset does not say it, the file is asked.
"""

import csv
import json
import os
import shutil
import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

from earmark._version import __version__
from earmark.audio.io import probe
from earmark.datasets.base import GROUPS, Dataset, Track
from earmark.datasets.cells import join_cell
from earmark.datasets.jams import SUFFIXES as JAMS
from earmark.datasets.jams import to_jams
from earmark.datasets.own import groups_of
from earmark.errors import EarmarkError, InputError, MissingExtraError, UsageError
from earmark.files import disk_errors, replacing
from earmark.parallel import cpu_count, map_ordered

Form = Literal["table", "jams"]
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLES = (*DELIMITERS, ".parquet")
NUMBERS = ("duration", "start", "end", "origin_start", "origin_end")
ALWAYS = ("id", "path", "tags")
LONGEST_NAME = 120  # characters


def export(
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    form: Form = "table",
    split: str | None = None,
    force: bool = False,
) -> Path:
    """Write the tracks of a dataset.

    Parameters
    ----------
    dataset : to write
    path : of a table that ends in .csv, .tsv or .parquet; or of the folder that JAMS files go into
    form : "table", or "jams", one file per track
    split : whose parts are written too; none unless given
    force : replace a table that is there, or a folder that holds nothing but JAMS files

    Returns
    -------
    the path

    Raises
    ------
    UsageError
        If the form or the suffix is another, or something is there already.
    UnknownNameError
        If the dataset has no such split.
    MissingExtraError
        If Parquet is asked for, and pyarrow is not installed.
    InputError
        If the target cannot be written.
    """
    if form not in get_args(Form):
        raise UsageError(f"form {form!r}", hint=f"one of {', '.join(get_args(Form))}")
    target = Path(path)
    part_of = {} if split is None else dataset.split(split).part_of()
    if form == "jams":
        _write_jams(target, dataset, part_of, force=force)
    else:
        _write_table(target, dataset, part_of, force=force)
    return target


def table_rows(tracks: Sequence[Track], part_of: Mapping[str, str], folder: Path) -> list[dict[str, Any]]:
    """Return a row per track, as `earmark.datasets.table` reads them.

    Parameters
    ----------
    tracks : to describe
    part_of : id to part
    folder : that the table goes into

    Returns
    -------
    the cells by the names of their columns; columns in which nothing stands are left out
    """
    keys = any(dict(track.groups) != dict(_derived(track, folder)) for track in tracks)
    rows = [_row(track, part_of.get(track.id, ""), folder, keys=keys) for track in tracks]
    kept = [
        name
        for name in (rows[0] if rows else ())
        if name in ALWAYS or any(row[name] not in ("", None, []) for row in rows)
    ]
    if keys and not any(name.endswith("_group") for name in kept):
        kept.append("track_group")  # empty: says that there are no groups
    return [{name: row[name] for name in kept} for row in rows]


def _write_table(target: Path, dataset: Dataset, part_of: Mapping[str, str], *, force: bool) -> None:
    suffix = target.suffix.lower()
    if suffix not in TABLES:
        raise UsageError(
            f"{target}: cannot write {target.suffix or 'a file without suffix'}",
            hint=f"choose one of {' '.join(TABLES)}",
        )
    if os.path.lexists(target) and not force:
        raise UsageError(f"{target}: there is such a file already", hint="--force replaces it")
    rows = table_rows(dataset.tracks, part_of, target.parent)
    if suffix == ".parquet":
        _write_parquet(target, rows)
        return
    lines = [
        _line(row, DELIMITERS[suffix]) for row in (list(rows[0]) if rows else list(ALWAYS), *(_cells(r) for r in rows))
    ]
    with replacing(target) as file:
        file.write(_encoded("".join(lines), target))


def _cells(row: Mapping[str, Any]) -> list[str]:
    lists = {"tags": join_cell, "weights": lambda values: ";".join(map(repr, values))}
    return [lists[key](value) if key in lists else "" if value is None else str(value) for key, value in row.items()]


def _line(cells: Sequence[str], delimiter: str) -> str:
    """Write a line; the csv module leaves carriage returns bare, which then end it for those who read it."""
    file = StringIO(newline="")
    if any("\r" in cell for cell in cells):
        csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(cells)
    else:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return file.getvalue()


def _write_parquet(target: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("writing Parquet files", "parquet") from error
    types = dict.fromkeys(NUMBERS, pyarrow.float64())
    types |= {"tags": pyarrow.list_(pyarrow.string()), "weights": pyarrow.list_(pyarrow.float64())}
    names = list(rows[0]) if rows else list(ALWAYS)
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])
    try:
        table = pyarrow.Table.from_pylist(list(rows), schema)
    except UnicodeEncodeError as error:
        raise _no_unicode(target, error) from error
    with replacing(target) as file:
        pyarrow.parquet.write_table(table, file)


def _row(track: Track, part: str, folder: Path, *, keys: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": track.id,
        "path": _path(track, folder),
        "tags": list(track.tags),
        "weights": list(track.tag_weights),
        "split": part,
        "artist": track.artist,
        "album": track.album,
        "title": track.title,
        "duration": track.duration,
    }
    for name, interval in (("", track.segment), ("origin_", track.origin)):
        row[f"{name}start"], row[f"{name}end"] = interval or (None, None)
    return row | ({f"{group}_group": track.groups.get(group, "") for group in GROUPS} if keys else {})


def _derived(track: Track, folder: Path) -> Mapping[str, str]:
    """Return the groups that a table gives a track unless they are written."""
    return groups_of(track.artist, track.album, _path(track, folder) if track.segment else "")


def _path(track: Track, folder: Path) -> str:
    if track.audio is None:
        return ""
    audio, base = (Path(os.path.abspath(path)) for path in (track.audio, folder))  # noqa: PTH100 (keeps links)
    return audio.relative_to(base).as_posix() if audio.is_relative_to(base) else str(audio)


def _write_jams(target: Path, dataset: Dataset, part_of: Mapping[str, str], *, force: bool) -> None:
    """Write a new folder beside the target, then give it the target's name."""
    _check_folder(target, force=force)
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: cannot be written: there is no folder {target.parent}", hint="create it first")
    fresh = target.absolute().with_name(f".{uuid.uuid4().hex}.part")
    with disk_errors(target):
        try:
            fresh.mkdir()
            lengths = map_ordered(_length, dataset.tracks, jobs=cpu_count())
            names = _names(track.id for track in dataset.tracks)
            for track, name, length in zip(dataset.tracks, names, lengths, strict=True):
                content = to_jams(
                    track,
                    corpus=dataset.info.name,
                    audio=_path(track, target) or None,
                    length=length,
                    part=part_of.get(track.id),
                    version=__version__,
                )
                (fresh / name).write_text(json.dumps(content, indent=1), encoding="ascii")
            _put_in_place(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _length(track: Track) -> float | None:
    """Return how long the audio file of a track is, in seconds; None if nobody knows."""
    known = None if track.segment else track.duration
    if known is not None or track.audio is None or not os.path.isfile(track.audio):  # noqa: PTH113 (False for odd names)
        return known
    try:
        return probe(track.audio).duration
    except EarmarkError:
        return None


def _check_folder(target: Path, *, force: bool) -> None:
    """Refuse to write over anything but an empty folder, or with `force` one that holds nothing but JAMS files."""
    if not os.path.lexists(target):
        return
    if not target.is_dir() or target.is_symlink():
        raise UsageError(f"{target}: is no folder that JAMS files could go into", hint="name a new folder")
    with disk_errors(target):
        entries = list(target.iterdir())
    other = next((entry.name for entry in entries if entry.suffix.lower() not in JAMS or not entry.is_file()), None)
    if other is not None:
        raise UsageError(f"{target}: holds {other}, which is no JAMS file", hint="name a new folder")
    if entries and not force:
        raise UsageError(f"{target}: holds JAMS files already", hint="--force replaces them")


def _put_in_place(fresh: Path, target: Path) -> None:
    """Give a folder the name of another, whose content goes once that is done."""
    if not target.exists():
        fresh.rename(target)
        return
    old = fresh.with_name(f"{fresh.name}.old")
    target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        old.rename(target)
        raise
    with suppress(OSError):
        shutil.rmtree(old)


def _names(ids: Iterable[str]) -> list[str]:
    """Return a name of a file for each id: what every file system takes, each once however it treats case."""
    taken: set[str] = set()
    names = []
    for id in ids:
        stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in unicodedata.normalize("NFC", id))
        stem = stem[:LONGEST_NAME].strip(". ") or "_"
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        names.append(f"{name}{JAMS[0]}")
    return names


def _encoded(text: str, target: Path) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _no_unicode(target, error) from error


def _no_unicode(target: Path, error: UnicodeEncodeError) -> InputError:
    place = error.object[max(error.start - 40, 0) : error.end + 40]
    return InputError(
        f"{target}: {place!r} holds bytes that are no UTF-8, which a table cannot hold",
        hint="rename the file, or export as JAMS",
    )
