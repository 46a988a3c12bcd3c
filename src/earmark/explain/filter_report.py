"""All that a network's filters hear in one report: the first layer, every layer behind it, and what each adds.

`look_at_filters` asks `earmark.explain.filters`, `.mel_filters`, `.responses`, `.geometry` and `.ascent` in turn.
"""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from earmark.audio.frontends import Raw
from earmark.errors import UsageError
from earmark.explain.ascent import PreferredInputs, preferred_inputs
from earmark.explain.bands import Coverage, MelComparison, compare_with_mel, coverage
from earmark.explain.filters import VANISHED, FirstLayer, cell_edges, first_layer, vanished
from earmark.explain.geometry import ReceptiveField, first_convolutions, receptive_fields, steps_in_chunk
from earmark.explain.mel_filters import MelFilters, mel_filters
from earmark.explain.opening import Model, check_layers, name_of, open_model
from earmark.explain.responses import LayerResponse, StageChange, compare_stages, layer_responses
from earmark.explain.shapes import nearest_shapes
from earmark.files import replacing
from earmark.models.base import TaggingModel
from earmark.models.windowing import Windowed

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Progress = Callable[[float, str], None]

N_FFT = 8192  # of the first filters' responses
TABLES = (".npz", ".csv")
COLUMNS = (
    "model", "layer", "channel", "measured", "peak", "centroid", "low", "high", "bandwidth", "rectangular",
    "time_resolution", "shape", "correlation", "never_varies",
)  # fmt: skip
_N_RANDOM = 200  # filters of random numbers that shares of shapes are held against


@dataclass(frozen=True, kw_only=True)
class ShapeShare:
    """How many filters of one size have a shape.

    Parameters
    ----------
    module : which module of the network the filters are
    name : of the shape, one of `earmark.explain.shapes.SHAPES`; empty for those that no shape fits beyond chance
    n : filters
    share : of those that vary
    by_chance : the share that this shape has among filters of random numbers of the same size
    """

    module: str
    name: str
    n: int
    share: float
    by_chance: float


@dataclass(frozen=True, eq=False, kw_only=True)
class FilterReport:
    """What a network's filters hear.

    Parameters
    ----------
    model : its name
    architecture : as on its card, or the name of its class
    sample_rate : Hz
    n_parameters : of the network
    tags : names of its outputs; empty for a network without a card
    first : the first filters of a network on the waveform; else None
    bands : those of a network on bands of frequency, one for each size of filter; else empty
    note : why neither is there; else empty
    dead : which of the first filters never vary, by module and in the order of its channels, see `never_vary`
    mel : centres of the first filters that do vary, against a mel bank of as many; None for fewer than three
    coverage : of the band, by those; None without `first`
    shapes : how many of the filters on bands have which shape
    responses : of the layers that were asked for, in the order of the network
    stages : each of them against the one before
    fields : receptive fields of these layers; of all, also those with one step, if none was asked for by name
    preferred : sounds that excite some channels most
    """

    model: str
    architecture: str
    sample_rate: int
    n_parameters: int
    tags: tuple[str, ...]
    first: FirstLayer | None
    bands: tuple[MelFilters, ...]
    note: str
    dead: Mapping[str, Flags]
    mel: MelComparison | None
    coverage: Coverage | None
    shapes: tuple[ShapeShare, ...]
    responses: tuple[LayerResponse, ...]
    stages: tuple[StageChange, ...]
    fields: tuple[ReceptiveField, ...]
    preferred: tuple[PreferredInputs, ...]

    @property
    def n_filters(self) -> int:
        """Number of first filters."""
        return sum(len(flags) for flags in self.dead.values())

    @property
    def n_dead(self) -> int:
        """Number of first filters that never vary."""
        return sum(int(flags.sum()) for flags in self.dead.values())

    @property
    def alive(self) -> NDArray[np.intp]:
        """Return which filters of `first`, in its order, do vary and have a centre, shape (N,)."""
        if self.first is None:
            return np.zeros(0, np.intp)
        return np.flatnonzero(_alive(self.first, self.dead))

    @property
    def centres(self) -> Floats:
        """Return the centre frequencies of those, Hz, ascending, shape (N,)."""
        return self.first.bands.peak[self.alive] if self.first is not None else np.zeros(0)


