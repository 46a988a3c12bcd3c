"""Hear a channel: the song, let through where and when one feature map is high, with its own phase.

The map of a channel becomes a mask over the short-time spectrum of the song. A layer of a network on mel bands has rows
of its own for frequency; one of a network on the waveform has none, and takes the measured response of the channel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.audio.loudness import TARGET, loudness, matched
from earmark.errors import InputError, UsageError
from earmark.explain.activations import LayerMaps, activations
from earmark.explain.grad_cam import map_on_grid, response_at
from earmark.explain.opening import Model, Samples, Song, at_rest, check_layers, open_model, read_song, stages_until
from earmark.explain.passages import analyse, check_heard, grid_for, quickly, synthesise
from earmark.models.base import TaggingModel, four_axes

_TOO_SLOW = 4000  # Hz; loudness is defined above it
_TOP = 0.995  # share of a map below what is let through whole: a single spike does not make everything else faint


@dataclass(frozen=True, eq=False)
class Sound:
    """Something to listen to.

    Parameters
    ----------
    waveform : shape (n,), in [-1, 1]
    sample_rate : Hz
    loudness : as it is now, LUFS
    gain_db : by which it was made louder or softer, dB
    """

    waveform: Samples
    sample_rate: int
    loudness: float
    gain_db: float


def make_sound(waveform: NDArray[np.floating[Any]], sample_rate: int, *, target: float = TARGET) -> Sound:
    """Bring a waveform to a loudness; write it with `earmark.audio.io.write`.

    Parameters
    ----------
    waveform : shape (n,)
    sample_rate : Hz; at 4 kHz or less, where no loudness is defined, the sound is brought to 8 kHz first
    target : LUFS; peaks that would be clipped are held down

    Raises
    ------
    InputError
        If it is silent, or shorter than 0.4 s.
    """
    if sample_rate <= _TOO_SLOW:
        import soxr

        waveform, sample_rate = soxr.resample(waveform, sample_rate, 2 * _TOO_SLOW), 2 * _TOO_SLOW
    sound, gain = matched(waveform, sample_rate, target=target)
    return Sound(sound, sample_rate, loudness(sound, sample_rate), gain)


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """The map of one channel over a song.

    Parameters
    ----------
    values : shape (F, T), F one if the layer has no axis of frequency
    times : centres of the steps, shape (T,), seconds
    frequencies : centres of the rows, shape (F,), Hz; None if it has none
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    frequencies: NDArray[np.float64] | None


def channel_map(model: TaggingModel, samples: Samples, layer: str, channel: int) -> ChannelMap:
    """Return the feature map of one channel over a whole song, every step of it.

    Parameters
    ----------
    samples : of the song, at the sample rate of the model, shape (S,)
    layer, channel : of the model

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    UsageError
        If it has no such channel, or no axis of time.
    """
    check_layers(model, layer)
    with quickly(model):
        found = activations(model, samples, layer, is_ranked=False, max_rate=None)[layer]
    if not 0 <= channel < found.n_channels:
        raise UsageError(
            f"layer {layer!r} has {found.n_channels} channels, no channel {channel}",
            hint=f"0 to {found.n_channels - 1}",
        )
    check_timed(model, found)
    return ChannelMap(found.values[channel], found.times, found.frequencies)


def check_timed(model: TaggingModel, maps: LayerMaps) -> None:
    """Raise `UsageError` if a layer has no axis of time to be heard along."""
    if len(maps.times) < 2 or maps.step_seconds >= model.chunk_samples / model.sample_rate:
        hint = "choose an earlier layer, one with an axis of time"
        raise UsageError(f"layer {maps.layer!r} has no axis of time to be heard along", hint=hint)


def excitation(values: NDArray[np.floating[Any]], *, resting: float = 0.0) -> NDArray[np.float32]:
    """Say how far a channel is from rest, from 0 to 1.

    Parameters
    ----------
    values : of its map, any shape
    resting : what it gives for silence

    Returns
    -------
    same shape. 1 is what 0.5 % of the map reach. The side of rest on which the map has more energy counts, the other
    side is 0: a batch norm behind a ReLU may turn a channel upside down

    Raises
    ------
    InputError
        If the channel is at rest throughout.
    """
    away = np.asarray(values, np.float64) - resting
    up, down = np.square(away.clip(min=0)).sum(), np.square(away.clip(max=0)).sum()
    side = away.clip(min=0) if up >= down else -away.clip(max=0)
    active = side[side > 0]
    top = float(np.quantile(side, _TOP)) or float(active.mean() if active.size else 0.0)
    if top <= 1e-12 * max(1.0, abs(resting)):
        raise InputError("this channel is at rest in all of this song", hint="choose another channel, or another song")
    return np.minimum(side / top, 1.0).astype(np.float32)


