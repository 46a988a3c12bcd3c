"""Compressed frames of ID3 tags: unpacked up to a limit, for a few kilobytes can hold gigabytes."""

import zlib

_MOST_TIMES, _MOST_MORE = 20, 4096


class _Zlib:
    """What mutagen calls of zlib, with an end."""

    error = zlib.error

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """Unpack a frame."""
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(data, _MOST_TIMES * len(data) + _MOST_MORE)
        if not unpacker.eof:
            raise zlib.error("the frame is cut off, or unpacks to far more than text and pictures do")
        return found


def bound_frames() -> None:
    """Let mutagen unpack no frame to more than 20 times its size and 4 KiB; call it before tags are read.

    Lyrics shrink to a fifth, pictures hardly at all. What unpacks to more is a frame that is damaged, for mutagen.

    Examples
    --------
    >>> _Zlib.decompress(zlib.compress(b"la" * 1000))[:4]
    b'lala'
    >>> _Zlib.decompress(zlib.compress(bytes(10_000_000)))
    Traceback (most recent call last):
    zlib.error: the frame is cut off, or unpacks to far more than text and pictures do
    """
    from mutagen.id3 import _frames

    _frames.zlib = _Zlib
