"""Augmentations that hide a part: of the waveform, or of the picture that a front end makes of it.

References
----------
Park, D. S. et al. "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech 2019.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.augment_base import AUGMENTATIONS, Parameters, changed, check_probability, check_share, drawn
from earmark.errors import InputError, UsageError


@AUGMENTATIONS.register("time_mask")
class TimeMask:
    """Make parts of the waveform silent.

    Parameters
    ----------
    probability : of an item to be changed
    n : parts, which may overlap
    share : of the crop, the longest that a part is

    Notes
    -----
    The numbers are ours.
    """

    takes: Literal["waveform"] = "waveform"

    def __init__(self, *, probability: float = 0.5, n: int = 1, share: float = 0.1) -> None:
        self.probability, self.share = check_probability(probability), check_share("share", share)
        self.n = check_count("n", n)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `start` and `width`, samples, of each part."""
        start, width = draw_masks(generator, (n_items, self.n), round(self.share * shape[-1]), shape[-1])
        return drawn(generator, self.probability, n_items, start=start, width=width)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Silence parts of each item, (B, S)."""

        def change(items: Tensor, start: Tensor, width: Tensor) -> Tensor:
            return items.masked_fill(covered(start, width, items.shape[-1]), 0.0)

        return changed(x, parameters, change)


@AUGMENTATIONS.register("spec_augment")
class SpecAugment:
    """Hide bands and frames of the picture (SpecAugment, Park et al. 2019).

    Parameters
    ----------
    probability : of an item to be changed
    n_frequency, n_time : masks, which may overlap; 0 for none
    frequency_width, time_width : the widest that a mask is, in rows and frames; each width from 0 on is as likely

    Notes
    -----
    A mask has the mean of the item, and gives no gradient. Park et al. hide up to 27 of 80 bands and 100 frames, twice
    each (their policy LD), in utterances of many seconds, and warp time before, which is left out here: their own
    ablation finds it of the least use. The widths here are narrower, for crops of a few hundred frames.
    """

    takes: Literal["spectrogram"] = "spectrogram"

    def __init__(
        self,
        *,
        probability: float = 1.0,
        n_frequency: int = 2,
        frequency_width: int = 16,
        n_time: int = 2,
        time_width: int = 24,
    ) -> None:
        self.probability = check_probability(probability)
        self.n_frequency, self.n_time = check_count("n_frequency", n_frequency), check_count("n_time", n_time)
        self.frequency_width = check_count("frequency_width", frequency_width)
        self.time_width = check_count("time_width", time_width)

    def draw(self, generator: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> Parameters:
        """Draw `band` and `band_width`, rows, of each mask in frequency; `frame` and `frame_width` of each in time.

        Raises
        ------
        InputError
            If one mask could hide the whole picture.
        """
        n_rows, n_frames = shape[-2:]
        _check_room("frequency_width", self.frequency_width * (self.n_frequency > 0), n_rows)
        _check_room("time_width", self.time_width * (self.n_time > 0), n_frames)
        band, band_width = draw_masks(generator, (n_items, self.n_frequency), self.frequency_width, n_rows)
        frame, frame_width = draw_masks(generator, (n_items, self.n_time), self.time_width, n_frames)
        values = {"band": band, "band_width": band_width, "frame": frame, "frame_width": frame_width}
        return drawn(generator, self.probability, n_items, **values)

    def apply(self, x: Tensor, parameters: Parameters) -> Tensor:
        """Hide parts of each item, (B, ..., F, T)."""

        def change(items: Tensor, band: Tensor, band_width: Tensor, frame: Tensor, frame_width: Tensor) -> Tensor:
            rows = covered(band, band_width, items.shape[-2]).unsqueeze(2)  # (b, F, 1)
            frames = covered(frame, frame_width, items.shape[-1]).unsqueeze(1)  # (b, 1, T)
            hidden = (rows | frames).view(len(items), *[1] * (items.ndim - 3), *items.shape[-2:])
            mean = items.detach().flatten(1).mean(dim=1).view(-1, *[1] * (items.ndim - 1))
            return torch.where(hidden, mean, items)

        return changed(x, parameters, change)


def check_count(name: str, n: int) -> int:
    """Return a number of things, or raise `UsageError` if it is below 0."""
    if n < 0:
        raise UsageError(f"{name}={n}", hint="a whole number from 0")
    return n


def _check_room(name: str, width: int, size: int) -> None:
    if width >= size:
        raise InputError(
            f"spec_augment: {name}={width}, and the picture has {size}",
            hint=f"lower augment.spec_augment.{name}, so that a mask cannot hide all of it",
        )


def draw_masks(
    generator: np.random.Generator, shape: tuple[int, int], widest: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw where masks start and how wide they are, each of `shape`: widths from 0 to `widest`, within `size`."""
    width = generator.integers(0, min(widest, size), shape, endpoint=True)
    return generator.integers(0, size - width, endpoint=True), width


def covered(start: Tensor, width: Tensor, size: int) -> Tensor:
    """Return what lies in one of several masks, (B, n) -> (B, size)."""
    place = torch.arange(size, device=start.device)
    start, width = start.unsqueeze(2), width.unsqueeze(2)
    return ((place >= start) & (place < start + width)).any(dim=1)
