"""How loud files are along the way, worked out once for everybody who asks, a few at a time, and kept in memory."""

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio.io import open_audio
from earmark.service.errors import TookTooLong, TooLarge
from earmark.service.hearing import check_audio
from earmark.service.state import Service

MOST_PEAKS = 4000
MOST_AT_ONCE = 2
MOST_KEPT = 64
"""Files whose envelope is kept: 256 KiB each at most."""
N_BINS = 1 << 16
"""Bins of an envelope, at most; at least half as many unless the audio has fewer samples."""

Key = tuple[str, int, int]
"""What tells whether a file has changed: its path, its size, its time of change."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """How loud audio is along the way.

    Parameters
    ----------
    duration : seconds
    bins : shape (B,), the highest absolute sample of any channel in each bin, in [0, 1]
    n_bins : how many bins the audio fills: the last one may be filled in part
    """

    duration: float
    bins: NDArray[np.float32]
    n_bins: float

    def peaks(self, n: int) -> list[float]:
        """Return the highest value of each of `n` equal slices; right to a bin, an eighth of a slice at most."""
        edges = np.arange(n + 1) * (self.n_bins / n)
        first = np.minimum(np.floor(edges[:-1] + 0.5).astype(int), len(self.bins) - 1)
        last = np.maximum(np.floor(edges[1:] + 0.5).astype(int), first + 1)
        last[-1] = len(self.bins)
        return [round(float(self.bins[a:b].max()), 4) for a, b in zip(first, last, strict=True)]


class Folding:
    """Folds samples of unknown number into a bounded number of bins of equal length: when all are full, pairs merge.

    Examples
    --------
    >>> folding = Folding(4)
    >>> folding.add(np.array([1.0, 2.0, 3.0], np.float32)); folding.add(np.array([4.0, 5.0, 0.0], np.float32))
    >>> folding.bins(), folding.n_bins
    (array([2., 4., 5.], dtype=float32), 3.0)
    """

    def __init__(self, most: int = N_BINS) -> None:
        self._most = most
        self._bins = np.zeros(most, np.float32)
        self._length = 1  # samples of a bin
        self._n = 0  # samples so far

    @property
    def n_bins(self) -> float:
        """How many bins are filled."""
        return self._n / self._length

    def bins(self) -> NDArray[np.float32]:
        """Return the bins, the last one of which may be filled in part."""
        return self._bins[: -(-self._n // self._length)].copy()

    def add(self, values: NDArray[np.float32]) -> None:
        """Take values in, in order; shape (n,), none of them negative."""
        while self._n + len(values) > self._most * self._length:
            self._bins[: self._most // 2] = self._bins.reshape(-1, 2).max(axis=1)
            self._bins[self._most // 2 :] = 0.0
            self._length *= 2
        if not len(values):
            return
        first = self._n // self._length
        starts = np.arange(first, -(-(self._n + len(values)) // self._length)) * self._length - self._n
        found = np.maximum.reduceat(values, np.maximum(starts, 0))
        place = slice(first, first + len(found))
        self._bins[place] = np.maximum(self._bins[place], found)
        self._n += len(values)


def read_envelope(path: str, name: str, most_seconds: float, stop: threading.Event) -> Envelope:
    """Decode a file block by block, and keep how loud it is.

    Parameters
    ----------
    path : of the file
    name : what it is called in messages
    most_seconds : of audio; longer files are refused
    stop : set when nobody waits any more

    Raises
    ------
    TooLarge
        If there is more audio in it.
    TookTooLong
        If nobody waits any more.
    InputError
        If it cannot be decoded.
    MissingExtraError
        If it needs PyAV, which is not installed.
    """
    check_audio(Path(path), most_seconds)
    folding, n_samples = Folding(), 0
    with open_audio(path, mono=False) as reader:
        for block in reader.blocks():  # (C, n)
            n_samples += block.shape[1]
            if stop.is_set():
                raise TookTooLong(f"{name}: nobody waits for it any more")
            if n_samples > most_seconds * reader.sample_rate:
                raise TooLarge(f"{name}: more than {most_seconds / 3600:g} h of audio, which is not drawn here")
            folding.add(np.abs(block).max(axis=0))
        return Envelope(n_samples / reader.sample_rate, np.minimum(folding.bins(), 1.0), folding.n_bins)


@dataclass(eq=False)
class _Work:
    """An envelope that is being worked out, and how many wait for it."""

    stop: threading.Event = field(default_factory=threading.Event)
    n_waiting: int = 0
    task: asyncio.Task[Envelope] | None = None


class Waveforms:
    """Envelopes of files; those that were asked for last are kept.

    Parameters
    ----------
    service : whose threads and limits
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[Key, Envelope] = OrderedDict()
        self._running: dict[Key, _Work] = {}
        self._seats = asyncio.Semaphore(MOST_AT_ONCE)

    async def envelope(self, path: str, key: Key, name: str) -> Envelope:
        """Return the envelope of a file.

        Parameters
        ----------
        path, name : see `read_envelope`
        key : what tells whether the file has changed

        Raises
        ------
        TooLarge, InputError, MissingExtraError
            As `read_envelope` does.
        """
        if (found := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return found
        work = self._running.get(key)
        if work is None:
            work = self._running[key] = _Work()
            work.task = asyncio.create_task(self._make(path, key, name, work.stop))
            work.task.add_done_callback(lambda task: self._forget(key, work, task))
        assert work.task is not None
        work.n_waiting += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.n_waiting -= 1
            if not work.n_waiting:
                work.stop.set()
                self._forget(key, work)

    async def _make(self, path: str, key: Key, name: str, stop: threading.Event) -> Envelope:
        async with self._seats:
            if stop.is_set():
                raise TookTooLong(f"{name}: nobody waits for it any more")
            made = await self._service.run(read_envelope, path, name, self._service.settings.most_seconds, stop)
        self._kept[key] = made
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return made

    def _forget(self, key: Key, work: _Work, task: "asyncio.Task[Envelope] | None" = None) -> None:
        if self._running.get(key) is work:
            del self._running[key]
        if task is not None and not task.cancelled():
            task.exception()  # whoever waited was told
