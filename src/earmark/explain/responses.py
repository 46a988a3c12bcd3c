"""What the channels of any layer hear, measured: sines that glide through a band, noise of that band, and a click.

Sounds are sent through the network as far as the layer, and its answer is compared with that to silence. So the
response is that of all layers up to there together, non-linearities included; it holds at the level that it was
measured at.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.errors import UsageError
from earmark.explain.bands import HALF_POWER, Coverage, Passbands, coverage, passbands
from earmark.explain.geometry import ReceptiveField, receptive_fields, runner, steps_in_chunk, time_axes
from earmark.explain.opening import Model, at_rest, check_layers, open_model
from earmark.models.base import TaggingModel, four_axes

Floats = NDArray[np.float64]
Progress = Callable[[float, str], None]
Measure = Literal["positive", "absolute"]

_FADE_SECONDS = 0.01
_BATCH_SAMPLES = 400_000  # of sound that is heard at once


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerResponse:
    """What the channels of a layer hear.

    Parameters
    ----------
    layer : its name
    sample_rate : Hz
    edges : of the bands, shape (K + 1,), Hz
    frequencies : centres of the bands, shape (K,), Hz
    sweep : answers to a sine that glides through each band, shape (C, K), see `layer_response`
    noise : answers to noise of each band, shape (C, K)
    silence : mean of each channel in silence, shape (C,)
    bands : centres and bandwidths by `sweep`
    noise_bands : the same by `noise`
    coverage : of the frequencies that the bands span, by `sweep`
    click : how far the answer to a click is from silence, over the steps, shape (C, T)
    click_times : middle of what each step sees, seconds from the click, shape (T,)
    time_resolution : length of the answer to a click, its sum over its highest value, shape (C,), seconds; NaN where a
        layer has one step, or does not answer
    field : what one step sees
    measure, level_db : as they were asked for
    """

    layer: str
    sample_rate: int
    edges: Floats
    frequencies: Floats
    sweep: Floats
    noise: Floats
    silence: Floats
    bands: Passbands
    noise_bands: Passbands
    coverage: Coverage
    click: Floats
    click_times: Floats
    time_resolution: Floats
    field: ReceptiveField
    measure: Measure
    level_db: float

    @property
    def answers(self) -> NDArray[np.bool_]:
        """Which channels answer any of the sweeps more than silence, shape (C,)."""
        return np.isfinite(self.bands.peak)


@dataclass(frozen=True, kw_only=True)
class StageChange:
    """A layer against the one before.

    Parameters
    ----------
    layer, before : their names; `before` is empty for the first
    n_answering : share of the channels that answer any sweep
    half_power, rectangular : bandwidths of the median channel, Hz
    half_power_ratio : to that of the layer before; NaN for the first
    time_resolution : of the median channel, seconds
    time_ratio : to that of the layer before; NaN for the first
    field_seconds, effective_seconds : what one step sees
    covered : share of the band that is covered, in Hz
    gained, lost : shares of the band that the layer before did not cover, and that it covered
    likeness : correlation, over the bands, of the mean responses of both; NaN for the first
    """

    layer: str
    before: str
    n_answering: float
    half_power: float
    rectangular: float
    half_power_ratio: float
    time_resolution: float
    time_ratio: float
    field_seconds: float
    effective_seconds: float
    covered: float
    gained: float
    lost: float
    likeness: float


def layer_response(
    model: Model,
    layer: str,
    *,
    n_bands: int = 96,
    f_min: float = 20.0,
    f_max: float | None = None,
    edges: Sequence[float] | None = None,
    level_db: float = -20.0,
    measure: Measure = "positive",
    seed: int = 0,
) -> LayerResponse:
    """Measure what the channels of a layer hear.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    layer : its name
    n_bands : bands from `f_min` to `f_max`, equally wide on the mel scale
    f_min, f_max : Hz; `f_max` is half the sample rate unless given
    edges : of bands of one's own in place of these, Hz, ascending, shape (K + 1,)
    level_db : root of the mean square of all sounds but the click, dB re full scale
    measure : "positive" or "absolute", see below
    seed : of the noise

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    UsageError
        If the bands are not in order, the level is above 0 dB, or the measure is unknown.

    Notes
    -----
    With "positive", the answer of a channel to a sound is the mean of its positive values over time (and rows), less
    that in silence: what goes on through a ReLU. It is below zero where a sound quiets a channel. With "absolute" it
    is the mean distance from the value in silence, up or down. A sine glides through its band, because one that stands
    still meets the steps of a layer with a stride always at the same phases, where their rate divides its frequency.
    Steps near the ends are left out where enough others remain. The click is one sample of full scale.
    """
    network = open_model(model)
    (name,) = check_layers(network, layer)
    bounds = _edges(network.sample_rate, n_bands, f_min, f_max, edges)
    return _measured(network, (name,), bounds, level_db, measure, seed, lambda _, __: None)[0]


def layer_responses(
    model: Model,
    layers: Sequence[str] | None = None,
    *,
    n_bands: int = 96,
    level_db: float = -20.0,
    measure: Measure = "positive",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> tuple[LayerResponse, ...]:
    """Measure what the channels of several layers hear, in the order of the network; options as of `layer_response`.

    Parameters
    ----------
    layers : names; all that have several steps in a chunk unless given
    on_progress : is told the share that is done, and which layers are being measured

    Notes
    -----
    Layers that take sounds of the same length hear them in one pass; the numbers are those of `layer_response`.
    """
    network = open_model(model)
    if layers is None:
        layers = tuple(steps_in_chunk(network))
    names = check_layers(network, layers)
    bounds = _edges(network.sample_rate, n_bands, 20.0, None, None)
    return _measured(network, names, bounds, level_db, measure, seed, on_progress or (lambda _, __: None))


def _measured(
    network: TaggingModel,
    names: Sequence[str],
    bounds: Floats,
    level_db: float,
    measure: Measure,
    seed: int,
    say: Progress,
) -> tuple[LayerResponse, ...]:
    """Measure layers, those that take sounds of the same length together."""
    if measure not in get_args(Measure):
        raise UsageError(f"measure={measure!r}", hint=f"one of {', '.join(get_args(Measure))}")
    if not level_db <= 0:
        raise UsageError(f"level_db={level_db} is above full scale", hint="0 or below")
    found: dict[str, LayerResponse] = {}
    with at_rest(network), torch.no_grad():
        groups: dict[int, list[str]] = {}
        for name in names:
            groups.setdefault(runner(network, name)[1], []).append(name)
        for n_samples, own in groups.items():
            text = own[0] if len(own) == 1 else f"{own[0]} to {own[-1]}"
            part = len(own) / len(names)

            def tell(
                done: float, part: float = part, before: float = len(found) / len(names), text: str = text
            ) -> None:
                say(before + part * done, f"sweeps and noise to {text}")

            sounds = _Sounds(bounds, network.sample_rate, n_samples, level_db, seed)
            found |= _measured_together(network, own, sounds, measure, level_db, tell)
    return tuple(found[name] for name in names)


def _measured_together(
    network: TaggingModel,
    names: Sequence[str],
    sounds: "_Sounds",
    measure: Measure,
    level_db: float,
    tell: Callable[[float], None],
) -> dict[str, LayerResponse]:
    """Send sounds through a network once, and return the responses of some layers by their names."""
    tell(0.0)
    silences = {name: value[0] for name, value in _layers_of(network, names, sounds.silence).items()}  # (C, F, T)
    inner = {name: _inner(network, name, value.shape[-1], sounds.n_samples) for name, value in silences.items()}
    sweep = _answers(network, sounds.sweeps, silences, inner, measure, lambda done: tell(done / 2))
    noise = _answers(network, sounds.noises, silences, inner, measure, lambda done: tell(0.5 + done / 2))
    clicks = _layers_of(network, names, sounds.click)
    found = {}
    for name in names:
        envelope = (clicks[name][0] - silences[name]).abs().mean(dim=1).double().numpy()  # (C, T)
        times, step = _click_times(network, name, envelope.shape[1], sounds.n_samples)
        with torch.enable_grad():
            (field,) = receptive_fields(network, name)
        found[name] = LayerResponse(
            layer=name,
            sample_rate=network.sample_rate,
            edges=sounds.bounds,
            frequencies=sounds.centres,
            sweep=sweep[name],
            noise=noise[name],
            silence=silences[name].mean(dim=(1, 2)).double().numpy(),
            bands=passbands(sounds.centres, sweep[name]),
            noise_bands=passbands(sounds.centres, noise[name]),
            coverage=coverage(sounds.bounds, sweep[name]),
            click=envelope,
            click_times=times,
            time_resolution=_lengths(envelope, step),
            field=field,
            measure=measure,
            level_db=level_db,
        )
    return found


class _Sounds:
    """What layers are asked with, all of one length.

    Parameters
    ----------
    bounds : of the bands, shape (K + 1,), Hz
    sample_rate : Hz
    n_samples : of each sound
    level_db : dB re full scale
    seed : of the noise
    """

    def __init__(self, bounds: Floats, sample_rate: int, n_samples: int, level_db: float, seed: int) -> None:
        rms = 10.0 ** (level_db / 20)
        self.bounds, self.n_samples = bounds, n_samples
        self.centres: Floats = (bounds[:-1] + bounds[1:]) / 2
        self.sweeps = sweeps(bounds, sample_rate, n_samples, rms)
        self.noises = band_noises(bounds, sample_rate, n_samples, rms, seed)
        self.silence = torch.zeros(1, n_samples)
        self.click = torch.zeros(1, n_samples)
        self.click[0, n_samples // 2] = 1.0


def compare_stages(responses: Sequence[LayerResponse]) -> tuple[StageChange, ...]:
    """Set every layer against the one before.

    Parameters
    ----------
    responses : of layers in order, measured in the same bands

    Raises
    ------
    UsageError
        If the bands differ.
    """
    changes: list[StageChange] = []
    before: LayerResponse | None = None
    for now in responses:
        if before is not None and not np.array_equal(now.edges, before.edges):
            raise UsageError(f"{before.layer!r} and {now.layer!r} were measured in different bands")
        own, widths = _passed(now), np.diff(now.edges)
        last = changes[-1] if changes else None
        others = own if before is None else _passed(before)
        half, resolution = _median(now.bands.half_power), _median(now.time_resolution)
        change = StageChange(
            layer=now.layer,
            before="" if before is None else before.layer,
            n_answering=float(now.answers.mean()),
            half_power=half,
            rectangular=_median(now.bands.rectangular),
            half_power_ratio=half / last.half_power if last else np.nan,
            time_resolution=resolution,
            time_ratio=resolution / last.time_resolution if last else np.nan,
            field_seconds=now.field.seconds,
            effective_seconds=now.field.effective_seconds,
            covered=now.coverage.covered,
            gained=float(widths[own & ~others].sum() / widths.sum()),
            lost=float(widths[others & ~own].sum() / widths.sum()),
            likeness=np.nan if before is None else _correlation(_profile(now), _profile(before)),
        )
        changes.append(change)
        before = now
    return tuple(changes)


def _edges(sample_rate: int, n_bands: int, f_min: float, f_max: float | None, edges: Sequence[float] | None) -> Floats:
    top = sample_rate / 2 if f_max is None else f_max
    if edges is None:
        if n_bands < 3:
            raise UsageError(f"n_bands={n_bands}", hint="three at least")
        if not 0 <= f_min < top <= sample_rate / 2:
            raise UsageError(f"f_min={f_min:g} and f_max={top:g} Hz must lie in order up to {sample_rate / 2:g} Hz")
        mels = hz_to_mel(np.array([f_min, top], np.float64))
        return mel_to_hz(np.linspace(mels[0], mels[1], n_bands + 1))
    bounds = np.asarray(edges, np.float64)
    is_ordered = bounds.ndim == 1 and len(bounds) > 3 and (np.diff(bounds) > 0).all()
    if not is_ordered or bounds[0] < 0 or bounds[-1] > sample_rate / 2:
        raise UsageError(
            f"edges of shape {bounds.shape} are no bands",
            hint=f"4 or more, ascending, from 0 to {sample_rate / 2:g} Hz",
        )
    return bounds


def sweeps(edges: Floats, sample_rate: int, n_samples: int, rms: float) -> Tensor:
    """Return a sine for each band that glides from its lower to its upper edge.

    Parameters
    ----------
    edges : shape (K + 1,), Hz
    n_samples : length of each, samples
    rms : root of the mean square; the ends are faded over 10 ms

    Returns
    -------
    shape (K, n_samples)
    """
    t, fade = np.arange(n_samples) / sample_rate, _fade(n_samples, sample_rate)
    sounds = np.empty((len(edges) - 1, n_samples), np.float32)  # one by one: of a long chunk they are many
    for sound, (low, high) in zip(sounds, itertools.pairwise(edges.tolist()), strict=True):
        phase = 2 * np.pi * (low * t + (high - low) * t**2 / (2 * n_samples / sample_rate))
        sound[:] = np.sqrt(2) * rms * np.sin(phase) * fade
    return torch.from_numpy(sounds)


def band_noises(edges: Floats, sample_rate: int, n_samples: int, rms: float, seed: int) -> Tensor:
    """Return Gaussian noise of each band, shape (K, n_samples); parameters as of `sweeps`."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    spectrum = rng.standard_normal((2, len(frequencies)))
    fade = _fade(n_samples, sample_rate)
    sounds = np.empty((len(edges) - 1, n_samples), np.float32)
    for sound, (low, high) in zip(sounds, itertools.pairwise(edges.tolist()), strict=True):
        inside = (frequencies >= low) & (frequencies < high)
        inside[np.argmin(np.abs(frequencies - (low + high) / 2))] = True  # a band may lie between two frequencies
        noise = np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * inside, n_samples)
        sound[:] = noise * rms / np.sqrt((noise**2).mean()) * fade
    return torch.from_numpy(sounds)


