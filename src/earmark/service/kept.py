"""Small files of JSON in the folder for data: written whole, for nobody else to read, one writer at a time."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from earmark.errors import InputError, UsageError
from earmark.files import disk_errors, lock_for_writing, replacing

T = TypeVar("T")
_PATIENCE = 10.0  # seconds to wait for another process that changes the file


class Kept(Generic[T]):
    """A file that is read anew when it has changed.

    Parameters
    ----------
    path : of the file
    parse : makes of its JSON what is kept; raises ValueError, KeyError or TypeError where it cannot
    empty : what is kept where there is no file
    damaged : what is wrong with a file that cannot be parsed, and what to do
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[Any], T],
        empty: T,
        *,
        damaged: tuple[str, str] = ("is not as earmark writes it", "put it back from a copy, or move it away"),
    ) -> None:
        self._path, self._parse, self._empty, self._damaged = path, parse, empty, damaged
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._known = empty

    def read(self) -> T:
        """Return what is kept; it must not be changed.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._known, self._stamp = self._load(), stamp
            return self._known

    def _stamp_now(self) -> tuple[int, int, int]:
        try:
            entry = self._path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        return (entry.st_ino, entry.st_size, entry.st_mtime_ns)

    def _load(self) -> T:
        try:
            return self._parse(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return self._empty
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._path}: {self._damaged[0]}", hint=self._damaged[1]) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[T]:
        """Keep other processes from changing the file in a ``with`` block; gives what is kept now.

        Raises
        ------
        UsageError
            If another process does not let go of it.
        """
        lock = self._path.with_name(f"{self._path.stem}.lock")
        with disk_errors(lock):
            file = os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        with file:
            begun = time.monotonic()
            while not lock_for_writing(file):
                if time.monotonic() - begun > _PATIENCE:
                    raise UsageError(f"{self._path}: another process is changing it", hint="try again")
                time.sleep(0.02)
            yield self._load()

    def write(self, plain: Any) -> None:
        """Put JSON in the place of what is kept; call it while `changing`."""
        with replacing(self._path, private=True) as file:
            file.write(json.dumps(plain, indent=1).encode())
