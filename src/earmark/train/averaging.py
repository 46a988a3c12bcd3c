"""Averages of the weights over time: they are judged and kept in place of the last ones.

References
----------
Izmailov, P. et al. "Averaging weights leads to wider optima and better generalization", UAI 2018.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Average(Protocol):
    """An average of a network's weights."""

    state: State
    n: int

    def after_step(self, model: nn.Module) -> None:
        """Learn that the weights changed."""
        ...

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Learn that an epoch, counted from 0, is over."""
        ...

    def begin_stage(self, model: nn.Module) -> None:
        """Learn that the weights were replaced by the best ones."""
        ...

    @property
    def needs_statistics(self) -> bool:
        """Whether the statistics of batch norms have to be measured for the averaged weights."""
        ...


class MovingAverage:
    """The weights of the past count less and less: average = past * average + (1 - past) * weights, step by step.

    Parameters
    ----------
    past : weight of the past, from 0 to below 1
    model : the network as it begins
    """

    needs_statistics = False

    def __init__(self, past: float, model: nn.Module) -> None:
        self.past, self.n, self.state = past, 0, _copied(model)

    def begin_stage(self, model: nn.Module) -> None:
        """Begin anew with the weights as they are: what led away from them is forgotten."""
        self.state = _copied(model)

    def after_step(self, model: nn.Module) -> None:
        """Let the average follow; what counts, and statistics of batches, is taken as it is."""
        self.n += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point() and "running_" not in name:
                self.state[name].lerp_(value.detach(), 1 - self.past)
            else:
                self.state[name].copy_(value)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Do nothing."""


class LateAverage:
    """The mean of the weights at the ends of the last epochs (stochastic weight averaging).

    Parameters
    ----------
    first : epoch from which on it takes part, counted from 0
    """

    def __init__(self, first: int) -> None:
        self.first, self.n, self.state = first, 0, State()

    @property
    def needs_statistics(self) -> bool:
        """Whether there is an average yet."""
        return self.n > 0

    def after_step(self, model: nn.Module) -> None:
        """Do nothing."""

    def begin_stage(self, model: nn.Module) -> None:
        """Do nothing: the mean is that of the last epochs, whatever their stage."""

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Take the weights into the mean."""
        if epoch < self.first:
            return
        if not self.state:
            self.state = _copied(model)
        self.n += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value.detach(), 1 / self.n)
            else:
                self.state[name].copy_(value)


@contextmanager
def averaged(model: nn.Module, average: Average | None, feed: Callable[[], Iterator[Tensor]]) -> Iterator[None]:
    """Put averaged weights in place of a network's own for a while.

    Parameters
    ----------
    model : the network
    average : of its weights; None, or one that holds nothing yet, changes nothing
    feed : gives batches of waveforms (B, S) from which statistics of batch norms are measured
    """
    if average is None or not average.state:
        yield
        return
    own = _copied(model)
    model.load_state_dict(average.state)
    try:
        if average.needs_statistics:
            measure_statistics(model, feed())
        yield
    finally:
        model.load_state_dict(own)


@torch.no_grad()
def measure_statistics(model: nn.Module, waveforms: Iterator[Tensor]) -> None:
    """Measure mean and variance of every batch norm anew, as the mean over batches.

    Parameters
    ----------
    model : whose batch norms in training mode get them; what is frozen is in eval mode and keeps its own. Everything
        else is in eval mode meanwhile
    waveforms : batches (B, S)
    """
    modes = [(module, module.training) for module in model.modules()]
    norms = [one for one, learns in modes if learns and isinstance(one, NORMS) and one.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
        norm.train()
    for waveform in waveforms:
        model(waveform)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes:
        module.training = mode


def _copied(model: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
