"""Musical key: its names in every notation that files and DJ tools use, and which key a waveform is in.

The key is found in three steps, in numpy and scipy: the peaks of the spectrum, frame by frame, at their exact
frequencies; how far they lie from equal temperament on A = 440 Hz, as one tuning for the whole; and their energy by
pitch class, which is compared with the profiles of 24 keys. Percussion and noise have no stable peaks and hardly count.

References
----------
Albrecht, J. and Shanahan, D. "The use of large corpora to train a new type of key-finding algorithm: an improved
treatment of the minor mode", Music Perception 31, 2013: the profiles.
Gómez, E. "Tonal description of polyphonic audio for music content processing", INFORMS Journal on Computing 18, 2006:
pitch classes from spectral peaks, and profiles that count the harmonics of every note.
Krumhansl, C. L. "Cognitive foundations of musical pitch", Oxford University Press 1990: keys by correlation.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.mel_power import checked
from earmark.errors import InputError, MissingExtraError, UsageError

Mode = Literal["major", "minor"]
Values = NDArray[np.float64]

LEAST_SECONDS = 5.0
"""Shortest audio of which the key is told."""

_MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"": 0, "#": 1, "##": 2, "b": -1, "bb": -2}
_MODES: dict[str, Mode] = {
    **dict.fromkeys(("", "M", "maj", "major", "dur", "ionian"), "major"),
    **dict.fromkeys(("m", "min", "minor", "moll", "aeolian"), "minor"),
}
_WHEEL = re.compile(r"(1[0-2]|0?[1-9])\s*([ABdm])", re.IGNORECASE)
_NOTE = re.compile(r"([A-Ha-h])\s*((?:#|b|is|es|s)*)\s*[-:_ ]?\s*([A-Za-z]*)")

# Albrecht & Shanahan 2013: share of every pitch class above the tonic, in major and in minor
_PROFILES = (
    (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
)
_N_HARMONICS, _DECAY = 4, 0.6  # of every note of a profile; each is this much of the one before
_FRAME_SECONDS = 0.512
_F_MIN, _F_LOW, _F_HIGH, _F_MAX = 60.0, 120.0, 800.0, 2000.0  # peaks between low and high count in full
_EXPONENT = 0.7  # of magnitudes
_QUIETEST_PEAK = 0.01  # of the highest in its frame
_QUIETEST_FRAME = 1e-3  # of the loudest; quieter ones count less
_STEPS = 10  # to a semitone
_BLOCK = 32  # frames transformed together
_WEIGHTS = (-7.55, 5.02, 9.14)  # of the confidence: constant, margin, likeness of the quarters
_LEAST_CONFIDENCE = 0.15


@dataclass(frozen=True, order=True)
class Key:
    """A major or minor key.

    Parameters
    ----------
    tonic : semitones above C, from 0 to 11
    mode : "major" or "minor"

    Raises
    ------
    UsageError
        If there is no such tonic or mode.

    Examples
    --------
    >>> key = Key.parse("Gb minor")
    >>> key.name, key.initial, key.camelot, key.open_key
    ('F# minor', 'F#m', '11A', '4m')
    >>> [other.camelot for other in key.compatible]
    ['11A', '11B', '10A', '12A']
    """

    tonic: int
    mode: Mode

    def __post_init__(self) -> None:
        if self.tonic not in range(12) or self.mode not in ("major", "minor"):
            raise UsageError(
                f"tonic={self.tonic!r}, mode={self.mode!r}", hint="a tonic is from 0 (C) to 11 (B), in major or minor"
            )

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a key in any notation: "F#m", "Gb minor", "A:min", "fis-moll", "11A" (Camelot), "4m" (Open Key).

        Parameters
        ----------
        text : major where no mode is said; "♯" and "♭" are read, "B" is German where the mode is ("B-dur" is Bb major)

        Raises
        ------
        InputError
            If it is no key.
        """
        wheel = _WHEEL.fullmatch(text.strip())
        if wheel:
            number, letter = int(wheel[1]), wheel[2].lower()
            fifths = number - 8 if letter in "ab" else number - 1  # above C major or A minor
            minor = letter in "am"
            return cls((7 * fifths + (9 if minor else 0)) % 12, "minor" if minor else "major")
        plain = re.sub(r"[\s-]*sharp", "#", re.sub(r"[\s-]*flat", "b", text.strip(), flags=re.I), flags=re.I)
        note = _NOTE.fullmatch(plain.replace("♯", "#").replace("♭", "b"))
        key = _from_note(*note.groups()) if note else None
        if key is None:
            raise InputError(f"{text!r} is no key", hint='write it as "F#m", "F# minor", "11A" or "4m"')
        return cls(*key)

    @property
    def tonic_name(self) -> str:
        """The tonic as it is written most often, such as "Eb"."""
        return (_MAJOR_NAMES if self.mode == "major" else _MINOR_NAMES)[self.tonic]

    @property
    def name(self) -> str:
        """Such as "F# minor"."""
        return f"{self.tonic_name} {self.mode}"

    @property
    def initial(self) -> str:
        """Such as "F#m": what ID3's TKEY and DJ tools take."""
        return self.tonic_name + ("m" if self.mode == "minor" else "")

    @property
    def camelot(self) -> str:
        """Place on the Camelot wheel, such as "11A"; A is minor. Neighbours mix well."""
        return f"{(self._fifths + 7) % 12 + 1}{'A' if self.mode == 'minor' else 'B'}"

    @property
    def open_key(self) -> str:
        """Place on the Open Key wheel, such as "4m"; d is major."""
        return f"{self._fifths % 12 + 1}{'m' if self.mode == 'minor' else 'd'}"

    @property
    def _fifths(self) -> int:
        """Fifths from C up to the tonic of this key, or of its relative major."""
        return 7 * (self.tonic + (3 if self.mode == "minor" else 0)) % 12

    @property
    def relative(self) -> "Key":
        """The key with the same notes: A minor of C major, and the other way round."""
        if self.mode == "major":
            return Key((self.tonic + 9) % 12, "minor")
        return Key((self.tonic + 3) % 12, "major")

    @property
    def compatible(self) -> tuple["Key", ...]:
        """The keys that mix well: this one, its relative, and those a fifth below and above."""
        below, above = (Key((self.tonic + step) % 12, self.mode) for step in (5, 7))
        return self, self.relative, below, above

    def __str__(self) -> str:
        return self.name


