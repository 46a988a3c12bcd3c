"""Change single fields of a tag, byte by byte: all that is not named stays exactly where and as it is."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from earmark.audio.identity.view import View
from earmark.errors import InputError
from earmark.tagfile.changes import Splice

NEW_PADDING = 1024  # bytes behind a tag that is new; other programs can then write to it without moving the audio
MAX_BYTES = 1 << 28  # of a tag


@dataclass(frozen=True)
class Item:
    """One field where it lies.

    Parameters
    ----------
    name : as in `fields.FIELDS`
    begin, end : bytes
    texts : what it says; none where it holds no text
    """

    name: str
    begin: int
    end: int
    texts: tuple[str, ...] = ()


class EditableTag(Protocol):
    """A tag in a file.

    Attributes
    ----------
    family : one of `fields.FAMILIES`
    kind : such as "ID3v2.3"
    items : in the order of the file
    """

    @property
    def family(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def items(self) -> Sequence[Item]: ...  # noqa: D102

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named fields these texts, and takes away those without any."""
        ...


def texts_of(tag: EditableTag, name: str) -> tuple[str, ...]:
    """Return the texts of a field; capitals do not matter."""
    folded = name.casefold()
    return tuple(text for item in tag.items if item.name.casefold() == folded for text in item.texts)


def has(tag: EditableTag, name: str) -> bool:
    """Say whether a tag holds a field, be it without text."""
    folded = name.casefold()
    return any(item.name.casefold() == folded for item in tag.items)


def replace_items(
    items: Iterable[Item],
    new: Mapping[str, tuple[str, ...]],
    encode: Callable[[str, tuple[str, ...]], bytes],
    end: int,
) -> list[Splice]:
    """Put new fields in the place of old ones of the same name, and those that were not there at `end`.

    Parameters
    ----------
    items : that the tag holds
    new : texts by name; none takes the field away
    encode : makes the bytes of a field
    end : where the last item ends, bytes
    """
    left = {name.casefold(): (name, texts) for name, texts in new.items()}
    gone = set(left)
    splices = []
    for item in items:
        folded = item.name.casefold()
        if folded in gone:
            name, texts = left.pop(folded, ("", ()))
            splices.append(Splice(item.begin, item.end, encode(name, texts) if texts else b""))
    added = b"".join(encode(name, texts) for name, texts in left.values() if texts)
    return [*splices, Splice(end, end, added)] if added else splices


def growth(splices: Iterable[Splice]) -> int:
    """Return by how many bytes the file grows."""
    return sum(splice.growth for splice in splices)


def patched(data: bytes, splices: Iterable[Splice], offset: int = 0) -> bytes:
    """Return the bytes that begin at `offset` in the file with what the splices put there."""
    parts, at = [], 0
    for splice in in_order(splices):
        parts += [data[at : splice.begin - offset], splice.data]
        at = splice.end - offset
    return b"".join([*parts, data[at:]])


def in_order(splices: Iterable[Splice]) -> list[Splice]:
    """Sort splices by position; those that change nothing are left out."""
    kept = [splice for splice in splices if splice.data or splice.end > splice.begin]
    return sorted(kept, key=lambda splice: (splice.begin, splice.end))


def padding_change(begin: int, size: int, grown: int) -> tuple[Splice, int]:
    """Let a stretch of zeros take up what a tag grows by.

    Parameters
    ----------
    begin, size : of the padding, bytes
    grown : bytes that the tag grows by; negative if it shrinks

    Returns
    -------
    the change of the padding, and the bytes that the tag then grows by in all: none if the padding is enough
    """
    if 0 < grown <= size:
        return Splice(begin, begin + grown, b""), 0
    if grown < 0:
        return Splice(begin + size, begin + size, bytes(-grown)), 0
    return Splice(begin, begin, b""), grown


def number_at(view: View, position: int, n: int) -> int:
    """Read `n` bytes of a number, the highest first."""
    return int.from_bytes(view.at(position, n), "big")


def refusal(path_or_name: str | os.PathLike[str], what: str) -> InputError:
    """Say why a file is not written to."""
    return InputError(f"{os.fspath(path_or_name)}: not written: {what}", hint="the file stays as it is")


class Damaged(Exception):
    """A tag is not as it should be, so that nothing can be changed in it without a risk: says what is wrong."""
