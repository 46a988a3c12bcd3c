"""The channels of a layer that do most for a tag: when they answer, which frequencies they hear, how that sounds.

References
----------
Molchanov, P. et al. "Pruning convolutional neural networks for resource efficient inference", ICLR 2017 (activation
times gradient as the first-order change of the output when a channel is set to zero).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError
from earmark.explain.activations import LayerMaps, activations, contributions_to
from earmark.explain.auralize import ChannelMap, Sound, excitation, hear_map, resting_levels
from earmark.explain.bands import passbands
from earmark.explain.excerpts import Excerpts
from earmark.explain.geometry import steps_in_chunk
from earmark.explain.inversion import Inversion
from earmark.explain.opening import Samples, at_rest, check_layers, log_odds, stages_until
from earmark.explain.passages import cut_windows, quickly
from earmark.explain.responses import layer_response
from earmark.models.base import TaggingModel

Floats = NDArray[np.float64]

N_BANDS = 64  # of the measured response of a channel
FEWEST_STEPS = 8  # in a chunk, that a late layer has to have to be chosen
STILL = 1e-6  # of the widest swing of a layer; a channel that moves less does not answer at all


@dataclass(frozen=True, eq=False, kw_only=True)
class HeardBy:
    """Which frequencies a channel hears.

    Parameters
    ----------
    frequencies : Hz, ascending, shape (N,)
    response : at least zero, relative, shape (N,)
    is_measured : by sines of those frequencies; else it is the mean of the rows of the map over this song
    """

    frequencies: Floats
    response: Floats
    is_measured: bool

    @property
    def band(self) -> tuple[float, float, float]:
        """Peak, and both ends at half the power, Hz; NaN where nothing is answered."""
        found = passbands(self.frequencies, self.response[None])
        return float(found.peak[0]), float(found.low[0]), float(found.high[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelReport:
    """One channel on a stretch of a song.

    Parameters
    ----------
    channel : its number
    contribution : to the tag, at the moment that is explained, in log odds
    excited : its map from 0 (as in silence) to 1; all zero if it is at rest throughout
    heard : which frequencies it hears; None if that is not known
    sound : of the song, let through where and when the map is high; None if there is nothing to hear
    excerpts : of a library; None if there was none
    """

    channel: int
    contribution: float
    excited: ChannelMap
    heard: HeardBy | None
    sound: Sound | None
    excerpts: Excerpts | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerReport:
    """The channels of one layer that do most for a tag.

    Parameters
    ----------
    layer : its name
    start, end : of the stretch of the song that was heard, seconds
    n_channels : of the layer
    n_still : of them, those that never vary in this stretch
    step_seconds, field_seconds : between two steps of the map, and what one of them sees
    channels : those that contribute most, the first first
    inversion : a sound that the layer takes for the song; None if it was not asked for
    """

    layer: str
    start: float
    end: float
    n_channels: int
    n_still: int
    step_seconds: float
    field_seconds: float
    channels: tuple[ChannelReport, ...]
    inversion: Inversion | None = None


@dataclass(eq=False)
class Ears:
    """What is measured once for a layer, whatever the song: what it gives for silence, and what it hears.

    Parameters
    ----------
    model : the network
    layers : their names

    Attributes
    ----------
    resting : by layer, what each row of each channel gives for silence, shape (C, F)
    """

    model: TaggingModel
    layers: tuple[str, ...]
    resting: Mapping[str, Floats] = field(init=False)
    _heard: dict[str, tuple[Floats, Floats]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.resting = resting_levels(self.model, self.layers)

    def measured(self, layer: str) -> tuple[Floats, Floats]:
        """Return frequencies (N,), Hz, and how far each channel is from silence for a sine there, (C, N)."""
        if layer not in self._heard:
            with quickly(self.model):
                found = layer_response(self.model, layer, n_bands=N_BANDS, measure="absolute")
            self._heard[layer] = found.frequencies, found.sweep
        return self._heard[layer]


def timed_layers(model: TaggingModel) -> tuple[str, ...]:
    """Return the layers with an axis of time, in the order of the network."""
    return tuple(steps_in_chunk(model))


def choose_layers(model: TaggingModel, layers: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the layers to listen to: those that are asked for, else an early and a late one.

    Parameters
    ----------
    layers : names; unless given, the first layer with an axis of time and the last one with at least `FEWEST_STEPS`
        steps in a chunk (or the last with any)

    Returns
    -------
    in the order of the network; none if no layer has an axis of time and none is asked for

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    UsageError
        If a layer has no axis of time, so that it cannot be heard along a song.
    """
    steps = steps_in_chunk(model)
    if layers:
        names = check_layers(model, layers)
        for name in names:
            if name not in steps:
                known = f"those of this network that have one: {', '.join(steps)}" if steps else "this network has none"
                raise UsageError(f"layer {name!r} has no axis of time to be heard along", hint=known)
        return names
    if not steps:
        return ()
    fine = [name for name, n in steps.items() if n >= FEWEST_STEPS]
    return tuple(dict.fromkeys((next(iter(steps)), (fine or list(steps))[-1])))


