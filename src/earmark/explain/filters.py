"""What the first filters of a network on the waveform hear: frequency responses, and how they compare with mel."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from earmark.audio.filters import MelScale
from earmark.audio.frontends import Raw
from earmark.errors import UsageError
from earmark.explain.bands import Coverage, MelComparison, Passbands, compare_with_mel, coverage, passbands
from earmark.explain.geometry import first_convolutions
from earmark.explain.opening import Model, name_of, open_model
from earmark.models.base import TaggingModel

Floats = NDArray[np.float64]

VANISHED = 1e-6  # of the largest filter: what is no larger answers nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class FirstLayer:
    """The first filters of a network on the waveform, in the order of their centre frequency.

    Parameters
    ----------
    model : its name
    sample_rate : Hz
    modules : which module of the network each filter stands in, and...
    channels : ...which channel of it that is, both of length C
    lengths : of the filters, samples, dilation counted in, shape (C,)
    kernels : shape (C, L), zeros behind those that are shorter than the longest
    frequencies : shape (M,), Hz, from 0 to half the sample rate
    magnitudes : amplitude of the responses, shape (C, M)
    bands : centres and bandwidths of the filters
    mel : their centres against a mel bank; None for fewer than three filters
    coverage : of the band by all of them
    """

    model: str
    sample_rate: int
    modules: tuple[str, ...]
    channels: NDArray[np.intp]
    lengths: NDArray[np.intp]
    kernels: Floats
    frequencies: Floats
    magnitudes: Floats
    bands: Passbands
    mel: MelComparison | None
    coverage: Coverage


def first_layer(model: Model, *, n_fft: int = 8192, scale: MelScale = "slaney") -> FirstLayer:
    """Return the frequency responses of the first filters of a network on the waveform.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    n_fft : length that the filters are filled up to with zeros, samples; the length of the longest at least
    scale : mel scale to compare with, "slaney" or "htk"

    Raises
    ------
    UsageError
        If the network does not hear the waveform itself, or `n_fft` is shorter than a filter.
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.

    Notes
    -----
    The first filters are all convolutions of the waveform, also of branches side by side and of shortcuts; of a network
    without convolutions, the units of its first dense layer. Networks correlate where filters convolve: that turns the
    filter round in time, which leaves the magnitude as it is. Biases, norms and non-linearities are not in it; what
    comes behind them is measured by `earmark.explain.responses`. The filters are sorted by the peak of their response;
    silent ones stand last.
    """
    network = open_model(model)
    found = _first_filters(network)
    longest = max(kernel.shape[1] for _, kernel in found)
    if n_fft < longest:
        raise UsageError(f"n_fft={n_fft} is shorter than the filters of {longest} samples", hint="a longer one")
    padded = [np.pad(kernel, ((0, 0), (0, longest - kernel.shape[1]))) for _, kernel in found]
    kernels = np.concatenate(padded)
    magnitudes = np.abs(np.fft.rfft(kernels, n_fft))
    frequencies: Floats = np.asarray(np.fft.rfftfreq(n_fft, 1.0 / network.sample_rate), np.float64)
    order = np.argsort(passbands(frequencies, magnitudes).peak, kind="stable")  # NaN comes last
    modules = [name for name, kernel in found for _ in kernel]
    bands = passbands(frequencies, magnitudes[order])
    n_heard = int(np.isfinite(bands.peak).sum())
    return FirstLayer(
        model=name_of(network),
        sample_rate=network.sample_rate,
        modules=tuple(modules[i] for i in order),
        channels=np.concatenate([np.arange(len(kernel)) for _, kernel in found])[order],
        lengths=np.concatenate([np.full(len(kernel), kernel.shape[1]) for _, kernel in found])[order],
        kernels=kernels[order],
        frequencies=frequencies,
        magnitudes=magnitudes[order],
        bands=bands,
        mel=compare_with_mel(bands.peak, network.sample_rate, scale=scale) if n_heard >= 3 else None,
        coverage=coverage(cell_edges(frequencies), magnitudes),
    )


def cell_edges(frequencies: Floats) -> Floats:
    """Return the edges halfway between frequencies; the first and the last cell end where these do."""
    return np.concatenate([frequencies[:1], (frequencies[:-1] + frequencies[1:]) / 2, frequencies[-1:]])


def vanished(kernels: Floats) -> NDArray[np.bool_]:
    """Tell which filters weight decay has brought to nothing, so that what they answer does not depend on the sound.

    Parameters
    ----------
    kernels : shape (N, ...)

    Returns
    -------
    shape (N,): whether the root of the mean square of the weights is at most a millionth of the largest of all
    """
    flat = np.asarray(kernels, np.float64).reshape(len(kernels), -1)
    sizes = np.sqrt((flat**2).mean(axis=1))
    return np.asarray(sizes <= VANISHED * sizes.max(initial=0.0))


def _first_filters(model: TaggingModel) -> list[tuple[str, Floats]]:
    """Return the filters on the waveform by the names of their modules, each (C, L), the gaps of dilation filled."""
    if not any(isinstance(module, Raw) for module in model.frontend.modules()):
        raise UsageError(
            f"{name_of(model)}: its first filters see a spectrogram, not the waveform",
            hint="earmark.explain.mel_filters.mel_filters draws those",
        )
    convolutions = first_convolutions(model)
    if convolutions:
        return [(name, _spread(layer.weight[:, 0], int(layer.dilation[0]))) for name, layer in convolutions]
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module.in_features == model.chunk_samples:
            return [(name, _spread(module.weight, 1))]
    raise UsageError(f"{name_of(model)}: there is no convolution of the waveform in it")


def _spread(weight: torch.Tensor, dilation: int) -> Floats:
    """Return filters (C, L) with the gaps of dilation filled with zeros."""
    kernel = weight.detach().double().cpu().numpy()
    spread = np.zeros((len(kernel), (kernel.shape[1] - 1) * dilation + 1))
    spread[:, ::dilation] = kernel
    return spread
