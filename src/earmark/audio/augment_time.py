"""Augmentations of time and pitch: shift, speed, tempo and pitch.

All items of a batch go at rates of their own at once: the waveform is read by splines at any place, and the frames of
the phase vocoder at any frame.

References
----------
Ko, T. et al. "Audio augmentation for speech recognition", Interspeech 2015.
Flanagan, J. L. and Golden, R. M. "Phase vocoder", Bell System Technical Journal 45, 1966.
Laroche, J. and Dolson, M. "Improved phase vocoder time-scale modification of audio", IEEE TSAP 7(3), 1999.
Unser, M. "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 16(6), 1999.
"""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from earmark.audio.augment_base import (
    AUGMENTATIONS,
    Parameters,
    changed,
    check_probability,
    check_range,
    check_share,
    drawn,
    fast_length,
)
from earmark.errors import UsageError

WINDOW = 0.064
"""Seconds; the frame of the phase vocoder is the next power of two: 64 ms at 16 kHz, 93 ms at 22.05 and 44.1 kHz."""
OVERLAP = 4
"""Frames over each sample."""
LOBE = 2
"""Bins on either side of a peak that belong to it: the main lobe of the Hann window."""
MARGIN = 64
"""Samples beyond each end, so that the spline does not see the end."""


@AUGMENTATIONS.register("time_shift")
class TimeShift:
    """Roll the waveform: what leaves at one end comes in at the other.

    Parameters
    ----------
    probability : of an item to be changed
    share : of the crop, the most it is shifted by, to either side
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(self, *, probability: float = 0.5, share: float = 0.5) -> None:
        self.probability, self.share = check_probability(probability), check_share("share", share)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `shift`, samples, positive for later."""
        shift = np.round(generator.uniform(-1, 1, n_items) * self.share * shape[-1]).astype(np.int64)
        return drawn(generator, self.probability, n_items, shift=shift)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Roll each item, (B, S)."""

        def change(items: Tensor, shift: Tensor) -> Tensor:
            n_samples = items.shape[-1]
            source = torch.arange(n_samples, device=items.device) - shift.unsqueeze(1)  # (b, S)
            source = torch.where(source < 0, source + n_samples, source)
            return items.gather(1, torch.where(source >= n_samples, source - n_samples, source))

        return changed(x, parameters, change)


@AUGMENTATIONS.register("speed")
class Speed:
    """Play faster or slower, as a tape does: tempo and pitch together.

    Parameters
    ----------
    probability : of an item to be changed
    low_rate, high_rate : range; 2 is twice as fast and an octave up. Drawn evenly on a logarithmic scale

    Notes
    -----
    Ko et al. have 0.9, 1 and 1.1. Where a faster item ends before the crop does, it begins again. What would lie above
    half the sample rate is taken away. The probability is ours.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(self, *, probability: float = 0.4, low_rate: float = 0.9, high_rate: float = 1.1) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_rate, high_rate, "rate", least=0.25, most=4)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `rate`."""
        return drawn(generator, self.probability, n_items, rate=_rates(generator, self.range, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Read each item at its rate, (B, S)."""
        n_samples = x.shape[-1]
        return changed(x, parameters, lambda items, rate: resampled(items, rate, n_samples))


