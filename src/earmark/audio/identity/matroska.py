"""Matroska and WebM: the blocks of the sound tracks, however they are grouped into clusters.

References
----------
RFC 8794 (EBML), RFC 9559 (Matroska)
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from earmark.audio.identity.view import BLOCK_BYTES, Layout, View

SEGMENT, INFO, TITLE, TAGS = 0x18538067, 0x1549A966, 0x7BA9, 0x1254C367
_TRACKS, _CLUSTER, _TRACK = 0x1654AE6B, 0x1F43B675, 0xAE
_NUMBER, _KIND, _AUDIO = 0xD7, 0x83, 0xE1
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK, _DISCARDED = 0xA0, 0xA1, 0xA3, 0x75A2
_CODEC, _BITS = 0x86, 0x6264
_FLOATS = (0xB5, 0x78B5)  # sample rates
_WHOLE = (0x56AA, 0x56BB, 0x9F)  # delay, run-up, channels
_OTHER = (_CODEC, 0x63A2, 0x6D80)  # codec, its setup, encryption and compression of the blocks
_TOP = (_CLUSTER, _TRACKS, INFO, TAGS, 0x114D9B74, 0x1C53BB6B, 0x1941A469, 0x1043A770)
_AUDIO_KIND = 2
_HEAD_BYTES = 12
_MAX_BYTES = 1 << 26  # of one block
_LENGTHS = [9 - byte.bit_length() for byte in range(256)]  # of a number, by its first byte


@dataclass(frozen=True)
class Element:
    """One element: id, and where its content begins and ends in the file, in bytes."""

    id: int
    begin: int
    end: int


def walk_elements(view: View, begin: int, end: int, *, until: tuple[int, ...] = ()) -> Iterator[Element]:
    """Yield the elements from `begin` up to `end`, or to the first one of the ids in `until`.

    A cluster whose size was not known when it was written ends where the next of the segment's elements begins; a
    segment, with the file.
    """
    while begin < end:
        head = read_head(view.at(begin, _HEAD_BYTES), 0)
        if head is None or head[0] in until:
            return
        id_, n_head, size = head
        body = begin + n_head
        if size is not None:
            last = body + size
        elif id_ == SEGMENT:
            last = end
        elif id_ != _CLUSTER:  # no other may do so
            return
        else:
            last = max((inner.end for inner in walk_elements(view, body, end, until=_TOP)), default=body)
        yield Element(id_, body, min(last, end))
        begin = last


def read_head(data: bytes, at: int) -> tuple[int, int, int | None] | None:
    """Read id, bytes of the head and size (None: not known) of the element at `at`; None if there is none."""
    try:
        n_id, n_size = _LENGTHS[data[at]], _LENGTHS[data[at + _LENGTHS[data[at]]]]
    except IndexError:
        return None
    n_head = n_id + n_size
    if n_id > 4 or n_size > 8 or len(data) < at + n_head:
        return None
    last = (1 << 7 * n_size) - 1
    size = int.from_bytes(data[at + n_id : at + n_head], "big") & last
    return int.from_bytes(data[at : at + n_id], "big"), n_head, None if size == last else size


def matroska_layout(view: View, begin: int) -> Layout:
    """Read the blocks of the Matroska file that begins at `begin`; the tracks' digests are the facts."""
    tracks: dict[int, Track] = {}
    discarded: list[bytes] = []
    is_described = False
    for segment in walk_elements(view, begin, view.size):
        if segment.id != SEGMENT:
            continue
        for element in walk_elements(view, segment.begin, segment.end):
            if element.id == _TRACKS and not is_described:
                tracks = {track.number: track for track in _read_tracks(view, element)}
                is_described = True
            elif element.id == _CLUSTER:
                discarded += _read_cluster(view, element, tracks, is_described)
    digests = tuple(track.digest() for track in tracks.values() if track.n_bytes)
    return Layout("matroska", (*digests, b"".join(discarded)) if digests else ())


