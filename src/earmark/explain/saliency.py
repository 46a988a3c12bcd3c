"""Why a tag: which frequencies, at which times, make a network give it, at one moment or in a whole song.

====================  ================================================================================================
method                what a cell's value is
====================  ================================================================================================
integrated_gradients  its share of the evidence: the gradient, integrated from silence to the song as it is. The values
                      of all cells sum to the difference between both
occlusion             what the evidence loses when a block of cells is turned down, spread over the cells of the block
grad_cam              what a layer of convolutions shows there, weighed by its gradient; at least zero, relative
====================  ================================================================================================

References
----------
Sundararajan, M., Taly, A. and Yan, Q. "Axiomatic attribution for deep networks", ICML 2017 (integrated gradients).
Zeiler, M. D. and Fergus, R. "Visualizing and understanding convolutional networks", ECCV 2014 (occlusion).
Selvaraju, R. R. et al. "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017.
Kokhlikyan, N. et al. "Captum: a unified and generic model interpretability library for PyTorch", 2020.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors import EarmarkWarning, InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.explain.grad_cam import Weighting, grad_cam
from earmark.explain.opening import Model, Samples, Song, at_rest, open_model, read_song
from earmark.explain.passages import Grid, Hearing, Passage, Quantity, blocks, quickly

Method = Literal["integrated_gradients", "occlusion", "grad_cam"]

COMPLETENESS = 0.05
"""The sum of integrated gradients may differ from what it should be by this share of it; beyond, there is a warning."""

_PATH_DB = 100.0  # the nodes of the path from silence to the song are spread over so many decibels
_ROUNDS = 4  # with other nodes each, until the sum is near enough


@dataclass(frozen=True, eq=False)
class Saliency:
    """What in a song speaks for a tag.

    Parameters
    ----------
    values : shape (F, T). Of integrated gradients and occlusion in units of `score`, per cell: they may be added up
        over any region, and are negative where the sound speaks against the tag. Of Grad-CAM at least zero, relative
    frequencies : centres of the rows, shape (F,), Hz
    times : centres of the columns, shape (T,), seconds from the start of the song
    tag : that is explained
    method : one of `Method`
    quantity : what `score` is: "logit", the log odds of the tag, or "score", from 0 to 1
    score : of the song, or of the chunk around the moment
    baseline_score : the same for the sound turned down to the floor
    moment : seconds; None for the whole song
    floor : what stood for "turned down", amplitude
    grid : of the cells
    layer : that Grad-CAM looked at; "" for the other methods
    """

    values: NDArray[np.float32]
    frequencies: NDArray[np.float64]
    times: NDArray[np.float64]
    tag: str
    method: Method
    quantity: Quantity
    score: float
    baseline_score: float
    moment: float | None
    floor: float
    grid: Grid
    layer: str = ""

    @property
    def normalised(self) -> NDArray[np.float32]:
        """The values divided by the largest magnitude, shape (F, T), in [-1, 1]; zero stays zero."""
        top = float(np.abs(self.values).max(initial=0.0))
        return self.values / np.float32(top) if top else self.values.copy()

    @property
    def residual(self) -> float:
        """How far the sum of all values is from ``score - baseline_score``, in units of `score`.

        Nearly zero for integrated gradients, whose values share that difference out. For occlusion the rest is what
        blocks say together only; for Grad-CAM it means nothing.
        """
        return float(self.values.sum(dtype=np.float64)) - (self.score - self.baseline_score)

    def over(self, f_min: float = 0.0, f_max: float = np.inf, t_min: float = -np.inf, t_max: float = np.inf) -> float:
        """Add up the values in a rectangle.

        Parameters
        ----------
        f_min, f_max : Hz, both within
        t_min, t_max : seconds, both within
        """
        rows = (self.frequencies >= f_min) & (self.frequencies <= f_max)
        columns = (self.times >= t_min) & (self.times <= t_max)
        return float(self.values[np.ix_(rows, columns)].sum(dtype=np.float64))

    def pooled(self, *, n_bands: int = 24, seconds: float = 0.25) -> NDArray[np.float32]:
        """Return the sums over blocks of cells (means for Grad-CAM), each cell holding that of its block, (F, T).

        Parameters
        ----------
        n_bands : equally high on the mel scale
        seconds : length of a block
        """
        labels = blocks(self.grid, self.values.shape[1], n_bands=n_bands, seconds=seconds)
        return block_values(self, labels)[labels].astype(np.float32)


def block_values(saliency: Saliency, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of a saliency over each block, or the mean where sums mean nothing (Grad-CAM).

    Parameters
    ----------
    labels : the number of the block of each cell, shape (F, T), from `earmark.explain.passages.blocks`

    Returns
    -------
    shape (N,)
    """
    sums = np.bincount(labels.ravel(), weights=saliency.values.ravel()).astype(np.float64)
    return sums / np.bincount(labels.ravel()) if saliency.method == "grad_cam" else sums


