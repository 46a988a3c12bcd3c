"""Front ends in numpy: from the waveform to a time-frequency picture, without torch.

They bear the names and the parameters of the modules in `earmark.audio.frontends` and compute the same numbers, for
features that are stored rather than trained through. A call is the work of one thread, so that callers may run several.

References
----------
Those of `earmark.audio.frontends` and `earmark.audio.constant_q`.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import (
    COMPRESSION,
    POWER_FLOOR,
    UNIT_RANGE_DB,
    MelScale,
    Scaling,
    check_scaling,
    dct_basis,
    frame_window,
    mel_filter_bank,
)
from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.registry import Registry

Waveform = NDArray[np.float32]
Picture = NDArray[np.float32]

# Frames that are windowed, transformed and squared together: with a frame of 512 samples they stay in a 1 MB cache.
_BLOCK_SAMPLES = 1 << 16
# Multiply-adds up to which OpenBLAS keeps a product on the calling thread (its SMP threshold).
_PRODUCT_SIZE = 1 << 18


class Spectrum(Protocol):
    """What computes a time-frequency picture of a waveform."""

    @property
    def sample_rate(self) -> int:
        """Sample rate that the waveform must have, Hz."""

    @property
    def n_features(self) -> int:
        """Number of rows, F."""

    @property
    def hop_length(self) -> int:
        """Distance of one column from the next, samples."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter by name, with the values that defaults stand for; numbers, words and None only."""

    @property
    def unit(self) -> str:
        """Unit of the values: "dB", or "1"."""

    def __call__(self, waveform: Waveform) -> Picture:
        """Compute the picture.

        Parameters
        ----------
        waveform : shape (S,), in [-1, 1]

        Returns
        -------
        shape (F, T)

        Raises
        ------
        InputError
            If the waveform is not one row, is too short, or holds a NaN or an infinity.
        """


SPECTRA: Registry[Spectrum] = Registry("front end")


def default_range(spectrum: Spectrum) -> tuple[float, float] | None:
    """Tell which values a picture shall show from dark to light.

    For decibels and other logarithms: from 90 dB below a full-scale sine up to it.

    Parameters
    ----------
    spectrum : a front end of `SPECTRA`

    Returns
    -------
    lowest and highest value, or None where only the data can tell
    """
    if isinstance(spectrum, Raw):
        return -1.0, 1.0
    if not isinstance(spectrum, MelSpectrum) or spectrum.basis is not None:
        return None
    if spectrum.scaling == "unit":
        return 0.0, 1.0
    if spectrum.scaling in ("power", "magnitude"):
        return None
    peak = spectrum.power.peak
    if spectrum.between is not None:
        peak = float(spectrum.between(np.array([peak], dtype=np.float32))[0])
    low, high = scale(np.array([max(peak * 1e-9, POWER_FLOOR), peak], dtype=np.float32), spectrum.scaling)
    return float(low), float(high)


