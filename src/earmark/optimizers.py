"""Optimisers and schedules of the learning rate, by the names that recipes use.

References
----------
Smith, L. N. and Topin, N. "Super-convergence: very fast training of neural networks using large learning rates", 2019.
"""

import math
from collections.abc import Iterable
from typing import Protocol

from torch import nn, optim

from earmark.errors import UsageError
from earmark.registry import Registry

OPTIMIZERS: Registry[optim.Optimizer] = Registry("optimizer")
SCHEDULES: Registry["Schedule"] = Registry("schedule")


class Schedule(Protocol):
    """The factor of the learning rate, step by step. It depends on the step and on what was measured, nothing else."""

    def factor(self, step: int) -> float:
        """Return the factor of the learning rate at a step, counted from 0."""
        ...

    def measured(self, value: float) -> None:
        """Learn how the validation part went after an epoch; higher is better."""
        ...


@OPTIMIZERS.register("adam")
def adam(
    parameters: Iterable[nn.Parameter], *, lr: float = 1e-3, weight_decay: float = 0.0, decay_kernels_only: bool = False
) -> optim.Optimizer:
    """Adam with weight decay in the gradient, as Won et al. 2020 have it.

    Parameters
    ----------
    parameters : to learn
    lr : learning rate
    weight_decay : times the weight is added to its gradient, as the penalty weight_decay / 2 * weight ** 2 does
    decay_kernels_only : leave biases and the scales of batch norms alone, as the regularisers of TensorFlow do
    """
    _check(lr=lr, weight_decay=weight_decay)
    return optim.Adam(_groups(parameters, weight_decay, decay_kernels_only), lr=lr)


@OPTIMIZERS.register("adamw")
def adamw(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-2,
    decay_kernels_only: bool = False,
) -> optim.Optimizer:
    """Adam with weight decay apart from the gradient.

    Parameters
    ----------
    parameters : to learn
    lr : learning rate
    weight_decay : times the learning rate is the share of the weight that is taken away in a step
    decay_kernels_only : leave biases and the scales of batch norms alone
    """
    _check(lr=lr, weight_decay=weight_decay)
    return optim.AdamW(_groups(parameters, weight_decay, decay_kernels_only), lr=lr)


@OPTIMIZERS.register("sgd")
def sgd(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float = 1e-2,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 0.0,
    decay_kernels_only: bool = False,
) -> optim.Optimizer:
    """Stochastic gradient descent.

    Parameters
    ----------
    parameters : to learn
    lr : learning rate
    momentum, nesterov : of the gradient's running sum
    weight_decay : times the weight is added to its gradient
    decay_kernels_only : leave biases and the scales of batch norms alone
    """
    _check(lr=lr, weight_decay=weight_decay, momentum=momentum)
    if nesterov and not momentum:
        raise UsageError("sgd: nesterov is a kind of momentum, and momentum is 0", hint="nesterov = false")
    groups = _groups(parameters, weight_decay, decay_kernels_only)
    return optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov)


@OPTIMIZERS.register("adadelta")
def adadelta(parameters: Iterable[nn.Parameter], *, lr: float = 0.1, rho: float = 0.95) -> optim.Optimizer:
    """Adadelta."""
    _check(lr=lr)
    if not 0 <= rho <= 1:
        raise UsageError(f"rho={rho}", hint="from 0 to 1")
    return optim.Adadelta(parameters, lr=lr, rho=rho)


@SCHEDULES.register("constant")
class Constant:
    """The learning rate stays as it is.

    Parameters
    ----------
    n_steps : of the run; not used
    """

    def __init__(self, *, n_steps: int) -> None:
        self.n_steps = n_steps

    def factor(self, step: int) -> float:
        """Return 1."""
        return 1.0

    def measured(self, value: float) -> None:
        """Do nothing."""


