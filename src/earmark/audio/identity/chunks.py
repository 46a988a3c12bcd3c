"""Files made of chunks with a name and a size: WAV, RF64, W64, AIFF, CAF, DSF, DSDIFF, ASF, and au, which has one.

The chunk that describes the format is a fact, the one that holds the samples is the audio; all others may come and go,
before and behind.

References
----------
EBU Tech 3306 (RF64), Sony Wave64, Apple AIFF-C and Core Audio Format specifications, Sony DSF 1.01, Philips DSDIFF 1.5,
Microsoft Advanced Systems Format 01.20.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from earmark.audio.identity.view import Layout, View

_MAX_CHUNKS = 100_000
_UNKNOWN = 0xFFFFFFFF  # a size that was not known when the header was written
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")


@dataclass(frozen=True)
class Grammar:
    """How the chunks of a container are written.

    Parameters
    ----------
    first : bytes before the first chunk
    name_bytes, size_bytes : of a chunk's name and size
    order : of the bytes in a size
    inclusive : whether a size counts the name and itself
    align : bytes; chunks begin at multiples of it
    """

    first: int = 12
    name_bytes: int = 4
    size_bytes: int = 4
    order: Literal["little", "big"] = "little"
    inclusive: bool = False
    align: int = 2


@dataclass(frozen=True)
class Chunk:
    """One chunk: name, and where its content begins and ends in the file, in bytes; the end as the header states it."""

    name: bytes
    begin: int
    end: int


RIFF = Grammar()
IFF = Grammar(order="big")
W64 = Grammar(40, 16, 8, inclusive=True, align=8)
CAF = Grammar(8, 4, 8, "big", align=1)
DSF = Grammar(0, 4, 8, inclusive=True, align=1)
DSDIFF = Grammar(16, 4, 8, "big")
ASF = Grammar(0, 16, 8, inclusive=True, align=1)


def walk_chunks(view: View, begin: int, grammar: Grammar, end: int | None = None) -> Iterator[Chunk]:
    """Yield the chunks of the container that begins at `begin`, up to `end` or the end of the file.

    A size that is not known, or of zero with samples behind it, reaches to the end of the file.
    """
    end = view.size if end is None else min(end, view.size)
    n_head = grammar.name_bytes + grammar.size_bytes
    position, long_data = begin + grammar.first, None
    for _ in range(_MAX_CHUNKS):
        head = view.at(position, n_head)
        name = head[: grammar.name_bytes]
        if position >= end or len(head) < n_head or not any(name):
            return
        body = position + n_head
        size = int.from_bytes(head[grammar.name_bytes :], grammar.order) - n_head * grammar.inclusive
        if name == b"ds64":
            long_data = int.from_bytes(view.at(body + 8, 8), "little")
        elif name == b"data" and size == _UNKNOWN and grammar.size_bytes == 4:
            size = long_data if long_data is not None else end - body
        elif (size < 0 or size >= 1 << 63) or (name == b"data" and size == 0 and not _is_name(view.at(body, 4))):
            size = end - body
        yield Chunk(name, body, body + size)
        position = begin + -(-(body + size - begin) // grammar.align) * grammar.align


def _is_name(data: bytes) -> bool:
    return not data or (data.isascii() and data.decode("ascii").isprintable())


def _stretch(view: View, begin: int, end: int) -> tuple[tuple[int, int], ...]:
    return ((begin, max(min(end, view.size), begin)),)


def wave_layout(view: View, begin: int) -> Layout:
    """Find the samples of a WAV, RF64, BW64 or W64 file that begins at `begin`."""
    magic = view.at(begin, 4)
    grammar = {b"riff": W64, b"RIFX": IFF}.get(magic, RIFF)
    facts: tuple[bytes, ...] = ()
    for chunk in walk_chunks(view, begin, grammar):
        if chunk.name[:4] == b"fmt " and not facts:
            facts = (view.at(chunk.begin, min(chunk.end - chunk.begin, 4096)),)
        elif chunk.name[:4] == b"data" and chunk.name[4:] in (b"", _W64_TAIL):
            return Layout("wave", facts, _stretch(view, chunk.begin, chunk.end))
    return Layout("wave", facts)


def aiff_layout(view: View, begin: int) -> Layout:
    """Find the samples of an AIFF or AIFF-C file that begins at `begin`."""
    is_compressed = view.at(begin + 8, 4) == b"AIFC"
    facts: tuple[bytes, ...] = ()
    stretches: tuple[tuple[int, int], ...] = ()
    for chunk in walk_chunks(view, begin, IFF):
        if chunk.name == b"COMM" and not facts:  # of AIFF-C also the codec, but not its name in words
            facts = (view.at(chunk.begin, 22 if is_compressed else 18),)
        elif chunk.name == b"SSND" and not stretches:
            offset = int.from_bytes(view.at(chunk.begin, 4), "big")
            stretches = _stretch(view, chunk.begin + 8 + offset, chunk.end)
    return Layout("aiff", facts, stretches)


def caf_layout(view: View, begin: int) -> Layout:
    """Find the packets of a Core Audio Format file that begins at `begin`."""
    names = (b"desc", b"kuki", b"chan", b"pakt")
    chunks = {chunk.name: chunk for chunk in reversed(list(walk_chunks(view, begin, CAF)))}
    described = [_stretch(view, chunks[name].begin, chunks[name].end) for name in names if name in chunks]
    data = chunks.get(b"data")
    audio = _stretch(view, data.begin + 4, data.end) if data else ()  # the first four count edits
    return Layout("caf", (), (*(part for stretch in described for part in stretch), *audio) if audio else ())


def au_layout(view: View, begin: int) -> Layout:
    """Find the samples of an au file that begins at `begin`."""
    head = view.at(begin, 24)
    order: Literal["little", "big"] = "little" if head[:4] == b"dns." else "big"
    offset, size = (int.from_bytes(head[at : at + 4], order) for at in (4, 8))
    end = view.size if size == _UNKNOWN else begin + offset + size
    return Layout("au", (head[:4], head[12:24]), _stretch(view, begin + max(offset, 24), end))


def dsd_layout(view: View, begin: int) -> Layout:
    """Find the samples of a DSF or DSDIFF file that begins at `begin`."""
    grammar = DSF if view.at(begin, 4) == b"DSD " else DSDIFF
    facts: tuple[bytes, ...] = ()
    stretches: tuple[tuple[int, int], ...] = ()
    for chunk in walk_chunks(view, begin, grammar):
        if chunk.name in (b"fmt ", b"PROP"):
            facts = (view.at(chunk.begin, min(chunk.end - chunk.begin, 1 << 16)),)
        elif chunk.name == b"data" or (chunk.name in (b"DSD ", b"DST ") and grammar is DSDIFF):
            stretches = _stretch(view, chunk.begin, chunk.end)
    return Layout("dsd", facts, stretches)


def asf_layout(view: View, begin: int) -> Layout:
    """Find the packets of an ASF file (wma, wmv) that begins at `begin`."""
    facts: list[bytes] = []
    for chunk in walk_chunks(view, begin, ASF):
        if chunk.name == ASF_HEADER:
            inner = walk_chunks(view, chunk.begin + 6, ASF, chunk.end)
            facts = [view.at(one.begin, min(one.end - one.begin, 1 << 16)) for one in inner if one.name == _ASF_STREAM]
        elif chunk.name == _ASF_DATA:  # the file's id, the number of packets and two reserved bytes come first
            return Layout("asf", tuple(sorted(facts)), _stretch(view, chunk.begin + 26, chunk.end))
    return Layout("asf", tuple(sorted(facts)))