def scale(power: NDArray[np.float32], scaling: Scaling, *, range_db: float | None = None) -> NDArray[np.float32]:
    """Scale a power in place.

    Parameters
    ----------
    power : any shape; overwritten
    scaling : see `earmark.audio.filters.Scaling`
    range_db : for "db" and "unit", dB below the loudest value at which to clip

    Returns
    -------
    `power`, scaled
    """
    if scaling == "compressed":
        power *= np.float32(COMPRESSION)
        power += np.float32(1.0)
        return np.log10(power, out=power)
    if scaling == "magnitude":
        return np.sqrt(power, out=power)
    if scaling == "power":
        return power
    np.log(np.maximum(power, np.float32(POWER_FLOOR), out=power), out=power)
    if scaling == "log":
        return power
    power *= np.float32(10.0 / np.log(10.0))
    reach = UNIT_RANGE_DB if scaling == "unit" and range_db is None else range_db
    if reach is None:
        return power
    lowest = power.max() - np.float32(reach)
    np.maximum(power, lowest, out=power)
    if scaling == "unit":
        power -= lowest
        power /= np.float32(reach)
    return power


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
    output it needs less than 2 MB whatever the length. In a frame the cost is the Fourier transform's; the filters are
    multiplied in groups of neighbours, each over the bins that it covers.
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
        return _Filters(_rfft(), window, list(_groups(bank, _PRODUCT_SIZE // block)), block)

    @property
    def peak(self) -> float:
        """Largest power that a sine of amplitude 1 gives."""
        window, groups = self._filters.window, self._filters.groups
        highest = max((float(group.weights.max(initial=0.0)) for group in groups), default=0.0)
        return highest * float(window.sum() / 2) ** 2

    def __call__(self, waveform: Waveform) -> Picture:
        """Return the mel power of `waveform`, (S,) -> (n_mels, T)."""
        samples = _checked(waveform, self.n_fft, f"one frame of {self.n_fft}")
        pad = self.n_fft // 2 if self.center else 0
        n_frames = 1 + (len(samples) + 2 * pad - self.n_fft) // self.hop_length
        mel = np.empty((self.n_mels, n_frames), dtype=np.float32)
        first = 0
        for frames in _frames(samples, self.n_fft, self.hop_length, pad):
            self._fill(mel[:, first : first + len(frames)], frames)
            first += len(frames)
        return mel

    def _fill(self, mel: Picture, frames: NDArray[np.float32]) -> None:
        """Write the mel power of `frames`, (T, n_fft), into `mel`, (n_mels, T), block by block."""
        rfft, window, groups, block = self._filters
        windowed = np.empty((min(block, len(frames)), self.n_fft), dtype=np.float32)
        power = np.empty((len(windowed), self.n_fft // 2 + 1), dtype=np.float32)
        for begin in range(0, len(frames), block):
            n = min(block, len(frames) - begin)
            np.multiply(frames[begin : begin + n], window, out=windowed[:n])
            np.absolute(rfft(windowed[:n]), out=power[:n])
            np.square(power[:n], out=power[:n])
            for rows, bins, weights in groups:
                np.matmul(weights, power[:n, bins].T, out=mel[rows, begin : begin + n])


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


def _frames(samples: Waveform, n_fft: int, hop_length: int, pad: int) -> Iterator[NDArray[np.float32]]:
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


def _strided(samples: Waveform, n_fft: int, hop_length: int) -> NDArray[np.float32]:
    return np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]


def _checked(waveform: Waveform, least: int, what: str) -> Waveform:
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    if samples.ndim != 1:
        raise InputError(f"a waveform of shape {samples.shape} is not one row of samples", hint="mix it down to mono")
    if len(samples) < least:
        raise InputError(f"{len(samples)} samples are fewer than {what}")
    # NaN passes through both reductions; they are the cheapest look at every sample
    if not (np.isfinite(samples.min()) and np.isfinite(samples.max())):
        raise InputError("the waveform holds a NaN or an infinity", hint="decode it again, or leave the file out")
    return samples


@dataclass(frozen=True)
class MelSpectrum:
    """A scaled mel power, or cepstral coefficients of it.

    Parameters
    ----------
    parameters : see `Spectrum`
    power : computes the mel power
    scaling : see `earmark.audio.filters.Scaling`
    range_db : for "db" and "unit", dB below the loudest value at which to clip, or None
    between : what is done to the power before it is scaled, or None
    basis : shape (F, n_mels), what the scaled power is multiplied with, or None
    """

    parameters: dict[str, Any]
    power: PowerMel = field(compare=False)
    scaling: Scaling = "db"
    range_db: float | None = None
    between: Callable[[Picture], Picture] | None = None
    basis: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_scaling(self.scaling, self.range_db)

    @property
    def sample_rate(self) -> int:
        """Sample rate that the waveform must have, Hz."""
        return self.power.sample_rate

    @property
    def n_features(self) -> int:
        """Number of rows, F."""
        return self.power.n_mels if self.basis is None else len(self.basis)

    @property
    def hop_length(self) -> int:
        """Distance of one column from the next, samples."""
        return self.power.hop_length

    @property
    def unit(self) -> str:
        """Unit of the values: "dB", or "1"."""
        return "dB" if self.scaling == "db" else "1"

    def __call__(self, waveform: Waveform) -> Picture:
        """Compute the picture, (S,) -> (F, T)."""
        mel = self.power(waveform)
        if self.between is not None:
            mel = self.between(mel)
        mel = scale(mel, self.scaling, range_db=self.range_db)
        return mel if self.basis is None else np.matmul(self.basis, mel)


@SPECTRA.register("musicnn")
def musicnn(*, center: bool = True) -> Spectrum:
    """Build the front end of musicnn: log10(1 + 10000 x) of the mel power, rounded to float16 first."""
    power = PowerMel(sample_rate=16000, center=center)
    return MelSpectrum({"center": center}, power, "compressed", between=_rounded_to_half)


@SPECTRA.register("won")
def won(*, n_mels: int = 96) -> Spectrum:
    """Build the front end of Won et al. 2020: decibels of the HTK mel power at 16 kHz."""
    return MelSpectrum({"n_mels": n_mels}, PowerMel(sample_rate=16000, n_mels=n_mels, mel_scale="htk", mel_norm=None))


@SPECTRA.register("choi")
def choi() -> Spectrum:
    """Build the front end of Choi et al. 2017: decibels of the mel power squared once more at 12 kHz, 80 dB range."""
    return MelSpectrum({}, PowerMel(sample_rate=12000), range_db=80.0, between=_squared)


def _rounded_to_half(power: Picture) -> Picture:
    return power.astype(np.float16).astype(np.float32)


def _squared(power: Picture) -> Picture:
    return np.square(power, out=power)


@SPECTRA.register("log_mel")
def log_mel(
    *,
    sample_rate: int = 16000,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int = 256,
    n_mels: int = 128,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "slaney",
    mel_norm: Literal["slaney"] | None = "slaney",
    center: bool = True,
    scaling: Scaling = "db",
    range_db: float | None = None,
) -> Spectrum:
    """Build a plain log-mel, every parameter free.

    Parameters
    ----------
    sample_rate, n_fft, win_length, hop_length, n_mels, f_min, f_max, mel_scale, mel_norm, center : see `PowerMel`
    scaling : see `earmark.audio.filters.Scaling`
    range_db : for "db" and "unit", dB below the loudest value at which to clip; "unit" has 80 unless given
    """
    power = PowerMel(
        sample_rate=sample_rate,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=hop_length,
        n_mels=n_mels,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        mel_norm=mel_norm,
        center=center,
    )
    reach = UNIT_RANGE_DB if scaling == "unit" and range_db is None else range_db
    return MelSpectrum({**asdict(power), "scaling": scaling, "range_db": reach}, power, scaling, reach)


@SPECTRA.register("mfcc")
def mfcc(
    *,
    sample_rate: int = 16000,
    n_coefficients: int = 20,
    n_fft: int = 2048,
    win_length: int | None = None,
    hop_length: int = 512,
    n_mels: int = 128,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "slaney",
    mel_norm: Literal["slaney"] | None = "slaney",
    center: bool = True,
    range_db: float | None = 80.0,
) -> Spectrum:
    """Build mel-frequency cepstral coefficients: the orthonormal DCT-II of the log-mel in dB.

    Parameters
    ----------
    n_coefficients : rows of the result
    sample_rate, n_fft, win_length, hop_length, n_mels, f_min, f_max, mel_scale, mel_norm, center : see `PowerMel`
    range_db : dB below the loudest value at which the log-mel is clipped, or None
    """
    power = PowerMel(
        sample_rate=sample_rate,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=hop_length,
        n_mels=n_mels,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        mel_norm=mel_norm,
        center=center,
    )
    parameters = {"n_coefficients": n_coefficients, **asdict(power), "range_db": range_db}
    return MelSpectrum(parameters, power, range_db=range_db, basis=dct_basis(n_coefficients, n_mels))


@SPECTRA.register("raw")
@dataclass(frozen=True, kw_only=True)
class Raw:
    """The waveform itself as one row.

    Parameters
    ----------
    sample_rate : Hz
    """

    sample_rate: int = 16000
    n_features: ClassVar[int] = 1
    hop_length: ClassVar[int] = 1
    unit: ClassVar[str] = "1"

    @property
    def parameters(self) -> dict[str, Any]:
        """See `Spectrum`."""
        return asdict(self)

    def __call__(self, waveform: Waveform) -> Picture:
        """Return the waveform with a frequency axis of one, (S,) -> (1, S)."""
        return _checked(waveform, 1, "one")[None, :]
