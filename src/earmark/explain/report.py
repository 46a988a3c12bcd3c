"""A song as a network hears it, and why it gives its tags: all that the page of a song shows, as arrays."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.audio.sources import source_name
from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.explain.auralize import Sound
from earmark.explain.channels import Ears, LayerReport, choose_layers, contributions, hear_layers
from earmark.explain.excerpts import excerpts_of_channels
from earmark.explain.faithfulness import Deletion, SanityCheck, check_sanity, delete
from earmark.explain.filter_report import FilterReport, look_at_filters
from earmark.explain.inversion import Inversion, invert_layer
from earmark.explain.marking import Marked, audible, mark_out
from earmark.explain.naming import position_of
from earmark.explain.opening import (
    Model,
    Samples,
    Song,
    at_rest,
    name_of,
    open_model,
    read_song,
    stages_until,
    tag_index,
    tag_names,
)
from earmark.explain.passages import chunk_starts, cut_windows, quickly
from earmark.explain.saliency import Method, Saliency, explain_tag
from earmark.models.base import TaggingModel, activated
from earmark.tagger import MIN_SECONDS, SILENCE

Floats = NDArray[np.float64]
OnProgress = Callable[[float, str], None]

N_POINTS, N_RANDOM = 11, 9  # of the curves of deletion: first of ten by chance, once in ten
INVERSION_STEPS = 100
MOST_SECONDS = 7200.0  # of a song: it stands in memory and, to be played, on the page
_BATCH = 4  # chunks heard at once


@dataclass(frozen=True, eq=False, kw_only=True)
class TagReport:
    """Why a network gives a song a tag.

    Parameters
    ----------
    tag : as on the card of the model
    score : for the song, the mean over its chunks, from 0 to 1
    start, end : of the chunk that is explained, seconds
    saliency : what in it speaks for the tag
    deletion : whether that is true: the score while it is taken away
    sanity : whether it depends on what the network learned; None if that was not asked for
    marked : what the saliency marks, apart from the rest
    sound : the chunk
    layers : channels that do most for the tag
    """

    tag: str
    score: float
    start: float
    end: float
    saliency: Saliency
    deletion: Deletion
    sanity: SanityCheck | None
    marked: Marked
    sound: Sound | None
    layers: tuple[LayerReport, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SongReport:
    """A song as a network hears it.

    Parameters
    ----------
    song, model : their names
    sample_rate : Hz, of the network
    waveform : as the network hears it, mono, shape (S,)
    tags : all that the network knows, K names
    taggram : scores of the chunks, shape (n_chunks, K), from 0 to 1
    times : start and end of the chunks, seconds, shape (n_chunks, 2)
    explained : the tags that are explained
    filters : the first filters of the network
    """

    song: str
    model: str
    sample_rate: int
    waveform: Samples
    tags: tuple[str, ...]
    taggram: NDArray[np.float32]
    times: Floats
    explained: tuple[TagReport, ...]
    filters: FilterReport

    @property
    def n_seconds(self) -> float:
        """Length of the song."""
        return self.waveform.size / self.sample_rate

    @property
    def scores(self) -> Floats:
        """Mean of the taggram over the chunks, shape (K,)."""
        return np.asarray(self.taggram.mean(axis=0, dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What was asked for."""

    method: Method
    moment: float | None
    n_channels: int
    seconds: float
    is_checked: bool


