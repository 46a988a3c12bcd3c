"""Choi's networks on 29 s of mel at 12 kHz: FCN-3, -4, -5, MusicTaggerCNN, k1c2, k2c1 and k2c2.

References
----------
Choi, K., Fazekas, G. and Sandler, M. "Automatic tagging using deep convolutional neural networks", ISMIR 2016.
Choi, K. et al. "Convolutional recurrent neural networks for music classification", ICASSP 2017.
https://github.com/keunwoochoi/music-auto_tagging-keras (MusicTaggerCNN).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import ChoiMel, LogMel
from earmark.errors import UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import ConvBlock

_FRAMES = 1366
_POOLS_OF_5 = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
_POOLS_IN_TIME = (4, 5, 8, 8)

# Widths of the convolutions by the budget of parameters, in thousands (2017, table 1).
_K1C2 = {100: (15, 30), 250: (23, 47), 500: (33, 66), 1000: (47, 95), 3000: (81, 163)}
_K2C1 = {100: (43, 87), 250: (72, 145), 500: (106, 212), 1000: (152, 304), 3000: (265, 535)}
_K2C2 = {
    100: (20, 41, 41, 62, 83),
    250: (33, 66, 66, 100, 133),
    500: (47, 95, 95, 142, 190),
    1000: (67, 135, 135, 203, 271),
    3000: (118, 236, 236, 355, 473),
}


def _log_mel() -> LogMel:
    return LogMel(sample_rate=12000, n_fft=512, hop_length=256, n_mels=96)


class _ChoiBody(TaggingModel):
    """What all of them share: the front end, the chunk, and blocks whose last map has one position."""

    def __init__(self, n_tags: int, n_features: int, n_blocks: int) -> None:
        super().__init__()
        self.frontend: nn.Module = _log_mel()
        self.sample_rate, self.chunk_samples = 12000, (_FRAMES - 1) * 256
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_features, "pooled"
        self.layer_names = (*(f"block{i}" for i in range(1, n_blocks + 1)), "pooled", "logits")
        self.input_norm: nn.Module = nn.Identity()
        self.blocks = nn.ModuleList()
        self.head = nn.Linear(n_features, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the blocks (B, C, F, T), pooled (B, C), logits (B, K)."""
        x = self._normalised(spectrogram).unsqueeze(1)  # (B, 1, 96, 1366)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        # One position remains of 29 s; of a longer input the strongest response is kept.
        pooled = x.amax(dim=(-2, -1))  # (B, C)
        yield "pooled", pooled
        yield "logits", self.head(pooled)

    def _normalised(self, spectrogram: Tensor) -> Tensor:
        normalised: Tensor = self.input_norm(spectrogram)
        return normalised


def _convolutions(channels: Sequence[int], pools: Sequence[tuple[int, int]]) -> Iterator[nn.Module]:
    """Yield the blocks of the paper of 2016: ReLU, and dropout of one half behind every pooling."""
    for (n_in, n_out), pool in zip(pairwise((1, *channels)), pools, strict=True):
        yield ConvBlock(n_in, n_out, pool=pool, dropout=0.5)


@ARCHITECTURES.register("fcn3")
class Fcn3(_ChoiBody):
    """FCN-3 of Choi et al. 2016: three convolutions.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first convolution; 128 published, 768 and 2048 in the others

    Notes
    -----
    The paper gives layers of FCN-4 and FCN-5. Those of this one are ours: FCN-4 without its second convolution, its
    pooling shared out among the other three.
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128) -> None:
        super().__init__(n_tags, 16 * n_channels, 3)
        channels = [n_channels * width for width in (1, 6, 16)]
        self.blocks.extend(_convolutions(channels, ((4, 8), (4, 10), (6, 17))))


@ARCHITECTURES.register("fcn4")
class Fcn4(_ChoiBody):
    """FCN-4 of Choi et al. 2016: four convolutions, 2048 channels at the end.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first convolution; 128 published, 384, 768 and 2048 in the others
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128) -> None:
        super().__init__(n_tags, 16 * n_channels, 4)
        channels = [n_channels * width for width in (1, 3, 6, 16)]
        self.blocks.extend(_convolutions(channels, ((2, 4), (4, 5), (3, 8), (4, 8))))


