"""Change items of an APEv2 tag, with all others left byte for byte as they are, in their order.

References
----------
https://wiki.hydrogenaud.io/index.php?title=APEv2_specification
"""

from collections.abc import Mapping
from dataclasses import dataclass

from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import MAX_BYTES, Damaged, Item, growth, replace_items

_MAGIC = b"APETAGEX"
_HEAD_BYTES = 32
_HAS_HEADER, _IS_HEADER, _READ_ONLY = 1 << 31, 1 << 29, 1
_NO_TEXT = 0b110
_KINDS = "texts", "data", "links"


@dataclass(frozen=True)
class ApeTag:
    """An APEv2 tag, or the place for one.

    Parameters
    ----------
    begin, end : bytes; the same where there is no tag yet
    items : in the order of the file
    last : where the last item ends
    heads : where header and footer lie, as far as there are any
    flags : of the tag
    version : times 1000
    """

    begin: int
    end: int
    items: tuple[Item, ...] = ()
    last: int = 0
    heads: tuple[int, ...] = ()
    flags: int = 0
    version: int = 2000
    family: str = "ape"

    @property
    def kind(self) -> str:
        """Return the name of the format."""
        return "APEv2" if self.version >= 2000 else "APEv1"

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named items these texts, and takes away those without any."""
        if self.begin == self.end:
            data = b"".join(self._item(name, texts) for name, texts in new.items() if texts)
            n = sum(bool(texts) for texts in new.values())
            ends = [_head(2000, len(data) + _HEAD_BYTES, n, _HAS_HEADER | flag) for flag in (_IS_HEADER, 0)]
            return [Splice(self.begin, self.begin, ends[0] + data + ends[1])] if data else []
        splices = replace_items(self.items, new, self._item, self.last)
        if not splices:
            return []
        folded = {name.casefold() for name, texts in new.items() if texts}
        kept = {name.casefold() for name in (item.name for item in self.items)} - {name.casefold() for name in new}
        n_double = sum(item.name.casefold() in kept for item in self.items)
        size = self.last - self._first + _HEAD_BYTES + growth(splices)
        for at in self.heads:
            is_header = at == self.begin
            flags = self.flags & ~_IS_HEADER | (_IS_HEADER if is_header else 0)
            head = _head(self.version, size, n_double + len(folded), flags)
            splices.append(Splice(at + 12, at + 24, head[12:24]))
        return splices

    @property
    def _first(self) -> int:
        return self.begin + _HEAD_BYTES if self.begin in self.heads else self.begin

    def _item(self, name: str, texts: tuple[str, ...]) -> bytes:
        joined = "\0" if self.version >= 2000 else "; "
        data = joined.join(texts).encode("utf-8" if self.version >= 2000 else "latin-1", "replace")
        return len(data).to_bytes(4, "little") + bytes(4) + name.encode("ascii") + b"\0" + data


def _head(version: int, size: int, n_items: int, flags: int) -> bytes:
    numbers = (version, size, n_items, flags)
    return _MAGIC + b"".join(number.to_bytes(4, "little") for number in numbers) + bytes(8)


def open_ape(view: View, begin: int, end: int) -> ApeTag:
    """Find the items of the APE tag that lies from `begin` up to `end`, with header and footer."""
    data = view.at(begin, min(end - begin, MAX_BYTES))
    has_header, has_footer = data[:8] == _MAGIC, data[-_HEAD_BYTES:][:8] == _MAGIC and len(data) > _HEAD_BYTES
    heads = (begin,) * has_header + (end - _HEAD_BYTES,) * has_footer
    if len(data) < end - begin or not heads:
        raise Damaged("the APEv2 tag is cut off")
    main = data[-_HEAD_BYTES:] if has_footer else data[:_HEAD_BYTES]
    version, _, n_items, flags = (int.from_bytes(main[at : at + 4], "little") for at in (8, 12, 16, 20))
    at, stop = _HEAD_BYTES * has_header, len(data) - _HEAD_BYTES * has_footer
    if flags & _READ_ONLY and version >= 2000:
        raise Damaged("the APEv2 tag is marked as read-only")
    items = []
    for _ in range(n_items):
        size, kind = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        zero = data.find(b"\0", at + 8)
        until = zero + 1 + size
        if zero < 0 or until > stop or zero - at - 8 > 255:
            raise Damaged("the APEv2 tag is damaged")
        texts = () if kind & _NO_TEXT else _texts(data[zero + 1 : until])
        items.append(Item(data[at + 8 : zero].decode("latin-1"), begin + at, begin + until, texts))
        at = until
    if at != stop:
        raise Damaged("the APEv2 tag is damaged: it holds more than its items")
    return ApeTag(begin, end, tuple(items), begin + at, heads, flags, version)


def _texts(data: bytes) -> tuple[str, ...]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return tuple(part for part in text.split("\0") if part)
