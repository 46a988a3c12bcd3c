"""FLAC: STREAMINFO is a fact, the frames are the audio, all other metadata blocks may come and go.

References
----------
RFC 9639, section 8
"""

from collections.abc import Iterator

from earmark.audio.identity.plain import back
from earmark.audio.identity.view import Layout, View

STREAMINFO, VORBIS_COMMENT = 0, 4
_STREAMINFO_BYTES = 34


def flac_layout(view: View, begin: int) -> Layout:
    """Find the frames of the FLAC stream that begins at `begin`."""
    facts: tuple[bytes, ...] = ()
    position = begin + 4
    for kind, at, end in blocks(view, begin):
        if kind == STREAMINFO and not facts:
            facts = (view.at(at, _STREAMINFO_BYTES),)
        position = min(end, view.size)
    return Layout("flac", facts, ((position, back(view, position)),))


def blocks(view: View, begin: int) -> Iterator[tuple[int, int, int]]:
    """Yield type, begin and end (bytes) of the metadata blocks of the FLAC stream that begins at `begin`."""
    position = begin + 4
    while len(head := view.at(position, 4)) == 4:
        end = position + 4 + int.from_bytes(head[1:], "big")
        yield head[0] & 0x7F, position + 4, end
        position = end
        if head[0] & 0x80:
            return
