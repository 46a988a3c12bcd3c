"""The steps of replacing a file by a changed copy: hold it, write the copy, take over what belongs to it, rename."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from earmark.audio.sources import reason
from earmark.errors import InputError
from earmark.files import lock_for_writing
from earmark.tagfile.changes import Splice

_BLOCK_BYTES = 1 << 20


@contextmanager
def holding(target: str) -> Iterator[BinaryIO]:
    """Open a file for reading, and keep other writers of earmark away from it.

    Raises
    ------
    InputError
        If it cannot be read, is read-only, or somebody else holds it.
    """
    try:
        file = open(target, "rb", buffering=0)  # noqa: PTH123, SIM115
    except OSError as error:
        raise InputError(f"{target}: not written: {reason(error)}") from None
    try:
        is_writable = os.access(target, os.W_OK) and os.fstat(file.fileno()).st_mode & 0o222
        if not is_writable:
            hint = f"allow it, for example with: chmod u+w {target!r}"
            raise InputError(f"{target}: not written: the file is read-only", hint=hint)
        # Windows lets nobody replace a file that is locked: there the check just before the renaming has to do.
        if sys.platform != "win32" and not lock_for_writing(file):
            raise InputError(
                f"{target}: not written: another process is writing to it", hint="wait until it ends, then try again"
            )
        yield file
    finally:
        file.close()


def write_spliced(source: BinaryIO, splices: Iterable[Splice], temporary: Path) -> tuple[str, str]:
    """Write a copy of a file with changes to a new one, to the disk.

    Parameters
    ----------
    source : of the file
    splices : in order
    temporary : that does not exist yet

    Returns
    -------
    the SHA-256 of the file, and of the copy
    """
    before, after = hashlib.sha256(), hashlib.sha256()
    with temporary.open("xb") as copy:
        for old, new in _pieces(source, splices):
            before.update(old)
            after.update(new)
            copy.write(new)
        copy.flush()
        os.fsync(copy.fileno())
    return before.hexdigest(), after.hexdigest()


def digest_spliced(path: str | os.PathLike[str], splices: Iterable[Splice] = ()) -> str:
    """Return the SHA-256 of a file as it would be with changes."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        for _, new in _pieces(file, splices):
            digest.update(new)
    return digest.hexdigest()


def _pieces(source: BinaryIO, splices: Iterable[Splice]) -> Iterator[tuple[bytes, bytes]]:
    """Yield old and new bytes, piece by piece."""
    at = 0
    for splice in splices:
        for block in _blocks(source, at, splice.begin):
            yield block, block
        yield b"".join(_blocks(source, splice.begin, splice.end)), splice.data
        at = splice.end
    for block in _blocks(source, at, None):
        yield block, block


def _blocks(source: BinaryIO, begin: int, end: int | None) -> Iterator[bytes]:
    source.seek(begin)
    left = _BLOCK_BYTES if end is None else end - begin
    while left > 0 and (block := source.read(min(left, _BLOCK_BYTES))):
        yield block
        left -= len(block) if end is not None else 0


def inverted(source: BinaryIO, splices: Iterable[Splice]) -> list[Splice]:
    """Return the changes that turn the copy back into the file."""
    back, shift = [], 0
    for splice in splices:
        old = b"".join(_blocks(source, splice.begin, splice.end))
        begin = splice.begin + shift
        back.append(Splice(begin, begin + len(splice.data), old))
        shift += splice.growth
    return back


def take_over(source: BinaryIO, temporary: Path, stamps: tuple[int, int] | None) -> None:
    """Give a copy owner, rights, extended attributes and times of a file.

    Parameters
    ----------
    source : of the file
    temporary : the copy
    stamps : times of access and change, ns; None leaves them

    Raises
    ------
    InputError
        If owner, rights or attributes cannot be kept.
    """
    entry = os.fstat(source.fileno())
    try:
        mine = temporary.stat()
        if hasattr(os, "chown") and (mine.st_uid, mine.st_gid) != (entry.st_uid, entry.st_gid):
            os.chown(temporary, entry.st_uid, entry.st_gid)
        temporary.chmod(entry.st_mode & 0o7777)
        _copy_attributes(source, temporary)
    except OSError as error:
        raise InputError(
            f"{source.name}: not written: its owner, rights or attributes could not be kept: {error.strerror or error}",
            hint="let the owner of the file write to it",
        ) from None
    if stamps is not None:
        os.utime(temporary, ns=stamps)
    with temporary.open("rb") as file:
        if sys.platform != "win32":
            os.fsync(file.fileno())


def _copy_attributes(source: BinaryIO, temporary: Path) -> None:
    if sys.platform != "linux":
        return
    try:
        names = os.listxattr(source.fileno())
    except OSError:  # a file system without any
        return
    for name in names:
        try:
            os.setxattr(temporary, name, os.getxattr(source.fileno(), name))
        except OSError:
            if not name.startswith("security."):  # the system gives these itself
                raise


def replace(source: BinaryIO, temporary: Path, target: str) -> None:
    """Rename a copy over the file, and make sure that the disk knows."""
    if sys.platform == "win32":  # which replaces no open file
        source.close()
    os.replace(temporary, target)  # noqa: PTH105
    sync_folder(os.path.dirname(target))  # noqa: PTH120


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Write the names in a folder to the disk, where a folder can be opened for that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems know no such thing
        pass
    finally:
        os.close(descriptor)
