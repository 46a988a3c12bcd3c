"""The mel power spectrogram in numpy, at the speed of its Fourier transform.

References
----------
Slaney, M. "Auditory Toolbox, version 2", Interval Research 1998-010 (the "slaney" mel scale).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import MelScale, frame_window, mel_filter_bank
from earmark.audio.scratch import PRODUCT_SIZE, scratch
from earmark.errors import InputError, MissingExtraError, UsageError

# Samples of the frames that are windowed, transformed and squared together. Smaller blocks cost more calls, larger ones
# leave the cache, and the memory allocator gives them back to the system after every waveform.
_BLOCK_SAMPLES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class PowerMel:
    """Compute the mel power spectrogram with a Hann window.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, win_length, hop_length : samples; `win_length` is `n_fft` unless given
    f_min, f_max : Hz; `f_max` is half the sample rate unless given
    mel_scale : "slaney" or "htk"
    mel_norm : "slaney" (area 1) or None (height 1)
    center : pad n_fft // 2 samples on both sides by reflection, so that frame t is centred on sample t * hop_length

    Notes
    -----
    Input (S,); output (n_mels, T), T = 1 + S // hop_length if centred, else 1 + (S - n_fft) // hop_length. Besides the
    output it needs 3 MB whatever the length. Half of the time is the Fourier transform's; the filters are multiplied in
    groups of neighbours, each over the bins that it covers.
    """

    sample_rate: int
    n_fft: int = 512
    win_length: int | None = None
    hop_length: int = 256
    n_mels: int = 96
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: MelScale = "slaney"
    mel_norm: Literal["slaney"] | None = "slaney"
    center: bool = True

    def __post_init__(self) -> None:
        if self.hop_length < 1 or self.n_mels < 1:
            raise UsageError(f"hop_length={self.hop_length} and n_mels={self.n_mels} must be positive")
        object.__setattr__(self, "win_length", self.n_fft if self.win_length is None else self.win_length)
        object.__setattr__(self, "f_max", float(self.sample_rate / 2 if self.f_max is None else self.f_max))
        object.__setattr__(self, "f_min", float(self.f_min))
        _ = self._filters

    @cached_property
    def _filters(self) -> "_Filters":
        window = frame_window(self.n_fft, self.win_length).astype(np.float32)
        bank = mel_filter_bank(
            self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            f_min=self.f_min,
            f_max=self.f_max,
            scale=self.mel_scale,
            norm=self.mel_norm,
        )
        block = max(8, _BLOCK_SAMPLES // self.n_fft)
        return _Filters(_rfft(), window, list(_groups(bank, PRODUCT_SIZE // block)), block)

    @property
    def n_empty(self) -> int:
        """Number of bands that hear nothing."""
        return sum(int(np.count_nonzero(~group.weights.any(axis=1))) for group in self._filters.groups)

    @property
    def peak(self) -> float:
        """Largest power that a sine of amplitude 1 gives."""
        window, groups = self._filters.window, self._filters.groups
        highest = max((float(group.weights.max(initial=0.0)) for group in groups), default=0.0)
        return highest * float(window.sum() / 2) ** 2

    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mel power of `waveform`, (S,) -> (n_mels, T)."""
        samples = checked(waveform, self.n_fft, f"one frame of {self.n_fft}")
        pad = self.n_fft // 2 if self.center else 0
        parts = list(_frames(samples, self.n_fft, self.hop_length, pad))
        n_frames = sum(len(part) for part in parts)
        block = min(self._filters.block, n_frames)
        mel = np.empty((self.n_mels, n_frames), dtype=np.float32)
        windowed = scratch("windowed", block, self.n_fft)
        power = scratch("power", block, self.n_fft // 2 + 1)
        for begin in range(0, n_frames, block):
            n = min(block, n_frames - begin)
            self._window(windowed[:n], parts, begin)
            np.absolute(self._filters.rfft(windowed[:n]), out=power[:n])
            np.square(power[:n], out=power[:n])
            for rows, bins, weights in self._filters.groups:
                np.matmul(weights, power[:n, bins].T, out=mel[rows, begin : begin + n])
        return mel

    def _window(self, windowed: NDArray[np.float32], parts: list[NDArray[np.float32]], begin: int) -> None:
        """Write the frames from `begin` on, times the window, into `windowed`, (T, n_fft)."""
        first = -begin
        for part in parts:
            low, high = max(first, 0), min(first + len(part), len(windowed))
            if low < high:
                np.multiply(part[low - first : high - first], self._filters.window, out=windowed[low:high])
            first += len(part)


class _Group(NamedTuple):
    rows: slice
    bins: slice
    weights: NDArray[np.float32]  # (rows, bins)


class _Filters(NamedTuple):
    rfft: Callable[..., NDArray[np.complex64]]
    window: NDArray[np.float32]
    groups: list[_Group]
    block: int  # frames at a time


@lru_cache(maxsize=1)
def _rfft() -> Callable[..., NDArray[np.complex64]]:
    try:
        fft = import_module("scipy.fft")
    except ImportError as error:
        raise MissingExtraError("features", "features") from error
    rfft: Callable[..., NDArray[np.complex64]] = fft.rfft  # numpy's is not vectorised, and half as fast
    return rfft


def _groups(bank: NDArray[np.float32], size: int) -> Iterator[_Group]:
    """Cut a filter bank into runs of neighbours whose weights over the bins that they cover are at most `size`."""
    covered = bank > 0
    starts = np.where(covered.any(axis=1), covered.argmax(axis=1), bank.shape[1])
    stops = np.where(covered.any(axis=1), bank.shape[1] - covered[:, ::-1].argmax(axis=1), 0)
    first = 0
    while first < len(bank):
        last = first + 1
        while last < len(bank) and _area(starts, stops, first, last + 1) <= size:
            last += 1
        bins = slice(int(starts[first:last].min()), int(stops[first:last].max()))
        bins = bins if bins.start < bins.stop else slice(0, 1)  # filters between two bins, all zero
        yield _Group(slice(first, last), bins, np.ascontiguousarray(bank[first:last, bins]))
        first = last


def _area(starts: NDArray[np.int_], stops: NDArray[np.int_], first: int, last: int) -> int:
    return (last - first) * max(0, int(stops[first:last].max() - starts[first:last].min()))


def _frames(samples: NDArray[np.float32], n_fft: int, hop_length: int, pad: int) -> Iterator[NDArray[np.float32]]:
    """Cut a waveform, reflected by `pad` samples at both ends, into frames of shape (T, n_fft), in three parts.

    Only the frames that reach over an end are copied.
    """
    n_samples = len(samples)
    n_frames = 1 + (n_samples + 2 * pad - n_fft) // hop_length
    n_head = -(-pad // hop_length)  # frames that begin before the first sample
    n_whole = (n_samples - n_fft + pad) // hop_length + 1  # frames that end within the last sample
    if n_head:
        until = (n_head - 1) * hop_length - pad + n_fft
        yield _strided(np.concatenate([samples[pad:0:-1], samples[:until]]), n_fft, hop_length)
    if n_whole > n_head:
        yield _strided(samples[n_head * hop_length - pad :], n_fft, hop_length)
    n_tail = max(n_head, n_whole)
    if n_frames > n_tail:
        yield _strided(
            np.concatenate([samples[n_tail * hop_length - pad :], samples[-2 : -2 - pad : -1]]), n_fft, hop_length
        )


def _strided(samples: NDArray[np.float32], n_fft: int, hop_length: int) -> NDArray[np.float32]:
    shape = (1 + (len(samples) - n_fft) // hop_length, n_fft)
    return np.ndarray(shape, np.float32, samples, strides=(4 * hop_length, 4))


def checked(waveform: NDArray[np.float32], least: int, what: str) -> NDArray[np.float32]:
    """Return the waveform as float32 of shape (S,), or raise `InputError` if it is too short or not finite.

    Parameters
    ----------
    waveform : what the caller gave
    least : samples that it must have
    what : what these are, for the message
    """
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    if samples.ndim != 1:
        raise InputError(f"a waveform of shape {samples.shape} is not one row of samples", hint="mix it down to mono")
    if len(samples) < least:
        raise InputError(f"{len(samples)} samples are fewer than {what}")
    # NaN passes through both reductions; they are the cheapest look at every sample
    if not (np.isfinite(samples.min()) and np.isfinite(samples.max())):
        raise InputError("the waveform holds a NaN or an infinity", hint="decode it again, or leave the file out")
    return samples
