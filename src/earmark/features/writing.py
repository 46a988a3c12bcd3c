"""Write to a feature store: one process at a time, and so that it can be killed at any moment."""

import errno
import json
import os
import re
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.layout import (
    FAILURES,
    INDEX,
    LOCK,
    STORE,
    Dropped,
    Entry,
    Index,
    Key,
    StoreInfo,
    shard_path,
    shard_sizes,
)
from earmark.files import cannot_write, disk_errors, lock_for_writing, replacing

COMMIT_SECONDS, COMMIT_BYTES = 2.0, 1 << 28  # what a power failure may cost
CHECKED_BYTES = 1 << 26  # at the end of the data, when it is gone on with
WAIT_SECONDS = 0.5  # between looks whether another process is done


class StoreWriter:
    """Adds features to a store; begins it if it is not there.

    Blocks go to the end of the last data file, and every two seconds to the disk itself; only then their lines go to
    the index. What was cut off between the two is taken away when the store is opened the next time. So the files of
    a store that was interrupted, however often, end as those of one that was not.

    Parameters
    ----------
    path : of the folder
    info : what the features are
    wait : until another process that writes to the store ends

    Raises
    ------
    InputError
        If the folder holds something else, or cannot be written.
    UsageError
        If the store holds other features, or another process is writing to it and nobody is to wait for that.
    """

    def __init__(self, path: str | os.PathLike[str], info: StoreInfo, *, wait: bool = False) -> None:
        self.path = Path(path)
        self._data: _File | None = None
        self._index_file: _File | None = None
        self._lines: list[bytes] = []
        self._n_pending, self._committed = 0, time.monotonic()
        with disk_errors(self.path):
            self._lock = _locked(self.path, wait=wait)
        try:
            with disk_errors(self.path):
                self.info = self._begin(info)
                self._recover()
        except EarmarkError:
            self._close()
            raise

    def _begin(self, info: StoreInfo) -> StoreInfo:
        """Write what the features are, or compare it with what is there."""
        for part in self.path.iterdir():
            if re.fullmatch(r"\.[0-9a-f]{32}\.part", part.name):  # of a process that was killed
                part.unlink()
        if not (self.path / STORE).exists():
            with replacing(self.path / STORE) as file:
                file.write(info.to_json().encode())
        begun = StoreInfo.read(self.path)
        _check_same(self.path, begun, info)
        return begun

    def _recover(self) -> None:
        """Take away what is no whole line and no whole block, and open the files at their ends."""
        self._index = Index(self.path, self.info, checked=CHECKED_BYTES)
        self._index_file = _File(self.path / INDEX)
        self._index_file.cut(self._index.end)
        ends = self._index.ends
        self._shard = max(ends, default=0)
        for shard in shard_sizes(self.path):
            if shard > self._shard:
                shard_path(self.path, shard).unlink()
        self._data = _File(shard_path(self.path, self._shard))
        self._data.cut(ends.get(self._shard, 0))

    def __len__(self) -> int:
        return len(self._index.entries)

    def entry(self, id: str) -> Entry | None:
        """Return what the store holds of a track."""
        return self._index.entries.get(id)

    def find(self, key: Key) -> Entry | None:
        """Return a track of this content, whichever it is."""
        return self._index.by_key.get(key)

    def add(self, entry: Entry, block: bytes) -> Entry:
        """Add the features of a track.

        Parameters
        ----------
        entry : of the track; where the block lies and its checksum are filled in here
        block : of shape (T, F), in C order, of the dtype of the store

        Returns
        -------
        the entry as it goes to the index

        Raises
        ------
        InputError
            If the disk is full or gone.
        """
        assert self._data is not None
        if len(block) != entry.n_frames * self.info.frame_bytes:
            raise UsageError(f"{entry.id}: {len(block)} bytes for {entry.n_frames} frames")
        if self._data.size and self._data.size + len(block) > self.info.shard_bytes:
            self._next_shard()
        entry = replace(entry, shard=self._shard, offset=self._data.size, crc32=zlib.crc32(block))
        self._data.append(block)
        self._n_pending += len(block)
        self._note(entry)
        return entry

    def _next_shard(self) -> None:
        self.commit()
        assert self._data is not None
        self._data.close()
        self._shard += 1
        self._data = _File(shard_path(self.path, self._shard))

    def link(self, entry: Entry) -> Entry:
        """Add a track that has the features of one that is there; return `entry`.

        Parameters
        ----------
        entry : as `find` gave it, with the id, the path and the tags of the new one
        """
        if entry != self.entry(entry.id):
            self._note(entry)
        return entry

    def drop(self, id: str, reason: str, *, damaged: bool = False) -> None:
        """Take a track out of the store; `damaged` features are not used for other tracks either."""
        self._note(Dropped(id, reason, damaged))

    def _note(self, record: Entry | Dropped) -> None:
        self._index.add(record)
        self._lines.append(record.to_line())
        if time.monotonic() - self._committed > COMMIT_SECONDS or self._n_pending > COMMIT_BYTES:
            self.commit()

    def commit(self) -> None:
        """Bring to the disk what was added.

        Raises
        ------
        InputError
            If it is full or gone.
        """
        assert self._data is not None
        assert self._index_file is not None
        if self._lines:
            self._data.sync()
            self._index_file.append(b"".join(self._lines))
            self._lines.clear()
            self._index_file.sync()
        self._n_pending, self._committed = 0, time.monotonic()

    def write_failures(self, failures: Iterable[dict[str, Any]]) -> None:
        """Write what failed in this run, in place of what failed in the one before."""
        with replacing(self.path / FAILURES) as file:
            for failure in failures:
                file.write(json.dumps(failure).encode("ascii") + b"\n")

    def _close(self) -> None:
        for file in (self._data, self._index_file):
            if file is not None:
                file.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
            else:
                with suppress(InputError):  # the first error counts
                    self.commit()
        finally:
            self._close()


