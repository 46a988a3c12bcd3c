"""Grad-CAM: where a layer of convolutions shows what speaks for a tag.

References
----------
Selvaraju, R. R. et al. "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017.
Draelos, R. L. and Carin, L. "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks", 2020.
"""

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.errors import UnknownNameError, UsageError
from earmark.explain.activations import gradients_of
from earmark.explain.geometry import band_centres, row_centres, row_fields, time_axes
from earmark.explain.passages import Hearing, Passage
from earmark.models.base import TaggingModel

Weighting = Literal["local", "global"]
"""How the maps of the channels are weighed: "local", each place by its own gradient (HiResCAM), which shows what the
network uses; "global", each channel by the mean of its gradient, as first published, which blurs where it matters."""


class NoGradientError(UsageError):
    """Raised where a tag does not depend on the layer that Grad-CAM looks at."""


def map_on_grid(
    values: NDArray[np.floating[Any]],
    *,
    times: NDArray[np.float64],
    rows: NDArray[np.float64] | None,
    grid_times: NDArray[np.float64],
    grid_frequencies: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Bring a map of a layer to the cells of a short-time spectrum, linearly between the centres of steps and rows.

    Parameters
    ----------
    values : shape (F', T')
    times : centres of its steps, shape (T',), seconds; steps that are closer together than the cells are averaged
    rows : centres of its rows, shape (F',), Hz; None if it has no axis of frequency
    grid_times, grid_frequencies : centres of the cells, shapes (T,) and (F,), evenly spaced

    Returns
    -------
    shape (F, T); without `rows` all frequencies are alike. Outside of the outermost centres a cell is like the nearest.
    """
    hop = grid_times[1] - grid_times[0] if len(grid_times) > 1 else np.inf
    if len(times) > 1 and (times[-1] - times[0]) / (len(times) - 1) < hop / 2:
        cells = np.clip(np.round((times - grid_times[0]) / hop), 0, len(grid_times) - 1).astype(np.intp)
        counts = np.bincount(cells, minlength=len(grid_times))
        sums = np.stack([np.bincount(cells, weights=row, minlength=len(grid_times)) for row in values])
        held = counts > 0
        values, times = sums[:, held] / counts[held], grid_times[held]
    in_time = np.stack([np.interp(grid_times, times, row) for row in values])  # (F', T)
    if rows is None or len(rows) == 1:
        return np.repeat(in_time.mean(axis=0, keepdims=True), len(grid_frequencies), axis=0).astype(np.float32)
    return np.stack([np.interp(grid_frequencies, rows, column) for column in in_time.T], axis=1).astype(np.float32)


def grad_cam(
    hearing: Hearing,
    *,
    layer: str | None = None,
    weighting: Weighting = "local",
    responses: NDArray[np.floating[Any]] | None = None,
    response_frequencies: NDArray[np.floating[Any]] | None = None,
) -> tuple[NDArray[np.float32], str]:
    """Weigh the channels of a layer by their gradients and add them up; what speaks against the tag is cut off.

    Parameters
    ----------
    hearing : the network, the song and the tag
    layer : the last one with an axis of time unless given
    weighting : see `Weighting`
    responses : for layers without an axis of frequency: what each channel hears, shape (C, N), magnitudes
    response_frequencies : that these are of, shape (N,), Hz; evenly from 0 to half the sample rate unless given

    Returns
    -------
    values, shape (F, T), at least zero; and the name of the layer

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    UsageError
        If it has no axis of time, the tag does not depend on it, the responses are not those of its channels, or the
        model has no convolutions.

    Notes
    -----
    A layer without an axis of frequency, such as those of networks on the waveform, tells times only: all frequencies
    are alike then, unless `responses` tell what each channel hears: its part is spread in proportion to their squares.
    Integrated gradients and occlusion have both axes for every network.
    """
    if weighting not in get_args(Weighting):
        raise UnknownNameError("weighting", weighting, get_args(Weighting))
    kinds = (nn.Conv1d, nn.Conv2d)
    if not any(isinstance(m, kinds) for name, m in hearing.model.named_modules() if not name.startswith("frontend")):
        raise UsageError(
            f"{type(hearing.model).__name__} has no convolutions that Grad-CAM could look at",
            hint="use integrated_gradients or occlusion",
        )
    total = np.zeros(hearing.shape, np.float32)
    for passage in hearing.passages:
        layer, weighed = _weighed_maps(hearing, passage, layer, weighting)
        total[:, hearing.frames_of(passage)] += _drawn(
            hearing, passage, layer, weighed, responses, response_frequencies
        )
    return total / np.float32(len(hearing.passages)), layer or ""


def _drawn(
    hearing: Hearing,
    passage: Passage,
    layer: str,
    weighed: NDArray[np.float32],
    responses: NDArray[np.floating[Any]] | None,
    measured_at: NDArray[np.floating[Any]] | None,
) -> NDArray[np.float32]:
    """Bring the weighed maps of all channels, (C, F', T'), to the cells of a passage, (F, T)."""
    n_rows, n_steps = weighed.shape[1:]
    axis = time_axes(hearing.model, {layer: n_steps})[layer]
    rate, frequencies = hearing.model.sample_rate, hearing.grid.frequencies
    rows = layer_rows(hearing.model, layer, n_rows)
    if responses is None:
        values = weighed.sum(axis=0)
    elif n_rows > 1 or responses.ndim != 2 or len(responses) != len(weighed):
        raise UsageError(
            f"responses of shape {np.shape(responses)} for {len(weighed)} channels with {n_rows} rows",
            hint="they are of shape (channels, frequencies), and for layers without an axis of frequency",
        )
    else:
        power = np.stack([response_at(one, frequencies, measured_at=measured_at) ** 2 for one in responses])  # (C, F)
        power /= np.maximum(power.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        values, rows = np.tensordot(power, weighed[:, 0], axes=(0, 0)), frequencies  # (F, T')
    return map_on_grid(
        values[:, axis.kept].clip(min=0),
        times=(passage.start + axis.centres) / rate,
        rows=rows,
        grid_times=hearing.grid.times(passage.n_frames, first=passage.first_frame),
        grid_frequencies=frequencies,
    )


def layer_rows(model: TaggingModel, layer: str, n_rows: int) -> NDArray[np.float64] | None:
    """Return the centres of a layer's rows, Hz; None if it has one row, or rows that are no frequencies."""
    bands = band_centres(model.frontend)
    if n_rows < 2 or not bands.size:
        return None
    return row_centres(row_fields(model, layer).get(layer), n_rows, bands)


def response_at(
    response: NDArray[np.floating[Any]],
    frequencies: NDArray[np.float64],
    *,
    measured_at: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.float64]:
    """Interpolate a magnitude response at the frequencies of a grid.

    Parameters
    ----------
    response : magnitudes, shape (N,)
    frequencies : of the grid, shape (F,), Hz
    measured_at : Hz, ascending, shape (N,); evenly from 0 to half the sample rate unless given. Beyond the outermost
        frequency that was measured, the response is taken for that of the nearest

    Raises
    ------
    UsageError
        If the shapes differ.
    """
    own = np.linspace(0.0, frequencies[-1], len(response)) if measured_at is None else np.asarray(measured_at)
    if np.ndim(response) != 1 or own.shape != np.shape(response):
        raise UsageError(
            f"a response of shape {np.shape(response)} at frequencies of shape {own.shape}", hint="both are (n,)"
        )
    return np.asarray(np.interp(frequencies, own, np.abs(response)), np.float64)


def _weighed_maps(
    hearing: Hearing, passage: Passage, layer: str | None, weighting: Weighting
) -> tuple[str, NDArray[np.float32]]:
    """Return the layer's name, and of one passage the maps of its channels times their gradients, (C, F', T')."""
    model = hearing.model
    if layer is not None and layer not in model.layer_names:
        raise UnknownNameError("layer", layer, model.layer_names)
    windows = hearing.windows(passage, torch.ones(1, *passage.spectrum.shape)).requires_grad_()
    stages = dict(model.stages(model.represent(windows, has_context=True)))
    timed = [name for name, value in stages.items() if value.ndim > 2 and value.shape[-1] > 1]
    if layer is None and not timed:
        raise UsageError(f"no layer of {type(model).__name__} has an axis of time", hint="use integrated_gradients")
    name = timed[-1] if layer is None else layer
    if name not in timed:
        raise UsageError(f"layer {name!r} has no axis of time", hint=f"Grad-CAM takes: {', '.join(timed) or 'none'}")
    value = hearing.of_logits(stages["logits"]).sum()
    (gradient,) = gradients_of(value, [stages[name]])
    if not bool(gradient.any()):
        others = [other for other in timed if other != name]
        raise NoGradientError(
            f"the tag does not depend on what the layer {name!r} gives here",
            hint=f"choose another: {', '.join(others) or 'or use integrated_gradients'}",
        )
    return name, _weighed(stages[name].detach()[0], gradient[0], weighting).numpy()


def _weighed(value: Tensor, gradient: Tensor, weighting: Weighting) -> Tensor:
    """(C, T) or (C, F, T), and the gradient of the same shape -> (C, F, T), F one if there is no such axis."""
    if value.ndim == 2:
        value, gradient = value[:, None], gradient[:, None]
    if weighting == "global":
        gradient = gradient.mean(dim=(-2, -1), keepdim=True)
    return value * gradient
