"""Front ends in numpy: from the waveform to a time-frequency picture, without torch.

They bear the names and the parameters of the modules in `earmark.audio.frontends` and compute the same numbers, for
features that are stored rather than trained through. A call is the work of one thread, so that callers may run several.

Within 90 dB of the loudest value, decibels of real music lie within 0.003 dB of a float64 computation; in what is
quieter the rounding of a float32 Fourier transform shows (0.3 dB in a bin 130 dB down).

References
----------
Those of `earmark.audio.frontends` and `earmark.audio.constant_q`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.audio.constant_q import C1, ConstantQ, constant_q_power
from earmark.audio.filters import (
    COMPRESSION,
    POWER_FLOOR,
    UNIT_RANGE_DB,
    MelScale,
    Scaling,
    check_scaling,
    dct_basis,
    warn_of_empty_bands,
)
from earmark.audio.mel_power import PowerMel, checked
from earmark.audio.scratch import PRODUCT_SIZE
from earmark.registry import Registry

Waveform = NDArray[np.float32]
Picture = NDArray[np.float32]


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


_ROUNDED_TOGETHER = 1 << 15  # values, which stay in the cache

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
    if isinstance(spectrum, ConstantQSpectrum):
        peak = float(spectrum.plan.quality * spectrum.sample_rate / spectrum.plan.f_min) / 4
    elif isinstance(spectrum, MelSpectrum) and spectrum.basis is None:
        peak = spectrum.power.peak
        if spectrum.between is not None:
            peak = float(spectrum.between(np.array([[peak]], dtype=np.float32))[0, 0])
    else:
        return None
    if spectrum.scaling == "unit":
        return 0.0, 1.0
    if spectrum.scaling in ("power", "magnitude"):
        return None
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
        return mel if self.basis is None else self._coefficients(self.basis, mel)

    def _coefficients(self, basis: NDArray[np.float32], mel: Picture) -> Picture:
        coefficients = np.empty((len(basis), mel.shape[1]), dtype=np.float32)
        step = max(1, PRODUCT_SIZE // basis.size)
        for first in range(0, mel.shape[1], step):
            np.matmul(basis, mel[:, first : first + step], out=coefficients[:, first : first + step])
        return coefficients


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
    """Round to the nearest float16, 20 times as fast as numpy converts; a power over 65,504 stays finite."""
    rows = max(1, _ROUNDED_TOGETHER // power.shape[1])
    for first in range(0, len(power), rows):
        part = power[first : first + rows]
        split = part * np.float32(2**13 + 1)  # Veltkamp's splitting keeps 11 bits
        normal = split - (split - part)
        subnormal = (part + np.float32(0.5)) - np.float32(0.5)  # multiples of 2^-24
        part[:] = np.where(part < np.float32(2**-14), subnormal, normal)
    return power


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

    Warns
    -----
    EarmarkWarning
        If bands are empty.
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
    warn_of_empty_bands(power.n_empty, n_mels=n_mels, n_fft=n_fft)
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

    Warns
    -----
    EarmarkWarning
        If bands are empty.
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
    warn_of_empty_bands(power.n_empty, n_mels=n_mels, n_fft=n_fft)
    parameters = {"n_coefficients": n_coefficients, **asdict(power), "range_db": range_db}
    return MelSpectrum(parameters, power, range_db=range_db, basis=dct_basis(n_coefficients, n_mels))


@dataclass(frozen=True)
class ConstantQSpectrum:
    """A scaled constant-Q transform.

    Parameters
    ----------
    parameters : see `Spectrum`
    plan : what is computed
    scaling : see `earmark.audio.filters.Scaling`
    range_db : for "db" and "unit", dB below the loudest value at which to clip, or None
    """

    parameters: dict[str, Any]
    plan: ConstantQ = field(compare=False)
    scaling: Scaling = "db"
    range_db: float | None = None

    def __post_init__(self) -> None:
        check_scaling(self.scaling, self.range_db)

    @property
    def sample_rate(self) -> int:
        """Sample rate that the waveform must have, Hz."""
        return self.plan.sample_rate

    @property
    def n_features(self) -> int:
        """Number of rows, F."""
        return self.plan.n_bins

    @property
    def hop_length(self) -> int:
        """Distance of one column from the next, samples."""
        return self.plan.hop_length

    @property
    def unit(self) -> str:
        """Unit of the values: "dB", or "1"."""
        return "dB" if self.scaling == "db" else "1"

    def __call__(self, waveform: Waveform) -> Picture:
        """Compute the picture, (S,) -> (F, T)."""
        samples = checked(waveform, self.hop_length, f"one hop of {self.hop_length}")
        return scale(constant_q_power(samples, self.plan), self.scaling, range_db=self.range_db)


@SPECTRA.register("cqt")
def cqt(
    *,
    sample_rate: int = 16000,
    hop_length: int = 256,
    f_min: float = C1,
    n_bins: int = 84,
    bins_per_octave: int = 12,
    scaling: Scaling = "db",
    range_db: float | None = None,
) -> Spectrum:
    """Build the constant-Q transform, see `earmark.audio.constant_q`.

    Parameters
    ----------
    sample_rate : Hz
    hop_length : samples; the more often it can be halved, the faster
    f_min : Hz; C1 unless given
    scaling : see `earmark.audio.filters.Scaling`; the power is the squared magnitude
    range_db : for "db" and "unit", dB below the loudest value at which to clip; "unit" has 80 unless given
    """
    plan = ConstantQ(
        sample_rate=sample_rate, hop_length=hop_length, f_min=f_min, n_bins=n_bins, bins_per_octave=bins_per_octave
    )
    reach = UNIT_RANGE_DB if scaling == "unit" and range_db is None else range_db
    return ConstantQSpectrum({**asdict(plan), "scaling": scaling, "range_db": reach}, plan, scaling, reach)


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
        return checked(waveform, 1, "one")[None, :]
