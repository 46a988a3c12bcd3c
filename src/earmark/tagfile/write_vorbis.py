"""Change Vorbis comments in FLAC and Ogg, with all others left byte for byte as they are, in their order.

In FLAC, PADDING takes up the change as far as it reaches. In Ogg, so do zeros behind the comments; where these are not
enough, the pages of the headers are cut anew, if possible into as many as there were: else all later pages of the
stream get other numbers.

References
----------
Vorbis I specification, section 5; RFC 9639, section 8; RFC 3533; RFC 7845, section 5.2
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from earmark.audio.identity.flac import STREAMINFO, VORBIS_COMMENT, blocks
from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import MAX_BYTES, Damaged, Item, growth, patched, replace_items
from earmark.tagfile.ogg_pages import Page, crc_of, pages_of, paginated

_PADDING = 1
_MAX_BLOCK = 1 << 24
_FIRST_PACKETS = {  # what stands before the comments in the packet behind such a first one
    b"\x01vorbis": b"\x03vorbis",
    b"OpusHead": b"OpusTags",
    b"\x7fFLAC": b"",
    b"Speex   ": b"",
}


@dataclass(frozen=True)
class Comments:
    """A block of comments.

    Parameters
    ----------
    items : the comments that have a name
    count : where their number stands, bytes
    n : their number
    end : where the last one ends, bytes
    """

    items: tuple[Item, ...]
    count: int
    n: int
    end: int

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named fields these texts, without the change of what is around the block."""
        splices = replace_items(self.items, new, _comments, self.end)
        folded = {name.casefold() for name in new}
        n_gone = sum(item.name.casefold() in folded for item in self.items)
        n = self.n - n_gone + sum(len(texts) for texts in new.values())
        return [*splices, Splice(self.count, self.count + 4, n.to_bytes(4, "little"))] if n != self.n else splices


def _comments(name: str, texts: tuple[str, ...]) -> bytes:
    encoded = [f"{name}={text}".encode() for text in texts]
    return b"".join(len(data).to_bytes(4, "little") + data for data in encoded)


def find_comments(data: bytes, at: int, end: int, offset: int = 0) -> Comments:
    """Find the comments in `data` from `at` on; positions are given plus `offset`.

    Raises
    ------
    Damaged
        If they reach beyond `end`.
    """
    count = at + 4 + int.from_bytes(data[at : at + 4], "little")
    n = int.from_bytes(data[count : count + 4], "little")
    position = count + 4
    items = []
    for _ in range(n):
        begin = position + 4
        position = begin + int.from_bytes(data[position:begin], "little")
        if position > end:
            break
        name, is_comment, text = data[begin:position].partition(b"=")
        if is_comment:
            items.append(Item(name.decode("latin-1").upper(), begin - 4 + offset, position + offset, (_text(text),)))
    if position > end:
        raise Damaged("the Vorbis comments are cut off or damaged")
    return Comments(tuple(items), count + offset, n, position + offset)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@dataclass(frozen=True)
