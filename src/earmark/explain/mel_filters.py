"""The first filters of a network on a spectrogram, drawn in Hz and milliseconds, with the names of their shapes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import UsageError
from earmark.explain.geometry import band_centres, first_convolutions, frame_field
from earmark.explain.opening import Model, name_of, open_model
from earmark.explain.shapes import Shape, nearest_shapes
from earmark.models.base import TaggingModel
from earmark.models.windowing import Windowed

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class MelFilters:
    """Filters of one size in the first layer of a network on a spectrogram.

    Parameters
    ----------
    model : its name
    module : which module of the network they are
    kernels : shape (N, H, W): filters, rows (the lowest first), columns (the earliest first)
    frequencies : of the rows, Hz, shape (H,); see `mel_filters`
    times_ms : of the columns from the middle one on, ms, shape (W,)
    is_shifted : whether the filters are moved over frequency, so that they are at no frequency of their own
    shapes : the nearest named shape of each
    chance : correlation that 95 of 100 filters of random numbers of this size stay below
    """

    model: str
    module: str
    kernels: Floats
    frequencies: Floats
    times_ms: Floats
    is_shifted: bool
    shapes: tuple[Shape, ...]
    chance: float


def mel_filters(model: Model, *, lowest_hz: float | None = None) -> tuple[MelFilters, ...]:
    """Return the first filters of a network on a spectrogram in musical axes.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    lowest_hz : where filters that are moved over frequency are drawn: their lowest row at the band nearest to it; in
        the middle of the bands unless given

    Returns
    -------
    one for each size of filter; musicnn has two over frequency and three over time

    Raises
    ------
    UsageError
        If the network hears the waveform, or a front end whose rows are no bands.
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.

    Notes
    -----
    Rows are at the centres of the bands of the front end, columns a hop apart. A filter that is moved over frequency
    has the same rows everywhere, but on a mel scale no fixed width in Hz: where it is drawn matters, and to a pitch it
    matches only there. A filter over the mean of all bands, and one that takes each band alone, has one row, at the
    middle band. Several input channels, as the harmonics of the harmonic front end, are averaged.
    """
    network = open_model(model)
    if isinstance(network, Windowed):
        network = network.inner
    bands = band_centres(network.frontend)
    if not len(bands):
        raise UsageError(
            f"{name_of(network)}: its first filters do not see bands of frequency",
            hint="earmark.explain.filters.first_layer measures the filters of networks on the waveform",
        )
    hop_ms = 1000.0 * frame_field(network).step / network.sample_rate
    found = []
    for name, weight in _first_kernels(network, len(bands)):
        n_rows, n_columns = weight.shape[1:]
        first = (len(bands) - n_rows) // 2
        if lowest_hz is not None:
            first = min(int(np.abs(bands - lowest_hz).argmin()), len(bands) - n_rows)
        frequencies = bands[first : first + n_rows]
        times_ms = (np.arange(n_columns) - (n_columns - 1) / 2) * hop_ms
        shapes, chance = nearest_shapes(weight, frequencies, times_ms)
        one = MelFilters(
            model=name_of(network),
            module=name,
            kernels=weight,
            frequencies=frequencies,
            times_ms=times_ms,
            is_shifted=n_rows < len(bands),
            shapes=shapes,
            chance=chance,
        )
        found.append(one)
    if not found:
        raise UsageError(f"{name_of(network)}: there is no convolution of its spectrogram in it")
    return tuple(found)


def _first_kernels(model: TaggingModel, n_bands: int) -> list[tuple[str, Floats]]:
    """Return the filters by the names of their modules, each (N, H, W)."""
    found = []
    for name, layer in first_convolutions(model):
        weight = layer.weight.detach().double().cpu().numpy()  # (N, C, W) or (N, C, H, W)
        if weight.ndim == 4:
            found.append((name, weight.mean(axis=1)))
        elif weight.shape[1] in (1, n_bands):
            found.append((name, weight))
    return found
