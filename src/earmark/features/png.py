"""Write pictures of one byte per pixel as PNG: twice as fast as the usual library, and nothing to install."""

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.plots.colours import DARK, even_ramp

Pixels = NDArray[np.uint8]

END = b"\0\0\0\0IEND\xaeB`\x82"
"""How every whole PNG file ends."""
_GREY, _PALETTE, _UP = 0, 3, 2


def encode_png(pixels: Pixels, *, colours: bool = False, text: Mapping[str, str] | None = None) -> bytes:
    """Write a picture as the content of a PNG file.

    Parameters
    ----------
    pixels : shape (height, width)
    colours : show 0 to 255 by a ramp of colours (a palette; the pixels stay as they are), not by greys
    text : metadata, keyword to text; keywords are Latin, 1 to 79 characters

    Examples
    --------
    >>> content = encode_png(np.zeros((2, 3), np.uint8), text={"Title": "black"})
    >>> content[:4], content.endswith(END)
    (b'\\x89PNG', True)
    """
    height, width = pixels.shape
    kind = _PALETTE if colours else _GREY
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if colours:
        parts.append(_chunk(b"PLTE", palette().tobytes()))
    for keyword, value in (text or {}).items():
        content = keyword.encode("latin-1") + b"\0\0\0\0\0" + value.encode("utf-8", "backslashreplace")
        parts.append(_chunk(b"iTXt", content))
    rows = np.empty((height, width + 1), dtype=np.uint8)  # each behind the number of its filter
    rows[:, 0] = _UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    # Runs and Huffman codes only: for spectrograms as small as the slow levels, at half the time (docs/log.md).
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    parts.append(_chunk(b"IDAT", packer.compress(rows.data) + packer.flush()))
    return b"".join([*parts, END])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


@lru_cache(maxsize=1)
def palette() -> Pixels:
    """Return the ramp of colours, shape (256, 3)."""
    return np.rint(even_ramp(DARK.ramp) * 255).astype(np.uint8)
