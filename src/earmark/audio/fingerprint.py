"""Fingerprints: which recording this is, in 32 bits for every 0.128 s, whatever the file was encoded with.

A bit says whether the difference between two neighbouring bands has grown or shrunk within half a second. Encoding,
level and equalisers hardly change that; another recording of the same piece changes it everywhere.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError

Samples = NDArray[np.float32]
Fingerprint = NDArray[np.uint32]

VERSION = 1
"""Fingerprints of different versions cannot be compared."""
FRAME_SECONDS = 0.128
"""From one word of a fingerprint to the next."""
SPAN_SECONDS = 1.472
"""Of audio that a word looks at: shorter audio has no fingerprint."""
AGREES = 0.15
"""Share of the settled bits that may differ in a stretch that agrees: chance makes it 0.5, give or take 0.1."""

_RATE = 8000  # Hz, of everything below
_N_FFT, _HOP = 2048, 512  # samples: 256 ms every 64 ms
_SMOOTH = 12  # of those that are averaged, weighted by a Hann window: 960 ms in all
_STEP = 2  # of those from one frame to the next
_LAG = 4  # frames that a difference reaches back
_BANDS = 33
_LOWEST, _HIGHEST = 300.0, 2000.0  # Hz
_BATCH = 64  # transforms at a time
_PIECE = 1 << 16  # samples that are resampled at once
_QUIET = 1e-9  # mean square of full scale, in the bands: below it there is nothing to hear, -90 dB
_DYNAMICS = 1e-6  # of the loudest frame: what lies more than 60 dB below it is silence
_CORRELATED = 1 << 19  # values that are transformed at once
_WINDOW = 31  # frames: four seconds, in which two fingerprints agree or do not
_FEWEST_BITS = 128  # that are compared in a window; of 992, about 500 are settled
_ALL = np.uint32(0xFFFFFFFF)


class Fingerprinter:
    """Compute the fingerprint of a stream.

    Parameters
    ----------
    sample_rate : Hz, of the blocks; they are resampled to 8000

    Raises
    ------
    UsageError
        If `sample_rate` is not positive.

    Notes
    -----
    After Haitsma & Kalker (2002): energies in 33 bands of equal width in octaves from 300 to 2000 Hz; a bit is the sign
    of E(t, m) - E(t, m + 1) - (E(t - lag, m) - E(t - lag, m + 1)). It differs from the paper in what makes it small
    and quick. A frame comes every 128 ms, not every 11.6 ms, so that four minutes take 7.5 kB; that copies begin
    anywhere between two frames is made up for by energies averaged over 0.96 s and differences over 0.51 s, in place
    of 0.37 s and 11.6 ms. E is the root of the energy, so that loud bands outshine soft ones less.

    The result does not depend on how the samples are split into blocks. Besides it and one byte for each of its bytes
    no more than a few seconds of samples are held.

    References
    ----------
    Haitsma, J., Kalker, T. "A Highly Robust Audio Fingerprinting System", ISMIR 2002, section 4.2.

    Examples
    --------
    >>> prints = Fingerprinter(16000)
    >>> rng = np.random.default_rng(0)
    >>> for _ in range(10):
    ...     prints.push(rng.uniform(-0.5, 0.5, 16000).astype(np.float32))
    >>> prints.finish().shape
    (67,)
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate < 1:
            raise UsageError(f"a sample rate of {sample_rate} Hz", hint="give the rate of the blocks, such as 16000")
        self._resampler = soxr.ResampleStream(sample_rate, _RATE, 1, quality="LQ")
        self._blocks: deque[Samples] = deque()
        self._n_waiting = 0  # samples in the blocks
        self._energies = np.empty((0, _BANDS), dtype=np.float32)  # of transforms that frames to come look at
        self._frames = np.empty((0, _BANDS), dtype=np.float32)  # the last _LAG
        self._levels = np.zeros(0, dtype=np.float32)  # of these
        self._words: list[Fingerprint] = []
        self._loudness: list[NDArray[np.float32]] = []  # of the words

    def push(self, block: Samples) -> None:
        """Take the next samples.

        Parameters
        ----------
        block : shape (n,), in [-1, 1]; n may be 0

        Raises
        ------
        InputError
            If the block is not mono, or holds NaN or infinity.
        """
        samples = np.asarray(block, dtype=np.float32)
        if samples.ndim != 1:
            raise InputError(f"a block of shape {samples.shape}", hint="fingerprints are of mono blocks, shape (n,)")
        if not np.isfinite(samples).all():
            raise InputError("a block holds NaN or infinity")
        for start in range(0, samples.size, _PIECE):
            self._take(self._resampler.resample_chunk(samples[start : start + _PIECE]))

    def finish(self) -> Fingerprint:
        """End the stream.

        Returns
        -------
        shape (n_frames,): a word for every 0.128 s, the first when 1.472 s have passed: 1 + (n - 23552) // 2048 for n
        samples at 16 kHz, where n may be off by one. A word is 0 where there is nothing to hear
        """
        self._take(self._resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True))
        n_left = (self._n_waiting - _N_FFT) // _HOP + 1
        if n_left > 0:
            self._transform(n_left)
        if not self._words:
            return np.zeros(0, dtype=np.uint32)
        words, loudness = np.concatenate(self._words), np.concatenate(self._loudness)
        words[loudness <= max(_QUIET, _DYNAMICS * float(loudness.max()))] = 0
        return words

    def _take(self, samples: Samples) -> None:
        if samples.size:
            self._blocks.append(samples)
            self._n_waiting += samples.size
        while self._n_waiting >= _N_FFT + (_BATCH - 1) * _HOP:
            self._transform(_BATCH)

    def _transform(self, count: int) -> None:
        """Turn the samples of the next `count` transforms into energies, and as many of those into words as can be."""
        energies = _band_energies(self._next(count))
        self._energies = np.concatenate([self._energies, energies])
        count = (len(self._energies) - _SMOOTH) // _STEP + 1
        if count < 1:
            return
        windows = np.lib.stride_tricks.sliding_window_view(self._energies, _SMOOTH, axis=0)[::_STEP]
        smooth = np.einsum("tbk,k->tb", windows, _WEIGHTS)  # (count, bands)
        self._energies = self._energies[count * _STEP :]
        frames = np.concatenate([self._frames, np.sqrt(smooth)])
        levels = np.concatenate([self._levels, smooth.sum(axis=1)])
        self._frames, self._levels = frames[-_LAG:], levels[-_LAG:]
        if len(frames) > _LAG:
            steps = frames[:, :-1] - frames[:, 1:]
            bits = steps[_LAG:] > steps[:-_LAG]
            self._words.append(np.packbits(bits, axis=1).view(">u4").ravel().astype(np.uint32))
            self._loudness.append(np.maximum(levels[_LAG:], levels[:-_LAG]))

    def _next(self, count: int) -> Samples:
        """Return the samples of `count` transforms, and keep those from where the one after them begins."""
        joined = np.concatenate(self._blocks)
        begin = count * _HOP
        self._blocks.clear()
        self._blocks.append(joined[begin:])
        self._n_waiting = joined.size - begin
        return joined[: begin - _HOP + _N_FFT]


