"""What a filter is: a tree of conditions, the fields that they are about, and errors that point into the text."""

import unicodedata
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from earmark.errors import EarmarkError, UnknownNameError, UsageError
from earmark.vocabulary import CATEGORIES

Comparison = Literal["=", "<", "<=", ">", ">="]
Error = TypeVar("Error", bound=EarmarkError)

_AROUND = 60  # characters of the text that are shown on either side of a mistake


@dataclass(frozen=True)
class Place:
    """A part of the text of a filter or a query.

    Parameters
    ----------
    text : the whole
    start, end : of the part, characters
    """

    text: str
    start: int
    end: int

    def pointed(self) -> str:
        """Return the text with carets below the part, as two lines."""
        first, last = max(0, self.start - _AROUND), min(len(self.text), max(self.end, self.start) + _AROUND)
        before, part, after = (
            self.text[first : self.start],
            self.text[self.start : self.end],
            self.text[self.end : last],
        )
        before = ("… " if first else "") + before
        shown = "".join(c if c.isprintable() else " " for c in before + part + after) + (" …" * (last < len(self.text)))
        return f"  {shown}\n  {' ' * _width(before)}{'^' * max(1, _width(part))}"

    def error(self, message: str, *, hint: str | None = None) -> UsageError:
        """Return an error that points here."""
        return self.point(UsageError(message, hint=hint))

    def point(self, error: Error) -> Error:
        """Let an error point here."""
        error.message = f"{error.message}\n{self.pointed()}"
        error.args = (error.message,)
        return error


NOWHERE = Place("", 0, 0)


@dataclass(frozen=True)
class And:
    """All of the parts hold."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """At least one of the parts holds."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: "Node"


@dataclass(frozen=True)
class Compare:
    """A number of the track compared with another; does not hold where it is not known.

    Parameters
    ----------
    field : one of `NUMBERS`
    operator : how
    value : in the unit of the field; whole if the field is
    """

    field: str
    operator: Comparison
    value: float | int


@dataclass(frozen=True)
class Known:
    """The track has a value in this field."""

    field: str


@dataclass(frozen=True)
class TextMatch:
    """A text of the track matches a pattern.

    Parameters
    ----------
    field : one of `TEXTS`
    pieces : folded, in this order, with anything between two of them
    whole : the pattern is the whole text, or a whole path or genre; else it occurs in it
    """

    field: str
    pieces: tuple[str, ...]
    whole: bool


@dataclass(frozen=True)
class KeyIn:
    """The key of the track is one of these: such as "A minor"."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class HasTag:
    """The track has a tag, or a score of it.

    Parameters
    ----------
    category : one of `earmark.vocabulary.CATEGORIES`, "taught", or None for any
    tag : as the user wrote it
    operator : how the score is compared
    level : with what; None for the threshold of the tag, and for genres then also what stands in the file
    place : where the filter says so
    """

    category: str | None
    tag: str
    operator: Comparison = ">="
    level: float | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Node: TypeAlias = And | Or | Not | Compare | Known | TextMatch | KeyIn | HasTag


@dataclass(frozen=True)
class NumberField:
    """A field that holds a number.

    Parameters
    ----------
    unit : that a plain number is in
    units : further units, and how much of the first each is
    is_whole : it holds whole numbers
    zero_is_unknown : 0 stands for a value that is not known
    small : plain numbers below are in thousands
    """

    unit: str
    units: tuple[tuple[str, float], ...] = ()
    is_whole: bool = False
    zero_is_unknown: bool = False
    small: float = 0


_THOUSANDS = (("kbit/s", 1000.0), ("kbps", 1000.0), ("khz", 1000.0), ("k", 1000.0), ("bit/s", 1.0), ("hz", 1.0))
NUMBERS = {
    "bpm": NumberField("beats per minute", (("bpm", 1.0),)),
    "bpm_confidence": NumberField("0 to 1"),
    "key_confidence": NumberField("0 to 1"),
    "duration": NumberField(
        "seconds, or such as 2:30 or 3min",
        (("hours", 3600.0), ("hour", 3600.0), ("h", 3600.0), ("minutes", 60.0), ("minute", 60.0), ("min", 60.0),
         ("m", 60.0), ("seconds", 1.0), ("second", 1.0), ("sec", 1.0), ("s", 1.0)),
    ),
    "year": NumberField("a year", is_whole=True),
    "track_number": NumberField("a number", is_whole=True),
    "bit_rate": NumberField("kbit/s", _THOUSANDS, is_whole=True, small=10_000),
    "sample_rate": NumberField("Hz, or such as 44.1kHz", _THOUSANDS, is_whole=True, zero_is_unknown=True, small=1000),
    "n_channels": NumberField("a number", is_whole=True, zero_is_unknown=True),
}  # fmt: skip
TEXTS = {
    "artist": "artist_folded",
    "title": "title_folded",
    "album": "album_folded",
    "path": "path_text",
    "file_genre": "genres_folded",
    "container": "container",
    "isrc": "isrc",
    "mb_recording_id": "mb_recording_id",
    "id": "id",
}
"""Fields that hold text, and the columns of the catalogue that hold it ready to be compared."""
LISTS = ("path", "file_genre")
CODES = ("container", "isrc", "mb_recording_id", "id")
"""Fields whose columns are not folded; they hold no accents, and are compared in lower case."""
TAG_FIELDS = (*CATEGORIES, "heard", "taught")
FIELDS = (*NUMBERS, *TEXTS, "key", *TAG_FIELDS)
ALIASES = {
    "tempo": "bpm", "length": "duration", "bitrate": "bit_rate", "samplerate": "sample_rate", "channels": "n_channels",
    "track": "track_number", "format": "container", "file": "path", "tag": "heard", "has": "heard",
}  # fmt: skip


def field_named(name: str, place: Place) -> str:
    """Return the field that a user means; an error that points there if there is none."""
    folded = name.lower().replace("-", "_")
    found = ALIASES.get(folded, folded)
    if found not in FIELDS:
        raise place.point(UnknownNameError("field", name, (*FIELDS, *ALIASES)))
    return found


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
