"""Augmentations that filter the waveform: high-pass, low-pass, echo and reverberation.

References
----------
Spijkervet, J. and Burgoyne, J. A. "Contrastive learning of musical representations" (CLMR), ISMIR 2021.
Won, M., Choi, K. and Serra, X. "Semi-supervised music tagging transformer", ISMIR 2021.
"""

import math
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
    fast_length,
    filtered,
    gaussian_noise,
)
from earmark.errors import UsageError

SETTLING = 0.1
"""Seconds of silence behind the crop, in which a filter may come to rest."""


@AUGMENTATIONS.register("high_pass")
class HighPass:
    """Take the low frequencies away.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_hz, high_hz : range of the cut-off, where the level is 3 dB lower
    order : of the Butterworth filter: 6 dB per octave each

    Notes
    -----
    The magnitude response is that of a digital Butterworth filter; the phase stays as it is. CLMR has 200 to 1200 Hz.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.4,
        low_hz: float = 200.0,
        high_hz: float = 1200.0,
        order: int = 4,
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_cutoffs(low_hz, high_hz, "hz", sample_rate)
        self.sample_rate, self.order = sample_rate, check_order(order)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `cutoff`, Hz."""
        return drawn(generator, self.probability, n_items, cutoff=generator.uniform(*self.range, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Filter, (B, S)."""
        is_high = np.ones(len(parameters["cutoff"]), bool)
        return passed(x, {**parameters, "is_high": is_high}, self.sample_rate, self.order)


@AUGMENTATIONS.register("low_pass")
class LowPass:
    """Take the high frequencies away.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_hz, high_hz : range of the cut-off, where the level is 3 dB lower
    order : of the Butterworth filter: 6 dB per octave each

    Notes
    -----
    As `HighPass`. CLMR has 2200 to 4000 Hz.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.4,
        low_hz: float = 2200.0,
        high_hz: float = 4000.0,
        order: int = 4,
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_cutoffs(low_hz, high_hz, "hz", sample_rate)
        self.sample_rate, self.order = sample_rate, check_order(order)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `cutoff`, Hz."""
        return drawn(generator, self.probability, n_items, cutoff=generator.uniform(*self.range, n_items))

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Filter, (B, S)."""
        is_high = np.zeros(len(parameters["cutoff"]), bool)
        return passed(x, {**parameters, "is_high": is_high}, self.sample_rate, self.order)


@AUGMENTATIONS.register("high_low_pass")
class HighLowPass:
    """Take either the low or the high frequencies away, each as often as the other.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_high_pass_hz, high_high_pass_hz : range of the cut-off of the high-pass
    low_low_pass_hz, high_low_pass_hz : range of the cut-off of the low-pass
    order : of the Butterworth filter: 6 dB per octave each

    Notes
    -----
    This is how CLMR and the Music Tagging Transformer have it, both with probability 0.8.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.8,
        low_high_pass_hz: float = 200.0,
        high_high_pass_hz: float = 1200.0,
        low_low_pass_hz: float = 2200.0,
        high_low_pass_hz: float = 4000.0,
        order: int = 4,
    ) -> None:
        self.probability = check_probability(probability)
        self.high_pass = check_cutoffs(low_high_pass_hz, high_high_pass_hz, "high_pass_hz", sample_rate)
        self.low_pass = check_cutoffs(low_low_pass_hz, high_low_pass_hz, "low_pass_hz", sample_rate)
        self.sample_rate, self.order = sample_rate, check_order(order)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `is_high` and `cutoff`, Hz."""
        is_high = generator.random(n_items) < 0.5
        cutoff = np.where(
            is_high, generator.uniform(*self.high_pass, n_items), generator.uniform(*self.low_pass, n_items)
        )
        return drawn(generator, self.probability, n_items, is_high=is_high, cutoff=cutoff)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Filter, (B, S)."""
        return passed(x, parameters, self.sample_rate, self.order)


def check_cutoffs(low: float, high: float, unit: str, sample_rate: int) -> tuple[float, float]:
    """Return a range of cut-offs, or raise `UsageError` if one is not between 0 and half the sample rate."""
    if not (low > 0 and high < sample_rate / 2):
        hint = f"above 0 and below half the sample rate, {sample_rate / 2:g} Hz"
        raise UsageError(f"low_{unit}={low}, high_{unit}={high} at {sample_rate} Hz", hint=hint)
    return check_range(low, high, unit)


def check_order(order: int) -> int:
    """Return the order of a filter, or raise `UsageError` if it is not from 1 to 16."""
    if not 1 <= order <= 16:
        raise UsageError(f"order={order}", hint="the order of the filter is from 1 to 16")
    return order


def passed(x: Tensor, parameters: Parameters, sample_rate: int, order: int) -> Tensor:
    """Return (B, S) with the items that are touched filtered at their `cutoff`, high-pass where `is_high`.

    Notes
    -----
    The squared magnitude of a Butterworth filter made by the bilinear transform is 1 / (1 + r ** (2 order)),
    r = tan(w / 2) / tan(w_cutoff / 2), and that of the high-pass the same with 1 / r; written as a sigmoid of log r
    it neither overflows nor divides by zero.
    """
    n_fft = fast_length(x.shape[-1] + math.ceil(SETTLING * sample_rate))

    def change(items: Tensor, cutoff: Tensor, is_high: Tensor) -> Tensor:
        half = torch.linspace(0, math.pi / 2, n_fft // 2 + 1, device=items.device)  # half of the angular frequency
        ratio = torch.log(torch.tan(half).abs()) - torch.log(torch.tan(math.pi * cutoff / sample_rate)).unsqueeze(1)
        sign = torch.where(is_high, 1.0, -1.0).unsqueeze(1)
        return filtered(items, torch.sqrt(torch.sigmoid(2 * order * sign * ratio)), n_fft)  # (b, S)

    return changed(x, parameters, change)


@AUGMENTATIONS.register("delay")
class Delay:
    """Add one echo.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_ms, high_ms : range of the delay
    volume : factor of the echo

    Notes
    -----
    CLMR: 200 to 500 ms at 0.5; there in steps of 50 ms, here any number of samples.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.5,
        low_ms: float = 200.0,
        high_ms: float = 500.0,
        volume: float = 0.5,
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_ms, high_ms, "ms", least=0)
        if not 0 < volume <= 1:
            raise UsageError(f"volume={volume}", hint="the echo's volume is above 0 and at most 1")
        self.sample_rate, self.volume = sample_rate, volume

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `delay`, samples."""
        seconds = generator.uniform(*self.range, n_items) / 1000
        delay = np.round(seconds * self.sample_rate).astype(np.int64)
        return drawn(generator, self.probability, n_items, delay=delay)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Add what came `delay` samples before, (B, S); before the crop it is taken as silent."""

        def change(items: Tensor, delay: Tensor) -> Tensor:
            source = torch.arange(items.shape[-1], device=items.device) - delay.unsqueeze(1)  # (b, S)
            echo = items.gather(1, source.clamp(min=0)).masked_fill(source < 0, 0.0)
            return items + self.volume * echo

        return changed(x, parameters, change)


@AUGMENTATIONS.register("reverb")
class Reverb:
    """Put the item into a room.

    Parameters
    ----------
    sample_rate : Hz
    probability : of an item to be changed
    low_seconds, high_seconds : range of the reverberation time, in which the sound decays by 60 dB
    low_wet, high_wet : range of the share of the energy that is reverberation

    Notes
    -----
    The room's impulse response is Gaussian noise that decays exponentially (Moorer 1979), with energy 1, new for each
    item, no longer than the crop. The same decay at all frequencies, no early reflections. The sum of dry and wet
    sound has about the energy of the item. Published recipes use SoX's reverb with all its parameters from 0 to 100;
    the ranges here are ours: small rooms to small halls.

    References
    ----------
    Moorer, J. A. "About this reverberation business", Computer Music Journal 3(2), 1979.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(
        self,
        *,
        sample_rate: int,
        probability: float = 0.3,
        low_seconds: float = 0.2,
        high_seconds: float = 1.2,
        low_wet: float = 0.1,
        high_wet: float = 0.5,
    ) -> None:
        self.probability = check_probability(probability)
        self.range = check_range(low_seconds, high_seconds, "seconds", least=0.01)
        self.wet = check_range(low_wet, high_wet, "wet", least=0, most=1)
        self.sample_rate = sample_rate

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `seconds` of reverberation time, the `wet` share, and the `key` of the room's noise."""
        seconds, wet = generator.uniform(*self.range, n_items), generator.uniform(*self.wet, n_items)
        key = draw_keys(generator, n_items)
        return drawn(generator, self.probability, n_items, seconds=seconds, wet=wet, key=key)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Mix each item with its convolution with the room, (B, S); before the crop it is taken as silent."""
        n_samples = x.shape[-1]
        length = min(math.ceil(self.range[1] * self.sample_rate), n_samples)
        n_fft = fast_length(n_samples + length)

        def change(items: Tensor, seconds: Tensor, wet: Tensor, key: Tensor) -> Tensor:
            time = torch.arange(length, device=items.device) / self.sample_rate
            decay = torch.exp(-math.log(1000) * time / seconds.unsqueeze(1))  # amplitude: 60 dB in `seconds`
            room = gaussian_noise(key, length) * decay  # (b, length)
            room = room * torch.sqrt(wet / room.square().sum(dim=1)).unsqueeze(1)
            tail = filtered(items, torch.fft.rfft(room, n=n_fft), n_fft)
            return torch.sqrt(1 - wet).unsqueeze(1) * items + tail

        return changed(x, parameters, change)
