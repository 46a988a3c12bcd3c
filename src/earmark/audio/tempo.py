"""Tempo: how many beats a minute, where they fall, and how sure that is.

In numpy and scipy, in three steps:

1. An onset envelope: how much louder the mel bands of a frame are than those of two frames ago, where a band is
   compared with the loudest of its neighbours, so that vibrato is no onset (SuperFlux, Böck & Widmer 2013).
2. A tempo. The envelope is compared with itself some lag later (autocorrelation), in pieces of 12 s; the magnitude of
   its spectrum is compressed first, which makes peaks narrower (Tolonen & Karjalainen 2000, Percival & Tzanetakis
   2014). A tempo is worth what the comparison gives one, two, and three or four beats later (whichever is more), times
   a prior over tempi. It is then made exact: its peak at 1, 2, 4, ... 32 beats is looked up in the autocorrelation of
   the whole, each time nearer. The grid of frames alone would be off by up to 1 % at 120 bpm.
3. Beats: the path through the envelope with the strongest onsets and the steadiest steps, by dynamic programming
   (Ellis 2007), half a beat at a time.

References
----------
Böck, S. and Widmer, G. "Maximum filter vibrato suppression for onset detection", DAFx 2013.
Ellis, D. P. W. "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007.
Percival, G. and Tzanetakis, G. "Streamlined tempo estimation based on autocorrelation and cross-correlation with
pulses", IEEE/ACM TASLP 22, 2014.
Tolonen, T. and Karjalainen, M. "A computationally efficient multipitch analysis model", IEEE TSAP 8, 2000.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.mel_power import PowerMel, checked
from earmark.errors import MissingExtraError, UsageError

SLOWEST_BPM, FASTEST_BPM = 45.0, 240.0
"""Range of tempi that are looked for, unless told otherwise."""
PRIOR_BPM, PRIOR_OCTAVES = 130.0, 0.9
"""Centre and width (standard deviation) of the prior over tempi."""
LEAST_SECONDS = 5.0
"""Shortest audio of which the tempo is told."""

Values = NDArray[np.float64]

_FRAME_RATE = 100  # of the envelope, 1/s
_BACK = 2  # frames between those that are compared
_N_MELS, _F_MIN, _F_MAX = 40, 30.0, 8000.0
_COMPRESSION = 10.0  # of magnitudes, before the logarithm; 1 is the loudest
_LEVEL_SECONDS = 4.0  # over which the envelope is brought to mean 0 and deviation 1
_PIECE_SECONDS, _STEP_SECONDS = 12.0, 3.0
_EXPONENT = 0.6  # of the power spectrum of the envelope
_PER_OCTAVE = 120  # tempi tried
_MOST_BEATS = 32  # over which the tempo is made exact
_STEADINESS = 400.0  # price of a step: this times the square of the logarithm of its length in beats
_SMOOTHING = 1.5  # frames
_LEAST_RISE = 1e-3  # deviation of the envelope below which nothing begins anywhere
_LEAST_PULSE = 0.5  # divided by the square root of the seconds; noise stays below
_WEIGHTS = (-1.25, 3.22, 1.98, -1.98)  # of the confidence: constant, pulse, margin, octaves from the prior


@dataclass(frozen=True, eq=False)
class Tempo:
    """The tempo of a track.

    Parameters
    ----------
    bpm : beats per minute; None where there is no beat
    confidence : chance that `bpm` is right within 4 %, half and double tempo being wrong; 0 where there is none
    beats : shape (n_beats,), seconds from the first sample
    """

    bpm: float | None = None
    confidence: float = 0.0
    beats: Values = field(default_factory=lambda: np.empty(0))


def estimate_tempo(
    waveform: NDArray[np.float32],
    sample_rate: int,
    *,
    slowest_bpm: float = SLOWEST_BPM,
    fastest_bpm: float = FASTEST_BPM,
) -> Tempo:
    """Find the tempo and the beats.

    Parameters
    ----------
    waveform : shape (n_samples,), in [-1, 1]; 60 to 120 s are enough
    sample_rate : Hz, at least 8000
    slowest_bpm, fastest_bpm : range of the tempo, at least an octave, so that half or double tempo finds a place

    Returns
    -------
    a tempo without bpm, with confidence 0, where nothing keeps time (silence, noise, free rhythm) and of less than 5 s

    Raises
    ------
    InputError
        If the waveform is not one row, or holds a NaN or an infinity.
    UsageError
        If the range is less than an octave or beyond 20 to 400 bpm, or the sample rate is too low.
    MissingExtraError
        If scipy is not installed.

    Notes
    -----
    One tempo for all: of a piece that changes, the tempo that lasts longest. `bpm` is exact to 0.01 % where a machine
    keeps the time. An onset in the first 20 ms is not heard as one. The confidence was fitted on music of known tempo,
    most of it rendered (`benchmarks/tempo_and_key.py`).

    Examples
    --------
    >>> clicks = np.zeros(20 * 16000, dtype=np.float32)
    >>> clicks[::8000] = 1.0  # two a second
    >>> tempo = estimate_tempo(clicks, 16000)
    >>> round(tempo.bpm, 1), np.round(tempo.beats[:3], 2).tolist()
    (120.0, [0.5, 1.0, 1.5])
    """
    if not (slowest_bpm >= 20 and 2 * slowest_bpm <= fastest_bpm <= 400):
        raise UsageError(
            f"slowest_bpm={slowest_bpm}, fastest_bpm={fastest_bpm}",
            hint="give a range of at least an octave within 20 to 400 bpm, such as 70 and 140",
        )
    if sample_rate < 8000:
        raise UsageError(f"sample_rate={sample_rate}", hint="tempo needs at least 8000 Hz; resample first")
    if np.shape(waveform) == (0,):
        return Tempo()
    samples = checked(waveform, 0, "")
    _scipy_fft()
    if len(samples) < LEAST_SECONDS * sample_rate or not samples.any():
        return Tempo()
    envelope = _onset_envelope(samples, sample_rate)
    if not envelope.any():
        return Tempo()
    rate = sample_rate / _hop(sample_rate)
    rough, margin = _best_tempo(envelope, rate, slowest_bpm, fastest_bpm)
    similar = _autocorrelation(envelope, len(envelope), 1, 1.0)
    period = _made_exact(similar, rough)
    bpm, pulse = 60.0 * rate / period, _pulse(similar, period)
    if pulse < _LEAST_PULSE / math.sqrt(len(envelope) / rate):
        return Tempo()
    smooth = np.convolve(envelope, _bell(_SMOOTHING), "same")
    beats = _seconds(smooth, _beats(smooth, period), rate)
    return Tempo(bpm, _confidence(bpm, pulse, margin), beats)


def _hop(sample_rate: int) -> int:
    return round(sample_rate / _FRAME_RATE)


def _onset_envelope(samples: NDArray[np.float32], sample_rate: int) -> Values:
    """Compute the strength of onsets, with mean 0 and deviation 1 over every few seconds, shape (T,).

    Zero throughout if nothing begins anywhere.
    """
    n_fft = 1 << round(math.log2(sample_rate * 0.032))
    mel = PowerMel(
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=_hop(sample_rate),
        n_mels=_N_MELS,
        f_min=_F_MIN,
        f_max=min(_F_MAX, sample_rate / 2),
    )
    magnitude = np.sqrt(mel(samples))  # (F, T)
    loud = float(np.percentile(magnitude.max(axis=0), 95)) or float(magnitude.max())
    level = np.log1p(magnitude * np.float32(_COMPRESSION / loud))
    before = level[:, :-_BACK].copy()
    before[1:] = np.maximum(before[1:], level[:-1, :-_BACK])
    before[:-1] = np.maximum(before[:-1], level[1:, :-_BACK])
    rise = np.maximum(level[:, _BACK:] - before, 0.0).mean(axis=0, dtype=np.float64)
    strength = np.concatenate([np.zeros(_BACK), rise])
    if strength.std() < _LEAST_RISE:
        return np.zeros_like(strength)
    return _standardised(strength, round(_LEVEL_SECONDS * sample_rate / _hop(sample_rate)))


def _standardised(values: Values, n: int) -> Values:
    """Subtract the mean of the `n` values around each, and divide by their deviation or a fifth of that of all."""
    around = np.pad(values, (n // 2, n - n // 2 - 1), mode="reflect") if n < len(values) else None
    if around is None:
        return np.asarray((values - values.mean()) / values.std())
    sums = np.cumsum(np.stack([around, around**2]), axis=1)
    sums = np.concatenate([np.zeros((2, 1)), sums], axis=1)
    mean, square = (sums[:, n:] - sums[:, :-n]) / n
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    return np.asarray((values - mean) / np.maximum(deviation, 0.2 * values.std()))


def _autocorrelation(values: Values, size: int, step: int, exponent: float) -> Values:
    """Compare `values` with themselves some frames later, on average over pieces of `size` frames, from 1 at lag 0.

    Returns
    -------
    shape (size // 2,)
    """
    fft = _scipy_fft()
    n_fft = fft.next_fast_len(2 * size, real=True)
    pieces = np.lib.stride_tricks.sliding_window_view(values, size)[::step]
    power = np.abs(fft.rfft(pieces * np.hanning(size + 2)[1:-1] if len(pieces) > 1 else pieces, n_fft)) ** 2
    found = fft.irfft(power**exponent, n_fft)[:, : size // 2]
    found = found[found[:, 0] > 0]
    return np.asarray((found / found[:, :1]).mean(axis=0)) if len(found) else np.zeros(size // 2)


def _best_tempo(envelope: Values, rate: float, slowest: float, fastest: float) -> tuple[float, float]:
    """Choose among the tempi of a range.

    Parameters
    ----------
    envelope : shape (T,)
    rate : frames a second
    slowest, fastest : bpm

    Returns
    -------
    the period in frames; and the natural logarithm of its worth over that of the best other tempo
    """
    size = min(round(_PIECE_SECONDS * rate), len(envelope))
    similar = _autocorrelation(envelope, size, round(_STEP_SECONDS * rate), _EXPONENT)
    bpm = slowest * 2.0 ** (np.arange(int(math.log2(fastest / slowest) * _PER_OCTAVE) + 1) / _PER_OCTAVE)
    periods = 60.0 * rate / bpm
    one, two, three, four = (np.interp(n * periods, np.arange(len(similar)), similar, right=0.0) for n in range(1, 5))
    later = 0.5 * two + np.maximum(three, four)
    # less where the beat itself is not there, though later ones are: 2/3 of the tempo
    heard = np.clip(one / np.maximum(0.3 * later, 1e-9), 0.3, 1.0)
    prior = np.exp(-0.5 * (np.log2(bpm / PRIOR_BPM) / PRIOR_OCTAVES) ** 2)
    worth = np.maximum(one + later, 0.0) * heard * prior
    best = int(worth.argmax())
    other = worth[np.abs(np.log2(bpm / bpm[best])) > math.log2(1.08)].max()
    return float(periods[best]), math.log((worth[best] + 1e-6) / (other + 1e-6))


def _made_exact(similar: Values, period: float) -> float:
    """Look up a period's peaks at 1, 2, 4, ... beats in the autocorrelation of the whole, each time nearer."""
    beats = 1
    least = 0.0
    while beats <= _MOST_BEATS:
        reach = max(0.03 * period if beats == 1 else 0.125 * period, 1.5)
        first, last = math.ceil(beats * period - reach), math.floor(beats * period + reach)
        if last + 1 >= len(similar) or first < 1:
            break
        peak = first + int(similar[first : last + 1].argmax())
        if similar[peak] <= least:
            break  # no steady tempo over so many beats
        least = max(least, 0.3 * float(similar[peak]))
        period = (peak + _vertex(similar[peak - 1], similar[peak], similar[peak + 1])) / beats
        beats *= 2
    return float(period)


def _vertex(before: float, at: float, after: float) -> float:
    """Where the parabola through three neighbours has its top, from -0.5 to 0.5 around the middle one."""
    bend = before - 2 * at + after
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5) if bend < 0 else 0.0