class _File:
    """A file that grows at its end; what could not be written whole is taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self.size = self._file.seek(0, os.SEEK_END)

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                n_written = self._file.write(rest)
                if not n_written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                rest = rest[n_written:]
        except OSError as error:
            with suppress(OSError):
                self.cut(self.size)
            raise cannot_write(self.path, error) from error
        self.size += len(data)

    def cut(self, size: int) -> None:
        if size != self._file.seek(0, os.SEEK_END):
            self._file.truncate(size)
            self._file.seek(size)
        self.size = size

    def sync(self) -> None:
        with disk_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _locked(folder: Path, *, wait: bool) -> BinaryIO:
    """Make the folder, and keep other processes from writing to it."""
    if folder.exists() and not (folder / STORE).exists():
        strange = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if strange:
            shown = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
            hint = "name a store, or a folder that is empty or not there yet"
            raise InputError(f"{folder}: no feature store, and not empty: {shown}", hint=hint)
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / LOCK).open("ab")
    while not lock_for_writing(lock):
        if wait:
            time.sleep(WAIT_SECONDS)
            continue
        lock.close()
        hint = "wait until it ends, or name another store; reading from it is possible meanwhile"
        raise UsageError(f"{folder}: another process is writing to this store", hint=hint)
    return lock


def _check_same(path: Path, begun: StoreInfo, wanted: StoreInfo) -> None:
    """Refuse to put other features into a store."""
    was, now = _essence(begun), _essence(wanted)
    other = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    if other:
        old = ", ".join(f"{name}={was[name]}" for name in other if name in was)
        new = ", ".join(f"{name}={now[name]}" for name in other if name in now)
        hint = "give the same parameters to go on, or name another store"
        raise UsageError(f"{path}: holds features of {old or 'fewer parameters'}, now it is {new}", hint=hint)


def _essence(info: StoreInfo) -> dict[str, object]:
    """What has to be the same so that features may stand in one store."""
    return {"frontend": info.frontend, "dtype": info.dtype, "revision": info.revision, **info.parameters}
