"""Named shapes that a filter over frequency and time may have: onset, band, harmonic stack, glide and their kind.

Every shape is a family of templates with parameters (when, where, how wide, which pitch). A filter is compared with all
of them; its name is the nearest. Apart from "level" the templates have mean zero and all have length one, so that the
cosine with a filter is a share: the squares for "level" and for any other shape add up to 1 at most.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHAPES = {
    "level": "the same everywhere: how loud it is",
    "onset": "quiet, then loud: something sets in",
    "offset": "loud, then quiet: something ends",
    "burst": "loud for a moment at all frequencies: a stroke",
    "beat": "loud and quiet in turn, at all frequencies alike",
    "band": "loud at one frequency all the time: a tone",
    "edge": "loud on one side of a frequency, quiet on the other: bright or dark",
    "harmonic stack": "loud at the multiples of a pitch all the time: a pitched sound",
    "glide": "a ridge that climbs or falls: a tone on the move",
}


class Shape(NamedTuple):
    """The shape that is nearest to a filter.

    Parameters
    ----------
    name : one of `SHAPES`
    correlation : cosine with the template, from -1 to 1; negative if the filter is the template upside down
    parameters : of the template, such as {"at_ms": 12.0}; Hz, ms, or octaves per second
    """

    name: str
    correlation: float
    parameters: dict[str, float]


class Template(NamedTuple):
    """One template: its shape's name, its parameters, and what it looks like, shape (H, W)."""

    name: str
    parameters: dict[str, float]
    picture: Floats


def nearest_shapes(kernels: Floats, frequencies: Floats, times_ms: Floats) -> tuple[tuple[Shape, ...], float]:
    """Name the shapes that are nearest to filters.

    Parameters
    ----------
    kernels : shape (N, H, W)
    frequencies : of the rows, Hz, ascending, shape (H,)
    times_ms : of the columns, ms, shape (W,)

    Returns
    -------
    one for each filter; a filter of zeros is nearest to "level", with a correlation of 0. And the correlation, up or
    down, that 95 of 100 filters of random numbers stay below: what is not above it says nothing.
    """
    templates = [t for t in _templates(frequencies, times_ms) if np.abs(t.picture).max() > 1e-9]
    flat = np.array([_unit(template.picture).ravel() for template in templates])  # (P, H W)
    filters = np.array([_unit(kernel).ravel() for kernel in np.asarray(kernels, np.float64)])
    cosines = filters @ flat.T  # (N, P)
    best = np.abs(cosines).argmax(axis=1)
    random = np.random.default_rng(0).standard_normal((100, *kernels.shape[1:]))
    chances = np.abs(np.array([_unit(kernel).ravel() for kernel in random]) @ flat.T).max(axis=1)
    shapes = tuple(_named(templates[j], float(cosines[i, j])) for i, j in enumerate(best.tolist()))
    return shapes, float(np.quantile(chances, 0.95))


def _named(template: Template, correlation: float) -> Shape:
    """Name a shape; an onset upside down is an offset."""
    if template.name == "onset" and correlation < 0:
        return Shape("offset", -correlation, template.parameters)
    return Shape(template.name, correlation, template.parameters)


def _unit(picture: Floats) -> Floats:
    length = float(np.sqrt((picture**2).sum()))
    return picture / length if length else picture


def _templates(frequencies: Floats, times_ms: Floats) -> Iterator[Template]:
    n_rows, n_columns = len(frequencies), len(times_ms)
    rows, columns = np.ones((n_rows, 1)), np.ones((1, n_columns))
    yield Template("level", {}, rows * columns)
    for name, parameters, profile in _over_time(times_ms):
        yield Template(name, parameters, rows * _centred(profile)[None, :])
    for name, parameters, profile in _over_frequency(frequencies):
        yield Template(name, parameters, _centred(profile)[:, None] * columns)
    if n_rows > 2 and n_columns > 2:
        for parameters, picture in _glides(frequencies, times_ms):
            yield Template("glide", parameters, _centred(picture))


def _centred(profile: Floats) -> Floats:
    return np.asarray(profile - profile.mean())


