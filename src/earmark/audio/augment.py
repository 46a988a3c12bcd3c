"""Augmentations: random changes of the batches that a network learns from, by the names that recipes use.

    [augment.gain]
    probability = 0.3
    low_db = -20.0

    [augment.spec_augment]
    n_time = 2

They act in the order of the recipe, those on the waveform before the front end, those on its picture after it. Which
items are changed, and how, follows from the seed of the run, the number of the step and the name of the augmentation:
taking one out of a recipe changes nothing in the others. Probabilities are those of the Music Tagging Transformer (Won
et al. 2021) and ranges those of CLMR (Spijkervet & Burgoyne 2021) where these have the augmentation; else the class
says where they come from.

==============  ======================================  ==============================================================
name            what it does                            what becomes of the level
==============  ======================================  ==============================================================
gain            changes the level                       up or down as drawn; with the defaults down
polarity        changes the sign                        stays
noise           adds white or pink noise                rises by what is added; at 40 dB that is nothing
high_pass       takes low frequencies away              falls by what is taken away
low_pass        takes high frequencies away             falls by what is taken away
high_low_pass   takes either away                       falls by what is taken away
delay           adds one echo                           rises, by up to 3.5 dB at volume 0.5
reverb          puts the sound into a room              stays on average, peaks may rise
time_shift      rolls the waveform                      stays
time_mask       makes parts of the waveform silent      stays elsewhere
speed           faster or slower, pitch moves along     stays
tempo           faster or slower, pitch stays           stays for tones, noise falls by up to 3 dB
pitch           higher or lower, tempo stays            stays for tones, noise falls by up to 3 dB
spec_augment    hides bands and frames of the picture   hidden places get the item's mean
==============  ======================================  ==============================================================

Nothing is clipped: samples may come to lie beyond [-1, 1].

References
----------
Spijkervet, J. and Burgoyne, J. A. "Contrastive learning of musical representations" (CLMR), ISMIR 2021.
Won, M., Choi, K. and Serra, X. "Semi-supervised music tagging transformer", ISMIR 2021.
"""

import inspect
from collections.abc import Iterator, Mapping
from hashlib import blake2b

import numpy as np
from torch import Tensor

from earmark.audio import augment_filters, augment_levels, augment_masks, augment_time
from earmark.audio.augment_base import AUGMENTATIONS, Augmentation, Parameters
from earmark.errors import InputError, UsageError
from earmark.registry import check_options, check_values

__all__ = ["AUGMENTATIONS", "FAMILIES", "Augment", "Augmentation", "Parameters"]

FAMILIES = (augment_levels, augment_filters, augment_time, augment_masks)
"""The modules that the augmentations stand in."""


class Augment:
    """The augmentations of a recipe, one after the other. Not for validation and test: leave it out there.

    Parameters
    ----------
    recipe : names of augmentations to their options, in the order in which they act
    sample_rate : Hz, of the waveforms

    Raises
    ------
    UnknownNameError
        If there is no such augmentation.
    UsageError
        If one does not take an option or its value.

    Examples
    --------
    >>> import torch
    >>> augment = Augment({"gain": {"probability": 1.0, "low_db": -6.0, "high_db": -6.0}}, sample_rate=16000)
    >>> augment.waveform(torch.ones(1, 3), seed=0, step=0)
    tensor([[0.5012, 0.5012, 0.5012]])
    """

    def __init__(self, recipe: Mapping[str, Mapping[str, object]], *, sample_rate: int) -> None:
        self._steps = {name: _built(name, options, sample_rate) for name, options in recipe.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def waveform(self, x: Tensor, seed: int, step: int) -> Tensor:
        """Change a batch of waveforms.

        Parameters
        ----------
        x : shape (B, S), in [-1, 1]; stays as it is
        seed : of the run, a whole number from 0
        step : of the run, a whole number from 0

        Returns
        -------
        shape (B, S), perhaps beyond [-1, 1]; `x` itself if no item is changed

        Raises
        ------
        InputError
            If `x` has another number of dimensions.
        UsageError
            If `seed` or `step` is something else.
        """
        if x.ndim != 2:
            raise InputError(f"waveforms of shape {tuple(x.shape)}", hint="the shape is (items, samples)")
        return self._applied("waveform", x, seed, step)

    def spectrogram(self, x: Tensor, seed: int, step: int) -> Tensor:
        """Change a batch of pictures that a front end gives.

        Parameters
        ----------
        x : shape (B, ..., F, T); stays as it is
        seed : of the run, a whole number from 0
        step : of the run, a whole number from 0

        Returns
        -------
        same shape; `x` itself if no item is changed

        Raises
        ------
        InputError
            If `x` has fewer than three dimensions, or is too small for a mask.
        UsageError
            If `seed` or `step` is something else.
        """
        if x.ndim < 3:
            raise InputError(f"pictures of shape {tuple(x.shape)}", hint="the shape is (items, frequencies, frames)")
        return self._applied("spectrogram", x, seed, step)

    def _applied(self, kind: str, x: Tensor, seed: int, step: int) -> Tensor:
        for name, augmentation in self._steps.items():
            if augmentation.takes == kind:
                parameters = augmentation.draw(generator_of(name, seed, step), len(x), tuple(x.shape[1:]))
                x = augmentation.apply(x, parameters)
        return x


def generator_of(name: str, seed: int, step: int) -> np.random.Generator:
    """Return the generator that an augmentation draws from in a step.

    Raises
    ------
    UsageError
        If `seed` or `step` is no whole number from 0.
    """
    for what, value in (("seed", seed), ("step", step)):
        if not (isinstance(value, int | np.integer) and value >= 0):
            raise UsageError(f"{what}={value!r}", hint="a whole number from 0")
    digest = blake2b(name.encode(), digest_size=8).digest()
    return np.random.default_rng([int(seed), int(step), int.from_bytes(digest, "little")])


def _built(name: str, options: Mapping[str, object], sample_rate: int) -> Augmentation:
    factory, what = AUGMENTATIONS[name], f"augmentation {name!r}"
    if not isinstance(options, Mapping):
        raise UsageError(f"{what} has options {options!r}", hint=f"give it a table: [augment.{name}]")
    check_options(what, factory, options, given=("sample_rate",))
    check_values(what, vars(factory).get("__init__", factory), options)  # the options of a class are its constructor's
    given = {"sample_rate": sample_rate} if "sample_rate" in inspect.signature(factory).parameters else {}
    return AUGMENTATIONS.build(name, **options, **given)
