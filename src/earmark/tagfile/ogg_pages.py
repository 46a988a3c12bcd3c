"""The pages of an Ogg file: where they lie, their checksum, and packets cut into pages.

References
----------
RFC 3533
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earmark.audio.identity.view import View

_HEAD_BYTES, _MAX_SEGMENTS = 27, 255
_CONTINUED, _LAST = 1, 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """One page.

    Parameters
    ----------
    begin, body, end : where it, and its content, begin and end, bytes
    flags : 1 if it goes on with a packet, 2 for the first of a stream, 4 for the last
    granule : position in the stream; -1 if no packet ends here
    serial, number : of the stream, and of the page in it
    lacing : sizes of the segments
    """

    begin: int
    body: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes


def pages_of(view: View, begin: int) -> Iterator[Page]:
    """Yield the pages from `begin` on, up to what is no whole page."""
    while True:
        head = view.at(begin, _HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[:4] != b"OggS":
            return
        lacing = view.at(begin + _HEAD_BYTES, head[26])
        body = begin + _HEAD_BYTES + head[26]
        end = body + sum(lacing)
        if end > view.size or len(lacing) < head[26]:
            return
        granule = int.from_bytes(head[6:14], "little", signed=True)
        serial, number = int.from_bytes(head[14:18], "little"), int.from_bytes(head[18:22], "little")
        yield Page(begin, body, end, head[5], granule, serial, number, lacing)
        begin = end


def crc_of(page: bytes) -> int:
    """Return the checksum of a page whose own four bytes for it are zero.

    It is CRC-32 with the bits the other way round than zlib has them, begun with 0 and not inverted.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


def paginated(packets: Sequence[bytes], pages: Sequence[Page]) -> list[bytes]:
    """Cut packets into pages that take the place of others: into as many, and as the others were, where possible.

    Parameters
    ----------
    packets : headers
    pages : that they filled until now

    Returns
    -------
    the bytes of each page
    """
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    content = b"".join(packets)
    made: list[bytes] = []
    segment = at = 0
    is_continued = False
    counts = _counts(len(lacing), [len(page.lacing) for page in pages])
    for i, count in enumerate(counts):
        sizes = lacing[segment : segment + count]
        n_bytes = sum(sizes)
        flags = _CONTINUED * is_continued | (pages[-1].flags & _LAST if i == len(counts) - 1 else 0)
        granule = -1 if min(sizes) == 255 else 0
        number = (pages[0].number + i) % (1 << 32)
        head = b"OggS\0" + bytes([flags]) + granule.to_bytes(8, "little", signed=True)
        head += pages[0].serial.to_bytes(4, "little") + number.to_bytes(4, "little")
        tail = bytes([count]) + sizes + content[at : at + n_bytes]
        made.append(head + crc_of(head + bytes(4) + tail).to_bytes(4, "little") + tail)
        is_continued = sizes[-1] == 255
        segment, at = segment + count, at + n_bytes
    return made


def _counts(n_segments: int, before: Sequence[int]) -> list[int]:
    """Say how many segments each page gets."""
    n_pages = max(min(len(before), n_segments), -(-n_segments // _MAX_SEGMENTS))
    if n_pages != len(before):
        return [min(_MAX_SEGMENTS, n_segments - _MAX_SEGMENTS * i) for i in range(-(-n_segments // _MAX_SEGMENTS))]
    counts = list(before)
    left = n_segments - sum(counts)
    for i in reversed(range(n_pages)):
        count = min(max(counts[i] + left, 1), _MAX_SEGMENTS)
        left -= count - counts[i]
        counts[i] = count
    return counts
