"""Streams without a container, and containers whose tags stand before or behind them: mp3, aac, ape, wv, mpc, tta...

What is audio is what is left when the tags at both ends are taken away: ID3v2 and APEv2 in front; ID3v1 (also the
enhanced "TAG+"), APEv2, Lyrics3 and an appended ID3v2.4 behind, in any order. An mp3's Xing or LAME frame stays: it
is the first frame of the stream, and what edits tags leaves it alone.

References
----------
https://id3.org/id3v2.4.0-structure, https://id3.org/Lyrics3v2, https://wiki.hydrogenaud.io/index.php?title=APEv2
"""

from collections.abc import Iterator
from dataclasses import dataclass

from earmark.audio import mpeg
from earmark.audio.identity.view import Layout, View

_ID3V1_BYTES, _ENHANCED_BYTES, _LYRICS3V1_BYTES = 128, 227, 5100 + 11


@dataclass(frozen=True)
class Tag:
    """A tag before or behind a stream: "ID3v1", "ID3v2", "APEv2" or "Lyrics3", and where it lies, in bytes."""

    kind: str
    begin: int
    end: int


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
    return max((min(tag.end, view.size) for tag in tags_in_front(view, position)), default=position)


def tags_in_front(view: View, position: int = 0) -> Iterator[Tag]:
    """Yield the tags that follow each other from `position` on; the last may be longer than the file."""
    while True:
        head = view.at(position, 32)
        begin = position
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
            position += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
            yield Tag("ID3v2", begin, position)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            position += 32 + int.from_bytes(head[12:16], "little")
            yield Tag("APEv2", begin, position)
        else:
            return


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
    return min((tag.begin for tag in tags_behind(view, begin)), default=view.size)


def tags_behind(view: View, begin: int) -> Iterator[Tag]:
    """Yield the tags at the end of a file, last first, as far as they lie behind `begin`."""
    end = view.size
    while (tag := _last_tag(view, end)) and begin <= tag.begin < end:
        yield tag
        end = tag.begin


def _last_tag(view: View, end: int) -> Tag | None:
    """Find the tag that ends at `end`; None if there is none."""
    tail_begin = max(end - _ID3V1_BYTES - 3, 0)
    tail = view.at(tail_begin, end - tail_begin)
    found = tail.find(b"TAG")
    if found >= 0 and 124 <= len(tail) - found <= 128 and tail[max(found - 3, 0) :][:8] != b"APETAGEX":
        begin = tail_begin + found  # a few bytes short of 128 as some programs wrote it
        is_enhanced = view.at(begin - _ENHANCED_BYTES, 4) == b"TAG+"
        return Tag("ID3v1", begin - _ENHANCED_BYTES * is_enhanced, end)
    if tail[-32:-24] == b"APETAGEX":
        size, flags = int.from_bytes(tail[-20:-16], "little"), int.from_bytes(tail[-12:-8], "little")
        return Tag("APEv2", end - size - 32 * (flags >> 31), end) if size >= 32 else None
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        begin = end - 15 - int(tail[-15:-9])
        return Tag("Lyrics3", begin, end) if view.at(begin, 11) == b"LYRICSBEGIN" else None
    if tail[-9:] == b"LYRICSEND":
        text_begin = max(end - 9 - _LYRICS3V1_BYTES, 0)
        found = view.at(text_begin, end - text_begin).rfind(b"LYRICSBEGIN")
        return Tag("Lyrics3", text_begin + found, end) if found >= 0 else None
    if tail[-10:-7] == b"3DI" and max(tail[-4:]) < 128:
        begin = end - 20 - _syncsafe(tail[-4:])
        return Tag("ID3v2", begin, end) if view.at(begin, 3) == b"ID3" else None
    return None


def _syncsafe(data: bytes) -> int:
    """Read four bytes of seven bits each."""
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]
