"""Random crops of tracks for training: straight from compressed files, or from a feature store.

Which crop of a track an epoch hears depends on the seed, the epoch and the index of the track, and on nothing else: not
on the number of workers, the order, or what was read before. So a run that was interrupted goes on with the same crops,
and two runs with the same seed hear the same.

`AudioCrops` seeks in the files themselves, at any sample rate. `StoreCrops` cuts from a feature store that is mapped
into memory; one of waveforms (front end "raw", int16) is the decoded cache of a dataset. Both are sequences that a
`torch.utils.data.DataLoader` takes as they are; `batches` needs no PyTorch.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import gcd
from typing import Literal, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.audio.io import open_audio
from earmark.datasets.base import Track
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.store import FeatureStore
from earmark.parallel import cpu_count, map_ordered

Crop = NDArray[np.float32]
Pad = Literal["repeat", "zeros"]
MARGIN_SECONDS = 0.05  # read around a crop that is resampled, so that its ends are those of the whole track
MOST_PHASE = 0.1  # of a crop: how far its start may be moved so that resampling meets the samples of the whole track
INT16_SCALE = np.float32(1 / 32768)


def place(seed: int, epoch: int, index: int) -> float:
    """Say where in a track the crop of an epoch lies.

    Parameters
    ----------
    seed, epoch, index : whole numbers from 0 to 2**64 - 1; the index is that of the track

    Returns
    -------
    in [0, 1): 0 stands for the first possible start, values near 1 for the last

    Notes
    -----
    The first 53 bits of the BLAKE2b hash of the three numbers: the same on every machine and for ever.
    """
    digest = blake2b(struct.pack("<QQQ", seed, epoch, index), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


class Crops(Protocol):
    """Random crops of tracks, those of one epoch at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a crop."""
        ...

    def __len__(self) -> int:
        """Return the number of tracks."""
        ...

    def __getitem__(self, index: int) -> Crop:
        """Return this epoch's crop of a track."""
        ...

    def set_epoch(self, epoch: int) -> Self:
        """Go to an epoch."""
        ...