def _fade(n_samples: int, sample_rate: int) -> Floats:
    n = min(round(_FADE_SECONDS * sample_rate), n_samples // 4)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return np.concatenate([ramp, np.ones(n_samples - 2 * n), ramp[::-1]])


def _layers_of(model: TaggingModel, names: Sequence[str], sounds: Tensor) -> dict[str, Tensor]:
    """Return some layers of sounds (B, S), each (B, C, F, T)."""
    # The length of a chunk binds what lies behind the layers only: the check of a subclass is passed by.
    is_short = sounds.shape[-1] < model.chunk_samples
    spectrogram = TaggingModel.represent(model, sounds) if is_short else model.represent(sounds)
    found: dict[str, Tensor] = {}
    for name, value in model.stages(spectrogram):
        if name in names:
            found[name] = four_axes(value).detach().float()
        if len(found) == len(names):
            break
    return found


def _answers(
    model: TaggingModel,
    sounds: Tensor,
    silences: Mapping[str, Tensor],
    inner: Mapping[str, slice],
    measure: Measure,
    tell: Callable[[float], None],
) -> dict[str, Floats]:
    """Return how each channel of some layers answers each sound, shapes (C, K)."""
    size = max(_BATCH_SAMPLES // sounds.shape[1], 1)
    found: dict[str, list[Floats]] = {name: [] for name in silences}
    for start in range(0, len(sounds), size):
        for name, heard in _layers_of(model, tuple(silences), sounds[start : start + size]).items():
            value, quiet = heard[..., inner[name]], silences[name][..., inner[name]]  # (B, C, F, T), (C, F, T)
            change = (value - quiet).abs() if measure == "absolute" else value.clamp(min=0) - quiet.clamp(min=0)
            found[name].append(change.double().mean(dim=(2, 3)).numpy())
        tell(min(start + size, len(sounds)) / len(sounds))
    return {name: np.concatenate(parts).T for name, parts in found.items()}


def _inner(model: TaggingModel, layer: str, n_steps: int, n_samples: int) -> slice:
    """Return the steps that see neither the ends nor the fades, or half of them, those in the middle."""
    axis = time_axes(model, {layer: n_steps})[layer]
    (field,) = receptive_fields(model, layer, is_effective=False)
    margin = _FADE_SECONDS * model.sample_rate + field.n_samples / 2
    if n_steps < 4:
        return slice(None)
    if not field.sees_all:
        inside = np.flatnonzero((axis.centres >= margin) & (axis.centres <= n_samples - margin))
        if 4 * len(inside) >= n_steps:
            return slice(int(inside[0]), int(inside[-1]) + 1)
    return slice(n_steps // 4, n_steps - n_steps // 4)


def _click_times(model: TaggingModel, layer: str, n_steps: int, n_samples: int) -> tuple[Floats, float]:
    """Return when the steps are from the click on, shape (T,), and the time between two of them, both seconds."""
    axis = time_axes(model, {layer: n_steps})[layer]
    centres = axis.centres if n_steps == len(axis.centres) else np.arange(n_steps) * axis.step
    return (centres - n_samples // 2) / model.sample_rate, axis.step / model.sample_rate


def _lengths(envelope: Floats, step: float) -> Floats:
    highest = envelope.max(axis=1)
    if envelope.shape[1] == 1:
        return np.full(len(envelope), np.nan)
    total = envelope.sum(axis=1)
    return np.asarray(step * np.divide(total, highest, out=np.full(len(envelope), np.nan), where=highest > 0))


def _passed(response: LayerResponse) -> NDArray[np.bool_]:
    """Which bands any channel passes with half its power or more, shape (K,)."""
    relative = _relative(response)
    return np.asarray((relative >= HALF_POWER).any(axis=0))


def _profile(response: LayerResponse) -> Floats:
    """Return the mean over the channels of their responses, each 1 at its highest, shape (K,)."""
    return np.asarray(_relative(response).mean(axis=0))


def _relative(response: LayerResponse) -> Floats:
    positive = np.maximum(response.sweep, 0.0)
    highest = positive.max(axis=1, keepdims=True)
    relative: Floats = np.divide(positive, highest, out=np.zeros_like(positive), where=highest > 0)
    return relative


def _correlation(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale else np.nan


def _median(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else np.nan
