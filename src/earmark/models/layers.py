"""Layers that several architectures share."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock(nn.Module):
    """3 x 3 convolution, batch norm, non-linearity, max pooling.

    Parameters
    ----------
    n_in, n_out : channels
    pool : factors of the pooling in frequency and time
    activation : "relu" or "elu"
    dropout : share of values dropped after the pooling
    eps : of the batch norm

    Notes
    -----
    (B, n_in, F, T) -> (B, n_out, F // pool[0], T // pool[1]).
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        pool: tuple[int, int],
        activation: Literal["relu", "elu"] = "relu",
        dropout: float = 0.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(n_out, eps=eps)
        self.activation = nn.ReLU() if activation == "relu" else nn.ELU()
        self.pool = nn.MaxPool2d(pool)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y: Tensor = self.dropout(self.pool(self.activation(self.norm(self.conv(x)))))
        return y


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input passes through a third, all with batch norm; strides, no pooling.

    Parameters
    ----------
    n_in, n_out : channels
    stride : of the first and the third convolution, in frequency and time

    Notes
    -----
    (B, n_in, F, T) -> (B, n_out, F', T'), each axis divided by its stride and rounded up. The third convolution is
    there even where the shapes would allow the input as it is.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1)
        self.shortcut_norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut_norm(self.shortcut(x)))


class PooledResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm around which the input passes, then max pooling.

    Parameters
    ----------
    n_in, n_out : channels; where they differ the input passes through a 3 x 3 convolution with batch norm
    pool : factors of the pooling in frequency and time

    Notes
    -----
    (B, n_in, F, T) -> (B, n_out, F // pool[0], T // pool[1]).
    """

    def __init__(self, n_in: int, n_out: int, *, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out))
        self.pool = nn.MaxPool2d(pool)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        pooled: Tensor = self.pool(F.relu(y + self.shortcut(x)))
        return pooled


class DenseHead(nn.Module):
    """From pooled features to logits through one dense layer with batch norm and ReLU, and dropout of one half.

    Parameters
    ----------
    n_in, n_units, n_tags : sizes
    """

    def __init__(self, n_in: int, n_units: int, n_tags: int) -> None:
        super().__init__()
        self.dense = nn.Linear(n_in, n_units)
        self.norm = nn.BatchNorm1d(n_units)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(n_units, n_tags)

    def penultimate(self, pooled: Tensor) -> Tensor:
        """Apply the dense layer, (B, n_in) -> (B, n_units)."""
        return F.relu(self.norm(self.dense(pooled)))

    def forward(self, penultimate: Tensor) -> Tensor:
        """(B, n_units) -> (B, n_tags)."""
        y: Tensor = self.head(self.dropout(penultimate))
        return y
