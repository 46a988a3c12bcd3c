"""Layers that several architectures share."""

from typing import Literal

from torch import Tensor, nn


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
