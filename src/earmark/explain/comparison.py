"""Two networks on the same songs: how alike their layers are, which channels they share, and what both tag.

References
----------
Kornblith, S. et al. "Similarity of neural network representations revisited", ICML 2019 (linear CKA).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.audio.io import open_audio
from earmark.audio.sources import Source, source_name
from earmark.errors import UnknownNameError, UsageError
from earmark.explain.activations import Activations, activations
from earmark.explain.cells import hear
from earmark.explain.channels import ChannelReport, Ears, choose_layers, heard_channel, timed_layers
from earmark.explain.comparing import (
    ChannelMatches,
    LayerLikeness,
    check_threshold,
    likeness_of,
    match_heard,
)
from earmark.explain.opening import Model, Samples, Song, name_of, open_model, read_song
from earmark.explain.passages import quickly
from earmark.models.base import TaggingModel, activated
from earmark.vocabulary import merged_name

Floats = NDArray[np.float64]
OnProgress = Callable[[float, str], None]

LAYER_SECONDS, CHANNEL_SECONDS = 0.5, 0.1  # of the moments in which layers, and channels, are compared
_AS_ALIKE = 0.05  # of CKA, below the highest: pairs of layers that are as much alike
_STILL = 0.02  # deviation of a map from 0 to 1 that always says the same
_TRIES = 4  # channels looked at for each one that is wanted, until enough of them can be heard


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedChannel:
    """A channel that both networks have.

    Parameters
    ----------
    a, b : what it hears in the first network, and in the second
    correlation : of both over all songs
    """

    a: ChannelReport
    b: ChannelReport
    correlation: float


@dataclass(frozen=True, eq=False, kw_only=True)
class UniqueChannel:
    """A channel that one network has alone.

    Parameters
    ----------
    heard : what it hears
    partner : the channel of the other network that it is most correlated with
    correlation : with that one
    """

    heard: ChannelReport
    partner: int
    correlation: float


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedTag:
    """A tag that both networks know.

    Parameters
    ----------
    name : in the style of all vocabularies
    score_a, score_b : what both give, from 0 to 1, the mean over the chunks of the stretch of the first song
    """

    name: str
    score_a: float
    score_b: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two networks that heard the same songs.

    Parameters
    ----------
    models : their names
    songs : names of the songs
    start, end : of the stretch of the first song that is heard, seconds
    sample_rate : Hz, of `waveform`
    waveform : that stretch, mono, shape (S,)
    likeness : CKA of every layer of the first with every one of the second
    layers : those whose channels are matched
    matches : of these channels, on all songs
    shared : some of the shared channels, the most alike first
    unique_a, unique_b : some of those that one has alone, the most unlike first
    tags : that both know, the strongest first
    only_a, only_b : tags that one knows alone, with its scores, the strongest first
    """

    models: tuple[str, str]
    songs: tuple[str, ...]
    start: float
    end: float
    sample_rate: int
    waveform: Samples
    likeness: LayerLikeness
    layers: tuple[str, str]
    matches: ChannelMatches
    shared: tuple[SharedChannel, ...]
    unique_a: tuple[UniqueChannel, ...]
    unique_b: tuple[UniqueChannel, ...]
    tags: tuple[SharedTag, ...]
    only_a: tuple[tuple[str, float], ...]
    only_b: tuple[tuple[str, float], ...]

    @property
    def pair_cka(self) -> float:
        """CKA of the two layers whose channels are matched; NaN if they were not among those compared."""
        one, other = self.layers
        if one not in self.likeness.layers_a or other not in self.likeness.layers_b:
            return math.nan
        return float(self.likeness.cka[self.likeness.layers_a.index(one), self.likeness.layers_b.index(other)])


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A part of a song: its name, its samples at a rate that serves both networks, and where it starts, seconds."""

    name: str
    samples: Samples
    start: float


def compare_models(
    model_a: Model,
    model_b: Model,
    songs: Sequence[Song],
    *,
    layers: Sequence[str] | None = None,
    layer_a: str | None = None,
    layer_b: str | None = None,
    threshold: float = 0.7,
    n_sounds: int = 4,
    seconds: float | None = 30.0,
    sample_rate: int | None = None,
    names: tuple[str, str] | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare two networks on songs.

    Parameters
    ----------
    model_a, model_b : networks, or the cards, names or paths of published, imported or trained ones; their sample
        rates, chunks and front ends may differ
    songs : paths, bytes, files; or samples, shape (n,) or (n_channels, n), at `sample_rate`
    layers : names of layers to compare by CKA, of which each network takes those that it has; all unless given
    layer_a, layer_b : whose channels are matched; see the notes for what is taken unless given
    threshold : correlation from which on two channels count as the same
    n_sounds : channels to hear of each kind: shared, the first's alone, the second's alone
    seconds : of each song, from its middle; None for whole songs
    sample_rate : Hz, of songs that are given as samples
    names : what to call the networks; what their cards say unless given, and "... (A)" and "... (B)" if that is the
        same
    on_progress : called with the share of the work that is done, and what is being done

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    InputError
        If a song cannot be read or is silent, or all together are too short to compare.
    UsageError
        If there is no song, a model is an exported ONNX file, a layer has no axis of time, or an option is out of
        range.

    Notes
    -----
    Unless given, the two layers whose channels are matched are the most alike: of the layers with an axis of time, down
    to the last with eight steps in a chunk, the pair with the highest CKA; of pairs that come within 0.05 of it, the
    one that lies deepest, by the sum of its places in both networks, each counted from 0 to 1.

    Layers are compared in moments of half a second, channels of a tenth, or as long as a step of the slower layer.
    """
    check_threshold(threshold)
    if not songs:
        raise UsageError("no song to compare the networks on", hint="give one at least")
    if n_sounds < 0 or (seconds is not None and not seconds >= 1):
        raise UsageError(f"n_sounds={n_sounds}, seconds={seconds}", hint="no fewer than 0 sounds, of a second or more")
    networks = open_model(model_a), open_model(model_b)
    for network, layer in zip(networks, (layer_a, layer_b), strict=True):
        choose_layers(network, () if layer is None else (layer,))
    compared = _compared(networks, layers)
    tell = on_progress or (lambda part, what: None)
    rate = max(network.sample_rate for network in networks)
    stretches = [_stretch(song, rate, seconds, sample_rate) for song in songs]
    heard = _heard(networks, stretches, compared, rate, lambda part, what: tell(0.5 * part, what))
    tell(0.5, "comparing layers")
    whole = likeness_of(heard[0], heard[1], cell_seconds=LAYER_SECONDS)
    pair = _pair(networks, whole, layer_a, layer_b)
    tell(0.6, "matching channels")
    matches = match_heard(
        heard[0], heard[1], layer_a=pair[0], layer_b=pair[1], threshold=threshold, cell_seconds=CHANNEL_SECONDS
    )
    first = stretches[0]
    listener = _Listener(networks, pair, first, rate, lambda part, what: tell(0.65 + 0.35 * part, what))
    shared, unique_a, unique_b = listener.all_of(matches, n_sounds)
    both, only_a, only_b = _tags(networks, (heard[0][0], heard[1][0]))
    called = names or _told_apart(networks)
    tell(1.0, "done")
    return Comparison(
        models=called,
        songs=tuple(one.name for one in stretches),
        start=first.start,
        end=first.start + first.samples.size / rate,
        sample_rate=rate,
        waveform=first.samples,
        likeness=_only(whole, compared, called),
        layers=pair,
        matches=matches,
        shared=shared,
        unique_a=unique_a,
        unique_b=unique_b,
        tags=both,
        only_a=only_a,
        only_b=only_b,
    )


