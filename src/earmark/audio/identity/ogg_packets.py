"""Ogg: the packets of Vorbis, Opus, FLAC and Speex streams, whatever pages they are cut into.

A tag editor renumbers pages and may cut them anew. The lacing values of a packet (so many times 255, then the rest) do
not depend on where a page ends, so those of all pages, in a row, and the content of all pages, in a row, stand for the
packets. Left out are the comments; of FLAC all metadata but STREAMINFO. The position of the last sample is a fact: it
says how much of the last packet is heard.

References
----------
RFC 3533 (Ogg), RFC 7845 (Opus), Vorbis I specification section 4.2, RFC 9639 section 10.1 (FLAC), the Speex manual.
"""

import hashlib
from collections.abc import Iterator

from earmark.audio.identity.flac import STREAMINFO
from earmark.audio.identity.view import BLOCK_BYTES, Layout, View

_HEAD_BYTES, _PAGE_BYTES = 27, 27 + 255 + 255 * 255
_FIRST_PAGE = 2
_KEPT_BYTES = 4096  # of the first packet
_NO_POSITION = b"\xff" * 8
_MAGICS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"fLaC": "flac", b"Speex   ": "speex"}


def ogg_layout(view: View, begin: int) -> Layout:
    """Read the packets of the Ogg file that begins at `begin`; the streams' digests are the facts.

    If one of the streams is known as audio, those that are not are left out.
    """
    streams: list[Stream] = []
    current: dict[bytes, Stream] = {}
    for head, lacing, body in pages(view, begin):
        serial = head[14:18]
        stream = current.get(serial)
        if stream is None or head[5] & _FIRST_PAGE:
            stream = current[serial] = Stream()
            streams.append(stream)
        stream.add(head, lacing, body)
    heard = [stream for stream in streams if stream.codec] or streams
    return Layout("ogg", tuple(stream.digest() for stream in heard if stream.n_bytes))


def pages(view: View, begin: int) -> Iterator[tuple[bytes, bytes, memoryview]]:
    """Yield head, lacing values and content of the pages from `begin` on, past what is none.

    Of a page that is cut off by the end of the file, what is there.
    """
    position = begin
    while data := view.at(position, BLOCK_BYTES):
        is_end = position + len(data) >= view.size
        content = memoryview(data)
        at = 0
        while at + _PAGE_BYTES <= len(data) or is_end:
            if data[at : at + 4] != b"OggS":
                found = data.find(b"OggS", at)
                at = found if found >= 0 else max(len(data) - 3, at + 1)
                if found < 0:
                    break
                continue
            body = at + _HEAD_BYTES + data[at + 26] if at + 26 < len(data) else len(data)
            lacing = data[at + _HEAD_BYTES : body]
            end = body + sum(lacing)
            yield data[at : at + _HEAD_BYTES], lacing, content[body:end]
            at = end
            if at >= len(data):
                break
        position += at


class Stream:
    """One logical stream of an Ogg file, fed with its pages.

    Attributes
    ----------
    codec : "vorbis", "opus", "flac" or "speex"; "" for any other
    n_bytes : of audio so far
    """

    def __init__(self) -> None:
        self.codec = ""
        self.n_bytes = 0
        self._facts = self._last = b""
        self._lacing, self._content = hashlib.sha256(), hashlib.sha256()
        self._n_packets = 0  # begun so far, while in the headers
        self._in_headers, self._in_packet = True, False

    def add(self, head: bytes, lacing: bytes, body: memoryview) -> None:
        """Take one page."""
        if self._in_headers:
            n_segments, n_bytes = self._skip_headers(lacing, body)
            lacing, body = lacing[n_segments:], body[n_bytes:]
        self._lacing.update(lacing)
        self._content.update(body)
        self.n_bytes += len(body)
        if head[6:14] != _NO_POSITION:
            self._last = head[6:14]

    def _skip_headers(self, lacing: bytes, body: memoryview) -> tuple[int, int]:
        """Go past headers that are left out; return how many segments and bytes of the page they take."""
        segment = at = 0
        while segment < len(lacing):
            ends = (i + 1 for i in range(segment, len(lacing)) if lacing[i] < 255)
            next_segment = next(ends, len(lacing))
            if not self._in_packet:
                if not self._take_header(bytes(body[at : at + _KEPT_BYTES])):
                    self._in_headers = False
                    break
                self._n_packets += 1
            at += sum(lacing[segment:next_segment])
            self._in_packet = lacing[next_segment - 1] == 255
            segment = next_segment
        return segment, at

    def _take_header(self, content: bytes) -> bool:
        """Note what a header packet that begins like this says; False if the packet is none, or is to be kept whole."""
        if self._n_packets == 0:
            self.codec = next((name for magic, name in _MAGICS.items() if content.startswith(magic)), "")
            if self.codec != "flac":
                self._facts = content
            elif content[:1] == b"\x7f":
                self._facts = content[17:51]  # STREAMINFO, without the number of headers before it
            return True
        if self.codec == "flac":
            if content[:1] and content[0] & 0x7F == STREAMINFO:  # a packet of its own, as old files have it
                self._facts += content[4:38]
            return content[:1] != b"\xff"
        return bool(self.codec) and self._n_packets == 1  # the comments

    def digest(self) -> bytes:
        """Return what stands for the stream."""
        parts = (self.codec.encode(), self._facts, self._last, self._lacing.digest(), self._content.digest())
        return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
