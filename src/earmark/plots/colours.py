"""Colours of the pictures: two themes, and colour maps whose equal steps look equal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]

# Linear sRGB to the cone responses of OKLab, and these (cube roots) to OKLab: B. Ottosson, "A perceptual color space
# for image processing", 2020.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as "#rrggbb".

    Parameters
    ----------
    background, text, muted, line, waveform : what they are used for
    ramp : anchors of the colour map, from score 0 to score 1
    categories : one per category, in the order of `earmark.vocabulary.CATEGORIES`
    """

    background: str
    text: str
    muted: str
    line: str
    waveform: str
    ramp: tuple[str, ...]
    categories: tuple[str, ...]


LIGHT = Theme(
    background="#ffffff",
    text="#1d2433",
    muted="#6b7386",
    line="#d5d9e2",
    waveform="#8d97ab",
    ramp=("#f3f5f8", "#b9dcd8", "#4fa3b5", "#2c5c97", "#241a52"),
    categories=("#2c5c97", "#b8860b", "#1b7f6b", "#b0416b", "#7a5aa8", "#6b7386"),
)
DARK = Theme(
    background="#12151c",
    text="#e8ebf2",
    muted="#98a1b5",
    line="#2c3342",
    waveform="#6f7c95",
    ramp=("#1a1f2a", "#2f3f74", "#7a4b96", "#e0716d", "#ffe3a3"),
    categories=("#7fb0ee", "#e5b84b", "#54c6a9", "#ee86ac", "#b79bea", "#98a1b5"),
)


def even_ramp(anchors: Sequence[str], n: int = 256) -> Array64:
    """Run through colours in steps that look equal.

    Parameters
    ----------
    anchors : "#rrggbb", two or more
    n : how many colours

    Returns
    -------
    shape (n, 3), sRGB in [0, 1]

    Notes
    -----
    The path is straight in OKLab between anchors, and walked at constant speed there.
    """
    lab = _to_lab(np.array([[int(a[i : i + 2], 16) for i in (1, 3, 5)] for a in anchors]) / 255)
    lengths = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    positions = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
    steps = np.linspace(0, 1, n)
    return _from_lab(np.stack([np.interp(steps, positions, channel) for channel in lab.T], axis=1))


def _to_lab(rgb: Array64) -> Array64:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def _from_lab(lab: Array64) -> Array64:
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
