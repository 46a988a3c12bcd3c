"""Cells of tables of one's own: texts, lists, times, and back."""

import ast
import json
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from earmark.datasets.reading import number
from earmark.errors import InputError

_CLOCK = re.compile(r"(?:(?P<h>\d{1,9}):)?(?P<m>\d{1,9}):(?P<s>\d{1,9}(?:\.\d+)?)")


def text(cell: Any) -> str:
    """Return a cell as text; empty where there is nothing in it.

    Examples
    --------
    >>> text(None), text(float("nan")), text(3), text("rock")
    ('', '', '3', 'rock')
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(cell)


def split_cell(cell: Any, separator: str) -> list[str]:
    r"""Return what a cell lists, without spaces around it, empty entries left out.

    Parameters
    ----------
    cell : a list, the text of one as JSON or Python, or entries with the separator between them
    separator : empty if the cell is one entry

    Examples
    --------
    >>> split_cell("rock; hip hop;", ";"), split_cell('["a;b", "c"]', ";"), split_cell("['rock']", ";")
    (['rock', 'hip hop'], ['a;b', 'c'], ['rock'])
    """
    entries: Iterable[Any]
    if isinstance(cell, list | tuple):
        entries = cell
    else:
        whole = text(cell).strip()
        listed = _listed(whole)
        entries = listed if listed is not None else whole.split(separator) if separator else [whole]
    return [entry for entry in (text(entry).strip() for entry in entries) if entry]


def join_cell(entries: Sequence[str], separator: str = ";") -> str:
    """Write entries into a cell so that `split_cell` finds them again.

    Examples
    --------
    >>> join_cell(["rock", "hip hop"]), join_cell(["a;b", "c"])
    ('rock;hip hop', '["a;b", "c"]')
    """
    joined = separator.join(entries)
    return joined if split_cell(joined, separator) == list(entries) else json.dumps(list(entries), ensure_ascii=False)


def seconds(cell: str, what: str) -> float | None:
    """Read a length of time, as seconds or as 2:07 or 1:02:07; None where there is none, or it is zero.

    Raises
    ------
    InputError
        If it is something else, negative, or infinite.

    Examples
    --------
    >>> seconds("2:07", "length"), seconds("29.1", "length"), seconds("", "length")
    (127.0, 29.1, None)
    """
    clock = _CLOCK.fullmatch(cell.strip())
    if clock:
        return int(clock["h"] or 0) * 3600 + int(clock["m"]) * 60 + float(clock["s"]) or None
    value = number(cell, what)
    if value is not None and not 0 <= value < math.inf:
        raise InputError(f"{what} is {cell!r}, expected seconds")
    return value or None


def interval(start: str, end: str, length: float | None, what: str) -> tuple[float, float] | None:
    """Read where a piece starts and ends, in seconds; a missing end comes from the length.

    Raises
    ------
    InputError
        If it ends before it starts, or nowhere.
    """
    if not start.strip() and not end.strip():
        return None
    begin, stop = seconds(start, f"{what}: start") or 0.0, seconds(end, f"{what}: end")
    if stop is None and length is not None and not end.strip():
        stop = begin + length
    if stop is None or stop <= begin:
        raise InputError(f"{what}: starts at {begin:g} s and ends at {end.strip() or 'no time'}")
    return begin, stop


def _listed(whole: str) -> list[Any] | None:
    """Return the list that a text is, in JSON or as Python prints it; None if it is none."""
    if not (whole.startswith("[") and whole.endswith("]")):
        return None
    try:
        value = json.loads(whole)
    except (ValueError, RecursionError):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd backslashes
                value = ast.literal_eval(whole)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value) else None
