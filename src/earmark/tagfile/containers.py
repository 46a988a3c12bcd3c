"""The tags of a container's own: MP4, ASF, RIFF and AIFF chunks, DSF, Matroska."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from earmark.audio.identity.chunks import DSDIFF, DSF, IFF, RIFF, W64, Chunk, walk_chunks
from earmark.audio.identity.matroska import INFO, SEGMENT, TAGS, TITLE, Element, walk_elements
from earmark.audio.identity.view import View
from earmark.audio.mpeg import Splice
from earmark.tagfile.id3 import read_id3
from earmark.tagfile.source import Gathering, Source, failure
from earmark.tagfile.vorbis import read_flac, read_ogg

_MAX_BYTES = 1 << 26
_AIFF_TEXTS = (b"NAME", b"AUTH", b"ANNO", b"(c) ")
_TAG, _TARGETS, _LEVEL, _SIMPLE, _NAME, _STRING = 0x7373, 0x63C0, 0x68CA, 0x67C8, 0x45A3, 0x4487
_TRACK_LEVEL = 30


def own_tags(view: View, kind: str, begin: int) -> list[Source]:
    """Read what tags a container of this kind, which begins at `begin`, has inside."""
    return _READERS[kind](view, begin) if kind in _READERS else []


def _read_mp4(view: View, begin: int) -> Source:
    from mutagen.mp4 import Atoms, MP4Tags

    fields = Gathering()
    problem = ""
    try:
        file = cast(BinaryIO, Splice(view.file, begin, view.size))
        atoms = Atoms(file)
        if not MP4Tags._can_load(atoms):
            return Source("mp4", "")
        tags = MP4Tags(atoms, file)
        for name, values in tags.items():
            fields.add(name, _mp4_texts(values))
        if failed := sorted(getattr(tags, "_failed_atoms", ())):
            problem = f"damaged fields in the MP4 tags: {', '.join(failed)}"
    except Exception as error:  # noqa: BLE001  (what a damaged tag makes mutagen raise is not foreseeable)
        problem = f"the MP4 tags cannot be read: {failure(error)}"
    return Source("mp4", "MP4", fields.fields, problem)


def _mp4_texts(values: Any) -> Iterator[str]:
    from mutagen.mp4 import AtomDataType, MP4Cover, MP4FreeForm

    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, MP4FreeForm):
            encodings = {AtomDataType.UTF8: "utf-8", AtomDataType.UTF16: "utf-16-be", AtomDataType.IMPLICIT: "utf-8"}
            if encoding := encodings.get(value.dataformat):
                yield _decoded(bytes(value), encoding)
        elif isinstance(value, bool):
            yield str(int(value))
        elif isinstance(value, str | int):
            yield str(value)
        elif isinstance(value, tuple):  # number and count
            yield "/".join(str(part) for part in value if part)
        elif isinstance(value, bytes) and not isinstance(value, MP4Cover):
            yield _decoded(value, "utf-8")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_asf(view: View, begin: int) -> Source:
    from mutagen.asf import ASF, ASFByteArrayAttribute, ASFGUIDAttribute

    fields = Gathering()
    try:
        tags = ASF(cast(BinaryIO, Splice(view.file, begin, view.size))).tags
        for name, value in tags or ():
            if not isinstance(value, ASFByteArrayAttribute | ASFGUIDAttribute):
                fields.add(name, [str(value)])
    except Exception as error:  # noqa: BLE001
        return Source("asf", "ASF", fields.fields, f"the ASF tags cannot be read: {failure(error)}")
    return Source("asf", "ASF", fields.fields)


def _read_chunks(view: View, begin: int) -> list[Source]:
    """Read ID3 chunks, and texts in chunks of their own: INFO lists of RIFF, NAME and others of AIFF."""
    grammar = {b"riff": W64, b"FORM": IFF, b"RIFX": IFF, b"FRM8": DSDIFF}.get(view.at(begin, 4), RIFF)
    sources, texts = [], Gathering()
    for chunk in walk_chunks(view, begin, grammar):
        content_size = min(chunk.end - chunk.begin, _MAX_BYTES)
        if chunk.name[:4].lower() == b"id3 ":
            sources.append(read_id3(view.at(chunk.begin, content_size), content_size))
        elif chunk.name[:4].upper() == b"LIST" and view.at(chunk.begin, 4) == b"INFO":
            for part in walk_chunks(view, chunk.begin + 4 - RIFF.first, RIFF, chunk.end):
                texts.add(part.name.decode("latin-1"), [_chunk_text(view, part, chunk.end)])
        elif grammar is IFF and chunk.name in _AIFF_TEXTS:
            texts.add(chunk.name.decode("latin-1"), [_chunk_text(view, chunk, chunk.end)])
    if texts.fields:
        family = "aiff" if grammar is IFF else "info"
        sources.append(Source(family, {"aiff": "AIFF chunks", "info": "RIFF INFO"}[family], texts.fields))
    return sources


def _chunk_text(view: View, chunk: Chunk, end: int) -> str:
    return _decoded(view.at(chunk.begin, min(chunk.end - chunk.begin, end - chunk.begin, _MAX_BYTES)), "utf-8")


def _read_dsd(view: View, begin: int) -> list[Source]:
    if view.at(begin, 4) != b"DSD ":
        return _read_chunks(view, begin)
    at = begin + int.from_bytes(view.at(begin + 20, 8), "little")
    for chunk in walk_chunks(view, begin, DSF):
        if at > begin and chunk.end <= at <= view.size and view.at(at, 3) == b"ID3":
            return [read_id3(view.at(at, _MAX_BYTES))]
    return []


def _read_matroska(view: View, begin: int) -> Source:
    """Read the tags of a Matroska file; those of the album are called "ALBUM:..." where the track has its own."""
    found: list[tuple[int | None, str, str]] = []
    infos = Gathering()
    for segment in walk_elements(view, begin, view.size):
        for element in walk_elements(view, segment.begin, segment.end) if segment.id == SEGMENT else ():
            if element.id == TAGS:
                for tag in walk_elements(view, element.begin, element.end):
                    found += _matroska_tag(view, tag) if tag.id == _TAG else ()
            elif element.id == INFO:
                parts = walk_elements(view, element.begin, element.end)
                infos.add("INFO:TITLE", [_element_text(view, part) for part in parts if part.id == TITLE])
    fields = Gathering()
    is_split = any(level == _TRACK_LEVEL for level, _, _ in found)
    for level, name, text in found:
        is_of_album = is_split and (level is None or level > _TRACK_LEVEL)
        fields.add(f"ALBUM:{name}" if is_of_album else name, [text])
    texts = fields.fields | infos.fields
    return Source("matroska", "Matroska" if texts else "", texts)


def _matroska_tag(view: View, tag: Element) -> Iterator[tuple[int | None, str, str]]:
    """Yield level, name and text of what stands in one tag."""
    level = None
    for part in walk_elements(view, tag.begin, tag.end):
        if part.id == _TARGETS:
            for target in walk_elements(view, part.begin, part.end):
                if target.id == _LEVEL:
                    level = int.from_bytes(view.at(target.begin, min(target.end - target.begin, 8)), "big")
        elif part.id == _SIMPLE:
            values = {one.id: _element_text(view, one) for one in walk_elements(view, part.begin, part.end)}
            if _NAME in values and _STRING in values:
                yield level, values[_NAME].upper(), values[_STRING]


def _element_text(view: View, element: Element) -> str:
    return _decoded(view.at(element.begin, min(element.end - element.begin, _MAX_BYTES)), "utf-8")


_READERS: dict[str, Callable[[View, int], list[Source]]] = {
    "flac": lambda view, begin: [read_flac(view, begin)],
    "ogg": lambda view, begin: [read_ogg(view, begin)],
    "mp4": lambda view, begin: [_read_mp4(view, begin)],
    "asf": lambda view, begin: [_read_asf(view, begin)],
    "matroska": lambda view, begin: [_read_matroska(view, begin)],
    "wave": _read_chunks,
    "aiff": _read_chunks,
    "dsd": _read_dsd,
}
