"""One writer at a time: a lock that other processes wait for."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from earmark.errors import UsageError
from earmark.files import disk_errors, lock_for_writing

_POLL = 0.1  # seconds between two tries
PATIENCE = 1.0  # seconds before it is said that somebody waits


class CatalogueBusyError(UsageError):
    """Another process, or thread, is writing to the catalogue."""


class WriterLock:
    """Held while a process writes to a catalogue; it ends with the process, however that ends.

    Parameters
    ----------
    folder : of the catalogue; None where there is no folder (an object store): then nobody is kept out, and LanceDB's
        own check of versions lets the later of two writers fail
    wait : seconds to wait for another writer; None waits until it ends
    on_wait : called once, when it has to be waited
    """

    def __init__(
        self, folder: Path | None, *, wait: float | None = None, on_wait: Callable[[], None] | None = None
    ) -> None:
        self._folder, self._wait, self._on_wait = folder, wait, on_wait
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._folder is None:
            return self
        path = self._folder / "writer.lock"
        with disk_errors(path):
            file = path.open("ab")
        begun, is_told = time.monotonic(), False
        try:
            while not lock_for_writing(file):
                waited = time.monotonic() - begun
                if self._wait is not None and waited >= self._wait:
                    hint = "wait until it ends, then give the same command again"
                    raise CatalogueBusyError(f"{self._folder}: another process is writing to this catalogue", hint=hint)
                if not is_told and waited >= PATIENCE and self._on_wait is not None:
                    self._on_wait()
                    is_told = True
                time.sleep(_POLL)
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
