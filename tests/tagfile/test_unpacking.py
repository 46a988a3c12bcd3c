"""Frames that hold far more than they seem to: they are passed over, and the rest of the tag is read."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.tagfile import read_tags

pytest.importorskip("mutagen")


def synchsafe(n: int) -> bytes:
    return bytes(n >> shift & 127 for shift in (21, 14, 7, 0))


def tag(version: int, frames: dict[str, bytes]) -> bytes:
    """An ID3v2 tag whose frames are compressed."""
    body = b""
    for name, content in frames.items():
        packed = zlib.compress(content, 9)
        if version == 4:
            told = synchsafe(min(len(content), 2**28 - 1))
            body += name.encode() + synchsafe(len(packed) + 4) + b"\0\x09" + told + packed
        else:
            body += name.encode() + struct.pack(">I", len(packed) + 4) + b"\0\x80" + struct.pack(">I", len(content))
            body += packed
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(len(body)) + body


@pytest.fixture(scope="module")
def song() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000, np.float32), 8000, format="MP3")
    return file.getvalue()


@pytest.mark.parametrize("version", [3, 4])
def test_compressed_frames_are_read_and_bombs_are_not(version: int, song: bytes, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    bomb = b"\0" + b"a" * 50_000_000
    path.write_bytes(tag(version, {"TIT2": b"\0A title", "TALB": bomb, "TPE1": b"\0Somebody"}) + song)
    assert path.stat().st_size < 60_000
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.album) == ("A title", "Somebody", "")
