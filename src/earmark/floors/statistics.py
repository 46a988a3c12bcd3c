"""What floors hear of a track: statistics of its MFCC and of its spectral contrast over all frames.

They are seven statistics of those that come with FMA, without its chroma, tonnetz and other spectral shapes, which cost
more and, as the paper's table says, add no accuracy to MFCC and contrast (63 % of FMA-medium with and without).

References
----------
Defferrard, M., Benzi, K., Vandergheynst, P., Bresson, X. "FMA: a dataset for music analysis", ISMIR 2017, section 4.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.contrast import SpectralContrast
from earmark.audio.spectra import Spectrum, mfcc
from earmark.errors import InputError, UsageError

STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
REVISION = 1
"""Of the numbers. It is raised when the same parameters and audio give others."""
DELTA_FRAMES = 9  # over which the slope of a coefficient is fitted


@dataclass(frozen=True, kw_only=True)
class TrackStatistics:
    """Compute the statistics of a track.

    Parameters
    ----------
    sample_rate : Hz
    n_coefficients : MFCC, from the zeroth
    n_fft, hop_length : of MFCC and of spectral contrast, samples
    deltas : also statistics of the slopes of the MFCC over nine frames

    Notes
    -----
    D = 7 * (n_coefficients + 7), or 7 * (2 * n_coefficients + 7) with slopes: 189 as it is, 140 of MFCC and 49 of
    contrast. Statistic stands beside statistic: the means of all rows, then their deviations, and so on. Audio that is
    shorter than one frame is filled up with zeros. Kurtosis is excess kurtosis; skew and kurtosis are those of a
    population, and 0 where a row is constant, where scipy has NaN.

    Examples
    --------
    >>> statistics = TrackStatistics()
    >>> statistics.n_features, statistics.names[0], statistics.names[-1]
    (189, 'mfcc_0 mean', 'contrast_6 max')
    """

    sample_rate: int = 16000
    n_coefficients: int = 20
    n_fft: int = 2048
    hop_length: int = 512
    deltas: bool = False

    def __post_init__(self) -> None:
        if self.n_coefficients < 1:
            raise UsageError(f"n_coefficients={self.n_coefficients}, expected 1 or more")
        _ = self._mfcc, self._contrast

    @cached_property
    def _mfcc(self) -> Spectrum:
        return mfcc(
            sample_rate=self.sample_rate,
            n_coefficients=self.n_coefficients,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
        )

    @cached_property
    def _contrast(self) -> SpectralContrast:
        return SpectralContrast(sample_rate=self.sample_rate, n_fft=self.n_fft, hop_length=self.hop_length)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter by name."""
        return asdict(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the D features."""
        rows = [f"mfcc_{number}" for number in range(self.n_coefficients)]
        rows += [f"delta_{number}" for number in range(self.n_coefficients)] if self.deltas else []
        rows += [f"contrast_{number}" for number in range(self._contrast.n_bands)]
        return tuple(f"{row} {statistic}" for statistic in STATISTICS for row in rows)

    @property
    def n_features(self) -> int:
        """Number of features, D."""
        return len(self.names)

    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the features.

        Parameters
        ----------
        waveform : shape (S,), in [-1, 1]

        Returns
        -------
        shape (D,)

        Raises
        ------
        InputError
            If the waveform is not one row of samples, is empty, or holds a NaN or an infinity.
        MissingExtraError
            If scipy is not installed.
        """
        if waveform.ndim != 1 or not len(waveform):
            raise InputError(f"a waveform of shape {waveform.shape}, expected one row of samples")
        samples = np.pad(waveform, (0, max(0, self.n_fft - len(waveform))))
        cepstrum = self._mfcc(samples)  # (n_coefficients, T)
        rows = [cepstrum, slopes(cepstrum)] if self.deltas else [cepstrum]
        return summary(np.concatenate([*rows, self._contrast(samples)])).astype(np.float32).ravel()


def summary(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute `STATISTICS` of every row.

    Parameters
    ----------
    rows : shape (F, T)

    Returns
    -------
    shape (7, F)
    """
    wide = rows.astype(np.float64)
    mean = wide.mean(axis=1)
    centred = wide - mean[:, None]
    square = centred * centred
    variance = square.mean(axis=1)
    # scipy.stats takes for constant what varies by no more than rounding does
    varies = variance > (np.finfo(np.float64).eps * mean) ** 2
    safe = np.where(varies, variance, 1.0)
    skew = np.where(varies, (square * centred).mean(axis=1) / safe**1.5, 0.0)
    kurtosis = np.where(varies, (square * square).mean(axis=1) / safe**2 - 3.0, 0.0)
    return np.stack(
        [mean, np.sqrt(variance), skew, kurtosis, np.median(wide, axis=1), wide.min(axis=1), wide.max(axis=1)]
    )


def slopes(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit a line through nine frames around each frame, and return how it rises per frame; as `librosa.feature.delta`.

    Parameters
    ----------
    rows : shape (F, T); with fewer than nine frames every slope is 0

    Returns
    -------
    shape (F, T)
    """
    if rows.shape[1] < DELTA_FRAMES:
        return np.zeros_like(rows)
    signal = import_module("scipy.signal")
    found: NDArray[np.float32] = signal.savgol_filter(rows, DELTA_FRAMES, polyorder=1, deriv=1, mode="interp")
    return found.astype(np.float32)
