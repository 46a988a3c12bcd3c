"""Vorbis comments in FLAC and Ogg, read by hand: of what is damaged, all that stands before the damage.

References
----------
Vorbis I specification, section 5; RFC 9639, section 8.6; RFC 7845, section 5.2
"""

from earmark.audio.identity.flac import VORBIS_COMMENT, blocks
from earmark.audio.identity.ogg_packets import pages
from earmark.audio.identity.view import View
from earmark.tagfile.source import Gathering, Source

_MAX_BYTES = 1 << 26
_FIRST_PAGE, _CONTINUED = 2, 1
# What stands before the comments in their packet: always, or if the packet begins so.
_LEADS = (b"\x03vorbis", b"OpusTags", b"\x81theora")
_FIRST_PACKETS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"fLaC", b"Speex   ", b"\x80theora")


def read_flac(view: View, begin: int) -> Source:
    """Read the comments of the FLAC stream that begins at `begin`."""
    for kind, at, end in blocks(view, begin):
        if kind == VORBIS_COMMENT:
            return read_comments(view.at(at, min(end - at, _MAX_BYTES)))
    return Source("vorbis", "")


def read_ogg(view: View, begin: int) -> Source:
    """Read the comments of the first sound stream of the Ogg file that begins at `begin`."""
    data, codec = _comment_packet(view, begin)
    if codec in (b"\x7fFLAC", b"fLaC"):
        return read_comments(data[4:]) if data[:1] and data[0] & 0x7F == VORBIS_COMMENT else Source("vorbis", "")
    lead = next((lead for lead in _LEADS if data.startswith(lead)), b"")
    if not lead and codec != b"Speex   ":
        problem = "the comments of the Ogg stream are missing or damaged" if codec else ""
        return Source("vorbis", "", problem=problem)
    return read_comments(data[len(lead) :])


def _comment_packet(view: View, begin: int) -> tuple[bytes, bytes]:
    """Return the second packet of the first stream whose codec is known, and how its first packet begins."""
    serial = codec = b""
    packet, n_over = b"", 0
    for head, lacing, body in pages(view, begin):
        if not serial:
            codec = next((magic for magic in _FIRST_PACKETS if bytes(body[:8]).startswith(magic)), b"")
            if not head[5] & _FIRST_PAGE:  # no stream begins here any more
                return b"", b""
            serial = head[14:18] if codec else b""
        if not serial or head[14:18] != serial:
            continue
        at = 0
        for size in lacing:
            if n_over == 1:
                packet += body[at : at + size]
            at += size
            n_over += size < 255
            if n_over == 2 or len(packet) > _MAX_BYTES:
                return packet, codec
    return packet, codec


def read_comments(data: bytes) -> Source:
    """Read a block of comments: how long the vendor's name is, the name, the number of comments, then each."""
    at = 4 + int.from_bytes(data[:4], "little")
    n_comments = int.from_bytes(data[at : at + 4], "little")
    at += 4
    fields = Gathering()
    problem = "" if len(data) >= at else "the Vorbis comments are cut off"
    for i in range(n_comments):
        size = int.from_bytes(data[at : at + 4], "little")
        if len(data) < at + 4 + size:
            problem = f"the Vorbis comments are cut off or damaged: {i} of {n_comments} could be read"
            break
        name, is_comment, text = _text(data[at + 4 : at + 4 + size]).partition("=")
        at += 4 + size
        if is_comment:
            fields.add(name.upper(), [text])
    return Source("vorbis", "Vorbis comments", fields.fields, problem)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
