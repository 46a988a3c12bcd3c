"""Many files: find them, tag them several at a time, and go on where an interrupted batch stopped.

A journal is a JSON-lines file: a header with the settings, then one line per finished file with its size, its time of
change and its result, appended as soon as it is there. Failed files are not in it: they are tried again. One run at a
time writes to it. A line that is no result, whatever made it so, is as if it were not there.
"""

import errno
import glob
import json
import os
import threading
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.files import cannot_write, lock_for_writing, walk_files
from earmark.parallel import map_ordered
from earmark.tagger import Listener, TagFailure, tag_or_fail
from earmark.track_tags import TrackTags

STDIN = "-"
_FORMAT = 1  # of a journal


def find_audio(arguments: Sequence[str]) -> list[str]:
    """Find the audio files that arguments stand for.

    Parameters
    ----------
    arguments : files, folders, patterns such as "music/**/*.mp3", or "-" for stdin

    Returns
    -------
    paths, in the order of the arguments, each file once however many names and links lead to it. A file that is named
    is taken whatever its suffix, and even if it does not exist; of a folder those with one of `AUDIO_SUFFIXES`, sorted,
    hidden ones and hidden folders left out.

    Raises
    ------
    InputError
        If a folder holds no audio, a pattern matches nothing, or no file can have such a name.

    Warns
    -----
    EarmarkWarning
        If a folder cannot be read.
    """
    found: dict[str, str] = {}  # the file itself -> the path that led to it first
    for argument in arguments:
        for path in _expand(argument):
            found.setdefault(path if path == STDIN else os.path.realpath(path), path)
    return list(found.values())


def _expand(argument: str) -> list[str]:
    if argument == STDIN:
        return [STDIN]
    if not argument:
        raise InputError("an empty argument stands for no file", hint="is a variable empty?")
    _check_name(argument)
    if os.path.isdir(argument):  # noqa: PTH112 (False, not an error, where nobody may look)
        files = list(walk(argument))
        if not files:
            raise InputError(
                f"{argument}: no audio file in this folder or below",
                hint="audio is known by its suffix here (wav, mp3, flac, m4a, ...); name other files one by one",
            )
        return files
    if not glob.has_magic(argument) or os.path.lexists(argument):
        return [argument]
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 (the pattern may be absolute)
    files = [file for match in matches for file in (walk(match) if os.path.isdir(match) else [match])]  # noqa: PTH112
    if not files:
        raise InputError(f"{argument}: no file matches this pattern", hint="** stands for any number of folders")
    return files


