"""From the tree of a filter to a condition in SQL, as LanceDB (DataFusion) takes it.

A text of the user comes into the SQL through `literal` only, names of columns through `identifier` only. Every leaf is
true or false, never null: what is not known does not match, and its "not" does.

Numbers are compared as 32-bit floats, whatever the column holds: so a score of 0.3, kept in 32 bits, is not below 0.3,
and `earmark.library.filters.matches` comes to the same answer.
"""

import math
import re
from collections.abc import Collection
from typing import Protocol

from earmark.errors import InputError, UnknownNameError
from earmark.library.filter_nodes import (
    CODES,
    LISTS,
    NUMBERS,
    TEXTS,
    And,
    Compare,
    HasTag,
    KeyIn,
    Known,
    Node,
    Not,
    Or,
    TextMatch,
)
from earmark.library.filter_values import key_spellings
from earmark.library.folding import LINE, fold
from earmark.library.tag_index import TagColumn, spellings

_COLUMN = re.compile(r"[a-z0-9_]+")
_LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class Columns(Protocol):
    """What a filter has to know of a catalogue; `earmark.library.tag_index.TagIndex` is one."""

    def tag_column(self, tag: str, category: str | None = None) -> TagColumn:
        """Look up a tag; raise `UnknownNameError` if there is none."""

    def file_genres(self) -> Collection[str]:
        """Return the folded genres that stand in the files."""

    def unknown(self, name: str, category: str | None = None, *, also: Collection[str] = ()) -> UnknownNameError:
        """Return the error for a name that is no tag."""


def to_sql(node: Node, columns: Columns) -> str:
    """Write a filter as a condition in SQL.

    Parameters
    ----------
    node : as `parse_filter` returns it
    columns : of the catalogue

    Raises
    ------
    UnknownNameError
        If the catalogue has no such tag; the message points into the filter.
    """
    match node:
        case And(parts) | Or(parts):
            word = " and " if isinstance(node, And) else " or "
            return "(" + word.join(to_sql(part, columns) for part in parts) + ")"
        case Not(part):
            return f"(not {to_sql(part, columns)})"
        case Compare(name, operator, value):
            return _true(f"{_number(name)} {operator} {literal(value)}")
        case Known(name):
            return _known(name)
        case TextMatch(name, pieces, whole):
            return _text(name, pieces, whole=whole)
        case KeyIn(keys):
            names = ", ".join(literal(name) for key in keys for name in key_spellings(key))
            return _true(f"{identifier('key')} in ({names})")
        case HasTag():
            return _tag(node, columns)


def literal(value: str | int | float) -> str:
    """Write a value as a literal of SQL.

    Examples
    --------
    >>> literal("O'Brien"), literal(1990), literal(0.3)
    ("'O''Brien'", '1990', 'cast(0.3 as float)')

    Raises
    ------
    InputError
        If a text holds NUL or is no Unicode, or a number is not finite.
    """
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise InputError(f"{value!r} holds a character that no text can hold")
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool) or not math.isfinite(value):
        raise InputError(f"{value!r} is no number to compare with")
    return repr(int(value)) if isinstance(value, int) else f"cast({float(value)!r} as float)"


def identifier(column: str) -> str:
    """Write the name of a column.

    Raises
    ------
    InputError
        If it is not made of lower-case letters, digits and underscores.
    """
    if not _COLUMN.fullmatch(column):
        raise InputError(f"{column!r} is no name of a column")
    return f"`{column}`"


def resolve(node: HasTag, columns: Columns) -> tuple[TagColumn | None, tuple[str, ...]]:
    """Look up what a tag of a filter is in a catalogue.

    Returns
    -------
    the tag, None if it is only a genre of files; and the spellings of the genre in files that count as well

    Raises
    ------
    UnknownNameError
        If it is neither.
    """
    in_files = spellings(node.tag) if node.category == "genre" and node.level is None else ()
    try:
        return columns.tag_column(node.tag, node.category), in_files
    except UnknownNameError as error:
        if not in_files:
            raise node.place.point(error) from None
    known = columns.file_genres()
    if not set(in_files) & set(known):
        raise node.place.point(columns.unknown(node.tag, node.category, also=known))
    return None, in_files


def _true(condition: str) -> str:
    return f"coalesce({condition}, false)"


def _number(name: str) -> str:
    column = identifier(name)
    about = NUMBERS[name]
    if about.zero_is_unknown:
        return f"nullif({column}, 0)"
    return column if about.is_whole else f"cast({column} as float)"


def _known(name: str) -> str:
    if name in NUMBERS:
        return f"({_number(name)} is not null)"
    if name == "key":
        return f"({identifier(name)} is not null)"
    if name == "file_genre":
        return _true(f"regexp_like({_joined_genres()}, {literal('[^' + LINE + ']')})")
    return _true(f"{identifier(TEXTS[name])} <> ''")


def _text(name: str, pieces: tuple[str, ...], *, whole: bool) -> str:
    column = identifier(TEXTS[name])
    if name in LISTS:
        if name == "file_genre" and whole and len(pieces) == 1:
            return _true(f"array_has({column}, {literal(pieces[0])})") if pieces[0] else f"(not {_known(name)})"
        lines = _joined_genres() if name == "file_genre" else f"coalesce({column}, '')"
        return _true(f"regexp_like({lines}, {literal(_lines(pieces, whole=whole))})")
    text = f"coalesce({column}, '')"
    if name in CODES:
        text = f"lower({text})"
    if len(pieces) == 1:
        said = literal(pieces[0])
        return f"({text} = {said})" if whole else f"contains({text}, {said})"
    inner = "%".join(piece.translate(_LIKE) for piece in pieces)
    return f"({text} like {literal(inner if whole else f'%{inner}%')})"


def _joined_genres() -> str:
    """Return the genres of the file, a line each."""
    return f"coalesce(array_to_string({identifier(TEXTS['file_genre'])}, {literal(LINE)}), '')"


def _lines(pieces: tuple[str, ...], *, whole: bool) -> str:
    """Return a regular expression that finds a pattern within one line; all but letters and digits is escaped."""
    escaped = ("".join(c if c.isascii() and c.isalnum() else f"\\x{{{ord(c):x}}}" for c in piece) for piece in pieces)
    inner = "[^\\n]*".join(escaped)
    return f"(^|\\n){inner}($|\\n)" if whole else inner


def _tag(node: HasTag, columns: Columns) -> str:
    tag, in_files = resolve(node, columns)
    conditions = []
    if tag is not None:
        level = tag.threshold if node.level is None else node.level
        score = f"cast({identifier(tag.column)} as float)"
        conditions.append(_true(f"{score} {node.operator} {literal(float(level))}"))
    if in_files:
        names = ", ".join(literal(fold(name)) for name in in_files)
        conditions.append(_true(f"array_has_any({identifier(TEXTS['file_genre'])}, [{names}])"))
    return conditions[0] if len(conditions) == 1 else f"({' or '.join(conditions)})"
