"""Filter banks and bases of time-frequency front ends, as numpy arrays.

Front ends (`earmark.audio.frontends`) and the runtime take their constants from here, so that both compute the same.

References
----------
Slaney, M. "Auditory Toolbox, version 2", Interval Research 1998-010 (the "slaney" mel scale).
Young, S. et al. "The HTK Book", 2006, section 5.4 (the "htk" mel scale).
"""

import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkWarning, UnknownNameError, UsageError

MelScale = Literal["slaney", "htk"]

Scaling = Literal["db", "unit", "log", "compressed", "magnitude", "power"]
"""What is shown of a power x: "db", 10 log10 x; "unit", those decibels below the loudest, of which a range (80 dB)
is mapped to [0, 1]; "log", ln x; "compressed", log10(1 + 10000 x); "magnitude", sqrt x; "power", x itself. "db", "unit"
and "log" take no less than `POWER_FLOOR`."""

POWER_FLOOR = 1e-10
COMPRESSION = 10000.0
UNIT_RANGE_DB = 80.0

# Slaney's scale: linear below 1 kHz (15 mel there), then 27 logarithmic steps for a factor of 6.4.
_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Convert frequencies to mel.

    Parameters
    ----------
    frequency : any shape, Hz
    scale : "slaney" or "htk"

    Returns
    -------
    same shape, mel

    Examples
    --------
    >>> hz_to_mel(np.array([0.0, 1000.0, 6400.0])).round(6).tolist()
    [0.0, 15.0, 42.0]
    """
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + frequency / 700.0))
    linear = frequency / _SLANEY_HZ_PER_MEL
    logarithmic = _SLANEY_BREAK_MEL + np.log(np.maximum(frequency, 1e-10) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.where(frequency >= _SLANEY_BREAK_HZ, logarithmic, linear)


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Convert mel to frequencies in Hz, the inverse of `hz_to_mel`.

    Parameters
    ----------
    mel : any shape
    scale : "slaney" or "htk"

    Returns
    -------
    same shape, Hz
    """
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    linear = mel * _SLANEY_HZ_PER_MEL
    logarithmic = _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_BREAK_MEL))
    return np.where(mel >= _SLANEY_BREAK_MEL, logarithmic, linear)


def mel_filter_bank(
    sample_rate: int,
    *,
    n_fft: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    scale: MelScale = "slaney",
    norm: Literal["slaney"] | None = "slaney",
) -> NDArray[np.float32]:
    """Build triangular filters, equally spaced on a mel scale.

    Parameters
    ----------
    sample_rate : Hz
    n_fft : samples
    f_min, f_max : Hz; `f_max` is half the sample rate unless given
    scale : "slaney" or "htk"
    norm : "slaney" gives every filter the area 1 (in Hz), None the height 1

    Returns
    -------
    shape (n_mels, 1 + n_fft // 2)

    Raises
    ------
    UsageError
        If the frequencies are not 0 <= f_min < f_max <= sample_rate / 2.
    """
    top = sample_rate / 2 if f_max is None else f_max
    if not 0 <= f_min < top <= sample_rate / 2:
        raise UsageError(f"f_min={f_min} and f_max={top} Hz must lie in order between 0 and {sample_rate / 2} Hz")
    ends = hz_to_mel(np.array([f_min, top], dtype=np.float64), scale)
    corners = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2), scale)  # (n_mels + 2,)
    bins = np.linspace(0.0, sample_rate / 2, 1 + n_fft // 2)  # (F,)
    slopes = corners[:, None] - bins[None, :]
    widths = np.diff(corners)
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    bank = np.maximum(0.0, np.minimum(rising, falling))  # (n_mels, F)
    if norm == "slaney":
        bank *= (2.0 / (corners[2:] - corners[:-2]))[:, None]
    return bank.astype(np.float32)


def warn_of_empty_bands(n_empty: int, *, n_mels: int, n_fft: int) -> None:
    """Warn if mel bands hear nothing: they are so narrow that they lie between two frequencies of the transform.

    Parameters
    ----------
    n_empty : filters that are zero everywhere
    n_mels : all filters
    n_fft : samples

    Warns
    -----
    EarmarkWarning
        If `n_empty` is not 0.
    """
    if n_empty:
        what = "band is" if n_empty == 1 else "bands are"
        text = f"{n_empty} of {n_mels} mel {what} empty, narrower than the frequencies of n_fft={n_fft} lie apart"
        warnings.warn(f"{text}: raise n_fft or lower n_mels", EarmarkWarning, stacklevel=4)


def hann_window(length: int) -> NDArray[np.float64]:
    """Return the periodic Hann window.

    Parameters
    ----------
    length : samples

    Returns
    -------
    shape (length,)
    """
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length))