def _compared(
    networks: tuple[TaggingModel, TaggingModel], layers: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers of each network that are compared by CKA."""
    if layers is None:
        return networks[0].layer_names, networks[1].layer_names
    known = dict.fromkeys((*networks[0].layer_names, *networks[1].layer_names))
    for layer in layers:
        if layer not in known:
            raise UnknownNameError("layer", layer, tuple(known))
    one, other = (tuple(name for name in network.layer_names if name in layers) for network in networks)
    if not one or not other:
        which, network = ("first", networks[0]) if not one else ("second", networks[1])
        raise UsageError(
            f"the {which} network has none of the layers {', '.join(layers)}",
            hint=f"name some of its own too: {', '.join(network.layer_names)}",
        )
    return one, other


def _heard(
    networks: tuple[TaggingModel, TaggingModel],
    stretches: Sequence[_Stretch],
    layers: tuple[tuple[str, ...], tuple[str, ...]],
    rate: int,
    tell: OnProgress,
) -> tuple[list[Activations], list[Activations]]:
    """Return of every song the maps of both networks, of what is compared and of what may be."""
    found: tuple[list[Activations], list[Activations]] = ([], [])
    for i, one in enumerate(stretches):
        for side, network in enumerate(networks):
            tell((2 * i + side) / (2 * len(stretches)), f"hearing {one.name}")
            wanted = {*layers[side], *timed_layers(network), "logits"}
            own = [name for name in network.layer_names if name in wanted]
            found[side].extend(hear(network, [one.samples], own, cell_seconds=CHANNEL_SECONDS, sample_rate=rate))
    return found


def _stretch(song: Song, rate: int, seconds: float | None, sample_rate: int | None) -> _Stretch:
    """Read the middle of a song."""
    if isinstance(song, np.ndarray):
        name, own = "a waveform", sample_rate or rate
        length = song.shape[-1] / own if song.size else 0.0
        start = 0.0 if seconds is None else max((length - seconds) / 2, 0.0)
        samples = read_song(song, to_rate=rate, sample_rate=own, offset=start, duration=seconds)
        return _Stretch(name, samples, start)
    length = _length(song)
    start = 0.0 if seconds is None or length is None else max((length - seconds) / 2, 0.0)
    samples = read_song(song, to_rate=rate, offset=start, duration=seconds)
    return _Stretch(PurePath(source_name(song)).name, samples, start)


def _length(song: Source) -> float | None:
    """Return the length of a file in seconds; None where it does not say, or can be read but once."""
    if not isinstance(song, bytes) and hasattr(song, "read"):
        return None
    if isinstance(song, str) and song == "-":
        return None
    with open_audio(song) as reader:
        return reader.info.duration


def _pair(
    networks: tuple[TaggingModel, TaggingModel], whole: LayerLikeness, layer_a: str | None, layer_b: str | None
) -> tuple[str, str]:
    """Choose the layers whose channels are matched, see the notes of `compare_models`."""
    if layer_a is not None and layer_b is not None:
        return layer_a, layer_b
    options = []
    for network, given in zip(networks, (layer_a, layer_b), strict=True):
        timed = timed_layers(network)
        if not timed:
            raise UsageError(
                f"{name_of(network)}: no layer has an axis of time, so no channel can be heard along a song",
                hint="compare other networks",
            )
        deepest = choose_layers(network)[-1]
        options.append(timed[: timed.index(deepest) + 1] if given is None else (given,))
    at = np.ix_([whole.layers_a.index(n) for n in options[0]], [whole.layers_b.index(n) for n in options[1]])
    values = np.nan_to_num(whole.cka[at], nan=-math.inf)
    places = [(np.arange(len(names)) + 1) / len(names) for names in options]
    depth = np.add.outer(places[0], places[1])
    depth[values < values.max() - _AS_ALIKE] = 0.0
    i, j = np.unravel_index(int(depth.argmax()), depth.shape)
    return options[0][int(i)], options[1][int(j)]


def _only(
    whole: LayerLikeness, layers: tuple[tuple[str, ...], tuple[str, ...]], names: tuple[str, str]
) -> LayerLikeness:
    """Return the part of a likeness that was asked for."""
    rows = [whole.layers_a.index(name) for name in layers[0]]
    columns = [whole.layers_b.index(name) for name in layers[1]]
    at = np.ix_(rows, columns)
    return LayerLikeness(
        models=names,
        layers_a=layers[0],
        layers_b=layers[1],
        cka=whole.cka[at],
        chance=whole.chance[at],
        n_moments=whole.n_moments[at],
        n_cells=whole.n_cells,
        cell_seconds=whole.cell_seconds,
    )


def _told_apart(networks: tuple[TaggingModel, TaggingModel]) -> tuple[str, str]:
    one, other = name_of(networks[0]), name_of(networks[1])
    return (one, other) if one != other else (f"{one} (A)", f"{other} (B)")


class _Listener:
    """Listen to channels of two layers on a stretch of a song."""

    def __init__(
        self,
        networks: tuple[TaggingModel, TaggingModel],
        layers: tuple[str, str],
        stretch: _Stretch,
        rate: int,
        tell: OnProgress,
    ) -> None:
        self.networks, self.layers, self.start, self.tell = networks, layers, stretch.start, tell
        self.ears = [Ears(network, (layer,)) for network, layer in zip(networks, layers, strict=True)]
        self.cuts = [read_song(stretch.samples, to_rate=network.sample_rate, sample_rate=rate) for network in networks]
        self.maps = []
        for network, layer, cut in zip(networks, layers, self.cuts, strict=True):
            with quickly(network):
                self.maps.append(activations(network, cut, layer, is_ranked=False, max_rate=None)[layer])

    def heard(self, side: int, channel: int) -> ChannelReport:
        """Return what a channel of one network hears."""
        return heard_channel(self.ears[side], self.cuts[side], self.maps[side], channel, math.nan, self.start)

    def all_of(
        self, matches: ChannelMatches, n: int
    ) -> tuple[tuple[SharedChannel, ...], tuple[UniqueChannel, ...], tuple[UniqueChannel, ...]]:
        """Return n channels of each kind that can be heard, or fewer if there are no more."""
        shared: list[SharedChannel] = []
        for one, other in matches.shared[: _TRIES * n].tolist():
            if len(shared) == n:
                break
            self.tell(len(shared) / (3 * n), "hearing shared channels")
            a, b = self.heard(0, one), self.heard(1, other)
            if _is_lively(a) and _is_lively(b):
                shared.append(SharedChannel(a=a, b=b, correlation=float(matches.correlation_a[one])))
        sides = []
        for side, (alone, partners, correlations) in enumerate(
            (
                (matches.unique_a, matches.partner_a, matches.correlation_a),
                (matches.unique_b, matches.partner_b, matches.correlation_b),
            )
        ):
            found: list[UniqueChannel] = []
            for channel in alone[: _TRIES * n].tolist():
                if len(found) == n:
                    break
                self.tell((1 + side + len(found) / n) / 3, "hearing channels that one network has alone")
                one = self.heard(side, channel)
                if _is_lively(one):
                    found.append(
                        UniqueChannel(
                            heard=one, partner=int(partners[channel]), correlation=float(correlations[channel])
                        )
                    )
            sides.append(tuple(found))
        return tuple(shared), sides[0], sides[1]


def _is_lively(one: ChannelReport) -> bool:
    """Say whether a channel comes and goes, and can be heard."""
    return one.sound is not None and float(one.excited.values.std()) > _STILL


def _tags(
    networks: tuple[TaggingModel, TaggingModel], heard: tuple[Activations, Activations]
) -> tuple[tuple[SharedTag, ...], tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]:
    """Return the tags that both networks know, by any of their names, and those that each knows alone.

    Where a network has several tags of one meaning, such as "female" and "woman", the highest score counts.
    """
    scores = [_scores(network, one) for network, one in zip(networks, heard, strict=True)]
    by_meaning: list[dict[str, float]] = []
    for own in scores:
        best: dict[str, float] = {}
        for tag, score in own.items():
            meaning = merged_name(tag)
            best[meaning] = max(score, best.get(meaning, 0.0))
        by_meaning.append(best)
    one, other = by_meaning
    both = [
        SharedTag(name=meaning, score_a=one[meaning], score_b=other[meaning]) for meaning in one if meaning in other
    ]
    both.sort(key=lambda tag: -max(tag.score_a, tag.score_b))
    alone = [
        tuple(
            sorted(
                ((meaning, score) for meaning, score in own.items() if meaning not in rest), key=lambda pair: -pair[1]
            )
        )
        for own, rest in ((one, other), (other, one))
    ]
    return tuple(both), alone[0], alone[1]


def _scores(model: TaggingModel, heard: Activations) -> dict[str, float]:
    """Return the mean scores over the chunks of a stretch by the names of the tags; none without a card."""
    if model.card is None:
        return {}
    logits = torch.from_numpy(heard["logits"].values[:, 0])  # (K, n_chunks)
    scores = activated(logits.T, model.card).mean(dim=0)
    return dict(zip(model.card.tags, scores.tolist(), strict=True))
