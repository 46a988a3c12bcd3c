"""Find the links of a chained Ogg file: whole streams one behind the other, as joined files and web radio have them."""

import io
from typing import BinaryIO

_FIRST = 2  # flag of a stream's first page
_LAST = 4
_SEARCH_BYTES = 1 << 20
_PAGE_BYTES = 27 + 255 + 255 * 255  # most that a page can have


def is_ogg(file: BinaryIO) -> bool:
    """Say whether `file` begins like Ogg."""
    file.seek(0)
    return file.read(4) == b"OggS"


def has_end_page(file: BinaryIO) -> bool:
    """Say whether the last page of an Ogg file carries the end mark and is whole."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(end - 2 * _PAGE_BYTES, 0))
    data = file.read()
    at = data.rfind(b"OggS")
    if at < 0:
        return False
    size = _page_size(data, at)
    return size > 0 and bool(data[at + 5] & _LAST) and len(data) >= at + size


def find_link(file: BinaryIO, begin: int) -> int:
    """Return where the link behind the one that begins at `begin` begins, or the end of the file, in bytes.

    Parameters
    ----------
    file : seekable
    begin : bytes
    """
    end = file.seek(0, io.SEEK_END)
    position = begin
    file.seek(position)
    while head := _page_head(file, position):  # several streams may begin together
        if not head[5] & _FIRST:
            break
        position += _page_size(head, 0)
    needle = b"OggS\0" + bytes([_FIRST])
    kept = b""
    file.seek(position)
    while data := file.read(_SEARCH_BYTES):
        data = kept + data
        at = data.find(needle)
        if at >= 0:
            return file.tell() - len(data) + at
        kept = data[-len(needle) + 1 :]
    return end


def _page_head(file: BinaryIO, position: int) -> bytes:
    """Read the header of the page at `position`; nothing if there is none."""
    file.seek(position)
    head = file.read(27 + 255)
    return head if head[:4] == b"OggS" and _page_size(head, 0) else b""


def _page_size(data: bytes, at: int) -> int:
    """Return the size of the page at `at`, bytes; 0 if its header is cut."""
    if len(data) < at + 27 or len(data) < at + 27 + data[at + 26]:
        return 0
    return 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