@ARCHITECTURES.register("fcn5")
class Fcn5(_ChoiBody):
    """FCN-5 of Choi et al. 2016: five convolutions, 2048 channels at the end.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first convolution, doubled in each of the others; 128 published
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128) -> None:
        super().__init__(n_tags, 16 * n_channels, 5)
        channels = [n_channels * width for width in (1, 2, 4, 8, 16)]
        self.blocks.extend(_convolutions(channels, _POOLS_OF_5))


@ARCHITECTURES.register("fcn_choi")
class ChoiFcn(_ChoiBody):
    """MusicTaggerCNN, the FCN-5 whose code Choi published: narrower, with ELU.

    Parameters
    ----------
    n_tags : number of tags

    Notes
    -----
    As in `crnn_choi`, the published code squares the mel power once more and normalises each of the 1366 frames, not
    each band as the paper says; so the model takes clips of one length only.
    """

    def __init__(self, *, n_tags: int = 50) -> None:
        super().__init__(n_tags, 256, 5)
        self.frontend = ChoiMel()
        self.input_norm = nn.BatchNorm1d(_FRAMES, eps=1e-6)
        channels = (1, 32, 128, 128, 192, 256)
        self.blocks.extend(
            ConvBlock(n_in, n_out, pool=pool, activation="elu", dropout=0.5, eps=1e-6)
            for (n_in, n_out), pool in zip(pairwise(channels), _POOLS_OF_5, strict=True)
        )

    def _normalised(self, spectrogram: Tensor) -> Tensor:
        normalised: Tensor = self.input_norm(spectrogram.transpose(1, 2)).transpose(1, 2)
        return normalised


def _widths(table: Mapping[int, tuple[int, ...]], budget: int) -> tuple[int, ...]:
    """Look up the widths of a budget."""
    if budget not in table:
        raise UsageError(
            f"there is no network of {budget} thousand parameters", hint=f"budget: {', '.join(map(str, table))}"
        )
    return table[budget]


@ARCHITECTURES.register("k2c2")
class K2c2(_ChoiBody):
    """k2c2 of Choi et al. 2017: five 3 x 3 convolutions, pooled in frequency and time to one position.

    Parameters
    ----------
    n_tags : number of tags
    budget : parameters in thousands: 100, 250, 500, 1000 or 3000

    Notes
    -----
    Norm per band, ELU and dropout (0.1 in the convolutions) are those of the CRNN of the same paper. The mel power is
    not squared once more. The budgets are the paper's round figures.
    """

    def __init__(self, *, n_tags: int = 50, budget: int = 1000) -> None:
        channels = _widths(_K2C2, budget)
        super().__init__(n_tags, channels[-1], 5)
        self.input_norm = nn.BatchNorm1d(96)
        self.blocks.extend(
            ConvBlock(n_in, n_out, pool=pool, activation="elu", dropout=0.1)
            for (n_in, n_out), pool in zip(pairwise((1, *channels)), _POOLS_OF_5, strict=True)
        )


class _TimeBlock(nn.Module):
    """Convolution four frames wide, one band or all bands high; batch norm, ELU, pooling in time.

    (B, n_in, F, T) -> (B, n_out, F - height + 1, T // pool).
    """

    def __init__(self, n_in: int, n_out: int, *, height: int, pool: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, (height, 4))
        self.norm = nn.BatchNorm2d(n_out)
        self.pool = nn.MaxPool2d((1, pool))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; the time axis is padded so that the convolution keeps its length."""
        y: Tensor = self.dropout(self.pool(F.elu(self.norm(self.conv(F.pad(x, (1, 2)))))))
        return y


class _DenseBody(_ChoiBody):
    """Four convolutions along time, and two dense layers on what is left of the clip."""

    def __init__(self, n_tags: int, widths: tuple[int, ...], height: int) -> None:
        narrow, wide = widths
        super().__init__(n_tags, wide, 4)
        self.embedding_layer = "dense2"
        self.layer_names = ("block1", "block2", "block3", "block4", "dense1", "dense2", "logits")
        self.input_norm = nn.BatchNorm1d(96)
        heights = (height, 1, 1, 1)
        self.blocks.extend(
            _TimeBlock(n_in, n_out, height=h, pool=pool)
            for (n_in, n_out), h, pool in zip(
                pairwise((1, narrow, narrow, wide, wide)), heights, _POOLS_IN_TIME, strict=True
            )
        )
        n_bands = 96 - height + 1
        self.dense1, self.dense2 = nn.Linear(wide * n_bands, wide), nn.Linear(wide, wide)
        self.dropout = nn.Dropout(0.3)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block4 (B, C, F, T), dense1 and dense2 (B, C), logits (B, K)."""
        x = self._normalised(spectrogram).unsqueeze(1)  # (B, 1, 96, 1366)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        dense1 = F.elu(self.dense1(x.amax(dim=-1).flatten(1)))
        yield "dense1", dense1
        dense2 = F.elu(self.dense2(dense1))
        yield "dense2", dense2
        yield "logits", self.head(self.dropout(dense2))


@ARCHITECTURES.register("k1c2")
class K1c2(_DenseBody):
    """k1c2 of Choi et al. 2017: convolutions along time, in every band with the same filters, and two dense layers.

    Parameters
    ----------
    n_tags : number of tags
    budget : parameters in thousands: 100, 250, 500, 1000 or 3000

    Notes
    -----
    See `k2c2`; dropout of 0.3 before the last layer.
    """

    def __init__(self, *, n_tags: int = 50, budget: int = 1000) -> None:
        super().__init__(n_tags, _widths(_K1C2, budget), height=1)


@ARCHITECTURES.register("k2c1")
class K2c1(_DenseBody):
    """k2c1 of Choi et al. 2017: filters over all bands, then convolutions along time and two dense layers.

    Parameters
    ----------
    n_tags : number of tags
    budget : parameters in thousands: 100, 250, 500, 1000 or 3000

    Notes
    -----
    See `k2c2`; dropout of 0.3 before the last layer.
    """

    def __init__(self, *, n_tags: int = 50, budget: int = 1000) -> None:
        super().__init__(n_tags, _widths(_K2C1, budget), height=96)
