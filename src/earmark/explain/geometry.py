"""Where the steps and rows of a layer lie: seconds, Hz, and how much of the sound each of them sees.

Fields are measured, not looked up: `earmark.models.fields` makes a part of the input NaN and sees how far it spreads.
So they hold for any network, with whatever options. They do not depend on the weights and are remembered by network.

References
----------
Luo, W. et al. "Understanding the effective receptive field in deep convolutional neural networks", NIPS 2016.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.frontends import Cqt, Mfcc, PowerMel, Raw
from earmark.errors import InputError
from earmark.explain.opening import Model, at_rest, check_layers, open_model
from earmark.models.base import TaggingModel, four_axes
from earmark.models.fields import Field, measure_fields, measure_frame
from earmark.models.harmonic import HarmonicSpectrum
from earmark.models.windowing import Windowed

Floats = NDArray[np.float64]

_MEMORY: "WeakKeyDictionary[TaggingModel, dict[tuple[str, str], dict[str, Field]]]" = WeakKeyDictionary()
_EVERYTHING = "everything before"  # a stage that no network has


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeAxis:
    """When the steps of a layer are.

    Parameters
    ----------
    centres : of what each step sees, samples from the start of the chunk, shape (T,)
    step : between two steps, samples; all of the chunk where there is one
    kept : which steps of the layer these are; a token that gathers an answer from all of the chunk is at no time
    """

    centres: Floats
    step: float
    kept: slice


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """What one step of a layer sees of the sound.

    Parameters
    ----------
    layer : its name
    n_samples, seconds : from the first sample that a step depends on to the last, gaps of dilated filters included
    first : of the samples that step 0 sees; negative where it sees what a chunk is padded with
    step_samples, step_seconds : between two steps; 0 if there is one, or if all see the same
    sees_all : whether a step sees all that the network sees of a chunk
    effective_samples, effective_seconds : the shortest stretch that holds `share` of the squared gradient; 0 if it was
        not measured
    share : of the squared gradient
    """

    layer: str
    n_samples: int
    seconds: float
    first: int
    step_samples: int
    step_seconds: float
    sees_all: bool
    effective_samples: int
    effective_seconds: float
    share: float


@contextmanager
def _as_written(model: TaggingModel) -> Iterator[TaggingModel]:
    """Hold a model in eval mode and let it compute layer by layer: where it saves arithmetic, NaN spreads too far."""
    parts = [part for part in model.modules() if isinstance(part, TaggingModel)]
    before = [part.is_fast for part in parts]
    try:
        for part in parts:
            part.is_fast = False
        with at_rest(model):
            yield model
    finally:
        for part, was_fast in zip(parts, before, strict=True):
            part.is_fast = was_fast


def stage_fields(model: TaggingModel, layers: Sequence[str]) -> dict[str, Field]:
    """Measure what the steps of some layers see, in samples of the chunk without its context.

    Parameters
    ----------
    layers : names, as `check_layers` returns them

    Returns
    -------
    by the names of the layers
    """
    last = layers[-1]
    known = _MEMORY.setdefault(model, {})
    for (kind, _), fields in known.items():
        if kind == "time" and last in fields:  # a deeper layer was asked for before
            return {name: fields[name] for name in layers}
    with _as_written(model), torch.no_grad():
        known["time", last] = fields = _measured(model, last)
    return {name: fields[name] for name in layers}


def _measured(model: TaggingModel, last: str) -> dict[str, Field]:
    chunk = torch.zeros(1, model.chunk_samples)
    if isinstance(model, Windowed):
        return measure_fields(lambda x: _ended(model.stages(model.represent(x)), last), chunk)
    fields = measure_fields(lambda x: _ended(model.stages(x), last), model.represent(chunk))
    frame = frame_field(model)
    return {name: field.within(frame) for name, field in fields.items()}


def _ended(stages: Iterator[tuple[str, Tensor]], last: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the stages up to `last`, and that one flat: what there is to see."""
    for name, value in stages:
        yield name, value
        if name == last:
            yield _EVERYTHING, value.flatten(1)
            return


