"""Read a feature store: features of tracks as arrays that are mapped into memory, not read into it."""

import hashlib
import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.sources import reason
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.features.layout import Entry, Index, Segment, StoreInfo, shard_path

Features = NDArray[Any]  # (T, F), float16, float32 or int16
Verdict = Literal["right", "damaged", "changed", "missing"]


@dataclass(frozen=True, slots=True)
class Item:
    """A track whose features are wanted.

    Parameters
    ----------
    id : names it in the store
    path : of its audio file
    segment : start and end of the part to read, seconds; None for the whole file
    tags : kept with the features, for contact sheets
    """

    id: str
    path: str
    segment: Segment = None
    tags: tuple[str, ...] = ()


class FeatureStore:
    """The features of many tracks on disk; made by `FeatureStore.open`.

    An array that it gives is a view of a file: the part of it that is looked at is read, at the speed of the disk, and
    stays in the memory of the operating system as long as there is room. Worker processes may be handed a store; each
    opens the files for itself. Features that a writer adds meanwhile are seen after `refresh`.

    Attributes
    ----------
    path : of the folder
    info : what the features are
    """

    def __init__(self, path: Path, info: StoreInfo, entries: dict[str, Entry]) -> None:
        self.path = path
        self.info = info
        self._entries = entries
        self._begin()

    def _begin(self) -> None:
        self._maps: dict[int, Features] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "FeatureStore":
        """Open a store to read from it; it may be written to at the same time.

        Parameters
        ----------
        path : of its folder

        Raises
        ------
        InputError
            If it is no feature store, or cannot be read.
        """
        folder = Path(path)
        info = StoreInfo.read(folder)
        return cls(folder, info, Index(folder, info).entries)

    def refresh(self) -> None:
        """Look again which tracks are there."""
        self._entries = Index(self.path, self.info).entries
        self._maps.clear()

    def __getstate__(self) -> tuple[Path, StoreInfo, dict[str, Entry]]:
        return self.path, self.info, self._entries

    def __setstate__(self, state: tuple[Path, StoreInfo, dict[str, Entry]]) -> None:
        self.path, self.info, self._entries = state
        self._begin()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, id: object) -> bool:
        return id in self._entries

    @property
    def ids(self) -> list[str]:
        """Ids of the tracks, in the order in which they came."""
        return list(self._entries)

    @property
    def entries(self) -> list[Entry]:
        """What is known of every track: frames, duration, tags, content and path of its audio file."""
        return list(self._entries.values())

    def entry(self, id: str) -> Entry:
        """Return what is known of a track.

        Raises
        ------
        UnknownNameError
            If it is not in the store.
        """
        if id not in self._entries:
            raise UnknownNameError(f"track in {self.path}", id, self._entries)
        return self._entries[id]

    def __getitem__(self, id: str) -> Features:
        """Return the features of a track.

        Parameters
        ----------
        id : of the track

        Returns
        -------
        shape (T, F), of the store's dtype, read-only; int16 are samples times 32768

        Raises
        ------
        UnknownNameError
            If it is not in the store.
        InputError
            If the data file has been cut or taken away.
        """
        entry = self.entry(id)
        return self._frames(entry, 0, entry.n_frames)

    def crop(self, id: str, start: int, n_frames: int) -> Features:
        """Return a part of the features of a track.

        Parameters
        ----------
        id : of the track
        start, n_frames : first frame, and how many

        Returns
        -------
        shape (n_frames, F), of the store's dtype, read-only, one piece of memory

        Raises
        ------
        UnknownNameError
            If it is not in the store.
        UsageError
            If the track has no such frames.
        """
        entry = self.entry(id)
        if not 0 <= start <= start + n_frames <= entry.n_frames:
            raise UsageError(f"{id}: frames {start} to {start + n_frames} of {entry.n_frames}")
        return self._frames(entry, start, n_frames)

    def _frames(self, entry: Entry, start: int, n_frames: int) -> Features:
        n_features = self.info.n_features
        begin = entry.offset // np.dtype(self.info.dtype).itemsize + start * n_features
        flat = self._maps.get(entry.shard)
        if flat is None:
            flat = self._map(entry.shard)
        values = flat[begin : begin + n_frames * n_features]
        if len(values) < n_frames * n_features:
            raise InputError(f"{shard_path(self.path, entry.shard)}: has been cut", hint="open the store again")
        return values.reshape(n_frames, n_features)

    def _map(self, shard: int) -> Features:
        with self._lock:
            if shard not in self._maps:
                path = shard_path(self.path, shard)
                try:
                    mapped = np.memmap(path, dtype=self.info.dtype, mode="r", shape=_n_values(path, self.info.dtype))
                except (OSError, ValueError) as error:
                    raise InputError(f"{path}: cannot be mapped: {error}") from error
                self._maps[shard] = np.asarray(mapped)
            return self._maps[shard]

    def stale(self, items: Iterable[Item]) -> list[str]:
        """Look which tracks are missing, or were computed from other audio than there is now.

        Reads every file once; a file that cannot be read makes its track stale.

        Parameters
        ----------
        items : the tracks as they ought to be

        Returns
        -------
        ids of the tracks whose features are not those of the file and the segment
        """
        return [item.id for item in items if not self._is_current(item)]

    def _is_current(self, item: Item) -> bool:
        entry = self._entries.get(item.id)
        if entry is None or entry.segment != item.segment:
            return False
        try:
            return content_digest(item.path) == entry.content
        except InputError:
            return False

    def check(self, *, audio: bool = False) -> Iterator[tuple[str, Verdict]]:
        """Look whether the features are what was written, by their checksums.

        Parameters
        ----------
        audio : also whether the audio files are those that were read

        Yields
        ------
        for every track its id and a verdict: "right"; "damaged", the features; "changed" or "missing", the audio
        """
        for entry in self.entries:
            if zlib.crc32(self[entry.id].data) != entry.crc32:
                yield entry.id, "damaged"
            else:
                yield entry.id, _compared(entry) if audio else "right"


def _compared(entry: Entry) -> Verdict:
    try:
        return "right" if content_digest(entry.path) == entry.content else "changed"
    except InputError:
        return "missing"


def _n_values(path: Path, dtype: str) -> int:
    return path.stat().st_size // np.dtype(dtype).itemsize


def content_digest(path: str) -> str:
    """Return the sha256 of a file, in hexadecimal digits.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a str may hold what Path cannot)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: {why}") from None
