"""Change items of the list in an MP4 file (m4a, m4b, mp4), with all others left byte for byte as they are.

Free space takes up the change where it can: behind the list, or behind the index. Else what lies behind is moved, and
all that says where the packets lie is brought up to date.

References
----------
ISO/IEC 14496-12; Apple's QuickTime File Format, "Metadata"; mutagen's documentation for the forms of names
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from earmark.audio.identity.mp4 import Box, find_box, walk_boxes
from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import Damaged, Item, growth, number_at, replace_items

_FREE_FORM = "----:com.apple.iTunes:"
_UTF8, _UTF16, _INTEGER = 1, 2, 21
_FREE = (b"free", b"skip")
_ABSOLUTE = (b"saio", b"iloc")  # places that say where in the file something lies, and are not followed here


@dataclass(frozen=True)
class Mp4Tag:
    """The list of an MP4 file, or the place for one.

    Parameters
    ----------
    view : of the file
    path : the boxes from `moov` down to `ilst`, as far as there are any
    top : all boxes of the file
    items : of the list
    end : where boxes can be added to the inmost one, bytes
    """

    view: View = field(repr=False)
    path: tuple[Box, ...]
    top: tuple[Box, ...]
    items: tuple[Item, ...]
    end: int
    family: str = "mp4"
    kind: str = "MP4"

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named items these texts, and takes away those without any."""
        inmost = self.path[-1]
        is_list = inmost.name == b"ilst"
        inner = replace_items(self.items, new, _item, self.end)
        if not is_list and inner:
            inner = [Splice(self.end, self.end, self._boxes_around(inner[0].data))]
        if not inner:
            return []
        splices = list(inner)
        outer = list(self.path)
        grown = growth(splices)
        if is_list:
            outer.pop()
            splices += _resized(self.view, inmost, grown)
            taken = self._take_free(walk_boxes(self.view, inmost.end, outer[-1].end), inmost.end, grown)
            splices += taken
            grown += growth(taken)
        for box in outer:
            splices += _resized(self.view, box, grown)
        moov = self.path[0]
        behind = [box for box in self.top if box.begin > moov.begin]
        taken = self._take_free(iter(behind[:1]), moov.end, grown)
        splices += taken
        grown += growth(taken)
        if grown and any(box.name == b"mdat" or box.name == b"moof" for box in behind):
            splices += self._moved(moov.end, grown)
        return splices

    def _take_free(self, boxes: Iterator[Box], at: int, grown: int) -> list[Splice]:
        """Let a free box that begins at `at` take up the change; none if it cannot."""
        box = next(boxes, None)
        if not grown or box is None or box.name not in _FREE or box.begin - 8 != at:
            return []
        size = box.end - at
        if grown == size:
            return [Splice(at, box.end, b"")]
        if size - grown < 8 or size - grown >= 1 << 32 or number_at(self.view, at, 4) != size:
            return []
        head = Splice(at, at + 4, (size - grown).to_bytes(4, "big"))
        return [head, Splice(box.end - grown, box.end, b"") if grown > 0 else Splice(box.end, box.end, bytes(-grown))]

    def _boxes_around(self, items: bytes) -> bytes:
        """Return the boxes that are missing around new items."""
        names = {box.name for box in self.path}
        data = _box(b"ilst", items)
        if b"meta" not in names:
            handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
            data = _box(b"meta", bytes(4) + handler + data)
        return data if b"udta" in names else _box(b"udta", data)

    def _moved(self, at: int, grown: int) -> Iterator[Splice]:
        """Yield what brings the places of packets behind `at` up to date."""
        for box in self.top:
            if box.name == b"moov":
                for track in walk_boxes(self.view, box.begin, box.end):
                    table = find_box(self.view, track, b"mdia", b"minf", b"stbl") if track.name == b"trak" else None
                    for part in walk_boxes(self.view, table.begin, table.end) if table else ():
                        if part.name in _ABSOLUTE:
                            raise Damaged("the MP4 file is encrypted in a way that lets nothing be moved")
                        if part.name in (b"stco", b"co64"):
                            yield from self._offsets(part, at, grown)
            elif box.name == b"moof":
                for track in walk_boxes(self.view, box.begin, box.end):
                    for part in walk_boxes(self.view, track.begin, track.end):
                        if part.name == b"tfhd" and self.view.at(part.begin + 3, 1)[0] & 1:
                            place = number_at(self.view, part.begin + 8, 8) + grown
                            yield Splice(part.begin + 8, part.begin + 16, place.to_bytes(8, "big"))
            elif box.name == b"mfra":
                for part in walk_boxes(self.view, box.begin, box.end):
                    if part.name == b"tfra":
                        yield from self._fragments(part, at, grown)
            elif box.name in _ABSOLUTE or (box.name == b"meta" and find_box(self.view, box, b"iloc")):
                raise Damaged(f"the MP4 file has a box {box.name.decode()!r}, and no free space to write to")

    def _fragments(self, box: Box, at: int, grown: int) -> Iterator[Splice]:
        """Yield where the fragments begin that an index at the end of the file lists."""
        width = 8 if self.view.at(box.begin, 1) == b"\1" else 4
        lengths, n = number_at(self.view, box.begin + 8, 4), number_at(self.view, box.begin + 12, 4)
        size = 2 * width + sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))
        if box.begin + 16 + n * size > box.end:
            raise Damaged("the index of the fragments of the MP4 file is damaged")
        for begin in range(box.begin + 16 + width, box.begin + 16 + n * size, size):
            place = number_at(self.view, begin, width)
            if place >= at:
                yield Splice(begin, begin + width, (place + grown).to_bytes(width, "big"))

    def _offsets(self, box: Box, at: int, grown: int) -> Iterator[Splice]:
        kind, limit = (">u4", 1 << 32) if box.name == b"stco" else (">u8", 1 << 62)
        begin = box.begin + 8
        end = begin + number_at(self.view, box.begin + 4, 4) * int(kind[-1])
        if end > box.end:
            raise Damaged("the index of the MP4 file is damaged")
        places = np.frombuffer(self.view.at(begin, end - begin), dtype=kind).astype(np.int64)
        places[places >= at] += grown
        if len(places) and (places.max() >= limit or places.min() < 0):
            raise Damaged("the MP4 file would be larger than its index allows (4 GiB)")
        yield Splice(begin, end, places.astype(kind).tobytes())


