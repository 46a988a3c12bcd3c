"""What an augmentation is: it draws parameters with numpy, and applies them to a batch on any device.

What is drawn depends on the generator only, so it is the same on every device. Noise would be too much to draw and to
send: only two numbers per item are drawn, and `gaussian_noise` makes them into noise where the batch is.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors import InputError, UsageError
from earmark.registry import Registry

Parameters = Mapping[str, NDArray[Any]]
"""Arrays with one entry per item; "touched" says which items are changed."""


class Augmentation(Protocol):
    """A random change of the items of a batch.

    Parameters
    ----------
    takes : the waveform, shape (B, S), or the picture that a front end makes of it, (B, ..., F, T)
    """

    @property
    def takes(self) -> Literal["waveform", "spectrogram"]:
        """What is changed."""
        ...

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw what to do.

        Parameters
        ----------
        generator : of which everything follows
        n_items : B
        shape : of an item: (S,) of a waveform, (..., F, T) of a picture

        Returns
        -------
        arrays of B entries each
        """
        ...

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Return `x` changed as was drawn: same shape, type and device. `x` itself stays as it is."""
        ...


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")


def drawn(generator: np.random.Generator, probability: float, n_items: int, **values: NDArray[Any]) -> Parameters:
    """Add to `values` which items are touched."""
    return values | {"touched": generator.random(n_items) < probability}


def changed(x: Tensor, parameters: Parameters, change: Callable[..., Tensor]) -> Tensor:
    """Change the items that are touched, in float32, whatever autocast says.

    Parameters
    ----------
    x : shape (B, ...)
    parameters : of all items
    change : called with the touched items, (b, ...), and their parameters as tensors by name; returns the shape it
        is given

    Returns
    -------
    shape and type of `x`, a new tensor; `x` itself if no item is touched

    Raises
    ------
    InputError
        If there are parameters for another number of items.
    """
    touched = np.flatnonzero(parameters["touched"])
    if len(parameters["touched"]) != len(x):
        raise InputError(f"parameters of {len(parameters['touched'])} items for a batch of {len(x)}")
    if not len(touched):
        return x
    with torch.autocast(x.device.type, enabled=False):
        index = sent(touched, x.device)
        values = {name: sent(value[touched], x.device) for name, value in parameters.items() if name != "touched"}
        new = change(x.index_select(0, index).float(), **values).to(x.dtype)
        return x.index_copy(0, index, new)


def sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy a small array to a device without waiting for it; numbers with a point become float32."""
    narrow = values.astype(np.float32) if values.dtype.kind == "f" else values
    return torch.from_numpy(narrow).to(device, non_blocking=True)


def gaussian_noise(key: Tensor, n: int) -> Tensor:
    """Make white Gaussian noise out of keys: the same for the same key on every device, up to rounding.

    Parameters
    ----------
    key : shape (B, 2), whole numbers from 0 to below 2**31; see `draw_keys`
    n : samples

    Returns
    -------
    shape (B, n), mean 0, variance 1, at most 4.9

    Notes
    -----
    Each pair of samples is the Box-Muller transform of the two halves of a hash of 32 bits: two rounds in the form of
    lowbias32 (Wellons, C. "Prospecting for hash functions", 2018), with a part of the key before each.
    """
    n_pairs = (n + 1) // 2
    bits = torch.arange(n_pairs, device=key.device).unsqueeze(0) + key[:, :1]  # (B, n_pairs)
    bits = _mixed(_mixed(bits) ^ key[:, 1:])
    radius = torch.sqrt(-2.0 * torch.log(((bits >> 16).float() + 0.5) * 2.0**-16))
    angle = (bits & 0xFFFF).float() * (2.0 * math.pi * 2.0**-16)
    return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)[:, :n]  # (B, n)


def _mixed(bits: Tensor) -> Tensor:
    """Mix 32 bits in int64. The factors have 31 bits, so that no product overflows."""
    bits = ((bits ^ (bits >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * 0x21F0AAAD) & 0xFFFFFFFF
    return bits ^ (bits >> 15)


def draw_keys(generator: np.random.Generator, n_items: int) -> NDArray[np.int64]:
    """Draw the keys of `gaussian_noise`, shape (n_items, 2)."""
    return generator.integers(0, 1 << 31, size=(n_items, 2), dtype=np.int64)


def fast_length(n: int) -> int:
    """Return the smallest length of at least `n` that is quick in a Fourier transform: 1, 3, 5 or 9 times a power of 2.

    Examples
    --------
    >>> fast_length(59049), fast_length(70000)
    (65536, 73728)
    """
    return min(m << max(math.ceil(math.log2(n / m)), 1) for m in (1, 3, 5, 9))


def filtered(x: Tensor, response: Tensor, n_fft: int) -> Tensor:
    """Filter through the frequency domain.

    Parameters
    ----------
    x : shape (B, S), taken as silent before and after
    response : shape (B, n_fft // 2 + 1), real or complex
    n_fft : samples; what of the filter's response is longer than n_fft - S comes round to the other end

    Returns
    -------
    shape (B, S)
    """
    whole: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n_fft) * response, n=n_fft)
    return whole[:, : x.shape[-1]]


def check_probability(probability: float) -> float:
    """Return a probability, or raise `UsageError` if it is none."""
    if not 0 <= probability <= 1:
        raise UsageError(f"probability={probability}", hint="a probability is from 0 to 1")
    return probability


def check_range(
    low: float, high: float, unit: str, *, least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """Return the ends of a range.

    Parameters
    ----------
    low, high : the ends
    unit : end of the names of both options, such as "db"
    least, most : that the ends may be

    Raises
    ------
    UsageError
        If they are out of order, not finite, or beyond what they may be.
    """
    if not (math.isfinite(low) and math.isfinite(high) and least <= low <= high <= most):
        bounds = [f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf)
        hint = ", ".join([f"low_{unit} is not above high_{unit}", *bounds])
        raise UsageError(f"low_{unit}={low}, high_{unit}={high}", hint=hint)
    return float(low), float(high)


def check_share(name: str, share: float) -> float:
    """Return a share, or raise `UsageError` if it is not above 0 and at most 1."""
    if not 0 < share <= 1:
        raise UsageError(f"{name}={share}", hint="a share of the crop, above 0 and at most 1")
    return float(share)
