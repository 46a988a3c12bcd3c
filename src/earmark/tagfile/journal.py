"""What was written into files, run by run, so that it can be undone byte for byte, also after a crash in the middle.

A journal is a folder with a text file for each run, one JSON object a line. Before a file is replaced, the line that
undoes it is on the disk: which bytes stood where the changed ones are, and the SHA-256 of the file before and after.
The audio is not copied. A line that a crash cut off belongs to a file that was not replaced yet.
"""

import base64
import json
import os
import re
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.files import disk_errors, lock_for_writing
from earmark.tagfile.changes import Splice
from earmark.tagfile.swapping import digest_spliced, holding, replace, sync_folder, take_over, write_spliced

_VERSION = 1
_TEMPORARY = re.compile(r"\.earmark-[0-9a-f]{32}\.part")
_SUFFIX, _LOCK = ".journal", ".lock"


@dataclass(frozen=True)
class Entry:
    """One file that was replaced, or was about to be.

    Parameters
    ----------
    path : of the file
    before, after : SHA-256 of the whole file
    stamps : times of access and change before, ns
    inverse : what turns the new file back into the old one, in order
    is_undone : whether that was done
    """

    path: str
    before: str
    after: str
    stamps: tuple[int, int]
    inverse: tuple[Splice, ...] = field(repr=False)
    is_undone: bool = False

    def to_line(self) -> dict[str, Any]:
        """Return what stands in the journal."""
        old = zlib.compress(b"".join(splice.data for splice in self.inverse))
        return {
            "file": self.path,
            "before": self.before,
            "after": self.after,
            "stamps": self.stamps,
            "places": [(splice.begin, splice.end, len(splice.data)) for splice in self.inverse],
            "bytes": base64.b64encode(old).decode(),
        }

    @staticmethod
    def from_line(line: dict[str, Any], *, is_undone: bool) -> "Entry":
        """Read what stands in the journal."""
        old = zlib.decompress(base64.b64decode(line["bytes"]))
        inverse, at = [], 0
        for begin, end, size in line["places"]:
            inverse.append(Splice(begin, end, old[at : at + size]))
            at += size
        access, change = line["stamps"]
        return Entry(line["file"], line["before"], line["after"], (access, change), tuple(inverse), is_undone)


@dataclass(frozen=True)
class Run:
    """One run that wrote into files.

    Parameters
    ----------
    id : names it
    begun : in UTC
    n_files : that were replaced, or about to be when it ended
    n_undone : of these, as they were before again
    is_running : whether it is still being written to
    """

    id: str
    begun: datetime
    n_files: int
    n_undone: int
    is_running: bool = False


@dataclass(frozen=True)
class Undone:
    """What became of one file of a run: whether it is as it was before, and if not, why."""

    path: str
    is_restored: bool
    reason: str = ""


