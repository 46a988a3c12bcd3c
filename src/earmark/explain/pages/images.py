"""Arrays as pictures and sounds as players, packed into the page that shows them."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.audio.encode import encode
from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.errors import InputError, MissingExtraError
from earmark.plots.colours import DARK, LIGHT, even_ramp

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

MAX_COLUMNS = 900
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz
HEADROOM = 4 / 3  # at 16 kHz, what is above 7 kHz would be lost
FOR, AGAINST = DARK.ramp, (DARK.ramp[0], "#1f5f6b", "#3fb6b2", "#c9fff2")  # what speaks for something, and against it
SPECTRUM = DARK.ramp
GALLERY = (LIGHT.categories[0], "#f3f5f8", LIGHT.categories[3])  # from below zero over zero to above


def mel_rows(
    values: Array, frequencies: Floats, *, n_rows: int = 128, f_max: float | None = None
) -> tuple[Array, Floats]:
    """Bring rows at any frequencies to rows that are equally far apart on the mel scale.

    Parameters
    ----------
    values : shape (F, T)
    frequencies : of the rows, shape (F,), Hz, ascending
    n_rows : of the picture
    f_max : Hz; the highest frequency unless given

    Returns
    -------
    shape (n_rows, T), each row the mean of those that it holds, or taken linearly between two where it holds none; and
    the n_rows + 1 edges, Hz
    """
    top = float(frequencies[-1]) if f_max is None else f_max
    edges = np.asarray(
        mel_to_hz(np.linspace(float(hz_to_mel(np.array(frequencies[0]))), float(hz_to_mel(np.array(top))), n_rows + 1))
    )
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    first, last = np.searchsorted(frequencies, edges[:-1]), np.searchsorted(frequencies, edges[1:])
    centres = (edges[:-1] + edges[1:]) / 2
    found = (
        np.stack([np.interp(centres, frequencies, column) for column in values.T], axis=1)
        if len(values) > 1
        else values
    )
    rows = np.broadcast_to(found, (n_rows, values.shape[1])).astype(np.float64)
    held = last > first
    rows[held] = (sums[last[held]] - sums[first[held]]) / (last - first)[held, None]
    return rows, edges


def coloured(values: Array, ramp: Sequence[str], *, low: float = 0.0, high: float = 1.0) -> Pixels:
    """Give every number its colour.

    Parameters
    ----------
    values : shape (H, W); what is no number gets the first colour
    ramp : anchors of the colours, "#rrggbb"
    low, high : the numbers that get the first and the last colour

    Returns
    -------
    shape (H, W, 3)
    """
    colours = np.round(even_ramp(ramp) * 255).astype(np.uint8)
    part = np.nan_to_num((np.asarray(values, np.float64) - low) / max(high - low, 1e-30))
    return colours[np.clip(np.round(part * 255), 0, 255).astype(np.intp)]


def signed(values: Array) -> Pixels:
    """Give numbers above zero one ramp of colours and those below another; zero is dark.

    Parameters
    ----------
    values : shape (H, W), in [-1, 1]
    """
    return np.where((np.asarray(values) >= 0)[..., None], coloured(values, FOR), coloured(-values, AGAINST))


def fewer_columns(values: Array, n_columns: int = MAX_COLUMNS) -> Array:
    """Average neighbouring columns where there are more than a page shows, (..., W) -> (..., at most n_columns)."""
    n = values.shape[-1]
    if n <= n_columns:
        return values
    edges = np.linspace(0, n, n_columns + 1).round().astype(np.intp)
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1, dtype=np.float64)], axis=-1)
    means: Array = (sums[..., edges[1:]] - sums[..., edges[:-1]]) / np.diff(edges)
    return means


def png(pixels: Pixels) -> str:
    """Encode a picture as an address that holds it.

    Parameters
    ----------
    pixels : shape (H, W, 3), the highest frequency first

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pictures of what a network hears", "explain") from error
    memory = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(memory, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(memory.getvalue()).decode("ascii")


def sound(waveform: NDArray[np.floating], sample_rate: int) -> str:
    """Encode a sound as an address that holds it, MP3.

    Parameters
    ----------
    waveform : shape (n,), in [-1, 1]
    sample_rate : Hz; the sound is brought to a rate of MP3 that is higher by a third or more, since encoders cut the
        uppermost frequencies off

    Raises
    ------
    InputError
        If it is empty or not finite.
    """
    import soxr

    if not waveform.size:
        raise InputError("an empty sound")
    rate = next((rate for rate in MP3_RATES if rate >= HEADROOM * sample_rate), MP3_RATES[-1])
    samples = waveform if rate == sample_rate else soxr.resample(waveform, sample_rate, rate)
    memory = io.BytesIO()
    encode(memory, [np.clip(samples, -1, 1).astype(np.float32)], rate, "MP3", "MPEG_LAYER_III")
    return "data:audio/mpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
