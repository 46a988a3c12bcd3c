"""Look at a file by position, in big blocks, whatever its size; and say what lies where in it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 16


class View:
    """The bytes of a file by position. What lies behind the end is missing, never an error.

    Parameters
    ----------
    file : seekable; nobody else moves in it while it is viewed

    Attributes
    ----------
    file : as given
    size : bytes
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, io.SEEK_END)
        self._begin = 0
        self._window = b""
        self._block: memoryview | None = None

    def at(self, position: int, n: int) -> bytes:
        """Return the `n` bytes from `position` on, fewer at the end of the file."""
        offset = position - self._begin
        if offset < 0 or offset + n > len(self._window):
            if position < 0 or position >= self.size:
                return b""
            self._begin, offset = position, 0
            self._window = self._read(position, min(max(n, _WINDOW_BYTES), self.size - position))
        return self._window[offset : offset + n]

    def _read(self, position: int, n: int) -> bytes:
        self.file.seek(position)
        data = self.file.read(n)
        while len(data) < n and (more := self.file.read(n - len(data))):  # a file system may give less at once
            data += more
        return data

    def blocks(self, begin: int, end: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes from `begin` up to `end`; what was yielded is overwritten by the next block."""
        if end - begin <= _WINDOW_BYTES:
            yield self.at(begin, max(end - begin, 0))
            return
        block = self._block = self._block or memoryview(bytearray(BLOCK_BYTES))
        self.file.seek(begin)
        while begin < end:
            n_read = self.file.readinto(block[: min(end - begin, BLOCK_BYTES)])  # type: ignore[attr-defined]
            if not n_read:
                return
            yield block[:n_read]
            begin += n_read


@dataclass(frozen=True)
class Layout:
    """Where the encoded audio lies in a file, and what else decides how it sounds.

    Parameters
    ----------
    kind : of the container
    facts : sample rate, channels, setup of the decoder... as bytes; also digests of what was read already
    stretches : begin and end in the file, bytes; together, in this order, they are the audio
    """

    kind: str
    facts: tuple[bytes, ...]
    stretches: tuple[tuple[int, int], ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all stretches together."""
        return sum(end - begin for begin, end in self.stretches)