def fingerprint(waveform: Samples, sample_rate: int) -> Fingerprint:
    """Compute the fingerprint of a waveform.

    Parameters
    ----------
    waveform : shape (n,), in [-1, 1]
    sample_rate : Hz

    Returns
    -------
    shape (n_frames,), as of `Fingerprinter`

    Raises
    ------
    InputError, UsageError
        As of `Fingerprinter`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).uniform(-0.5, 0.5, 160000).astype(np.float32)
    >>> match = compare(fingerprint(noise, 16000), fingerprint(0.1 * noise[48000:], 16000))
    >>> f"{match.similarity:.0%} from {match.offset_seconds:.1f} s on"
    '100% from 3.0 s on'
    """
    prints = Fingerprinter(sample_rate)
    prints.push(waveform)
    return prints.finish()


@dataclass(frozen=True)
class Match:
    """How well two fingerprints agree where they agree best.

    Parameters
    ----------
    bit_error_rate : share of the settled bits that differ (`Overlay`), in [0, 1]; about 0.5 for different recordings
    offset_seconds : into the first, at which the second begins; negative where the second begins before the first
    overlap_seconds : where both have something to hear
    matched_seconds : of these, where the two agree for seconds on end
    similarity : 1 for equal bits, 0 for chance
    """

    bit_error_rate: float
    offset_seconds: float
    overlap_seconds: float
    matched_seconds: float
    similarity: float


