"""Sounds that excite a channel most, found by climbing its gradient from noise.

The sound is climbed by its spectrum, whose bins are scaled like 1 / f: without such a prior the gradient finds faint
high tones that nobody would call music. Its level is bounded, so that a channel is not excited by loudness alone.

References
----------
Erhan, D. et al. "Visualizing higher-layer features of a deep network", University of Montreal, 2009 (climbing).
Olah, C., Mordvintsev, A. and Schubert, L. "Feature visualization", Distill, 2017 (climbing a scaled Fourier basis).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors import InputError, UsageError
from earmark.explain.geometry import runner
from earmark.explain.opening import Model, at_rest, check_layers, open_model
from earmark.models.base import TaggingModel

Floats = NDArray[np.float64]
Run = Callable[[Tensor], Tensor]

_BATCH_SAMPLES = 400_000  # climbed at once
_LOWEST_HZ = 50.0  # the prior is flat below


@dataclass(frozen=True, eq=False, kw_only=True)
class PreferredInputs:
    """Sounds that excite the channels of a layer.

    Parameters
    ----------
    layer : its name
    channels : shape (N,)
    sample_rate : Hz
    waveforms : shape (N, S), float32
    activations : mean of the channel over time and rows at the end of the climb, shape (N,)
    starts : the same for the noise that it started from, shape (N,)
    frequencies : shape (M,), Hz
    spectra : power of the sounds, sum 1, shape (N, M)
    """

    layer: str
    channels: NDArray[np.intp]
    sample_rate: int
    waveforms: NDArray[np.float32]
    activations: Floats
    starts: Floats
    frequencies: Floats
    spectra: Floats


def preferred_inputs(
    model: Model,
    layer: str,
    channels: Sequence[int] | None = None,
    *,
    n_steps: int = 64,
    learning_rate: float = 0.05,
    exponent: float = 1.0,
    level_db: float = -20.0,
    n_seconds: float | None = None,
    seed: int = 0,
) -> PreferredInputs:
    """Find sounds that excite channels most.

    Parameters
    ----------
    model : a network, or the card, name or path of one
    layer : its name
    channels : numbers from 0; all of the layer unless given
    n_steps : of the climb (Adam)
    learning_rate : of a step, in units of the scaled spectrum, whose parts start at about 1
    exponent : of the prior: a bin at f Hz is scaled by f ** -exponent, those below 50 Hz as that; 0 for none
    level_db : root of the mean square of a sound at most, dB re full scale: the bound on its L2 norm
    n_seconds : length of a sound; as long as the layer needs unless given
    seed : of the noise that the climb starts from; the same for every channel

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    UsageError
        If a channel does not exist, or an option is out of range.

    Notes
    -----
    What is climbed is the mean of the channel over time and rows. On one machine, the same call gives the same sounds.
    """
    network = open_model(model)
    (name,) = check_layers(network, layer)
    if n_steps < 1 or not learning_rate > 0 or exponent < 0 or not level_db <= 0:
        raise UsageError(
            f"n_steps={n_steps}, learning_rate={learning_rate}, exponent={exponent}, level_db={level_db}",
            hint="steps and rate above 0, exponent 0 or more, level 0 dB or less",
        )
    with at_rest(network):
        run, n_samples = runner(network, name)
        if n_seconds is not None:
            n_samples = round(n_seconds * network.sample_rate)
        run = _checked(network, name, run, n_samples)
        with torch.no_grad():
            n_channels = run(torch.zeros(1, n_samples)).shape[1]
        chosen = np.arange(n_channels) if channels is None else np.asarray(channels, np.intp)
        if chosen.ndim != 1 or not len(chosen) or chosen.min() < 0 or chosen.max() >= n_channels:
            raise UsageError(f"channels {chosen.tolist()} of {name!r}", hint=f"0 to {n_channels - 1}")
        climb = _Climb(network.sample_rate, n_samples, exponent, 10.0 ** (level_db / 20), seed)
        size = max(_BATCH_SAMPLES // n_samples, 1)
        parts = [
            climb.up(run, chosen[start : start + size], n_steps, learning_rate) for start in range(0, len(chosen), size)
        ]
    sounds, starts, ends = (np.concatenate(one) for one in zip(*parts, strict=True))
    power = np.abs(np.fft.rfft(sounds.astype(np.float64))) ** 2
    return PreferredInputs(
        layer=name,
        channels=chosen,
        sample_rate=network.sample_rate,
        waveforms=sounds.astype(np.float32),
        activations=ends.astype(np.float64),
        starts=starts.astype(np.float64),
        frequencies=np.asarray(np.fft.rfftfreq(n_samples, 1 / network.sample_rate), np.float64),
        spectra=power / power.sum(axis=1, keepdims=True),
    )


def _checked(model: TaggingModel, layer: str, run: Run, n_samples: int) -> Run:
    """Return what runs sounds of that length, or say that the layer does not take it."""
    try:
        with torch.no_grad():
            run(torch.zeros(1, n_samples))
    except (InputError, RuntimeError) as error:
        raise UsageError(
            f"the layer {layer!r} does not take {n_samples / model.sample_rate:g} s: {error}",
            hint=f"leave n_seconds out, or take {model.chunk_samples / model.sample_rate:g} s, the length of a chunk",
        ) from error
    return run


class _Climb:
    """Climb from one noise.

    Parameters
    ----------
    sample_rate : Hz
    n_samples : of a sound
    exponent : of the prior
    rms : bound on the level
    seed : of the noise
    """

    def __init__(self, sample_rate: int, n_samples: int, exponent: float, rms: float, seed: int) -> None:
        frequencies = torch.fft.rfftfreq(n_samples, 1 / sample_rate)
        scale = frequencies.clamp(min=_LOWEST_HZ) ** -exponent
        scale[0] = 0.0  # no constant
        self.scale = scale / scale.max()
        self.n_samples, self.rms = n_samples, rms
        self.noise = torch.randn(2, len(frequencies), generator=torch.Generator().manual_seed(seed))

    def sounds(self, spectra: Tensor) -> Tensor:
        """Return the sounds of scaled spectra at the level of the bound, (N, 2, M) -> (N, S)."""
        raw = torch.fft.irfft(torch.complex(spectra[:, 0], spectra[:, 1]) * self.scale, self.n_samples)
        level = raw.square().mean(dim=1, keepdim=True).sqrt()
        bounded: Tensor = self.rms * raw / level.clamp(min=torch.finfo(raw.dtype).tiny)
        return bounded

    def up(
        self, run: Run, channels: NDArray[np.intp], n_steps: int, learning_rate: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Climb for some channels at once; return the sounds (N, S), and the channels (N,) at the start and the end."""
        spectra = self.noise.expand(len(channels), -1, -1).clone().requires_grad_()
        optimizer = torch.optim.Adam([spectra], lr=learning_rate)
        own, index = torch.arange(len(channels)), torch.from_numpy(channels)

        start, best, kept = torch.zeros(0), torch.full((len(channels),), -torch.inf), torch.zeros(0)
        for step in range(n_steps + 1):
            sounds = self.sounds(spectra)
            heights = run(sounds)[own, index].mean(dim=(1, 2))
            now = heights.detach()
            start, kept = (now, sounds.detach()) if step == 0 else (start, kept)
            better = now > best
            best = torch.where(better, now, best)
            kept = torch.where(better[:, None], sounds.detach(), kept)
            if step < n_steps:
                (spectra.grad,) = torch.autograd.grad(-heights.sum(), spectra)
                optimizer.step()
        return kept.numpy(), start.numpy(), best.numpy()
