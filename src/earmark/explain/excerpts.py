"""The moments of several songs that excite a channel most, cut out and joined."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.loudness import ABSOLUTE_GATE, TARGET, loudness, matched
from earmark.errors import InputError, UsageError
from earmark.explain.auralize import Sound, channel_map, joined, make_sound, resting_level
from earmark.explain.opening import Model, Samples, Song, check_layers, open_model, read_song

_STEP_SECONDS = 0.1  # between the beginnings of two stretches that are compared


@dataclass(frozen=True)
class Excerpt:
    """A moment of a song.

    Parameters
    ----------
    song : its name
    start, end : seconds
    excitation : mean distance of the channel from rest, in the units of its map
    """

    song: str
    start: float
    end: float
    excitation: float


@dataclass(frozen=True, eq=False)
class Excerpts:
    """What excites a channel most.

    Parameters
    ----------
    found : the most exciting first
    sound : all of them, one after the other, each at the same loudness
    """

    found: tuple[Excerpt, ...]
    sound: Sound


@dataclass(frozen=True, eq=False)
class _Cut:
    excerpt: Excerpt
    samples: Samples


def exciting_excerpts(
    model: Model,
    songs: Iterable[tuple[str, Song]],
    *,
    layer: str,
    channel: int,
    n_excerpts: int = 5,
    seconds: float = 3.0,
    per_song: int = 1,
    sample_rate: int | None = None,
    target: float = TARGET,
) -> Excerpts:
    """Find the moments in several songs that excite a channel most.

    Parameters
    ----------
    model : a network, or the name or path of one
    songs : name and song, one by one; a song is held only while it is looked at
    layer, channel : of the network; the layer has an axis of time
    n_excerpts : to keep
    seconds : length of each
    per_song : at most so many of one song, which do not overlap
    sample_rate : Hz, of samples that are given, if it is not that of the model
    target : loudness of each excerpt, LUFS

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    UsageError
        If the layer has no such channel or no axis of time, or an option is out of its range.
    InputError
        If a song cannot be read or is silent, or none of them excites the channel.
    """
    if n_excerpts < 1 or per_song < 1 or not seconds >= 0.5:
        raise UsageError(
            f"n_excerpts={n_excerpts}, per_song={per_song}, seconds={seconds:g}",
            hint="one excerpt, and half a second, at least",
        )
    network = open_model(model)
    check_layers(network, layer)
    rest = resting_level(network, layer, channel)
    kept: list[_Cut] = []
    for name, song in songs:
        samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)
        found = channel_map(network, samples, layer, channel)
        away = np.abs(found.values - rest).mean(axis=0)  # (T',)
        kept += _best(name, samples, away, found.times, network.sample_rate, seconds=seconds, n=per_song)
        kept = sorted(kept, key=lambda cut: -cut.excerpt.excitation)[:n_excerpts]
    if not kept:
        raise InputError(f"nothing in these songs excites channel {channel} of {layer!r}", hint="give other songs")
    rate = network.sample_rate
    pieces = [matched(cut.samples, rate, target=target)[0] for cut in kept]
    return Excerpts(tuple(cut.excerpt for cut in kept), make_sound(joined(pieces, rate), rate, target=target))


def _best(
    name: str,
    samples: Samples,
    away: NDArray[np.floating[Any]],
    times: NDArray[np.float64],
    sample_rate: int,
    *,
    seconds: float,
    n: int,
) -> list[_Cut]:
    """Cut the `n` stretches out of a song in which the mean is highest and above zero; silent ones are left out."""
    length = min(round(seconds * sample_rate), samples.size)
    firsts = np.arange(0, samples.size - length + 1, max(round(_STEP_SECONDS * sample_rate), 1))
    sums = np.concatenate([[0.0], np.cumsum(away, dtype=np.float64)])
    at = times * sample_rate
    begin, end = np.searchsorted(at, firsts), np.searchsorted(at, firsts + length)
    means = (sums[end] - sums[begin]) / np.maximum(end - begin, 1)
    found: list[_Cut] = []
    while len(found) < n and means.max() > 0:
        best = int(means.argmax())
        start, mean = int(firsts[best]), float(means[best])
        means[np.abs(firsts - start) < length] = 0.0
        cut = samples[start : start + length]
        if loudness(cut, sample_rate) > ABSOLUTE_GATE:
            found.append(_Cut(Excerpt(name, start / sample_rate, (start + length) / sample_rate, mean), cut.copy()))
    return found
