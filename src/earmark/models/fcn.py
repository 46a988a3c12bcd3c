"""Fully convolutional taggers.

References
----------
Choi, K., Fazekas, G. and Sandler, M. "Automatic tagging using deep convolutional neural networks", ISMIR 2016.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020 (this layer list and front end).
"""

from collections.abc import Iterator

from torch import Tensor, nn

from earmark.audio.frontends import WonMel
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import ConvBlock

_CHANNELS = (64, 128, 128, 128, 64)
_POOLS = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))


@ARCHITECTURES.register("fcn")
class Fcn(TaggingModel):
    """FCN-5 as evaluated by Won et al. 2020: 29 s of mel, five convolutions, one value per channel at the end.

    Parameters
    ----------
    n_tags : number of tags

    Notes
    -----
    Won's version has ReLU and a batch norm over the whole spectrogram where Choi's has ELU and one per frequency band.
    """

    def __init__(self, *, n_tags: int = 50) -> None:
        super().__init__()
        self.frontend = WonMel(n_mels=96)
        self.sample_rate, self.chunk_samples = 16000, 29 * 16000
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 64, "pooled"
        self.layer_names = ("block1", "block2", "block3", "block4", "block5", "pooled", "logits")
        self.input_norm = nn.BatchNorm2d(1)
        sizes = (1, *_CHANNELS)
        self.blocks = nn.ModuleList(
            ConvBlock(n_in, n_out, pool=pool) for n_in, n_out, pool in zip(sizes[:-1], sizes[1:], _POOLS, strict=True)
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(64, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block5 (B, C, F, T), pooled (B, 64), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 96, 1813)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        # One position remains of 29 s; of a longer input the strongest response is kept, position by position.
        pooled = x.amax(dim=(-2, -1))  # (B, 64)
        yield "pooled", pooled
        yield "logits", self.head(self.dropout(pooled))
