"""Change fields of ID3v2 tags of every version, and of ID3v1, with all other frames left byte for byte as they are.

A tag stays in its version. Frames that are unknown or damaged inside are never touched, unless the field is written;
encrypted ones never at all. Of an extended header nothing is kept: what stands in it (checksum, size of the padding)
would no longer be true.

References
----------
https://id3.org/id3v2-00, https://id3.org/id3v2.3.0, https://id3.org/id3v2.4.0-structure, https://id3.org/ID3v1
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import (
    MAX_BYTES,
    NEW_PADDING,
    Damaged,
    Item,
    growth,
    padding_change,
    patched,
    replace_items,
)

_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_OLD_NAMES = {  # of ID3v2.2
    "TCO": "TCON", "TBP": "TBPM", "TKE": "TKEY", "TT1": "TIT1", "TXX": "TXXX", "COM": "COMM", "GP1": "GRP1",
    "TT2": "TIT2", "TP1": "TPE1", "TP2": "TPE2", "TAL": "TALB", "TYE": "TYER", "TRK": "TRCK", "TPA": "TPOS",
}  # fmt: skip
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_FRAME_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]{2}[A-Za-z0-9 \0]?")
_MAX_SIZE = 1 << 28
_OTHER = 12  # the genre of those that have none


@dataclass(frozen=True)
class Id3Tag:
    """An ID3v2 tag, or the place for one.

    Parameters
    ----------
    version : 2, 3 or 4
    begin, end : bytes; the same where there is no tag yet
    flags : of the header
    items : its frames
    first, last : where the frames begin, and where the last one ends
    plain_sizes : whether the sizes of frames have eight bits a byte in ID3v2.4, as iTunes once wrote them
    data : the tag as it lies in the file
    language : of comments
    """

    version: int
    begin: int
    end: int
    flags: int = 0
    items: tuple[Item, ...] = ()
    first: int = 0
    last: int = 0
    plain_sizes: bool = False
    data: bytes = b""
    language: bytes = b"eng"
    family: str = "id3"

    @property
    def kind(self) -> str:
        """Return the name of the format."""
        return f"ID3v2.{self.version}"

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named frames these texts, and takes away those without any."""
        if self.begin == self.end:
            frames = b"".join(self._frame(name, texts) for name, texts in new.items() if texts)
            tag = frames and _header(self.version, 0, len(frames) + NEW_PADDING) + frames + bytes(NEW_PADDING)
            return [Splice(self.begin, self.begin, tag)] if tag else []
        if self.flags & _UNSYNCHRONISED and self.version < 4:
            return [Splice(self.begin, self.end, self._respelled(new))]
        splices = replace_items(self.items, new, self._frame, self.last)
        body, flags = self.begin + 10, self.flags & ~_EXTENDED
        if self.first > body:
            splices.append(Splice(body, self.first, b""))
        has_footer = bool(self.flags & _FOOTER)
        padding = self.end - 10 * has_footer - self.last
        if not has_footer and growth(splices) <= padding:
            splices.append(padding_change(self.last, padding, growth(splices))[0])
        size = self.end - self.begin - 10 * (1 + has_footer) + growth(splices)
        header = _header(self.version, flags, size, self.data[4])
        if header != self.data[:10]:
            splices.append(Splice(self.begin, body, header))
            if has_footer:
                splices.append(Splice(self.end - 10, self.end, b"3DI" + header[3:]))
        return splices

    def _respelled(self, new: Mapping[str, tuple[str, ...]]) -> bytes:
        """Return the whole tag, whose zeros after 0xFF are spelled out, with new frames."""
        plain = _synchronised(self.data[10:])
        tag = replace(self, begin=0, end=10 + len(plain), flags=0, data=self.data[:10] + plain)
        body = patched(tag.data, tag.splices(new))[10:]
        body = re.sub(rb"\xff(?=[\x00\xe0-\xff])", b"\xff\0", body)
        body += b"\0" * body.endswith(b"\xff")
        return _header(self.version, self.flags & ~_EXTENDED, len(body), self.data[4]) + body

    def _frame(self, name: str, texts: tuple[str, ...]) -> bytes:
        """Make the bytes of a text frame."""
        name, _, description = name.partition(":")
        is_plain = all(text.isascii() or _is_latin(text) for text in (*texts, description))
        encoding = 3 if self.version == 4 else 0 if is_plain else 1
        codec = _ENCODINGS[encoding]
        zero = b"\0\0" if encoding == 1 else b"\0"
        content = zero.join(text.encode(codec) for text in texts)
        if name in ("TXXX", "COMM"):
            content = description.encode(codec) + zero + content
        if name == "COMM":
            content = self.language + content
        content = bytes([encoding]) + content
        if self.version == 2:
            short = next((short for short, long in _OLD_NAMES.items() if long == name), "")
            if not short or len(content) >= 1 << 24:
                raise Damaged(f"an ID3v2.2 tag has no room for {name}")
            return short.encode() + len(content).to_bytes(3, "big") + content
        size = len(content).to_bytes(4, "big") if self.version == 3 or self.plain_sizes else _syncsafe(len(content))
        return name.encode() + size + b"\0\0" + content


