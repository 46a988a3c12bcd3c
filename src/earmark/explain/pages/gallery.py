"""A gallery of first filters: curves with their responses on the waveform, pictures with named shapes on bands."""

import html
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel
from earmark.explain.filters import FirstLayer, vanished
from earmark.explain.mel_filters import MelFilters
from earmark.explain.pages.images import GALLERY, coloured, png
from earmark.explain.pages.parts import curves, hertz_text
from earmark.explain.shapes import Shape

Floats = NDArray[np.float64]

FLOOR_DB = -40.0  # of the responses that are drawn
N_POINTS = 160  # of a curve at most


def waveform_gallery(first: FirstLayer, *, most: int | None = None, which: NDArray[np.intp] | None = None) -> str:
    """Draw filters on the waveform: above what they look like, below what they let through.

    Parameters
    ----------
    first : of a network on the waveform, in the order of centre frequency
    most : filters drawn at most, evenly spread from the lowest centre to the highest; all unless given
    which : filters to choose from, in the order of `first`; those with a centre whose weights have not vanished unless
        given

    Returns
    -------
    HTML
    """
    heard = np.flatnonzero(np.isfinite(first.bands.peak) & ~vanished(first.kernels)) if which is None else which
    if most is not None and len(heard) > most:
        heard = heard[np.linspace(0, len(heard) - 1, most).round().astype(np.intp)]
    return f'<div class="gallery">{"".join(_waveform_filter(first, int(i)) for i in heard)}</div>'


def band_gallery(
    filters: MelFilters, *, most: int | None = None, is_dead: NDArray[np.bool_] | None = None, is_sorted: bool = True
) -> str:
    """Draw filters on bands of frequency, with the names of the shapes that they are nearest to.

    Parameters
    ----------
    filters : of one size
    most : filters drawn at most, those nearest to each shape in turn; all unless given
    is_dead : filters that are left out, shape (N,); unless given, those whose weights have all but vanished, see
        `earmark.explain.filters.vanished`
    is_sorted : by shape, the most frequent first, then by correlation; else in the order of the network

    Returns
    -------
    HTML; filters with one row are curves over time
    """
    alive = np.flatnonzero(~(vanished(filters.kernels) if is_dead is None else is_dead))
    chosen = _by_shape(filters, alive, most) if is_sorted or most is not None else alive.tolist()
    if not is_sorted:
        chosen.sort()
    return f'<div class="gallery">{"".join(_band_filter(filters, i) for i in chosen)}</div>'


def gallery_key(filters: MelFilters) -> str:
    """Say in a sentence what the pictures of filters on bands show.

    Parameters
    ----------
    filters : of one size

    Returns
    -------
    plain text
    """
    n_rows, n_columns = filters.kernels.shape[1:]
    hop = float(filters.times_ms[1] - filters.times_ms[0]) if n_columns > 1 else 0.0
    length = f"{n_columns * hop:.0f} ms ({n_columns} frames)" if hop else "one frame"
    if n_rows == 1:
        return f"Each curve is one filter over {length}, earliest left, dashed at zero."
    low, high = hertz_text(float(filters.frequencies[0])), hertz_text(float(filters.frequencies[-1]))
    where = "; it is moved over all bands and drawn in their middle" if filters.is_shifted else ""
    return (
        f"Each picture is one filter: {length} from left to right, {n_rows} bands from {low} at the bottom to {high} "
        f"at the top{where}. Pink adds to the answer, blue takes from it, white is zero."
    )


def shape_text(shape: Shape, chance: float) -> str:
    """Say which shape a filter has, and where.

    Parameters
    ----------
    shape : the nearest
    chance : correlation that filters of random numbers reach

    Returns
    -------
    plain text

    Examples
    --------
    >>> shape_text(Shape("band", 0.8, {"at_hz": 440.0}), 0.4)
    'band at 440 Hz'
    >>> shape_text(Shape("band", -0.8, {"at_hz": 440.0}), 0.4), shape_text(Shape("onset", 0.3, {"at_ms": 0.0}), 0.4)
    ('band at 440 Hz, inverted', 'no named shape')
    """
    if abs(shape.correlation) <= chance:
        return "no named shape"
    return shape.name + _where(shape.parameters) + (", inverted" if shape.correlation < 0 else "")


