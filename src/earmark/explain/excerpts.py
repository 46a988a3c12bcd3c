"""The moments of several songs that excite a channel most, cut out and joined."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.loudness import ABSOLUTE_GATE, TARGET, loudness, matched
from earmark.errors import InputError, UsageError
from earmark.explain.activations import activations
from earmark.explain.auralize import Sound, check_timed, joined, make_sound, resting_levels
from earmark.explain.opening import Model, Samples, Song, check_layers, open_model, read_song
from earmark.explain.passages import quickly
from earmark.models.base import TaggingModel
from earmark.tagger import MIN_SECONDS, SILENCE

_PIECE_SECONDS = 30.0  # of a song that is heard at a time
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
    songs : name and song, one by one; a song is held only while it is looked at, and passed over if it is shorter than
        half a second
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
    found = excerpts_of_channels(
        model,
        songs,
        [(layer, channel)],
        n_excerpts=n_excerpts,
        seconds=seconds,
        per_song=per_song,
        sample_rate=sample_rate,
        target=target,
    )
    if (layer, channel) not in found:
        raise InputError(f"nothing in these songs excites channel {channel} of {layer!r}", hint="give other songs")
    return found[layer, channel]


def excerpts_of_channels(
    model: Model,
    songs: Iterable[tuple[str, Song]],
    channels: Sequence[tuple[str, int]],
    *,
    n_excerpts: int = 5,
    seconds: float = 3.0,
    per_song: int = 1,
    sample_rate: int | None = None,
    target: float = TARGET,
) -> dict[tuple[str, int], Excerpts]:
    """Find the moments in several songs that excite each of several channels most; every song is heard once.

    Parameters
    ----------
    channels : layer and number of each
    model, songs, n_excerpts, seconds, per_song, sample_rate, target : see `exciting_excerpts`

    Returns
    -------
    by layer and number; channels that nothing excites are left out

    Raises
    ------
    UnknownNameError, UsageError, InputError
        As `exciting_excerpts`, but for channels that nothing excites.
    """
    if n_excerpts < 1 or per_song < 1 or not seconds >= 0.5:
        raise UsageError(
            f"n_excerpts={n_excerpts}, per_song={per_song}, seconds={seconds:g}",
            hint="one excerpt, and half a second, at least",
        )
    network = open_model(model)
    rate = network.sample_rate
    check_layers(network, [layer for layer, _ in channels])
    rests = _rests(network, channels)
    kept: dict[tuple[str, int], list[_Cut]] = {one: [] for one in channels}
    for name, song in songs:
        samples = read_song(song, to_rate=rate, sample_rate=sample_rate)
        if samples.size < MIN_SECONDS * rate:  # too short to have a loudness
            continue
        for one, (away, times) in _excitations(network, samples, rests).items():
            kept[one] += _best(name, samples, away, times, rate, seconds=seconds, n=per_song)
            kept[one] = sorted(kept[one], key=lambda cut: -cut.excerpt.excitation)[:n_excerpts]
    found = {}
    for one, cuts in kept.items():
        if cuts:
            pieces = [matched(cut.samples, rate, target=target)[0] for cut in cuts]
            sound = make_sound(joined(pieces, rate), rate, target=target)
            found[one] = Excerpts(tuple(cut.excerpt for cut in cuts), sound)
    return found


def _rests(model: TaggingModel, channels: Sequence[tuple[str, int]]) -> dict[tuple[str, int], NDArray[np.float64]]:
    """Return what the rows of each channel give for silence, shape (F,)."""
    levels = resting_levels(model, tuple(dict.fromkeys(layer for layer, _ in channels)))
    for layer, channel in channels:
        n = len(levels[layer])
        if not 0 <= channel < n:
            raise UsageError(f"layer {layer!r} has {n} channels, no channel {channel}", hint=f"0 to {n - 1}")
    return {(layer, channel): levels[layer][channel] for layer, channel in channels}


def _excitations(
    model: TaggingModel, samples: Samples, rests: Mapping[tuple[str, int], NDArray[np.float64]]
) -> dict[tuple[str, int], tuple[NDArray[np.floating[Any]], NDArray[np.float64]]]:
    """Return how far each channel is from rest over a song, shape (T,), and the times of the steps, seconds.

    The song is heard in pieces, so that no more than the maps of one are held at a time; silent pieces are left out.
    """
    layers = list(dict.fromkeys(layer for layer, _ in rests))
    size = max(round(_PIECE_SECONDS * model.sample_rate / model.chunk_samples), 1) * model.chunk_samples
    aways: dict[tuple[str, int], list[NDArray[np.floating[Any]]]] = {one: [] for one in rests}
    times: dict[str, list[NDArray[np.float64]]] = {name: [] for name in layers}
    for start in range(0, samples.size, size):
        piece = samples[start : start + size]
        if float(np.abs(piece).max()) < SILENCE:
            continue
        with quickly(model):
            found = activations(model, piece, layers, is_ranked=False, max_rate=None)
        for name in layers:
            check_timed(model, found[name])
            times[name].append(found[name].times + start / model.sample_rate)
        for (name, channel), rest in rests.items():
            aways[name, channel].append(np.abs(found[name].values[channel] - rest[:, None]).mean(axis=0))  # (T',)
    return {one: (np.concatenate(aways[one]), np.concatenate(times[one[0]])) for one in rests}


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
