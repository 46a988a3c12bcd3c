"""What is to stand in a file's tags, and what would change for it: field by field, and byte by byte."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from earmark.errors import UsageError

MEANINGS = ("genre", "mood", "bpm", "key", "comment", "grouping")
RAW_PREFIX = "EARMARK_"
_RAW_NAME = re.compile(r"EARMARK_[A-Z0-9_]+")


@dataclass(frozen=True)
class NewTags:
    """What is to stand in a file; what is not named here stays as it is.

    Parameters
    ----------
    values : by meaning, one of `MEANINGS`; an empty tuple takes the field away
    raw : by name of the field, "EARMARK_" and capitals, digits or "_"; an empty tuple takes the field away

    Raises
    ------
    UsageError
        If a meaning or name is unknown, or a value is empty or holds what no tag can.

    Examples
    --------
    >>> NewTags({"genre": (" Jazz ", "Dub", "Jazz")}).values
    {'genre': ('Jazz', 'Dub')}
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check names and values; strip values, and leave out repetitions."""
        for meaning in self.values:
            if meaning not in MEANINGS:
                raise UsageError(f"{meaning!r} cannot be written", hint=f"what can: {', '.join(MEANINGS)}")
        for name in self.raw:
            if not _RAW_NAME.fullmatch(name):
                raise UsageError(f"{name!r} is no field of earmark's own", hint=f"such as {RAW_PREFIX}GENRE")
        object.__setattr__(self, "values", {name: _checked(name, texts) for name, texts in self.values.items()})
        object.__setattr__(self, "raw", {name: _checked(name, texts) for name, texts in self.raw.items()})


def _checked(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise UsageError(f"{name}: {texts!r} is one text, expected a tuple of texts")
    stripped = tuple(dict.fromkeys(text.strip() for text in texts))
    for text in stripped:
        if not text or "\0" in text or any(0xD800 <= ord(character) < 0xE000 for character in text):
            what = "is empty" if not text else "holds a null character or half a character"
            raise UsageError(f"{name}: the value {text!r} {what}", hint="leave it out")
    return stripped


@dataclass(frozen=True)
class FieldChange:
    """One field that changes.

    Parameters
    ----------
    name : the meaning, or the name of a raw field
    fields : what it is called in the tags of this file, such as ("TCON", "APEv2:Genre"); names in other tags than the
        file's own have the tag's kind before them
    before, after : texts as they stand in the file; none where there is no such field
    """

    name: str
    fields: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class FileState:
    """What shows that a file is still the same: size in bytes, times in ns, and where it lies on the disk."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @staticmethod
    def of(path: str | os.PathLike[str] | int) -> "FileState":
        """Return the state of the file at `path`, or of an open one."""
        entry = os.stat(path)  # noqa: PTH116 (a str may hold what Path cannot; an open file has no path)
        return FileState(entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns, entry.st_ino, entry.st_dev)


@dataclass(frozen=True)
class Splice:
    """Bytes of a file, from `begin` up to `end`, that `data` takes the place of."""

    begin: int
    end: int
    data: bytes

    @property
    def growth(self) -> int:
        """Bytes by which the file grows."""
        return len(self.data) - (self.end - self.begin)


@dataclass(frozen=True)
class FileChange:
    """What would change in a file. Nothing does if `changes` is empty.

    Parameters
    ----------
    path : as it was given
    target : the file itself, where `path` leads to through links
    before : the file for which this holds
    changes : by field
    kept : meanings that have a value already, which stays
    kinds : tags that are written to, the file's own first, such as ("ID3v2.3", "APEv2")
    splices : the same change in bytes, by position, none overlapping
    """

    path: str
    target: str
    before: FileState
    changes: tuple[FieldChange, ...] = ()
    kept: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    splices: tuple[Splice, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        """Say whether anything would change."""
        return bool(self.changes)
