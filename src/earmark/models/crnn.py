"""Convolutional recurrent taggers.

References
----------
Choi, K. et al. "Convolutional recurrent neural networks for music classification", ICASSP 2017.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import ChoiMel, WonMel
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import ConvBlock

_CHANNELS = (64, 128, 128, 128)
_POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))


@ARCHITECTURES.register("crnn")
class Crnn(TaggingModel):
    """CRNN as evaluated by Won et al. 2020: four convolutions, two GRU layers of 32, the last step.

    Parameters
    ----------
    n_tags : number of tags
    """

    def __init__(self, *, n_tags: int = 50) -> None:
        super().__init__()
        self.frontend = WonMel(n_mels=96)
        self.sample_rate, self.chunk_samples = 16000, 29 * 16000
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 32, "recurrent"
        self.layer_names = ("block1", "block2", "block3", "block4", "recurrent", "logits")
        self.input_norm = nn.BatchNorm2d(1)
        sizes = (1, *_CHANNELS)
        self.blocks = nn.ModuleList(
            ConvBlock(n_in, n_out, pool=pool) for n_in, n_out, pool in zip(sizes[:-1], sizes[1:], _POOLS, strict=True)
        )
        self.recurrent = nn.GRU(128, 32, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(32, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block4 (B, C, F, T), recurrent (B, 32), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 96, 1813)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        steps, _ = self.recurrent(x.squeeze(2).transpose(1, 2))  # (B, 18, 32)
        last = steps[:, -1]
        yield "recurrent", last
        yield "logits", self.head(self.dropout(last))


class HardSigmoidGru(nn.Module):
    """GRU layer with hard sigmoid gates and one bias per gate, as in Keras 1.

    Parameters
    ----------
    n_in, n_units : sizes

    Notes
    -----
    (B, T, n_in) -> (B, T, n_units). The gates stand in the order update z, reset r, candidate h; the reset gate acts on
    the state before its matrix product; hard sigmoid is clip(0.2 x + 0.5, 0, 1).
    """

    def __init__(self, n_in: int, n_units: int) -> None:
        super().__init__()
        self.n_units = n_units
        self.input_weight = nn.Parameter(torch.empty(3 * n_units, n_in))
        self.state_weight = nn.Parameter(torch.empty(3 * n_units, n_units))
        self.bias = nn.Parameter(torch.zeros(3 * n_units))
        nn.init.xavier_uniform_(self.input_weight)
        nn.init.orthogonal_(self.state_weight)

    def forward(self, x: Tensor) -> Tensor:
        """Run over all steps."""
        n = self.n_units
        gates = F.linear(x, self.input_weight, self.bias)  # (B, T, 3 n)
        state = x.new_zeros(x.shape[0], n)
        states = []
        for step in gates.unbind(dim=1):
            recurrent = F.linear(state, self.state_weight[: 2 * n])  # (B, 2 n)
            update = _hard_sigmoid(step[:, :n] + recurrent[:, :n])
            reset = _hard_sigmoid(step[:, n : 2 * n] + recurrent[:, n:])
            candidate = torch.tanh(step[:, 2 * n :] + F.linear(reset * state, self.state_weight[2 * n :]))
            state = update * state + (1.0 - update) * candidate
            states.append(state)
        return torch.stack(states, dim=1)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return torch.clamp(0.2 * x + 0.5, 0.0, 1.0)


@ARCHITECTURES.register("crnn_choi")
class ChoiCrnn(TaggingModel):
    """CRNN as published by Choi et al. 2017: 29.12 s at 12 kHz, ELU, two GRU layers of 32 with hard sigmoid gates.

    Parameters
    ----------
    n_tags : number of tags

    Notes
    -----
    The mel is padded with zeros (0 dB) to 1440 frames. The published weights normalise each frame of the padded clip,
    not each frequency band as the paper says; so the model takes clips of one length only.
    """

    def __init__(self, *, n_tags: int = 50) -> None:
        super().__init__()
        self.frontend = ChoiMel()
        self.sample_rate, self.chunk_samples = 12000, 1365 * 256
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 32, "recurrent2"
        self.layer_names = ("block1", "block2", "block3", "block4", "recurrent1", "recurrent2", "logits")
        self.time_norm = nn.BatchNorm1d(1440, eps=1e-6)
        sizes = (1, *_CHANNELS)
        self.blocks = nn.ModuleList(
            ConvBlock(n_in, n_out, pool=pool, activation="elu", dropout=0.1, eps=1e-6)
            for n_in, n_out, pool in zip(sizes[:-1], sizes[1:], _POOLS, strict=True)
        )
        self.recurrent1 = HardSigmoidGru(128, 32)
        self.recurrent2 = HardSigmoidGru(32, 32)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(32, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block4 (B, C, F, T), recurrent1 (B, 32, T), recurrent2 (B, 32), logits (B, K)."""
        padded = F.pad(spectrogram, (37, 37))  # (B, 96, 1440)
        x = self.time_norm(padded.transpose(1, 2)).transpose(1, 2).unsqueeze(1)  # (B, 1, 96, 1440)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        steps = self.recurrent1(x.squeeze(2).transpose(1, 2))  # (B, 15, 32)
        yield "recurrent1", steps.transpose(1, 2)
        last = self.recurrent2(steps)[:, -1]
        yield "recurrent2", last
        yield "logits", self.head(self.dropout(last))
