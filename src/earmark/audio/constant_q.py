"""The constant-Q transform: a plan of it that numpy and torch share, and its power in numpy.

Bin k looks at f_k = f_min 2^(k / bins_per_octave) through a Hann window of N_k = Q sample_rate / f_k samples:

    C[k, t] = 2 / sqrt(N_k)  sum over n of  x[t hop_length + n]  cos^2(pi n / N_k)  exp(-2 pi i f_k n / sample_rate)

with n from -N_k / 2 to N_k / 2 and zeros beyond both ends of x. Low octaves need few samples, so that the waveform is
halved in rate, again and again, on the way down; an octave is then one product of frames and kernels.

Deviations from Brown 1991: Q is (4^(1/B) + 1) / (4^(1/B) - 1) for B bins in an octave, as librosa has it, rather than
1 / (2^(1/B) - 1); the window is Hann's, not Hamming's; windows are centred on the frame; and a bin is divided by
sqrt(N_k) rather than N_k, so that steady noise, not a steady tone, is equally strong in every octave (librosa's
`scale=True`). Deviations from librosa: N_k is not rounded to whole samples (librosa rounds at the lowered rate, which
moves its magnitudes by 1 % on average), kernels are not thinned out, and another filter halves the rate.

References
----------
Brown, J. C. "Calculation of a constant Q spectral transform", JASA 89, 1991.
Schörkhuber, C. and Klapuri, A. "Constant-Q transform toolbox for music processing", SMC 2010 (octaves by halving).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio.scratch import PRODUCT_SIZE, scratch
from earmark.errors import UsageError

C1 = 32.70319566257483

# The filter that comes before halving a rate: to 0.2 of that rate it passes, from 0.3 on it stops (100 dB).
_FILTER_REACH = 33
_KAISER_BETA = 10.06
_PASSED = 0.2
_RUN = 32  # samples of the lower rate that one row of a product gives
# An octave keeps all below this many times its highest frequency: what lies above leaks by less than -80 dB.
_KEPT = 2.1
_BLOCK_SAMPLES, _BLOCK_FRAMES = 1 << 18, 1 << 14  # taken at a time, at most


class Octave(NamedTuple):
    """Bins that are computed together.

    Parameters
    ----------
    bins : their rows
    level : how often the rate is halved for them
    kernels : shape (2 * bins, 1 + 2 * reach), the real parts, then the imaginary ones
    """

    bins: slice
    level: int
    kernels: NDArray[np.float32]

    @property
    def reach(self) -> int:
        """Samples of the halved rate before and after the centre of a frame."""
        return int(self.kernels.shape[1]) // 2


@dataclass(frozen=True, kw_only=True)
class ConstantQ:
    """Plan a constant-Q transform.

    Parameters
    ----------
    sample_rate : Hz
    hop_length : samples; the more often it can be halved, the faster
    f_min : Hz
    n_bins, bins_per_octave : bins

    Raises
    ------
    UsageError
        If a number is not positive, or the highest bin reaches over half the sample rate.
    """

    sample_rate: int
    hop_length: int
    f_min: float
    n_bins: int
    bins_per_octave: int

    def __post_init__(self) -> None:
        for name in ("sample_rate", "hop_length", "f_min", "n_bins", "bins_per_octave"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}={getattr(self, name)} must be positive")
        top = float(self.frequencies[-1]) * (1 + 0.75 / self.quality)
        if top > self.sample_rate / 2:
            raise UsageError(
                f"the highest of {self.n_bins} bins reaches to {top:.0f} Hz, over half the sample rate, "
                f"{self.sample_rate / 2:.0f} Hz",
                hint="take fewer bins, or a lower f_min",
            )

    @property
    def quality(self) -> float:
        """Q: the length of a window in periods of its frequency."""
        ratio = float(4.0 ** (1 / self.bins_per_octave))
        return (ratio + 1) / (ratio - 1)

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Centre of each bin, shape (n_bins,), Hz."""
        return np.asarray(self.f_min * 2.0 ** (np.arange(self.n_bins) / self.bins_per_octave))

    @cached_property
    def octaves(self) -> tuple[Octave, ...]:
        """The octaves from high to low."""
        halvings = (self.hop_length & -self.hop_length).bit_length() - 1
        octaves = []
        level = 0
        for stop in range(self.n_bins, 0, -self.bins_per_octave):
            bins = slice(max(0, stop - self.bins_per_octave), stop)
            kept = _KEPT * float(self.frequencies[stop - 1])
            while level < halvings and kept <= _PASSED * self.sample_rate / 2**level:
                level += 1
            octaves.append(Octave(bins, level, self._kernels(bins, level)))
        return tuple(octaves)

    def _kernels(self, bins: slice, level: int) -> NDArray[np.float32]:
        rate = self.sample_rate / 2**level
        frequencies = self.frequencies[bins, None]
        lengths = self.quality * rate / frequencies
        reach = int(lengths.max() / 2)
        n = np.arange(-reach, reach + 1)
        window = np.where(np.abs(n) < lengths / 2, np.cos(np.pi * n / lengths) ** 2, 0.0)
        # at a rate halved `level` times, the sum has 2^level times fewer terms, and N_k counts full-rate samples
        gain = 2.0 * np.sqrt(2.0**level / lengths)
        angles = 2.0 * np.pi * frequencies * n / rate
        return np.concatenate([gain * window * np.cos(angles), -gain * window * np.sin(angles)]).astype(np.float32)

    @cached_property
    def margins(self) -> tuple[int, ...]:
        """Samples at each level that are needed before the first frame's centre, and after the last one's."""
        last = self.octaves[-1].level
        margins = [0] * (last + 1)
        for level in range(last, -1, -1):
            reach = max((octave.reach for octave in self.octaves if octave.level == level), default=0)
            below = 2 * margins[level + 1] + _FILTER_REACH if level < last else 0
            margins[level] = max(reach, below)
        return tuple(margins)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a waveform."""
        return 1 + n_samples // self.hop_length


def half_band_filter() -> NDArray[np.float64]:
    """Return the low-pass filter that comes before halving a rate; every second coefficient is zero but the middle.

    Returns
    -------
    shape (67,)
    """
    n = np.arange(-_FILTER_REACH, _FILTER_REACH + 1)
    taps = 0.5 * np.sinc(n / 2) * np.kaiser(len(n), _KAISER_BETA)
    odd = n % 2 == 1
    taps[~odd] = 0.0
    taps[odd] *= 0.5 / taps[odd].sum()
    taps[_FILTER_REACH] = 0.5
    return np.asarray(taps)


def constant_q_power(samples: NDArray[np.float32], plan: ConstantQ) -> NDArray[np.float32]:
    """Compute the squared magnitude of the constant-Q transform.

    Parameters
    ----------
    samples : shape (S,)

    Returns
    -------
    shape (n_bins, T), T = 1 + S // hop_length
    """
    n_frames, hop, margin = plan.n_frames(len(samples)), plan.hop_length, plan.margins[0]
    power = np.empty((plan.n_bins, n_frames), dtype=np.float32)
    step = max(1, min(_BLOCK_FRAMES, _BLOCK_SAMPLES // hop))
    for first in range(0, n_frames, step):
        n = min(step, n_frames - first)
        begin, end = first * hop - margin, (first + n - 1) * hop + margin + 1
        inside = samples[max(begin, 0) : end]
        piece = scratch("level 0", end - begin)
        piece[: max(-begin, 0)] = 0.0
        piece[max(-begin, 0) :][: len(inside)] = inside
        piece[max(-begin, 0) + len(inside) :] = 0.0
        _fill(power[:, first : first + n], piece, plan)
    return power


def _fill(power: NDArray[np.float32], samples: NDArray[np.float32], plan: ConstantQ) -> None:
    """Write into `power`, (n_bins, T), what is seen in `samples`, which hold the margin before and after."""
    n_frames, level = power.shape[1], 0
    for octave in plan.octaves:
        while level < octave.level:
            skipped = plan.margins[level] - 2 * plan.margins[level + 1] - _FILTER_REACH
            n = 2 * plan.margins[level + 1] + (n_frames - 1) * (plan.hop_length >> (level + 1)) + 1
            level += 1
            samples = _halved(samples[skipped:], n, name=f"level {level}")
        frames = _strided(samples[plan.margins[level] - octave.reach :], 2 * octave.reach + 1, plan.hop_length >> level)
        n_bins = len(octave.kernels) // 2
        step = max(1, PRODUCT_SIZE // octave.kernels.size)
        parts = scratch("parts", 2 * n_bins, n_frames)
        for i in range(0, n_frames, step):
            part = np.ascontiguousarray(frames[i : min(i + step, n_frames)])
            np.matmul(octave.kernels, part.T, out=parts[:, i : i + len(part)])
        np.square(parts, out=parts)
        np.add(parts[:n_bins], parts[n_bins:], out=power[octave.bins])


@lru_cache(maxsize=1)
def _toeplitz() -> NDArray[np.float32]:
    """Return the odd coefficients of the filter, shifted row by row, shape (_RUN, _RUN + _FILTER_REACH)."""
    odd = half_band_filter()[::2]  # offsets -33, -31, ..., 33
    matrix = np.zeros((_RUN, _RUN + _FILTER_REACH))
    for i in range(_RUN):
        matrix[i, i : i + len(odd)] = odd
    return matrix.astype(np.float32)


def _halved(samples: NDArray[np.float32], n: int, *, name: str) -> NDArray[np.float32]:
    """Halve the rate, into scratch memory `name`; its `n` samples start with one centred on sample `_FILTER_REACH`."""
    rows = -(-n // _RUN)
    odd = scratch("odd", rows * _RUN + _FILTER_REACH)
    given = samples[0 : 2 * (n + _FILTER_REACH) : 2][: len(odd)]
    odd[: len(given)] = given
    odd[len(given) :] = 0.0
    windows = _strided(odd, _RUN + _FILTER_REACH, _RUN)
    halved = scratch(name, rows, _RUN)
    taps = _toeplitz()
    step = PRODUCT_SIZE // taps.size
    for i in range(0, rows, step):
        np.matmul(np.ascontiguousarray(windows[i : i + step]), taps.T, out=halved[i : i + step])
    flat = halved.reshape(-1)[:n]
    flat += np.float32(0.5) * samples[_FILTER_REACH : _FILTER_REACH + 2 * n - 1 : 2]
    return flat


def _strided(samples: NDArray[np.float32], length: int, hop: int) -> NDArray[np.float32]:
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