def compare(
    a: Fingerprint, b: Fingerprint, *, min_overlap_seconds: float = 5.0, max_bit_error_rate: float = AGREES
) -> Match:
    """Lay one fingerprint over the other where they agree best.

    Parameters
    ----------
    a, b : shapes (n,) and (m,), as of `Fingerprinter`
    min_overlap_seconds : that both must have in common; where the shorter has less to hear, all of it
    max_bit_error_rate : up to which a stretch of four seconds counts as matched

    Returns
    -------
    the match whose agreement is the least likely to be chance; without anything to hear in one of them a match of no
    seconds

    Raises
    ------
    InputError
        If one is no fingerprint.
    UsageError
        If `min_overlap_seconds` is not positive, or `max_bit_error_rate` not between 0 and 0.5.

    Examples
    --------
    >>> a = fingerprint(np.random.default_rng(0).uniform(-0.5, 0.5, 960000).astype(np.float32), 16000)
    >>> match = compare(a, a[100:300])
    >>> f"{match.similarity:.0%} from {match.offset_seconds:.1f} s on for {match.overlap_seconds:.1f} s"
    '100% from 12.8 s on for 25.6 s'
    """
    first, second = _checked(a), _checked(b)
    if min_overlap_seconds <= 0 or not 0 < max_bit_error_rate < 0.5:
        raise UsageError(
            f"min_overlap_seconds={min_overlap_seconds}, max_bit_error_rate={max_bit_error_rate}: expected a positive "
            "number of seconds, and a rate between 0 and 0.5"
        )
    offset = best_offset(first, second, min_frames=max(round(min_overlap_seconds / FRAME_SECONDS), 1))
    if offset is None:
        return Match(0.5, 0.0, 0.0, 0.0, 0.0)
    laid = overlay(first, second, round(offset))
    rate = laid.bit_error_rate()
    return Match(
        bit_error_rate=rate,
        offset_seconds=FRAME_SECONDS * offset,
        overlap_seconds=FRAME_SECONDS * int(np.count_nonzero(laid.is_heard)),
        matched_seconds=FRAME_SECONDS * int(np.count_nonzero(laid.agrees(max_bit_error_rate))),
        similarity=max(1 - 2 * rate, 0.0),
    )


def best_offset(a: Fingerprint, b: Fingerprint, *, min_frames: int) -> float | None:
    """Find where two fingerprints agree best.

    Parameters
    ----------
    a, b : shapes (n,) and (m,)
    min_frames : with something to hear that both must have in common; where one has fewer, all of them

    Returns
    -------
    frames into `a` at which `b` begins, also between two frames; None where there is nothing to hear

    Notes
    -----
    All offsets are compared: bits as -1 and 1, silence as 0, correlated by Fourier transforms. Of bits that agree by
    chance, the sum over n frames has a standard deviation that goes with the root of n; so the sum over this root is
    what decides.
    """
    least = min(int(np.count_nonzero(a)), int(np.count_nonzero(b)), min_frames)
    if not least:
        return None
    scores, counts = _correlate(a, b)
    usable = counts >= least
    # Silence may lie so that no offset has that much in common; then the offset that has most.
    usable = usable if usable.any() else counts == counts.max()
    best = int(np.argmax(np.where(usable, scores / np.sqrt(np.maximum(counts, 1)), -np.inf)))
    return best - len(b) + 1 + _between(scores, best)