def steps_in_chunk(model: TaggingModel) -> dict[str, int]:
    """Return how many steps a chunk has in every layer with an axis of time, in the order of the network."""
    with at_rest(model), torch.no_grad():
        stages = model.stages(model.represent(torch.zeros(1, model.chunk_samples)))
        return {name: value.shape[-1] for name, value in stages if value.ndim > 2 and value.shape[-1] > 1}


def frame_field(model: TaggingModel) -> Field:
    """Say what a frame of the front end sees, in samples of the chunk without its context.

    Of a mel front end that is known from its options; of any other it is measured.
    """
    if isinstance(model.frontend, Raw):
        return Field(0, 1, 1, False)
    for module in model.frontend.modules():
        if isinstance(module, PowerMel):
            before = module.n_fft // 2 if module.center else model.context[0]
            return Field(-before, module.hop_length, module.n_fft, False)
    with _as_written(model):
        return measure_frame(model.represent, torch.zeros(1, model.chunk_samples))


def first_convolutions(model: TaggingModel) -> list[tuple[str, nn.Conv1d | nn.Conv2d]]:
    """Return the convolutions that see what the front end gives and no other convolution, by the names of modules.

    Notes
    -----
    Found by a run in which every convolution answers NaN: the first ones are those that hear none.
    """
    firsts: list[tuple[str, nn.Conv1d | nn.Conv2d]] = []
    inside = {id(module) for module in model.frontend.modules()}
    handles = []

    def watch(name: str, layer: nn.Conv1d | nn.Conv2d) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not bool(inputs[0].isnan().any()) and all(layer is not other for _, other in firsts):
                firsts.append((name, layer))
            return torch.full_like(output, torch.nan)

        handles.append(layer.register_forward_hook(hook))

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d) and id(module) not in inside:
            watch(name, module)
    try:
        with _as_written(model), torch.no_grad():
            model(torch.zeros(1, model.chunk_samples))
    finally:
        for handle in handles:
            handle.remove()
    return firsts


def row_fields(model: TaggingModel, last: str) -> dict[str, Field]:
    """Measure which bands of the front end the rows of the layers up to one see.

    Parameters
    ----------
    last : name of the deepest layer that is asked for

    Returns
    -------
    by the names of the layers that have several rows and see less than all of them, in bands
    """
    known = _MEMORY.setdefault(model, {})
    if ("rows", last) not in known:
        with _as_written(model), torch.no_grad():
            known["rows", last] = _measured_rows(model, last)
    return known["rows", last]


