"""Spectral contrast: how far the loud bins of a band stand above its quiet ones, octave by octave.

Where mel bands and MFCC average a band, this keeps apart its peaks, which tones and beats make, and its valleys, which
noise fills.

References
----------
Jiang, D.-N., Lu, L., Zhang, H.-J., Tao, J.-H., Cai, L.-H. "Music type classification by spectral contrast feature",
ICME 2002. The bands, the share of bins and the decibels are those of librosa 0.11, `feature.spectral_contrast`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import POWER_FLOOR, frame_window
from earmark.audio.mel_power import checked
from earmark.errors import MissingExtraError, UsageError

RANGE_DB = 80.0
"""dB below the highest peak of a track, and below its highest valley, at which peaks and valleys are clipped."""
_BLOCK_SAMPLES = 1 << 17  # of the frames that are transformed together


@dataclass(frozen=True, kw_only=True)
class SpectralContrast:
    """Compute spectral contrast of Hann-windowed frames.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, hop_length : samples; n_fft is even
    f_min : upper edge of the lowest band, Hz; every further band is an octave
    n_octaves : bands above the lowest; the highest reaches up to half the sample rate
    quantile : share of a band's bins whose mean is its peak, and its valley; at least one bin

    Raises
    ------
    UsageError
        If the highest band begins above half the sample rate, or a band has fewer than two bins.

    Notes
    -----
    Input (S,), reflected by n_fft // 2 samples at both ends; output (n_octaves + 1, T), T = 1 + S // hop_length, dB.
    As in librosa, the magnitude is taken for a power: a contrast of 10 dB here is one of 20 dB. The Fourier transform
    is one of float64, at the same speed: in float32, valleys of quiet music are off by up to 2.5 dB.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000)).astype(np.float32)
    >>> contrast = SpectralContrast(sample_rate=16000)(tone)
    >>> contrast.shape, int(contrast.mean(axis=1).argmax())  # 1 kHz lies in the band from 800 to 1600 Hz
    ((7, 32), 3)
    """

    sample_rate: int
    n_fft: int = 2048
    hop_length: int = 512
    f_min: float = 200.0
    n_octaves: int = 6
    quantile: float = 0.02

    def __post_init__(self) -> None:
        if self.hop_length < 1 or self.n_fft < 2 or self.n_fft % 2 or self.n_octaves < 1:
            raise UsageError(
                f"n_fft={self.n_fft}, hop_length={self.hop_length}, n_octaves={self.n_octaves}: expected positive "
                "numbers, n_fft even"
            )
        if not 0 < self.quantile < 0.5 or self.f_min <= 0:
            raise UsageError(
                f"quantile={self.quantile}, f_min={self.f_min}: expected a quantile below 0.5, both positive"
            )
        if self.f_min * 2 ** (self.n_octaves - 1) >= self.sample_rate / 2:
            hint = "choose fewer octaves or a lower f_min"
            raise UsageError(
                f"{self.n_octaves} octaves from {self.f_min} Hz exceed {self.sample_rate / 2} Hz", hint=hint
            )
        if any(len(range(band.first, band.last)) < 2 for band in self._bands):
            raise UsageError(f"n_fft={self.n_fft} gives a band fewer than two bins", hint="choose a larger n_fft")

    @cached_property
    def _bands(self) -> "tuple[_Band, ...]":
        return tuple(_bands(self))

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        return frame_window(self.n_fft, self.n_fft)

    @property
    def n_bands(self) -> int:
        """Number of rows of the result."""
        return self.n_octaves + 1

    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the contrast.

        Parameters
        ----------
        waveform : shape (S,), in [-1, 1]

        Returns
        -------
        shape (n_bands, T), dB

        Raises
        ------
        InputError
            If the waveform is not one row, is shorter than `n_fft`, or holds a NaN or an infinity.
        MissingExtraError
            If scipy is not installed.
        """
        samples = checked(waveform, self.n_fft, f"one frame of {self.n_fft}")
        padded = np.pad(samples, self.n_fft // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop_length]  # (T, n_fft)
        peaks, valleys = np.empty((2, self.n_bands, len(frames)))
        step = max(1, _BLOCK_SAMPLES // self.n_fft)
        for first in range(0, len(frames), step):
            block = slice(first, first + step)
            magnitude = np.abs(_rfft()(frames[block] * self._window))  # (T, n_fft // 2 + 1)
            for row, band in enumerate(self._bands):
                ranked = np.sort(magnitude[:, band.first : band.last].astype(np.float32), axis=1)
                valleys[row, block] = ranked[:, : band.n_chosen].mean(axis=1, dtype=np.float64)
                peaks[row, block] = ranked[:, -band.n_chosen :].mean(axis=1, dtype=np.float64)
        return (_decibels(peaks) - _decibels(valleys)).astype(np.float32)


class _Band(NamedTuple):
    first: int  # bin
    last: int  # bin after the last
    n_chosen: int  # bins of a peak, and of a valley


def _bands(plan: SpectralContrast) -> Iterator[_Band]:
    """Give the bins of every band.

    A band has the bins between its edges, both included, and one more below; its share is taken of all of them, but
    the topmost, which the next band has too, is then left to that one. The highest band goes on to the last bin.
    """
    frequencies = np.fft.rfftfreq(plan.n_fft, 1 / plan.sample_rate)
    edges = [0.0, *(plan.f_min * 2**octave for octave in range(plan.n_octaves + 1))]
    for number, (low, high) in enumerate(pairwise(edges)):
        first = max(0, int(np.searchsorted(frequencies, low, side="left")) - (number > 0))
        last = int(np.searchsorted(frequencies, high, side="right"))
        if number == plan.n_octaves:
            yield _Band(first, len(frequencies), max(1, round(plan.quantile * (len(frequencies) - first))))
        else:
            yield _Band(first, last - 1, max(1, round(plan.quantile * (last - first))))


def _decibels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(values, POWER_FLOOR))
    return np.asarray(np.maximum(levels, levels.max() - RANGE_DB))


@lru_cache(maxsize=1)
def _rfft() -> Callable[..., NDArray[Any]]:
    try:
        fft = import_module("scipy.fft")
    except ImportError as error:
        raise MissingExtraError("spectral contrast", "features") from error
    rfft: Callable[..., NDArray[Any]] = fft.rfft
    return rfft
