"""Short-chunk CNNs: small filters, small pooling, 3.69 s of mel, the strongest response over time.

References
----------
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
"""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from earmark.audio.frontends import WonMel
from earmark.errors import UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import ConvBlock, DenseHead, ResidualBlock

_CHUNK_SAMPLES = 59049
_LEAST_SAMPLES = 127 * 256  # 128 frames
_WIDTHS = (1, 1, 2, 2, 2, 2, 4)  # channels of the blocks, in units of `n_channels`


class _ShortChunkBody(TaggingModel):
    """What both short-chunk networks share: the front end, the stages and the end."""

    def __init__(self, n_channels: int, n_tags: int, chunk_samples: int) -> None:
        super().__init__()
        if chunk_samples < _LEAST_SAMPLES:
            raise UsageError(f"chunk_samples={chunk_samples}", hint=f"{_LEAST_SAMPLES} or more: seven halvings")
        self.frontend = WonMel(n_mels=128)
        self.sample_rate, self.chunk_samples = 16000, chunk_samples
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 4 * n_channels, "penultimate"
        names = [f"block{i}" for i in range(1, len(_WIDTHS) + 1)]
        self.layer_names = (*names, "pooled", "penultimate", "logits")
        self.input_norm = nn.BatchNorm2d(1)
        self.blocks = nn.ModuleList()
        self.end = DenseHead(4 * n_channels, 4 * n_channels, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block7 (B, C, F, T), pooled (B, C), penultimate (B, D), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 128, T), T = 231 as published
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        pooled = x.amax(dim=(-2, -1))  # (B, C)
        yield "pooled", pooled
        penultimate = self.end.penultimate(pooled)
        yield "penultimate", penultimate
        yield "logits", self.end(penultimate)


@ARCHITECTURES.register("short_chunk")
class ShortChunk(_ShortChunkBody):
    """Short-chunk CNN of Won et al. 2020: seven 3 x 3 convolutions, each halved by max pooling.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first convolution, a quarter of those of the last; 128 published
    chunk_samples : length of the input at 16 kHz, samples

    Raises
    ------
    UsageError
        If the input is too short to be halved seven times.
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128, chunk_samples: int = _CHUNK_SAMPLES) -> None:
        super().__init__(n_channels, n_tags, chunk_samples)
        sizes = (1, *(n_channels * width for width in _WIDTHS))
        self.blocks.extend(ConvBlock(n_in, n_out, pool=(2, 2)) for n_in, n_out in pairwise(sizes))


@ARCHITECTURES.register("short_chunk_res")
class ShortChunkRes(_ShortChunkBody):
    """Short-chunk CNN with residual connections of Won et al. 2020: seven blocks of two convolutions, stride 2.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first block, a quarter of those of the last; 128 published. 64 has a quarter of the
        parameters and of the arithmetic, 32 a sixteenth, for small data and for training on a CPU
    chunk_samples : length of the input at 16 kHz, samples

    Raises
    ------
    UsageError
        If the input is too short to be halved seven times.
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128, chunk_samples: int = _CHUNK_SAMPLES) -> None:
        super().__init__(n_channels, n_tags, chunk_samples)
        sizes = (1, *(n_channels * width for width in _WIDTHS))
        self.blocks.extend(ResidualBlock(n_in, n_out, stride=(2, 2)) for n_in, n_out in pairwise(sizes))
