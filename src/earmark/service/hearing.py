"""Hearing for requests: models loaded once, a queue that has an end, a stop when nobody waits any more."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.audio.io import AudioInfo, probe
from earmark.errors import InputError
from earmark.service.errors import TooBusy, TookTooLong, TooLarge
from earmark.service.finding import find_ears
from earmark.service.metrics import Metrics
from earmark.service.settings import Settings
from earmark.tagger import Tagger
from earmark.track_tags import TrackTags

N_WAITING = 64
"""Requests that may wait to be heard, beyond those that are being heard."""
MOST_TAGGERS = 2
"""Sets of models that are kept in memory."""
MOST_SAMPLES = 384_000 * 8
"""Samples a second of all channels: a block of 10 s is 120 MB then. Headers may claim far more."""
LEAST_RATE = 1000
"""Samples a second: with less, a tiny file is hours long."""
_SECONDS_A_TURN = 2.0  # that one request takes, as a guess for those that are told to come again


class Seat:
    """A place in the queue, held from before an upload is read until its audio was heard."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.work: Future[TrackTags] | None = None


class Hearing:
    """Hears audio for requests.

    Parameters
    ----------
    settings : of the service
    metrics : where audio is counted
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="earmark-hear")
        self._taggers: OrderedDict[tuple[str | None, str], Tagger] = OrderedDict()
        self._loading = threading.Lock()
        self._seats: set[Seat] = set()
        self._lock = threading.Lock()
        metrics.watch("earmark_queue_length", "Requests that are heard, or wait for it.", lambda: len(self._seats))

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[Seat]:
        """Hold a place in the queue in an ``async with`` block.

        Raises
        ------
        TooBusy
            If the queue is full.
        """
        seat = Seat()
        with self._lock:
            n_before = len(self._seats)
            if n_before >= self._settings.workers + N_WAITING:
                self._metrics.refused()
                seconds = round(n_before * _SECONDS_A_TURN / self._settings.workers)
                raise TooBusy(
                    f"{n_before} requests wait to be heard already", hint=f"ask again in {seconds} s",
                    retry_after=seconds,
                )  # fmt: skip
            self._seats.add(seat)
        try:
            yield seat
        finally:
            seat.stop.set()
            if seat.work is None:
                self._leave(seat)
            else:  # a thread ends at its next block, and only then is there room for another
                seat.work.add_done_callback(lambda _: self._leave(seat))

    def _leave(self, seat: Seat) -> None:
        with self._lock:
            self._seats.discard(seat)

    async def tag(
        self, seat: Seat, source: Path | BinaryIO, *, model: str | None = None, preset: str | None = None
    ) -> TrackTags:
        """Tag a file.

        Parameters
        ----------
        seat : see `seat`; for one file
        source : a path that was checked, or a file that can seek, whose `name` stands in messages
        model, preset : see `earmark.service.finding.find_ears`

        Raises
        ------
        TooLarge
            If there is more audio in it than is taken, whatever it says itself.
        InputError, UnknownNameError, UsageError, AssetError
            As `Tagger` and `find_ears` do.
        """
        seat.work = self._threads.submit(self._tag, seat, source, model, preset)
        return await asyncio.wrap_future(seat.work)

    def _tag(self, seat: Seat, source: Path | BinaryIO, model: str | None, preset: str | None) -> TrackTags:
        tagger = self.tagger(model, preset)
        most, n_samples = self._settings.most_seconds, 0
        begun = time.perf_counter()

        def watch(info: AudioInfo, block: NDArray[np.float32]) -> None:
            nonlocal n_samples
            n_samples += block.size
            if seat.stop.is_set():
                raise TookTooLong(f"{info.name}: nobody waits for it any more")
            if n_samples > most * tagger.sample_rate:
                raise _longer(info.name, most)

        try:
            check_audio(source, most)
            return tagger.tag(source, on_block=watch)
        finally:
            self._metrics.heard(n_samples / tagger.sample_rate, time.perf_counter() - begun)

    def tagger(self, model: str | None = None, preset: str | None = None) -> Tagger:
        """Return the tagger of a model or preset, loaded if it is not yet; see `earmark.service.finding.find_ears`."""
        key = find_ears(self._settings, model, preset)
        with self._loading:
            found = self._taggers.pop(key, None) or Tagger(key[0], preset=key[1])
            self._taggers[key] = found
            if len(self._taggers) > MOST_TAGGERS:
                self._taggers.popitem(last=False)  # not closed: others may be using it
        return found

    def close(self) -> None:
        """Stop what is being heard, and drop what waits."""
        with self._lock:
            for seat in self._seats:
                seat.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)


def check_audio(source: Path | BinaryIO, most_seconds: float) -> None:
    """Refuse audio by what it says about itself, before it is decoded.

    Parameters
    ----------
    source : a path, or a file that can seek; it stands at its begin afterwards
    most_seconds : that are taken

    Raises
    ------
    TooLarge
        If it is longer.
    InputError
        If it is no audio, or has more channels or another sample rate than music has.
    """
    if not isinstance(source, Path):
        source.seek(0)
    info = probe(source)
    if not isinstance(source, Path):
        source.seek(0)
    if info.duration is not None and info.duration > most_seconds:
        raise _longer(info.name, most_seconds)
    if info.sample_rate * info.n_channels > MOST_SAMPLES or info.sample_rate < LEAST_RATE:
        raise InputError(
            f"{info.name}: {info.n_channels} channels at {info.sample_rate} Hz, which no music has",
            hint="convert it to 44100 Hz and stereo",
        )


def _longer(name: str, most: float) -> TooLarge:
    shown = f"{most / 3600:g} h" if most >= 3600 else f"{most:g} s"
    return TooLarge(f"{name}: more than {shown} of audio, which is not taken here", hint="send an excerpt of it")
