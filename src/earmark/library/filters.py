"""Filters: a small language that says which tracks are meant.

    genre:jazz and not voice:female and bpm < 100 and duration > 2:00

`parse_filter` reads it, `to_sql` writes it as a condition for the catalogue, and `matches` applies it to one track in
memory; the two always agree. The language is described in ``docs/concepts/finding-music.md``.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from earmark.library.filter_nodes import (
    CODES,
    NUMBERS,
    And,
    Compare,
    Comparison,
    HasTag,
    KeyIn,
    Known,
    Node,
    Not,
    Or,
    Place,
    TextMatch,
)
from earmark.library.filter_parser import parse_filter
from earmark.library.filter_sql import Columns, resolve, to_sql
from earmark.library.filter_values import key_spellings
from earmark.library.folding import fold
from earmark.library.rows import LibraryTrack
from earmark.library.tag_index import TagColumn, TagIndex

__all__ = [
    "And", "Columns", "Compare", "HasTag", "KeyIn", "Known", "Node", "Not", "Or", "Place", "TagColumn", "TagIndex",
    "TextMatch", "matches", "parse_filter", "to_sql",
]  # fmt: skip

_COMPARE: Mapping[Comparison, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(node: Node, row: LibraryTrack, columns: Columns) -> bool:
    """Tell whether a track is meant.

    Parameters
    ----------
    node : as `parse_filter` returns it
    row : the track
    columns : of the catalogue that it is of

    Raises
    ------
    UnknownNameError
        If the catalogue has no such tag.
    """
    match node:
        case And(parts) | Or(parts):
            found = [matches(part, row, columns) for part in parts]  # all of them, for a misspelt tag is an error
            return all(found) if isinstance(node, And) else any(found)
        case Not(part):
            return not matches(part, row, columns)
        case Compare(name, sign, value):
            return _compares(_number(row, name), sign, value)
        case Known(name):
            return _number(row, name) is not None if name in NUMBERS else any(_texts(row, name))
        case TextMatch(name, pieces, whole):
            pattern = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
            return any((pattern.fullmatch if whole else pattern.search)(text) for text in _texts(row, name) or [""])
        case KeyIn(keys):
            return any(row.key in key_spellings(key) for key in keys)
        case HasTag():
            return _has_tag(node, row, columns)


def _compares(value: float | None, sign: Comparison, limit: float) -> bool:
    if value is None:
        return False
    if isinstance(limit, int):
        return bool(_COMPARE[sign](value, limit))
    return bool(_COMPARE[sign](np.float32(value), np.float32(limit)))


def _number(row: LibraryTrack, name: str) -> float | None:
    value: float | None = getattr(row, name)
    return None if value == 0 and NUMBERS[name].zero_is_unknown else value


def _texts(row: LibraryTrack, name: str) -> Sequence[str]:
    """Return the texts of a field, ready to be compared."""
    if name == "path":
        return [fold(file.path) for file in row.files]
    if name == "file_genre":
        return [folded for genre in row.genres if (folded := fold(genre))]
    value = getattr(row, name) or ""
    return [str(value).lower() if name in CODES else fold(value)]


def _has_tag(node: HasTag, row: LibraryTrack, columns: Columns) -> bool:
    tag, in_files = resolve(node, columns)
    if set(in_files) & set(_texts(row, "file_genre")):
        return True
    heard = None if tag is None else row.heard.get(tag.model)
    if tag is None or heard is None:
        return False
    return _compares(
        heard.scores.get(tag.tag), node.operator, float(tag.threshold if node.level is None else node.level)
    )