def hear_map(
    waveform: NDArray[np.floating[Any]],
    excited: ChannelMap,
    *,
    sample_rate: int,
    response: NDArray[np.floating[Any]] | None = None,
    response_frequencies: NDArray[np.floating[Any]] | None = None,
    sharpness: float = 1.0,
    target: float = TARGET,
) -> Sound:
    """Let a sound through where and when a map is high.

    Parameters
    ----------
    waveform : of the song, shape (S,)
    excited : the map, from 0 to 1
    sample_rate : Hz
    response : what the channel hears, shape (N,), magnitudes
    response_frequencies : that these are of, Hz; evenly from 0 to half the sample rate unless given
    sharpness : power to which the mask is raised; above 1 only the peaks are left
    target : LUFS

    Raises
    ------
    InputError
        If nothing is left to hear, or the song is shorter than 0.4 s.
    UsageError
        If the response has another shape, or `sharpness` is not positive.
    """
    if not 0 < sharpness < math.inf:
        raise UsageError(f"sharpness={sharpness:g}, expected more than 0")
    samples = np.asarray(waveform, np.float32)
    check_heard(samples, "the song")
    grid = grid_for(sample_rate)
    if samples.size <= grid.n_fft // 2:
        raise InputError(f"{samples.size} samples are fewer than a frame of {grid.n_fft}", hint="take a longer excerpt")
    spectrum = analyse(torch.from_numpy(samples), grid)
    mask = map_on_grid(
        excited.values,
        times=excited.times,
        rows=excited.frequencies,
        grid_times=grid.times(spectrum.shape[-1]),
        grid_frequencies=grid.frequencies,
    )
    if response is not None:
        heard = response_at(response, grid.frequencies, measured_at=response_frequencies)
        mask = mask * (heard / max(float(heard.max()), np.finfo(np.float64).tiny))[:, None].astype(np.float32)
    masked = spectrum * torch.from_numpy(np.power(mask, np.float32(sharpness)))
    return make_sound(synthesise(masked, grid, samples.size).numpy(), sample_rate, target=target)


def hear_channel(
    model: Model,
    song: Song,
    *,
    layer: str,
    channel: int,
    response: NDArray[np.floating[Any]] | None = None,
    response_frequencies: NDArray[np.floating[Any]] | None = None,
    resting: float | None = None,
    sharpness: float = 1.0,
    sample_rate: int | None = None,
    target: float = TARGET,
) -> Sound:
    """Hear what a channel of a network responds to in a song.

    Parameters
    ----------
    model : a network, or the name or path of one
    song : a file, or samples
    layer, channel : of the network; the layer has an axis of time
    response : what the channel hears, see `hear_map`; for layers without an axis of frequency, such as those of
        networks on the waveform. Without it all frequencies are let through alike
    response_frequencies : that the response is of, Hz; evenly from 0 to half the sample rate unless given
    resting : what the channel gives for silence; asked row by row unless given, see `resting_levels`
    sharpness, target : see `hear_map`
    sample_rate : Hz, of samples that are given, if it is not that of the model

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    UsageError
        If the layer has no such channel or no axis of time.
    InputError
        If the song is silent, or the channel is at rest in all of it.
    """
    network = open_model(model)
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)
    found = channel_map(network, samples, layer, channel)
    rest = resting_levels(network, (layer,))[layer][channel][:, None] if resting is None else resting
    excited = ChannelMap(excitation(found.values - rest), found.times, found.frequencies)
    return hear_map(
        samples,
        excited,
        sample_rate=network.sample_rate,
        response=response,
        response_frequencies=response_frequencies,
        sharpness=sharpness,
        target=target,
    )


def resting_levels(model: TaggingModel, layers: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return what each row of each channel of some layers gives for silence: the median over time.

    Parameters
    ----------
    layers : names

    Returns
    -------
    by layer, shape (C, F): rows at the ends of the frequencies see what a network pads them with, so that they rest
    elsewhere than those in the middle
    """
    silence = torch.zeros(1, model.chunk_samples + sum(model.context))
    with torch.no_grad(), at_rest(model), quickly(model):
        stages = stages_until(model, silence, tuple(layers))
    return {name: four_axes(stages[name])[0].median(dim=-1).values.double().numpy() for name in layers}


def joined(pieces: Sequence[NDArray[np.floating[Any]]], sample_rate: int, *, fade_seconds: float = 0.02) -> Samples:
    """Put sounds one after the other, each faded in and out.

    Parameters
    ----------
    pieces : shapes (n,)
    sample_rate : Hz
    fade_seconds : of a raised cosine at both ends; at most half of a piece

    Raises
    ------
    InputError
        If there are none.
    """
    if not pieces:
        raise InputError("no sounds to join")
    faded = []
    for piece in pieces:
        n = min(round(fade_seconds * sample_rate), piece.size // 2)
        edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))
        shape = np.ones(piece.size)
        shape[:n] = edge
        shape[piece.size - n :] = edge[::-1]
        faded.append((piece * shape).astype(np.float32))
    return np.concatenate(faded)
