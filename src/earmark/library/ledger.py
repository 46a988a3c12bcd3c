"""What the catalogue holds of files, in memory while files are added: who lies where, and what was heard of whom."""

import os
from collections.abc import Iterable, Iterator

from earmark.library.models import StoredModel
from earmark.library.rows import FilePlace
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store

WHOLE = "whole"


class Ledger:
    """The files of a catalogue, and of every track whether a model has heard it.

    Parameters
    ----------
    store : the catalogue
    model : that is going to listen
    whole : whether a track that was heard in part has to be heard again
    """

    def __init__(self, store: Store, model: StoredModel, *, whole: bool) -> None:
        self._files: dict[str, tuple[FilePlace, str]] = {}  # path -> file and track
        self._places: dict[str, dict[str, FilePlace]] = {}  # track -> its files by path
        self._current: set[str] = set()
        listened, version = model.column("listened"), model.column("version")
        for batch in store.scan(TRACKS, ["id", "files", listened, version]):
            for row in batch.to_pylist():
                self._places[row["id"]] = {}
                for place in read_files(row["files"]):
                    self._files[place.path] = (place, row["id"])
                    self._places[row["id"]][place.path] = place
                if row[version] == model.version and (row[listened] == WHOLE or not whole):
                    self._current.add(row["id"])
        self.failures = {
            os.fsdecode(row["path"]): (row["size"], row["mtime_ns"]) for row in store.failures()
        }  # path -> size and time of the file as it failed

    def __contains__(self, track: str) -> bool:
        return track in self._places

    def is_heard(self, track: str) -> bool:
        """Tell whether nothing is left to hear of a track."""
        return track in self._current

    def set_heard(self, track: str) -> None:
        """Note that a track was heard."""
        self._current.add(track)

    def is_current(self, place: FilePlace) -> bool:
        """Tell whether a file is as it was when it was added, and its track was heard."""
        known = self._files.get(place.path)
        return known is not None and known[0] == place and known[1] in self._current

    def has_failed(self, place: FilePlace) -> bool:
        """Tell whether a file could not be analysed, and is as it was then."""
        return self.failures.get(place.path) == (place.size, place.mtime_ns)

    def track_at(self, path: str) -> str | None:
        """Return the track that a file held."""
        known = self._files.get(path)
        return None if known is None else known[1]

    def places(self, track: str) -> tuple[FilePlace, ...]:
        """Return the files of a track, the one that was added first first."""
        return tuple(self._places.get(track, {}).values())

    def attach(self, track: str, place: FilePlace) -> str | None:
        """Note that a file holds a track; return the track that it held before, if that is another."""
        before = self.track_at(place.path)
        if before is not None and before != track:
            self._places[before].pop(place.path, None)
        self._places.setdefault(track, {})[place.path] = place
        self._files[place.path] = (place, track)
        return before if before != track else None

    def detach(self, path: str) -> str | None:
        """Forget a file; return the track that it held."""
        known = self._files.pop(path, None)
        if known is None:
            return None
        self._places[known[1]].pop(path, None)
        return known[1]

    def below(self, folders: Iterable[str]) -> Iterator[str]:
        """Yield the paths that lie in folders, or are one of them."""
        starts = tuple(os.path.join(folder, "") for folder in folders)  # noqa: PTH118 (may be no text)
        exact = frozenset(folders)
        for path in list(self._files):
            if path.startswith(starts) or path in exact:
                yield path

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Return those of some paths where there is no file any more."""
        return [path for path in paths if is_gone(path)]


def is_gone(path: str) -> bool:
    """Tell whether there is no such file; where nobody can look, that is not known, and the answer is no."""
    try:
        os.stat(path)  # noqa: PTH116 (a str may hold what Path cannot)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