class AudioCrops:
    """Random crops straight from audio files.

    Parameters
    ----------
    tracks : with audio; the segment of each bounds its crops
    sample_rate : Hz, of the crops
    n_samples : S, of a crop at that rate
    seed : of the places
    pad : what fills a crop of a track that is shorter: "repeat" the track, or "zeros" behind it

    Raises
    ------
    UsageError
        If `n_samples` is not positive, or `seed` or `pad` is something else.
    InputError
        If a track has no audio.

    Notes
    -----
    A crop holds what the whole track, read and resampled at once, holds at that place, within 1e-4 (Opus, whose decoder
    remembers long, 5e-3): starts lie on samples where both rates meet, and the resampler is given `MARGIN_SECONDS` on
    both sides.
    """

    def __init__(
        self, tracks: Sequence[Track], *, sample_rate: int, n_samples: int, seed: int = 0, pad: Pad = "repeat"
    ) -> None:
        if n_samples < 1 or sample_rate < 1:
            raise UsageError(f"crops of {n_samples} samples at {sample_rate} Hz", hint="both must be at least 1")
        _check(seed, pad)
        silent = next((track.id for track in tracks if track.audio is None), None)
        if silent is not None:
            raise InputError(f"track {silent} has no audio to crop")
        self.tracks = tuple(tracks)
        self.sample_rate, self.n_samples, self.seed, self.pad, self.epoch = sample_rate, n_samples, seed, pad, 0
        self._lengths: dict[int, tuple[float, int]] = {}  # index -> seconds of its file, and the file's rate

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a crop: (S,)."""
        return (self.n_samples,)

    def __len__(self) -> int:
        return len(self.tracks)

    def set_epoch(self, epoch: int) -> Self:
        """Go to an epoch; every track has another crop there."""
        _check_number("epoch", epoch)
        self.epoch = epoch
        return self

    def __getitem__(self, index: int) -> Crop:
        """Return the crop of a track in this epoch.

        Returns
        -------
        shape (S,), float32, in [-1, 1]

        Raises
        ------
        IndexError
            If there is no such track.
        InputError
            If its audio cannot be read.
        """
        track = self.tracks[_checked(index, len(self.tracks))]
        index %= len(self.tracks)
        begin, length, rate = self._extent(index, track)
        available = max(int(length * self.sample_rate + 1e-6), 1)
        if available <= self.n_samples:
            whole = self._read(track, begin, 0, min(available, self.n_samples), rate)
            return _filled(whole, self.n_samples, self.pad)
        start = int(place(self.seed, self.epoch, index) * (available - self.n_samples + 1))
        step = self.sample_rate // gcd(self.sample_rate, rate)
        if step <= MOST_PHASE * self.n_samples:
            start -= start % step
        crop = self._read(track, begin, start, self.n_samples, rate)
        return _filled(crop, self.n_samples, self.pad)

    def _extent(self, index: int, track: Track) -> tuple[float, float, int]:
        """Return where the part to crop from begins and how long it is, in seconds, and the file's rate."""
        if index not in self._lengths:
            with open_audio(str(track.audio)) as reader:
                seconds = reader.info.duration
                if seconds is None:  # the container does not say: listen to all of it once
                    seconds = sum(block.shape[-1] for block in reader.blocks()) / reader.sample_rate
                self._lengths[index] = (seconds, reader.info.sample_rate)
        seconds, rate = self._lengths[index]
        begin, end = track.segment or (0.0, seconds)
        end = min(end, seconds)
        if begin >= end:
            raise InputError(f"{track.audio}: the segment begins at {begin:g} s, the file ends at {seconds:.2f} s")
        return begin, end - begin, rate

    def _read(self, track: Track, begin: float, start: int, n_samples: int, rate: int) -> Crop:
        """Read samples of a part that begins at `begin` seconds; fewer if the file holds fewer than it announced."""
        margin = 0
        if rate != self.sample_rate:
            margin = round(MARGIN_SECONDS * self.sample_rate)
            margin += -margin % (self.sample_rate // gcd(self.sample_rate, rate))
        first = begin + start / self.sample_rate
        before = min(margin, int(first * self.sample_rate + 1e-6))
        offset = max(first - before / self.sample_rate, 0.0)
        seconds = (before + n_samples + margin) / self.sample_rate
        with open_audio(str(track.audio), sample_rate=self.sample_rate, offset=offset, duration=seconds) as reader:
            blocks = list(reader.blocks())
        samples: Crop = np.concatenate(blocks)[before : before + n_samples] if blocks else np.empty(0, np.float32)
        if not len(samples):
            raise InputError(f"{track.audio}: no audio at {first:.2f} s, where a crop of track {track.id} begins")
        return samples


class StoreCrops:
    """Random crops from a feature store.

    Parameters
    ----------
    store : of features, or of waveforms
    ids : of the tracks, in the order of their indices; all of the store unless given
    n_frames : of a crop
    seed : of the places
    pad : what fills a crop of a track that is shorter: "repeat" the track, or "zeros" behind it

    Raises
    ------
    UsageError
        If `n_frames` is not positive, or `seed` or `pad` is something else.
    UnknownNameError
        If the store has no such track.
    """

    def __init__(
        self,
        store: FeatureStore,
        *,
        n_frames: int,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        pad: Pad = "repeat",
    ) -> None:
        if n_frames < 1:
            raise UsageError(f"crops of {n_frames} frames", hint="at least 1")
        _check(seed, pad)
        self.store, self.n_frames, self.seed, self.pad, self.epoch = store, n_frames, seed, pad, 0
        self.ids = tuple(store.ids if ids is None else ids)
        self._lengths = [store.entry(id).n_frames for id in self.ids]
        self._is_waveform = store.info.frontend == "raw"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a crop: (S,) of waveforms, else (F, T)."""
        return (self.n_frames,) if self._is_waveform else (self.store.info.n_features, self.n_frames)

    def __len__(self) -> int:
        return len(self.ids)

    def set_epoch(self, epoch: int) -> Self:
        """Go to an epoch; every track has another crop there."""
        _check_number("epoch", epoch)
        self.epoch = epoch
        return self

    def __getitem__(self, index: int) -> Crop:
        """Return the crop of a track in this epoch.

        Returns
        -------
        shape (S,) of waveforms, in [-1, 1]; else (F, T). float32

        Raises
        ------
        IndexError
            If there is no such track.
        """
        return self.at(index, self.epoch)

    def at(self, index: int, epoch: int) -> Crop:
        """Return the crop of a track in any epoch.

        Returns
        -------
        as `crops[index]`

        Raises
        ------
        IndexError
            If there is no such track.
        """
        id, length = self.ids[_checked(index, len(self.ids))], self._lengths[index]
        index %= len(self.ids)
        start = int(place(self.seed, epoch, index) * max(length - self.n_frames + 1, 1))
        stored = self.store.crop(id, start, min(length, self.n_frames))  # (T, F)
        frames = stored * INT16_SCALE if stored.dtype == np.int16 else stored.astype(np.float32)
        crop = frames[:, 0] if self._is_waveform else np.ascontiguousarray(frames.T)
        return _filled(crop, self.n_frames, self.pad)


@dataclass(frozen=True)
class Batch:
    """Crops of several tracks.

    Parameters
    ----------
    indices : shape (B,), of the tracks
    crops : shape (B, ...), float32
    failures : index to error of tracks that ought to be in it and could not be read
    """

    indices: NDArray[np.int64]
    crops: Crop
    failures: Mapping[int, EarmarkError]


def batches(
    crops: Crops,
    *,
    batch_size: int,
    epoch: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    jobs: int | None = None,
) -> Iterator[Batch]:
    """Yield the crops of an epoch in batches, read ahead by several threads.

    Parameters
    ----------
    crops : `AudioCrops` or `StoreCrops`
    batch_size : B
    epoch : which one; crops and order are those of the epoch, whatever was read before
    seed : of the order
    shuffle : whether the order is random; else by index
    drop_last : leave out a last batch that is not full
    jobs : threads; the number of CPUs unless given

    Yields
    ------
    batches; a track that cannot be read is missing in its batch and named there, and the epoch goes on

    Raises
    ------
    UsageError
        If `batch_size` is less than 1, or `epoch` or `seed` is no whole number from 0 on.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size={batch_size}", hint="at least 1")
    _check_number("seed", seed)
    return _batches(crops.set_epoch(epoch), order(len(crops), seed, epoch, shuffle), batch_size, drop_last, jobs)


def order(n: int, seed: int, epoch: int, shuffle: bool = True) -> NDArray[np.int64]:
    """Return the order in which an epoch takes `n` tracks, shape (n,)."""
    if not shuffle:
        return np.arange(n)
    counter = np.array([epoch, 0, 0, 0], dtype=np.uint64)
    words = np.random.Philox(key=seed, counter=counter).random_raw(n)  # raw words stay the same in all of numpy
    return np.argsort(words, kind="stable").astype(np.int64)


def _batches(
    crops: Crops, indices: NDArray[np.int64], batch_size: int, drop_last: bool, jobs: int | None
) -> Iterator[Batch]:
    def read(index: int) -> tuple[int, Crop | EarmarkError]:
        try:
            return index, crops[index]
        except EarmarkError as error:
            return index, error

    n = len(indices) - len(indices) % batch_size if drop_last else len(indices)
    results = map_ordered(read, indices[:n].tolist(), jobs=jobs or cpu_count())
    for first in range(0, n, batch_size):
        taken = [next(results) for _ in range(min(batch_size, n - first))]
        good = [(index, crop) for index, crop in taken if not isinstance(crop, EarmarkError)]
        stacked = np.empty((len(good), *crops.shape), dtype=np.float32)
        for row, (_, crop) in zip(stacked, good, strict=True):
            row[...] = crop
        failed = {index: error for index, error in taken if isinstance(error, EarmarkError)}
        yield Batch(np.array([index for index, _ in good], dtype=np.int64), stacked, failed)


def _check(seed: int, pad: Pad) -> None:
    if pad not in get_args(Pad):
        raise UsageError(f"pad={pad!r}", hint=f"one of {', '.join(get_args(Pad))}")
    _check_number("seed", seed)


def _check_number(name: str, value: int) -> None:
    if not (isinstance(value, int | np.integer) and 0 <= value < 1 << 64):
        raise UsageError(f"{name}={value!r}", hint="a whole number from 0 to 2**64 - 1")


def _checked(index: int, n: int) -> int:
    if not -n <= index < n:
        raise IndexError(f"track {index} of {n}")
    return index


def _filled(crop: Crop, n: int, pad: Pad) -> Crop:
    """Bring a crop to `n` along its last axis."""
    missing = n - crop.shape[-1]
    if missing <= 0:
        return crop
    widths = [(0, 0)] * (crop.ndim - 1) + [(0, missing)]
    return np.pad(crop, widths, mode="wrap") if pad == "repeat" else np.pad(crop, widths)