def look_at_filters(
    model: Model,
    *,
    layers: Sequence[str] | str | None = None,
    n_bands: int = 96,
    preferred: int = 0,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> FilterReport:
    """Measure what a network's filters hear.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    layers : whose channels are measured; all that have several steps in a chunk unless given; with none, (), there is
        nothing but the first filters, in a second
    n_bands : from 20 Hz to half the sample rate, equally wide on the mel scale
    preferred : channels of each of these layers that sounds are climbed for, evenly spread over what they hear; slow
        for deep layers
    seed : of the noises
    on_progress : is told the share that is done, and what is being done

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model or layer, or its weights cannot be had.
    UsageError
        If it is an exported ONNX file, or `preferred` is below zero.

    Notes
    -----
    Of a network that hears a clip window by window, the network of one window is looked at. Filters that never vary
    (`never_vary`) count neither for the centres nor for the band covered, nor for the shares of shapes.
    """
    if preferred < 0:
        raise UsageError(f"preferred={preferred}", hint="0 for no such sounds, or how many channels of each layer")
    say = on_progress or (lambda _, __: None)
    say(0.0, "loading")
    outer = open_model(model)
    network = heard_network(outer)
    asked = (tuple(steps_in_chunk(network)) or network.layer_names) if layers is None else layers
    names = check_layers(network, asked) if asked else ()
    n_parts, done = 2 + len(names) * (2 if preferred else 1), 1
    say(0.0, "first filters")
    first, bands, note = _first_filters(network)
    dead = _dead(network, first, bands)
    responses: tuple[LayerResponse, ...] = ()
    if names:
        responses = layer_responses(
            network, names, n_bands=n_bands, seed=seed,
            on_progress=lambda part, note: say((1 + part * len(names)) / n_parts, note),
        )  # fmt: skip
        done += len(names)
    say(done / n_parts, "receptive fields")
    known = {response.layer: response.field for response in responses}
    rest = [name for name in network.layer_names if name not in known] if layers is None else []
    known |= {field.layer: field for field in (receptive_fields(network, rest, seed=seed) if rest else ())}
    climbed = []
    for response in responses if preferred else ():
        done += 1
        say(done / n_parts, f"sounds that excite {response.layer}")
        chosen = spread_channels(response, preferred)
        climbed.append(preferred_inputs(network, response.layer, chosen.tolist(), seed=seed))
    say(1.0, "done")
    card = outer.card
    return FilterReport(
        model=name_of(outer),
        architecture=card.architecture if card is not None else type(network).__name__,
        sample_rate=network.sample_rate,
        n_parameters=outer.n_parameters,
        tags=card.tags if card is not None else (),
        first=first,
        bands=bands,
        note=note,
        dead=dead,
        mel=_against_mel(first, dead),
        coverage=_covered(first, dead),
        shapes=tuple(share for one in bands for share in shape_shares(one, dead[one.module])),
        responses=responses,
        stages=compare_stages(responses),
        fields=tuple(known[name] for name in network.layer_names if name in known),
        preferred=tuple(climbed),
    )


def heard_network(model: TaggingModel) -> TaggingModel:
    """Return the network that is looked at: of one that hears a clip window by window, that of a window."""
    return model.inner if isinstance(model, Windowed) else model


def hears_waveform(model: TaggingModel) -> bool:
    """Say whether a network's first filters hear the waveform itself, not bands of frequency."""
    return any(isinstance(module, Raw) for module in model.frontend.modules())


def never_vary(model: TaggingModel, module: str, kernels: Floats) -> Flags:
    """Tell which filters of a convolution give the same whatever they hear.

    Parameters
    ----------
    model : a network
    module : name of the convolution in it
    kernels : its filters, shape (N, ...)

    Returns
    -------
    shape (N,)

    Notes
    -----
    Two signs count, either of them. The weights have all but vanished: the root of their mean square is at most a
    millionth of that of the largest filter, which is what weight decay leaves of a filter that no gradient holds up
    (a filter whose weights are alike and not zero is no such filter: it hears how loud it is). Or the batch norm that
    stands next in the same module found no variance in training: at most a millionth of the largest standard
    deviation, as of a filter that never came through the ReLU before it.
    """
    still = vanished(kernels)
    norm = _norm_behind(model, module, len(kernels))
    if norm is not None and norm.running_var is not None:
        deviation = norm.running_var.double().sqrt().cpu().numpy()
        still |= deviation <= VANISHED * deviation.max()
    return np.asarray(still)


def shape_shares(filters: MelFilters, is_dead: Flags) -> tuple[ShapeShare, ...]:
    """Count the named shapes of filters, beside those of filters of random numbers.

    Parameters
    ----------
    filters : of one size
    is_dead : which of them never vary, shape (N,)

    Returns
    -------
    the most frequent first; the last one, if there are any, those that no shape fits beyond chance
    """
    shapes = [shape for shape, dead in zip(filters.shapes, is_dead.tolist(), strict=True) if not dead]
    found = [shape.name if abs(shape.correlation) > filters.chance else "" for shape in shapes]
    noise = np.random.default_rng(1).standard_normal((_N_RANDOM, *filters.kernels.shape[1:]))
    random, _ = nearest_shapes(noise, filters.frequencies, filters.times_ms)
    other = [shape.name if abs(shape.correlation) > filters.chance else "" for shape in random]
    names = sorted(set(found), key=lambda name: (not name, -found.count(name), name))
    return tuple(
        ShapeShare(
            module=filters.module,
            name=name,
            n=found.count(name),
            share=found.count(name) / len(found),
            by_chance=other.count(name) / len(other),
        )
        for name in names
    )


def spread_channels(response: LayerResponse, n: int) -> NDArray[np.intp]:
    """Choose channels of a layer, evenly spread from those that hear the lowest frequencies to the highest.

    Parameters
    ----------
    response : of the layer
    n : channels at most

    Returns
    -------
    shape (n,), by what they hear; if fewer answer the sweeps at all, those, then the first of the others
    """
    order = np.argsort(response.bands.peak, kind="stable")  # what answers nothing comes last
    n_answering = int(response.answers.sum())
    if n_answering <= n:
        return order[:n]
    return order[:n_answering][np.linspace(0, n_answering - 1, n).round().astype(np.intp)]


def write_tables(path: str | os.PathLike[str], reports: Sequence[FilterReport]) -> None:
    """Write what was measured as the suffix says: .npz arrays, .csv one line for each filter and channel.

    Parameters
    ----------
    path : where to; written whole or not at all
    reports : of one network or several

    Raises
    ------
    UsageError
        If the suffix is another one, or there is nothing to write.
    InputError
        If the file cannot be written.

    Notes
    -----
    The columns are `COLUMNS`: frequencies and bandwidths in Hz, at half the power but for `rectangular`; `measured` is
    "weights" for the first filters and "sweep" for channels of layers. Arrays are named LAYER.sweep and so on, those of
    the first filters first.kernels and so on, or, on bands, MODULE.kernels; with several networks the name of one and a
    slash come before.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in TABLES or not reports:
        raise UsageError(f"{len(reports)} reports as {suffix!r}", hint=f"one at least, as {' or '.join(TABLES)}")
    with replacing(path) as file:
        if suffix == ".csv":
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows(reports)])
            file.write(text.getvalue().encode("utf-8", "replace"))
        else:
            np.savez_compressed(file, **arrays(reports))


def rows(reports: Sequence[FilterReport]) -> Iterator[list[str]]:
    """Yield a row for each first filter, then for each channel of the layers that were measured; see `COLUMNS`."""
    for report in reports:
        yield from _waveform_rows(report)
        for one in report.bands:
            flags = report.dead[one.module]
            for i, shape in enumerate(one.shapes):
                named = [shape.name, f"{shape.correlation:.4f}", str(int(flags[i]))]
                yield [report.model, one.module, str(i), "weights", *[""] * 7, *named]
        for response in report.responses:
            bands = response.bands
            numbers = np.stack(
                [bands.peak, bands.centroid, bands.low, bands.high, bands.half_power, bands.rectangular], axis=1
            )
            for i, own in enumerate(numbers.tolist()):
                resolution = _cell(float(response.time_resolution[i]))
                yield [report.model, response.layer, str(i), "sweep", *map(_cell, own), resolution, "", "", ""]


def arrays(reports: Sequence[FilterReport]) -> dict[str, Any]:
    """Return what was measured as arrays by name; see `write_tables`."""
    found: dict[str, Any] = {}
    for report in reports:
        before = f"{report.model}/" if len(reports) > 1 else ""
        found |= {f"{before}{name}": value for name, value in _arrays(report)}
    return found


def _arrays(report: FilterReport) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield "model", np.array(report.model)
    yield "sample_rate", np.array(report.sample_rate)
    yield "layers", np.array([response.layer for response in report.responses])
    if report.first is not None:
        first = report.first
        yield "first.modules", np.array(first.modules)
        for name in ("channels", "lengths", "kernels", "frequencies", "magnitudes"):
            yield f"first.{name}", getattr(first, name)
        for name in ("peak", "centroid", "low", "high", "half_power", "rectangular"):
            yield f"first.{name}", getattr(first.bands, name)
        yield "first.never_varies", ~_alive(first, report.dead)
    for one in report.bands:
        yield f"{one.module}.kernels", one.kernels
        yield f"{one.module}.frequencies", one.frequencies
        yield f"{one.module}.times_ms", one.times_ms
        yield f"{one.module}.shapes", np.array([shape.name for shape in one.shapes])
        yield f"{one.module}.correlations", np.array([shape.correlation for shape in one.shapes])
        yield f"{one.module}.never_varies", report.dead[one.module]
    for response in report.responses:
        for name in ("edges", "frequencies", "sweep", "noise", "silence", "click", "click_times", "time_resolution"):
            yield f"{response.layer}.{name}", getattr(response, name)
    for field in report.fields:
        yield f"{field.layer}.field_seconds", np.array([field.seconds, field.effective_seconds])
    for climbed in report.preferred:
        for name in ("channels", "waveforms", "activations", "starts"):
            yield f"{climbed.layer}.preferred_{name}", getattr(climbed, name)


def _waveform_rows(report: FilterReport) -> Iterator[list[str]]:
    first = report.first
    if first is None:
        return
    bands, alive = first.bands, _alive(first, report.dead)
    numbers = np.stack(
        [bands.peak, bands.centroid, bands.low, bands.high, bands.half_power, bands.rectangular], axis=1
    ).tolist()
    for i, own in enumerate(numbers):
        head = [report.model, first.modules[i], str(first.channels[i]), "weights"]
        yield [*head, *map(_cell, own), "", "", "", str(int(not alive[i]))]


def _cell(number: float) -> str:
    return "" if np.isnan(number) else f"{number:.6g}"


def _first_filters(network: TaggingModel) -> tuple[FirstLayer | None, tuple[MelFilters, ...], str]:
    """Return the first filters, on the waveform or on bands, or why there are none."""
    if hears_waveform(network):
        is_dense = not first_convolutions(network)  # its units are as long as a chunk
        try:
            n_fft = 2 ** int(np.ceil(np.log2(max(network.chunk_samples, 2)))) if is_dense else N_FFT
            return first_layer(network, n_fft=n_fft), (), ""
        except UsageError as error:
            return None, (), error.message
    try:
        return None, mel_filters(network), ""
    except UsageError as error:
        return None, (), error.message


def _dead(network: TaggingModel, first: FirstLayer | None, bands: Sequence[MelFilters]) -> dict[str, Flags]:
    if first is None:
        return {one.module: never_vary(network, one.module, one.kernels) for one in bands}
    found = {}
    modules = np.array(first.modules)
    for name in dict.fromkeys(first.modules):
        mine = np.flatnonzero(modules == name)
        mine = mine[np.argsort(first.channels[mine])]
        found[name] = never_vary(network, name, first.kernels[mine])
    return found


def _alive(first: FirstLayer, dead: Mapping[str, Flags]) -> Flags:
    """Return which filters do vary and have a centre, in the order of `first`."""
    still = [dead[name][channel] for name, channel in zip(first.modules, first.channels.tolist(), strict=True)]
    return np.asarray(np.isfinite(first.bands.peak) & ~np.array(still, np.bool_))


def _against_mel(first: FirstLayer | None, dead: Mapping[str, Flags]) -> MelComparison | None:
    if first is None:
        return None
    centres = first.bands.peak[_alive(first, dead)]
    return compare_with_mel(centres, first.sample_rate) if len(centres) >= 3 else None


def _covered(first: FirstLayer | None, dead: Mapping[str, Flags]) -> Coverage | None:
    if first is None:
        return None
    return coverage(cell_edges(first.frequencies), first.magnitudes[_alive(first, dead)])


def _norm_behind(model: TaggingModel, module: str, n_channels: int) -> nn.BatchNorm1d | nn.BatchNorm2d | None:
    """Return the batch norm that stands next behind a convolution in the same module, before any other layer."""
    parent, _, own = module.rpartition(".")
    children = list(model.get_submodule(parent).named_children())
    at = [name for name, _ in children].index(own)
    for _, child in children[at + 1 :]:
        if isinstance(child, nn.Conv1d | nn.Conv2d | nn.Linear):
            return None
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            return child if child.num_features == n_channels else None
    return None
