"""Look at a file by position, in big blocks, whatever its size; and say what lies where in it."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from earmark.audio.sources import reason
from earmark.errors import InputError

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


@contextmanager
def viewing(path: str | os.PathLike[str]) -> Iterator[View]:
    """Open a file to look at.

    Raises
    ------
    InputError
        If it cannot be opened, is no plain file or empty; also if reading it fails meanwhile.
    """
    name = os.fsdecode(path)
    if not name or "\0" in name:
        raise InputError(f"{name!r} is no path of a file", hint="give the path of an audio file")
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (a str may hold what Path cannot)
            raise InputError(f"{name}: this is no file, but a folder or a device")
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            view = View(file)
            if not view.size:
                raise InputError(f"{name}: the file is empty (0 bytes)")
            yield view
    except OSError as error:
        raise InputError(f"{name}: {reason(error)}") from None


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
