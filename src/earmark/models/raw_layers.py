"""Layers of the networks on raw waveforms: convolutions over time, and how they pool.

References
----------
Zeiler, M. D. and Fergus, R. "Stochastic pooling for regularization of deep convolutional neural networks", ICLR 2013.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import UnknownNameError

Activation = Literal["relu", "elu"]
Padding = Literal["same", "valid"]
Pooling = Literal["max", "average", "stochastic"]
MapPooling = Literal["max", "stochastic"]  # what networks offer as an option


class ConvUnit(nn.Module):
    """Convolution over time, batch norm, non-linearity.

    Parameters
    ----------
    n_in, n_out : channels
    width, stride, dilation : steps
    padding : "same" gives ceil(T / stride) steps, with zeros around, one more behind than before if the number is odd;
        "valid" takes the input as it is
    activation : "relu" or "elu"
    has_norm : whether there is a batch norm; the convolution has a bias if not, or if `has_bias`
    eps : of the batch norm

    Notes
    -----
    (B, n_in, T) -> (B, n_out, T').
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        width: int,
        stride: int = 1,
        dilation: int = 1,
        padding: Padding = "same",
        activation: Activation = "elu",
        has_norm: bool = True,
        has_bias: bool = False,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, width, stride=stride, dilation=dilation, bias=has_bias or not has_norm)
        self.norm = nn.BatchNorm1d(n_out, eps=eps) if has_norm else nn.Identity()
        self.activation = nn.ReLU() if activation == "relu" else nn.ELU()
        self.padding = padding
        self.stride, self.reach = stride, dilation * (width - 1) + 1

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit."""
        if self.padding == "same":
            x = F.pad(x, same_padding(x.shape[-1], reach=self.reach, stride=self.stride))
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


def same_padding(n_steps: int, *, reach: int, stride: int = 1) -> tuple[int, int]:
    """Count the zeros before and behind that give ceil(n_steps / stride) steps, as TensorFlow's "SAME" does.

    Parameters
    ----------
    n_steps : length of the input
    reach : steps that one output sees

    Examples
    --------
    >>> same_padding(100, reach=4)
    (1, 2)
    >>> same_padding(38832, reach=64, stride=64)
    (8, 8)
    """
    total = reach - 1 if stride == 1 else max((-(-n_steps // stride) - 1) * stride + reach - n_steps, 0)
    return total // 2, total - total // 2


class StochasticPool(nn.Module):
    """Pool over time by drawing one step of each region, in proportion to the responses.

    In training a step is drawn with the probability p_i = a_i / sum(a); in eval mode the expectation sum(p_i a_i) is
    returned, which is the same for every call.

    Parameters
    ----------
    size : steps of a region; an incomplete last region is dropped

    Notes
    -----
    (B, C, T) -> (B, C, T // size). Zeiler and Fergus have responses of a ReLU. Negative ones, as an ELU gives, are
    never drawn, except from a region without a positive one: there all steps are equally likely.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Apply the pooling."""
        n_regions = x.shape[-1] // self.size
        regions = x[..., : n_regions * self.size].reshape(*x.shape[:-1], n_regions, self.size)
        positive = regions.clamp(min=0.0)
        total = positive.sum(dim=-1, keepdim=True)
        share = positive / total.clamp(min=torch.finfo(x.dtype).tiny)
        share = torch.where(total > 0.0, share, torch.full_like(share, 1.0 / self.size))
        if not self.training:
            return (share * regions).sum(dim=-1)
        edges = share.detach().cumsum(dim=-1)[..., :-1]
        draw = torch.rand_like(total)
        drawn = (edges <= draw).sum(dim=-1, keepdim=True)  # (B, C, T', 1)
        return regions.gather(-1, drawn).squeeze(-1)


def make_pool(kind: Pooling, size: int) -> nn.Module:
    """Build a pooling over regions of `size` steps that do not overlap; none if `size` is 1.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    check_choice("pooling", kind, get_args(Pooling))
    if size == 1:
        return nn.Identity()
    if kind == "stochastic":
        return StochasticPool(size)
    return nn.AvgPool1d(size) if kind == "average" else nn.MaxPool1d(size)


def check_choice(kind: str, name: str, choices: Iterable[str]) -> None:
    """Check an option that is one of a few names.

    Parameters
    ----------
    kind : what the names stand for, such as "pooling"

    Raises
    ------
    UnknownNameError
        If `name` is not among `choices`.
    """
    choices = tuple(choices)
    if name not in choices:
        raise UnknownNameError(kind, name, choices)
