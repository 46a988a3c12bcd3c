"""What a frequency response says in a few numbers: centre, bandwidths, the share of the band covered, mel or not.

Responses are amplitudes: half the power is 1 / sqrt(2) of the peak. No torch is needed here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import MelScale, hz_to_mel, mel_to_hz
from earmark.errors import InputError

Floats = NDArray[np.float64]

HALF_POWER = float(np.sqrt(0.5))


@dataclass(frozen=True, eq=False, kw_only=True)
class Passbands:
    """What filters pass; every array has shape (C,), in Hz, and is NaN where a filter answers nothing.

    Parameters
    ----------
    peak : frequency of the highest response, between the frequencies measured by a parabola through three of them
    centroid : mean frequency weighted by the power of the response
    low, high : the frequencies around the peak at which half the power is left; the end of the band if it never falls
    half_power : width at half the power (-3 dB), `high` - `low`
    rectangular : equivalent rectangular bandwidth: the integral of the power over its highest value
    """

    peak: Floats
    centroid: Floats
    low: Floats
    high: Floats
    half_power: Floats
    rectangular: Floats

    @property
    def middle(self) -> Floats:
        """Halfway between `low` and `high`: the centre of filters with a flat top, whose peak is anywhere on it."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, kw_only=True)
class MelComparison:
    """How the centre frequencies of filters over their rank compare with those of a mel filter bank of as many.

    Parameters
    ----------
    slope, intercept : of the least-squares line of the centres over those of the mel bank; 1 and 0 Hz for mel itself
    r2 : share of the variance of the centres that this line explains
    r2_as_is : the same of the mel bank without slope and intercept; below 0 if the mean would be nearer
    linear_slope, linear_r2 : of the line over centres that are equally spaced in Hz, to tell whether mel is any better
    rms_octaves : distance from the mel bank in octaves, root of the mean square
    scale : which mel scale
    """

    slope: float
    intercept: float
    r2: float
    r2_as_is: float
    linear_slope: float
    linear_r2: float
    rms_octaves: float
    scale: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Coverage:
    """How much of the band filters pass.

    Parameters
    ----------
    covered : share of the band, in Hz, in which at least one filter passes half its power or more
    covered_mel : the same on the mel scale
    ignored : stretches that none passes, Hz, shape (N, 2)
    total : power of all filters together, 1 at its highest, shape (M,)
    """

    covered: float
    covered_mel: float
    ignored: Floats
    total: Floats