def _bell(width: float) -> Values:
    x = np.arange(-math.ceil(3 * width), math.ceil(3 * width) + 1)
    bell = np.exp(-0.5 * (x / width) ** 2)
    return np.asarray(bell / bell.sum())


def _beats(strength: Values, period: float) -> NDArray[np.intp]:
    """Find the path with the strongest onsets and the steadiest steps.

    Parameters
    ----------
    strength : shape (T,), mean about 0
    period : frames

    Returns
    -------
    shape (n_beats,), frames
    """
    shortest, longest = max(1, round(period / 2)), round(2 * period)
    steps = np.arange(longest, shortest - 1, -1)
    price = _STEADINESS * np.log(steps / period) ** 2
    worth = np.full(longest + len(strength), -np.inf)  # of the best path that ends here, from frame -longest on
    origin = np.full(len(strength), -1)
    scaled = strength / (strength.std() or 1.0)
    for first in range(0, len(strength), shortest):  # frames whose predecessors are all known
        last = min(first + shortest, len(strength))
        reachable = np.lib.stride_tricks.sliding_window_view(worth[first : last + longest - shortest], len(steps))
        paths = reachable - price
        chosen = paths.argmax(axis=1)
        best = paths[np.arange(last - first), chosen]
        goes_on = best > 0
        worth[longest + first : longest + last] = scaled[first:last] + np.where(goes_on, best, 0.0)
        origin[first:last] = np.where(goes_on, np.arange(first, last) - steps[chosen], -1)
    frame = int(worth[longest:].argmax())
    path = [frame]
    while (frame := int(origin[frame])) >= 0:
        path.append(frame)
    return np.array(path[::-1])