@SCHEDULES.register("cosine")
class Cosine:
    """A linear warm-up, then half a cosine down to nothing.

    Parameters
    ----------
    n_steps : of the run
    warm_up : share of the steps in which the rate rises
    last : factor at the end
    """

    def __init__(self, *, n_steps: int, warm_up: float = 0.05, last: float = 0.0) -> None:
        if not 0 <= warm_up < 1 or not 0 <= last <= 1:
            raise UsageError(f"warm_up={warm_up}, last={last}", hint="warm_up from 0 to below 1, last from 0 to 1")
        self.n_steps, self.last = n_steps, last
        self.n_warm = round(warm_up * n_steps)

    def factor(self, step: int) -> float:
        """Return the factor at a step."""
        if step < self.n_warm:
            return (step + 1) / (self.n_warm + 1)
        done = (step - self.n_warm) / max(self.n_steps - self.n_warm, 1)
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def measured(self, value: float) -> None:
        """Do nothing."""


@SCHEDULES.register("one_cycle")
class OneCycle:
    """Up along a cosine from a small rate, and down along another to a very small one.

    Parameters
    ----------
    n_steps : of the run
    rise : share of the steps in which the rate rises
    first, last : factors at the beginning and at the end
    """

    def __init__(self, *, n_steps: int, rise: float = 0.3, first: float = 0.04, last: float = 4e-6) -> None:
        if not 0 < rise < 1:
            raise UsageError(f"rise={rise}", hint="between 0 and 1")
        self.n_steps, self.first, self.last = n_steps, first, last
        self.n_rise = max(round(rise * n_steps), 1)

    def factor(self, step: int) -> float:
        """Return the factor at a step."""
        if step < self.n_rise:
            return _between(self.first, 1.0, step / self.n_rise)
        return _between(1.0, self.last, (step - self.n_rise) / max(self.n_steps - self.n_rise, 1))

    def measured(self, value: float) -> None:
        """Do nothing."""


@SCHEDULES.register("inverse")
class Inverse:
    """The rate divided by 1 + decay * step, as the option `decay` of Keras' first optimisers does.

    Parameters
    ----------
    n_steps : of the run; not used
    decay : per step
    """

    def __init__(self, *, n_steps: int, decay: float = 1e-6) -> None:
        if decay < 0:
            raise UsageError(f"decay={decay}", hint="0 or more")
        self.n_steps, self.decay = n_steps, decay

    def factor(self, step: int) -> float:
        """Return the factor at a step."""
        return 1 / (1 + self.decay * step)

    def measured(self, value: float) -> None:
        """Do nothing."""


@SCHEDULES.register("plateau")
class Plateau:
    """Smaller whenever the validation part has not become better for some epochs.

    Parameters
    ----------
    n_steps : of the run; not used
    shrink : what the rate is multiplied with
    patience : epochs without a better value
    least : smallest factor
    in_a_row : whether a better value starts the count anew; if not, all epochs without one count, as in the training
        code of musicnn (Pons & Serra 2019)
    """

    def __init__(
        self,
        *,
        n_steps: int,
        shrink: float = 0.2,
        patience: int = 5,
        least: float = 1e-4,
        in_a_row: bool = True,
    ) -> None:
        if not 0 < shrink < 1 or patience < 1:
            raise UsageError(f"shrink={shrink}, patience={patience}", hint="shrink between 0 and 1, patience 1 or more")
        self.n_steps, self.shrink, self.patience, self.least = n_steps, shrink, patience, least
        self.in_a_row = in_a_row
        self._factor, self._best, self._waited = 1.0, -math.inf, 0

    def factor(self, step: int) -> float:
        """Return the factor at a step."""
        return self._factor

    def measured(self, value: float) -> None:
        """Learn how the validation part went."""
        if value > self._best:
            self._best = value
            self._waited = 0 if self.in_a_row else self._waited
            return
        self._waited += 1
        if self._waited >= self.patience:
            self._factor, self._waited = max(self._factor * self.shrink, self.least), 0


def _check(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name}={value}", hint="0 or more")


def _groups(
    parameters: Iterable[nn.Parameter], weight_decay: float, kernels_only: bool
) -> list[dict[str, float | list[nn.Parameter]]]:
    """Part parameters by whether they decay: kernels have two axes or more."""
    chosen = list(parameters)
    kernels = [one for one in chosen if one.ndim > 1 or not kernels_only]
    others = [one for one in chosen if one.ndim <= 1 and kernels_only]
    groups = ((kernels, weight_decay), (others, 0.0))
    return [{"params": members, "weight_decay": decay} for members, decay in groups if members]


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
