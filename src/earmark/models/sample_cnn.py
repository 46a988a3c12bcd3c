"""Sample-level networks: filters three samples wide on the waveform, through ten levels.

References
----------
Lee, J. et al. "Sample-level deep convolutional neural networks for music auto-tagging using raw waveforms", SMC 2017.
Kim, T., Lee, J. and Nam, J. "Sample-level CNN architectures for music auto-tagging using raw waveforms", ICASSP 2018.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import Raw
from earmark.errors import InputError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.raw_layers import ConvUnit, MapPooling, make_pool

CHUNK_SAMPLES = 3**10  # 59,049: one position is left of it behind the last block
_MULTIPLES = (1, 1, 2, 2, 2, 2, 2, 2, 4)  # channels of the nine blocks, in units of the first layer
_BLOCK_NAMES = tuple(f"block{i}" for i in range(1, 10))

BlockKind = Literal["se", "res", "rese"]


class _Excitation(nn.Module):
    """Weigh the channels by what their means over time say: dense, ReLU, dense, sigmoid.

    Parameters
    ----------
    ratio : units of the dense layer per channel
    """

    def __init__(self, n_channels: int, *, ratio: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(n_channels, ratio * n_channels)
        self.excite = nn.Linear(ratio * n_channels, n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=2)))))
        return x * weights.unsqueeze(2)


class _BasicBlock(nn.Module):
    """Convolution, batch norm, ReLU, pooling; then, with a ratio, excitation."""

    def __init__(self, n_in: int, n_out: int, *, ratio: int = 0, pooling: MapPooling = "max") -> None:
        super().__init__()
        self.unit = _unit(n_in, n_out)
        self.pool = make_pool(pooling, 3)
        self.excitation = _Excitation(n_out, ratio=ratio) if ratio else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, T) -> (B, n_out, T // 3)."""
        y: Tensor = self.excitation(self.pool(self.unit(x)))
        return y


class _ResidualBlock(nn.Module):
    """Two convolutions, excitation (with a ratio), the sum with the input, ReLU, pooling.

    Parameters
    ----------
    width, stride : of the first convolution; the second one is as wide
    shortcut_width : of the convolution that brings the input to `n_out` channels, where it has not got them
    pool : steps
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        ratio: int,
        dropout: float = 0.0,
        width: int = 3,
        stride: int = 1,
        shortcut_width: int = 1,
        pool: int = 3,
        pooling: MapPooling = "max",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, width, stride=stride, padding=width // 2)
        self.norm1 = nn.BatchNorm1d(n_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(n_out, n_out, width, padding=width // 2)
        self.norm2 = nn.BatchNorm1d(n_out)
        self.excitation = _Excitation(n_out, ratio=ratio) if ratio else nn.Identity()
        self.shortcut = nn.Sequential()
        if n_in != n_out or stride != 1:
            padding = shortcut_width // 2
            self.shortcut.append(nn.Conv1d(n_in, n_out, shortcut_width, stride=stride, padding=padding))
            self.shortcut.append(nn.BatchNorm1d(n_out))
        self.pool = make_pool(pooling, pool)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, T) -> (B, n_out, T // stride // pool)."""
        y = self.dropout(F.relu(self.norm1(self.conv1(x))))
        y = self.excitation(self.norm2(self.conv2(y)))
        z: Tensor = self.pool(F.relu(self.shortcut(x) + y))
        return z


def _unit(n_in: int, n_out: int, *, width: int = 3, stride: int = 1) -> ConvUnit:
    padding: Literal["same", "valid"] = "same" if stride == 1 else "valid"
    return ConvUnit(
        n_in, n_out, width=width, stride=stride, padding=padding, activation="relu", has_bias=True, eps=1e-5
    )