def _is_latin(text: str) -> bool:
    """Say whether Latin-1 holds a text; not for C1 controls, which others take for Windows' characters."""
    return all(ord(character) < 0x80 or 0xA0 <= ord(character) < 0x100 for character in text)


def _syncsafe(size: int) -> bytes:
    if size >= _MAX_SIZE:
        raise Damaged("the tag would be larger than ID3 allows")
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _from_syncsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))


def _header(version: int, flags: int, size: int, revision: int = 0) -> bytes:
    return b"ID3" + bytes([version, revision, flags]) + _syncsafe(size)


def _synchronised(data: bytes) -> bytes:
    return data.replace(b"\xff\0", b"\xff")


def open_id3(view: View, begin: int, end: int) -> Id3Tag:
    """Find the frames of the ID3v2 tag that lies from `begin` up to `end`.

    Raises
    ------
    Damaged
        If the tag is cut off, or what stands in it cannot be followed to its end.
    """
    data = view.at(begin, min(end - begin, MAX_BYTES))
    version, flags = data[3], data[5]
    kind = f"ID3v2.{version}"
    if len(data) < end - begin or end > view.size:
        raise Damaged(f"the {kind} tag is cut off")
    if version not in (2, 3, 4):
        raise Damaged(f"the {kind} tag is of a version that is not known")
    if version == 2 and flags & 0x40:
        raise Damaged("the ID3v2.2 tag is compressed, and nobody ever said how")
    is_spelled = bool(flags & _UNSYNCHRONISED) and version < 4
    body = data[:10] + _synchronised(data[10:]) if is_spelled else data
    offset = 0 if is_spelled else begin
    n_frames = len(body) - (10 if flags & _FOOTER and version == 4 else 0)
    first = 10 + (_extended_bytes(body, version) if flags & _EXTENDED and version > 2 else 0)
    walks = [
        _walk(body, first, n_frames, version, plain=plain) for plain in ((False, True) if version == 4 else (True,))
    ]
    walk = next((walk for walk in walks if walk is not None), None)
    if walk is None:
        raise Damaged(f"the {kind} tag is damaged: behind its last frame stands what is neither a frame nor padding")
    unsynchronised = bool(flags & _UNSYNCHRONISED) and version == 4
    items, language = [], b""
    for name, at, head, until in walk:
        label, texts = _read(name, body[at + head : until], version, body[at + head - 2 : at + head], unsynchronised)
        items.append(Item(label, at + offset, until + offset, texts))
        if label == "COMM" and not language:
            language = body[at + head + 1 : at + head + 4]
    last = items[-1].end if items else first + offset
    return Id3Tag(
        version, begin, end, flags, tuple(items), first + offset, last, version == 4 and walks[0] is None, data,
        language or b"eng",
    )  # fmt: skip


def _extended_bytes(body: bytes, version: int) -> int:
    if _FRAME_NAME.fullmatch(body[10:14]):  # some programs set the flag and write none
        return 0
    if len(body) < 14:
        raise Damaged(f"the extended header of the ID3v2.{version} tag is cut off")
    return _from_syncsafe(body[10:14]) if version == 4 else 4 + int.from_bytes(body[10:14], "big")


def _walk(body: bytes, at: int, end: int, version: int, *, plain: bool) -> list[tuple[str, int, int, int]] | None:
    """Follow the frames; return name, begin, bytes of the header and end of each; None if they lead nowhere."""
    n_name, n_head = (3, 6) if version == 2 else (4, 10)
    frames = []
    while at + n_head <= end and body[at]:
        name, sizes = body[at : at + n_name], body[at + n_name : at + (6 if version == 2 else 8)]
        size = int.from_bytes(sizes, "big") if plain else _from_syncsafe(sizes)
        if not _FRAME_NAME.fullmatch(name) or at + n_head + size > end or (not plain and max(sizes) > 127):
            return None
        label = name.decode("latin-1")
        frames.append((_OLD_NAMES.get(label, label) if version == 2 else label, at, n_head, at + n_head + size))
        at += n_head + size
    return None if body[at:end].strip(b"\0") else frames


def _read(name: str, content: bytes, version: int, flags: bytes, unsynchronised: bool) -> tuple[str, tuple[str, ...]]:
    """Return name and texts of a frame; one that cannot be read gets a name that nobody asks for."""
    if name[0] != "T" and name not in ("COMM", "GRP1"):
        return name, ()
    try:
        content = _unpacked(content, version, flags, unsynchronised)
        codec = _ENCODINGS[content[0]] if content[0] < len(_ENCODINGS) else "latin-1"
        language = 4 if name == "COMM" else 1
        texts = _split(content[language:], codec)
    except (IndexError, ValueError, zlib.error):
        return f"{name}?", ()
    if name in ("TXXX", "COMM"):
        description, texts = texts[0], texts[1:]
        name = f"{name}:{description}" if description else name
    return name, tuple(text for text in texts if text)


