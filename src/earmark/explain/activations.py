"""Feature maps of a network on a song: what every channel of a layer answers, when, and at which frequencies.

A song is heard chunk by chunk, as the tagger hears it, and the maps of the chunks are put behind one another on the
time of the song. Channels are ranked by what they contribute to a tag: activation times gradient, see `activations`.

References
----------
Molchanov, P. et al. "Pruning convolutional neural networks for resource efficient inference", ICLR 2017 (activation
times gradient as the first-order change of the output when a channel is set to zero).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.chunks import Chunk, ChunkPlan, stream_chunks
from earmark.errors import UnknownNameError, UsageError
from earmark.explain.geometry import TimeAxis, band_centres, row_centres, row_fields, stage_fields, time_axes
from earmark.explain.opening import (
    Model,
    Song,
    at_rest,
    check_layers,
    log_odds,
    name_of,
    open_model,
    read_song,
    stages_until,
    tag_index,
)
from earmark.models.base import TaggingModel, activated, four_axes

Floats = NDArray[np.float64]
Maps = NDArray[np.float32]

MAX_BYTES = 2 * 1024**3  # of the maps of one call


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerMaps:
    """The feature maps of one layer on a song.

    Parameters
    ----------
    layer : its name
    values : shape (C, F, T), in the order of the network's channels; F and T are one where a layer has no such axis
    times : middle of what each step sees, seconds of the song, shape (T,); ascending
    is_padded : which steps see beyond the ends of their chunk, where a network pads with zeros or a mirror image, shape
        (T,); none where every step sees all of the chunk
    step_seconds : between two steps of a chunk
    field_seconds : what one step sees
    frequencies : middle of what each row sees, Hz, shape (F,); None for networks on the waveform, and for one row
    contributions : to the tag, or to the output, shape (C,), mean over the chunks; None if they were not asked for
    order : channels by contribution, the highest first, shape (C,); 0, 1, 2, ... without contributions
    """

    layer: str
    values: Maps
    times: Floats
    is_padded: NDArray[np.bool_]
    step_seconds: float
    field_seconds: float
    frequencies: Floats | None
    contributions: Floats | None
    order: NDArray[np.intp]

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return len(self.values)

    def ordered(self, n_channels: int | None = None) -> Maps:
        """Return the maps of the channels that contribute most, shape (n_channels, F, T), the first first."""
        return self.values[self.order[:n_channels]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Activations:
    """The feature maps of a network on a song.

    Parameters
    ----------
    model : its name
    tag : that contributions are to; empty for the output in general
    sample_rate : Hz
    n_seconds : of the song
    chunk_starts : seconds, shape (n_chunks,)
    layers : by name, in the order of the network
    """

    model: str
    tag: str
    sample_rate: int
    n_seconds: float
    chunk_starts: Floats
    layers: Mapping[str, LayerMaps]

    def __getitem__(self, layer: str) -> LayerMaps:
        """Return the maps of a layer.

        Raises
        ------
        UnknownNameError
            If it is not among those that were asked for.
        """
        if layer not in self.layers:
            raise UnknownNameError("layer", layer, self.layers)
        return self.layers[layer]


def activations(
    model: Model,
    song: Song,
    layers: Sequence[str] | str | None = None,
    *,
    tag: str | int | None = None,
    is_ranked: bool = True,
    max_rate: float | None = 200.0,
    sample_rate: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
) -> Activations:
    """Compute the feature maps of a network on a whole song.

    Parameters
    ----------
    model : a network; or the card, the name or the path of a published, imported or trained one
    song : a path, bytes, a file; or samples, shape (n,) or (n_channels, n)
    layers : names out of the model's `layer_names`; all unless given
    tag : that the channels are ranked for, by name or position; the output in general unless given
    is_ranked : whether channels are ranked at all, which takes a backward pass
    max_rate : steps per second of a map at most; of faster ones, as of networks on the waveform, so many neighbouring
        steps are averaged as it takes; None leaves all of them
    sample_rate : Hz, of samples that are given; that of the model unless given
    offset, duration : the part of the song to take, seconds; times count from the start of the song

    Raises
    ------
    UnknownNameError
        If there is no such model, layer or tag; the hint has the nearest names.
    InputError
        If the song cannot be read, or is silent.
    UsageError
        If the model is an exported ONNX file, or the maps would take more than 2 GiB.

    Notes
    -----
    The contribution of a channel to a tag is the sum of activation times gradient of the tag's log odds over time
    and frequency, averaged over the chunks: how much these would fall, to first order, if the channel were zero. In
    general, the logits are summed, each weighted by its score (which the gradient does not pass through): what makes
    the network surer of what it says. Channels that speak against the tag come last.

    A short song is repeated to fill a chunk; what lies behind its end is not in the maps. Where the last chunk overlaps
    the one before, the earlier one is kept. Steps near the ends of a chunk see what the network pads it with.
    """
    network = open_model(model)
    names = check_layers(network, layers)
    target = None if tag is None else tag_index(network, tag)
    if max_rate is not None and not max_rate > 0:
        raise UsageError(f"max_rate={max_rate} steps per second", hint="a positive number, or None for all of them")
    waveform = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate, offset=offset, duration=duration)
    chunks = stream_chunks(
        [waveform], ChunkPlan(network.chunk_samples, network.chunk_samples, network.context), pad="repeat"
    )
    builder = _Builder(network, names, waveform.size, offset, max_rate)
    with at_rest(network):
        for chunk in chunks:
            values, shares = _heard(network, chunk, names, target, is_ranked=is_ranked)
            builder.add(chunk.start, values, shares)
    return Activations(
        model=name_of(network),
        tag="" if target is None else network.card.tags[target] if network.card else str(target),
        sample_rate=network.sample_rate,
        n_seconds=waveform.size / network.sample_rate,
        chunk_starts=np.array(builder.starts) / network.sample_rate + offset,
        layers={name: builder.maps(name) for name in names},
    )


def _heard(
    model: TaggingModel, chunk: Chunk, names: Sequence[str], target: int | None, *, is_ranked: bool
) -> tuple[dict[str, Maps], dict[str, Floats]]:
    """Return the maps (C, F, T) of one chunk, and the contributions (C,) if they are asked for."""
    samples = torch.from_numpy(chunk.samples)[None].requires_grad_(is_ranked)
    wanted = dict.fromkeys((*names, "logits") if is_ranked else names)
    with torch.set_grad_enabled(is_ranked):
        stages = stages_until(model, samples, tuple(wanted))
    maps = {name: four_axes(stages[name])[0].detach().float().numpy() for name in names}
    if not is_ranked:
        return maps, {}
    logits = stages["logits"]
    weights = activated(logits, model.card).detach()
    goal = (weights * logits).sum() if target is None else log_odds(model, logits, target)[0]
    return maps, contributions_to(goal, {name: stages[name] for name in names})


def contributions_to(goal: Tensor, stages: Mapping[str, Tensor]) -> dict[str, Floats]:
    """Return what each channel of some layers adds to a number: activation times gradient, added up.

    Parameters
    ----------
    goal : shape ()
    stages : of one chunk, that it was computed from, by the names of their layers

    Returns
    -------
    by layer, shape (C,)
    """
    gradients = gradients_of(goal, list(stages.values()))
    return {
        name: four_axes(stage * gradient).detach()[0].double().sum(dim=(1, 2)).numpy()
        for (name, stage), gradient in zip(stages.items(), gradients, strict=True)
    }


def gradients_of(goal: Tensor, stages: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of a number with respect to the stages that it was computed from.

    Parameters
    ----------
    goal : shape ()
    stages : any shapes

    Returns
    -------
    of the same shapes; zeros where the number does not depend on a stage

    Notes
    -----
    Some networks yield a view of what they go on with, which no gradient passes through: there it is taken from what
    is viewed.
    """
    bases = [_viewed(stage) for stage in stages]
    found: tuple[Tensor | None, ...] = torch.autograd.grad(goal, [*stages, *bases], allow_unused=True)
    gradients = []
    for stage, base, direct, viewed in zip(stages, bases, found[: len(stages)], found[len(stages) :], strict=True):
        if direct is None and viewed is not None:
            laid_out = torch.empty_strided(base.shape, base.stride()).copy_(viewed)
            direct = laid_out.as_strided(stage.shape, stage.stride(), stage.storage_offset())
        gradients.append(torch.zeros_like(stage) if direct is None else direct)
    return gradients


