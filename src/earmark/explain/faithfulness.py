"""Is an explanation true? What it marks is taken away, and the score has to fall; with other weights it has to change.

References
----------
Samek, W. et al. "Evaluating the visualization of what a deep neural network has learned", IEEE TNNLS 28, 2017
(deletion, and the area between the curves).
Adebayo, J. et al. "Sanity checks for saliency maps", NeurIPS 2018 (randomised weights).
"""

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.explain.grad_cam import NoGradientError, Weighting
from earmark.explain.opening import Model, Song, at_rest, open_model, read_song
from earmark.explain.passages import Hearing, blocks, quickly
from earmark.explain.saliency import Method, Saliency, again, block_values, explain_tag
from earmark.models.base import TaggingModel

Array64 = NDArray[np.float64]

N_BANDS, BLOCK_SECONDS = 16, 0.25  # of the blocks that are turned down, unless others are asked for


@dataclass(frozen=True, eq=False)
class Deletion:
    """How the score falls while blocks of sound are turned down, one after the other.

    Parameters
    ----------
    fractions : of the blocks that are gone, shape (N,), from 0 to 1
    salient_first : the score while the most salient blocks go first, shape (N,)
    least_first : while the least salient go first
    random : while they go in random order, shape (n_random, N)
    seed : of the random orders

    Notes
    -----
    All curves begin at the score of the song and end at that of the sound turned down as a whole.
    """

    fractions: Array64
    salient_first: Array64
    least_first: Array64
    random: Array64
    seed: int

    @property
    def area(self) -> float:
        """Area between the mean random curve and the one of the most salient first, in units of the score.

        Positive where the explanation is faithful: the mean over all fractions of how much lower the score is.
        """
        return _area(self.fractions, self.random.mean(axis=0) - self.salient_first)

    @property
    def area_least(self) -> float:
        """Area between the curves of the least salient first and the most salient first, in units of the score."""
        return _area(self.fractions, self.least_first - self.salient_first)

    @property
    def relative_area(self) -> float:
        """`area` divided by the score that there is to lose; 0 where that is nothing."""
        whole = abs(float(self.salient_first[0] - self.salient_first[-1]))
        return self.area / whole if whole else 0.0

    @property
    def n_random_beaten(self) -> int:
        """In how many of the random orders the score fell more slowly than with the most salient first."""
        return sum(_area(self.fractions, curve - self.salient_first) > 0 for curve in self.random)


def delete(
    model: Model,
    song: Song,
    saliency: Saliency,
    *,
    sample_rate: int | None = None,
    n_bands: int = N_BANDS,
    block_seconds: float = BLOCK_SECONDS,
    n_points: int = 17,
    n_random: int = 5,
    seed: int = 0,
) -> Deletion:
    """Turn down what a saliency marks, block by block, and watch the score.

    Parameters
    ----------
    model, song, sample_rate : what the saliency was made of
    saliency : from `earmark.explain.saliency.explain_tag`
    n_bands, block_seconds : blocks of cells that go together, equally high on the mel scale. Single cells would leave a
        speckled spectrum that sounds much like the whole one
    n_points : of each curve, 2 at least
    n_random : random orders
    seed : of the random orders; the same seed gives the same curves

    Raises
    ------
    InputError
        If the saliency was made of another song or model.
    UsageError
        If an option is out of its range.
    """
    if n_points < 2 or n_random < 1:
        raise UsageError(f"n_points={n_points}, n_random={n_random}", hint="two points and one random order at least")
    network = open_model(model)
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)
    with at_rest(network), quickly(network):
        hearing = again(saliency, network, samples)
        labels = blocks(saliency.grid, hearing.n_frames, n_bands=n_bands, seconds=block_seconds)
        order = np.argsort(-block_values(saliency, labels), kind="stable")
        generator = np.random.default_rng(seed)
        orders = [order, order[::-1], *(generator.permutation(order.size) for _ in range(n_random))]
        counts = np.unique(np.round(np.linspace(0, order.size, n_points)).astype(np.int64))
        curves = [_curve(hearing, labels, one, counts) for one in orders]
    return Deletion(counts / order.size, curves[0], curves[1], np.stack(curves[2:]), seed)


