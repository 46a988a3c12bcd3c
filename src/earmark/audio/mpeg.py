"""Find where an mp3 stream really begins, and give libsndfile a view of it that it reads to the end.

libsndfile recognises mp3 by its first bytes: stray bytes in front defeat it. It stops at the number of frames in the
Xing header even if another stream follows, and without that header at an estimate from the file's length and its first
frames, which for variable bit rate can be far too low. So it is given a view of the stream from its first frame on;
where the number of frames is unknown, one that claims to be so long that the estimate is never too low.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

SEARCH_BYTES = 1 << 17
STRETCH = 24  # the largest bit rate over the smallest is 20

_BITRATES = {  # kbit/s of layer III by index
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 2.5: (11025, 12000, 8000)}
_VERSIONS = {0: 2.5, 2: 2, 3: 1}


@dataclass(frozen=True)
class Frame:
    """The header of one layer III frame.

    Parameters
    ----------
    size : bytes with the header
    n_samples : samples per channel that it holds
    xing : where its Xing header would be, bytes from the frame's begin
    """

    size: int
    n_samples: int
    xing: int


def parse_frame(header: bytes) -> Frame | None:
    """Read the four bytes of a layer III frame header; None if they are none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = _VERSIONS.get(header[1] >> 3 & 3)
    bitrate_index, rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version is None or rate_index == 3 or bitrate_index in (0, 15):
        return None
    mono = header[3] >> 6 == 3
    n_samples = 1152 if version == 1 else 576
    bitrate = _BITRATES[1 if version == 1 else 2][bitrate_index] * 1000
    size = n_samples // 8 * bitrate // _RATES[version][rate_index] + (header[2] >> 1 & 1)
    side = (17 if mono else 32) if version == 1 else (9 if mono else 17)
    return Frame(size, n_samples, 4 + side)


def skip_id3(file: BinaryIO, position: int = 0) -> int:
    """Return where the ID3v2 tags at `position` in `file` end, in bytes; `position` without any."""
    while True:
        file.seek(position)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
            return position
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        position += 10 + size + (10 if head[5] & 0x10 else 0)


def find_stream(file: BinaryIO, position: int, *, only_first: bool = False) -> int | None:
    """Return where the first of three frames in a row begins at or after `position`, in bytes; None if nowhere.

    Parameters
    ----------
    file : seekable
    position : bytes
    only_first : look at `position` only, past zeros
    """
    file.seek(position)
    data = file.read(SEARCH_BYTES)
    if only_first:
        at = len(data) - len(data.lstrip(b"\0"))
        return position + at if _chained(data, at) else None
    at = data.find(b"\xff")
    while at >= 0:
        if _chained(data, at):
            return position + at
        at = data.find(b"\xff", at + 1)
    return None


def _chained(data: bytes, at: int, n_frames: int = 3) -> bool:
    for _ in range(n_frames):
        frame = parse_frame(data[at : at + 4])
        if frame is None:
            return False
        at += frame.size
    return True


def open_stream(file: BinaryIO, begin: int) -> tuple["Splice", bool]:
    """View the mp3 stream that begins at `begin`, ready for libsndfile.

    Returns
    -------
    the view, and whether its number of frames was announced by the file (else libsndfile's is an upper bound)
    """
    end = find_end(file)
    file.seek(begin)
    head = file.read(4)
    frame = parse_frame(head)
    if frame is None:
        return Splice(file, begin, end, stretch=STRETCH), False
    first = head + file.read(frame.size - 4)
    at = frame.xing
    tagged = first[at : at + 4] in (b"Xing", b"Info") and len(first) >= at + 16
    flags = struct.unpack_from(">I", first, at + 4)[0] if tagged else 0
    after = begin + len(first) * tagged
    if not flags & 1:  # no number of frames
        return Splice(file, after, end, stretch=STRETCH), False
    if flags & 2:  # the stream's bytes
        n_bytes = struct.unpack_from(">I", first, at + 12)[0]
        behind = begin + n_bytes
        if n_bytes > 0 and find_stream(file, skip_id3(file, behind)) is not None:
            # Another stream follows: the number holds for the first only.
            return Splice(file, after, end, stretch=STRETCH), False
        first = first[: at + 12] + struct.pack(">I", end - begin) + first[at + 16 :]
    return Splice(file, after, end, head=first), True


def find_end(file: BinaryIO) -> int:
    """Return where the ID3v1 and APE tags at the end of `file` begin, in bytes."""
    end = file.seek(0, io.SEEK_END)
    if end >= 128:
        file.seek(end - 128)
        end -= 128 * (file.read(3) == b"TAG")
    if end >= 32:
        file.seek(end - 32)
        magic, _, size, _, flags = struct.unpack("<8sIIII", file.read(24).ljust(24, b"\0"))
        if magic == b"APETAGEX" and size <= end:
            end -= size + 32 * (flags >> 31)
    return end


def is_substance(file: BinaryIO, position: int) -> bool:
    """Say whether what begins at `position` is more than padding or a tag."""
    file.seek(position)
    data = file.read(SEARCH_BYTES).lstrip(b"\0")
    return bool(data) and not data.startswith((b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN"))


class Splice(io.RawIOBase):
    """A read-only view: `head`, then `file` from `begin` to `end`.

    Parameters
    ----------
    file : a seekable binary file; it stays open when the view is closed
    begin, end : bytes
    head : what comes first
    stretch : the view claims to be this many times as long as it is; reading ends where the file does, except that
        the last 128 bytes of the claimed length, where mpg123 looks for a tag, read as zeros

    Attributes
    ----------
    file : the file under the view
    begin, end : as given
    size : of the view as it is, bytes
    """

    def __init__(self, file: BinaryIO, begin: int, end: int, *, head: bytes = b"", stretch: int = 1) -> None:
        self.file = file
        self.begin, self.end = begin, end
        self._head = head
        self.size = len(head) + max(end - begin, 0)
        self._claimed = self.size if stretch == 1 else stretch * self.size + 256
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; return the position in the view, bytes."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._claimed}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position in the view, bytes."""
        return self._position

    def under(self, position: int) -> int:
        """Return where `position` in the view lies in the file, bytes."""
        return min(self.begin + max(position - len(self._head), 0), self.end)

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes."""
        left = max(self.size - self._position, 0)
        if not left and self._claimed - 128 <= self._position < self._claimed:
            left = self._claimed - self._position
            data = bytes(left if size < 0 else min(left, size))
        else:
            size = left if size < 0 else min(size, left)
            data = self._head[self._position : self._position + size]
            if len(data) < size:
                self.file.seek(self.begin + self._position + len(data) - len(self._head))
                data += self.file.read(size - len(data))
        self._position += len(data)
        return data

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Read up to as many bytes as `buffer` holds."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
