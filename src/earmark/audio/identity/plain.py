"""Streams without a container, and containers whose tags stand before or behind them: mp3, aac, ape, wv, mpc, tta...

What is audio is what is left when the tags at both ends are taken away: ID3v2 and APEv2 in front; ID3v1 (also the
enhanced "TAG+"), APEv2, Lyrics3 and an appended ID3v2.4 behind, in any order. An mp3's Xing or LAME frame stays: it
is the first frame of the stream, and what edits tags leaves it alone.

References
----------
https://id3.org/id3v2.4.0-structure, https://id3.org/Lyrics3v2, https://wiki.hydrogenaud.io/index.php?title=APEv2
"""

from earmark.audio import mpeg
from earmark.audio.identity.view import Layout, View

_ID3V1_BYTES, _ENHANCED_BYTES, _LYRICS3V1_BYTES = 128, 227, 5100 + 11


def plain_layout(view: View, begin: int) -> Layout:
    """Find the audio between the tags at both ends; those in front end at `begin`."""
    while (behind := front(view, past_zeros(view, begin))) > begin:
        begin = behind
    head = view.at(begin, 4)
    is_magic = head[:3].isascii() and head[:3].decode("ascii").isprintable()
    if mpeg.parse_frame(head) is None and not is_magic and head[:1] != b"\xff":  # stray bytes before an mp3
        begin = mpeg.find_stream(view.file, begin) or begin
    return Layout("plain", (), ((begin, back(view, begin)),))


def front(view: View, position: int = 0) -> int:
    """Return where the tags that begin at `position` end, in bytes; `position` without any."""
    while True:
        head = view.at(position, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
            position += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            position += 32 + int.from_bytes(head[12:16], "little")
        else:
            return min(position, view.size)


def past_zeros(view: View, position: int) -> int:
    """Return where the zeros at `position` end, in bytes: padding that the tag's size does not count."""
    while data := view.at(position, 4096):
        left = data.lstrip(b"\0")
        position += len(data) - len(left)
        if left:
            break
    return position


def back(view: View, begin: int) -> int:
    """Return where the tags at the end of a file begin, in bytes, not before `begin`."""
    end = view.size
    while True:
        shorter = _without_last_tag(view, end)
        if not begin <= shorter < end:
            return end
        end = shorter


def _without_last_tag(view: View, end: int) -> int:
    """Take one tag away from what ends at `end`; the same if there is none."""
    tail_begin = max(end - _ID3V1_BYTES - 3, 0)
    tail = view.at(tail_begin, end - tail_begin)
    found = tail.find(b"TAG")
    if found >= 0 and 124 <= len(tail) - found <= 128 and tail[found - 5 : found + 3] != b"APETAGEX":
        begin = tail_begin + found  # a few bytes short of 128 as some programs wrote it
        enhanced = begin - _ENHANCED_BYTES
        return enhanced if view.at(enhanced, 4) == b"TAG+" else begin
    if tail[-32:-24] == b"APETAGEX":
        size, flags = int.from_bytes(tail[-20:-16], "little"), int.from_bytes(tail[-12:-8], "little")
        return end - size - 32 * (flags >> 31) if size >= 32 else end
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        begin = end - 15 - int(tail[-15:-9])
        return begin if view.at(begin, 11) == b"LYRICSBEGIN" else end
    if tail[-9:] == b"LYRICSEND":
        text_begin = max(end - 9 - _LYRICS3V1_BYTES, 0)
        found = view.at(text_begin, end - text_begin).rfind(b"LYRICSBEGIN")
        return text_begin + found if found >= 0 else end
    if tail[-10:-7] == b"3DI" and max(tail[-4:]) < 128:
        begin = end - 20 - _syncsafe(tail[-4:])
        return begin if view.at(begin, 3) == b"ID3" else end
    return end


def _syncsafe(data: bytes) -> int:
    """Read four bytes of seven bits each."""
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]
