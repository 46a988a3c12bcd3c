"""Convolutions over time only: the content network of Spotify's blog and krotos, and that of Dieleman & Schrauwen.

References
----------
Dieleman, S. "Recommending music on Spotify with deep learning", 2014, https://benanne.github.io/2014/08/05/spotify-cnns.html
https://github.com/KelvinLu/krotos-convnet (its layer list).
van den Oord, A., Dieleman, S. and Schrauwen, B. "Deep content-based music recommendation", NIPS 2013.
Dieleman, S. and Schrauwen, B. "End-to-end learning for music audio", ICASSP 2014.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import LogMel, PowerMel, Scale
from earmark.errors import UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel


class TimeConvolution(nn.Module):
    """Convolution over time that keeps the length, ReLU, max pooling: (B, n_in, T) -> (B, n_out, T // pool).

    Parameters
    ----------
    n_in, n_out : channels
    width : frames of a filter
    pool : frames that become one; an incomplete group at the end is dropped
    """

    def __init__(self, n_in: int, n_out: int, *, width: int, pool: int) -> None:
        super().__init__()
        self.padding = ((width - 1) // 2, width // 2)
        self.conv = nn.Conv1d(n_in, n_out, width)
        self.pool = nn.MaxPool1d(pool)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        y: Tensor = self.pool(F.relu(self.conv(F.pad(x, self.padding))))
        return y


def summarise_time(x: Tensor) -> Tensor:
    """Pool by mean, maximum and L2 norm over time, (B, C, T) -> (B, 3 C)."""
    norm = torch.sqrt(torch.clamp(x.square().sum(dim=2), min=1e-12))  # the root has no slope at zero
    return torch.cat([x.mean(dim=2), x.amax(dim=2), norm], dim=1)


@ARCHITECTURES.register("content")
class Content(TaggingModel):
    """The content network of krotos, after Spotify's: three convolutions over time, three poolings, two dense layers.

    Parameters
    ----------
    n_tags : number of tags, or of latent factors where it is trained to those
    n_channels : filters of the first two convolutions, half of those of the third; 256 published
    n_units : units of each dense layer; 2048 published

    Notes
    -----
    The blog has a fourth convolution. Against the code of krotos: the dense layers have their ReLU, as in the blog;
    dropout acts in training only, and not on the outputs.
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 256, n_units: int = 2048) -> None:
        super().__init__()
        self.frontend = LogMel(sample_rate=22050, n_fft=2048, hop_length=1024, n_mels=128, scaling="unit")
        self.sample_rate, self.chunk_samples = 22050, 29 * 22050
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units, "dense2"
        self.layer_names = ("conv1", "conv2", "conv3", "pooled", "dense1", "dense2", "logits")
        self.convolutions = nn.ModuleList(
            [
                TimeConvolution(128, n_channels, width=4, pool=4),
                TimeConvolution(n_channels, n_channels, width=4, pool=2),
                TimeConvolution(n_channels, 2 * n_channels, width=4, pool=2),
            ]
        )
        self.dense1, self.dense2 = nn.Linear(6 * n_channels, n_units), nn.Linear(n_units, n_units)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(n_units, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield conv1 ... conv3 (B, C, T), pooled, dense1 and dense2 (B, C), logits (B, K)."""
        x = spectrogram  # (B, 128, 625)
        for i, convolution in enumerate(self.convolutions, start=1):
            x = convolution(x)
            yield f"conv{i}", x
        pooled = summarise_time(x)
        yield "pooled", pooled
        dense1 = F.relu(self.dense1(pooled))
        yield "dense1", dense1
        dense2 = F.relu(self.dense2(self.dropout(dense1)))
        yield "dense2", dense2
        yield "logits", self.head(self.dropout(dense2))


@ARCHITECTURES.register("dieleman_mel")
class DielemanMel(TaggingModel):
    """The spectrogram network of Dieleman & Schrauwen 2014: 3 s of mel, two convolutions over time, two dense layers.

    Parameters
    ----------
    n_tags : number of tags
    length : of the frames of the spectrogram, samples; 256, 512 and 1024 published
    stride : between two frames, samples; `length`, or half of it, published

    Notes
    -----
    The convolutions keep the length, so that 3 s are enough at every stride. Bands between two bins of short frames
    stay empty.

    Raises
    ------
    UsageError
        If fewer than 16 frames fit into 3 s, since the poolings leave one of 16.
    """

    def __init__(self, *, n_tags: int = 50, length: int = 256, stride: int = 256) -> None:
        super().__init__()
        power = PowerMel(16000, n_fft=length, hop_length=stride, n_mels=128, center=False)
        self.frontend = nn.Sequential(power, Scale("compressed"))  # no LogMel: that warns of empty bands
        self.sample_rate, self.chunk_samples = 16000, 3 * 16000
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 100, "dense"
        self.layer_names = ("conv1", "conv2", "flat", "dense", "logits")
        self.conv1 = TimeConvolution(128, 32, width=8, pool=4)
        self.conv2 = TimeConvolution(32, 32, width=8, pool=4)
        n_frames = 1 + (self.chunk_samples - length) // stride
        if n_frames < 16:
            raise UsageError(f"3 s have {n_frames} frames of {length} samples, {stride} apart; 16 are needed")
        self.dense = nn.Linear(32 * (n_frames // 16), 100)
        self.head = nn.Linear(100, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield conv1 and conv2 (B, C, T), flat and dense (B, C), logits (B, K)."""
        conv1 = self.conv1(spectrogram)
        yield "conv1", conv1
        conv2 = self.conv2(conv1)
        yield "conv2", conv2
        flat = conv2.flatten(1)
        yield "flat", flat
        dense = F.relu(self.dense(flat))
        yield "dense", dense
        yield "logits", self.head(dense)
