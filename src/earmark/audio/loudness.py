"""Loudness as ITU-R BS.1770-4 measures it: weighted like hearing, and without the pauses.

References
----------
ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level", 2015.
De Man, B. "Evaluation of implementations of the EBU R128 loudness measurement", 2018 (the two filters as analogue ones,
which gives them at any sample rate; at 48 kHz they are those of the recommendation).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError

Array64 = NDArray[np.float64]

BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1  # gating blocks overlap by three quarters
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS; LU below the mean of what passes the first
TARGET = -23.0
"""Loudness of programmes after EBU R 128, LUFS: low enough that hardly any sound matched to it has to be clipped."""

_OFFSET = -0.691
_MAX_LIMITING, _TRIALS = 12.0, 8  # dB; of the gain that brings a limited sound to its loudness
_LIMITER_SECONDS = 0.01
_TAIL_SECONDS = 0.5  # of the slower filter: it has fallen by more than 500 dB then


def weighting_filters(sample_rate: int) -> list[tuple[Array64, Array64]]:
    """Return the two filters of the K weighting, first the shelf for the head, then the high-pass.

    Parameters
    ----------
    sample_rate : Hz, above 4 kHz

    Returns
    -------
    numerator and denominator of each, shape (3,)

    Raises
    ------
    UsageError
        If the sample rate is too low for the shelf.

    Examples
    --------
    >>> weighting_filters(48000)[1][1].round(8).tolist()
    [1.0, -1.99004745, 0.99007225]
    """
    if sample_rate <= 4000:
        raise UsageError(f"loudness at {sample_rate} Hz", hint="BS.1770 needs more than 4000 Hz")
    k, q, gain = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    shelf = np.array([gain + middle * k / q + k * k, 2 * (k * k - gain), gain - middle * k / q + k * k])
    below = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    low = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
    return [(shelf / below[0], below / below[0]), (np.array([1.0, -2.0, 1.0]), low / low[0])]


def loudness(waveform: NDArray[np.floating[Any]], sample_rate: int) -> float:
    """Measure the integrated loudness of a mono or stereo sound.

    Parameters
    ----------
    waveform : shape (n,) or (n_channels, n), at most two channels, in [-1, 1]
    sample_rate : Hz

    Returns
    -------
    LUFS; minus infinity if no block is louder than -70 LUFS

    Raises
    ------
    InputError
        If the waveform has another shape, is shorter than a block of 0.4 s, or is not finite.
    UsageError
        If the sample rate is 4 kHz or less.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(loudness(tone, 48000), 2)
    -3.01
    """
    channels = np.atleast_2d(np.asarray(waveform, np.float64))
    if channels.ndim != 2 or channels.shape[0] > 2:
        raise InputError(f"a waveform of shape {np.shape(waveform)}", hint="one or two channels: (n,) or (2, n)")
    size, step = round(BLOCK_SECONDS * sample_rate), round(STEP_SECONDS * sample_rate)
    if channels.shape[1] < size:
        seconds = channels.shape[1] / sample_rate
        raise InputError(f"{seconds:.2f} s of sound have no loudness: it takes {BLOCK_SECONDS} s", hint="take more")
    if not np.isfinite(channels).all():
        raise InputError("a waveform that holds NaN or infinity has no loudness")
    sums = np.concatenate([np.zeros((len(channels), 1)), np.cumsum(_weighted(channels, sample_rate) ** 2, axis=1)], 1)
    starts = np.arange(0, channels.shape[1] - size + 1, step)
    power = (sums[:, starts + size] - sums[:, starts]).sum(axis=0) / size  # (blocks,)
    kept = power[power > _power(ABSOLUTE_GATE)]
    if not kept.size:
        return -math.inf
    kept = kept[kept > kept.mean() * 10 ** (RELATIVE_GATE / 10)]
    return _OFFSET + 10 * math.log10(float(kept.mean()))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _weighted(channels: Array64, sample_rate: int) -> Array64:
    """Apply the K weighting; as a product of spectra, which takes no recursion over samples."""
    n_samples = channels.shape[1]
    n_fft = 1 << (n_samples + round(_TAIL_SECONDS * sample_rate) - 1).bit_length()
    turn = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)
    response = np.ones(turn.size, np.complex128)
    for above, below in weighting_filters(sample_rate):
        response *= np.polyval(above[::-1], turn) / np.polyval(below[::-1], turn)
    return np.fft.irfft(np.fft.rfft(channels, n_fft) * response, n_fft)[:, :n_samples]


def matched(
    waveform: NDArray[np.floating[Any]], sample_rate: int, *, target: float = TARGET, peak: float = 0.98
) -> tuple[NDArray[np.float32], float]:
    """Bring a sound to a loudness.

    Parameters
    ----------
    waveform : shape (n,) or (n_channels, n)
    sample_rate : Hz
    target : LUFS
    peak : highest sample that may come of it; what would go beyond is held down by `limited`. A sound that is nothing
        but peaks stays softer than `target`: no more than 12 dB are taken off them

    Returns
    -------
    the sound, and the gain by which what lies below the peaks was changed, dB

    Raises
    ------
    InputError
        If it is silent, or has no loudness.
    """
    own = loudness(waveform, sample_rate)
    if own == -math.inf:
        raise InputError("a silent sound cannot be brought to a loudness", hint="there is nothing to hear in it")
    samples = np.asarray(waveform, np.float64)
    most = 20 * math.log10(peak / float(np.abs(samples).max())) + _MAX_LIMITING
    gain = min(target - own, most)
    sound = limited(samples * 10 ** (gain / 20), sample_rate, peak=peak)
    for _ in range(_TRIALS):
        missing = target - loudness(sound, sample_rate)
        if abs(missing) < 0.02 or (gain == most and missing > 0):
            break
        gain = min(gain + missing, most)
        sound = limited(samples * 10 ** (gain / 20), sample_rate, peak=peak)
    return sound.astype(np.float32), gain


def limited(waveform: Array64, sample_rate: int, *, peak: float) -> Array64:
    """Hold the peaks of a sound down, by a gain that changes over 10 ms; a sound without such peaks stays as it is.

    Parameters
    ----------
    waveform : shape (n,) or (n_channels, n); all channels have the same gain
    sample_rate : Hz
    peak : highest sample that is left
    """
    level = np.abs(np.atleast_2d(waveform)).max(axis=0)
    if level.max() <= peak:
        return waveform
    half = max(round(_LIMITER_SECONDS * sample_rate / 2), 1)
    wanted = np.pad(np.minimum(1.0, peak / np.maximum(level, peak)), 2 * half, constant_values=1.0)
    lowest, width = wanted, 1  # the lowest gain within `half` samples on both sides, by doubling
    while width < 2 * half + 1:
        step = min(width, 2 * half + 1 - width)
        lowest = np.minimum(lowest[:-step], lowest[step:])
        width += step
    window = np.hanning(2 * half + 3)[1:-1]
    n_fft = 1 << (lowest.size + window.size - 1).bit_length()
    spectrum = np.fft.rfft(1.0 - lowest, n_fft) * np.fft.rfft(window / window.sum(), n_fft)
    smooth = 1.0 - np.fft.irfft(spectrum, n_fft)[2 * half : 2 * half + level.size]
    # What the smoothing leaves above the peak by rounding is less than a millionth.
    return np.clip(waveform * smooth, -peak, peak)