class FlacTag:
    """The comments of a FLAC file.

    Parameters
    ----------
    comments : None where there is no block for them yet
    block : where the content of the block begins and ends, bytes; of STREAMINFO if there is none
    is_last : whether that block is the last one
    padding : where the content of a block of padding begins and ends, bytes
    """

    comments: Comments | None
    block: tuple[int, int]
    is_last: bool
    padding: tuple[int, int] | None
    family: str = "vorbis"
    kind: str = "Vorbis comments"

    @property
    def items(self) -> Sequence[Item]:
        """Return the comments."""
        return self.comments.items if self.comments else ()

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named fields these texts, and takes away those without any."""
        begin, end = self.block
        if self.comments is None:
            if not any(new.values()):
                return []
            data = _new_block(new)
            head = bytes([VORBIS_COMMENT | 0x80 * self.is_last]) + _block_size(len(data))
            splices = [Splice(end, end, head + data)]
            if self.is_last:
                splices.append(Splice(begin - 4, begin - 3, bytes([STREAMINFO])))
        else:
            splices = self.comments.splices(new)
            if grown := growth(splices):
                splices.append(Splice(begin - 3, begin, _block_size(end - begin + grown)))
        return [*splices, *self._padded(growth(splices))]

    def _padded(self, grown: int) -> list[Splice]:
        if self.padding is None or not grown:
            return []
        begin, end = self.padding
        if grown > end - begin or end - begin - grown >= _MAX_BLOCK:
            return []
        zeros = Splice(begin, begin + grown, b"") if grown > 0 else Splice(end, end, bytes(-grown))
        return [Splice(begin - 3, begin, _block_size(end - begin - grown)), zeros]


def _new_block(new: Mapping[str, tuple[str, ...]]) -> bytes:
    data = b"".join(_comments(name, texts) for name, texts in new.items())
    n = sum(len(texts) for texts in new.values())
    return (7).to_bytes(4, "little") + b"earmark" + n.to_bytes(4, "little") + data


def _block_size(size: int) -> bytes:
    if size >= _MAX_BLOCK:
        raise Damaged("the comments would be larger than a FLAC block may be (16 MiB)")
    return size.to_bytes(3, "big")


def open_flac(view: View, begin: int) -> FlacTag:
    """Find the comments of the FLAC file that begins at `begin`."""
    comments, block, padding, is_last = None, None, None, False
    for kind, at, end in blocks(view, begin):
        if end > view.size:
            raise Damaged("a FLAC block is cut off")
        if kind == VORBIS_COMMENT and comments is None:
            data = view.at(at, end - at)
            comments, block = find_comments(data, 0, len(data), at), (at, end)
        elif kind == STREAMINFO and block is None:
            block, is_last = (at, end), bool(view.at(at - 4, 1)[0] & 0x80)
        elif kind == _PADDING:
            padding = (at, end)
    if block is None:
        raise Damaged("the FLAC file has no STREAMINFO")
    return FlacTag(comments, block, is_last, padding)


@dataclass(frozen=True)
class OggTag:
    """The comments of an Ogg stream.

    Parameters
    ----------
    comments : positions are those in `packets[0]`
    packets : of the headers: the comments, and what follows on the same pages
    pages : that these fill
    view : of the file
    room : zeros behind the comments that a change may take up, bytes
    is_flac : whether the packet is a FLAC block, with its size in front
    """

    comments: Comments
    packets: tuple[bytes, ...]
    pages: tuple[Page, ...]
    view: View
    room: int
    is_flac: bool
    family: str = "vorbis"
    kind: str = "Vorbis comments"

    @property
    def items(self) -> Sequence[Item]:
        """Return the comments."""
        return self.comments.items

    def splices(self, new: Mapping[str, tuple[str, ...]]) -> list[Splice]:
        """Return what gives the named fields these texts, and takes away those without any."""
        inner = self.comments.splices(new)
        packet = self.packets[0]
        grown = growth(inner)
        if 0 < grown <= self.room:
            inner.append(Splice(len(packet) - grown, len(packet), b""))
        elif grown < 0 and self.room:
            inner.append(Splice(len(packet), len(packet), bytes(-grown)))
        packet = patched(packet, inner)
        if self.is_flac:
            packet = packet[:1] + _block_size(len(packet) - 4) + packet[4:]
        made = paginated([packet, *self.packets[1:]], self.pages)
        begin, end = self.pages[0].begin, self.pages[-1].end
        splices = [Splice(begin, end, b"".join(made))]
        if shift := len(made) - len(self.pages):
            splices += self._renumbered(end, shift)
        return splices

    def _renumbered(self, begin: int, shift: int) -> Iterator[Splice]:
        """Yield the new numbers and checksums of the pages behind the headers."""
        end = begin
        for page in pages_of(self.view, begin):
            if page.serial == self.pages[0].serial:
                number = (page.number + shift) % (1 << 32)
                data = self.view.at(page.begin, page.end - page.begin)
                data = data[:18] + number.to_bytes(4, "little") + bytes(4) + data[26:]
                yield Splice(page.begin + 18, page.begin + 26, data[18:22] + crc_of(data).to_bytes(4, "little"))
                if page.flags & 4:  # the last of this stream; another with the same serial may follow
                    return
            end = page.end
        if b"OggS" in self.view.at(end, 1 << 20):
            raise Damaged("the Ogg stream is damaged in its middle, and its pages would have to be numbered anew")


def open_ogg(view: View, begin: int) -> OggTag:
    """Find the comments of the first sound stream of the Ogg file that begins at `begin`."""
    pages: list[Page] = []
    lead, serial = None, 0
    for page in pages_of(view, begin):
        if lead is None:
            first = view.at(page.body, 8)
            lead = next((after for magic, after in _FIRST_PACKETS.items() if first.startswith(magic)), None)
            serial = page.serial
            if lead is not None and (first.startswith(b"\x7fFLAC")):
                lead = b"flac"
            if not page.flags & 2:
                break
        elif page.serial == serial:
            pages.append(page)
            if sum(size < 255 for each in pages for size in each.lacing) and page.lacing[-1:] < b"\xff":
                break
            if page.end - pages[0].begin > MAX_BYTES:
                break
    if lead is None or not pages:
        raise Damaged("no stream in this Ogg file is one whose comments are known (Vorbis, Opus, FLAC, Speex)")
    if any(a.end != b.begin for a, b in pairwise(pages)):
        raise Damaged("several streams are mixed in this Ogg file, right among its headers")
    if pages[-1].lacing[-1:] == b"\xff" or any(page.granule not in (0, -1) for page in pages) or pages[0].flags & 1:
        raise Damaged("the headers of the Ogg stream do not end where a page ends")
    packets = _packets(view, pages)
    if not packets or not packets[0]:
        raise Damaged("the headers of the Ogg stream are empty")
    n_lead = 4 if lead == b"flac" else len(lead)
    is_known = packets[0][0] & 0x7F == VORBIS_COMMENT if lead == b"flac" else packets[0].startswith(lead)
    if not is_known:
        raise Damaged("the comments of the Ogg stream are missing or damaged")
    comments = find_comments(packets[0], n_lead, len(packets[0]))
    rest = packets[0][comments.end :]
    n_fixed = 1 if lead == b"\x03vorbis" else 0
    room = 0 if lead == b"flac" or rest[n_fixed:].strip(b"\0") else max(len(rest) - n_fixed, 0)
    return OggTag(comments, tuple(packets), tuple(pages), view, room, lead == b"flac")


def _packets(view: View, pages: Sequence[Page]) -> list[bytes]:
    packets, parts = [], []
    for page in pages:
        at = page.body
        for size in page.lacing:
            parts.append(view.at(at, size))
            at += size
            if size < 255:
                packets.append(b"".join(parts))
                parts = []
    return packets
