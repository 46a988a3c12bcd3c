"""Augmentations of the level: gain, polarity and noise.

References
----------
Spijkervet, J. and Burgoyne, J. A. "Contrastive learning of musical representations" (CLMR), ISMIR 2021.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from earmark.audio.augment_base import (
    AUGMENTATIONS,
    Parameters,
    changed,
    check_probability,
    check_range,
    draw_keys,
    drawn,
    gaussian_noise,
)
from earmark.errors import UsageError


@AUGMENTATIONS.register("gain")
class Gain:
    """Change the level.

    Parameters
    ----------
    probability : of an item to be changed
    low_db, high_db : range of the change; above 0 it becomes louder, perhaps beyond [-1, 1]

    Notes
    -----
    CLMR: -20 to -1 dB.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(self, *, probability: float = 0.2, low_db: float = -20.0, high_db: float = -1.0) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_db, high_db, "db")

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `gain`, dB."""
        return drawn(generator, self.probability, n_items, gain=generator.uniform(*self.range, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Multiply each item, (B, S)."""
        return changed(x, parameters, lambda items, gain: items * torch.pow(10.0, gain / 20).unsqueeze(1))


@AUGMENTATIONS.register("polarity")
class Polarity:
    """Change the sign of all samples, which nobody hears.

    Parameters
    ----------
    probability : of an item to be changed
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(self, *, probability: float = 0.8) -> None:
        self.probability = check_probability(probability)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw nothing but which items are touched."""
        return drawn(generator, self.probability, n_items)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Negate each item, (B, S)."""
        return changed(x, parameters, torch.neg)


@AUGMENTATIONS.register("noise")
class Noise:
    """Add noise.

    Parameters
    ----------
    probability : of an item to be changed
    low_snr_db, high_snr_db : range of the level of the item, its mean power over the crop, above that of the noise
    colour : "white", or "pink": 3 dB less per octave

    Notes
    -----
    CLMR draws the noise's standard deviation from 1e-4 to 1e-2 of that of the item, which is 80 to 40 dB; here it is
    drawn evenly in decibels. Silence stays silent.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        probability: float = 0.3,
        low_snr_db: float = 40.0,
        high_snr_db: float = 80.0,
        colour: Literal["white", "pink"] = "white",
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_snr_db, high_snr_db, "snr_db")
        if colour not in ("white", "pink"):
            raise UsageError(f"colour={colour!r}", hint="white or pink")
        self.colour = colour

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `snr`, dB, and the `key` of the noise."""
        snr = generator.uniform(*self.range, n_items)
        return drawn(generator, self.probability, n_items, snr=snr, key=draw_keys(generator, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Add noise to each item, (B, S)."""

        def change(items: Tensor, snr: Tensor, key: Tensor) -> Tensor:
            noise = gaussian_noise(key, items.shape[-1])
            if self.colour == "pink":
                noise = _pink(noise)
            ratio = _level(items) / _level(noise) * torch.pow(10.0, -snr / 20)
            return items + ratio.unsqueeze(1) * noise

        return changed(x, parameters, change)


def _level(x: Tensor) -> Tensor:
    """Return the root of the mean power, (B, S) -> (B,)."""
    return x.square().mean(dim=-1).sqrt()


def _pink(noise: Tensor) -> Tensor:
    """Give white noise 3 dB less per octave and no constant part, (B, S) -> (B, S)."""
    spectrum = torch.fft.rfft(noise)
    bins = torch.arange(spectrum.shape[-1], device=noise.device)
    coloured: Tensor = torch.fft.irfft(spectrum * bins.clamp(min=1).rsqrt() * (bins > 0), n=noise.shape[-1])
    return coloured