@AUGMENTATIONS.register("tempo")
class Tempo:
    """Play faster or slower at the same pitch.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_rate, high_rate : range; 2 is twice as fast. Drawn evenly on a logarithmic scale

    Notes
    -----
    A phase vocoder (see `stretched`). Where a faster item ends before the crop does, it begins again. Range and
    probability are ours.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self, *, sample_rate: int, probability: float = 0.4, low_rate: float = 0.8, high_rate: float = 1.25
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_rate, high_rate, "rate", least=0.25, most=4)
        self.n_fft = frame_length(sample_rate)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `rate`."""
        return drawn(generator, self.probability, n_items, rate=_rates(generator, self.range, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Stretch each item, (B, S)."""
        n_samples = x.shape[-1]
        return changed(x, parameters, lambda items, rate: stretched(items, rate, n_samples, self.n_fft))


@AUGMENTATIONS.register("pitch")
class Pitch:
    """Shift the pitch; the tempo stays.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_semitones, high_semitones : range
    whole : draw whole semitones, so that what was in tune with A = 440 Hz still is; 0 is one of them

    Notes
    -----
    The item is stretched by a phase vocoder (see `stretched`) and then read faster or slower. Timbre moves with the
    pitch: formants are not kept. CLMR has -7 to 7 whole semitones.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.4,
        low_semitones: float = -7.0,
        high_semitones: float = 7.0,
        whole: bool = True,
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_semitones, high_semitones, "semitones", least=-24, most=24)
        self.whole, self.n_fft = whole, frame_length(sample_rate)
        if whole and math.ceil(low_semitones) > high_semitones:
            raise UsageError(
                f"there is no whole semitone from {low_semitones} to {high_semitones}", hint="whole = false"
            )

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `semitones`."""
        low, high = self.range
        semitones = generator.uniform(low, high, n_items)
        if self.whole:
            semitones = generator.integers(math.ceil(low), math.floor(high), n_items, endpoint=True).astype(np.float64)
        return drawn(generator, self.probability, n_items, semitones=semitones)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Shift each item, (B, S), by what this augmentation could have drawn."""
        n_samples = x.shape[-1]
        n_longest = fast_length(math.ceil(n_samples * 2 ** (self.range[1] / 12)) + self.n_fft)

        def change(items: Tensor, semitones: Tensor) -> Tensor:
            ratio = torch.exp2(semitones / 12)
            longer = stretched(items, 1 / ratio, n_longest, self.n_fft)  # (b, n_longest)
            return resampled(longer, ratio, n_samples)

        return changed(x, parameters, change)


def _rates(generator: np.random.Generator, ends: tuple[float, float], n_items: int) -> NDArray[np.float64]:
    return np.exp(generator.uniform(math.log(ends[0]), math.log(ends[1]), n_items))


def frame_length(sample_rate: int) -> int:
    """Return the samples of a frame of the phase vocoder: a power of two, at least `WINDOW` long."""
    return 1 << math.ceil(math.log2(WINDOW * sample_rate))


def resampled(x: Tensor, rate: Tensor, n_out: int) -> Tensor:
    """Read waveforms at rates of their own; after the end they begin again.

    Parameters
    ----------
    x : shape (B, S)
    rate : shape (B,), samples of `x` per sample read
    n_out : samples to read

    Returns
    -------
    shape (B, n_out); sample n is `x` at rate * n

    Notes
    -----
    A Fourier transform doubles the sampling rate, removes what would be above the new half of the sample rate, and
    turns samples into coefficients of cubic B-splines (Unser 1999), of which four are summed per sample read. Images
    are at -68 dB for what is at a quarter of the sample rate, and at -38 dB at half of it: the ratio of the
    spline's spectrum, sinc^4, at the image and at the frequency itself.
    """
    n_samples = x.shape[-1]
    n_fft = fast_length(n_samples + 2 * MARGIN)
    around = torch.arange(-MARGIN, n_fft - MARGIN, device=x.device).remainder(n_samples)
    spectrum = torch.fft.rfft(x.index_select(1, around))  # (B, n_fft // 2 + 1)
    frequency = torch.linspace(0, 1, n_fft // 2 + 1, device=x.device)  # 1 is half the sample rate
    room = 20 * (1 - frequency * rate.unsqueeze(1))  # a slope over the last 5 % of the band
    room = room.clamp(0, 1).masked_fill((rate <= 1).unsqueeze(1), 1.0)
    spline = (2 + torch.cos(math.pi / 2 * frequency)) / 3
    nyquist = torch.where(frequency < 1, 2.0, 1.0)  # one bin there, two at twice the rate
    coefficients = torch.fft.irfft(spectrum * (room * nyquist / spline), n=2 * n_fft)  # (B, 2 n_fft)
    place = torch.arange(n_out, device=x.device, dtype=torch.float64) * rate.double().unsqueeze(1)  # (B, n_out)
    place = place.remainder_(n_samples).add_(MARGIN).mul_(2)
    return _spline(coefficients, place.long() - 1, place.frac_().float())


def _spline(coefficients: Tensor, first: Tensor, t: Tensor) -> Tensor:
    """Evaluate cubic B-splines by de Boor's algorithm.

    Parameters
    ----------
    coefficients : shape (B, n)
    first : shape (B, n_out), of the four coefficients around each place
    t : shape (B, n_out), of each place between the second and the third of the four, from 0 to 1

    Returns
    -------
    shape (B, n_out)
    """
    a, b, c, d = (coefficients[:, i:].gather(1, first) for i in range(4))
    third, half = t / 3, t / 2
    a = torch.lerp(a, b, third + 2 / 3)
    b = torch.lerp(b, c, third + 1 / 3)
    c = torch.lerp(c, d, third)
    return torch.lerp(torch.lerp(a, b, half + 1 / 2), torch.lerp(b, c, half), t)


def stretched(x: Tensor, rate: Tensor, n_out: int, n_fft: int) -> Tensor:
    """Play waveforms at rates of their own and the pitch they have; after the end they begin again.

    Parameters
    ----------
    x : shape (B, S)
    rate : shape (B,), 2 for twice as fast
    n_out : samples to make
    n_fft : samples of a frame

    Returns
    -------
    shape (B, n_out); sample n sounds as `x` at rate * n

    Notes
    -----
    The phase vocoder: magnitudes are interpolated between the frames around each place, and the phase of a bin goes
    on as it does between these frames. As frames are written as far apart as they are read, that is the plain
    difference of their phases, and no phase is ever unwrapped. Phases are locked (Laroche & Dolson 1999): only peaks
    go on like that, the bins around a peak keep the phases that they have relative to it in the frame that is read. At
    a rate of 1, what comes out is what went in.
    """
    hop = n_fft // OVERLAP
    n_frames, n_wanted = -(-x.shape[-1] // hop) + OVERLAP // 2, n_out // hop + OVERLAP
    window = torch.hann_window(n_fft, device=x.device)
    around = torch.arange(-n_fft // 2, n_frames * hop + n_fft // 2, device=x.device).remainder(x.shape[-1])
    frames = torch.fft.rfft(x.index_select(1, around).unfold(1, n_fft, hop) * window)  # (B, n_frames + 1, n_bins)
    magnitude, phase = frames.abs(), frames.angle()
    place = (torch.arange(n_wanted, device=x.device) * rate.unsqueeze(1)).remainder(n_frames)  # (B, n_wanted)
    before = place.long().clamp(max=n_frames - 1)
    read = (torch.arange(len(x), device=x.device).unsqueeze(1), before)
    advance = phase.diff(dim=1)[read]  # (B, n_wanted, n_bins)
    angle = phase[:, :1] + torch.cumsum(advance, dim=1) - advance
    peak = _peaks(magnitude)
    angle = angle.gather(2, peak[read]) + (phase - phase.gather(2, peak))[read]
    loud = torch.lerp(magnitude[read], magnitude[:, 1:][read], (place - before).unsqueeze(2))
    written = torch.complex(loud * torch.cos(angle), loud * torch.sin(angle))
    pieces = torch.fft.irfft(written, n=n_fft) * window  # (B, n_wanted, n_fft)
    envelope = window.square().expand(1, n_wanted, n_fft)
    kept = slice(n_fft // 2, n_fft // 2 + n_out)
    return _added(pieces, hop)[:, kept] / _added(envelope, hop)[:, kept]


def _peaks(magnitude: Tensor) -> Tensor:
    """Return which bin each belongs to, (B, T, F) -> (B, T, F): the loudest nearby, and the loudest near that one."""
    _, loudest = F.max_pool1d(magnitude, 2 * LOBE + 1, stride=1, padding=LOBE, return_indices=True)
    return loudest.gather(2, loudest)


def _added(pieces: Tensor, hop: int) -> Tensor:
    """Add pieces that lie `hop` samples apart, (B, n, n_fft) -> (B, n * hop); what lies beyond is left out."""
    n = pieces.shape[1]
    total = pieces[..., :hop].clone()  # (B, n, hop)
    for i in range(1, pieces.shape[-1] // hop):
        total[:, i:] += pieces[:, : n - i, i * hop : (i + 1) * hop]
    return total.flatten(1)