def _measured_rows(model: TaggingModel, last: str) -> dict[str, Field]:
    spectrogram = model.represent(torch.zeros(1, model.chunk_samples))
    n_bands, n_frames = spectrogram.shape[-2:]
    is_harmonic = isinstance(model.frontend, HarmonicSpectrum)
    n_rows = len(band_centres(model.frontend)) if is_harmonic else n_bands
    if isinstance(model, Windowed) or n_rows < 2:
        return {}

    def run(turned: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = turned.transpose(-1, -2)  # (1, F, T)
        for name, value in _ended(model.stages(x.repeat(1, n_bands // n_rows, 1)), last):
            has_rows = value.ndim == 4 and value.shape[2] > 1
            yield name, value.transpose(-1, -2) if has_rows else value.flatten(1)

    try:
        fields = measure_fields(run, torch.zeros(1, min(n_frames, 64), n_rows))
    except (InputError, RuntimeError):  # layers that are made for one length, or leave nothing of so short an input
        fields = measure_fields(run, torch.zeros(1, n_frames, n_rows))
    return {name: field for name, field in fields.items() if field.step}


def band_centres(frontend: nn.Module) -> Floats:
    """Return the centres of the bands that a front end gives; none if its rows are no bands, as of a waveform.

    Returns
    -------
    shape (F,), Hz; of mel bands the mean frequency weighted by the filter; of the harmonic front end the pitches
    """
    modules = list(frontend.modules())
    if any(isinstance(module, Mfcc) for module in modules):
        return np.zeros(0)
    for module in modules:
        if isinstance(module, Cqt):
            return np.asarray(module.plan.frequencies, np.float64)
        if isinstance(module, HarmonicSpectrum):
            pitches = module.centres.double().cpu().numpy()
            return np.asarray(pitches[: np.argmax(np.diff(pitches) < 0) + 1], np.float64)
        if isinstance(module, PowerMel):
            bank = module.bank.double().cpu().numpy()  # (F, bins)
            bins = np.linspace(0.0, module.sample_rate / 2, bank.shape[1])
            total = bank.sum(axis=1)
            rows = np.arange(len(bank))
            heard = total > 0  # a band that holds no bin lies between its neighbours
            centres = (bank[heard] @ bins) / total[heard]
            return np.asarray(np.interp(rows, rows[heard], centres), np.float64)
    return np.zeros(0)


def row_centres(field: Field | None, n_rows: int, bands: Floats) -> Floats:
    """Return the centres of a layer's rows, shape (n_rows,), Hz.

    Parameters
    ----------
    field : of its rows, in bands; None if each of them sees so much that both ends cut it off: they are spread evenly
    bands : centres of the bands, shape (F,), Hz
    """
    if field is None:
        positions: Floats = np.asarray((np.arange(n_rows) + 0.5) * len(bands) / n_rows - 0.5, np.float64)
    else:
        positions = np.asarray(field.first + field.step * np.arange(n_rows) + (field.width - 1) / 2, np.float64)
    return np.asarray(np.interp(positions, np.arange(len(bands)), bands), np.float64)


def time_axes(model: TaggingModel, n_steps: dict[str, int]) -> dict[str, TimeAxis]:
    """Return when the steps of some layers are.

    Parameters
    ----------
    n_steps : steps that each layer has in a chunk, in the order of the network

    Notes
    -----
    A step is at the middle of what it sees. Where every step sees all of the chunk, as in a transformer, the steps are
    those of the layer before, if that has as many, or one fewer: then the first is a token that stands for the whole.
    Otherwise they are spread evenly.
    """
    fields = stage_fields(model, tuple(n_steps))
    axes: dict[str, TimeAxis] = {}
    last: TimeAxis | None = None
    for name, n in n_steps.items():
        field, whole = fields[name], float(model.chunk_samples)
        if n == 1:
            axis = TimeAxis(centres=np.array([whole / 2]), step=whole, kept=slice(None))
        elif field.step and not field.sees_all:
            centres = np.asarray(field.first + field.step * np.arange(n) + (field.width - 1) / 2, np.float64)
            axis = TimeAxis(centres=centres, step=float(field.step), kept=slice(None))
        elif last is not None and n - len(last.centres) in (0, 1):
            axis = TimeAxis(centres=last.centres, step=last.step, kept=slice(n - len(last.centres), None))
        else:
            axis = TimeAxis(centres=(np.arange(n) + 0.5) * whole / n, step=whole / n, kept=slice(None))
        axes[name] = axis
        last = axis if n > 1 else last
    return axes


def runner(model: TaggingModel, layer: str) -> tuple[Callable[[Tensor], Tensor], int]:
    """Return what runs sounds through a model up to a layer, and how long they are: no longer than the layer takes.

    Parameters
    ----------
    layer : its name

    Returns
    -------
    a function, sounds (B, S) -> the layer (B, C, F, T); and S, samples
    """
    (field,) = stage_fields(model, (layer,)).values()
    wanted = max(2 * field.width + 16 * field.step, round(0.4 * model.sample_rate))
    lengths = [model.chunk_samples]
    if wanted < model.chunk_samples and not field.sees_all and not isinstance(model, Windowed):
        lengths.insert(0, wanted)

    def run(sounds: Tensor) -> Tensor:
        # The length of a chunk binds what lies behind the layer only: the check of a subclass is passed by.
        is_short = sounds.shape[-1] < model.chunk_samples
        spectrogram = TaggingModel.represent(model, sounds) if is_short else model.represent(sounds)
        for name, value in model.stages(spectrogram):
            if name == layer:
                return four_axes(value)
        raise InputError(f"the layer {layer!r} does not come")

    for length in lengths[:-1]:
        try:
            with torch.no_grad():
                run(torch.zeros(1, length))
        except (InputError, RuntimeError):  # layers that are made for one length
            continue
        return run, length
    return run, lengths[-1]


def receptive_fields(
    model: Model,
    layers: Sequence[str] | str | None = None,
    *,
    is_effective: bool = True,
    share: float = 0.95,
    n_draws: int = 4,
    seed: int = 0,
) -> tuple[ReceptiveField, ...]:
    """Measure the receptive fields of layers along time.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    layers : names; all unless given
    is_effective : whether the effective ones are measured too
    share : of the squared gradient that the effective field holds
    n_draws : noises that the gradient is taken on
    seed : of the noises

    Returns
    -------
    one for each layer, in the order of the network

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.

    Notes
    -----
    The effective field is that of Luo et al.: the gradient of a step in the middle with respect to white noise of
    -20 dB, here with channels (and rows) weighted by random signs, squared and averaged over the draws. Steps that see
    all of the chunk have it too. Front ends that measure levels from the loudest value of a chunk pass a gradient to
    that one as well, wherever it is: it does not count.
    """
    network = open_model(model)
    names = check_layers(network, layers)
    fields = stage_fields(network, names)
    rate = network.sample_rate
    found = []
    for name, field in fields.items():
        heard = min(field.first + field.width, network.chunk_samples) - max(field.first, 0)
        width = heard if field.sees_all else field.width
        effective = _effective(network, name, field, share, n_draws, seed) if is_effective else 0
        one = ReceptiveField(
            layer=name,
            n_samples=width,
            seconds=width / rate,
            first=field.first,
            step_samples=field.step,
            step_seconds=field.step / rate,
            sees_all=field.sees_all,
            effective_samples=effective,
            effective_seconds=effective / rate,
            share=share,
        )
        found.append(one)
    return tuple(found)


def _effective(model: TaggingModel, layer: str, field: Field, share: float, n_draws: int, seed: int) -> int:
    """Return the shortest stretch that holds a share of the squared gradient, samples; 0 if there is no gradient."""
    generator = torch.Generator().manual_seed(seed)
    with at_rest(model):
        run, n_samples = runner(model, layer)
        energy = np.zeros(n_samples)
        for _ in range(n_draws):
            noise = (0.1 * torch.randn(1, n_samples, generator=generator)).requires_grad_()
            value = run(noise)
            middle = value[..., value.shape[-1] // 2]
            signs = torch.randint(0, 2, middle.shape, generator=generator) * 2.0 - 1.0
            (gradient,) = torch.autograd.grad((middle * signs).sum(), noise)
            first = field.first + field.step * (value.shape[-1] // 2)
            seen = slice(None) if field.sees_all or not field.step else slice(max(first, 0), first + field.width)
            energy[seen] += gradient[0, seen].double().square().numpy()
    total = energy.sum()
    if total == 0:
        return 0
    cumulative = np.concatenate([[0.0], np.cumsum(energy) / total])  # (S + 1,)
    ends = np.searchsorted(cumulative, cumulative + share - 1e-12)  # from each start, where the share is reached
    reached = ends <= n_samples
    return int((ends - np.arange(n_samples + 1))[reached].min())
