"""Stored predictions of other software: one file of scores, one of what is true, and perhaps the names of the tags.

A file is .npy (an array) or .csv, .tsv, either of them gzipped: a line per track, a column per tag. Columns before the
numbers name the track. A first line without numbers names the tags.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.metrics.checks import as_targets
from earmark.predictions import Predictions
from earmark.vocabulary import from_tags, get_vocabulary


@dataclass(frozen=True)
class Matrix:
    """What a file holds.

    Parameters
    ----------
    values : shape (n, K)
    ids : of the rows; empty if the file does not name them
    tags : of the columns; empty if the file does not name them
    """

    values: NDArray[Any]
    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def read_stored(
    scores: Path, targets: Path, *, tags: str | Path | None = None, name: str = "", part: str = "test"
) -> Predictions:
    """Read a pair of files.

    Parameters
    ----------
    scores, targets : of the same tracks and tags; rows are matched by the names of the tracks where both have them,
        columns by those of the tags
    tags : a file with a tag per line or a JSON list, or the name of a published vocabulary, such as "mtt"
    name : of what made the scores; the name of the file unless given
    part : where the tracks come from

    Raises
    ------
    InputError
        If a file cannot be read, or the two do not fit each other.
    """
    said, true = read_matrix(scores), read_matrix(targets)
    if said.values.shape != true.values.shape:
        raise InputError(
            f"{scores} has shape {said.values.shape} and {targets} {true.values.shape}, expected the same",
            hint="a row per track and a column per tag in both; is one of them of another part?",
        )
    said = _in_order_of(said, true, scores, targets)
    names = read_tags(tags) if tags is not None else true.tags or said.tags
    n, k = true.values.shape
    if names and len(names) != k:
        raise InputError(f"there are {len(names)} names for {k} tags in {targets}", hint="--tags takes a tag per line")
    try:
        answers = as_targets(true.values)
    except InputError as error:
        raise InputError(f"{targets}: {error.message}", hint=error.hint) from error
    if not np.isfinite(said.values).all():
        row, column = np.argwhere(~np.isfinite(said.values))[0]
        n_wrong = int(np.count_nonzero(~np.isfinite(said.values)))
        raise InputError(
            f"{scores}: {n_wrong} scores are NaN or infinite, the first in row {row + 1}, column {column + 1}",
            hint="leave out tracks that could not be scored, in both files",
        )
    vocabulary = from_tags("stored", names or tuple(f"tag {i + 1}" for i in range(k)))
    return Predictions(
        targets=answers,
        scores=said.values.astype(np.float32),
        ids=true.ids or said.ids or tuple(f"row {i + 1}" for i in range(n)),
        tags=vocabulary.tags,
        categories=vocabulary.categories if names else (),
        model=name or _stem(scores),
        part=part,
        protocol=f"stored scores of {scores.name}",
    )


def read_tags(source: str | Path) -> tuple[str, ...]:
    """Read names of tags: a file with one per line or a JSON list of them, or the name of a published vocabulary."""
    path = Path(source)
    if not path.exists():
        try:
            return get_vocabulary(str(source)).tags
        except UnknownNameError as error:
            raise InputError(f"{source}: is neither a file nor a vocabulary", hint=error.hint) from error
    text = _text(path)
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError as error:
            raise InputError(f"{path}: is no JSON list: {error}") from error
    else:
        listed = [line.strip() for line in text.splitlines() if line.strip()]
    if not all(isinstance(name, str) for name in listed):
        raise InputError(f"{path}: expected names of tags", hint="one per line, or a JSON list of texts")
    return tuple(listed)


def read_matrix(path: Path) -> Matrix:
    """Read a file of numbers.

    Raises
    ------
    UsageError
        If its suffix is none of those that are known.
    InputError
        If it cannot be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    if kind == ".npy":
        return Matrix(_array(path))
    if kind in (".csv", ".tsv"):
        return _table(path, "\t" if kind == ".tsv" else ",")
    raise UsageError(f"{path}: stored predictions cannot be read from {kind!r}", hint=".npy, .csv, .tsv, or these .gz")


def _array(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: holds no array: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not values.size or values.dtype.kind not in "biuf":
        shape = getattr(values, "shape", "several arrays")
        raise InputError(f"{path}: holds {shape}, expected numbers of shape (n_tracks, n_tags)")
    return values


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8: {error.reason}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _table(path: Path, delimiter: str) -> Matrix:
    try:
        rows = [row for row in csv.reader(_text(path).splitlines(), delimiter=delimiter) if row]
    except csv.Error as error:
        raise InputError(f"{path}: is no table: {error}") from error
    if not rows:
        raise InputError(f"{path}: is empty")
    width = len(rows[-1])
    n_names = next((i for i, cell in enumerate(rows[-1]) if _is_number(cell)), width)
    if n_names == width:
        raise InputError(f"{path}: line {len(rows)} has no numbers, expected a score or 0 or 1 per tag")
    header = not any(map(_is_number, rows[0][n_names:]))
    body = rows[1:] if header else rows
    values = np.empty((len(body), width - n_names))
    for i, row in enumerate(body):
        if len(row) != width:
            raise InputError(f"{path}: line {i + 1 + header} has {len(row)} columns, the last one {width}")
        try:
            values[i] = [float(cell) for cell in row[n_names:]]
        except ValueError as error:
            raise InputError(f"{path}: line {i + 1 + header}: {error}") from error
    ids = tuple(_id(row[n_names - 1]) for row in body) if n_names else ()
    return Matrix(values, ids, tuple(rows[0][n_names:]) if header else ())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _id(cell: str) -> str:
    r"""Take the number of the line off, which some lists put before a path: "12\tfolder/a.mp3"."""
    number, tab, rest = cell.partition("\t")
    return rest if tab and number.isdigit() else cell


def _in_order_of(said: Matrix, true: Matrix, scores: Path, targets: Path) -> Matrix:
    values = said.values
    for axis, (ours, theirs, what) in enumerate(((said.ids, true.ids, "track"), (said.tags, true.tags, "tag"))):
        if ours and theirs and ours != theirs:
            values = np.take(values, _order(ours, theirs, f"{scores} and {targets}", what), axis=axis)
    return Matrix(values, true.ids or said.ids, true.tags or said.tags)


def _order(ours: Sequence[str], theirs: Sequence[str], files: str, what: str) -> list[int]:
    place = {name: i for i, name in enumerate(ours)}
    strange = next((name for name in theirs if name not in place), None)
    if strange is not None or len(place) != len(ours) or len(set(theirs)) != len(theirs):
        why = (
            f"{what} {strange!r} stands in one of them only" if strange is not None else f"a {what} stands there twice"
        )
        raise InputError(f"{files}: the rows or columns do not fit: {why}")
    return [place[name] for name in theirs]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