def frame_window(n_fft: int, win_length: int | None = None) -> NDArray[np.float64]:
    """Return the Hann window of a frame, with zeros on both sides where it is shorter than the frame.

    Parameters
    ----------
    n_fft : samples of the frame
    win_length : samples of the window; `n_fft` unless given

    Returns
    -------
    shape (n_fft,)

    Raises
    ------
    UsageError
        If `n_fft` is not even and positive, or not 0 < win_length <= n_fft.
    """
    length = n_fft if win_length is None else win_length
    if n_fft < 2 or n_fft % 2:
        raise UsageError(f"n_fft={n_fft} must be even and positive")
    if not 0 < length <= n_fft:
        raise UsageError(f"win_length={length} must lie between 1 and n_fft={n_fft}")
    before = (n_fft - length) // 2
    return np.pad(hann_window(length), (before, n_fft - length - before))


def check_scaling(scaling: str, range_db: float | None) -> None:
    """Raise `UsageError` if there is no such `Scaling`, or if it takes no `range_db`."""
    if scaling not in get_args(Scaling):
        raise UsageError(f"scaling={scaling!r} is none of {', '.join(get_args(Scaling))}")
    if range_db is not None and scaling not in ("db", "unit"):
        raise UsageError(f"scaling={scaling!r} takes no range_db", hint="it clips scaling='db' and scaling='unit'")
    if range_db is not None and not range_db > 0:
        raise UsageError(f"range_db={range_db} must be positive")


def windowed_dft_basis(n_fft: int, win_length: int | None = None) -> NDArray[np.float32]:
    """Return the Hann-windowed Fourier basis: first the cosines, then the sines.

    A frame times this basis is its short-time spectrum: the real parts, then the imaginary ones.

    Parameters
    ----------
    n_fft : samples
    win_length : samples of the window; `n_fft` unless given

    Returns
    -------
    shape (2 * (1 + n_fft // 2), n_fft)
    """
    window = frame_window(n_fft, win_length)
    # The angle is reduced modulo one turn in integers, so that large products lose no precision.
    turns = np.outer(np.arange(1 + n_fft // 2), np.arange(n_fft)) % n_fft
    angles = 2.0 * np.pi * turns / n_fft
    return np.concatenate([np.cos(angles) * window, -np.sin(angles) * window]).astype(np.float32)


def dct_basis(n_coefficients: int, n_inputs: int) -> NDArray[np.float32]:
    """Return the orthonormal DCT-II basis.

    Parameters
    ----------
    n_coefficients : rows, the number of cepstral coefficients
    n_inputs : columns, the number of mel bands

    Returns
    -------
    shape (n_coefficients, n_inputs)
    """
    order = np.arange(n_coefficients)[:, None]
    basis = np.cos(np.pi * order * (np.arange(n_inputs)[None, :] + 0.5) / n_inputs) * np.sqrt(2.0 / n_inputs)
    basis[0] /= np.sqrt(2.0)
    return np.asarray(basis, dtype=np.float32)


def frontend_constants(frontend: str) -> dict[str, NDArray[np.float32]]:
    """Return the constants of a published front end by the names that its module gives them.

    Exported graphs are stored without them; the runtime fills them in.

    Parameters
    ----------
    frontend : "musicnn", "won" or "choi"

    Returns
    -------
    "power.basis", shape (2 * (1 + n_fft // 2), 1, n_fft), and "power.bank", shape (n_mels, 1 + n_fft // 2)

    Raises
    ------
    UnknownNameError
        If the front end has no published constants.
    """
    if frontend not in _PUBLISHED_BANKS:
        raise UnknownNameError("published front end", frontend, _PUBLISHED_BANKS)
    sample_rate, scale, norm = _PUBLISHED_BANKS[frontend]
    bank = mel_filter_bank(sample_rate, n_fft=512, n_mels=96, scale=scale, norm=norm)
    return {"power.basis": windowed_dft_basis(512)[:, None, :], "power.bank": bank}


_PUBLISHED_BANKS: dict[str, tuple[int, MelScale, Literal["slaney"] | None]] = {
    "musicnn": (16000, "slaney", "slaney"),
    "won": (16000, "htk", None),
    "choi": (12000, "slaney", "slaney"),
}
