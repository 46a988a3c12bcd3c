"""Unpack archives of datasets: safely, one whole file at a time, going on where it was interrupted.

Nothing is written outside of the folder, whatever names and links an archive holds. A file appears under its name when
it is complete; one that is there with the size that the archive says is not unpacked again. Pieces of an archive are
read as if they were joined.
"""

import bisect
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from earmark.errors import InputError
from earmark.files import disk_errors

Told = Callable[[int, int | None], None]
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Parameters
    ----------
    name : its path in the archive
    n_bytes : unpacked
    open : opens it
    """

    name: str
    n_bytes: int
    open: Callable[[], IO[bytes]]


def unpack(
    pieces: Sequence[Path], folder: Path, *, name: str = "", inner: str = "", progress: Told | None = None
) -> tuple[int, int]:
    """Unpack an archive.

    Parameters
    ----------
    pieces : the archive, or its pieces in order
    folder : where to; created
    name : of the archive, whose end says what it is; that of the only piece unless given
    inner : pattern of archives in it, such as "*.zip", that are unpacked in their turn, where they lie, and removed
    progress : called with the bytes unpacked and the bytes in all (None while unknown)

    Returns
    -------
    number of files in the archive, those of inner ones counted too, and how many of them were unpacked now

    Raises
    ------
    InputError
        If the archive is damaged or of an unknown kind, holds a path or link that leads out of the folder, or there is
        no space for what it holds. Files that were complete stay.
    """
    name = name or pieces[0].name
    n_files = n_new = done = 0
    nested: list[Path] = []
    with disk_errors(folder), _damage(name, pieces[0].parent), ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(open_joined(pieces))
        members, total = _members(name, file, stack, folder)
        for member in members:
            target = folder / _safe(member.name, name)
            n_files += 1
            if not (target.is_file() and target.stat().st_size == member.n_bytes):
                _write(member, target)
                n_new += 1
            if inner and fnmatch(target.name, inner):
                nested.append(target)
            done += member.n_bytes
            if progress is not None:
                progress(done, total)
        if n_new and hasattr(os, "sync"):
            os.sync()  # the archive may be removed next
    for archive in nested:
        inner_files, inner_new = unpack([archive], archive.parent, progress=progress)
        n_files, n_new = n_files + inner_files - 1, n_new + inner_new - 1
        with disk_errors(archive):
            archive.unlink()
    return n_files, n_new


def is_archive(name: str) -> bool:
    """Return whether a file name is that of an archive that can be unpacked."""
    return name.lower().endswith(SUFFIXES)


@contextmanager
def _damage(name: str, folder: Path) -> Iterator[None]:
    """Put into words what is wrong with an archive."""
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"{folder / name}: the archive is damaged: {error}", hint="fetch it again") from error
    except (NotImplementedError, RuntimeError) as error:  # a compression that Python lacks; a password
        raise InputError(
            f"{folder / name}: cannot be unpacked: {error}", hint="unpack it with another program, such as 7z x"
        ) from error


def _members(name: str, file: BinaryIO, stack: ExitStack, folder: Path) -> tuple[Iterator[Member], int | None]:
    """Open an archive; return its files, and how many bytes they are if it says so beforehand."""
    lower = name.lower()
    if lower.endswith(".zip"):
        archive = stack.enter_context(zipfile.ZipFile(file))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        total = sum(entry.file_size for entry in entries)
        there = sum(_size(folder / _safe(entry.filename, name)) for entry in entries)
        free = shutil.disk_usage(folder).free
        if total - there > free:
            raise InputError(
                f"{folder}: {name} holds {(total - there) / 1e6:,.1f} MB to unpack, {free / 1e6:,.1f} MB are free",
                hint="make space and give the same command again",
            )
        return _in_zip(archive, entries, name), total
    if not lower.endswith(SUFFIXES):
        raise InputError(f"{name}: not an archive that can be unpacked", hint=f"known are {', '.join(SUFFIXES)}")
    tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:*"))  # noqa: SIM115 (the stack closes it)
    return _in_tar(tar, name), None


def _in_zip(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], name: str) -> Iterator[Member]:
    for entry in entries:
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise InputError(f"{name}: {entry.filename!r} is no file but a link or device; it is not unpacked")
        yield Member(entry.filename, entry.file_size, lambda entry=entry: archive.open(entry))  # type: ignore[misc]


def _in_tar(archive: tarfile.TarFile, name: str) -> Iterator[Member]:
    """Yield the files of a tar archive; links to files in it become copies, others are refused."""
    for entry in archive:
        if entry.isdir():
            continue
        if not (entry.isfile() or entry.islnk() or entry.issym()):
            raise InputError(f"{name}: {entry.name!r} is no file but a device; it is not unpacked")
        try:
            opened = archive.extractfile(entry)
        except KeyError as error:
            raise InputError(f"{name}: {entry.name!r} is a link out of the archive to {entry.linkname!r}") from error
        if opened is None:
            raise InputError(f"{name}: {entry.name!r} is a link to no file ({entry.linkname!r})")
        n_bytes = entry.size if entry.isfile() else opened.seek(0, io.SEEK_END)
        opened.seek(0)
        yield Member(entry.name, n_bytes, lambda opened=opened: opened)  # type: ignore[misc]


def _safe(name: str, archive: str) -> Path:
    """Return the path of a member below the folder, or refuse it."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or not parts or ".." in parts or re.match("[A-Za-z]:", parts[0]) or "\0" in name:
        raise InputError(f"{archive}: the archive holds the path {name!r}, which leads out of the folder")
    return Path(*parts)


def _write(member: Member, target: Path) -> None:
    """Write a file, which appears under its name when it is complete."""
    part = target.with_name(f".{target.name[:200]}.part")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with member.open() as source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
                n_bytes = sink.tell()
            if n_bytes != member.n_bytes:
                raise EOFError(f"{member.name!r} ends after {n_bytes} of {member.n_bytes} bytes")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


# Pieces.


@contextmanager
def open_joined(pieces: Sequence[Path]) -> Iterator[BinaryIO]:
    """Open files to be read as if they were one behind the other in a single file."""
    with ExitStack() as stack:
        files = [stack.enter_context(piece.open("rb")) for piece in pieces]
        if len(files) == 1:
            yield files[0]
            return
        yield cast(BinaryIO, stack.enter_context(io.BufferedReader(_Joined(files), 1 << 18)))


class _Joined(io.RawIOBase):
    """Several files, read as one."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = files
        self._ends = list(accumulate(os.fstat(file.fileno()).st_size for file in files))
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        if base + offset < 0:
            raise OSError("a place before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as one of the files reaches."""
        i = bisect.bisect_right(self._ends, self._at)
        if i == len(self._files):
            return 0
        begin = self._ends[i - 1] if i else 0
        self._files[i].seek(self._at - begin)
        block = self._files[i].read(min(len(buffer), self._ends[i] - self._at))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)