@dataclass(frozen=True, eq=False)
class Overlay:
    """Two fingerprints, laid over each other.

    Only settled bits are compared: those that stay what they are from the frame before to the frame after, in both.
    Where a bit is about to flip, it depends on how the copy's frames lie between those of the original, by up to half
    a frame: that alone makes 9 % of all bits differ, of settled bits next to none.

    Parameters
    ----------
    begins : frames into either at which the overlap begins
    errors, compared : shape (n_common,), settled bits of each frame that differ, and settled bits
    is_heard : shape (n_common,), where neither is silent
    """

    begins: tuple[int, int]
    errors: NDArray[np.uint8]
    compared: NDArray[np.uint8]
    is_heard: NDArray[np.bool_]

    def bit_error_rate(self, where: NDArray[np.bool_] | None = None) -> float:
        """Return which share of the settled bits differs.

        Parameters
        ----------
        where : shape (n_common,), of these frames; of all unless given

        Returns
        -------
        in [0, 1]; 0.5 where nothing is compared
        """
        chosen = slice(None) if where is None else where
        n_compared = int(self.compared[chosen].sum(dtype=np.int64))
        return int(self.errors[chosen].sum(dtype=np.int64)) / n_compared if n_compared else 0.5

    def agrees(self, max_bit_error_rate: float = AGREES) -> NDArray[np.bool_]:
        """Tell where the two agree: in windows of four seconds, so that no frame alone decides.

        Parameters
        ----------
        max_bit_error_rate : of a window

        Returns
        -------
        shape (n_common,); silence agrees with nothing
        """
        n = len(self.errors)
        sums = np.zeros((2, n + 1), dtype=np.int64)
        np.cumsum(self.errors, out=sums[0, 1:])
        np.cumsum(self.compared, out=sums[1, 1:])
        high = np.minimum(np.maximum(np.arange(n) - _WINDOW // 2, 0) + _WINDOW, n)
        low = np.maximum(high - _WINDOW, 0)  # at both ends the window stays whole
        n_errors, n_compared = sums[:, high] - sums[:, low]
        agrees: NDArray[np.bool_] = (
            self.is_heard & (n_errors <= max_bit_error_rate * n_compared) & (n_compared >= min(_FEWEST_BITS, 16 * n))
        )
        return agrees


def overlay(a: Fingerprint, b: Fingerprint, offset: int) -> Overlay:
    """Compare two fingerprints at an offset.

    Parameters
    ----------
    a, b : shapes (n,) and (m,)
    offset : frames into `a` at which `b` begins; may be negative
    """
    begins = max(offset, 0), max(-offset, 0)
    n_common = max(min(len(a) - begins[0], len(b) - begins[1]), 0)
    first, second = a[begins[0] :][:n_common], b[begins[1] :][:n_common]
    is_heard = (first != 0) & (second != 0)
    compared = _settled(first) & _settled(second)
    compared[~is_heard] = 0
    return Overlay(begins, count_bits((first ^ second) & compared), count_bits(compared), is_heard)


def _settled(words: Fingerprint) -> Fingerprint:
    """Return ones for the bits that are the same in the frame before and in the frame behind; silence says nothing."""
    same = ~(words[:-1] ^ words[1:])
    same[(words[:-1] == 0) | (words[1:] == 0)] = _ALL
    out = np.full(len(words), _ALL)
    out[:-1] &= same
    out[1:] &= same
    return out


def count_bits(words: Fingerprint) -> NDArray[np.uint8]:
    """Count the ones of every word.

    Parameters
    ----------
    words : any shape

    Returns
    -------
    the same shape

    Examples
    --------
    >>> count_bits(np.array([0, 1, 0xFFFFFFFF], dtype=np.uint32))
    array([ 0,  1, 32], dtype=uint8)
    """
    # After Warren, "Hacker's Delight", figure 5-2; numpy counts bits itself from version 2 on only.
    words = words - ((words >> 1) & np.uint32(0x55555555))
    words = (words & np.uint32(0x33333333)) + ((words >> 2) & np.uint32(0x33333333))
    words = (words + (words >> 4)) & np.uint32(0x0F0F0F0F)
    return ((words * np.uint32(0x01010101)) >> 24).astype(np.uint8)


def _checked(words: Fingerprint) -> Fingerprint:
    array = np.asarray(words)
    if array.ndim != 1 or array.dtype != np.uint32:
        raise InputError(f"{array.dtype} of shape {array.shape} is no fingerprint", hint="expected uint32, shape (n,)")
    return array


def _correlate(a: Fingerprint, b: Fingerprint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlate two fingerprints at all offsets of `b`, from 1 - len(b) on.

    Returns
    -------
    shape (len(a) + len(b) - 1,), bits that agree less bits that differ; and the same shape, frames that both hear
    """
    if len(a) < len(b):
        scores, counts = _correlate(b, a)
        return scores[::-1], counts[::-1]
    # The longer one is taken in blocks: memory and time per second of it depend on the shorter one only.
    size = 1 << min(max((4 * len(b) - 1).bit_length(), 10), (len(a) + len(b) - 2).bit_length())
    out = np.zeros((2, len(a) + len(b) - 1 + size))
    n_together = max(min(32, _CORRELATED // size), 1)
    for first in range(0, 32, n_together):
        _add_correlation(out[0], a, b, size, np.arange(first, first + n_together, dtype=np.uint32))
    _add_correlation(out[1], a, b, size, None)
    scores, counts = np.rint(out[:, : len(a) + len(b) - 1])
    return scores, counts


def _add_correlation(
    out: NDArray[np.float64], a: Fingerprint, b: Fingerprint, size: int, bits: NDArray[np.uint32] | None
) -> None:
    """Add what some bits contribute; without bits, the frames that both hear."""
    kernel = np.conj(np.fft.rfft(_signs(b, bits), size))  # (bits, size // 2 + 1)
    hop = size - len(b) + 1
    for start in range(0, len(a), hop):
        product = np.fft.rfft(_signs(a[start : start + hop], bits), size) * kernel
        found = np.fft.irfft(product.sum(axis=0), size)
        out[start : start + len(b) - 1] += found[hop:]  # offsets below `start`: the correlation is circular
        out[start + len(b) - 1 : start + size] += found[:hop]


def _signs(words: Fingerprint, bits: NDArray[np.uint32] | None) -> NDArray[np.float32]:
    """Return shape (bits, n): 1 and -1, 0 for silence. Without bits, shape (1, n): 1 for what is heard."""
    signs: NDArray[np.float32] = (words != 0).astype(np.float32)[np.newaxis]
    if bits is not None:
        signs = signs * (2 * ((words >> bits[:, np.newaxis]) & 1).astype(np.float32) - 1)
    return signs


def _between(scores: NDArray[np.float64], best: int) -> float:
    """Return where between two frames the peak lies, in (-0.5, 0.5) frames: that of a parabola through three points."""
    if not 0 < best < len(scores) - 1:
        return 0.0
    before, at, after = scores[best - 1 : best + 2]
    bend = 2 * at - before - after
    return float(np.clip((after - before) / (2 * bend), -0.5, 0.5)) if bend > 0 else 0.0


def _edges() -> NDArray[np.intp]:
    frequencies = np.geomspace(_LOWEST, _HIGHEST, _BANDS + 1)
    return np.rint(frequencies * _N_FFT / _RATE).astype(np.intp)


_EDGES = _edges()
_TAPER = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
# The sum of the squares of a band is the mean square of what sounds in it.
_SCALE = np.float32(2 / (_N_FFT * float(np.sum(_TAPER.astype(np.float64) ** 2))))
_WEIGHTS = (np.hanning(_SMOOTH + 2)[1:-1] / np.hanning(_SMOOTH + 2).sum()).astype(np.float32)


def _band_energies(samples: Samples) -> NDArray[np.float32]:
    """Return shape (n_transforms, bands)."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _N_FFT)[::_HOP]
    spectrum = np.fft.rfft(windows * _TAPER)[:, _EDGES[0] : _EDGES[-1]]
    power = (spectrum.real**2 + spectrum.imag**2) * _SCALE
    return np.add.reduceat(power, _EDGES[:-1] - _EDGES[0], axis=1).astype(np.float32)