def explain_song(
    model: Model,
    song: Song,
    *,
    tags: Sequence[str | int] = (),
    layers: Sequence[str] = (),
    method: Method = "integrated_gradients",
    moment: float | None = None,
    n_tags: int = 2,
    n_channels: int = 4,
    seconds: float = 30.0,
    library: Iterable[tuple[str, Song]] = (),
    is_inverted: bool = False,
    is_checked: bool = False,
    sample_rate: int | None = None,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> SongReport:
    """Explain what a network hears in a song.

    Parameters
    ----------
    model : a network; or the card, the name or the path of a published, imported or trained one
    song : a file, or samples
    tags : to explain, by name, synonym or position; the `n_tags` strongest of the song unless given
    layers : whose channels are heard; an early and a late one unless given, see
        `earmark.explain.channels.choose_layers`
    method : of the saliency, see `earmark.explain.saliency`
    moment : that is explained, seconds; for each tag the chunk with its highest score unless given
    n_channels : heard of each layer; 0 leaves the channels out
    seconds : of the song around the moment that channels are heard on
    library : name and song, one by one, in which the moments are found that excite each channel most
    is_inverted : whether the layers are inverted, too, which takes a minute each
    is_checked : whether the saliency is compared with those of networks with shuffled weights, which takes four times
        as long as the saliency
    sample_rate : Hz, of samples that are given; that of the model unless given
    name : of the song, for the page; that of its file unless given
    on_progress : called with how much is done, from 0 to 1, and what comes next

    Raises
    ------
    UnknownNameError
        If there is no such model, tag, layer or method; the hint has the nearest names.
    UsageError
        If the model is an exported ONNX file, a layer has no axis of time, the moment lies outside of the song, or an
        option is out of its range.
    InputError
        If the song cannot be read, is silent, shorter than half a second, or longer than two hours.
    MissingExtraError
        If Captum is not installed.
    """
    if n_tags < 1 or n_channels < 0 or not 0 < seconds < math.inf:
        raise UsageError(
            f"n_tags={n_tags}, n_channels={n_channels}, seconds={seconds:g}",
            hint="one tag at least, no fewer than 0 channels, and some seconds",
        )
    network = open_model(model)
    title = name or _title(song)
    asked = [find_tag(network, tag) for tag in tags]
    chosen = choose_layers(network, layers) if n_channels or layers or is_inverted else ()
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate, duration=MOST_SECONDS + MIN_SECONDS)
    _check_length(title, samples, network, moment)
    plan = _Plan(
        method=method, moment=moment, n_channels=n_channels, seconds=seconds, is_checked=is_checked,
    )  # fmt: skip
    n_explained = len(asked) or min(n_tags, network.n_tags)
    watch = _Watch(on_progress, _costs(n_explained, len(chosen), is_checked, is_inverted))
    with at_rest(network):
        heard, times = _taggram(network, samples, watch)
        positions = list(dict.fromkeys(asked)) or [int(i) for i in np.argsort(-heard.mean(axis=0))[:n_tags]]
        ears = Ears(network, chosen) if chosen else None
        explained = [
            _explained(network, ears, samples, heard[:, position], position, plan, watch) for position in positions
        ]
        if is_inverted:
            explained = _with_inversions(network, samples, explained, watch)
        explained = _with_excerpts(network, explained, library, watch)
    watch.step("first filters", 0.0)
    return SongReport(
        song=title,
        model=name_of(network),
        sample_rate=network.sample_rate,
        waveform=samples,
        tags=tag_names(network),
        taggram=heard,
        times=times,
        explained=tuple(explained),
        filters=look_at_filters(network, layers=()),
    )


def find_tag(model: TaggingModel, tag: str | int) -> int:
    """Return the position of a tag among the outputs: by its name on the card, in another spelling, or by a synonym.

    Parameters
    ----------
    tag : its name, such as "Hip-Hop" or "hip hop"; or the position itself

    Raises
    ------
    UnknownNameError
        If the model has no such tag.
    UsageError
        If the position is out of range, or the model has no card that names tags.
    """
    if isinstance(tag, int) or model.card is None:
        return tag_index(model, tag)
    return position_of(tag, model.card.tags)


def _title(song: Song) -> str:
    if isinstance(song, np.ndarray):
        return "the waveform"
    return Path(source_name(song)).name


def _check_length(title: str, samples: Samples, model: TaggingModel, moment: float | None) -> None:
    length = samples.size / model.sample_rate
    if length < MIN_SECONDS:
        raise InputError(f"{title}: {length:.2f} s of audio are too short to explain", hint=f"at least {MIN_SECONDS} s")
    if length > MOST_SECONDS:
        raise InputError(
            f"{title}: more than {MOST_SECONDS / 60:.3g} min of audio, too long for a page that plays all of it",
            hint="cut the part that matters out of it and explain that",
        )
    if moment is not None and not 0 <= moment <= length:
        raise UsageError(f"the moment {moment:g} s lies outside of the song", hint=f"it has {length:.1f} s")


class _Watch:
    """Tells how much is done."""

    def __init__(self, on_progress: OnProgress | None, total: float) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0.0

    def step(self, what: str, cost: float) -> None:
        """Say what comes next, and how much it takes."""
        if self._on_progress is not None:
            self._on_progress(min(self._done / self._total, 1.0), what)
        self._done += cost


_COSTS = {"taggram": 4.0, "saliency": 8.0, "deletion": 4.0, "channels": 3.0, "sanity": 32.0, "inversion": 40.0}


def _costs(n_tags: int, n_layers: int, is_checked: bool, is_inverted: bool) -> float:
    """Seconds that the parts take with musicnn, roughly: what a bar needs."""
    one = _COSTS["saliency"] + _COSTS["deletion"] + n_layers * _COSTS["channels"]
    one += _COSTS["sanity"] * is_checked + n_layers * _COSTS["inversion"] * is_inverted
    return _COSTS["taggram"] + n_tags * one


def _taggram(model: TaggingModel, samples: Samples, watch: _Watch) -> tuple[NDArray[np.float32], Floats]:
    """Return the scores (n_chunks, K) of the chunks of the tagger, and when these are (n_chunks, 2), seconds."""
    starts = chunk_starts(model, samples.size)
    found = []
    with torch.no_grad(), quickly(model):
        for i in range(0, len(starts), _BATCH):
            watch.step("listening", _COSTS["taggram"] * min(_BATCH / len(starts), 1.0))
            windows = cut_windows(model, samples, starts[i : i + _BATCH])
            logits = stages_until(model, windows, ("logits",))["logits"]
            found.append(activated(logits, model.card).float().numpy())
    begin = np.array(starts, np.float64) / model.sample_rate
    length = samples.size / model.sample_rate
    return np.concatenate(found), np.stack(
        [begin, np.minimum(begin + model.chunk_samples / model.sample_rate, length)], axis=1
    )