def _check_name(argument: str) -> None:
    shown = argument if len(argument) <= 60 else f"{argument[:60]}…"
    try:
        os.lstat(argument)
    except ValueError as error:
        raise InputError(f"{shown!r}: no file can have this name: {error}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG and not glob.has_magic(argument):
            raise InputError(f"{shown}: {error.strerror}, {len(argument)} characters") from error


def walk(folder: str) -> Iterator[str]:
    """Yield the audio files in a folder and below, as `find_audio` describes."""
    for path in walk_files(folder):
        if os.path.splitext(path)[1].lower() in AUDIO_SUFFIXES:  # noqa: PTH122
            yield path


def tag_batch(
    tagger: Listener,
    paths: Sequence[str],
    *,
    jobs: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
    journal: "Journal | None" = None,
    redo: Collection[str] = (),
) -> Iterator[TrackTags | TagFailure]:
    """Tag many files, several at a time; one that fails stops nothing.

    Parameters
    ----------
    tagger : tags one file; called from several threads
    paths : as `find_audio` returns them
    jobs : files that are open at the same time; one more than the tagger's threads unless given
    offset, duration : of every file, seconds
    journal : files that it holds unchanged are not tagged again; the others are added as they are done
    redo : paths to tag again although the journal holds them

    Yields
    ------
    for every path in order, its tags or why there are none
    """

    def work(path: str) -> TrackTags | TagFailure:
        known = journal.find(path) if journal is not None and path not in redo else None
        if known is not None:
            return known
        stamp = None if journal is None else Stamp.of(path)
        result = tag_or_fail(tagger, path, offset=offset, duration=duration)
        if journal is not None and stamp is not None and isinstance(result, TrackTags):
            journal.add(path, stamp, result)
        return result

    return map_ordered(work, paths, jobs=tagger.threads + 1 if jobs is None else jobs)


class Stamp(tuple[int, int]):
    """Size in bytes and time of the last change in nanoseconds: if both are the same, so is the file."""

    __slots__ = ()

    @classmethod
    def of(cls, path: str) -> "Stamp | None":
        """Return the stamp of a file; None for stdin, and for what cannot be looked at."""
        try:
            entry = None if path == STDIN else Path(path).stat()
        except (OSError, ValueError):
            return None
        return None if entry is None else cls((entry.st_size, entry.st_mtime_ns))


class Journal:
    """The results of a batch on disk, so that another run can go on from there.

    Parameters
    ----------
    path : of the journal; begun if it does not exist
    settings : what the results depend on, plain values

    Raises
    ------
    InputError
        If the file is no journal, or cannot be written.
    UsageError
        If it was begun with other settings, or another run is writing to it.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._places: dict[str, tuple[Stamp, int]] = {}  # absolute path -> stamp and where the line begins
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            if not lock_for_writing(self._file):
                hint = "wait until it ends, or name another file"
                raise UsageError(f"{path}: another run is writing to this journal", hint=hint)
            self._begin(settings)
            self._check(settings)
            self._index()
        except EarmarkError:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._places)

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Write the header, if the file is empty."""
        header = json.dumps({"earmark_journal": _FORMAT, "settings": dict(settings)}) + "\n"
        try:
            if not os.fstat(self._file.fileno()).st_size:
                os.write(self._file.fileno(), header.encode("ascii"))  # whole or not at all
                self._file.seek(0)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _check(self, settings: Mapping[str, Any]) -> None:
        header = _parse(self._file.readline())
        if header is None or header.get("earmark_journal") != _FORMAT:
            raise InputError(
                f"{self.path}: not a journal of this version of earmark", hint="name a file that does not exist yet"
            )
        begun = header.get("settings", {})
        other = [name for name in {**begun, **settings} if begun.get(name) != settings.get(name)]
        if other:
            was = ", ".join(f"{name}={begun.get(name)}" for name in other)
            now = ", ".join(f"{name}={settings.get(name)}" for name in other)
            hint = "give the same options to go on, or another file to start anew"
            raise UsageError(f"{self.path}: begun with {was}, now it is {now}", hint=hint)

    def _index(self) -> None:
        """Note where each result lies; a line that was cut off by a crash goes, and its file is done again."""
        place = self._file.tell()
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.truncate(place)
                break
            match _parse(line):
                case {"path": str(path), "stamp": [int(size), int(time)], "result": {}}:
                    self._places[path] = (Stamp((size, time)), place)
            place += len(line)
        self._file.seek(place)

    def find(self, path: str) -> TrackTags | None:
        """Return the result of a file, unless it is not there, is damaged, or the file has changed since."""
        stamp, place = self._places.get(_key(path), (None, 0))
        if stamp is None or stamp != Stamp.of(path):
            return None
        with self._lock:
            self._file.seek(place)
            record = _parse(self._file.readline())
            self._file.seek(0, os.SEEK_END)
        try:
            return None if record is None else replace(TrackTags.from_dict(record["result"]), path=path)
        except (InputError, KeyError):
            return None

    def add(self, path: str, stamp: Stamp, result: TrackTags) -> None:
        """Append the result of a file as it was when it had this stamp.

        Raises
        ------
        InputError
            If the disk is full or gone.
        """
        line = json.dumps({"path": _key(path), "stamp": stamp, "result": result.to_dict(embedding=True)}) + "\n"
        with self._lock:
            if self._file.closed:  # interrupted meanwhile
                return
            try:
                place = self._file.tell()
                self._file.write(line.encode("ascii"))
                self._file.flush()
            except OSError as error:
                raise cannot_write(self.path, error) from error
            self._places[_key(path)] = (stamp, place)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (keeps links)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def output_paths(paths: Sequence[str], target: str, *, suffixes: Collection[str], default: str) -> dict[str, Path]:
    """Choose where the output of each file goes.

    Parameters
    ----------
    paths : of the files
    target : for one file a path with one of `suffixes`. For one or several a pattern with "{name}", which stands for
        the name of the file without its suffix, such as "taggrams/{name}.svg"; or a folder, in which they are called
        NAME plus `default`
    suffixes : that an output may have
    default : suffix of outputs in a folder

    Returns
    -------
    input path to output path; where two inputs have the same name, "-2", "-3", ... is added. Upper and lower case make
    no difference here, as they make none to many file systems

    Raises
    ------
    UsageError
        If `target` is one file for several inputs.
    """
    is_folder = os.path.isdir(target) or target.endswith(("/", os.sep)) or not Path(target).suffix  # noqa: PTH112
    if "{name}" not in target and not is_folder:
        if len(paths) != 1:
            hint = f"name a folder, or a pattern such as {{name}}{Path(target).suffix}"
            raise UsageError(f"{target}: one file for {len(paths)} tracks", hint=hint)
        return {paths[0]: _with_known_suffix(target, suffixes)}
    pattern = target if "{name}" in target else str(Path(target) / f"{{name}}{default}")
    chosen: dict[str, Path] = {}
    taken: set[str] = set()
    for path in paths:
        name = "stdin" if path == STDIN else Path(path).stem
        output, count = _with_known_suffix(pattern.replace("{name}", name), suffixes), 1
        while _folded(output) in taken:
            count += 1
            output = Path(pattern.replace("{name}", f"{name}-{count}"))
        taken.add(_folded(output))
        chosen[path] = output
    return chosen


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def make_folders(paths: Iterable[Path]) -> None:
    """Create the folders that outputs go to.

    Raises
    ------
    InputError
        If one cannot be created.
    """
    for folder in {path.parent for path in paths}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be created: {error.strerror or error}") from error


def check_free(target: str, *, source: str, force: bool = False) -> None:
    """Refuse to write over a file that may be music.

    Parameters
    ----------
    target : path to write
    source : what is read at the same time
    force : allow that `target` exists, as long as it is not the source

    Raises
    ------
    UsageError
        If the target is the source, or exists and `force` is not set.
    """
    if not os.path.exists(target):  # noqa: PTH110 (False for a name that no file can have)
        return
    if source != STDIN and Path(source).exists() and Path(source).samefile(target):
        raise UsageError(f"{target}: is what would be read", hint="write to another file")
    if not force:
        raise UsageError(f"{target}: there is such a file already", hint="--force replaces it")


def _with_known_suffix(name: str, suffixes: Collection[str]) -> Path:
    if Path(name).suffix.lower() not in suffixes:
        hint = f"choose one of {' '.join(suffixes)}"
        raise UsageError(f"{name}: cannot write {Path(name).suffix or 'a file without suffix'}", hint=hint)
    return Path(name)