def _start(model: nn.Module) -> None:
    """Draw the weights as published: He's uniform law for convolutions, Glorot's for dense layers."""
    for module in model.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        if isinstance(module, nn.Conv1d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _run_blocks(x: Tensor, strided: nn.Module, blocks: Sequence[nn.Module]) -> Iterator[tuple[str, Tensor]]:
    """Yield strided, block1 ... block9 (B, C, T)."""
    if x.shape[-1] < CHUNK_SAMPLES:
        raise InputError(f"a waveform of {x.shape[-1]} samples is too short: this network needs {CHUNK_SAMPLES}")
    x = strided(x)
    yield "strided", x
    for name, block in zip(_BLOCK_NAMES, blocks, strict=True):
        x = block(x)
        yield name, x


@ARCHITECTURES.register("sample_cnn")
class SampleCnn(TaggingModel):
    """SampleCNN of Lee et al. 2017, the network 3^9: a strided convolution, nine blocks, a convolution of width one.

    Parameters
    ----------
    n_tags : number of tags
    sample_rate : Hz; 22,050 as published (2.68 s), 16,000 in Won et al. 2020 (3.69 s)
    n_filters : channels of the first layer; the blocks have one, two and four times as many
    pooling : "max" as published, or "stochastic"

    Notes
    -----
    Of an input longer than 59,049 samples the strongest response of each channel is kept.
    """

    def __init__(
        self, *, n_tags: int = 50, sample_rate: int = 22050, n_filters: int = 128, pooling: MapPooling = "max"
    ) -> None:
        super().__init__()
        self.frontend = Raw(sample_rate=sample_rate)
        self.sample_rate, self.chunk_samples = sample_rate, CHUNK_SAMPLES
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 4 * n_filters, "pooled"
        self.layer_names = ("strided", *_BLOCK_NAMES, "last", "pooled", "logits")
        sizes = [n_filters, *(n_filters * multiple for multiple in _MULTIPLES)]
        self.strided = _unit(1, n_filters, stride=3)
        self.blocks = nn.ModuleList(
            _BasicBlock(n_in, n_out, pooling=pooling) for n_in, n_out in itertools.pairwise(sizes)
        )
        self.last = _unit(sizes[-1], sizes[-1], width=1)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(sizes[-1], n_tags)
        _start(self)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield strided, block1 ... block9, last (B, C, T), pooled (B, D), logits (B, K)."""
        x = spectrogram  # (B, 1, S)
        for name, value in _run_blocks(spectrogram, self.strided, list(self.blocks)):
            x = value
            yield name, x
        x = self.last(x)
        yield "last", x
        pooled = x.amax(dim=2)
        yield "pooled", pooled
        yield "logits", self.head(self.dropout(pooled))


class KimSampleCnn(TaggingModel):
    """The sample-level networks of Kim et al. 2018.

    Parameters
    ----------
    block : "se" (excitation), "res" (residual, two convolutions) or "rese" (both)
    multi_level : whether the last three blocks go into the dense layer, or the last one alone
    n_tags : number of tags
    sample_rate : Hz
    n_filters : channels of the first layer; the blocks have one, two and four times as many
    ratio : units of the excitation per channel
    pooling : "max" as published, or "stochastic"

    Notes
    -----
    The excitation widens sixteenfold where it usually narrows, as published. In residual blocks a fifth of the values
    is dropped between the two convolutions. Global pooling takes the strongest response.
    """

    def __init__(
        self,
        *,
        block: BlockKind,
        multi_level: bool,
        n_tags: int,
        sample_rate: int,
        n_filters: int,
        ratio: int,
        pooling: MapPooling,
    ) -> None:
        super().__init__()
        self.frontend = Raw(sample_rate=sample_rate)
        self.sample_rate, self.chunk_samples = sample_rate, CHUNK_SAMPLES
        sizes = [n_filters, *(n_filters * multiple for multiple in _MULTIPLES)]
        self.n_levels = 3 if multi_level else 1
        n_features = sum(sizes[-self.n_levels :])
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_features, "dense"
        self.layer_names = ("strided", *_BLOCK_NAMES, "pooled", "dense", "logits")
        self.strided = _unit(1, n_filters, stride=3)
        self.blocks = nn.ModuleList(
            _block(block, n_in, n_out, ratio=ratio, pooling=pooling) for n_in, n_out in itertools.pairwise(sizes)
        )
        self.dense = nn.Linear(n_features, n_features)
        self.norm = nn.BatchNorm1d(n_features)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(n_features, n_tags)
        _start(self)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield strided, block1 ... block9 (B, C, T), pooled, dense (B, D), logits (B, K)."""
        levels: list[Tensor] = []
        for name, value in _run_blocks(spectrogram, self.strided, list(self.blocks)):
            levels.append(value)
            yield name, value
        pooled = torch.cat([level.amax(dim=2) for level in levels[-self.n_levels :]], dim=1)
        yield "pooled", pooled
        dense = F.relu(self.norm(self.dense(pooled)))
        yield "dense", dense
        yield "logits", self.head(self.dropout(dense))


def _block(kind: BlockKind, n_in: int, n_out: int, *, ratio: int, pooling: MapPooling) -> nn.Module:
    if kind == "se":
        return _BasicBlock(n_in, n_out, ratio=ratio, pooling=pooling)
    return _ResidualBlock(n_in, n_out, ratio=ratio if kind == "rese" else 0, dropout=0.2, pooling=pooling)


@ARCHITECTURES.register("sample_cnn_se")
def sample_cnn_se(
    *,
    n_tags: int = 50,
    multi_level: bool = True,
    sample_rate: int = 22050,
    n_filters: int = 128,
    ratio: int = 16,
    pooling: MapPooling = "max",
) -> KimSampleCnn:
    """Build the network of Kim et al. 2018 with excitation ("SE"); the options are those of `KimSampleCnn`."""
    return KimSampleCnn(
        block="se",
        multi_level=multi_level,
        n_tags=n_tags,
        sample_rate=sample_rate,
        n_filters=n_filters,
        ratio=ratio,
        pooling=pooling,
    )


@ARCHITECTURES.register("sample_cnn_res")
def sample_cnn_res(
    *,
    n_tags: int = 50,
    multi_level: bool = True,
    sample_rate: int = 22050,
    n_filters: int = 128,
    pooling: MapPooling = "max",
) -> KimSampleCnn:
    """Build the residual network of Kim et al. 2018 ("Res-2"); the options are those of `KimSampleCnn`."""
    return KimSampleCnn(
        block="res",
        multi_level=multi_level,
        n_tags=n_tags,
        sample_rate=sample_rate,
        n_filters=n_filters,
        ratio=0,
        pooling=pooling,
    )


@ARCHITECTURES.register("sample_cnn_rese")
def sample_cnn_rese(
    *,
    n_tags: int = 50,
    multi_level: bool = True,
    sample_rate: int = 22050,
    n_filters: int = 128,
    ratio: int = 16,
    pooling: MapPooling = "max",
) -> KimSampleCnn:
    """Build the residual network with excitation of Kim et al. 2018 ("ReSE-2"); options as of `KimSampleCnn`."""
    return KimSampleCnn(
        block="rese",
        multi_level=multi_level,
        n_tags=n_tags,
        sample_rate=sample_rate,
        n_filters=n_filters,
        ratio=ratio,
        pooling=pooling,
    )


@ARCHITECTURES.register("sample_cnn_rese_won")
class WonReseCnn(TaggingModel):
    """The sample-level network with residuals and excitation as evaluated by Won et al. 2020 ("Sample-level + SE").

    Parameters
    ----------
    n_tags : number of tags
    n_filters : channels of the first layer; the blocks have one, two and four times as many
    pooling : "max" as published, or "stochastic"

    Notes
    -----
    Against Kim's ReSE-2: every layer is a residual block, the strided first one and a last one of width one too; the
    excitation is as wide as its input; shortcuts are three wide; no dropout inside; the last block alone is pooled.
    """

    def __init__(self, *, n_tags: int = 50, n_filters: int = 128, pooling: MapPooling = "max") -> None:
        super().__init__()
        self.frontend = Raw(sample_rate=16000)
        self.sample_rate, self.chunk_samples = 16000, CHUNK_SAMPLES
        sizes = [n_filters, *(n_filters * multiple for multiple in _MULTIPLES)]
        self.n_tags, self.n_features, self.embedding_layer = n_tags, sizes[-1], "dense"
        self.layer_names = ("strided", *_BLOCK_NAMES, "last", "pooled", "dense", "logits")
        self.strided = _ResidualBlock(1, n_filters, ratio=1, stride=3, shortcut_width=3, pool=1)
        self.blocks = nn.ModuleList(
            _ResidualBlock(n_in, n_out, ratio=1, shortcut_width=3, pooling=pooling)
            for n_in, n_out in itertools.pairwise(sizes)
        )
        self.last = _ResidualBlock(sizes[-1], sizes[-1], ratio=1, width=1, pool=1)
        self.dense = nn.Linear(sizes[-1], sizes[-1])
        self.norm = nn.BatchNorm1d(sizes[-1])
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(sizes[-1], n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield strided, block1 ... block9, last (B, C, T), pooled, dense (B, D), logits (B, K)."""
        x = spectrogram  # (B, 1, S)
        for name, value in _run_blocks(spectrogram, self.strided, list(self.blocks)):
            x = value
            yield name, x
        x = self.last(x)
        yield "last", x
        pooled = x.amax(dim=2)
        yield "pooled", pooled
        dense = F.relu(self.norm(self.dense(pooled)))
        yield "dense", dense
        yield "logits", self.head(self.dropout(dense))
