"""Look into the audio of a dataset, several files at a time, and keep in a journal what was found.

A journal is a JSON-lines file: a header, then a line per file with its size and time of change, written as soon as the
file was looked into. An interrupted run goes on with it, and a file that has changed since is looked into again.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from earmark.audio.io import open_audio
from earmark.datasets.journal import LineJournal, open_journal
from earmark.errors import EarmarkError
from earmark.parallel import cpu_count, map_ordered

_HEADER = {"journal": "earmark audio", "format": 1}
_REFUSED = ("not a journal of audio", "name another folder, or remove the file")


@dataclass(frozen=True)
class Heard:
    """What a file of audio is.

    Parameters
    ----------
    duration : seconds: as its header says, or as decoded; None if it does not say
    sample_rate : Hz; 0 if it cannot be read
    n_channels : 0 if it cannot be read
    codec : such as "mpeg_layer_iii"
    is_decoded : whether it was decoded to its end, or only its header read
    problem : why it cannot be read, or what is damaged; empty if nothing
    """

    duration: float | None = None
    sample_rate: int = 0
    n_channels: int = 0
    codec: str = ""
    is_decoded: bool = False
    problem: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether there is any audio to be had from it."""
        return self.sample_rate > 0


def listen(
    paths: Iterable[Path],
    *,
    decode: bool = False,
    jobs: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Path, Heard]:
    """Look into files.

    Parameters
    ----------
    paths : of files that exist
    decode : decode them to their end; else only their headers are read
    jobs : files open at a time; as many as there are CPUs unless given
    journal : where results are kept and looked up; None keeps nothing
    progress : called with the files done and the files in all

    Raises
    ------
    InputError
        If the journal is none, cannot be written, or another process writes to it.
    """
    files = list(dict.fromkeys(paths))
    with _opened(journal) as kept:
        found = {path: known for path in files if (known := kept.look_up(path, decode)) is not None}
        if progress is not None:
            progress(len(found), len(files))
        rest = [path for path in files if path not in found]
        heard = map_ordered(lambda path: _hear(path, decode), rest, jobs=cpu_count() if jobs is None else jobs)
        for path, result in zip(rest, heard, strict=True):
            found[path] = result
            kept.add(path, result)
            if progress is not None:
                progress(len(found), len(files))
    return {path: found[path] for path in files}


def _hear(path: Path, decode: bool) -> Heard:
    try:
        with open_audio(path, mono=False) as reader:
            info, duration, problem = reader.info, reader.info.duration, ""
            if decode:
                for _ in reader.blocks():
                    pass
                duration, problem = reader.seconds, "; ".join(reader.notes)
        return Heard(duration, info.sample_rate, info.n_channels, info.codec, decode, problem)
    except EarmarkError as error:
        return Heard(is_decoded=True, problem=error.message.removeprefix(f"{path}: "))
    except OSError as error:
        return Heard(is_decoded=True, problem=error.strerror or str(error))


class _Journal:
    """What is kept of files that were looked into; without a file, nothing."""

    def __init__(self, lines: LineJournal | None) -> None:
        self._lines = lines
        self._known: dict[str, tuple[int, int, Heard]] = {}
        for entry in lines.entries if lines is not None else ():
            match entry:
                case {"path": str(path), "size": int(size), "changed": int(changed), "heard": dict(heard)}:
                    known = _heard(heard)
                    if known is not None:
                        self._known[path] = (size, changed, known)

    def look_up(self, path: Path, decode: bool) -> Heard | None:
        """Return what is known of a file as it is now."""
        known = self._known.get(os.fspath(path.absolute()))
        if known is None or (decode and not known[2].is_decoded) or known[:2] != _state(path):
            return None
        return known[2]

    def add(self, path: Path, heard: Heard) -> None:
        """Keep what was found."""
        if self._lines is not None:
            size, changed = _state(path)
            self._lines.add(
                {"path": os.fspath(path.absolute()), "size": size, "changed": changed, "heard": asdict(heard)}
            )


@contextmanager
def _opened(path: str | os.PathLike[str] | None) -> Iterator[_Journal]:
    if path is None:
        yield _Journal(None)
        return
    with open_journal(path, _HEADER, refused=_REFUSED) as lines:
        yield _Journal(lines)


def _heard(plain: dict[str, object]) -> Heard | None:
    match plain:
        case {
            "duration": float() | int() | None as duration,
            "sample_rate": int(sample_rate),
            "n_channels": int(n_channels),
            "codec": str(codec),
            "is_decoded": bool(is_decoded),
            "problem": str(problem),
        }:
            return Heard(duration, sample_rate, n_channels, codec, is_decoded, problem)
    return None


def _state(path: Path) -> tuple[int, int]:
    """Return size and time of change of a file."""
    try:
        state = path.stat()
    except OSError:
        return -1, 0
    return state.st_size, state.st_mtime_ns