def _box(name: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + name + content


def _resized(view: View, box: Box, grown: int) -> Iterator[Splice]:
    """Yield the new size of a box."""
    at = box.begin - 8
    if view.at(at, 8)[4:] != box.name:  # a size of eight bytes stands between
        size = number_at(view, box.begin - 8, 8)
        yield Splice(box.begin - 8, box.begin, (size + grown).to_bytes(8, "big"))
        return
    size = number_at(view, at, 4)
    if size and grown:  # none: up to the end of the file
        if size + grown >= 1 << 32:
            raise Damaged(f"the box {box.name.decode('latin-1')!r} would be larger than 4 GiB")
        yield Splice(at, at + 4, (size + grown).to_bytes(4, "big"))


def _item(name: str, texts: tuple[str, ...]) -> bytes:
    if name == "tmpo":
        return _box(b"tmpo", _data(_INTEGER, int(texts[0]).to_bytes(2, "big")))
    content = b"".join(_data(_UTF8, text.encode()) for text in texts)
    if name.startswith("----:"):
        _, mean, label = name.split(":", 2)
        head = _box(b"mean", bytes(4) + mean.encode()) + _box(b"name", bytes(4) + label.encode())
        return _box(b"----", head + content)
    return _box(name.encode("latin-1"), content)


def _data(kind: int, content: bytes) -> bytes:
    return _box(b"data", kind.to_bytes(4, "big") + bytes(4) + content)


def open_mp4(view: View, begin: int) -> Mp4Tag:
    """Find the list of the MP4 file that begins at `begin`.

    Raises
    ------
    Damaged
        If the boxes cannot be followed.
    """
    top = tuple(walk_boxes(view, begin, view.size))
    moov = next((box for box in top if box.name == b"moov"), None)
    if moov is None:
        raise Damaged("the MP4 file has no index (moov)")
    path = [moov]
    for name in (b"udta", b"meta", b"ilst"):
        within = path[-1]
        shift = 0
        if within.name == b"meta" and view.at(within.begin + 4, 4) != b"hdlr":  # QuickTime's has no version in front
            shift = 4
        boxes = list(walk_boxes(view, within.begin + shift, within.end))
        found = [box for box in boxes if box.name == name]
        if name == b"meta":  # another program's may stand beside it
            found = [box for box in found if _is_list_of_tags(view, box)]
        if not found:
            break
        path.append(found[0])
    if any(number_at(view, box.begin - 8, 4) > view.size for box in path if view.at(box.begin - 4, 4) == box.name):
        raise Damaged("a box of the MP4 file is cut off")
    items = tuple(_items(view, path[-1])) if path[-1].name == b"ilst" else ()
    shift = 4 if path[-1].name == b"meta" and view.at(path[-1].begin + 4, 4) != b"hdlr" else 0
    inner = list(walk_boxes(view, path[-1].begin + shift, path[-1].end))
    end = inner[-1].end if inner else path[-1].begin + shift  # QuickTime may have a zero behind the last one
    return Mp4Tag(view, tuple(path), top, items, end)


def _is_list_of_tags(view: View, meta: Box) -> bool:
    shift = 4 if view.at(meta.begin + 4, 4) != b"hdlr" else 0
    handler = find_box(view, Box(meta.name, meta.begin + shift, meta.end), b"hdlr")
    return handler is None or view.at(handler.begin + 8, 4) == b"mdir"


def _items(view: View, within: Box) -> Iterator[Item]:
    """Yield the items of the list; of genres by number the name as "©gen", for that is the field that they fill."""
    from mutagen.id3 import TCON

    for box in walk_boxes(view, within.begin, within.end):
        parts = list(walk_boxes(view, box.begin, box.end))
        name = box.name.decode("latin-1")
        texts = [text for part in parts if part.name == b"data" for text in _texts(view, name, part)]
        if box.name == b"----":
            names = {p.name: view.at(p.begin + 4, p.end - p.begin - 4).decode("utf-8", "replace") for p in parts[:2]}
            name = f"----:{names.get(b'mean', '')}:{names.get(b'name', '')}"
        elif box.name == b"gnre":
            numbers = [int(text) - 1 for text in texts]
            name, texts = "©gen", [TCON.GENRES[n] for n in numbers if 0 <= n < len(TCON.GENRES)]
        yield Item(name, box.begin - 8, box.end, tuple(texts))


def _texts(view: View, name: str, data: Box) -> Iterator[str]:
    kind = number_at(view, data.begin, 4) & 0xFFFFFF
    content = view.at(data.begin + 8, min(data.end - data.begin - 8, 1 << 20))
    if name in ("tmpo", "gnre"):
        yield str(int.from_bytes(content, "big"))
    elif kind in (0, _UTF8, _UTF16) and name not in ("covr", "trkn", "disk"):
        try:
            yield content.decode("utf-16-be" if kind == _UTF16 else "utf-8")
        except UnicodeDecodeError:
            yield content.decode("latin-1")