def _from_note(letter: str, shift: str, word: str) -> tuple[int, Mode] | None:
    mode = _MODES.get(word) or _MODES.get(word.lower())
    if mode is None:
        return None
    letter, german = letter.upper(), word.lower() in ("dur", "moll")
    shift = re.sub("is", "#", re.sub("e?s", "b", re.sub("is", "#", shift)))
    if letter == "H":
        letter = "B"
    elif letter == "B" and german and not shift:
        shift = "b"
    return ((_LETTERS[letter] + _SHIFTS[shift]) % 12, mode) if shift in _SHIFTS else None


@dataclass(frozen=True)
class KeyEstimate:
    """The key of a track.

    Parameters
    ----------
    key : None where there is none
    confidence : chance that it is right, the relative and the neighbouring keys being wrong; 0 where there is none
    tuning_cents : how far above A = 440 Hz the music is tuned, from -50 to 50
    """

    key: Key | None = None
    confidence: float = 0.0
    tuning_cents: float = 0.0


def estimate_key(waveform: NDArray[np.float32], sample_rate: int) -> KeyEstimate:
    """Find the key.

    Parameters
    ----------
    waveform : shape (n_samples,), in [-1, 1]; 60 to 120 s are enough
    sample_rate : Hz, at least 4000

    Returns
    -------
    no key, with confidence 0, where there are no lasting tones (silence, noise, drums) and of less than 5 s

    Raises
    ------
    InputError
        If the waveform is not one row, or holds a NaN or an infinity.
    UsageError
        If the sample rate is too low.
    MissingExtraError
        If scipy is not installed.

    Notes
    -----
    One key for all. Modes other than major and minor come out as the one that is nearest. The confidence was fitted on
    rendered music of known key (`benchmarks/tempo_and_key.py`), of which 87 % come out right.

    Examples
    --------
    >>> t = np.arange(6 * 16000) / 16000
    >>> chords = [(220, 262, 330), (294, 349, 440), (330, 415, 494), (220, 262, 330)]  # Am, Dm, E, Am
    >>> tones = [sum(np.sin(2 * np.pi * f * t[:24000]) for f in chord) / 3 for chord in chords]
    >>> estimate_key(np.concatenate(tones).astype(np.float32), 16000).key.name
    'A minor'
    """
    if sample_rate < 4000:
        raise UsageError(f"sample_rate={sample_rate}", hint="the key needs at least 4000 Hz; resample first")
    if np.shape(waveform) == (0,):
        return KeyEstimate()
    samples = checked(waveform, 0, "")
    if len(samples) < LEAST_SECONDS * sample_rate or not samples.any():
        return KeyEstimate()
    fine = _fine_pitch_classes(samples, sample_rate)  # (T, 12 * _STEPS)
    angle = np.angle(fine.sum(axis=0) @ np.exp(2j * np.pi * np.arange(12 * _STEPS) / _STEPS))
    tuning = float(angle) / (2 * np.pi)  # semitones
    best, confidence = _best_key(_pitch_classes(fine, tuning))
    if confidence < _LEAST_CONFIDENCE:
        return KeyEstimate()
    return KeyEstimate(Key(best % 12, "major" if best < 12 else "minor"), confidence, 100 * tuning)