def _curve(hearing: Hearing, labels: NDArray[np.int64], order: NDArray[np.int64], counts: NDArray[np.int64]) -> Array64:
    """Return the score behind masks that lack the first blocks of an order, shape (len(counts),)."""
    ranks = np.argsort(order)[labels]  # (F, T): when a cell goes
    size = max(hearing.batch(passage) for passage in hearing.passages)
    parts = []
    for start in range(0, counts.size, size):
        gone = ranks[None] < counts[start : start + size, None, None]
        parts.append(hearing.values(np.where(gone, np.float32(hearing.floor), np.float32(1.0))))
    return np.concatenate(parts)


def _area(fractions: Array64, heights: Array64) -> float:
    return float(np.sum(np.diff(fractions) * (heights[1:] + heights[:-1]) / 2))


@dataclass(frozen=True)
class SanityCheck:
    """Whether a saliency depends on what the network learned.

    Parameters
    ----------
    correlations : rank correlation of the saliency with that of the network with shuffled weights, one for each shuffle
    repeated : the same with the network as it is, computed once more; 1 unless the method is not repeatable
    seeds : of the shuffles
    """

    correlations: tuple[float, ...]
    repeated: float
    seeds: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean of `correlations`: near 0 where the saliency depends on the weights, near 1 where it shows the song."""
        return float(np.mean(self.correlations))


def check_sanity(
    model: Model,
    song: Song,
    *,
    tag: str | int,
    method: Method = "integrated_gradients",
    moment: float | None = None,
    sample_rate: int | None = None,
    n_steps: int = 32,
    layer: str | None = None,
    weighting: Weighting = "local",
    n_bands: int = N_BANDS,
    block_seconds: float = BLOCK_SECONDS,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> SanityCheck:
    """Shuffle the weights of a network and see whether the explanation changes, as it should.

    Parameters
    ----------
    model, song, tag, method, moment, sample_rate, n_steps, layer, weighting : see `explain_tag`
    n_bands, block_seconds : blocks whose values are ranked
    seeds : one shuffle for each

    Raises
    ------
    UsageError
        If there are no seeds; and whatever `explain_tag` raises.

    Notes
    -----
    Each parameter's numbers are shuffled within it, which leaves their distribution as it was; the front end and the
    statistics of batch norms stay as they are. Where a shuffled network does not depend on the layer that Grad-CAM
    looks at, the correlation is 0. Some correlation remains where a
    method multiplies by the input, as integrated gradients do: what is loud is marked by any network.
    """
    if not seeds:
        raise UsageError("no seeds to shuffle the weights with", hint="give at least one: seeds=(0,)")
    network = open_model(model)
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)

    def ranked(of: TaggingModel) -> Array64:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EarmarkWarning)  # ranks do not need the exact sum
            found = explain_tag(
                of, samples, tag=tag, method=method, moment=moment, n_steps=n_steps, layer=layer, weighting=weighting,
                block_seconds=block_seconds, n_bands=n_bands,
            )  # fmt: skip
        labels = blocks(found.grid, found.values.shape[1], n_bands=n_bands, seconds=block_seconds)
        return block_values(found, labels)

    own = ranked(network)

    def likeness(seed: int) -> float:
        try:
            return rank_correlation(own, ranked(shuffled(network, seed=seed)))
        except NoGradientError:  # Grad-CAM: through these weights the tag does not depend on the layer
            return 0.0

    shuffles = tuple(likeness(seed) for seed in seeds)
    return SanityCheck(shuffles, rank_correlation(own, ranked(network)), seeds)


def shuffled(model: TaggingModel, *, seed: int) -> TaggingModel:
    """Return a copy of a model, the numbers of every parameter in random order; its front end is left as it is.

    Parameters
    ----------
    seed : the same seed gives the same copy
    """
    twin = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if not name.startswith("frontend."):
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order.to(parameter.device)].reshape(parameter.shape))
    return twin


def rank_correlation(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Return Spearman's rank correlation, equal values sharing their mean rank; 0 if one side is all equal.

    Parameters
    ----------
    one, other : of one shape

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    if one.shape != other.shape:
        raise InputError(f"ranks of shapes {one.shape} and {other.shape}", hint="they have to be equal")
    a, b = (_ranks(np.asarray(values, np.float64).ravel()) for values in (one, other))
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return round(float((a * b).sum()) / scale, 12) if scale else 0.0


def _ranks(values: Array64) -> Array64:
    """Ranks less their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return np.asarray(ranks - ranks.mean())