def explain_tag(
    model: Model,
    song: Song,
    *,
    tag: str | int,
    method: Method = "integrated_gradients",
    moment: float | None = None,
    sample_rate: int | None = None,
    quantity: Quantity = "logit",
    floor_db: float | None = None,
    n_steps: int = 32,
    n_bands: int = 24,
    block_seconds: float = 0.5,
    layer: str | None = None,
    weighting: Weighting = "local",
    responses: NDArray[np.floating[Any]] | None = None,
    response_frequencies: NDArray[np.floating[Any]] | None = None,
) -> Saliency:
    """Find what in a song makes a network give a tag.

    Parameters
    ----------
    model : a network, or the name or path of one
    song : a file, or samples at the sample rate of the model
    tag : its name; or its position among the outputs
    method : see the table above
    moment : seconds; the chunk around it is explained. The whole song unless given: then the mean over its chunks
    sample_rate : Hz, of samples that are given, if it is not that of the model
    quantity : "logit", the log odds of the score, in which evidence adds up; or "score", from 0 to 1
    floor_db : level to which cells are turned down, dB below the song; silence unless given
    n_steps : of the integral; more make it more exact, and take as much longer
    n_bands, block_seconds : blocks of the occlusion, equally high on the mel scale
    layer : that Grad-CAM looks at; the last one with an axis of time unless given
    weighting : of Grad-CAM, see `earmark.explain.grad_cam`
    responses, response_frequencies : for Grad-CAM of a layer without an axis of frequency, see there

    Raises
    ------
    UnknownNameError
        If there is no such model, tag, method or layer.
    UsageError
        If the model is an exported ONNX file, which has no gradients; the moment lies outside of the song; the song is
        too long to be explained as a whole (half an hour at 16 kHz); the layer has no axis of time; or an option has a
        value that it does not take.
    InputError
        If the song cannot be read, or is silent there.
    MissingExtraError
        If Captum is not installed.

    Warns
    -----
    EarmarkWarning
        If the sum of integrated gradients is off by more than `COMPLETENESS`, 5 %, of what it should be.

    Notes
    -----
    The mask multiplies the short-time spectrum of the song (64 ms, phase kept), so it has the same axes for every
    network. Integrated gradients go from silence to the song straight, all cells alike, which is the path of turning up
    the volume. Networks that take logarithms change their mind while the sound is still faint: the nodes of the
    integral are spread evenly over decibels (Gauss-Legendre), which leaves the integral what it is. Along that path the
    gradient of a network with maxima and ReLUs jumps, so the sum is off by some percent; beyond `COMPLETENESS` more
    nodes are added, up to four times `n_steps`.
    """
    if method not in get_args(Method):
        raise UnknownNameError("method", method, get_args(Method))
    if floor_db is not None and not 0 < floor_db < np.inf:
        raise UsageError(f"floor_db={floor_db:g}, expected decibels below the song, more than 0")
    network = open_model(model)
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)
    with at_rest(network), quickly(network):
        hearing = Hearing(
            network,
            samples,
            tag,
            moment=moment,
            quantity=quantity,
            floor=0.0 if floor_db is None else 10 ** (-floor_db / 20),
        )
        name, ends = "", hearing.ends()
        if method == "grad_cam":
            values, name = grad_cam(
                hearing,
                layer=layer,
                weighting=weighting,
                responses=responses,
                response_frequencies=response_frequencies,
            )
        elif method == "occlusion":
            values = _occlusion(hearing, n_bands=n_bands, seconds=block_seconds)
        else:
            values = _integrated_gradients(hearing, ends[0] - ends[1], n_steps=n_steps)
        found = _told(hearing, values, method, ends, layer=name)
    if method == "integrated_gradients":
        _check_completeness(found)
    return found