def _fine_pitch_classes(samples: NDArray[np.float32], sample_rate: int) -> Values:
    """Collect the peaks of every frame by pitch class, a tenth of a semitone fine.

    Returns
    -------
    shape (T, 12 * _STEPS), from C on; frames follow each other at half their length
    """
    fft = _scipy_fft()
    size = int(fft.next_fast_len(round(_FRAME_SECONDS * sample_rate), real=True))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    first = math.floor(_F_MIN * size / sample_rate)
    last = min(math.ceil(_F_MAX * size / sample_rate), size // 2 - 1)
    window = np.hanning(size).astype(np.float32)
    magnitude = np.empty((len(frames), last - first + 3), dtype=np.float32)  # one bin more at both ends
    loudest = np.empty((len(frames), 1), dtype=np.float32)
    for begin in range(0, len(frames), _BLOCK):
        spectrum = np.abs(fft.rfft(frames[begin : begin + _BLOCK] * window))
        magnitude[begin : begin + _BLOCK] = spectrum[:, first - 1 : last + 2]
        loudest[begin : begin + _BLOCK] = spectrum.max(axis=1, keepdims=True)
    below, at, above = magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:]
    frame, bin_ = np.nonzero((at > below) & (at >= above) & (at > _QUIETEST_PEAK * loudest))
    tiny = np.finfo(np.float32).tiny
    left, middle, right = (np.log(np.maximum(part[frame, bin_], tiny)) for part in (below, at, above))
    # a Hann window's peak is nearly a parabola in logarithms
    offset = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-6)
    height = np.exp(middle - 0.25 * (left - right) * offset)
    frequency = (bin_ + first + np.clip(offset, -0.5, 0.5)) * sample_rate / size
    step = np.round((12 * np.log2(frequency / 440.0) + 9) * _STEPS).astype(np.intp) % (12 * _STEPS)
    weights = height**_EXPONENT * _fade(frequency)
    collected = np.bincount(frame * 12 * _STEPS + step, weights=weights, minlength=len(frames) * 12 * _STEPS)
    return np.asarray(collected.reshape(len(frames), 12 * _STEPS))


def _fade(frequency: Values) -> Values:
    """Weigh frequencies: 1 in the middle, down to 0 at both ends, so that no note stands on an edge."""
    rise = np.log(frequency / _F_MIN) / math.log(_F_LOW / _F_MIN)
    fall = np.log(_F_MAX / frequency) / math.log(_F_MAX / _F_HIGH)
    return np.asarray(np.sin(np.pi / 2 * np.clip(np.minimum(rise, fall), 0.0, 1.0)) ** 2)


def _pitch_classes(fine: Values, tuning: float) -> Values:
    """Join steps to semitones that are `tuning` semitones above A = 440 Hz: (T, 12 * _STEPS) to (T, 12).

    Every frame is brought to the same sum, unless it is far quieter than the loudest.
    """
    steps = np.arange(12 * _STEPS)[:, None] / _STEPS - tuning
    distance = (steps - np.arange(12) + 6) % 12 - 6
    near = np.where(np.abs(distance) < 0.5, np.cos(np.pi * distance) ** 2, 0.0)
    classes = fine @ near
    sums = classes.sum(axis=1, keepdims=True)
    return np.asarray(classes / np.maximum(sums, max(_QUIETEST_FRAME * sums.max(), 1e-12)))


@lru_cache(maxsize=1)
def _templates() -> Values:
    """Profiles of the 24 keys with the harmonics of their notes, mean 0 and length 1: shape (24, 12), major first."""
    rows = []
    for profile in _PROFILES:
        harmonics = sum(_DECAY**n * np.roll(profile, round(12 * math.log2(n + 1)) % 12) for n in range(_N_HARMONICS))
        rows += [np.roll(harmonics, tonic) for tonic in range(12)]
    centred = np.array(rows) - np.mean(rows, axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def _similarity(classes: Values) -> Values:
    """Correlate pitch classes, shape (12,), with the 24 keys."""
    centred = classes - classes.mean()
    return np.asarray(_templates() @ centred / max(float(np.linalg.norm(centred)), 1e-12))


def _best_key(classes: Values) -> tuple[int, float]:
    """Choose the key of pitch classes over time, shape (T, 12).

    Returns
    -------
    its row among the templates; and its confidence, by a logistic regression on how far it stands above the next best
    key, and on how like it the four quarters of the whole are
    """
    similar = _similarity(classes.sum(axis=0))
    best = int(similar.argmax())
    margin = float(similar[best] - np.delete(similar, best).max())
    quarters = [_similarity(part.sum(axis=0))[best] for part in np.array_split(classes, 4)]
    constant, of_margin, of_quarters = _WEIGHTS
    logit = constant + of_margin * math.sqrt(min(margin, 0.3)) + of_quarters * float(np.mean(quarters))
    return best, 1.0 / (1.0 + math.exp(-logit))


@lru_cache(maxsize=1)
def _scipy_fft() -> Any:
    try:
        return import_module("scipy.fft")
    except ImportError as error:
        raise MissingExtraError("the key of a track", "library") from error