def passbands(frequencies: Floats, responses: NDArray[np.floating[Any]]) -> Passbands:
    """Describe what filters pass.

    Parameters
    ----------
    frequencies : shape (M,), Hz, ascending
    responses : amplitudes, shape (C, M); what is below zero counts as zero

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    amplitudes = np.maximum(np.asarray(responses, np.float64), 0.0)
    if amplitudes.ndim != 2 or amplitudes.shape[1] != len(frequencies) or len(frequencies) < 3:
        raise InputError(
            f"responses of shape {amplitudes.shape} at {len(frequencies)} frequencies",
            hint="one row for each filter, at three frequencies or more",
        )
    rows = np.array([_passband(frequencies, row) for row in amplitudes]).reshape(-1, 5)
    peak, centroid, low, high, rectangular = rows.T
    return Passbands(peak=peak, centroid=centroid, low=low, high=high, half_power=high - low, rectangular=rectangular)


def _passband(frequencies: Floats, amplitude: Floats) -> tuple[float, float, float, float, float]:
    top = int(np.argmax(amplitude))
    highest = amplitude[top]
    if not highest > 0:
        return (np.nan,) * 5
    power = (amplitude / highest) ** 2
    area = float(np.trapezoid(power, frequencies))
    centroid = float(np.trapezoid(power * frequencies, frequencies)) / area
    low = _crossing(frequencies, amplitude / highest, top, -1)
    high = _crossing(frequencies, amplitude / highest, top, 1)
    return _refined(frequencies, amplitude, top), centroid, low, high, area


def _crossing(frequencies: Floats, relative: Floats, top: int, direction: int) -> float:
    """Return where a response falls to half the power on one side of its peak, linearly between two frequencies."""
    end = len(relative) - 1 if direction > 0 else 0
    i = top
    while i != end and relative[i + direction] >= HALF_POWER:
        i += direction
    if i == end:
        return float(frequencies[end])
    inner, outer = relative[i], relative[i + direction]
    part = (inner - HALF_POWER) / (inner - outer)
    return float(frequencies[i] + part * (frequencies[i + direction] - frequencies[i]))


def _refined(frequencies: Floats, amplitude: Floats, top: int) -> float:
    """Return the top of the parabola through the logarithm of the highest response and its neighbours."""
    if top in (0, len(amplitude) - 1) or not amplitude[top - 1 : top + 2].min() > 0:
        return float(frequencies[top])
    left, middle, right = np.log(amplitude[top - 1 : top + 2])
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(np.interp(top + shift, np.arange(len(frequencies)), frequencies))


def compare_with_mel(centres: Floats, sample_rate: int, *, scale: MelScale = "slaney") -> MelComparison:
    """Compare centre frequencies over their rank with those of a mel filter bank of as many.

    Parameters
    ----------
    centres : shape (C,), Hz, in any order; NaN is left out
    sample_rate : Hz; the bank reaches from 0 to half of it
    scale : "slaney" or "htk"

    Raises
    ------
    InputError
        If there are fewer than three.
    """
    own = np.sort(centres[np.isfinite(centres)])
    if len(own) < 3:
        raise InputError(f"{len(own)} filters with a centre are too few for a line", hint="three at least")
    top = float(hz_to_mel(np.array(sample_rate / 2), scale))
    mel = mel_to_hz(np.linspace(0.0, top, len(own) + 2)[1:-1], scale)
    linear = np.linspace(0.0, sample_rate / 2, len(own) + 2)[1:-1]
    slope, intercept, r2 = _line(mel, own)
    linear_slope, _, linear_r2 = _line(linear, own)
    spread = float(((own - own.mean()) ** 2).sum())
    octaves = np.log2(np.maximum(own, 1.0) / mel)
    return MelComparison(
        slope=slope,
        intercept=intercept,
        r2=r2,
        r2_as_is=1.0 - float(((own - mel) ** 2).sum()) / spread if spread else 0.0,
        linear_slope=linear_slope,
        linear_r2=linear_r2,
        rms_octaves=float(np.sqrt((octaves**2).mean())),
        scale=scale,
    )


def _line(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Fit a line, return slope, intercept and the share of the variance that it explains; 0 of none."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float((dx * dy).sum() / (dx**2).sum())
    spread = float((dy**2).sum())
    r2 = float((dx * dy).sum()) ** 2 / (float((dx**2).sum()) * spread) if spread else 0.0
    return slope, float(y.mean() - slope * x.mean()), r2


def coverage(edges: Floats, responses: NDArray[np.floating[Any]]) -> Coverage:
    """Tell how much of the band filters pass together.

    Parameters
    ----------
    edges : of the cells that the responses are of, Hz, ascending, shape (M + 1,); the first and the last bound the band
    responses : amplitudes, shape (C, M); what is below zero counts as zero
    """
    amplitudes = np.maximum(np.asarray(responses, np.float64), 0.0)
    highest = amplitudes.max(axis=1, keepdims=True, initial=0.0)
    relative = np.divide(amplitudes, highest, out=np.zeros_like(amplitudes), where=highest > 0)
    is_passed = (relative >= HALF_POWER).any(axis=0)
    widths, mel_widths = np.diff(edges), np.diff(hz_to_mel(edges))
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], ~is_passed, [False]])))
    power = (relative**2).sum(axis=0)
    return Coverage(
        covered=float(widths[is_passed].sum() / widths.sum()),
        covered_mel=float(mel_widths[is_passed].sum() / mel_widths.sum()),
        ignored=edges[bounds].reshape(-1, 2),
        total=power / power.max() if power.max() > 0 else power,
    )