def _viewed(stage: Tensor) -> Tensor:
    """Return what a tensor is a view of, or itself."""
    base: Tensor | None = getattr(stage, "_base", None)
    return stage if base is None else base


class _Builder:
    """Put the maps of chunks behind one another."""

    def __init__(
        self, model: TaggingModel, names: Sequence[str], n_samples: int, offset: float, max_rate: float | None
    ) -> None:
        self.model, self.names, self.n_samples, self.offset = model, names, n_samples, offset
        self.max_rate = max_rate
        self.starts: list[int] = []
        self.axes: dict[str, TimeAxis] = {}
        self.parts: dict[str, list[tuple[Maps, Floats, NDArray[np.bool_]]]] = {name: [] for name in names}
        self.shares: dict[str, list[Floats]] = {name: [] for name in names}

    def add(self, start: int, values: Mapping[str, Maps], shares: Mapping[str, Floats]) -> None:
        """Add a chunk.

        Parameters
        ----------
        start : where it starts in the song, samples
        values : maps by layer, each (C, F, T)
        shares : contributions by layer, each (C,)
        """
        if not self.starts:
            self._look_at(values)
        begin = max(start, self.starts[-1] + self.model.chunk_samples if self.starts else 0)
        for name in self.names:
            axis = self.axes[name]
            step = self._group(name)
            held, centres = _averaged(values[name][..., axis.kept], axis.centres, step)
            times, padded = centres + start, self._padded(name, centres)
            if len(times) > 1:  # one step stands for its chunk, also where that goes beyond the end of the song
                first = begin if self.starts else -axis.step * step  # what lies before is padding alone
                end = min(self.n_samples, start + self.model.chunk_samples)  # behind which most is padding
                inside = (times < end) & (times > first - 1e-6)
                held, times, padded = held[..., inside], times[inside], padded[inside]
            self.parts[name].append((held, times, padded))
            if shares:
                self.shares[name].append(shares[name])
        self.starts.append(start)

    def _look_at(self, values: Mapping[str, Maps]) -> None:
        self.axes = time_axes(self.model, {name: values[name].shape[-1] for name in self.names})
        n_chunks = max(self.n_samples / self.model.chunk_samples, 1.0)
        size = sum(n_chunks * values[name].nbytes / self._group(name) for name in self.names)
        if size > MAX_BYTES:
            raise UsageError(
                f"the maps would take {size / 1024**3:.1f} GiB",
                hint="name fewer layers, a lower max_rate, or a part of the song: offset and duration",
            )

    def _group(self, name: str) -> int:
        """How many neighbouring steps are averaged."""
        rate = self.model.sample_rate / self.axes[name].step
        return 1 if self.max_rate is None else max(int(np.ceil(rate / self.max_rate - 1e-9)), 1)

    def maps(self, name: str) -> LayerMaps:
        """Return the maps of a layer."""
        axis, rate = self.axes[name], self.model.sample_rate
        parts, own_times, padded = zip(*self.parts[name], strict=True)
        values, times = np.concatenate(parts, axis=-1), np.concatenate(own_times) / rate + self.offset
        field = stage_fields(self.model, tuple(self.names))[name]
        seen = self.model.chunk_samples if field.sees_all else field.width
        shares = np.mean(self.shares[name], axis=0) if self.shares[name] else None
        order = np.arange(len(values)) if shares is None else np.argsort(-shares, kind="stable")
        return LayerMaps(
            layer=name,
            values=values,
            times=times,
            is_padded=np.concatenate(padded),
            step_seconds=axis.step * self._group(name) / rate,
            field_seconds=min(seen, self.model.chunk_samples) / rate,
            frequencies=self._frequencies(name, values.shape[1]),
            contributions=shares,
            order=order,
        )

    def _padded(self, name: str, centres: Floats) -> NDArray[np.bool_]:
        """Tell which steps, by the middle of what they see in the chunk, see beyond its ends and its context."""
        field = stage_fields(self.model, tuple(self.names))[name]
        if field.sees_all or not field.step:
            return np.zeros(len(centres), bool)
        half = (field.width - 1) / 2 + field.step * (self._group(name) - 1) / 2
        left, right = self.model.context
        end = self.model.chunk_samples + right
        return np.asarray((centres - half < -left) | (centres + half > end - 1))

    def _frequencies(self, name: str, n_rows: int) -> Floats | None:
        bands = band_centres(self.model.frontend) if n_rows > 1 else np.zeros(0)
        if not len(bands):
            return None
        deepest = [one for one in self.names if self.parts[one][0][0].shape[1] > 1][-1]
        fields = row_fields(self.model, deepest)
        return row_centres(fields.get(name), n_rows, bands)


def _averaged(values: Maps, centres: Floats, n: int) -> tuple[Maps, Floats]:
    """Average every n steps of maps (C, F, T) and their times (T,); the last of them may be fewer."""
    if n == 1:
        return values, centres
    starts = np.arange(0, values.shape[-1], n)
    counts = np.diff([*starts, values.shape[-1]])
    means = np.add.reduceat(values, starts, axis=-1) / counts
    return means.astype(np.float32), np.add.reduceat(centres, starts) / counts