def _over_time(times_ms: Floats) -> Iterator[tuple[str, dict[str, float], Floats]]:
    """Yield steps, ridges and waves along time."""
    n = len(times_ms)
    if n < 2:
        return
    hop = float(times_ms[1] - times_ms[0])
    for i in _some(range(1, n), 32):
        at = float(times_ms[i] + times_ms[i - 1]) / 2
        yield "onset", {"at_ms": at}, (np.arange(n) >= i).astype(np.float64)
    if n < 3:
        return
    for i in _some(range(n), 32):
        for width in _widths(n):
            ridge = np.exp(-0.5 * ((np.arange(n) - i) / width) ** 2)
            yield "burst", {"at_ms": float(times_ms[i]), "width_ms": 2.355 * width * hop}, ridge
    for period in np.geomspace(4.0, n / 2, 24) if n >= 8 else ():
        for phase in np.arange(8) / 8:
            wave = np.cos(2 * np.pi * (np.arange(n) / period - phase))
            yield "beat", {"period_ms": float(period) * hop, "phase": float(phase)}, wave


def _over_frequency(frequencies: Floats) -> Iterator[tuple[str, dict[str, float], Floats]]:
    """Yield steps, ridges and combs along frequency."""
    n = len(frequencies)
    if n < 2:
        return
    for i in _some(range(1, n), 48):
        yield "edge", {"at_hz": float(frequencies[i] + frequencies[i - 1]) / 2}, (np.arange(n) >= i).astype(np.float64)
    if n < 3:
        return
    for i in range(n):
        for width in _widths(n):
            ridge = np.exp(-0.5 * ((np.arange(n) - i) / width) ** 2)
            yield "band", {"at_hz": float(frequencies[i])}, ridge
    if n >= 12:
        yield from _stacks(frequencies)


def _stacks(frequencies: Floats) -> Iterator[tuple[str, dict[str, float], Floats]]:
    """Yield ridges at the multiples of pitches, of which three at least stand apart in these rows."""
    n = len(frequencies)
    spacing = np.gradient(frequencies)
    for pitch in np.geomspace(50.0, 1500.0, 120):
        multiples = pitch * np.arange(1, int(frequencies[-1] / pitch) + 1)
        multiples = multiples[multiples >= frequencies[0]]
        if not len(multiples):
            continue
        apart = np.interp(multiples, frequencies, spacing) < pitch / 2
        if apart.sum() < 3:
            continue
        places = np.interp(multiples[apart], frequencies, np.arange(n))
        ridges = np.exp(-0.5 * ((np.arange(n)[:, None] - places[None, :]) / 0.7) ** 2)
        for n_partials in sorted({min(count, len(places)) for count in (3, 5, 8, len(places))}):
            parameters = {"pitch_hz": float(pitch), "n_partials": float(n_partials)}
            yield "harmonic stack", parameters, ridges[:, :n_partials].sum(axis=1)


def _glides(frequencies: Floats, times_ms: Floats) -> Iterator[tuple[dict[str, float], Floats]]:
    """Yield ridges that cross the filter aslant, by their slope in rows per column and where they pass the middle."""
    n_rows, n_columns = len(frequencies), len(times_ms)
    y, x = np.mgrid[:n_rows, :n_columns].astype(np.float64)
    x -= (n_columns - 1) / 2
    for slope in (0.25, 0.5, 1.0, 2.0, 4.0):
        if not 1.5 <= slope * (n_columns - 1) <= 2 * n_rows:  # else it is a band, or a burst
            continue
        for signed in (slope, -slope):
            for place in _some(range(n_rows), 16):
                distance = (y - place - signed * x) / np.sqrt(1 + signed**2)
                speed = _octaves_per_second(frequencies, times_ms, place, signed)
                parameters = {"at_hz": float(frequencies[place]), "octaves_per_second": speed}
                yield parameters, np.exp(-0.5 * (distance / 0.7) ** 2)


def _octaves_per_second(frequencies: Floats, times_ms: Floats, place: int, slope: float) -> float:
    low, high = max(place - 1, 0), min(place + 1, len(frequencies) - 1)
    octaves = float(np.log2(max(frequencies[high], 1.0) / max(frequencies[low], 1.0))) / max(high - low, 1)
    return 1000.0 * slope * octaves / float(times_ms[1] - times_ms[0])


def _widths(n: int) -> tuple[float, ...]:
    """Return standard deviations of ridges, in rows or columns, that stand out of n."""
    return tuple(width for width in (0.5, 1.0, 2.0, 4.0, 8.0) if width <= max(n / 6, 0.5))


def _some(places: range, n: int) -> list[int]:
    """Return at most n of the places, evenly spread."""
    if len(places) <= n:
        return list(places)
    return sorted({places[int(i)] for i in np.linspace(0, len(places) - 1, n).round()})