def _best_chunk(model: TaggingModel, samples: Samples, scores: NDArray[np.float32]) -> float:
    """Return the middle of the chunk with the highest score among those that are not silent, seconds."""
    starts = chunk_starts(model, samples.size)
    peaks = np.array([np.abs(samples[start : start + model.chunk_samples]).max(initial=0.0) for start in starts])
    best = int(np.where(peaks >= SILENCE, scores, -np.inf).argmax())
    middle = (starts[best] + model.chunk_samples / 2) / model.sample_rate
    return min(middle, samples.size / model.sample_rate)


def _explained(
    model: TaggingModel,
    ears: Ears | None,
    samples: Samples,
    scores: NDArray[np.float32],
    position: int,
    plan: _Plan,
    watch: _Watch,
) -> TagReport:
    tag = tag_names(model)[position]
    moment = _best_chunk(model, samples, scores) if plan.moment is None else plan.moment
    watch.step(f"why {tag}", _COSTS["saliency"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EarmarkWarning)  # the page tells how far the sum is off
        saliency = explain_tag(model, samples, tag=position, method=plan.method, moment=moment)
    watch.step(f"is that why {tag}", _COSTS["deletion"])
    deletion = delete(model, samples, saliency, n_points=N_POINTS, n_random=N_RANDOM)
    sanity = None
    if plan.is_checked:
        watch.step(f"why {tag}, with shuffled weights", _COSTS["sanity"])
        sanity = check_sanity(model, samples, tag=position, method=plan.method, moment=moment)
    start = chunk_starts(model, samples.size, moment)[0]
    chunk = samples[start : start + model.chunk_samples]
    reports: tuple[LayerReport, ...] = ()
    if ears is not None:
        reports = _layers(model, ears, samples, position, start, moment, plan, watch, tag)
    return TagReport(
        tag=tag,
        score=float(scores.mean()),
        start=start / model.sample_rate,
        end=(start + chunk.size) / model.sample_rate,
        saliency=saliency,
        deletion=deletion,
        sanity=sanity,
        marked=mark_out(model, samples, saliency),
        sound=audible(chunk, model.sample_rate),
        layers=reports,
    )


def _layers(
    model: TaggingModel,
    ears: Ears,
    samples: Samples,
    position: int,
    start: int,
    moment: float,
    plan: _Plan,
    watch: _Watch,
    tag: str,
) -> tuple[LayerReport, ...]:
    watch.step(f"channels for {tag}", len(ears.layers) * _COSTS["channels"])
    shares = contributions(model, samples, ears.layers, position=position, start=start)
    begin, end = _stretch(model, samples.size, start, plan.seconds)
    return hear_layers(ears, samples, shares, start=begin, end=end, n_channels=plan.n_channels)


def _stretch(model: TaggingModel, n_samples: int, start: int, seconds: float) -> tuple[float, float]:
    """Return a stretch of whole chunks around one chunk, as far as the song goes, seconds."""
    length, rate = model.chunk_samples, model.sample_rate
    wanted = max(round(seconds * rate), length)
    before = (wanted - length) // 2 // length * length
    begin = start - before if start >= before else start % length
    begin = max(min(begin, n_samples - wanted), 0)
    return begin / rate, min(begin + wanted, n_samples) / rate


def _with_inversions(
    model: TaggingModel, samples: Samples, explained: list[TagReport], watch: _Watch
) -> list[TagReport]:
    """Invert the layers at the moment of each tag; tags that share a moment share the sounds."""
    known: dict[tuple[str, float], Inversion] = {}

    def inverted(tag: TagReport, layer: LayerReport) -> LayerReport:
        watch.step(f"inverting {layer.layer}", _COSTS["inversion"])
        one = (layer.layer, tag.start)
        if one not in known:
            known[one] = invert_layer(
                model, samples, layer=layer.layer, moment=tag.saliency.moment or 0.0, n_steps=INVERSION_STEPS
            )
        return replace(layer, inversion=known[one])

    return [replace(tag, layers=tuple(inverted(tag, layer) for layer in tag.layers)) for tag in explained]


def _with_excerpts(
    model: TaggingModel, explained: list[TagReport], library: Iterable[tuple[str, Song]], watch: _Watch
) -> list[TagReport]:
    channels = [(layer.layer, one.channel) for tag in explained for layer in tag.layers for one in layer.channels]
    songs = _watched(library, watch)
    first = next(songs, None)
    if first is None or not channels:
        return explained

    def all_songs() -> Iterator[tuple[str, Song]]:
        yield first
        yield from songs

    found = excerpts_of_channels(model, all_songs(), list(dict.fromkeys(channels)))

    def filled(layer: LayerReport) -> LayerReport:
        return replace(
            layer,
            channels=tuple(replace(one, excerpts=found.get((layer.layer, one.channel))) for one in layer.channels),
        )

    return [replace(tag, layers=tuple(filled(layer) for layer in tag.layers)) for tag in explained]


def _watched(library: Iterable[tuple[str, Song]], watch: _Watch) -> Iterator[tuple[str, Song]]:
    for name, song in library:
        watch.step(f"looking in {name}", 0.0)
        yield name, song