def again(saliency: Saliency, model: Model, samples: Samples) -> Hearing:
    """Return what a saliency was made of, for another look."""
    network = open_model(model)
    tag = saliency.tag if network.card is not None else int(saliency.tag.rpartition(" ")[2])
    hearing = Hearing(network, samples, tag, moment=saliency.moment, quantity=saliency.quantity, floor=saliency.floor)
    if hearing.shape != saliency.values.shape or hearing.grid != saliency.grid:
        raise InputError(
            f"the saliency has {saliency.values.shape} cells, this song with this model {hearing.shape}",
            hint="give the song and the model that it was made of",
        )
    return hearing


def _told(
    hearing: Hearing, values: NDArray[np.float32], method: Method, ends: tuple[float, float], *, layer: str
) -> Saliency:
    score, baseline = ends
    return Saliency(
        values=values,
        frequencies=hearing.grid.frequencies,
        times=hearing.grid.times(hearing.n_frames, first=hearing.first_frame),
        tag=hearing.tag_name,
        method=method,
        quantity=hearing.quantity,
        score=score,
        baseline_score=baseline,
        moment=hearing.moment,
        floor=hearing.floor,
        grid=hearing.grid,
        layer=layer,
    )


def _check_completeness(found: Saliency) -> None:
    if not _is_complete(float(found.values.sum(dtype=np.float64)), found.score - found.baseline_score):
        warnings.warn(
            f"integrated gradients of {found.tag!r} sum to {found.residual:+.3g} beside the difference of "
            f"{found.score - found.baseline_score:.3g} that they share out: take more n_steps",
            EarmarkWarning,
            stacklevel=3,
        )


def _integrated_gradients(hearing: Hearing, difference: float, *, n_steps: int) -> NDArray[np.float32]:
    """Integrate; where the sum is off, go over it again with other nodes, and take the mean by their number."""
    if n_steps < 2:
        raise UsageError(f"n_steps={n_steps}, expected at least 2")
    total, n_nodes = np.zeros(hearing.shape), 0
    for i in range(_ROUNDS):
        total += (n_steps + i) * _integrated(hearing, n_steps + i)
        n_nodes += n_steps + i
        if _is_complete(float(total.sum()) / n_nodes, difference):
            break
    return (total / n_nodes).astype(np.float32)


def _is_complete(total: float, difference: float) -> bool:
    return abs(total - difference) <= COMPLETENESS * abs(difference) + 1e-3


def _integrated(hearing: Hearing, n_steps: int) -> NDArray[np.float64]:
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MissingExtraError("integrated gradients", "explain") from error
    values = np.zeros(hearing.shape)
    for passage in hearing.passages:
        part = IntegratedGradients(_TurnedUp(hearing, passage)).attribute(
            torch.ones(1, *passage.spectrum.shape),
            baselines=0.0,
            n_steps=n_steps,
            method="gausslegendre",
            internal_batch_size=hearing.batch(passage),
        )
        values[:, hearing.frames_of(passage)] += part[0].detach().double().numpy()
    return values / len(hearing.passages)


class _TurnedUp:
    """The quantity in a passage as a function of how far each cell is turned up, 0 (the floor) to 1, on a dB scale."""

    def __init__(self, hearing: Hearing, passage: Passage) -> None:
        self.hearing, self.passage = hearing, passage

    def __call__(self, position: Tensor) -> Tensor:
        rate, floor = _PATH_DB / 20 * float(np.log(10)), self.hearing.floor
        level = torch.expm1(rate * position) / float(np.expm1(rate))
        return self.hearing.passage_value(self.passage, floor + (1 - floor) * level)


def _occlusion(hearing: Hearing, *, n_bands: int, seconds: float) -> NDArray[np.float32]:
    try:
        from captum.attr import FeatureAblation
    except ImportError as error:
        raise MissingExtraError("occlusion", "explain") from error
    values = np.zeros(hearing.shape, np.float32)
    for passage in hearing.passages:
        labels = blocks(hearing.grid, passage.n_frames, n_bands=n_bands, seconds=seconds)

        def heard(mask: Tensor, passage: Passage = passage) -> Tensor:
            return hearing.passage_value(passage, mask)

        with torch.no_grad():
            part = FeatureAblation(heard).attribute(
                torch.ones(1, *passage.spectrum.shape),
                baselines=hearing.floor,
                feature_mask=torch.from_numpy(labels)[None],
                perturbations_per_eval=hearing.batch(passage),
            )
        lost = part[0].numpy() / np.bincount(labels.ravel())[labels]
        values[:, hearing.frames_of(passage)] += lost.astype(np.float32)
    return values / np.float32(len(hearing.passages))