class Journal:
    """The runs that wrote into files; a new one begins with the first file that is written to.

    Parameters
    ----------
    folder : made if there is none

    Attributes
    ----------
    folder : as given
    run : the id of this object's own run; None as long as nothing was written

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(folder) as journal:
    ...     journal.run, journal.runs()
    (None, [])
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.run: str | None = None
        self._file: BinaryIO | None = None
        self._lock: BinaryIO | None = None
        self._n_entries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the run."""
        if self._file is None or self.run is None:
            return
        self._file.close()
        self._release(self.run)
        self._file = None

    @contextmanager
    def temporary(self, target: str) -> Iterator[Path]:
        """Give a name for a copy beside a file; whatever lies there at the end is taken away.

        Parameters
        ----------
        target : the file
        """
        self._begin()
        temporary = Path(os.path.dirname(target)) / f".earmark-{uuid.uuid4().hex}.part"  # noqa: PTH120
        self._append({"copy": os.fspath(temporary)})
        try:
            yield temporary
        finally:
            with suppress(OSError):
                temporary.unlink()

    def intend(self, entry: Entry) -> int:
        """Note on the disk that a file is about to be replaced; return the number of the entry."""
        self._append(entry.to_line(), sync=True)
        self._n_entries += 1
        return self._n_entries - 1

    def settle(self, number: int) -> None:
        """Note that a file was replaced."""
        self._append({"replaced": number})

    def runs(self) -> list[Run]:
        """Return all runs that replaced files, the oldest first."""
        runs = []
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            lines = list(_lines(path))
            files = [line for line in lines if "file" in line]
            begun = next((datetime.fromisoformat(line["begun"]) for line in lines if "begun" in line), None)
            if files and begun is not None:
                undone = {line["undone"] for line in lines if "undone" in line}
                runs.append(
                    Run(path.stem, begun, len(files), len(undone), path.stem == self.run or self._is_live(path))
                )
        return runs

    def entries(self, run: str) -> list[Entry]:
        """Return the files of a run, in the order in which they were replaced.

        Raises
        ------
        UnknownNameError
            If there is no such run.
        """
        path = self.folder / f"{run}{_SUFFIX}"
        if not path.is_file() or path.parent != self.folder:
            raise UnknownNameError("run", run, [known.id for known in self.runs()])
        lines = list(_lines(path))
        undone = {line["undone"] for line in lines if "undone" in line}
        files = [line for line in lines if "file" in line]
        return [Entry.from_line(line, is_undone=i in undone) for i, line in enumerate(files)]

    def undo(self, run: str | None = None) -> list[Undone]:
        """Bring the files of a run back to what they were before it, byte for byte, with their time of change.

        Parameters
        ----------
        run : its id; by default the latest that is not undone

        Returns
        -------
        what became of each file, the one that was written last first. A file that somebody has changed since is left
        alone; undone again, a run goes on where it was interrupted

        Raises
        ------
        UnknownNameError
            If there is no such run.
        UsageError
            If no run is left to be undone, or this one is not at its end.
        """
        if run is None:
            left = [known.id for known in self.runs() if known.n_undone < known.n_files]
            if not left:
                raise UsageError(f"{self.folder}: there is no run that could be undone")
            run = left[-1]
        entries = self.entries(run)
        self.close()
        if not self._hold(run):
            raise UsageError(f"the run {run} is still writing", hint="wait until it ends, then undo it")
        try:
            with disk_errors(self.folder):
                self._file = _open_whole(self.folder / f"{run}{_SUFFIX}")
            self._clean(run)
            return [self._undo_one(run, i, entry) for i, entry in reversed(list(enumerate(entries)))]
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._release(run)

    def _undo_one(self, run: str, number: int, entry: Entry) -> Undone:
        if entry.is_undone:
            return Undone(entry.path, True)
        try:
            self._restore(run, entry)
            self._append({"undone": number}, sync=True)
        except InputError as error:
            return Undone(entry.path, False, error.message.removeprefix(f"{entry.path}: "))
        return Undone(entry.path, True)

    def _restore(self, run: str, entry: Entry) -> None:
        """Turn one file back."""
        with holding(entry.path) as source, disk_errors(entry.path):
            digest = digest_spliced(entry.path)
            if digest == entry.before:
                return
            state = os.fstat(source.fileno())
            if digest != entry.after:
                raise InputError(f"{entry.path}: {self._why_changed(run, entry, digest)}")
            if state.st_nlink > 1:
                raise InputError(f"{entry.path}: the file has {state.st_nlink} names (hard links) by now")
            with self.temporary(entry.path) as temporary:
                write_spliced(source, entry.inverse, temporary)
                if digest_spliced(temporary) != entry.before:
                    raise InputError(f"{entry.path}: what the journal says does not lead back to the file as it was")
                take_over(source, temporary, entry.stamps)
                now = os.stat(entry.path)  # noqa: PTH116
                if (now.st_ino, now.st_size, now.st_mtime_ns) != (state.st_ino, state.st_size, state.st_mtime_ns):
                    raise InputError(f"{entry.path}: somebody is changing it right now")
                replace(source, temporary, entry.path)

    def _why_changed(self, run: str, entry: Entry, digest: str) -> str:
        for other in reversed(self.runs()):
            if other.id > run and any(e.path == entry.path and e.after == digest for e in self.entries(other.id)):
                return f"changed since, by the run {other.id}: undo that one first"
        return "changed since by another program, so it is left alone"

    def _begin(self) -> None:
        """Begin a run, if none has begun."""
        if self._file is not None:
            return
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # what stood in files is nobody's business
            for lock in self.folder.glob(f"*{_LOCK}"):
                self._clean_up(lock.stem)
            now, self.run = datetime.now(UTC), None
            while self.run is None or not self._hold(self.run):  # another process may look at it just then
                self.run = f"{now:%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:4]}"
            path = self.folder / f"{self.run}{_SUFFIX}"
            self._file = path.open("xb", buffering=0)
            self._n_entries = 0
            try:
                self._append({"begun": now.isoformat(), "version": _VERSION}, sync=True)
                sync_folder(self.folder)
            except BaseException:  # the next file begins anew
                self.close()
                path.unlink()
                raise

    def _append(self, line: dict[str, Any], *, sync: bool = False) -> None:
        """Write a line, whole or not at all; with `sync` to the disk."""
        assert self._file is not None
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with disk_errors(self.folder):
            begin = os.fstat(self._file.fileno()).st_size
            try:
                left = data
                while left:
                    left = left[self._file.write(left) :]
                if sync:
                    os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), begin)
                    self._file.seek(begin)
                raise

    # Runs that were cut off

    def _clean_up(self, run: str) -> None:
        """Take away the copies that a run which was cut off left behind."""
        if self._hold(run):
            self._clean(run)
            self._release(run)

    def _clean(self, run: str) -> None:
        path = self.folder / f"{run}{_SUFFIX}"
        for line in _lines(path) if path.exists() else ():
            copy = line.get("copy", "")
            if _TEMPORARY.fullmatch(os.path.basename(copy)):  # noqa: PTH119
                with suppress(OSError):
                    os.unlink(copy)  # noqa: PTH108

    def _is_live(self, path: Path) -> bool:
        """Say whether another process is writing to a run."""
        lock = path.with_suffix(_LOCK)
        try:
            with lock.open("rb+") as file:
                return not lock_for_writing(file)
        except OSError:
            return False

    def _hold(self, run: str) -> bool:
        """Keep other processes away from a run; False if one holds it."""
        with disk_errors(self.folder):
            file = (self.folder / f"{run}{_LOCK}").open("wb")
        if not lock_for_writing(file):
            file.close()
            return False
        self._lock = file
        return True

    def _release(self, run: str) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        with suppress(OSError):
            (self.folder / f"{run}{_LOCK}").unlink()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run; one that a crash cut off is left out."""
    with disk_errors(path):
        data = path.read_bytes()
    for line in data.split(b"\n"):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def _open_whole(path: Path) -> BinaryIO:
    """Open a run to write on behind its last whole line."""
    file: BinaryIO = path.open("rb+", buffering=0)
    data = file.read()
    if data and not data.endswith(b"\n"):
        file.write(b"\n")
    return file