class Track:
    """A sound track, fed with its blocks.

    Attributes
    ----------
    number : in the file
    n_bytes : of audio so far
    """

    def __init__(self, number: int, facts: bytes) -> None:
        self.number = number
        self.n_bytes = 0
        self._sizes, self._content = hashlib.sha256(facts), hashlib.sha256()
        self._new: list[bytes] = []

    def add(self, content: bytes) -> None:
        """Take what a block holds behind its head."""
        self._new.append(content)

    def flush(self) -> None:
        """Hash what was added."""
        self._sizes.update(b"".join([len(content).to_bytes(4, "big") for content in self._new]))
        content = b"".join(self._new)
        self._content.update(content)
        self.n_bytes += len(content)
        self._new = []

    def digest(self) -> bytes:
        """Return what stands for the track."""
        return self._sizes.digest() + self._content.digest()


def _read_tracks(view: View, tracks: Element) -> Iterator[Track]:
    for entry in walk_elements(view, tracks.begin, tracks.end):
        if entry.id != _TRACK:
            continue
        parts = list(walk_elements(view, entry.begin, entry.end))
        inner = [part for audio in parts if audio.id == _AUDIO for part in walk_elements(view, audio.begin, audio.end)]
        values = {part.id: view.at(part.begin, min(part.end - part.begin, 1 << 20)) for part in parts + inner}
        if int.from_bytes(values.get(_KIND, b""), "big") == _AUDIO_KIND:
            is_plain = values.get(_CODEC, b"").startswith(b"A_PCM")  # else the bits are for display
            ids = (*_FLOATS, *_WHOLE, *_OTHER, *((_BITS,) if is_plain else ()))
            facts = b"".join(_fact(id_, values[id_]) for id_ in ids if id_ in values)
            yield Track(int.from_bytes(values.get(_NUMBER, b""), "big"), facts)


def _fact(id_: int, value: bytes) -> bytes:
    if id_ in _WHOLE or id_ == _BITS:
        value = value.lstrip(b"\0")
    elif id_ in _FLOATS and len(value) in (4, 8):
        value = struct.pack(">d", struct.unpack(">f" if len(value) == 4 else ">d", value)[0])
    return id_.to_bytes(4, "big") + len(value).to_bytes(4, "big") + value


def _read_cluster(view: View, cluster: Element, tracks: dict[int, Track], is_described: bool) -> list[bytes]:
    """Feed the blocks of a cluster to their tracks; without a description of the tracks all are taken for sound.

    Returns
    -------
    how much of blocks is not heard, as the blocks' groups say it
    """
    position, data, at = cluster.begin, b"", 0  # `data` begins at `position` in the file
    discarded = []
    while position + at < cluster.end:
        head = read_head(data, at)
        if head is None or at + head[1] + (head[2] or 0) > len(data):
            for each in tracks.values():
                each.flush()
            position, at = position + at, 0
            head = read_head(view.at(position, _HEAD_BYTES), 0)
            if head is None:
                break
            n_bytes = head[1] + (head[2] or 0)
            data = view.at(position, min(max(n_bytes, BLOCK_BYTES), _MAX_BYTES, cluster.end - position))
        id_, n_head, size = head
        body = at + n_head
        at = body + (size or 0)
        if body >= len(data):
            break
        if id_ == _BLOCK_GROUP:
            at = body  # what is in it comes next
        elif id_ in (_SIMPLE_BLOCK, _BLOCK):
            number, n_number = data[body] & 0x7F, _LENGTHS[data[body]]
            if n_number > 1:
                number = int.from_bytes(data[body : body + n_number], "big") & (1 << 7 * n_number) - 1
            track = tracks.get(number)
            if track is None and not is_described:
                track = tracks[number] = Track(number, b"")
            if track is not None:
                track.add(data[body + n_number + 3 : at])  # behind the time and the flags
        elif id_ == _DISCARDED:
            discarded.append(data[body:at])
    for each in tracks.values():
        each.flush()
    return discarded
