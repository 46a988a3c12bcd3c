"""MP4, M4A, M4B, MOV: the samples of the sound tracks, wherever the boxes around them were moved.

The index (`stsz`, `stsc`, `stco`) says where the packets of a track lie; they are read in its order, so it does not
matter where `mdat` begins, how packets are grouped, or what else is in there: pictures, chapters, video. Facts are the
codec and its setup without the bit rates that are for display only, the sizes and times of the packets, and the edit
list. Where there is no such index (fragmented files, files that were cut off) all of `mdat` is the audio.

References
----------
ISO/IEC 14496-12 (boxes), 14496-1 section 7.2.6 (descriptors), Apple's QuickTime File Format.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.audio.identity.view import Layout, View

_MAX_TABLE_BYTES = 1 << 28
_MAX_BOXES = 100_000
_MP4_AUDIO_BYTES = {0: 28, 1: 44, 2: 64}  # of a sound description before its boxes, by version
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Box:
    """One box: name, and where its content begins and ends in the file, in bytes."""

    name: bytes
    begin: int
    end: int


def walk_boxes(view: View, begin: int, end: int) -> Iterator[Box]:
    """Yield the boxes from `begin` up to `end`."""
    for _ in range(_MAX_BOXES):
        head = view.at(begin, 16)
        if begin + 8 > end or len(head) < 8:
            return
        size, n_head = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, n_head = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - begin
        if size < n_head:
            return
        yield Box(head[4:8], begin + n_head, min(begin + size, end))
        begin += size


def find_box(view: View, within: Box, *names: bytes) -> Box | None:
    """Return the first box at a path below `within`; None if there is none."""
    for name in names:
        found = next((box for box in walk_boxes(view, within.begin, within.end) if box.name == name), None)
        if found is None:
            return None
        within = found
    return within


def mp4_layout(view: View, begin: int) -> Layout:
    """Find the packets of the MP4 file that begins at `begin`."""
    top = list(walk_boxes(view, begin, view.size))
    moov = next((box for box in top if box.name == b"moov"), None)
    tracks = [] if moov is None else [box for box in walk_boxes(view, moov.begin, moov.end) if box.name == b"trak"]
    facts: list[bytes] = []
    stretches: list[tuple[int, int]] = []
    for track in tracks:
        kind = find_box(view, track, b"mdia", b"hdlr")
        table = find_box(view, track, b"mdia", b"minf", b"stbl")
        if kind is None or table is None or view.at(kind.begin + 8, 4) != b"soun":
            continue
        facts += _facts(view, track, table)
        found = _packets(view, table)
        if found is None:
            stretches = []
            break
        stretches += found
    n_bytes = sum(last - first for first, last in stretches)
    if not 0 < n_bytes <= view.size:  # no index, or one that points anywhere
        stretches = [(box.begin, box.end) for box in top if box.name == b"mdat"]
    return Layout("mp4", tuple(facts), tuple(stretches))


def _facts(view: View, track: Box, table: Box) -> list[bytes]:
    """Say what decides how a track sounds, besides its packets."""
    described = find_box(view, table, b"stsd")
    facts = []
    if described is not None:
        entries = walk_boxes(view, described.begin + 8, described.end)
        facts += [part for entry in entries for part in _description(view, entry)]
    times = find_box(view, track, b"mdia", b"mdhd")
    if times is not None:
        at = times.begin + (20 if view.at(times.begin, 1) == b"\1" else 12)
        facts.append(view.at(at, 4))  # units of a second
    boxes = find_box(view, track, b"edts", b"elst"), find_box(view, table, b"stts"), find_box(view, table, b"stsz")
    return [*facts, *(hashlib.sha256(_content(view, box)).digest() for box in boxes if box is not None)]


def _description(view: View, entry: Box) -> list[bytes]:
    """Reduce a sound description to codec, channels, bits, rate and setup."""
    head = view.at(entry.begin, min(entry.end - entry.begin, 64))
    n_head = _MP4_AUDIO_BYTES.get(int.from_bytes(head[8:10], "big"), 28)
    facts = [entry.name, head[16:20] + head[24:n_head]]
    for box in walk_boxes(view, entry.begin + n_head, entry.end):
        if box.name == b"esds":
            facts.append(_decoder_setup(_content(view, box)))
        elif box.name != b"btrt":
            facts += [box.name, _content(view, box)]
    return facts


def _decoder_setup(data: bytes) -> bytes:
    """Take type and setup of the decoder out of an `esds` box; all of it if that cannot be read."""
    at, setup = 4, b""
    while at < len(data):
        tag = data[at]
        at += 1
        size, more = 0, True
        while more and at < len(data):
            size, more = size << 7 | data[at] & 0x7F, data[at] > 127
            at += 1
        if tag == 3:  # the stream; its flags say what stands before the decoder
            flags = data[at + 2] if at + 2 < len(data) else 0
            at += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
        elif tag == 4:  # the decoder: type, buffer, bit rates
            setup += data[at : at + 1]
            at += 13
        elif tag == 5:
            return setup + data[at : at + size]
        else:
            at += size
    return data


def _packets(view: View, table: Box) -> list[tuple[int, int]] | None:
    """Return where the packets of a track lie, neighbours joined; None if the index cannot be used."""
    boxes = {box.name: _content(view, box) for box in walk_boxes(view, table.begin, table.end) if box.name in _INDEX}
    sizes, groups = boxes.get(b"stsz", b""), _integers(boxes.get(b"stsc", b"")[8:])
    starts = _integers(boxes[b"stco"][8:]) if b"stco" in boxes else _integers(boxes.get(b"co64", b"")[8:], ">i8")
    if len(sizes) < 12 or not len(starts) or len(groups) < 3:
        return None
    uniform, n_packets = int.from_bytes(sizes[4:8], "big"), int.from_bytes(sizes[8:12], "big")
    groups = groups[: len(groups) // 3 * 3].reshape(-1, 3)
    firsts = np.clip(groups[:, 0] - 1, 0, len(starts))
    n_each = np.repeat(groups[:, 1], np.maximum(np.diff(np.append(firsts, len(starts))), 0))[: len(starts)]
    bounds = np.minimum(np.append(0, np.cumsum(n_each)), n_packets)
    if uniform == 1:  # QuickTime's way to count sample frames of more than one byte
        return None
    if uniform:
        ends = bounds * uniform
    else:
        each = _integers(sizes[12 : 12 + 4 * n_packets])
        ends = np.append(0, np.cumsum(each))[np.minimum(bounds, len(each))]
    return _joined(starts[: len(n_each)], np.diff(ends), view.size)


_INDEX = (b"stsz", b"stsc", b"stco", b"co64")


def _joined(starts: Integers, n_bytes: Integers, size: int) -> list[tuple[int, int]]:
    """Join stretches of the file that follow each other; cut what lies behind its end."""
    starts = np.clip(starts, 0, size)
    ends = np.clip(starts + np.clip(n_bytes, 0, size), 0, size)
    kept = ends > starts
    starts, ends = starts[kept], ends[kept]
    if not len(starts):
        return []
    gaps = starts[1:] != ends[:-1]
    return list(zip(starts[np.append(True, gaps)].tolist(), ends[np.append(gaps, True)].tolist(), strict=True))


def _content(view: View, box: Box) -> bytes:
    return view.at(box.begin, min(box.end - box.begin, _MAX_TABLE_BYTES))


def _integers(data: bytes, kind: str = ">u4") -> Integers:
    width = int(kind[-1])
    return np.frombuffer(data[: len(data) // width * width], dtype=kind).astype(np.int64)
