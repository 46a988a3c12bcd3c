"""Read the text files that datasets are published in: tables, lists, JSON, plain or gzipped, wherever they come from.

Tables may begin with a byte-order mark, quote cells that hold the separator or line ends, and end their lines in any
way. What is missing or damaged is named, with the way to get it.
"""

import csv
import gzip
import io
import json
import math
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from earmark.datasets.base import DatasetInfo
from earmark.errors import InputError

LARGEST_CELL = 1 << 24  # characters; descriptions of tracks may be long
MOST_DIGITS = 18  # of a whole number


def locate(info: DatasetInfo, root: Path, *names: str) -> Path:
    """Return the first of several files of a dataset that exists, each plain or with ".gz" behind its name.

    Parameters
    ----------
    info : of the dataset
    root : its folder
    names : relative to the folder, the preferred one first

    Raises
    ------
    InputError
        If the folder does not exist, or holds none of them.
    """
    check_root(info, root)
    for name in names:
        for candidate in (root / name, root / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    what = names[0] if len(names) == 1 else f"none of {', '.join(names)}"
    verb = "is missing" if len(names) == 1 else "is there"
    raise InputError(f"{root}: {what} {verb}, {info.name} needs it", hint=how_to_get(info, root))


def check_root(info: DatasetInfo, root: Path) -> None:
    """Raise `InputError` unless the folder of a dataset exists."""
    if not root.is_dir():
        what = "is a file, not the folder" if root.exists() else "there is no such folder"
        raise InputError(f"{root}: {what} of {info.name}", hint=how_to_get(info, root))


def how_to_get(info: DatasetInfo, root: Path) -> str:
    """Say how the files of a dataset are to be had."""
    command = f"earmark datasets download {info.name} {root}, or " if info.remotes else ""
    return f"{command}{info.how_to_get} (earmark datasets info {info.name})"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file, UTF-8 with or without byte-order mark, plain or gzipped.

    Raises
    ------
    InputError
        If it cannot be read, is no UTF-8, or its compression is damaged; also when that shows only while reading.
    """
    with naming(path):
        try:
            with path.open("rb") as raw:
                binary = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
                with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
                    yield text
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise InputError(f"byte {byte:#04x} in it is no UTF-8", hint="is it the published file?") from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"the compressed file is damaged or cut off: {error}", hint="get it again") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file in front of what its parser, which does not know it, or the disk complains about."""
    try:
        yield
    except InputError as error:
        if error.message.startswith(str(path)):
            raise
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_table(
    file: Iterable[str], *, columns: Sequence[str] = (), delimiter: str = "\t", key: str | None = None
) -> list[dict[str, str]]:
    r"""Read a table with a header.

    Parameters
    ----------
    file : lines, with their ends
    columns : that it must have; it may have more, in any order
    delimiter : between cells
    key : column whose values must be there and unique

    Returns
    -------
    a dictionary per row, every cell as text; empty lines are skipped, cells that a short row lacks are empty

    Raises
    ------
    InputError
        If a column is missing or stands there twice, a row has more cells than the header, or a key is empty or
        stands there twice.

    Examples
    --------
    >>> read_table(['id\tname\n', '1\t"one\ttwo"\n'], key="id")
    [{'id': '1', 'name': 'one\ttwo'}]
    """
    rows = csv_rows(file, delimiter)
    _, header = next(rows, (0, None))
    if header is None:
        raise InputError("the table is empty", hint="get it again")
    header = [name.strip().removeprefix("\ufeff") for name in header]
    missing = [name for name in columns if name not in header]
    if missing:
        shown = ", ".join(map(repr, header[:8])) + (", ..." if len(header) > 8 else "")
        raise InputError(f"the table has no column {', '.join(map(repr, missing))}; it has {shown}")
    if len(set(header)) != len(header):
        raise InputError(f"two columns are called {next(n for n in header if header.count(n) > 1)!r}")
    found: list[dict[str, str]] = []
    lines: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) > len(header):
            raise InputError(f"line {line}: {len(cells)} cells, the header has {len(header)}")
        row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))
        if key is not None:
            value = row[key]
            if not value:
                raise InputError(f"line {line}: {key} is empty")
            if value in lines:
                raise InputError(f"line {line}: {key} {value!r} stands in line {lines[value]} already")
            lines[value] = line
        found.append(row)
    return found


def csv_rows(file: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row that is not empty."""
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    reader = csv.reader(file, delimiter=delimiter)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}") from error


def read_lines(file: Iterable[str]) -> list[str]:
    """Return the lines of a list, without their ends, empty ones left out."""
    return [line.strip() for line in file if line.strip()]


def read_json(file: TextIO) -> Any:
    """Read JSON.

    Raises
    ------
    InputError
        If it is none.
    """
    text = file.read()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # of a number of thousands of digits, of lists in lists
        raise InputError(f"no JSON: {error}", hint="get it again") from error


def number(text: str | None, what: str) -> float | None:
    """Read a number; None where there is none.

    Raises
    ------
    InputError
        If the text is something else, also NaN or infinity.
    """
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{what} is {text[:80]!r}, expected a number") from error
    if not math.isfinite(value):
        raise InputError(f"{what} is {text!r}, expected a number")
    return value


def whole_number(text: str, what: str) -> int:
    """Read a whole number from 0 on.

    Raises
    ------
    InputError
        If the text is something else.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS):
        raise InputError(f"{what} is {text[:80]!r}, expected a whole number")
    return int(digits)


def inside(path: str, what: str) -> str:
    """Return the path of a file, as a table has it, if it stays in the folder that it is relative to.

    Raises
    ------
    InputError
        If it is absolute, leads out of the folder, or is empty.
    """
    if leads_out(path):
        raise InputError(f"{what} is {path[:200]!r}, which leads out of the folder of the audio")
    return path


def leads_out(path: str) -> bool:
    """Tell whether a path is absolute, leads out of the folder that it is relative to, or is empty."""
    given = Path(path)
    return not given.parts or given.is_absolute() or bool(given.drive) or ".." in given.parts


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted, hidden entries left out; nothing if there is no such folder.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error


def group_keys(**keys: str | None) -> Mapping[str, str]:
    """Return the group keys that are known."""
    return {name: key for name, key in keys.items() if key}


def name_key(name: str) -> str:
    """Return the key of a name; upper and lower case make no difference, nor how accents are encoded.

    Examples
    --------
    >>> name_key("Bj\u00f6rk ") == name_key("BJO\u0308RK")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()
