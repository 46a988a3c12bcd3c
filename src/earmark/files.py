"""Files: written whole or not at all, errors of the disk in words, locks between processes, walks through folders."""

import errno
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from earmark.errors import EarmarkError, EarmarkWarning, InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def replacing(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of `path` when all went well; else nothing is changed or left.

    Parameters
    ----------
    path : of the file; its folder exists. A link stays one: what it leads to is replaced
    private : nobody but the owner may read it, whatever held before

    Raises
    ------
    InputError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as file:
    ...         _ = file.write(b"whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)
    temporary = target.with_name(f".{uuid.uuid4().hex}.part")  # its length does not depend on the name's
    with disk_errors(target):
        if not target.parent.is_dir():
            raise InputError(f"{target}: cannot be written: there is no folder {target.parent}", hint="create it first")
        try:
            with open(temporary, "xb+", opener=_open_privately if private else None) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if not private:
                with suppress(FileNotFoundError):
                    temporary.chmod(target.stat().st_mode & 0o7777)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink()


def _open_privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an error of the disk while writing `path` into an `InputError` that says why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EarmarkError):
            raise
        raise cannot_write(path, error) from error


def cannot_write(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Say why `path` cannot be written, and what to do where the disk is full."""
    is_full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    hint = "free some space, then give the same command again" if is_full else None
    return InputError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}", hint=hint)


def lock_for_writing(file: BinaryIO) -> bool:
    """Keep other processes from writing to a file until it is closed.

    Parameters
    ----------
    file : open for writing

    Returns
    -------
    False if another process holds it. True where the file system has no locks: then nobody watches.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)
    return True


def walk_files(folder: str) -> Iterator[str]:
    """Yield the files in a folder and below, sorted, hidden ones and hidden folders left out; links are followed once.

    Parameters
    ----------
    folder : where to begin; the paths begin with it

    Warns
    -----
    EarmarkWarning
        If a folder cannot be read.
    """
    seen: set[tuple[int, int]] = set()

    def report(error: OSError) -> None:
        warnings.warn(f"{error.filename}: {error.strerror or error}", EarmarkWarning, stacklevel=3)

    for parent, folders, files in os.walk(folder, onerror=report, followlinks=True):
        try:
            entry = os.stat(parent)  # noqa: PTH116 (a str may hold what Path cannot)
        except OSError as error:  # gone meanwhile
            report(error)
            folders.clear()
            continue
        if (entry.st_dev, entry.st_ino) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add((entry.st_dev, entry.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(parent, name)  # noqa: PTH118