def _seconds(strength: Values, frames: NDArray[np.intp], rate: float) -> Values:
    """Place beats between frames, at the top of the parabola through the neighbours, and in seconds."""
    around = np.pad(strength, 1, mode="edge")
    shifts = [_vertex(*around[frame : frame + 3]) for frame in frames]
    return np.asarray(np.maximum((frames + np.array(shifts)) / rate, 0.0))


def _pulse(similar: Values, period: float) -> float:
    """How similar the envelope is to itself four beats later, from 0 to 1; fewer beats if it is too short."""
    lag = round(min(4, (len(similar) - 2) // period) * period)
    return max(0.0, float(similar[lag - 1 : lag + 2].max()))


def _confidence(bpm: float, pulse: float, margin: float) -> float:
    """Estimate the chance that a tempo is right, by a logistic regression."""
    constant, of_pulse, of_margin, of_octaves = _WEIGHTS
    octaves = abs(math.log2(bpm / PRIOR_BPM))
    logit = constant + of_pulse * math.sqrt(pulse) + of_margin * min(margin, 1.0) + of_octaves * octaves
    return 1.0 / (1.0 + math.exp(-logit))


@lru_cache(maxsize=1)
def _scipy_fft() -> Any:
    try:
        return import_module("scipy.fft")
    except ImportError as error:
        raise MissingExtraError("the tempo of a track", "library") from error
