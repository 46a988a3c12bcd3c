"""A journal of lines: what was done, kept line by line, so that an interruption loses nothing."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from earmark.errors import InputError
from earmark.files import disk_errors, lock_for_writing


class LineJournal:
    """An open journal.

    Parameters
    ----------
    file : open for appending and reading, without a buffer
    name : of the file
    header : what the first line says; an empty file gets it
    refused : what is wrong with a file that begins otherwise, and what to do
    """

    def __init__(self, file: FileIO, name: str, header: Mapping[str, object], refused: tuple[str, str]) -> None:
        self._file, self._name = file, name
        file.seek(0)
        lines = file.readall().split(b"\n")
        if lines == [b""]:
            self.add(header)
        elif _parsed(lines[0]) != header:
            raise InputError(f"{name}: {refused[0]}", hint=refused[1])
        elif lines[-1]:
            file.write(b"\n")  # behind a line that was cut off
        self.entries = [entry for line in lines[1:] if (entry := _parsed(line)) is not None]
        """What the other lines hold; lines that were cut off are left out."""

    def add(self, plain: object) -> None:
        """Write a line.

        Raises
        ------
        InputError
            If it cannot be written, or not whole.
        """
        line = json.dumps(plain).encode() + b"\n"
        with disk_errors(self._name):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def open_journal(
    path: str | os.PathLike[str], header: Mapping[str, object], *, refused: tuple[str, str]
) -> Iterator[LineJournal]:
    """Open a journal, or begin it; nobody else writes to it in the ``with`` block.

    Parameters
    ----------
    path : of the file
    header, refused : see `LineJournal`

    Raises
    ------
    InputError
        If it is no such journal, another process writes to it, or it cannot be written.
    """
    name = os.fspath(path)
    with disk_errors(name):
        file = Path(path).open("ab+", buffering=0)  # noqa: SIM115 (closed below; errors of its user are no disk's)
    with file:
        if not lock_for_writing(file):
            raise InputError(f"{name}: another process writes to this journal", hint="wait for it to end")
        yield LineJournal(file, name, header, refused)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
