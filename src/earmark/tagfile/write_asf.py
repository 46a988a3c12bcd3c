"""Change attributes of an ASF file (wma), with all others left byte for byte as they are, in their order.

References
----------
Microsoft Advanced Systems Format 01.20, sections 3.2, 3.10, 3.11, 4.7 and 4.8
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from earmark.audio.identity.chunks import ASF, ASF_HEADER, Chunk, walk_chunks
from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import MAX_BYTES, Damaged, Item, growth, replace_items

_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_DESCRIPTION = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c")
_EXTENDED = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_METADATA = bytes.fromhex("eacbf8c5af5b77488467aa8c44fa4cca")
_LIBRARY = bytes.fromhex("941c23449894d149a1411d134e457054")
_CONTENT = ("Title", "Author", "Copyright", "Description", "Rating")
_UNICODE, _BYTES, _GUID = 0, 1, 6
_HEAD_BYTES = 24
_MAX_VALUE = 0xFFFE


@dataclass(frozen=True)
class AsfTag:
    """The attributes of an ASF file, in up to four objects of its header.

    Parameters
    ----------
    view : of the file
    header : the whole of it
    objects : by their id: content description, extended description, metadata, library, header extension, and file
    items : of all objects
    content : where each of the five texts of the content description lies
    n_items : how many items each object says that it has
    """

    view: View = field(repr=False)
    header: Chunk
    objects: Mapping[bytes, Chunk]
    items: tuple[Item, ...]
    content: Mapping[str, tuple[int, int]]
    n_items: Mapping[bytes, int]
    family: str = "asf"
    kind: str = "ASF"

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named attributes these texts, and takes away those without any."""
        in_content = {name: texts for name, texts in new.items() if name in _CONTENT and len(texts) < 2}
        others = {name: texts for name, texts in new.items() if name not in in_content}
        splices = self._described(in_content)
        folded = {name.casefold() for name in new} - {name.casefold() for name in in_content}
        for kind in (_METADATA, _LIBRARY):
            gone = [item for item in self._within(kind) if item.name.casefold() in folded]
            splices += self._recounted(kind, [Splice(item.begin, item.end, b"") for item in gone], -len(gone))
        splices += self._extended(others, folded)
        if _EXTENSION in self.objects and (grown := growth(s for s in splices if self._is_in(_EXTENSION, s))):
            chunk = self.objects[_EXTENSION]
            at = chunk.begin + 18
            size = int.from_bytes(self.view.at(at, 4), "little") + grown
            splices += [*_resized(chunk, grown), Splice(at, at + 4, size.to_bytes(4, "little"))]
        n_new = sum(splice.begin == splice.end == self.header.begin + 6 for splice in splices)
        if not (grown := growth(splices)):
            return splices
        if n_new:
            at = self.header.begin
            n_objects = int.from_bytes(self.view.at(at, 4), "little") + n_new
            splices.append(Splice(at, at + 4, n_objects.to_bytes(4, "little")))
        splices += _resized(self.header, grown)
        return [*splices, *self._file_size(grown)]

    def _described(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Change texts of the content description."""
        texts = {name: "".join(values).encode("utf-16-le") for name, values in new.items()}
        texts = {name: data + b"\0\0" if data else b"" for name, data in texts.items()}
        if any(len(data) > _MAX_VALUE for data in texts.values()):
            raise Damaged("a text is longer than ASF allows (64 KiB)")
        if _DESCRIPTION not in self.objects:
            if not any(texts.values()):
                return []
            data = b"".join(len(texts.get(name, b"")).to_bytes(2, "little") for name in _CONTENT)
            data += b"".join(texts.get(name, b"") for name in _CONTENT)
            return [self._new_object(_DESCRIPTION, data)]
        chunk = self.objects[_DESCRIPTION]
        splices = []
        for name, data in texts.items():
            at = chunk.begin + 2 * _CONTENT.index(name)
            splices += [Splice(at, at + 2, len(data).to_bytes(2, "little")), Splice(*self.content[name], data)]
        return [*splices, *_resized(chunk, growth(splices))]

    def _extended(self, new: Mapping[str, tuple[str, ...]], folded: set[str]) -> list[Splice]:
        """Change attributes of the extended description."""
        n_new = sum(len(texts) for texts in new.values())
        if _EXTENDED not in self.objects:
            data = b"".join(_attribute(name, texts) for name, texts in new.items())
            return [self._new_object(_EXTENDED, n_new.to_bytes(2, "little") + data)] if n_new else []
        items = list(self._within(_EXTENDED))
        n_gone = sum(item.name.casefold() in folded for item in items)
        return self._recounted(
            _EXTENDED, replace_items(items, new, _attribute, self.objects[_EXTENDED].end), n_new - n_gone
        )

    def _recounted(self, kind: bytes, splices: list[Splice], n_more: int) -> list[Splice]:
        """Add the new number of items of an object, and its new size."""
        if not splices:
            return []
        chunk, n = self.objects[kind], self.n_items[kind] + n_more
        if n > 0xFFFF:
            raise Damaged("there would be more attributes than ASF allows")
        count = Splice(chunk.begin, chunk.begin + 2, n.to_bytes(2, "little"))
        return [*splices, count, *_resized(chunk, growth(splices))]

    def _new_object(self, kind: bytes, content: bytes) -> Splice:
        at = self.header.begin + 6  # before all others
        return Splice(at, at, kind + (len(content) + _HEAD_BYTES).to_bytes(8, "little") + content)

    def _within(self, kind: bytes) -> Iterator[Item]:
        chunk = self.objects.get(kind)
        return (item for item in self.items if chunk and chunk.begin <= item.begin < chunk.end)

    def _is_in(self, kind: bytes, splice: Splice) -> bool:
        chunk = self.objects[kind]
        return chunk.begin <= splice.begin < chunk.end and splice.end <= chunk.end

    def _file_size(self, grown: int) -> Iterator[Splice]:
        if _FILE in self.objects:
            at = self.objects[_FILE].begin + 16
            if int.from_bytes(self.view.at(at, 8), "little") == self.view.size:
                yield Splice(at, at + 8, (self.view.size + grown).to_bytes(8, "little"))


def _resized(chunk: Chunk, grown: int) -> list[Splice]:
    size = chunk.end - chunk.begin + _HEAD_BYTES + grown
    return [Splice(chunk.begin - 8, chunk.begin, size.to_bytes(8, "little"))] if grown else []


def _attribute(name: str, texts: tuple[str, ...]) -> bytes:
    label = name.encode("utf-16-le") + b"\0\0"
    data = b""
    for text in texts:
        value = text.encode("utf-16-le") + b"\0\0"
        if len(value) > _MAX_VALUE:
            raise Damaged("a text is longer than ASF allows (64 KiB)")
        data += len(label).to_bytes(2, "little") + label + bytes(2) + len(value).to_bytes(2, "little") + value
    return data


def open_asf(view: View, begin: int) -> AsfTag:
    """Find the attributes of the ASF file that begins at `begin`.

    Raises
    ------
    Damaged
        If the header is cut off, or an object in it is damaged.
    """
    header = next(walk_chunks(view, begin, ASF), None)
    if header is None or header.name != ASF_HEADER or header.end > view.size or header.end - header.begin > MAX_BYTES:
        raise Damaged("the header of the ASF file is cut off")
    objects = {chunk.name: chunk for chunk in walk_chunks(view, header.begin + 6, ASF, header.end)}
    if _EXTENSION in objects:
        within = objects[_EXTENSION]
        objects |= {chunk.name: chunk for chunk in walk_chunks(view, within.begin + 22, ASF, within.end)}
    if any(chunk.end > header.end for chunk in objects.values()):
        raise Damaged("an object in the header of the ASF file is cut off")
    items: list[Item] = []
    content: dict[str, tuple[int, int]] = {}
    n_items: dict[bytes, int] = {}
    for kind, chunk in objects.items():
        data = view.at(chunk.begin, chunk.end - chunk.begin)
        if kind == _DESCRIPTION:
            at = 10
            for i, name in enumerate(_CONTENT):
                size = int.from_bytes(data[2 * i : 2 * i + 2], "little")
                text = _text(data[at : at + size])
                content[name] = (chunk.begin + at, chunk.begin + at + size)
                items.append(Item(name, *content[name], (text,) if text else ()))
                at += size
            _check(at <= len(data))
        elif kind in (_EXTENDED, _METADATA, _LIBRARY):
            n_items[kind] = int.from_bytes(data[:2], "little")
            found = list((_short_items if kind == _EXTENDED else _long_items)(data, n_items[kind]))
            _check(not found or found[-1].end <= len(data))
            items += [Item(i.name, i.begin + chunk.begin, i.end + chunk.begin, i.texts) for i in found]
    return AsfTag(view, header, objects, tuple(items), content, n_items)


def _check(is_whole: bool) -> None:
    if not is_whole:
        raise Damaged("the attributes of the ASF file are damaged")


def _short_items(data: bytes, n: int) -> Iterator[Item]:
    """Yield the items of an extended description: name, type and value, each with its size before it."""
    at = 2
    for _ in range(n):
        n_name = int.from_bytes(data[at : at + 2], "little")
        kind_at = at + 2 + n_name
        kind = int.from_bytes(data[kind_at : kind_at + 2], "little")
        size = int.from_bytes(data[kind_at + 2 : kind_at + 4], "little")
        _check(kind_at + 4 + size <= len(data))
        value = data[kind_at + 4 : kind_at + 4 + size]
        yield Item(_text(data[at + 2 : kind_at]), at, kind_at + 4 + size, _value(kind, value))
        at = kind_at + 4 + size


def _long_items(data: bytes, n: int) -> Iterator[Item]:
    """Yield the items of metadata or library: language, stream, sizes and type, then name and value."""
    at = 2
    for _ in range(n):
        n_name, kind = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (4, 6))
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        name_at = at + 12
        _check(name_at + n_name + size <= len(data))
        value = data[name_at + n_name : name_at + n_name + size]
        yield Item(_text(data[name_at : name_at + n_name]), at, name_at + n_name + size, _value(kind, value))
        at = name_at + n_name + size


def _text(data: bytes) -> str:
    return data[: len(data) // 2 * 2].decode("utf-16-le", "replace").rstrip("\0")


def _value(kind: int, data: bytes) -> tuple[str, ...]:
    if kind in (_BYTES, _GUID):
        return ()
    text = _text(data) if kind == _UNICODE else str(int.from_bytes(data, "little"))
    return (text,) if text else ()
