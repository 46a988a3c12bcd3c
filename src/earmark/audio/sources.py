"""Where audio comes from: paths, bytes, stdin and file objects, all turned into one seekable file.

libsndfile reads through callbacks that print what a file raises and go on as if it had ended. So every file is read
through a guard that keeps the exception, to be raised when the callback is over.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, cast

from earmark.errors import InputError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
_COPY_BYTES = 1 << 20


class Guard:
    """A file to read from that never raises: it keeps the exception, and reads as if it had ended.

    Parameters
    ----------
    file : what is read; it stays open
    name : for the message
    """

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise what was kept.

        Raises
        ------
        InputError
            If the file raised anything.
        """
        if isinstance(self._error, Exception):
            text = reason(self._error) if isinstance(self._error, OSError) else str(self._error)
            kind = type(self._error).__name__
            raise InputError(f"{self._name}: reading failed: {text or kind}") from self._error
        if self._error is not None:  # an interrupt
            raise self._error

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; nothing after an exception."""
        if self._error is None:
            try:
                data = self._file.read(size)
                return data if isinstance(data, bytes) else bytes(memoryview(b"" if data is None else data))
            except BaseException as error:  # noqa: BLE001  (a file object may raise anything; `check` raises it)
                self._error = error
        return b""

    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`; nothing after an exception."""
        if self._error is not None:
            return 0
        try:
            if hasattr(self._file, "readinto"):
                return self._file.readinto(buffer) or 0
            data = self._file.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        except BaseException as error:  # noqa: BLE001
            self._error = error
            return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; return the position, bytes."""
        if self._error is None:
            try:
                position = self._file.seek(offset, whence)
                return int(self._file.tell() if position is None else position)
            except BaseException as error:  # noqa: BLE001
                self._error = error
        return 0

    def tell(self) -> int:
        """Return the position, bytes."""
        if self._error is None:
            try:
                return int(self._file.tell())
            except BaseException as error:  # noqa: BLE001
                self._error = error
        return 0

    def seekable(self) -> bool:
        """Say whether the file can seek."""
        try:
            return self._error is None and bool(hasattr(self._file, "seekable") and self._file.seekable())
        except BaseException as error:  # noqa: BLE001
            self._error = error
            return False

    def readable(self) -> bool:
        """Say yes."""
        return True


def source_name(source: Source) -> str:
    """Name a source for messages and results.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin

    Returns
    -------
    a path as given, "stdin", "bytes", the name of a file object if it has one, or "file object"

    Examples
    --------
    >>> source_name("a/song.mp3"), source_name("-"), source_name(b"RIFF")
    ('a/song.mp3', 'stdin', 'bytes')
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(source, str | os.PathLike):
        return "stdin" if source == "-" else os.fsdecode(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "file object"


def reason(error: OSError) -> str:
    """Say in words why a file could not be used."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, PermissionError):
        return "no permission"
    return error.strerror or str(error)


def open_source(source: Source, stack: contextlib.ExitStack) -> Guard:
    """Open a source; what cannot seek, or does not stand at its begin, is copied to a temporary file first.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin
    stack : closes what is opened here

    Returns
    -------
    a guard over a seekable file at its begin

    Raises
    ------
    InputError
        If there is no such file, it cannot be opened, or a file object has nothing left to read.
    """
    name = source_name(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return Guard(io.BytesIO(bytes(source)), name)
    if isinstance(source, str | os.PathLike):
        guard = Guard(sys.stdin.buffer if source == "-" else _open_path(source, name, stack), name)
    else:
        guard = Guard(_checked(source, name), name)
    position = guard.tell() if guard.seekable() else 0
    guard.check()
    if guard.seekable() and position == 0:
        return guard
    try:
        spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (the stack closes it)
        shutil.copyfileobj(guard, spool, _COPY_BYTES)
        guard.check()
        n_bytes = spool.tell()
        spool.seek(0)
    except OSError as error:
        raise InputError(f"{name}: cannot be copied to a temporary file: {reason(error)}") from None
    if position and not n_bytes:
        raise InputError(f"{name}: nothing left to read at the file object's position", hint="rewind it with seek(0)")
    return Guard(spool, name)


def _open_path(source: str | os.PathLike[str], name: str, stack: contextlib.ExitStack) -> BinaryIO:
    if not name:
        raise InputError("an empty path names no file", hint="give the path of an audio file, or - for stdin")
    if "\0" in name:
        raise InputError(f"{name!r}: a path cannot hold a null character")
    path = Path(source)
    try:
        if path.is_dir():
            raise InputError(f"{name}: this is a folder")
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise InputError(f"{name}: {reason(error)}") from None


def _checked(source: Any, name: str) -> BinaryIO:
    """Refuse what is no binary file object."""
    if not hasattr(source, "read"):
        raise InputError(f"a {type(source).__name__} is no audio source", hint="a path, bytes, or a binary file")
    guard = Guard(source, name)
    with contextlib.suppress(AttributeError):
        if source.closed:
            raise InputError(f"{name}: the file object is closed", hint="open it again")
    if isinstance(source, io.TextIOBase):
        raise InputError(f"{name}: a text file object", hint="open the file in binary mode, 'rb'")
    guard.read(0)
    if isinstance(guard._error, TypeError):
        raise InputError(f"{name}: a text file object", hint="open the file in binary mode, 'rb'")
    guard.check()
    return cast(BinaryIO, source)
