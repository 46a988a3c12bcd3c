"""What a report is made of, before it is Markdown or a page."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.mistakes import Taggram

GAP = 2  # columns of a terminal between two of a table


@dataclass(frozen=True)
class Heading:
    """A heading; those of level 2 stand in the table of contents."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; `is_warning` makes it stand out."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    columns : headings
    rows : a text per column
    left : how many columns, from the left, hold words; the others hold numbers
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True)
class Picture:
    """A drawing; in Markdown it is left out, since a table has its numbers.

    Parameters
    ----------
    svg : an element
    caption : what it shows
    """

    svg: str
    caption: str


@dataclass(frozen=True)
class Photo:
    """A taggram; in Markdown it is left out."""

    image: Taggram
    alt: str


Block = Heading | Text | Items | Table | Picture | Photo
Blocks = Sequence[Block]


def table_width(table: Table) -> int:
    """Return how many columns of a terminal a table takes.

    Examples
    --------
    >>> table_width(Table(("", "tracks"), (("net", "60"),)))
    11
    """
    lines = (table.columns, *table.rows)
    widths = [max(_cells(line[k]) for line in lines) for k in range(len(table.columns))]
    return sum(widths) + GAP * (len(widths) - 1)


def _cells(text: str) -> int:
    """Return how many columns a text takes: two per wide letter, none per mark above one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
