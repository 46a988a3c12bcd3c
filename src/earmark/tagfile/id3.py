"""ID3 and APEv2 tags, read with mutagen; of damaged ID3 tags also what mutagen leaves out."""

import io
from collections.abc import Iterator
from typing import Any

from earmark.tagfile.source import Gathering, Source, failure
from earmark.tagfile.unpacking import bound_frames

_MAX_PADDED = 1 << 26  # bytes that a tag which was cut off is filled up to
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_NO_TEXT = {"TXXX", "TIPL", "TMCL"}  # more than one text in them


def read_id3(data: bytes, size: int | None = None, *, kind: str = "") -> Source:
    """Read an ID3v2 tag, or an ID3v1 tag.

    Parameters
    ----------
    data : the tag, from "ID3" or "TAG" on
    size : bytes that it should have; those that are missing are taken for zeros
    kind : name of the format; by default the version that stands in the tag
    """
    from mutagen.id3 import ID3

    bound_frames()
    fields = Gathering()
    problems = []
    version = data[3] if len(data) > 3 else 4
    kind = kind or f"ID3v2.{version}"
    if size is not None and size > len(data):
        problems.append(f"the {kind} tag is cut off: {len(data)} of {size} bytes")
        data = data.ljust(min(size, _MAX_PADDED), b"\0")
    found: set[str] = set()
    try:
        tags = ID3(io.BytesIO(data), translate=False, load_v1=kind == "ID3v1")
    except Exception as error:  # noqa: BLE001  (what a damaged tag makes mutagen raise is not foreseeable)
        problems.append(f"the {kind} tag cannot be read: {failure(error)}")
    else:
        found = {frame.FrameID for frame in tags.values()}
        for frame in tags.values():
            name, texts = _frame(frame)
            fields.add(name, texts)
    if kind != "ID3v1":
        saved = [(name, text) for name, text in _text_frames(data, version) if name not in found]
        for name, text in saved:
            fields.add(name, [text])
        if saved:
            names = ", ".join(sorted({name for name, _ in saved}))
            problems.append(f"damaged frames in the {kind} tag: {names}")
    return Source("id3", kind, fields.fields, "; ".join(problems), slash=version < 4 and kind != "ID3v1")


def _frame(frame: Any) -> tuple[str, list[str]]:
    """Return the name and the texts of a frame; none where it holds no text."""
    name: str = frame.FrameID
    if name in ("TXXX", "WXXX", "COMM", "USLT") and frame.desc:
        name = f"{name}:{frame.desc}"
    elif name == "UFID":
        return f"UFID:{frame.owner}", [bytes(frame.data).decode("latin-1")]
    if hasattr(frame, "people"):
        return name, [": ".join(map(str, pair)) for pair in frame.people]
    if hasattr(frame, "url"):
        return name, [str(frame.url)]
    texts = getattr(frame, "text", [])
    return name, [texts] if isinstance(texts, str) else [str(text) for text in texts]


def _text_frames(data: bytes, version: int) -> Iterator[tuple[str, str]]:
    """Yield name and text of the plain text frames, read leniently, as far as the sizes of the frames lead."""
    if version not in (3, 4) or len(data) < 10 or data[5] & 0xC0:  # unsynchronised, or with a header of its own
        return
    at = 10
    while at + 10 < len(data) and data[at : at + 4].isalnum():
        name = data[at : at + 4].decode("latin-1")
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if version == 4:
            size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(data[at + 4 : at + 8]))
        content = data[at + 10 : at + 10 + size]
        if name[0] == "T" and name not in _NO_TEXT and not data[at + 9] and len(content) > 1:
            encoding = _ENCODINGS[content[0]] if content[0] < len(_ENCODINGS) else "latin-1"
            yield name, content[1:].decode(encoding, "replace")
        at += 10 + size


def read_ape(data: bytes) -> Source:
    """Read an APEv2 tag, with its header or footer."""
    from mutagen.apev2 import TEXT, APEv2

    fields = Gathering()
    try:
        tags = APEv2(io.BytesIO(data))
        for name in tags.keys():  # noqa: SIM118  (a mutagen class of its own)
            if tags[name].kind == TEXT:
                fields.add(str(name), [str(tags[name])])
    except Exception as error:  # noqa: BLE001
        return Source("ape", "APEv2", fields.fields, f"the APEv2 tag cannot be read: {failure(error)}")
    return Source("ape", "APEv2", fields.fields)