def contributions(
    model: TaggingModel, samples: Samples, layers: Sequence[str], *, position: int, start: int
) -> dict[str, Floats]:
    """Return what each channel contributes to a tag in one chunk: activation times gradient of the log odds, added up.

    Parameters
    ----------
    samples : of the song, shape (S,)
    layers : names
    position : of the tag among the outputs
    start : of the chunk, samples

    Returns
    -------
    by layer, shape (C,): how much the log odds of the tag would fall, to first order, if the channel were zero
    """
    window = cut_windows(model, samples, [start]).requires_grad_()
    with at_rest(model), quickly(model):
        stages = stages_until(model, window, (*layers, "logits"))
        return contributions_to(log_odds(model, stages["logits"], position)[0], {name: stages[name] for name in layers})


def hear_layers(
    ears: Ears,
    samples: Samples,
    shares: Mapping[str, Floats],
    *,
    start: float,
    end: float,
    n_channels: int,
) -> tuple[LayerReport, ...]:
    """Listen to the channels that contribute most, on a stretch of a song.

    Parameters
    ----------
    ears : of the network, with the layers
    samples : of the song, shape (S,)
    shares : contributions of the channels by layer, see `contributions`
    start, end : of the stretch, seconds
    n_channels : of each layer

    Returns
    -------
    one for each layer. Channels that never vary in the stretch are passed over; so are those that speak against the
    tag, as long as one speaks for it

    Raises
    ------
    UsageError
        If the maps of a layer on the stretch would take more than 2 GiB.
    """
    model = ears.model
    cut = samples[round(start * model.sample_rate) : round(end * model.sample_rate)]
    reports = []
    for name in ears.layers:
        try:
            with quickly(model):
                maps = activations(model, cut, name, is_ranked=False, max_rate=None)[name]
        except UsageError as error:  # too large, which is told by what this function does not take
            raise UsageError(
                f"layer {name!r} on {end - start:.0f} s: {error.message}",
                hint="hear its channels on a shorter stretch (--seconds), or choose another layer",
            ) from error
        swings = np.ptp(maps.values.reshape(maps.n_channels, -1), axis=1)
        moves = swings > STILL * max(float(swings.max(initial=0.0)), 1e-30)
        order = [int(i) for i in np.argsort(-shares[name], kind="stable") if moves[i]]
        chosen = [i for i in order if shares[name][i] > 0] or order
        channels = [heard_channel(ears, cut, maps, i, float(shares[name][i]), start) for i in chosen[:n_channels]]
        reports.append(
            LayerReport(
                layer=name,
                start=start,
                end=end,
                n_channels=maps.n_channels,
                n_still=int((~moves).sum()),
                step_seconds=maps.step_seconds,
                field_seconds=maps.field_seconds,
                channels=tuple(channels),
            )
        )
    return tuple(reports)


def heard_channel(ears: Ears, cut: Samples, maps: LayerMaps, channel: int, share: float, start: float) -> ChannelReport:
    """Listen to one channel on a stretch of a song.

    Parameters
    ----------
    ears : of the network, with the layer
    cut : the samples of the stretch, shape (S,)
    maps : of the layer on them
    channel : its number
    share : what it contributes to a tag; NaN where that is not asked
    start : of the stretch, seconds
    """
    rate = ears.model.sample_rate
    try:
        values = excitation(maps.values[channel] - ears.resting[maps.layer][channel][:, None])
    except InputError:  # it moves, but on the other side of rest only in traces
        values = np.zeros_like(maps.values[channel])
    excited = ChannelMap(values, maps.times, maps.frequencies)
    heard = _frequencies(ears, excited, maps.layer, channel)
    measured = heard is not None and heard.is_measured
    try:
        sound = hear_map(
            cut,
            excited,
            sample_rate=rate,
            response=heard.response if heard is not None and measured else None,
            response_frequencies=heard.frequencies if heard is not None and measured else None,
        )
    except InputError:  # nothing is let through, or so little that it has no loudness
        sound = None
    placed = ChannelMap(values, maps.times + start, maps.frequencies)
    return ChannelReport(channel=channel, contribution=share, excited=placed, heard=heard, sound=sound)


def _frequencies(ears: Ears, excited: ChannelMap, layer: str, channel: int) -> HeardBy | None:
    """Say which frequencies a channel hears: by the rows of its map, or measured where it has none."""
    if excited.frequencies is not None:
        if len(excited.frequencies) < 3:
            return None
        mean = excited.values.mean(axis=1, dtype=np.float64)
        return HeardBy(frequencies=excited.frequencies, response=mean, is_measured=False)
    frequencies, responses = ears.measured(layer)
    response = np.maximum(responses[channel], 0.0)
    if not response.max() > 0:
        return None
    return HeardBy(frequencies=frequencies, response=response, is_measured=True)
