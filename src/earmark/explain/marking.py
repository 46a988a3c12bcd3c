"""What a saliency marks, cut out of the song and heard apart from the rest, by ear and by the network."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.explain.auralize import Sound, make_sound
from earmark.explain.faithfulness import BLOCK_SECONDS, N_BANDS
from earmark.explain.opening import Samples
from earmark.explain.passages import blocks, quickly, synthesise
from earmark.explain.saliency import Saliency, again, block_values
from earmark.models.base import TaggingModel

MARKED = 0.2  # share of the blocks that count as marked by a saliency


@dataclass(frozen=True, eq=False, kw_only=True)
class Marked:
    """What a saliency marks, heard apart from the rest.

    Parameters
    ----------
    cells : which cells of the saliency are marked, shape (F, T): the blocks with the highest values, `MARKED` of all
    level_db : of the sound on the cells, decibels below the highest, shape (F, T)
    only, without : the sound of these cells alone, and of all others; None where there is nothing to hear
    score_whole, score_only, score_without, score_silence : what the network gives the tag for the chunk as it is, for
        the marked cells alone, for all others, and for silence, from 0 to 1
    """

    cells: NDArray[np.bool_]
    level_db: NDArray[np.float32]
    only: Sound | None
    without: Sound | None
    score_whole: float
    score_only: float
    score_without: float
    score_silence: float


def mark_out(model: TaggingModel, samples: Samples, saliency: Saliency) -> Marked:
    """Part what a saliency marks from the rest, and let the network hear both.

    Parameters
    ----------
    model, samples : that the saliency is of
    saliency : of a moment

    Raises
    ------
    InputError
        If the saliency is of a whole song.
    """
    if saliency.moment is None:
        raise InputError("a saliency of a whole song has no sound of its own", hint="explain a moment: moment=")
    with quickly(model):
        hearing = again(saliency, model, samples)
        labels = blocks(hearing.grid, hearing.n_frames, n_bands=N_BANDS, seconds=BLOCK_SECONDS)
        values = block_values(saliency, labels)
        best = np.argsort(-values, kind="stable")[: max(round(MARKED * values.size), 1)]
        cells = np.isin(labels, best)
        masks = np.stack([np.ones_like(cells), cells, ~cells, np.zeros_like(cells)]).astype(np.float32)
        masks = np.maximum(masks, np.float32(hearing.floor))
        levels = hearing.values(masks)
    scores = 1 / (1 + np.exp(-levels)) if saliency.quantity == "logit" else levels
    passage = hearing.passages[0]
    n_samples = passage.sound.shape[0]
    only, without = (
        synthesise(torch.from_numpy(mask) * passage.spectrum, hearing.grid, n_samples).numpy() for mask in masks[1:3]
    )
    return Marked(
        cells=cells,
        level_db=_level(passage.spectrum),
        only=audible(only, model.sample_rate),
        without=audible(without, model.sample_rate),
        score_whole=float(scores[0]),
        score_only=float(scores[1]),
        score_without=float(scores[2]),
        score_silence=float(scores[3]),
    )


def _level(spectrum: torch.Tensor) -> NDArray[np.float32]:
    power = spectrum.abs().square().numpy()
    return np.asarray(10 * np.log10(np.maximum(power / max(float(power.max()), 1e-30), 1e-12)), np.float32)


def audible(waveform: Samples, sample_rate: int) -> Sound | None:
    """Bring a sound to the loudness of the others; None if it is too faint or too short to have one."""
    try:
        return make_sound(waveform, sample_rate)
    except InputError:
        return None
