"""Change tags in WAV and AIFF files: an ID3 tag in a chunk of its own, and the texts of INFO lists kept in step.

References
----------
Microsoft RIFF and EBU Tech 3306 (RF64); Apple AIFF-C; EXIF 2.3 (INFO)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from earmark.audio.identity.chunks import IFF, RIFF, Chunk, Grammar, walk_chunks
from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import Damaged, Item, growth, replace_items
from earmark.tagfile.write_id3 import Id3Tag, open_id3

_UNKNOWN = 0xFFFFFFFF
_AIFF_TEXTS = (b"NAME", b"AUTH", b"ANNO", b"(c) ")


@dataclass(frozen=True)
class ChunkTag:
    """An ID3 tag in a chunk, or the place for one.

    Parameters
    ----------
    inner : the tag
    chunk : None where there is none yet
    name : of a chunk to be made
    order : of the bytes in a size
    """

    inner: Id3Tag
    chunk: Chunk | None
    name: bytes
    order: Literal["little", "big"]
    family: str = "id3"

    @property
    def kind(self) -> str:
        """Return the name of the format."""
        return self.inner.kind

    @property
    def items(self) -> tuple[Item, ...]:
        """Return the frames."""
        return self.inner.items

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named frames these texts, and takes away those without any."""
        splices = self.inner.splices(new)
        if self.chunk is None:
            return [self._new_chunk(splice) for splice in splices]
        if not (grown := growth(splices)):
            return splices
        return [*splices, *_resized(self.chunk, grown, self.order)]

    def _new_chunk(self, splice: Splice) -> Splice:
        at, data = splice.begin, splice.data
        head = self.name + len(data).to_bytes(4, self.order)
        return Splice(at, at, b"\0" * (at % 2) + head + data + b"\0" * (len(data) % 2))


@dataclass(frozen=True)
class TextChunks:
    """Texts in chunks of their own: an INFO list, or those of AIFF.

    Parameters
    ----------
    family, kind : "info" or "aiff", and its name in words
    items : each with its head and the byte that makes it even
    end : where the last one ends, bytes
    order : of the bytes in a size
    chunk : the list around them; None for those of AIFF
    """

    family: str
    kind: str
    items: tuple[Item, ...]
    end: int
    order: Literal["little", "big"]
    chunk: Chunk | None = None

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named chunks these texts, and takes away those without any."""
        splices = replace_items(self.items, new, self._text_chunk, self.end)
        grown = growth(splices)
        return [*splices, *_resized(self.chunk, grown, self.order)] if self.chunk and grown else splices

    def _text_chunk(self, name: str, texts: tuple[str, ...]) -> bytes:
        data = "; ".join(texts).encode() + b"\0" * (self.family == "info")
        return name.encode("latin-1") + len(data).to_bytes(4, self.order) + data + b"\0" * (len(data) % 2)


def _resized(chunk: Chunk, grown: int, order: Literal["little", "big"]) -> list[Splice]:
    """Return the new size of a chunk, and the byte that makes it even."""
    size = chunk.end - chunk.begin
    splices = [Splice(chunk.begin - 4, chunk.begin, (size + grown).to_bytes(4, order))]
    if grown % 2:
        at = chunk.end
        splices.append(Splice(at, at + 1, b"") if size % 2 else Splice(at, at, b"\0"))
    return splices


@dataclass(frozen=True)
class Form:
    """The file around the chunks.

    Parameters
    ----------
    view : of the file
    begin, end : bytes
    order : of the bytes in a size
    is_long : whether its size stands in a ds64 chunk
    """

    view: View = field(repr=False)
    begin: int
    end: int
    order: Literal["little", "big"]
    is_long: bool = False

    def finished(self, splices: Iterable[Splice]) -> list[Splice]:
        """Return the new size of the whole."""
        grown = growth(splices)
        if not grown:
            return []
        at, n = (self.begin + 20, 8) if self.is_long else (self.begin + 4, 4)
        size = int.from_bytes(self.view.at(at, n), self.order) + grown
        if n == 4 and size >= _UNKNOWN:
            raise Damaged("the file would be larger than its header can say (4 GiB)")
        return [Splice(at, at + n, size.to_bytes(n, self.order))]


def open_chunks(view: View, begin: int) -> tuple[Form, list[ChunkTag | TextChunks]]:
    """Find the tags of the WAV or AIFF file that begins at `begin`, the ID3 tag first.

    Raises
    ------
    Damaged
        If the file is cut off, or its chunks do not lead to its end.
    """
    magic = view.at(begin, 4)
    grammar = {b"RIFF": RIFF, b"RF64": RIFF, b"BW64": RIFF, b"FORM": IFF, b"RIFX": IFF}.get(magic)
    if grammar is None:
        raise Damaged("no tags are written to a WAV file of this kind (W64)")
    is_long = magic in (b"RF64", b"BW64")
    if is_long and view.at(begin + 12, 4) != b"ds64":
        raise Damaged("the header of the file does not say how long it is")
    at, n = (begin + 20, 8) if is_long else (begin + 4, 4)
    end = begin + 8 + int.from_bytes(view.at(at, n), grammar.order)
    chunks = list(walk_chunks(view, begin, grammar, end))
    last = max((chunk.end for chunk in chunks), default=0)
    if not chunks or end > view.size or not end - 1 <= last <= end:
        raise Damaged("the file is cut off, or its header says another length than it has")
    is_aiff = view.at(begin + 8, 3) == b"AIF"
    tags: list[ChunkTag | TextChunks] = []
    for chunk in chunks:
        if chunk.name.lower() == b"id3 " and view.at(chunk.begin, 3) == b"ID3":
            tags.append(_chunk_tag(view, chunk, grammar))
        elif chunk.name == b"LIST" and view.at(chunk.begin, 4) == b"INFO":
            items = _texts(view, walk_chunks(view, chunk.begin + 4 - RIFF.first, grammar, chunk.end), chunk.end)
            stop = items[-1].end if items else chunk.begin + 4
            tags.append(TextChunks("info", "RIFF INFO", items, stop, grammar.order, chunk))
    if is_aiff and (texts := _texts(view, (chunk for chunk in chunks if chunk.name in _AIFF_TEXTS), end)):
        tags.append(TextChunks("aiff", "AIFF chunks", texts, end, grammar.order))
    if not any(tag.family == "id3" for tag in tags):
        tags.append(
            ChunkTag(Id3Tag(4, max(end, last), max(end, last)), None, b"ID3 " if is_aiff else b"id3 ", grammar.order)
        )
    tags.sort(key=lambda tag: tag.family != "id3")
    return Form(view, begin, end, grammar.order, is_long), tags


def _chunk_tag(view: View, chunk: Chunk, grammar: Grammar) -> ChunkTag:
    """Open the tag in a chunk."""
    head = view.at(chunk.begin, 10)
    size = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    if chunk.begin + size > chunk.end:
        raise Damaged("the ID3 tag is larger than its chunk")
    inner = open_id3(view, chunk.begin, chunk.begin + size)
    return ChunkTag(inner, chunk, chunk.name, grammar.order)


def _texts(view: View, chunks: Iterable[Chunk], end: int) -> tuple[Item, ...]:
    items = []
    for chunk in chunks:
        data = view.at(chunk.begin, min(chunk.end, end) - chunk.begin).rstrip(b"\0")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        until = chunk.end + (chunk.end - chunk.begin) % 2
        if chunk.end > end:
            raise Damaged("a text in the file is cut off")
        items.append(Item(chunk.name.decode("latin-1"), chunk.begin - 8, min(until, end), (text,) if text else ()))
    return tuple(items)