def _unpacked(content: bytes, version: int, flags: bytes, unsynchronised: bool) -> bytes:
    """Undo what the flags of a frame say."""
    flag = flags[1] if version > 2 else 0
    if version == 3:
        if flag & 0x40:
            raise ValueError("encrypted")
        content = content[4 * bool(flag & 0x80) + bool(flag & 0x20) :]
        return zlib.decompress(content) if flag & 0x80 else content
    if version == 4:
        if flag & 0x04:
            raise ValueError("encrypted")
        content = content[bool(flag & 0x40) :]
        content = content[4 * bool(flag & 0x01) :]
        if flag & 0x02 or unsynchronised:
            content = _synchronised(content)
        return zlib.decompress(content) if flag & 0x08 else content
    return content


def _split(data: bytes, codec: str) -> list[str]:
    """Split texts at null characters; each may begin with a mark of the order of bytes."""
    if not codec.startswith("utf-16"):
        return data.decode(codec, "replace").rstrip("\0").split("\0") if data.strip(b"\0") else [""]
    texts, order, at = [], codec, 0
    data = data[: len(data) // 2 * 2] + b"\0\0"
    while at < len(data):
        end = data.index(b"\0\0", at)
        while (end - at) % 2:  # the end of one character and the beginning of the next
            end = data.index(b"\0\0", end + 1)
        word = data[at:end]
        if word[:2] in (b"\xff\xfe", b"\xfe\xff"):
            order = "utf-16-le" if word[:1] == b"\xff" else "utf-16-be"
            word = word[2:]
        texts.append(word.decode("utf-16-le" if order == "utf-16" else order, "replace"))
        at = end + 2
    while len(texts) > 1 and not texts[-1]:
        texts.pop()
    return texts


@dataclass(frozen=True)
class Id3v1Tag:
    """An ID3v1 tag: of its fields, genre and comment are kept in step.

    Parameters
    ----------
    begin, end : bytes
    items : its fields
    genres : the names of ID3's genres, by number
    data : the tag as it lies in the file
    """

    begin: int
    end: int
    items: tuple[Item, ...]
    genres: tuple[str, ...]
    data: bytes
    family: str = "id3"
    kind: str = "ID3v1"

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives genre and comment these texts, as far as there is room; a genre without number is none."""
        splices = []
        for item in self.items:
            if item.name not in new:
                continue
            if item.name == "TCON":
                splices.append(Splice(item.begin, item.end, bytes([self.number(new["TCON"])])))
            else:
                n = item.end - item.begin
                text = "; ".join(new[item.name]).encode("latin-1", "replace")[:n]
                splices.append(Splice(item.begin, item.end, text.ljust(n, b"\0")))
        return splices

    def holds(self, name: str, texts: tuple[str, ...]) -> bool:
        """Say whether these texts would leave the tag as it is."""
        return all(
            self.data[splice.begin - self.begin : splice.end - self.begin] == splice.data
            for splice in self.splices({name: texts})
        )

    def number(self, names: tuple[str, ...]) -> int:
        """Return the number of the first genre that has one; 255 if none has."""
        folded = {genre.casefold(): i for i, genre in enumerate(self.genres)}
        return next((folded[name.casefold()] for name in names if name.casefold() in folded), 255)


def open_id3v1(view: View, begin: int, end: int) -> Id3v1Tag | None:
    """Look into an ID3v1 tag; None if it is not of the usual 128 bytes."""
    from mutagen.id3 import TCON

    at = end - 128
    data = view.at(at, 128)
    if at < begin or data[:3] != b"TAG":
        return None
    genres = tuple(TCON.GENRES)
    n_comment = 28 if not data[125] and data[126] else 30  # ID3v1.1: the track's number behind

    def text(begin: int, size: int) -> tuple[str, ...]:
        found = data[begin : begin + size].split(b"\0")[0].decode("latin-1").strip()
        return (found,) if found else ()

    texts = {"TIT2": (3, 30), "TPE1": (33, 30), "TALB": (63, 30), "TDRC": (93, 4), "COMM": (97, n_comment)}
    genre = (genres[data[127]],) if data[127] < len(genres) and data[127] != _OTHER else ()
    items = [Item(name, at + begin, at + begin + size, text(begin, size)) for name, (begin, size) in texts.items()]
    if n_comment == 28 and data[126]:
        items.append(Item("TRCK", at + 126, at + 127, (str(data[126]),)))
    items.append(Item("TCON", at + 127, at + 128, genre))
    return Id3v1Tag(at, end, tuple(items), genres, data)


def id3_frames(tag: Id3Tag) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every frame as they lie in the file."""
    spelled = bool(tag.flags & _UNSYNCHRONISED) and tag.version < 4
    body = tag.data[:10] + _synchronised(tag.data[10:]) if spelled else tag.data
    offset = 0 if spelled else tag.begin
    for item in tag.items:
        yield item.name, body[item.begin - offset : item.end - offset]