def _where(parameters: Mapping[str, float]) -> str:
    words = []
    if "at_hz" in parameters:
        words.append(f"at {hertz_text(parameters['at_hz'])}")
    if "pitch_hz" in parameters:
        words.append(f"on {hertz_text(parameters['pitch_hz'])}, {parameters['n_partials']:.0f} partials")
    if "at_ms" in parameters:
        words.append(f"at {parameters['at_ms']:.0f} ms")
    if "period_ms" in parameters:
        words.append(f"of {parameters['period_ms']:.0f} ms")
    if "octaves_per_second" in parameters:
        words.append(f"{parameters['octaves_per_second']:+.0f} octaves/s")
    return "".join(f" {word}" for word in words)


def _by_shape(filters: MelFilters, alive: NDArray[np.intp], most: int | None) -> list[int]:
    """Sort filters by their shapes, the most frequent first; take the best of each shape in turn if they are many."""
    groups: dict[str, list[int]] = {}
    for i in alive.tolist():
        shape = filters.shapes[i]
        name = shape.name if abs(shape.correlation) > filters.chance else ""
        groups.setdefault(name, []).append(i)
    names = sorted(groups, key=lambda name: (not name, -len(groups[name]), name))
    ordered = [sorted(groups[name], key=lambda i: -abs(filters.shapes[i].correlation)) for name in names]
    if most is not None:
        counts = [0] * len(ordered)
        for _ in range(min(most, len(alive))):
            j = min((j for j in range(len(ordered)) if counts[j] < len(ordered[j])), key=lambda j: (counts[j], j))
            counts[j] += 1
        ordered = [group[:count] for group, count in zip(ordered, counts, strict=True)]
    return [i for group in ordered for i in group]


def _waveform_filter(first: FirstLayer, i: int) -> str:
    kernel = first.kernels[i, : first.lengths[i]]
    top = max(float(np.abs(kernel).max()), 1e-30)
    n = len(kernel)
    x = np.linspace(0.0, 1.0, n) if n > 1 else np.zeros(1)
    shape = curves(
        [(np.array([0.0, 1.0]), np.array([0.5, 0.5]), "muted"), (*_fewer(x, 0.5 + 0.47 * kernel / top), "first")]
    )
    level = 20 * np.log10(np.maximum(first.magnitudes[i] / max(float(first.magnitudes[i].max()), 1e-30), 1e-6))
    mel = hz_to_mel(first.frequencies)
    at = mel / mel[-1]
    grid = np.linspace(0.0, 1.0, N_POINTS)
    height = np.clip(1 - np.interp(grid, at, level) / FLOOR_DB, 0.0, 1.0)
    response = curves([(grid, 0.03 + 0.94 * height, "second")])
    peak, width = hertz_text(float(first.bands.peak[i])), hertz_text(float(first.bands.half_power[i]))
    title = html.escape(f"{first.modules[i]}, channel {first.channels[i]}: {n} samples")
    return (
        f'<figure title="{title}"><div class="box half">{shape}</div><div class="box half">{response}</div>'
        f"<figcaption><b>{_unbroken(peak)}</b><br>{_unbroken(width)} wide</figcaption></figure>"
    )


def _fewer(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Keep of a long curve the lowest and the highest point of every stretch, so that no swing is lost."""
    if len(x) <= 2 * N_POINTS:
        return x, y
    parts = np.array_split(np.arange(len(x)), N_POINTS)
    kept = np.unique([i for part in parts for i in (part[np.argmin(y[part])], part[np.argmax(y[part])])])
    return x[kept], y[kept]


def _band_filter(filters: MelFilters, i: int) -> str:
    kernel, shape = filters.kernels[i], filters.shapes[i]
    top = max(float(np.abs(kernel).max()), 1e-30)
    if len(kernel) == 1 and kernel.shape[1] > 1:
        x = np.linspace(0.0, 1.0, kernel.shape[1])
        zero = (np.array([0.0, 1.0]), np.array([0.5, 0.5]), "muted")
        picture = curves([zero, (x, 0.5 + 0.47 * kernel[0] / top, "first")])
        kind = "box half"
    else:
        picture = f'<img src="{png(coloured(kernel[::-1], GALLERY, low=-top, high=top))}" alt="">'
        kind = "box"
    text = html.escape(shape_text(shape, filters.chance))
    title = html.escape(f"{filters.module}, channel {i}: correlation {shape.correlation:.2f} with {shape.name}")
    return (
        f'<figure title="{title}"><div class="{kind}">{picture}</div>'
        f"<figcaption>{_unbroken(text)}<br>r&nbsp;=&nbsp;{abs(shape.correlation):.2f}</figcaption></figure>"
    )


def _unbroken(text: str) -> str:
    """Keep a number and its unit on one line, and hold on to minus signs."""
    return re.sub(r"(?<=\d) (?=k?Hz|ms|octaves)", "&nbsp;", text).replace("-", "&#8209;")
