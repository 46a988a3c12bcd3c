"""What a channel hears, on a page: when it answers, which frequencies, under the spectrogram of the song."""

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel
from earmark.explain.channels import ChannelReport
from earmark.explain.marking import audible
from earmark.explain.opening import Samples
from earmark.explain.pages.images import SPECTRUM, coloured, fewer_columns, mel_rows, png, sound
from earmark.explain.pages.parts import Axis, curves, hertz_text, image, mel_axis, panel, player, time_axis
from earmark.explain.passages import analyse, grid_for

Floats = NDArray[np.float64]

RANGE_DB = 80.0  # of a spectrogram


def song_player(samples: Samples, sample_rate: int, *, label: str, start: float) -> str:
    """Return a player of the song, as loud as the sounds of its channels are.

    Parameters
    ----------
    samples : shape (S,)
    sample_rate : Hz
    label : what it plays
    start : where in the song it begins, seconds
    """
    heard = audible(samples, sample_rate)
    address = sound(samples, sample_rate) if heard is None else sound(heard.waveform, heard.sample_rate)
    return player(address, label=label, start=start)


def stretch_spectrogram(samples: Samples, sample_rate: int, span: tuple[float, float], *, marks: str = "") -> str:
    """Draw the spectrogram of a stretch of a song, on its time.

    Parameters
    ----------
    samples : of the stretch, shape (S,)
    sample_rate : Hz
    span : from when to when in the song, seconds
    marks : HTML that lies over it
    """
    grid = grid_for(sample_rate)
    power = analyse(torch.from_numpy(np.array(samples)), grid).abs().square().numpy()
    rows, _ = mel_rows(10 * np.log10(np.maximum(fewer_columns(power), 1e-12)), grid.frequencies)
    top = float(rows.max())
    return panel(
        image(png(coloured(rows[::-1], SPECTRUM, low=top - RANGE_DB, high=top))) + marks,
        label="spectrogram",
        x=time_axis(*span),
        y=mel_axis(0.0, sample_rate / 2),
        height=110,
        span=span,
    )


def channel_picture(one: ChannelReport, span: tuple[float, float]) -> str:
    """Draw when a channel answers on a stretch of a song: its map, or a curve if it has one row.

    Parameters
    ----------
    one : the channel
    span : of the stretch, seconds
    """
    values, times = one.excited.values, one.excited.times
    if one.excited.frequencies is not None and len(values) > 1:
        rows, edges = mel_rows(fewer_columns(values), one.excited.frequencies)
        content = image(png(coloured(_placed(rows, times, span)[::-1], SPECTRUM)))
        y, height = mel_axis(float(edges[0]), float(edges[-1])), 90
    else:
        level = fewer_columns(values.mean(axis=0, keepdims=True))[0]
        at = fewer_columns(times[None])[0]
        x = (at - span[0]) / (span[1] - span[0])
        content, y, height = curves([(x, 0.02 + 0.95 * level, "first")]), None, 60
    label = f"answer of channel {one.channel} over time"
    return panel(content, label=label, y=y, height=height, span=span, x=time_axis(*span))


def _placed(
    rows: NDArray[np.floating], times: Floats, span: tuple[float, float], n_columns: int = 600
) -> NDArray[np.floating]:
    """Lay a map out on equal columns of a stretch of time; what it does not reach is zero."""
    at = fewer_columns(times[None])[0]
    middles = span[0] + (np.arange(n_columns) + 0.5) * (span[1] - span[0]) / n_columns
    return np.stack([np.interp(middles, at, row, left=0.0, right=0.0) for row in rows])


def frequencies_text(one: ChannelReport) -> str:
    """Say which frequencies a channel hears."""
    rows = one.excited.frequencies
    if one.heard is None and rows is not None:
        return f"Its map has {len(rows)} rows of frequency, too few to name a band."
    if one.heard is None:
        return "No single tone makes it answer: it is heard with all frequencies."
    peak, low, high = one.heard.band
    if not np.isfinite(peak):
        return "It hardly answers here."
    how = "Answers tones" if one.heard.is_measured else "Answers here"
    return f"{how} most at {hertz_text(peak)} (half the power from {hertz_text(low)} to {hertz_text(high)})."


def tone_response(one: ChannelReport, top: float) -> str:
    """Draw how strongly a channel answers tones.

    Parameters
    ----------
    one : the channel, whose answer to tones was measured
    top : of the axis, Hz
    """
    assert one.heard is not None
    x = hz_to_mel(one.heard.frequencies) / float(hz_to_mel(np.array(top)))
    y = one.heard.response / max(float(one.heard.response.max()), 1e-30)
    ticks = tuple(tick for tick in mel_axis(0.0, top).ticks if tick[1] != "200 Hz")
    return panel(
        curves([(np.asarray(x), 0.02 + 0.95 * y, "second")]),
        label="how strongly it answers tones of each frequency",
        x=Axis(ticks),
        height=48,
    )
